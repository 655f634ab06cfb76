// Documents that several people changed without having seen each other's change.

import { editOf, openReading, store } from './database.js';
import { isSame, kindOf } from './kinds.js';

const SHOWN = 100;
const REVISIONS_LOOKED_AT = 50;

/** All of them, with what each author wrote. */
export async function listConflicts() {
    const found = await store.conflicts.list({ pageSize: SHOWN });
    const conflicts = await Promise.all(found.map(({ id }) => store.conflicts.get(id)));
    // Another tab may have settled one meanwhile.
    return conflicts.filter((it) => it !== null && kindOf(it.id));
}

/** What to call a document in conflict. */
export function nameOfConflict({ id, versions }) {
    const names = versions.map(({ document }) => document?.name).filter(Boolean);
    return [...new Set(names)].join(' / ') || kindOf(id).one;
}

/** Who wrote a version, as far as it says. */
export const authorOf = ({ document }) => document?.['@metadata']?.['Edited-By'] ?? 'Somebody';

/**
 * What all versions began with, if this browser still has it. Each edit says which one it was made
 * from, so the versions' ancestors are known, and the nearest that all share is among former ones.
 */
export async function findOrigin(conflict) {
    const former = await openReading().advanced.revisions.getFor(conflict.id, { pageSize: REVISIONS_LOOKED_AT });
    const byEdit = new Map(former.map((it) => [editOf(it['@metadata']), it]));
    const ancestors = conflict.versions.filter(({ document }) => document !== null).map(({ document }) => {
        const chain = new Set();
        for (let edit = document['@metadata']['Edited-From']; edit !== undefined && !chain.has(edit);) {
            chain.add(edit);
            edit = byEdit.get(edit)?.['@metadata']['Edited-From'];
        }
        return chain;
    });
    const [first, ...others] = ancestors;
    const shared = [...(first ?? [])].find((edit) => others.every((it) => it.has(edit)));
    return byEdit.get(shared);
}

/** Puts `values` (`null` deletes) in the place of all versions. */
export async function settleConflict(conflict, values) {
    if (values === null) {
        await store.conflicts.resolve(conflict, null);
        return;
    }
    const { type, collection } = kindOf(conflict.id);
    const metadata = { '@collection': collection, 'Raven-Node-Type': type };
    await store.conflicts.resolve(conflict, { ...values, '@metadata': metadata });
    // The photographs of all versions are there now; one was chosen.
    const session = store.openSession();
    const settled = await session.load(conflict.id);
    if (!settled) return;
    const { attachments } = session.advanced;
    for (const { name } of attachments.getNames(settled)) {
        if (name !== settled.photo) attachments.delete(settled, name);
    }
    await session.saveChanges();
}

/** Which fields differ, and of those with an origin, which versions changed them. */
export function compareVersions(fields, documents, origin) {
    return fields.filter(({ name }) => documents.some((it) => !isSame(it[name], documents[0][name]))).map((field) => ({
        field,
        changed: documents.map((it) => origin !== undefined && !isSame(it[field.name], origin[field.name])),
    }));
}
