// Shows JSON as a tree that opens and closes. Large parts are built when they are opened.

import { element } from "./elements.js";
import { NumberText } from "./server.js";

const ITEMS_AT_ONCE = 100;
// Parts with more items than this start closed: sooner when the items have parts themselves.
const OPEN_FLAT_LIMIT = 30;
const OPEN_NESTED_LIMIT = 12;
const OPEN_DEPTH = 3;
const PEEK_LENGTH = 200;

/** Strings that are links: set by `followReferences`, asked when a part is built. */
const addressFinders = new WeakMap();

export function showTree(value) {
    const tree = element("div", { className: "json" });
    tree.append(items(value, 0, tree));
    return tree;
}

/** Turns strings into links where `findAddress` gives one, now and in parts opened later. */
export function followReferences(tree, findAddress) {
    addressFinders.set(tree, findAddress);
    for (const shown of tree.querySelectorAll(".string")) {
        linkString(shown, shown.dataset.text, findAddress);
    }
}

/** One line that tells a document from its neighbours: its first values with their paths. */
export function peek(body) {
    const parts = [];
    let length = 0;
    for (const part of leaves(body, "")) {
        parts.push(part);
        length += part.length;
        if (length > PEEK_LENGTH) {
            break;
        }
    }
    return parts.join(" · ");
}

function* leaves(value, path) {
    for (const [name, child] of Object.entries(value)) {
        const childPath = path ? `${path}.${name}` : name;
        if (isLeaf(child)) {
            yield `${childPath}: ${String(child).slice(0, PEEK_LENGTH)}`;
        } else {
            yield* leaves(child, childPath);
        }
    }
}

const isLeaf = value => value === null || typeof value !== "object" || value instanceof NumberText;

function items(value, depth, tree) {
    const entries = Object.entries(value);
    const list = element("ul");
    const isArray = Array.isArray(value);
    const add = from => {
        const shown = entries.slice(from, from + ITEMS_AT_ONCE);
        list.append(...shown.map(([name, child]) => item(name, isArray, child, depth, tree)));
        const rest = entries.length - from - shown.length;
        if (rest > 0) {
            const more = element("button", { type: "button" }, `Show ${Math.min(rest, ITEMS_AT_ONCE)} more of ${rest.toLocaleString()}`);
            const place = element("li", {}, more);
            more.addEventListener("click", () => {
                const at = list.children.length - 1;
                place.remove();
                add(from + ITEMS_AT_ONCE);
                list.children[at]?.querySelector("summary, a, button")?.focus();
            });
            list.append(place);
        }
    };
    add(0);
    if (entries.length === 0) {
        list.append(element("li", { className: "note" }, isArray ? "[ ]" : "{ }"));
    }
    return list;
}

function item(name, inArray, value, depth, tree) {
    const label = [element("span", { className: inArray ? "note" : "name" }, name), ": "];
    if (isLeaf(value)) {
        return element("li", {}, ...label, leaf(value, tree));
    }
    const size = Object.keys(value).length;
    const brackets = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
    if (size === 0) {
        return element("li", {}, ...label, element("span", { className: "note" }, brackets.join(" ")));
    }
    const details = element("details", {},
        element("summary", {}, ...label, element("span", { className: "note" }, `${brackets[0]}${size.toLocaleString()}${brackets[1]}`)));
    const build = () => details.append(items(value, depth + 1, tree));
    const openLimit = Object.values(value).every(isLeaf) ? OPEN_FLAT_LIMIT : OPEN_NESTED_LIMIT;
    if (depth < OPEN_DEPTH && size <= openLimit) {
        details.open = true;
        build();
    } else {
        details.addEventListener("toggle", build, { once: true });
    }
    return element("li", {}, details);
}

function leaf(value, tree) {
    if (typeof value === "string") {
        const shown = element("span", { className: "string" }, JSON.stringify(value));
        shown.dataset.text = value;
        const findAddress = addressFinders.get(tree);
        if (findAddress) {
            linkString(shown, value, findAddress);
        }
        return shown;
    }
    const isNumber = typeof value === "number" || value instanceof NumberText;
    return element("span", { className: isNumber ? "number" : "literal" }, String(value));
}

function linkString(shown, text, findAddress) {
    const href = findAddress(text);
    if (href) {
        shown.replaceChildren(element("a", { href }, text));
    }
}
