// Documents that two people changed at once, and deciding on one of them.

import { html, useEffect, useRef, useState } from '../vendor/preact.js';
import { authorOf, findOrigin, nameOfConflict, settleConflict } from './conflict_versions.js';
import { person, store } from './database.js';
import { Icon } from './icons.js';
import { kindOf, showMoment } from './kinds.js';
import { Merge } from './merge.js';
import { useNames } from './names.js';
import { addressOf, documentAddress, goTo } from './route.js';
import { Title, Trouble, focusSoon } from './screen.js';

export function ConflictsScreen({ conflicts }) {
    return html`
        <${Title} text="Decide" />
        <p class="quiet">What two people changed at once, without having seen each other's change. Nothing of either is lost.</p>
        ${conflicts.length === 0 && html`<p role="status">There is nothing to decide.</p>`}
        ${conflicts.length > 0 && html`<ul class="cards">${conflicts.map((it) => html`<li key=${it.id}><a class="card of-two" href=${addressOf('conflicts', it.id)}>
            <span class="thumb initials"><${Icon} name="conflicts" /></span>
            <span class="what"><strong>${nameOfConflict(it)}</strong>
            <span class="quiet">${it.versions.map(authorOf).join(' and ')}</span></span></a></li>`)}</ul>`}`;
}

const COUNTS = { 2: 'Two', 3: 'Three', 4: 'Four' };

export function ConflictScreen({ id, notify }) {
    const kind = kindOf(id);
    const { names, nameOf } = useNames();
    const [conflict, setConflict] = useState();
    const [origin, setOrigin] = useState();
    const [trouble, setTrouble] = useState();
    const isBusy = useRef(false);
    const load = async () => {
        const found = await store.conflicts.get(id);
        setOrigin(found ? await findOrigin(found) : undefined);
        setConflict(found);
    };
    useEffect(() => { load().catch(setTrouble); }, [id]);

    const settle = async (values) => {
        if (isBusy.current) return;
        isBusy.current = true;
        setTrouble(undefined);
        try {
            await settleConflict(conflict, values);
            notify(values === null ? 'It was deleted.' : 'Decided and saved.');
            goTo(values === null ? addressOf(kind.name) : documentAddress(conflict.id));
        } catch (error) {
            if (error.code === 'ConcurrencyConflict') {
                await load();
                setTrouble(new Error('Another version came meanwhile. Please look again.'));
                focusSoon('h1');
            } else {
                setTrouble(error);
            }
            isBusy.current = false;
        }
    };

    if (!kind) return html`<${Title} text="Not found" />`;
    if (conflict === undefined) return html`<${Trouble} error=${trouble} /><p class="quiet" role="status">Loading…</p>`;
    if (conflict === null) {
        return html`<${Title} text="Decided" /><p>There is nothing to decide here any more.</p>
            <p><a class="button" href=${documentAddress(id)}>See the ${kind.one}</a></p>`;
    }
    const alive = conflict.versions.filter((it) => it.document !== null);
    const isDeletion = alive.length < conflict.versions.length;
    const versions = alive.map((it) => ({
        title: authorOf(it) === person.name ? `${authorOf(it)} (you)` : authorOf(it),
        detail: showMoment(it.lastModified),
        document: it.document,
        readPhoto: () => store.conflicts.getAttachment(it, it.document.photo),
    }));
    const deleteIt = isDeletion && html`<button type="button" class="danger" onClick=${() => settle(null)}>Delete it</button>`;
    return html`
        <p><a class="back" href=${addressOf('conflicts')}><${Icon} name="back" />All to decide</a></p>
        <${Title} text=${nameOfConflict(conflict)} key=${id} />
        <p>${isDeletion ? `Somebody deleted this ${kind.one} while somebody else changed it.`
            : `${COUNTS[versions.length] ?? versions.length} people changed this ${kind.one} without having seen each other's change. Choose, field by field, what shall hold.`}</p>
        <${Merge} key=${conflict.changeVector} id=${conflict.id} kind=${kind} versions=${distinct(versions)} origin=${origin} names=${names} nameOf=${nameOf}
            trouble=${trouble?.message} onDecide=${settle}>${deleteIt}<//>`;
}

/** Two versions of one author have different names, too. */
function distinct(versions) {
    return versions.map((it, at) => {
        const isRepeated = versions.some((other, place) => place !== at && other.title === it.title);
        return isRepeated ? { ...it, title: `${it.title}, ${at + 1}` } : it;
    });
}
