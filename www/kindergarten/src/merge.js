// Versions side by side: for each field that differs one is chosen, or something else is written.

import { html, useMemo, useRef, useState } from '../vendor/preact.js';
import { compareVersions } from './conflict_versions.js';
import { Field } from './fields.js';
import { findFaults, showValue } from './kinds.js';
import { Photo } from './photo.js';

const OTHER = 'other';

/**
 * `versions` are `{ title, detail, document, readPhoto }`; `origin` is what they began with, if it is known.
 * Calls `onDecide` with the values of all fields.
 */
export function Merge({ id, kind, versions, origin, names, nameOf, trouble, onDecide, children }) {
    const documents = versions.map((it) => it.document);
    const differences = useMemo(() => compareVersions(kind.fields, documents, origin), [versions, origin]);
    const [choices, setChoices] = useState(() => Object.fromEntries(differences.map((it) => [it.field.name, suggest(it)])));
    const [written, setWritten] = useState(() => Object.fromEntries(
        differences.map(({ field: { name, input } }) => [name, together(input, documents.map((it) => it[name]))])));
    const [faults, setFaults] = useState({});
    const form = useRef();

    const same = kind.fields.length - differences.length;
    const valueOf = (name) => {
        const choice = choices[name];
        if (choice === undefined) return documents[0][name];
        return choice === OTHER ? written[name] : documents[choice][name];
    };
    const takeAll = (at) => setChoices(Object.fromEntries(differences.map(({ field }) => [field.name, at])));
    const decide = (event) => {
        event.preventDefault();
        const values = Object.fromEntries(kind.fields.map(({ name }) => [name, valueOf(name)]));
        const all = findFaults(kind, values);
        const found = {};
        // What is the same in all was not made here, and cannot be mended here.
        for (const { field: { name } } of differences) {
            const fault = choices[name] === undefined ? 'Choose one of these.' : all[name];
            if (fault) found[name] = fault;
        }
        setFaults(found);
        const [first] = Object.keys(found);
        // Behind the rendering that ties the control to its fault.
        if (first) setTimeout(() => focusFault(form.current.querySelector(`[data-field="${first}"]`)));
        else onDecide(values);
    };

    if (versions.length === 1) {
        return html`<form class="merge" onSubmit=${decide} novalidate>
            <dl class="facts">${kind.fields.filter((it) => it.input !== 'photo').map((field) => html`
                <div key=${field.name}><dt>${field.label}</dt><dd>${showValue(field, documents[0][field.name], nameOf) || '–'}</dd></div>`)}</dl>
            <p class="quiet">As ${versions[0].title} wrote it, ${versions[0].detail}</p>
            ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
            <div class="actions">${children}<button class="main">Keep it</button></div>
        </form>`;
    }
    return html`
        <form class="merge" ref=${form} onSubmit=${decide} novalidate>
            <div class=${`heads of-${versions.length}`} role="group" aria-label="Take everything from one">
                ${versions.map((it, at) => html`<div class="head" key=${at}>
                    <h2>${it.title}</h2><p class="quiet">${it.detail}</p>
                    <button type="button" onClick=${() => takeAll(at)}>Take all of this<span class="unseen"> (${it.title})</span></button>
                </div>`)}
            </div>
            ${differences.map((it) => html`<${Difference} key=${it.field.name} ...${it} ...${{ id, versions, origin, names, nameOf }}
                choice=${choices[it.field.name]} written=${written[it.field.name]} fault=${faults[it.field.name]}
                onChoose=${(choice) => setChoices({ ...choices, [it.field.name]: choice })}
                onWrite=${(value) => setWritten({ ...written, [it.field.name]: value })} />`)}
            ${same > 0 && html`<p class="quiet">${same === 1 ? 'The other field is' : `The other ${same} fields are`} the same in ${versions.length === 2 ? 'both' : 'all'}.</p>`}
            ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
            <div class="actions">
                ${children}
                <button class="main">Save what is chosen</button>
            </div>
        </form>`;
}

/** What was written is to be mended; where nothing is chosen, the choices are. */
function focusFault(difference) {
    (difference?.querySelector('.field :is(input, select, textarea)') ?? difference?.querySelector('input'))?.focus();
}

/** Where only one version changed a field, that one is what everybody wants. */
function suggest({ changed }) {
    const changers = changed.flatMap((did, at) => (did ? [at] : []));
    return changers.length === 1 ? changers[0] : undefined;
}

/** The versions put together, as a beginning of something else. */
function together(input, values) {
    if (Array.isArray(values[0])) return [...new Set(values.flat())];
    if (input === 'text' || input === 'long') {
        const texts = [...new Set(values.filter(Boolean))];
        return texts.join(input === 'long' ? '\n' : ', ');
    }
    return values[0];
}

function Difference({ id, field, changed, versions, origin, names, nameOf, choice, written, fault, onChoose, onWrite }) {
    const group = `merge-${field.name}`;
    const show = ({ document, readPhoto }) => (field.input === 'photo' && document.photo
        ? html`<${Photo} id=${id} name=${document.name} photo=${document.photo} isLarge=${true} read=${readPhoto} />`
        : showValue(field, document[field.name], nameOf) || html`<span class="quiet">nothing</span>`);
    const changers = changed.filter(Boolean).length;
    const option = (value, content, label) => html`
        <label class="option" key=${value}>
            <input type="radio" name=${group} checked=${choice === value} onChange=${() => onChoose(value)}
                aria-describedby=${fault && choice !== OTHER ? `${group}-fault` : undefined} />
            <span class="unseen">${label}: </span><span class="content">${content}</span>
        </label>`;
    return html`
        <fieldset class="difference" data-field=${field.name}>
            <legend>${field.label}</legend>
            ${origin && html`<p class="before"><span class="quiet">Before: </span>${showValue(field, origin[field.name], nameOf) || html`<span class="quiet">nothing</span>`}
                ${changers === 1 && html` <span class="quiet">· only ${versions[changed.indexOf(true)].title} changed it</span>`}</p>`}
            <div class=${`options of-${versions.length}`}>
                ${versions.map((it, at) => option(at, show(it), it.title))}
            </div>
            ${field.input !== 'photo' && html`
                <div class="else">
                    ${option(OTHER, field.input === 'yes' ? 'Something else' : 'Something else, or both together', 'Or')}
                    ${choice === OTHER && html`<${Field} field=${{ ...field, label: `${field.label}, as it shall be` }} value=${written} fault=${fault} names=${names} onChange=${onWrite} />`}
                </div>`}
            ${fault && choice !== OTHER && html`<p class="fault" id=${`${group}-fault`}>${fault}</p>`}
        </fieldset>`;
}
