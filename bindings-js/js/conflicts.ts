// Documents of which several versions live, because their authors had not seen each other's.

import type { Metadata } from './entity.js';
import { reviveTypes } from './nested_types.js';
import type { DocumentStore } from './store.js';

/** One of the versions. */
export interface ConflictVersion {
    /** With its metadata; `null` for a deletion. */
    document: Record<string, unknown> | null;
    lastModified: string;
    changeVector: string;
}

/** A document in conflict. */
export interface Conflict {
    id: string;
    /** Of all versions together: a write that expects it settles the conflict as it was read. */
    changeVector: string;
    versions: ConflictVersion[];
    /**
     * What was there before this device wrote its version, for three-way merges; `null` where this
     * device wrote none of them, or made the document.
     */
    base: Record<string, unknown> | null;
}

export interface ConflictSummary {
    id: string;
    changeVector: string;
    versionCount: number;
}

/** Conflicts, and how they are settled: `store.conflicts`. */
export class Conflicts {
    readonly #store: DocumentStore;
    /** Of which document a version is. */
    readonly #ids = new WeakMap<ConflictVersion, string>();

    /** @internal */
    constructor(store: DocumentStore) {
        this.#store = store;
    }

    /** Documents in conflict, in the order of their ids. */
    async list({ startAfter = '', pageSize = 25 }: { startAfter?: string; pageSize?: number } = {}): Promise<ConflictSummary[]> {
        return JSON.parse(await this.#store.call('conflicts', startAfter, pageSize)) as ConflictSummary[];
    }

    /** The versions of a document; `null` when it is not in conflict. */
    async get(id: string): Promise<Conflict | null> {
        const text = await this.#store.call('conflict', id);
        if (text === undefined) return null;
        const conflict = JSON.parse(text) as Conflict;
        for (const version of conflict.versions) this.#ids.set(version, conflict.id);
        for (const document of [...conflict.versions.map((it) => it.document), conflict.base]) {
            if (document) reviveTypes(document, (document['@metadata'] ?? {}) as Metadata);
        }
        return conflict;
    }

    /** An attachment as one of the versions has it; `null` when it has none of this name. */
    async getAttachment(version: ConflictVersion, name: string): Promise<Blob | null> {
        const metadata = version.document?.['@metadata'] as { '@attachments'?: { Name: string }[] } | undefined;
        const key = name.toLowerCase();
        const listed = metadata?.['@attachments']?.find((it) => it.Name.toLowerCase() === key);
        return (listed && (await this.#store.call('content', JSON.stringify(listed), this.#ids.get(version) ?? ''))) ?? null;
    }

    /**
     * Puts `document` (`null` deletes) in the place of all versions, which become revisions. It stays
     * in the collection that they are in, unless it is an instance of a class or names another. When
     * another version came since `conflict` was read, it fails with a `ConcurrencyError`.
     */
    async resolve(conflict: Conflict, document: object | null): Promise<void> {
        const session = this.#store.openSession();
        if (document === null) await session.delete(conflict.id, conflict.changeVector);
        else {
            await session.store(document, conflict.id, { changeVector: conflict.changeVector });
            const collection = collectionOf(conflict);
            if (collection !== undefined) session.advanced.getMetadataFor(document)['@collection'] ??= collection;
        }
        await session.saveChanges();
    }
}

function collectionOf({ versions, base }: Conflict): string | undefined {
    const documents = [...versions.map((it) => it.document), base];
    const collections = documents.map((it) => (it?.['@metadata'] as Metadata | undefined)?.['@collection']);
    return collections.find((it): it is string => typeof it === 'string' && it !== '@empty');
}
