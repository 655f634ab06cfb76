// The kindergarten: an application that works with or without a network.

import { html, render, useEffect, useRef, useState } from '../vendor/preact.js';
import { ConflictScreen, ConflictsScreen } from './conflict_screens.js';
import { listConflicts } from './conflict_versions.js';
import { openDatabase, person, store } from './database.js';
import { DocumentScreen } from './document_screen.js';
import { FormScreen } from './form_screen.js';
import { Icon } from './icons.js';
import { KINDS } from './kinds.js';
import { ListScreen } from './list_screen.js';
import { useRead, useSyncStatus } from './live.js';
import { installPage } from './offline_page.js';
import { addressOf, useRoute } from './route.js';
import { Title, focusSoon, keepFocus } from './screen.js';
import { PersonForm, SyncButton, SyncDialog, describePhase, describeWaiting } from './sync_dialog.js';

const NOTICE_MS = 6000;

function App({ sync, page }) {
    const route = useRoute();
    const status = useSyncStatus(sync);
    const { value: conflicts = [] } = useRead(listConflicts);
    const [notice, setNotice] = useState({ text: '' });
    const [isSyncOpen, setSyncOpen] = useState(false);
    const [isPersonKnown, setPersonKnown] = useState(person.isKnown);
    const [isRenewable, setRenewable] = useState(false);
    const [lost, setLost] = useState();
    useEffect(() => page.onRenewable(() => setRenewable(true)), []);
    useEffect(() => { store.on('storageLost', setLost); }, []);
    useEffect(() => {
        if (notice.text === '') return undefined;
        const timer = setTimeout(() => setNotice({ text: '' }), NOTICE_MS);
        return () => clearTimeout(timer);
    }, [notice]);
    const notify = (text) => setNotice({ text });
    const openSync = () => setSyncOpen(true);

    return html`
        <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.querySelector('#main').focus(); }}>Skip to the content</a>
        <header>
            <a class="brand" href="#/children"><img src="icon.svg" alt="" width="32" height="32" />Kindergarten</a>
            <${SyncButton} status=${status} onOpen=${openSync} />
        </header>
        <${Navigation} current=${route[0] ?? 'children'} conflicts=${conflicts} />
        <p class="unseen" role="status" aria-live="polite">${useSettled(status, announce(status, conflicts.length))}</p>
        <div class="notices" role="status" aria-live="polite">${notice.text && html`<p class="notice">${notice.text}</p>`}</div>
        <main id="main" tabindex="-1">
            ${lost && html`<p class="trouble" role="alert">The browser took the storage away: ${lost.message}. Reload the page to begin anew.</p>`}
            ${isRenewable && html`<p class="card-note">A newer version of this page is ready. <button onClick=${() => page.renew()}>Use it now</button></p>`}
            ${!isPersonKnown && route.length < 2 && html`<div class="card-note"><${PersonForm} onPerson=${() => { setPersonKnown(true); notify('Your name is set.'); focusSoon('h1'); }} /></div>`}
            ${conflicts.length > 0 && route[0] !== 'conflicts' && html`<p class="card-note of-two"><${Icon} name="conflicts" />
                <span>${conflicts.length === 1 ? 'One entry was' : `${conflicts.length} entries were`} changed by two people at once.</span>
                <a class="button" href=${addressOf('conflicts')}>Decide</a></p>`}
            <${Screen} route=${route} conflicts=${conflicts} notify=${notify} key=${route.join('/')} />
        </main>
        ${isSyncOpen && html`<${SyncDialog} sync=${sync} status=${status} onClose=${() => setSyncOpen(false)}
            onPerson=${() => { setPersonKnown(true); notify('Your name is set.'); }} />`}`;
}

/** The words of the last state that stays: a server that is gone is looked for again and again. */
function useSettled({ phase }, words) {
    const last = useRef('');
    if (phase !== 'connecting' && phase !== 'catching-up') last.current = words;
    return last.current;
}

/** What readers hear when it changes. */
function announce(status, conflictCount) {
    const words = [describePhase(status)];
    if (status.phase !== 'live' && status.waiting > 0) words.push(describeWaiting(status.waiting));
    if (conflictCount > 0) words.push(`${conflictCount} to decide`);
    return words.join(', ');
}

function Navigation({ current, conflicts }) {
    const entries = Object.entries(KINDS).map(([name, { title }]) => [name, title]);
    if (conflicts.length > 0) entries.push(['conflicts', 'Decide']);
    return html`<nav aria-label="Kindergarten"><ul>${entries.map(([name, title]) => html`
        <li key=${name}><a href=${addressOf(name)} aria-current=${name === current ? 'page' : undefined}>
            <${Icon} name=${name} /><span>${title}</span>
            ${name === 'conflicts' && html`<span class="number">${conflicts.length}</span>`}</a></li>`)}</ul></nav>`;
}

function Screen({ route: [name = 'children', first, second], conflicts, notify }) {
    if (name === 'conflicts') {
        return first === undefined ? html`<${ConflictsScreen} conflicts=${conflicts} />` : html`<${ConflictScreen} id=${first} notify=${notify} />`;
    }
    if (!KINDS[name]) return html`<${Title} text="Not found" /><p><a class="button" href="#/children">To the children</a></p>`;
    if (first === undefined) return html`<${ListScreen} name=${name} conflicts=${conflicts} />`;
    if (first === 'new') return html`<${FormScreen} name=${name} beginning=${second ? { child: second } : {}} notify=${notify} />`;
    const id = `${name}/${first}`;
    if (second === 'edit') return html`<${FormScreen} name=${name} id=${id} notify=${notify} />`;
    return html`<${DocumentScreen} name=${name} id=${id} notify=${notify} />`;
}

const root = document.querySelector('#app');
try {
    const page = installPage();
    const sync = await openDatabase();
    root.textContent = '';
    keepFocus(root);
    render(html`<${App} sync=${sync} page=${page} />`, root);
} catch (error) {
    root.textContent = '';
    render(html`<main><h1>The kindergarten cannot be opened</h1><p class="trouble" role="alert">${error.message}</p>
        <p><button onClick=${() => location.reload()}>Try again</button></p></main>`, root);
    throw error;
}
