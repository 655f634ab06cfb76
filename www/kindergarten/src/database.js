// The kindergarten's database in this browser, and its sync with the server.

import { ConcurrencyError, DocumentStore } from '../pinyon/index.js';
import { KINDS } from './kinds.js';
import { newPhotoName } from './photo_name.js';

export const DATABASE = 'kindergarten';
const PERSON = 'kindergarten/person';
const REVISIONS_KEPT = 20;

export const store = new DocumentStore({ database: DATABASE });

/** Who works here: others see it where versions are compared. */
export const person = {
    get name() {
        return localStorage.getItem(PERSON) ?? 'Somebody';
    },
    set name(name) {
        localStorage.setItem(PERSON, name);
    },
    get isKnown() {
        return localStorage.getItem(PERSON) !== null;
    },
};

/** What names a version: its edit, or the version itself where another program wrote it. */
export const editOf = (metadata) => metadata.Edit ?? metadata['@change-vector'];

store.on('beforeStore', ({ metadata }) => {
    const version = metadata['@change-vector'];
    // A version that no server has yet is nobody else's beginning: its own stays.
    if (version !== undefined && !version.includes('EDGE:')) metadata['Edited-From'] = editOf(metadata);
    metadata.Edit = crypto.randomUUID();
    metadata['Edited-By'] = person.name;
});

/** A token to sync with. Without a network this fails, and is asked again when the server wants it. */
async function fetchToken() {
    const response = await fetch(`token?user=${encodeURIComponent(person.name)}`);
    // 400 and 404: this server gives none, which is fine when it asks for none.
    return response.ok ? response.text() : '';
}

/** Opens the database, and keeps it in step with the server this page came from. */
export async function openDatabase() {
    store.initialize();
    await store.opened;
    // Former versions show what two people who contradict each other both began with.
    const kept = { Disabled: false, MinimumRevisionsToKeep: REVISIONS_KEPT };
    const Collections = Object.fromEntries(Object.values(KINDS).map(({ collection }) => [collection, kept]));
    await store.maintenance.configureRevisions({ Collections });
    const collections = Object.values(KINDS).map(({ collection }) => collection);
    return store.sync({ url: location.origin, database: DATABASE, collections, token: fetchToken });
}

/** Opens a session for reading only. */
export const openReading = () => store.openSession({ noTracking: true });

/** The documents of a collection that fit what was typed, by name; they follow what is stored. */
export function findByName(kind, words) {
    const query = store.openSession().query({ collection: KINDS[kind].collection });
    for (const word of words.split(/[^\p{L}\p{N}]+/u).filter(Boolean)) query.search('name', `${word}*`);
    return query.orderBy('name').live();
}

/** All documents of a collection, in the order of a field; they follow what is stored. */
export const listAll = (kind, field = 'name') =>
    store.openSession().query({ collection: KINDS[kind].collection }).orderBy(field).live();

/** The documents of a collection whose field holds an id; they follow what is stored. */
export const listReferring = (collection, field, id) =>
    store.openSession().query({ collection }).whereEquals(field, id).live();

/** A document with its metadata; `null` where there is none. */
export async function loadOne(id) {
    const session = store.openSession();
    const document = await session.load(id);
    if (!document) return null;
    const { advanced } = session;
    return { document, metadata: advanced.getMetadataFor(document), version: advanced.getChangeVectorFor(document) };
}

/** What saving met: somebody else's change, or that the document is gone. */
export class Contradiction extends Error {
    constructor(theirs) {
        super(theirs ? 'Somebody else changed it meanwhile.' : 'Somebody else deleted it meanwhile.');
        this.theirs = theirs;
    }
}

/**
 * Writes `values` and, as its photograph, `picture`: a Blob, `null` for none, `undefined` for the
 * one it has. `expected` is the version that the form began with; none for a new document. Gives
 * the id.
 */
export async function saveDocument({ kind, id, values, picture, expected }) {
    const session = store.openSession();
    const found = id === undefined ? null : await session.load(id);
    const version = found && session.advanced.getChangeVectorFor(found);
    if (expected !== undefined && version !== expected) {
        throw new Contradiction(await loadOne(id));
    }
    const entity = found ?? {};
    const former = entity.photo;
    Object.assign(entity, values);
    if (picture !== undefined) entity.photo = picture ? newPhotoName() : '';
    if (!found) await session.store(entity, id, kind.type);
    const { attachments } = session.advanced;
    if (picture) attachments.store(entity, entity.photo, picture);
    if (former && former !== entity.photo && found) attachments.delete(entity, former);
    try {
        await session.saveChanges();
    } catch (error) {
        // Changed between the look above and the save.
        if (error instanceof ConcurrencyError) throw new Contradiction(await loadOne(id));
        throw error;
    }
    return entity.id;
}

export async function deleteDocument(id) {
    const session = store.openSession();
    const document = await session.load(id);
    if (!document) return;
    await session.delete(document);
    await session.saveChanges();
}
