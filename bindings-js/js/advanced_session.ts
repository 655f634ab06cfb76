// What a session offers beyond loading and storing.

import type { DocumentType } from './conventions.js';
import { changeOf, changesOf, type DocumentsChanges } from './document_changes.js';
import type { AskedQuery } from './asked_query.js';
import { commandOf, type CommandData } from './commands.js';
import { differs, ofParts, storedState, textOf, type Metadata, type TrackedEntity } from './entity.js';
import { PinyonError } from './errors.js';
import type { IndexTask } from './index_definition.js';
import { executeAllPendingLazyOperations, LazySessionOperations, type ResponseTimeInformation } from './lazy.js';
import { RawDocumentQuery, type DocumentQuery, type QueryOptions } from './query.js';
import { foundOf, loadDocuments, type Found } from './reading.js';
import type { DocumentSession } from './session.js';
import { SessionAttachments } from './session_attachments.js';
import { checkTransactionMode, choicesOf, type OptimisticConcurrencyMode } from './session_options.js';
import { SessionPatches } from './session_patches.js';
import { SessionRevisions } from './session_revisions.js';
import { streamOfPrefix, streamOfQuery, type DocumentResultStream, type StreamQueryStatistics } from './streams.js';
import { withinTime } from './time_limit.js';
import { refuse, refuseAll, refuseReading } from './unsupported.js';

export interface StartingWithOptions<T extends object> {
    /** What must follow the prefix: `*`, `?`, alternatives with `|`. */
    matches?: string;
    /** What must not follow it. */
    exclude?: string;
    start?: number;
    pageSize?: number;
    /** Only ids after this one. */
    startAfter?: string;
    documentType?: DocumentType<T>;
}

/** A document that was loaded if it is of another version. */
export interface ConditionalLoadResult<T extends object> {
    /** `null` when it is of that version still, or not there. */
    entity: T | null;
    /** The version there is; `null` when there is none. */
    changeVector: string | null;
}

/** What a save waits for. */
export interface IndexBatchOptions {
    /** In milliseconds. */
    timeout?: number;
    /** Whether the save fails then, though it was done. */
    throwOnTimeout?: boolean;
    /** All there are, unless told. */
    indexes?: string[];
}

export interface EntityInfo {
    id: string;
    entity: object;
    isDeleted: boolean;
}

/** Metadata, versions, attachments, revisions, patches: `session.advanced`. */
export class AdvancedSession extends SessionPatches {
    readonly attachments: SessionAttachments;
    readonly revisions: SessionRevisions;
    /** For what applications keep with a session. */
    readonly externalState = new Map<string, unknown>();
    readonly #session: DocumentSession;

    /** @internal */
    constructor(session: DocumentSession) {
        super(session);
        this.#session = session;
        this.attachments = new SessionAttachments(session);
        this.revisions = new SessionRevisions(session);
    }

    get numberOfRequests(): number {
        return this.#session.requestCount;
    }

    get useOptimisticConcurrency(): boolean {
        return this.#session.options.useOptimisticConcurrency ?? this.#session.conventions.useOptimisticConcurrency;
    }

    set useOptimisticConcurrency(value: boolean) {
        this.#session.options.useOptimisticConcurrency = value;
    }

    get optimisticConcurrencyMode(): OptimisticConcurrencyMode {
        if (!this.useOptimisticConcurrency) return 'None';
        return this.#session.options.verifyLoaded ? 'WritesAndReads' : 'Writes';
    }

    set optimisticConcurrencyMode(value: OptimisticConcurrencyMode) {
        Object.assign(this.#session.options, choicesOf(value));
    }

    get transactionMode(): 'SingleNode' {
        return 'SingleNode';
    }

    set transactionMode(value: 'SingleNode') {
        checkTransactionMode(value);
    }

    /** Documents whose ids begin with a prefix, in the order of their ids; 25 unless told. */
    async loadStartingWith<T extends object>(prefix: string, options: StartingWithOptions<T> = {}): Promise<T[]> {
        return (await this.loadWithIds<T>(prefix, options)).map(([, entity]) => entity);
    }

    /** @internal */
    async loadWithIds<T extends object>(prefix: string, options: StartingWithOptions<T>): Promise<[id: string, entity: T][]> {
        const { documentType, ...query } = options;
        this.#session.requestCount += 1;
        const text = await this.#session.connection.call('startsWith', JSON.stringify({ prefix, ...query }));
        return foundOf(text).flatMap((found) => {
            const id = found.metadata['@id'] as string;
            const entity = this.#session.track(id, found, documentType);
            return entity ? [[id, entity as T]] : [];
        });
    }

    /** Loads a document unless it is of a version that is known. What the session has, it gives. */
    async conditionalLoad<T extends object>(id: string, changeVector: string, documentType?: DocumentType<T>): Promise<ConditionalLoadResult<T>> {
        if (!changeVector) throw new PinyonError('InvalidRequest', 'conditionalLoad() takes the change vector that is known; load() takes none');
        const session = this.#session;
        const known = session.tracked.get(id.toLowerCase());
        if (known) return known.isDeleted ? { entity: null, changeVector: null } : { entity: known.entity as T, changeVector: known.changeVector };
        session.requestCount += 1;
        const found = (await loadDocuments(session.connection, [id])).results[0] as Found;
        const version = (found.metadata['@change-vector'] as string | undefined) ?? null;
        if (version === changeVector) return { entity: null, changeVector };
        const entity = session.track(id, found, documentType) as T | undefined;
        return { entity: entity ?? null, changeVector: entity ? version : null };
    }

    /** What is asked for later, all at once: `lazily.load(id)`, then `getValue()`. */
    get lazily(): LazySessionOperations {
        return new LazySessionOperations(this.#session);
    }

    /** Asks for all that is lazy. */
    get eagerly(): { executeAllPendingLazyOperations(): Promise<ResponseTimeInformation> } {
        return { executeAllPendingLazyOperations: () => executeAllPendingLazyOperations(this.#session) };
    }

    /** Documents one after the other, which the session does not keep: of a query, or by the beginning of their ids. */
    stream<T extends object>(query: AskedQuery<T>, statistics?: (statistics: StreamQueryStatistics) => void): Promise<DocumentResultStream<T>>;
    stream<T extends object>(idPrefix: string, options?: StartingWithOptions<T>): Promise<DocumentResultStream<T>>;
    async stream<T extends object>(
        what: AskedQuery<T> | string,
        how?: StartingWithOptions<T> | ((statistics: StreamQueryStatistics) => void),
    ): Promise<DocumentResultStream<T>> {
        if (typeof what === 'string') return streamOfPrefix(this.#session, what, typeof how === 'object' ? how : {});
        return streamOfQuery(what, typeof how === 'function' ? how : undefined);
    }

    /** Saves commands with the session: `defer(new DeleteCommandData('orders/1', null))`. */
    defer(...commands: CommandData[]): void {
        for (const it of commands) this.#session.deferred.push({ command: commandOf(it, (entity) => this.#session.documentOf(entity)) });
    }

    /** Saves wait until indexes have what was written. */
    waitForIndexesAfterSaveChanges({ timeout = 15_000, throwOnTimeout = true, indexes = [] }: IndexBatchOptions = {}): void {
        this.#session.afterSave = async () => {
            const waiting = this.#session.connection.call('waitForIndexes', indexes);
            await withinTime(waiting, timeout, 'waitForIndexesAfterSaveChanges()').catch((reason: unknown) => {
                if (throwOnTimeout || (reason as PinyonError).code !== 'TimedOut') throw reason;
            });
        };
    }

    /** A query, as `session.query()` makes it. */
    documentQuery<T extends object>(options: QueryOptions<T> | DocumentType<T>, index?: IndexTask): DocumentQuery<T> {
        return this.#session.query(options, index);
    }

    /** What the session has, by id. */
    getTrackedEntities(): Map<string, EntityInfo> {
        const all = [...this.#session.tracked.values()];
        return new Map(all.map(({ id, entity, isDeleted }) => [id, { id, entity, isDeleted }]));
    }

    /** There are no transactions over several nodes in a page: every use of it says so. */
    get clusterTransaction(): never {
        return refuse('session.advanced.clusterTransaction', 'a save of a session is one transaction, of this device');
    }

    /** A query in RQL, with parameters: `rawQuery('from Orders where total > $least')`. */
    rawQuery<T extends object>(query: string, documentType?: DocumentType<T>): RawDocumentQuery<T> {
        return new RawDocumentQuery<T>(this.#session, query, documentType);
    }

    /** Whether there is a document. */
    async exists(id: string): Promise<boolean> {
        const tracked = this.#session.tracked.get(id.toLowerCase());
        if (tracked && !tracked.isDeleted) return true;
        this.#session.requestCount += 1;
        const { results } = await loadDocuments(this.#session.connection, [id]);
        return results[0]?.body !== null;
    }

    /** @internal */
    trackedOf(entity: object): TrackedEntity {
        const tracked = this.#session.byEntity.get(entity);
        if (!tracked) throw new PinyonError('InvalidRequest', 'the entity does not belong to this session');
        return tracked;
    }

    /** Whether the entity belongs to this session. */
    isTracked(entity: object): boolean {
        return this.#session.byEntity.has(entity);
    }

    getDocumentId(entity: object): string | null {
        return this.#session.byEntity.get(entity)?.id ?? null;
    }

    /** The entity's metadata; what is put there is saved with the document. */
    getMetadataFor(entity: object): Metadata {
        return this.trackedOf(entity).metadata;
    }

    /** `null` before the entity is stored. */
    getChangeVectorFor(entity: object): string | null {
        return this.trackedOf(entity).changeVector;
    }

    getLastModifiedFor(entity: object): Date | null {
        const text = this.trackedOf(entity).metadata['@last-modified'];
        return typeof text === 'string' ? new Date(text) : null;
    }

    /** Whether saving would write the entity. */
    hasChanged(entity: object): boolean {
        const tracked = this.trackedOf(entity);
        const { conventions } = this.#session;
        if (conventions.shouldIgnoreEntityChanges?.(this.#session, entity, tracked.id)) return false;
        return !tracked.isIgnored && (tracked.isForced || differs(tracked, conventions));
    }

    /** Whether saving would write anything. */
    hasChanges(): boolean {
        const { tracked, deferred } = this.#session;
        return deferred.length > 0 || this.#session.deletedIds.length > 0 || [...tracked.values()].some((it) => it.isDeleted || this.hasChanged(it.entity));
    }

    /** What saving would change of an entity; metadata are not looked at. */
    whatChangedFor(entity: object): DocumentsChanges[] {
        const tracked = this.#session.byEntity.get(entity);
        if (!tracked) return [];
        if (tracked.isDeleted) return [changeOf('DocumentDeleted')];
        const stored = storedState(tracked);
        if (!stored) return [changeOf('DocumentAdded')];
        const read = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
        return changesOf(read(stored.body), read(textOf(tracked, this.#session.conventions).body));
    }

    /** What saving would change, by id; patches and other commands are not looked at. */
    whatChanged(): Record<string, DocumentsChanges[]> {
        const { tracked, deletedIds } = this.#session;
        const changes = [...tracked.values()].map((it) => [it.id, this.whatChangedFor(it.entity)] as const);
        const deleted = deletedIds.map((id) => [id, [changeOf('DocumentDeleted')]] as const);
        return Object.fromEntries([...changes, ...deleted].filter(([, those]) => those.length > 0));
    }

    /** Does not save what is changed in an entity from now on. */
    ignoreChangesFor(entity: object): void {
        this.trackedOf(entity).isIgnored = true;
    }

    isLoaded(id: string): boolean {
        return this.#session.tracked.has(id.toLowerCase());
    }

    /** Forgets an entity; what was changed in it is not saved. */
    evict(entity: object): void {
        const tracked = this.#session.byEntity.get(entity);
        if (!tracked) return;
        this.#session.tracked.delete(tracked.id.toLowerCase());
        this.#session.byEntity.delete(entity);
    }

    /** Forgets everything. */
    clear(): void {
        this.#session.dispose();
    }

    /** Loads an entity, or several at once, anew; what was changed in them is lost. */
    async refresh(entities: object | object[]): Promise<void> {
        const all = [entities].flat().map((it: object) => this.trackedOf(it));
        this.#session.requestCount += 1;
        const { results } = await loadDocuments(this.#session.connection, all.map((it) => it.id));
        all.forEach((tracked, at) => this.#renew(tracked, results[at]));
    }

    #renew(tracked: TrackedEntity, found: Found | undefined): void {
        if (!found?.body) throw new PinyonError('NotFound', `'${tracked.id}' has been deleted`);
        const stored = ofParts(found.body, found.metadata, this.#session.conventions, tracked.entity.constructor as DocumentType);
        for (const name of Object.keys(tracked.entity)) delete tracked.entity[name];
        Object.assign(tracked.entity, stored.entity);
        const { metadata, changeVector } = stored;
        Object.assign(tracked, { metadata, changeVector, isForced: false, isDeleted: false });
        delete tracked.expected;
        tracked.stored = textOf(tracked, this.#session.conventions);
    }
}

refuseAll(AdvancedSession.prototype, {
    'getCountersFor': 'there are no counters',
    'getTimeSeriesFor': 'there are no time series',
    'waitForReplicationAfterSaveChanges': 'a save is of this device; store.sync() has waitForSync()',
    'streamInto loadIntoStream loadStartingWithIntoStream': 'there are no streams of Node.js; read stream() instead',
    'getCurrentSessionNode': 'there is no cluster',
    'on once off addListener removeListener': 'a store tells it: store.on(\'beforeStore\', …)',
});
refuseReading(AdvancedSession.prototype, {
    'requestExecutor sessionInfo': 'there are no requests to a server',
    'documentStore': 'keep the store where the session is opened',
    'entityToJson': 'entities become documents as they are saved',
});
