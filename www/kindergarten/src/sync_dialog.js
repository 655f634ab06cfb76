// How this browser stands with the server, in few words and in many.

import { html, useEffect, useId, useState } from '../vendor/preact.js';
import { openReading, person, store } from './database.js';
import { Dialog } from './dialog.js';
import { kindOf } from './kinds.js';

const PENDING_SHOWN = 20;

/** The state in a few words. */
export function describePhase({ phase, remaining }) {
    switch (phase) {
        case 'live': return 'Live';
        case 'connecting': return 'Connecting…';
        case 'catching-up': return remaining > 0 ? `Catching up, ${remaining} to come` : 'Catching up…';
        case 'paused': return 'Paused';
        case 'error': return 'Not syncing';
        default: return 'Offline';
    }
}

export const describeWaiting = (waiting) => (waiting === 1 ? '1 change waiting' : `${waiting} changes waiting`);

/** The state, as a button that tells more. */
export function SyncButton({ status, onOpen }) {
    const { phase, waiting } = status;
    const details = [
        phase === 'error' && status.reason,
        // Short for small screens; whole for readers.
        waiting > 0 && html`${waiting}<span class="unseen"> ${waiting === 1 ? 'change' : 'changes'}</span> waiting`,
    ].filter(Boolean);
    return html`<button type="button" class=${`sync is-${phase}`} onClick=${onOpen} aria-haspopup="dialog">
        <span class="dot" aria-hidden="true"></span>
        <span class="words"><span class="unseen">Sync: </span><span class="phase">${describePhase(status)}</span>
        ${details.map((it, at) => html`<span class="more" key=${at}>${it}</span>`)}</span>
    </button>`;
}

const EXPLANATIONS = {
    live: 'Everything here is on the server, and what others change shows at once.',
    connecting: 'Looking for the server.',
    'catching-up': 'Fetching what others changed meanwhile.',
    paused: 'You paused it. What you change waits here.',
    offline: 'The server cannot be reached. Go on working: what you change waits here and is sent when it can be.',
    error: 'The server does not sync with this browser. What you change waits here.',
};

export function SyncDialog({ sync, status, onClose, onPerson }) {
    const [pending, setPending] = useState([]);
    const [storage, setStorage] = useState();
    const [trouble, setTrouble] = useState('');
    const attempt = (work) => () => { setTrouble(''); work().catch((error) => setTrouble(error.message)); };
    useEffect(() => {
        namePending(sync).then(setPending, (error) => setTrouble(error.message));
    }, [status]);
    useEffect(() => { store.storage.status().then(setStorage, (error) => setTrouble(error.message)); }, []);
    const refused = pending.filter((it) => it.refusal);
    const waiting = pending.filter((it) => !it.refusal);
    // It says itself when it changes: what stands outside a dialog is not read while it is open.
    return html`<${Dialog} title=${describePhase(status)} onClose=${onClose}>
        <p role="status">${EXPLANATIONS[status.phase]}</p>
        ${status.reason && !/cannot be reached/.test(status.reason) && html`<p class="quiet">The reason: ${status.reason}</p>`}
        ${waiting.length > 0 && html`<h3>${describeWaiting(status.waiting)}</h3>
            <ul class="plain-list">${waiting.slice(0, PENDING_SHOWN).map((it) => html`<li key=${it.id}>${it.name}</li>`)}
            ${waiting.length > PENDING_SHOWN && html`<li class="quiet">and more</li>`}</ul>`}
        ${refused.length > 0 && html`<h3>The server did not take</h3>
            <ul class="plain-list">${refused.map((it) => html`<li key=${it.id}><strong>${it.name}</strong>: ${it.refusal.reason}
                <button type="button" onClick=${attempt(() => sync.discardPending(it.id))}>Give up this change</button></li>`)}</ul>
            <p><button type="button" onClick=${attempt(() => sync.retryRefused())}>Try these again</button></p>`}
        <p class="actions">
            ${status.phase === 'paused'
                ? html`<button type="button" onClick=${attempt(() => sync.resume())}>Go on</button>`
                : html`<button type="button" onClick=${attempt(() => sync.pause())}>Pause</button>`}
            ${status.phase === 'offline' && html`<button type="button" onClick=${attempt(() => sync.resume())}>Try now</button>`}
        </p>
        <${PersonForm} onPerson=${onPerson} />
        ${storage && html`<p class="quiet small">${storage.storage === 'memory' ? 'This browser gives no storage: everything goes with this tab.'
            : `Kept in this browser${storage.usage ? `, about ${Math.max(1, Math.round(storage.usage / 1e6))} MB` : ''}${storage.persisted ? ', for good.' : '. The browser may remove it when space runs out.'}`}
            ${storage.storage !== 'memory' && !storage.persisted && html` <button type="button" class="plain"
                onClick=${attempt(async () => { await store.storage.persist(); setStorage(await store.storage.status()); })}>Ask to keep it</button>`}</p>`}
        ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
        <div class="actions"><button type="button" class="main" onClick=${onClose}>Close</button></div>
    <//>`;
}

/** Who works here. */
export function PersonForm({ onPerson }) {
    // There may be one on the screen and one in the dialog.
    const id = useId();
    const [name, setName] = useState(person.isKnown ? person.name : '');
    const [fault, setFault] = useState('');
    const [isSet, setSet] = useState(false);
    const submit = (event) => {
        event.preventDefault();
        setSet(false);
        const given = name.trim();
        if (given === '' || given.length > 40) {
            setFault('A name has 1 to 40 characters.');
            return;
        }
        setFault('');
        person.name = given;
        setSet(true);
        onPerson(given);
    };
    return html`<form class="person" onSubmit=${submit} novalidate>
        <label for=${id}>Your name, as others see it</label>
        <div class="row"><input id=${id} name="person" value=${name} autocomplete="nickname" aria-invalid=${fault ? 'true' : undefined}
            aria-describedby=${fault ? `${id}-fault` : undefined} onInput=${(event) => setName(event.target.value)} />
        <button>Set</button></div>
        ${fault && html`<p class="fault" id=${`${id}-fault`} role="alert">${fault}</p>`}
        <p class="quiet small" role="status">${isSet && 'Your name is set.'}</p>
    </form>`;
}

async function namePending(sync) {
    const pending = await sync.pending(PENDING_SHOWN + 1);
    const session = openReading();
    return Promise.all(pending.map(async (it) => {
        const kind = kindOf(it.id)?.one ?? 'document';
        // One in conflict cannot be loaded; its kind says enough.
        const document = await session.load(it.id).catch(() => null);
        return { ...it, name: document?.name ?? (it.isDeletion ? `A deleted ${kind}` : `A ${kind}`) };
    }));
}
