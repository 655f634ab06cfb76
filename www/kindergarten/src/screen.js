// What all screens have.

import { html, useEffect, useRef } from '../vendor/preact.js';

/** The screen's heading; readers hear it when they come from another screen. */
export function Title({ text }) {
    const heading = useRef();
    useEffect(() => {
        document.title = `${text} · Kindergarten`;
        if (Title.hasMoved) {
            heading.current.focus({ preventScroll: true });
            scrollTo(0, 0);
        }
        Title.hasMoved = true;
    }, []);
    useEffect(() => { document.title = `${text} · Kindergarten`; }, [text]);
    return html`<h1 ref=${heading} tabindex="-1">${text}</h1>`;
}
// Not on the first screen: there the reader has not moved yet.
Title.hasMoved = false;

/** Gives the focus to what `selector` finds once this moment's changes are shown: for whom a button takes away with itself. */
export function focusSoon(selector) {
    setTimeout(() => document.querySelector(selector)?.focus());
}

/**
 * Keeps the keyboard's place when others change what is on the screen: what had the focus and went
 * leaves it to its neighbour in the list, or to the heading. A button that knows better asks with
 * `focusSoon`, which comes later.
 */
export function keepFocus(root) {
    let last;
    root.addEventListener('focusin', (event) => { last = event.target; });
    new MutationObserver((records) => {
        if (document.activeElement !== document.body) return;
        const gone = records.find((it) => [...it.removedNodes].some((node) => node.contains(last)));
        if (!gone) return;
        // One that only moved in its list has lost the focus, too.
        const next = last.isConnected ? last : neighbourOf(gone) ?? document.querySelector('h1');
        next?.focus();
    }).observe(root, { childList: true, subtree: true });
}

function neighbourOf({ target, nextSibling, previousSibling }) {
    if (!target.isConnected || target.tagName !== 'UL') return undefined;
    return [nextSibling, previousSibling].find((it) => it?.isConnected)?.querySelector?.('a, button') ?? undefined;
}

/** Something that did not work. */
export function Trouble({ error }) {
    if (!error) return null;
    return html`<p class="trouble" role="alert">That did not work: ${error.message}</p>`;
}
