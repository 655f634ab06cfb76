// The list of one kind: found by what is typed, kept up to date.

import { html, useState } from '../vendor/preact.js';
import { nameOfConflict } from './conflict_versions.js';
import { findByName, listAll } from './database.js';
import { Icon } from './icons.js';
import { KINDS, ageOf, kindOf, showDate } from './kinds.js';
import { useFollowed } from './live.js';
import { useGroupsOfChildren, useNames } from './names.js';
import { Photo } from './photo.js';
import { addressOf, documentAddress } from './route.js';
import { Title, Trouble, focusSoon } from './screen.js';

const COUNT_AT_ONCE = 100;

export function ListScreen({ name, conflicts }) {
    const kind = KINDS[name];
    const [words, setWords] = useState('');
    const [group, setGroup] = useState('');
    const [most, setMost] = useState(COUNT_AT_ONCE);
    const { names, nameOf } = useNames();
    const groupOf = useGroupsOfChildren();
    const isFound = name !== 'registrations';
    const { results: found, error, isLoading } = useFollowed(
        () => (isFound ? findByName(name, words) : listAll(name, 'from')), [name, isFound && words]);
    const fits = (it) => group === '' || (name === 'children' ? groupOf.get(it.id) : it.group) === group;
    const canFilter = ['children', 'registrations'].includes(name) && names.groups.length > 0;
    const isNamed = ({ child }) => nameOf(child).toLowerCase().includes(words.trim().toLowerCase());
    const shown = found.filter((it) => (!canFilter || fits(it)) && (isFound || isNamed(it)));
    const open = conflicts.filter((it) => kindOf(it.id).name === name);
    const showMore = () => {
        setMost(most + COUNT_AT_ONCE);
        focusSoon(`.cards li:nth-child(${open.length + most + 1}) a`);
    };

    return html`
        <div class="headline">
            <${Title} text=${kind.title} />
            <a class="button main" href=${addressOf(name, 'new')}><${Icon} name="add" />Add a ${kind.one}</a>
        </div>
        <form class="find" role="search" onSubmit=${(event) => event.preventDefault()}>
            <label class="unseen" for="find">Find ${kind.many} by ${isFound ? 'name' : 'the name of the child'}</label>
            <input id="find" type="search" placeholder="Find by name" value=${words} autocomplete="off"
                onInput=${(event) => { setWords(event.target.value); setMost(COUNT_AT_ONCE); }} />
            ${canFilter && html`
                <label class="unseen" for="of-group">Group</label>
                <select id="of-group" onChange=${(event) => setGroup(event.target.value)}>
                    <option value="">All groups</option>
                    ${names.groups.map((it) => html`<option key=${it.id} value=${it.id}>${it.name}</option>`)}
                </select>`}
        </form>
        <${Trouble} error=${error} />
        <p class="quiet count" role="status">${isLoading ? 'Loading…' : countText(kind, shown.length, words !== '' || group !== '')}</p>
        <ul class="cards">
            ${open.map((it) => html`<li key=${`conflict ${it.id}`}><a class="card of-two" href=${addressOf('conflicts', it.id)}>
                <span class="thumb initials"><${Icon} name="conflicts" /></span>
                <span class="what"><strong>${name === 'registrations' ? nameOf(it.versions.find((one) => one.document)?.document.child) : nameOfConflict(it)}</strong>
                    <span class="alert">Changed by two at once: decide</span></span></a></li>`)}
            ${shown.slice(0, most).map((it) => html`<${Card} key=${it.id} ...${{ name, document: it, groupOf, names, nameOf }} />`)}
        </ul>
        ${shown.length > most && html`<button onClick=${showMore}>Show more</button>`}`;
}

function countText(kind, count, isFiltered) {
    if (count === 0) return isFiltered ? `No ${kind.one} fits.` : `There are no ${kind.many} yet.`;
    return count === 1 ? `1 ${kind.one}` : `${count} ${kind.many}`;
}

/** A group's name in its colour. */
export function GroupBadge({ id, names, nameOf }) {
    const color = names.groups?.find((it) => it.id === id)?.color;
    return html`<span class=${`badge tint-${color ?? 'leaf'}`}>${nameOf(id)}</span>`;
}

function Card({ name, document, groupOf, names, nameOf }) {
    const { id } = document;
    const { picture, title, detail, badge } = DESCRIPTIONS[name](document, { groupOf, names, nameOf });
    return html`<li><a class="card" href=${documentAddress(id)}>
        ${picture}<span class="what"><strong>${title}</strong><span class="quiet">${detail}</span></span>${badge}
    </a></li>`;
}

const DESCRIPTIONS = {
    children(child, { groupOf, names, nameOf }) {
        const age = ageOf(child.birthday);
        const group = groupOf.get(child.id);
        return {
            picture: html`<${Photo} ...${child} />`,
            title: child.name,
            detail: html`${age === undefined ? 'No birthday' : `${age} ${age === 1 ? 'year' : 'years'}`}${child.allergies && html` · <span class="alert"><span class="unseen">Allergies: </span>${child.allergies}</span>`}`,
            badge: group && html`<${GroupBadge} id=${group} names=${names} nameOf=${nameOf} />`,
        };
    },
    groups(group, { groupOf }) {
        const taken = [...groupOf.values()].filter((it) => it === group.id).length;
        return {
            picture: html`<span class=${`thumb initials tint-${group.color}`}><${Icon} name="groups" /></span>`,
            title: group.name,
            detail: [group.teacher, group.room].filter(Boolean).join(' · '),
            badge: html`<span class=${taken > group.capacity ? 'alert places' : 'quiet places'}>${taken} of ${group.capacity}<span class="unseen"> places taken</span></span>`,
        };
    },
    parents: (parent) => ({
        picture: html`<${Photo} ...${parent} />`,
        title: parent.name,
        detail: parent.phone,
        badge: !parent.mayCollect && html`<span class="badge">May not collect</span>`,
    }),
    registrations: (registration, { names, nameOf }) => ({
        picture: html`<span class="thumb initials tint-sky"><${Icon} name="registrations" /></span>`,
        title: nameOf(registration.child),
        detail: `${KINDS.registrations.fields.at(-1).choices[registration.status] ?? ''} · from ${showDate(registration.from)} · ${(registration.days ?? []).join(' ')}`,
        badge: html`<${GroupBadge} id=${registration.group} names=${names} nameOf=${nameOf} />`,
    }),
};
