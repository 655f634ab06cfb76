// What a session knows of an entity: its id, its version, and what it looked like.

import type { DocumentConventions, DocumentType, EntityClass } from './conventions.js';
import { bodyText, noteTypes, reviveTypes, type NestedTypes } from './nested_types.js';
import { PinyonError } from './errors.js';

/** A document's metadata: what the application puts there, and what the database adds. */
export type Metadata = Record<string, unknown>;

const METADATA = '@metadata';

/** An entity of a session. */
export interface TrackedEntity {
    id: string;
    entity: Record<string, unknown>;
    metadata: Metadata;
    /** The stored version; `null` before it is stored for the first time. */
    changeVector: string | null;
    /** Instead of the tracked version: any (`null`), or a given one. */
    expected?: string | null;
    /** Body and metadata as they are stored; after a load, how to tell. */
    stored: StoredState | (() => StoredState) | undefined;
    isDeleted: boolean;
    /** Whether it is to be stored though nothing changed. */
    isForced: boolean;
    /** Whether nothing of it is to be stored. */
    isIgnored?: boolean;
}

/** What is stored of an entity: texts, or a copy of metadata that has none yet. */
export interface StoredState {
    body: string;
    metadata: string | Metadata;
}

/** What is known to be stored of an entity. */
export function storedState(tracked: TrackedEntity): StoredState | undefined {
    if (typeof tracked.stored === 'function') tracked.stored = tracked.stored();
    return tracked.stored;
}

/** Reads a text when it is asked for, once: most entities are loaded to be looked at. */
export function readingAgain<T>(text: string): () => T {
    let parsed: T | undefined;
    return () => (parsed ??= JSON.parse(text) as T);
}

/** Metadata as it is now. Most of it is flat, and then a copy costs less than the text, which few need. */
export function metadataState(metadata: Metadata): string | Metadata {
    const isFlat = Object.values(metadata).every((value) => typeof value !== 'object' || value === null);
    return isFlat ? { ...metadata } : JSON.stringify(metadata);
}

/** Whether an entity is not as it was stored. */
export function differs(tracked: TrackedEntity, conventions: DocumentConventions): boolean {
    const stored = storedState(tracked);
    if (!stored) return true;
    const now = textOf(tracked, conventions);
    if (typeof stored.metadata !== 'string') stored.metadata = JSON.stringify(stored.metadata);
    return now.body !== stored.body || now.metadata !== stored.metadata;
}

/** The parts of an entity's document. Its metadata say from now on what of it JSON does not have. */
export function textOf(tracked: TrackedEntity, conventions: DocumentConventions): { body: string; metadata: string } {
    let body: string | undefined;
    let types: NestedTypes;
    try {
        const { entity } = tracked;
        // A copy without the two names: a replacer function would be called for every value inside.
        const { [conventions.identityPropertyOf(entity)]: _id, [METADATA]: _metadata, ...rest } = (
            typeof entity.toJSON === 'function' ? (entity.toJSON as () => Record<string, unknown>)() : entity
        );
        ({ text: body, types } = bodyText(rest));
    } catch (reason) {
        throw new PinyonError('InvalidRequest', `'${tracked.id}' cannot be stored: ${(reason as Error).message}`);
    }
    if (!body?.startsWith('{')) throw new PinyonError('InvalidRequest', `'${tracked.id}' is not an object`);
    noteTypes(tracked.metadata, types);
    return { body, metadata: JSON.stringify(tracked.metadata) };
}

/** The text of the whole document. */
export function documentText({ body, metadata }: { body: string; metadata: string }): string {
    if (metadata === '{}') return body;
    const comma = body === '{}' ? '' : ',';
    return `${body.slice(0, -1)}${comma}"${METADATA}":${metadata}}`;
}

/** A document as it is sent, with its metadata apart. */
export function partsOf(document: Record<string, unknown>): { body: Record<string, unknown>; metadata: Metadata } {
    const { [METADATA]: metadata, ...body } = document;
    return { body, metadata: (metadata ?? {}) as Metadata };
}

/** Makes an entity of a loaded document. */
export function toEntity(document: Record<string, unknown>, conventions: DocumentConventions, documentType?: DocumentType): Made {
    const { body, metadata } = partsOf(document);
    return ofParts(body, metadata, conventions, documentType);
}

/** An empty instance: what a class sets up of itself is there, unless it cannot do so without arguments. */
export function instanceOf(entityClass: EntityClass): Record<string, unknown> {
    try {
        return new (entityClass as new () => Record<string, unknown>)();
    } catch {
        return Object.create(entityClass.prototype as object) as Record<string, unknown>;
    }
}

type Made = Omit<TrackedEntity, 'stored'> & { stored: undefined };

/** Makes an entity of the parts of a loaded document; `body` becomes it. */
export function ofParts(
    body: Record<string, unknown>,
    metadata: Metadata,
    conventions: DocumentConventions,
    documentType?: DocumentType,
): Made {
    const id = metadata['@id'] as string;
    reviveTypes(body, metadata);
    const asked = conventions.classOf(documentType);
    const own = conventions.classOf(conventions.findJsType?.(id, body) ?? (metadata['Raven-Node-Type'] as string | null | undefined));
    // What is asked for, or the class derived from it that was stored.
    const entityClass = !asked || own?.prototype instanceof asked ? own : asked;
    const entity: Record<string, unknown> = entityClass ? Object.assign(instanceOf(entityClass), body) : body;
    entity[conventions.identityPropertyOf(entity)] = id;
    return {
        id,
        entity,
        metadata,
        changeVector: metadata['@change-vector'] as string,
        stored: undefined,
        isDeleted: false,
        isForced: false,
    };
}
