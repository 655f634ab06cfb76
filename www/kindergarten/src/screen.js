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

/** Something that did not work. */
export function Trouble({ error }) {
    if (!error) return null;
    return html`<p class="trouble" role="alert">That did not work: ${error.message}</p>`;
}
