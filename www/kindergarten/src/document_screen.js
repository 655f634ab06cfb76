// One document: what it says, and what refers to it.

import { html, useState } from '../vendor/preact.js';
import { deleteDocument, listReferring, store } from './database.js';
import { Confirmation } from './dialog.js';
import { Icon } from './icons.js';
import { KINDS, ageOf, showDate, showMoment, showValue } from './kinds.js';
import { useFollowed } from './live.js';
import { GroupBadge } from './list_screen.js';
import { useNames } from './names.js';
import { Photo } from './photo.js';
import { addressOf, documentAddress, goTo } from './route.js';
import { Title, Trouble } from './screen.js';

export function DocumentScreen({ name, id, notify }) {
    const kind = KINDS[name];
    const names = useNames();
    const [isAsking, setAsking] = useState(false);
    const [trouble, setTrouble] = useState();
    const { document, error, isLoading, metadataOf } = useFollowed(() => store.liveDocument(id), [id]);
    if (error?.code === 'DocumentConflict') {
        return html`<${Title} text="Two versions" />
            <p>Two people changed this ${kind.one} without having seen each other's change.</p>
            <p><a class="button main" href=${addressOf('conflicts', id)}>Compare and decide</a></p>`;
    }
    if (error) return html`<${Title} text=${kind.title} /><${Trouble} error=${error} />`;
    if (isLoading) return html`<p class="quiet" role="status">Loading…</p>`;
    if (document === null) {
        return html`<${Title} text="Not here" /><p>There is no such ${kind.one}. It may have been deleted.</p>
            <p><a class="button" href=${addressOf(name)}>To all ${kind.many}</a></p>`;
    }
    const metadata = metadataOf(document);
    const title = document.name ?? `${names.nameOf(document.child)}`;
    const remove = async () => {
        setAsking(false);
        try {
            await deleteDocument(id);
            notify(`${title} was deleted.`);
            goTo(addressOf(name));
        } catch (error) {
            setTrouble(error);
        }
    };
    return html`
        <p><a class="back" href=${addressOf(name)}><${Icon} name="back" />${kind.title}</a></p>
        <div class="profile">
            ${kind.hasPhoto && html`<${Photo} id=${id} name=${document.name} photo=${document.photo} version=${metadata['@change-vector']} isLarge=${true} />`}
            <div class="headline"><${Title} text=${title} key=${id} />
                <div class="actions">
                    <a class="button main" href=${documentAddress(id, 'edit')}>Edit</a>
                    <button class="danger" onClick=${() => setAsking(true)}>Delete</button>
                </div></div>
        </div>
        <${Trouble} error=${trouble} />
        <dl class="facts">
            ${kind.fields.filter((it) => it.input !== 'photo' && it.name !== 'name').map((field) => html`
                <div key=${field.name}><dt>${field.label}</dt><dd><${Fact} field=${field} value=${document[field.name]} ...${names} /></dd></div>`)}
        </dl>
        <${Related} name=${name} id=${id} ...${names} />
        <p class="quiet small">Last changed by ${metadata['Edited-By'] ?? 'somebody'}, ${showMoment(metadata['@last-modified'])}</p>
        ${isAsking && html`<${Confirmation} title=${`Delete ${title}?`} action="Delete"
            text="It goes from all devices." onConfirm=${remove} onClose=${() => setAsking(false)} />`}`;
}

function Fact({ field, value, names, nameOf }) {
    if (field.name === 'birthday' && value) return html`${showDate(value)} <span class="quiet">(${ageOf(value)} years)</span>`;
    if (field.name === 'allergies' && value) return html`<span class="alert">${value}</span>`;
    if (field.name === 'group' && value) return html`<a href=${documentAddress(value)}><${GroupBadge} id=${value} names=${names} nameOf=${nameOf} /></a>`;
    if (field.input === 'tel' && value) return html`<a href=${`tel:${value.replaceAll(/[^\d+]/g, '')}`}>${value}</a>`;
    if (field.input === 'email' && value) return html`<a href=${`mailto:${value}`}>${value}</a>`;
    if (field.input === 'reference' && value) return html`<a href=${documentAddress(value)}>${nameOf(value)}</a>`;
    if (field.input === 'references' && value?.length > 0) {
        return value.map((id, at) => html`${at > 0 && ', '}<a key=${id} href=${documentAddress(id)}>${nameOf(id)}</a>`);
    }
    return showValue(field, value, nameOf) || html`<span class="quiet">–</span>`;
}

const RELATED = {
    children: { title: 'Registrations', collection: 'Registrations', field: 'child' },
    groups: { title: 'Children in this group', collection: 'Registrations', field: 'group' },
    parents: { title: 'Children', collection: 'Children', field: 'parents' },
};

/** What refers to the document. */
function Related({ name, id, names, nameOf }) {
    const related = RELATED[name];
    const { results, error, isLoading } = useFollowed(() => related && listReferring(related.collection, related.field, id), [id]);
    if (!related) return null;
    return html`<section>
        <h2>${related.title}</h2>
        <${Trouble} error=${error} />
        ${!isLoading && results.length === 0 && html`<p class="quiet">None.</p>`}
        <ul class="lines">${results.map((it) => html`<li key=${it.id}><a class="line" href=${documentAddress(it.id)}>
            ${related.collection === 'Children' ? html`<span>${it.name}</span>` : html`
                <span>${name === 'children' ? nameOf(it.group) : nameOf(it.child)}</span>
                <span class="quiet">${showValue(KINDS.registrations.fields.at(-1), it.status)}, ${(it.days ?? []).join(' ')}</span>`}
        </a></li>`)}</ul>
        ${name === 'children' && html`<p><a class="button" href=${addressOf('registrations', 'new', id)}>Register for a group</a></p>`}
    </section>`;
}
