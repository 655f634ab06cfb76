// Dialogs: the browser's own, which keeps the focus inside and gives it back.

import { html, useEffect, useRef } from '../vendor/preact.js';

/** A dialog that is open as long as it is shown. */
export function Dialog({ title, onClose, children }) {
    const dialog = useRef();
    const heading = useRef();
    useEffect(() => {
        const shown = dialog.current;
        shown.showModal();
        // The browser gives the focus back when a dialog is closed, not when it is taken away.
        return () => shown.close();
    }, []);
    // What had the focus may be gone with this rendering.
    useEffect(() => {
        if (document.activeElement !== document.body) return;
        // Not from the beginning, or the dialog would open with the focus on it.
        heading.current.tabIndex = -1;
        heading.current.focus();
    });
    return html`
        <dialog ref=${dialog} aria-labelledby="dialog-title" onClose=${onClose}
                onClick=${(event) => { if (event.target === dialog.current) dialog.current.close(); }}>
            <div class="dialog">
                <h2 id="dialog-title" ref=${heading}>${title}</h2>
                ${children}
            </div>
        </dialog>`;
}

/** Asks before something that cannot be taken back here. */
export function Confirmation({ title, text, action, onConfirm, onClose }) {
    return html`
        <${Dialog} title=${title} onClose=${onClose}>
            <p>${text}</p>
            <div class="actions">
                <button type="button" onClick=${onClose}>Keep</button>
                <button type="button" class="danger" onClick=${onConfirm}>${action}</button>
            </div>
        <//>`;
}
