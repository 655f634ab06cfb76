// Makes elements without ever parsing markup.

/** An element with properties set and children appended; false and empty children are left out. */
export function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
        if (name === "list" || name === "role") {
            made.setAttribute(name, value);
        } else {
            made[name] = value;
        }
    }
    made.append(...kept(children));
    return made;
}

/** Puts `children` in the place of what `parent` holds. */
export function replace(parent, ...children) {
    parent.replaceChildren(...kept(children));
}

function kept(children) {
    return children.filter(child => child !== false && child !== null && child !== undefined && child !== "");
}
