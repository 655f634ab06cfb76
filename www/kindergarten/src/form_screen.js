// The form of a new or a known document.

import { html, useEffect, useRef, useState } from '../vendor/preact.js';
import { Contradiction, loadOne, person, saveDocument } from './database.js';
import { Field } from './fields.js';
import { Icon } from './icons.js';
import { KINDS, blankOf, findFaults, isSame, showMoment } from './kinds.js';
import { Merge } from './merge.js';
import { useNames } from './names.js';
import { addressOf, documentAddress, goTo } from './route.js';
import { Title, Trouble } from './screen.js';

/** `id` is missing for a new document; `beginning` is what it begins with. */
export function FormScreen({ name, id, beginning, notify }) {
    const kind = KINDS[name];
    const { names, nameOf } = useNames();
    const [loaded, setLoaded] = useState();
    const [values, setValues] = useState(() => ({ ...blankOf(name), ...beginning }));
    const [picture, setPicture] = useState();
    const [faults, setFaults] = useState({});
    const [trouble, setTrouble] = useState();
    const [theirs, setTheirs] = useState();
    // A button that is disabled while it works would lose the focus.
    const isBusy = useRef(false);
    const form = useRef();

    useEffect(() => {
        if (id === undefined) return;
        loadOne(id).then((found) => {
            if (!found) throw new Error(`There is no such ${kind.one} any more.`);
            setLoaded(found);
            setValues(fieldsOf(kind, found.document));
        }).catch(setTrouble);
    }, [id]);

    const hasChanges = picture !== undefined
        || kind.fields.some(({ name: field }) => !isSame(values[field], loaded ? loaded.document[field] : { ...blankOf(name), ...beginning }[field]));
    useEffect(() => {
        const warn = (event) => { if (hasChanges) event.preventDefault(); };
        addEventListener('beforeunload', warn);
        return () => removeEventListener('beforeunload', warn);
    }, [hasChanges]);

    const save = async (written, expected) => {
        if (isBusy.current) return;
        isBusy.current = true;
        setTrouble(undefined);
        try {
            const saved = await saveDocument({ kind, id, values: written, picture, expected });
            notify(`${written.name ?? 'The registration'} was saved.`);
            goTo(documentAddress(saved));
        } catch (error) {
            if (error instanceof Contradiction) setTheirs(error.theirs ?? null);
            else setTrouble(error);
            isBusy.current = false;
        }
    };
    const submit = (event) => {
        event.preventDefault();
        const found = findFaults(kind, values);
        setFaults(found);
        const [first] = Object.keys(found);
        // Behind the rendering that ties the control to its fault.
        if (first) setTimeout(() => form.current.querySelector(`[name="${first}"], #field-${first}`)?.focus());
        else save(values, loaded?.version);
    };
    const cancel = id === undefined ? addressOf(name) : documentAddress(id);
    const title = id === undefined ? `Add a ${kind.one}` : `Edit ${loaded?.document.name ?? kind.one}`;

    if (theirs) {
        const versions = [
            { title: 'Yours', detail: `${person.name}, not saved yet`, document: values },
            { title: theirs.metadata['Edited-By'] ?? 'Somebody', detail: showMoment(theirs.metadata['@last-modified']), document: theirs.document },
        ];
        return html`<${Title} text="Changed meanwhile" key="merge" />
            <p>While you were writing, somebody else saved this ${kind.one}. Choose what shall hold.</p>
            <${Merge} id=${id} kind=${withoutPhoto(kind)} versions=${versions} origin=${loaded.document} names=${names} nameOf=${nameOf}
                trouble=${trouble?.message} onDecide=${(written) => save(written, theirs.version)}>
                <a class="button" href=${cancel}>Leave it as it is</a>
            <//>`;
    }
    return html`
        <p><a class="back" href=${cancel}><${Icon} name="back" />${id === undefined ? kind.title : 'Back without saving'}</a></p>
        <${Title} text=${title} key=${id} />
        ${theirs === null && html`<div class="trouble" role="alert"><p>Somebody else deleted this ${kind.one} meanwhile.</p>
            <div class="actions"><a class="button" href=${addressOf(name)}>Let it be deleted</a>
            <button onClick=${() => save(values)}>Bring it back with these values</button></div></div>`}
        <${Trouble} error=${trouble} />
        ${(id === undefined || loaded) && html`<form class="edit" ref=${form} onSubmit=${submit} novalidate>
            ${Object.keys(faults).length > 0 && html`<p class="trouble" role="alert">${faultCount(faults)}</p>`}
            ${kind.fields.map((field) => html`<${Field} key=${field.name} field=${field} value=${values[field.name]} fault=${faults[field.name]} names=${names}
                owner=${{ id: id ?? '', name: values.name }} picture=${picture}
                onPicture=${(chosen) => { setPicture(chosen); if (chosen === null) setValues((former) => ({ ...former, photo: '' })); }}
                onChange=${(value) => setValues((former) => ({ ...former, [field.name]: value }))} />`)}
            <div class="actions">
                <a class="button" href=${cancel}>Cancel</a>
                <button class="main">Save</button>
            </div>
        </form>`}`;
}

const fieldsOf = (kind, document) => Object.fromEntries(kind.fields.map(({ name }) => [name, document[name]]));

/** A photograph chosen in the form is kept beside the comparison. */
const withoutPhoto = (kind) => ({ ...kind, fields: kind.fields.filter((it) => it.input !== 'photo') });

function faultCount(faults) {
    const count = Object.keys(faults).length;
    return count === 1 ? 'One field needs a look.' : `${count} fields need a look.`;
}
