// Revisions: what documents were.

import type { DocumentType } from './conventions.js';
import { toEntity, type Metadata } from './entity.js';
import type { DocumentSession } from './session.js';

export interface RevisionsOptions<T extends object> {
    start?: number;
    pageSize?: number;
    documentType?: DocumentType<T>;
}

type Documents = (Record<string, unknown> | null)[];

/** `session.advanced.revisions`. Revisions are not tracked. */
export class SessionRevisions {
    readonly #session: DocumentSession;

    /** @internal */
    constructor(session: DocumentSession) {
        this.#session = session;
    }

    /** The revisions of a document, newest first; 25 unless told. */
    async getFor<T extends object>(id: string, options: RevisionsOptions<T> = {}): Promise<T[]> {
        const documents = await this.#pageOf(id, options);
        return documents.flatMap((it) => this.#toEntity(it, options.documentType) ?? []);
    }

    /** The metadata of a document's revisions, newest first. */
    async getMetadataFor(id: string, options: RevisionsOptions<object> = {}): Promise<Metadata[]> {
        const documents = await this.#pageOf(id, options);
        return documents.map((it) => it?.['@metadata'] as Metadata);
    }

    async getCountFor(id: string): Promise<number> {
        this.#session.requestCount += 1;
        const text = await this.#session.connection.call('revisions', id, 0, 0);
        return (JSON.parse(text) as { TotalResults: number }).TotalResults;
    }

    /** The revision with a change vector; or what a document was at a date. */
    get<T extends object>(changeVector: string): Promise<T | null>;
    get<T extends object>(id: string, date: Date): Promise<T | null>;
    async get<T extends object>(changeVectorOrId: string, date?: Date): Promise<T | null> {
        this.#session.requestCount += 1;
        const text = date
            ? await this.#session.connection.call('revisionBefore', changeVectorOrId, date.toISOString())
            : await this.#session.connection.call('revisionsByVector', [changeVectorOrId]);
        const [document] = (JSON.parse(text) as { Results: Documents }).Results;
        return this.#toEntity<T>(document ?? null) ?? null;
    }

    /** Makes a revision of a document as it is, when the session is saved. */
    forceRevisionCreationFor(entityOrId: object | string): void {
        const id = typeof entityOrId === 'string' ? entityOrId : this.#session.advanced.trackedOf(entityOrId).id;
        this.#session.deferred.push({ command: { Type: 'ForceRevisionCreation', Id: id } });
    }

    async #pageOf(id: string, { start = 0, pageSize = 25 }: RevisionsOptions<object>): Promise<Documents> {
        this.#session.requestCount += 1;
        const text = await this.#session.connection.call('revisions', id, start, pageSize);
        return (JSON.parse(text) as { Results: Documents }).Results;
    }

    #toEntity<T extends object>(document: Record<string, unknown> | null, documentType?: DocumentType<T>): T | undefined {
        if (!document) return undefined;
        const { entity, metadata } = toEntity(document, this.#session.conventions, documentType);
        entity['@metadata'] = metadata;
        return entity as T;
    }
}
