// One field of a form: its label, its control, its hint and what is wrong with it.

import { html, useEffect, useState } from '../vendor/preact.js';
import { DAYS } from './kinds.js';
import { Photo, shrinkPhoto } from './photo.js';
import { focusSoon } from './screen.js';

/** `names` are the documents that can be chosen, by kind: `{ parents: [{ id, name }] }`. */
export function Field({ field, value, fault, names, onChange, ...photo }) {
    const id = `field-${field.name}`;
    const described = [field.hint && `${id}-hint`, fault && `${id}-fault`].filter(Boolean).join(' ') || undefined;
    const shared = { id, value, field, names, onChange, described, fault, ...photo };
    const Control = CONTROLS[field.input] ?? TextControl;
    const isGroup = ['references', 'days', 'photo'].includes(field.input);
    const parts = html`
        <${Control} ...${shared} />
        ${field.hint && html`<p class="hint" id=${`${id}-hint`}>${field.hint}</p>`}
        ${fault && html`<p class="fault" id=${`${id}-fault`}>${fault}</p>`}`;
    if (isGroup) {
        return html`<fieldset class="field" aria-describedby=${described}>
            <legend>${field.label}${field.isRequired && html`<${Required} />`}</legend>${parts}
        </fieldset>`;
    }
    if (field.input === 'yes') return html`<div class="field">${parts}</div>`;
    return html`<div class="field">
        <label for=${id}>${field.label}${field.isRequired && html`<${Required} />`}</label>${parts}
    </div>`;
}

const Required = () => html`<span class="required"> (needed)</span>`;

function TextControl({ id, field, value, onChange, described, fault }) {
    return html`<input id=${id} name=${field.name} type=${field.input} value=${value ?? ''} autocomplete=${field.autocomplete}
        aria-describedby=${described} aria-invalid=${fault ? 'true' : undefined} aria-required=${field.isRequired ? 'true' : undefined}
        onInput=${(event) => onChange(event.target.value)} />`;
}

function NumberControl({ id, field, value, onChange, described, fault }) {
    return html`<input id=${id} name=${field.name} type="number" inputmode="numeric" value=${value ?? ''} class="short"
        aria-describedby=${described} aria-invalid=${fault ? 'true' : undefined}
        onInput=${(event) => onChange(event.target.value === '' ? null : event.target.valueAsNumber)} />`;
}

function LongControl({ id, field, value, onChange, described, fault }) {
    return html`<textarea id=${id} name=${field.name} rows="4" aria-describedby=${described} aria-invalid=${fault ? 'true' : undefined}
        value=${value ?? ''} onInput=${(event) => onChange(event.target.value)}></textarea>`;
}

function ChoiceControl({ id, field, value, onChange, described, fault }) {
    return html`<select id=${id} name=${field.name} aria-describedby=${described} aria-invalid=${fault ? 'true' : undefined}
        value=${value} onChange=${(event) => onChange(event.target.value)}>
        ${Object.entries(field.choices).map(([name, label]) => html`<option value=${name} selected=${name === value}>${label}</option>`)}
    </select>`;
}

function ReferenceControl({ id, field, value, names, onChange, described, fault }) {
    const choices = names[field.kind] ?? [];
    const isKnown = !value || choices.some((it) => it.id === value);
    return html`<select id=${id} name=${field.name} aria-describedby=${described} aria-invalid=${fault ? 'true' : undefined}
        onChange=${(event) => onChange(event.target.value)}>
        <option value="" selected=${!value}>Choose…</option>
        ${!isKnown && html`<option value=${value} selected>One that is not here</option>`}
        ${choices.map((it) => html`<option key=${it.id} value=${it.id} selected=${it.id === value}>${it.name}</option>`)}
    </select>`;
}

function ReferencesControl({ id, field, value, names, onChange }) {
    const choices = names[field.kind] ?? [];
    const chosen = value ?? [];
    const left = choices.filter((it) => !chosen.includes(it.id));
    const nameOf = (id) => choices.find((it) => it.id === id)?.name ?? 'One that is not here';
    const remove = (gone) => {
        onChange(chosen.filter((it) => it !== gone));
        focusSoon(`#${id}`);
    };
    return html`
        ${chosen.length > 0 && html`<ul class="chosen">${chosen.map((it) => html`
            <li key=${it}><span>${nameOf(it)}</span>
                <button type="button" class="plain" aria-label=${`Remove ${nameOf(it)}`}
                    onClick=${() => remove(it)}>Remove</button></li>`)}</ul>`}
        <select id=${id} aria-label=${`Add to ${field.label.toLowerCase()}`}
            onChange=${(event) => { if (event.target.value) onChange([...chosen, event.target.value]); event.target.value = ''; }}>
            <option value="">Add…</option>
            ${left.map((it) => html`<option key=${it.id} value=${it.id}>${it.name}</option>`)}
        </select>`;
}

function DaysControl({ field, value, onChange }) {
    const chosen = value ?? [];
    return html`<div class="days">${DAYS.map((day) => html`
        <label class="day" key=${day}><input type="checkbox" name=${field.name} checked=${chosen.includes(day)}
            onChange=${(event) => onChange(DAYS.filter((it) => (it === day ? event.target.checked : chosen.includes(it))))} /><span>${day}</span></label>`)}</div>`;
}

function YesControl({ id, field, value, onChange }) {
    return html`<label class="check" for=${id}><input id=${id} type="checkbox" name=${field.name} checked=${value === true}
        onChange=${(event) => onChange(event.target.checked)} /><span>${field.label}</span></label>`;
}

/** `picture` is a new photograph that is not saved yet. */
function PhotoControl({ id, value, owner, picture, onPicture }) {
    const [trouble, setTrouble] = useState('');
    const [preview, setPreview] = useState();
    useEffect(() => {
        if (!picture) {
            setPreview(undefined);
            return undefined;
        }
        const address = URL.createObjectURL(picture);
        setPreview(address);
        return () => URL.revokeObjectURL(address);
    }, [picture]);
    const choose = async (event) => {
        const [file] = event.target.files;
        event.target.value = '';
        if (!file) return;
        try {
            onPicture(await shrinkPhoto(file));
            setTrouble('');
        } catch (error) {
            setTrouble(error.message);
        }
    };
    return html`<div class="photo-field">
        ${preview ? html`<img class="portrait" src=${preview} alt="The new photograph" />`
            : html`<${Photo} id=${owner.id} name=${owner.name || '?'} photo=${value} isLarge=${true} />`}
        <div class="photo-actions">
            <label class="button" for=${id}>${preview || value ? 'Another photograph' : 'Take or choose a photograph'}</label>
            <input id=${id} class="file" type="file" accept="image/*" onChange=${choose} />
            ${(preview || value) && html`<button type="button" class="plain" onClick=${() => { onPicture(null); focusSoon(`#${id}`); }}>Remove the photograph</button>`}
        </div>
    </div>
    <p class="fault" role="alert">${trouble}</p>`;
}

const CONTROLS = {
    number: NumberControl,
    long: LongControl,
    choice: ChoiceControl,
    reference: ReferenceControl,
    references: ReferencesControl,
    days: DaysControl,
    yes: YesControl,
    photo: PhotoControl,
};
