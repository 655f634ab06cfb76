/// <reference lib="esnext.disposable" preserve="true" />

// The document store: an application's one way to a database.

import { BulkInsert } from './bulk_insert.js';
import { DatabaseChanges } from './changes.js';
import { Conflicts } from './conflicts.js';
import type { Connection } from './connection.js';
import { DocumentConventions, type DocumentType } from './conventions.js';
import { DocumentCache } from './document_cache.js';
import type { Metadata } from './entity.js';
import { PinyonError, toDetails, type ErrorCode } from './errors.js';
import { includePaths } from './includes.js';
import type { IndexTask } from './index_definition.js';
import { Indexes } from './indexes.js';
import { LiveDocument, LiveQuery, type LiveSource } from './live.js';
import { tellAll } from './listeners.js';
import { Operations } from './operations.js';
import type { HostOptions, LiveAnswer, LiveRequest, SyncState } from './protocol.js';
import type { DocumentQuery, RawDocumentQuery } from './query.js';
import { DocumentSession, type LoadOptions } from './session.js';
import { sessionOptions, type SessionOptions } from './session_options.js';
import { Sync, type SyncRequest } from './sync.js';

/** How a store works. */
export interface StoreOptions {
    /** The name of the database; each has its own data. */
    database: string;
    /**
     * Whether a save waits for the disk. `relaxed`, the default, may lose the last moments in a
     * power cut, never in a crash of the tab or the browser; `strict` loses nothing.
     */
    durability?: 'strict' | 'relaxed';
    /** Where the data is kept; `memory` goes with the page. */
    storage?: 'indexeddb' | 'memory';
    /** Whether to work in memory where the browser has no storage to give, as in some private windows. */
    allowMemory?: boolean;
    /**
     * Whether saves go into a journal in the origin's private files, where the browser has them: a
     * save takes a third of the time. Off unless it is asked for, because it is young.
     */
    privateFiles?: boolean;
    /** The most bytes of pages kept in memory. */
    maxCachedBytes?: number;
    /** Whether the database runs in a worker of its own (the default) or on this thread. */
    worker?: boolean | (() => Worker);
    /**
     * Which WebAssembly module is loaded first. `small`, the default, has documents, sync and plain
     * queries, and the whole one takes its place by itself when something needs it; `whole` saves
     * that step to an application that always will.
     */
    module?: 'small' | 'whole';
    conventions?: DocumentConventions;
}

/** Where the data is, and how safe it is. */
export interface StorageStatus {
    storage: 'indexeddb' | 'memory';
    durability: 'strict' | 'relaxed' | 'memory';
    /** Whether the browser has promised not to evict it. */
    persisted: boolean;
    /** Bytes that this site uses, and may use. */
    usage: number | undefined;
    quota: number | undefined;
    databaseId: string;
    /** Whether the database runs in this tab. */
    isLeader: boolean;
}

/** Counts of a database. */
export interface DatabaseStatistics {
    countOfDocuments: number;
    countOfTombstones: number;
    countOfRevisionDocuments: number;
    collections: Record<string, number>;
    databaseChangeVector: string;
}

export interface SessionEvent {
    session: DocumentSession;
    documentId: string;
    entity: object;
}

/** What listeners are told. */
export interface StoreEventMap {
    /** Before a document is stored; its entity and metadata may still be changed. */
    beforeStore: SessionEvent & { metadata: Metadata };
    /** Before a document is deleted; without entity where the session has only its id. */
    beforeDelete: Omit<SessionEvent, 'entity'> & { entity: object | null };
    afterSaveChanges: SessionEvent;
    /** The browser took the storage away: everything that is called fails until a new store is made. */
    storageLost: PinyonError;
    /** This tab took over the database, or gave it up. */
    leader: boolean;
    /** How the database stands with its server; `undefined` when it does not sync any more. */
    syncStatus: SyncState | undefined;
}

type Listener<E extends keyof StoreEventMap> = (event: StoreEventMap[E]) => void;

/** @internal */
export type StoreEvents = {
    [E in 'beforeStore' | 'beforeDelete' | 'afterSaveChanges']: Listener<E>;
};

/** Settings of one collection's revisions, in the protocol's names. */
export interface RevisionsCollectionConfiguration {
    Disabled?: boolean;
    MinimumRevisionsToKeep?: number;
    MinimumRevisionAgeToKeep?: string;
    PurgeOnDelete?: boolean;
}

/** Makes the connection; each environment has its own way. */
export type Connect = (
    options: HostOptions,
    worker: StoreOptions['worker'],
    documents: DocumentCache,
) => Connection | Promise<Connection>;

/** An application's way to a database. Make one, keep it, and open sessions on it. */
export class DocumentStore {
    /** @internal Set by the entry point. */
    static connect: Connect;

    readonly conventions: DocumentConventions;
    readonly storage: StoreStorage;
    readonly smuggler: Smuggler;
    readonly maintenance: Maintenance;
    readonly conflicts: Conflicts;
    readonly indexes: Indexes;
    readonly operations: Operations;
    readonly #options: StoreOptions;
    readonly #listeners = new Map<keyof StoreEventMap, Set<(event: never) => void>>();
    /** What takes the answers of live queries, and what ends them. */
    readonly #live = new Map<number, { take(answer: LiveAnswer): void; end(): void }>();
    readonly #liveSource: LiveSource;
    #nextLive = 0;
    #changes: DatabaseChanges | undefined;
    #sync: Sync | undefined;
    readonly #documents = new DocumentCache();
    #connecting: Promise<Connection> | undefined;
    #connection: Connection | undefined;
    #isDisposed = false;
    #isDeleting = false;

    constructor(options: StoreOptions | string) {
        this.#options = typeof options === 'string' ? { database: options } : { ...options };
        if (!this.#options.database) throw new PinyonError('InvalidRequest', 'a store needs the name of a database');
        this.conventions = this.#options.conventions ?? new DocumentConventions();
        this.#liveSource = { conventions: this.conventions, follow: (...it) => this.#follow(...it) };
        this.storage = new StoreStorage(this);
        this.smuggler = new Smuggler(this);
        this.maintenance = new Maintenance(this);
        this.conflicts = new Conflicts(this);
        this.indexes = new Indexes(this);
        this.operations = new Operations(this);
    }

    get database(): string {
        return this.#options.database;
    }

    /** Begins to open the database. Everything waits for it; `await store.opened` tells a failure. */
    initialize(): this {
        this.#connect().catch(() => undefined);
        return this;
    }

    /** Resolves when the database is open. */
    get opened(): Promise<void> {
        return this.#connect().then((connection) => connection.opened);
    }

    openSession(options: SessionOptions | string = {}): DocumentSession {
        // Whoever saves hears what its listeners throw.
        const emit = <E extends keyof StoreEventMap>(event: E) => (value: StoreEventMap[E]): void => {
            for (const listener of this.#listenersOf(event)) listener(value);
        };
        const events: StoreEvents = {
            beforeStore: emit('beforeStore'),
            beforeDelete: emit('beforeDelete'),
            afterSaveChanges: emit('afterSaveChanges'),
        };
        const chosen = sessionOptions(options, this.database, this.conventions.optimisticConcurrencyMode);
        return new DocumentSession(this.#lazyConnection(), this.conventions, events, chosen, this.#liveSource, this.database);
    }

    /** Stores many documents, over those that are there. */
    bulkInsert(): BulkInsert {
        return new BulkInsert((options) => this.openSession(options));
    }

    /** The changes of documents, by this tab and others. */
    changes(): DatabaseChanges {
        this.#changes ??= new DatabaseChanges(async (isWatching) => {
            const connection = await this.#connect();
            if (isWatching) connection.events.changes = (changes) => this.#changes?.tell(changes);
            await (isWatching ? connection.call('watch') : connection.call('unwatch'));
        });
        return this.#changes;
    }

    /**
     * A query, in RQL with its parameters or built on a session, whose results follow what is
     * stored: by this tab, by others, and by sync.
     */
    liveQuery<T extends object>(
        query: string | ((session: DocumentSession) => DocumentQuery<T> | RawDocumentQuery<T>),
        parameters: Record<string, unknown> = {},
        documentType?: DocumentType<T>,
    ): LiveQuery<T> {
        if (typeof query === 'function') return query(this.openSession()).live();
        return new LiveQuery<T>(this.#liveSource, query, parameters, documentType);
    }

    /** A document, with documents it refers to, that follows what is stored. */
    liveDocument<T extends object>(
        id: string,
        { includes, documentType }: LoadOptions<T> = {},
    ): LiveDocument<T> {
        return new LiveDocument<T>(this.#liveSource, id, includePaths(includes), documentType);
    }

    #follow(request: LiveRequest, take: (answer: LiveAnswer) => void, end: () => void): () => void {
        const key = this.#nextLive++;
        this.#live.set(key, { take, end });
        this.call('startLive', key, request).catch((reason: unknown) => {
            if (this.#live.has(key)) take({ error: toDetails(reason) });
        });
        return () => {
            if (!this.#live.delete(key)) return;
            // A store that is closed has nothing to stop.
            this.call('stopLive', key).catch(() => undefined);
        };
    }

    /**
     * Keeps the database in step with a server's, as long as this store lives: what is written
     * offline is brought there, and what others write comes here. One server at a time.
     */
    sync(request: SyncRequest): Sync {
        const sync = new Sync(this, request);
        this.#sync?.detach();
        this.#sync = sync;
        this.#emit('syncStatus', sync.status);
        return sync;
    }

    /** How the database stands with its server; `undefined` when `sync()` was not called, or stopped. */
    get syncStatus(): SyncState | undefined {
        return this.#sync?.status;
    }

    /** @internal */
    get isSyncing(): boolean {
        return this.#sync !== undefined;
    }

    /** @internal */
    tellSyncStatus(sync: Sync, status: SyncState | undefined): void {
        if (sync !== this.#sync) return;
        if (status === undefined) this.#sync = undefined;
        this.#emit('syncStatus', status);
    }

    /** Defines an index, as a class or an instance of it. */
    executeIndex(task: IndexTask): Promise<void> {
        return this.indexes.put(task);
    }

    /** Defines several. */
    executeIndexes(tasks: IndexTask[]): Promise<void> {
        return this.indexes.put(...tasks);
    }

    on<E extends keyof StoreEventMap>(event: E, listener: Listener<E>): this {
        const listeners = this.#listeners.get(event) ?? new Set();
        listeners.add(listener as (event: never) => void);
        this.#listeners.set(event, listeners);
        return this;
    }

    off<E extends keyof StoreEventMap>(event: E, listener: Listener<E>): this {
        this.#listeners.get(event)?.delete(listener as (event: never) => void);
        return this;
    }

    #emit<E extends keyof StoreEventMap>(event: E, value: StoreEventMap[E]): void {
        tellAll(this.#listenersOf(event), value);
    }

    #listenersOf<E extends keyof StoreEventMap>(event: E): Listener<E>[] {
        return [...(this.#listeners.get(event) ?? [])] as Listener<E>[];
    }

    /**
     * Deletes the database with all that is stored of it, for instance when somebody logs out, and
     * ends this store. In other tabs that have it open everything fails from then on, and their
     * stores hear `storageLost`; whoever makes a new store gets a new, empty database.
     *
     * What was written here and no server has yet would be gone for good: then it rejects, and
     * nothing is deleted, unless `mayDiscardPending` is set. A database that never synced has no
     * server, and is just deleted. One that cannot be opened, because it is damaged or of a newer
     * version, may hold such writes: it needs `mayDiscardPending` too.
     */
    async deleteDatabase({ mayDiscardPending = false }: { mayDiscardPending?: boolean } = {}): Promise<void> {
        // That it ends is no loss to whoever ends it.
        this.#isDeleting = true;
        try {
            await this.call('deleteDatabase', mayDiscardPending).catch(async (reason: unknown) => {
                if (!mayDiscardPending || !CANNOT_BE_OPENED.includes(toDetails(reason).code)) throw reason;
                await (await this.#newConnection()).call('deleteDatabase', true);
            });
        } catch (reason) {
            this.#isDeleting = false;
            throw reason;
        }
        await this.dispose();
    }

    /** Closes the database (another tab goes on with it) and ends this store. */
    async dispose(): Promise<void> {
        this.#isDisposed = true;
        this.#changes?.end();
        for (const { end } of [...this.#live.values()]) end();
        this.#sync?.detach();
        const connection = await this.#connecting?.catch(() => undefined);
        await connection?.close();
    }

    [Symbol.asyncDispose](): Promise<void> {
        return this.dispose();
    }

    /** @internal */
    async call<M extends Parameters<Connection['call']>[0]>(
        method: M,
        ...args: Parameters<import('./protocol.js').HostMethods[M]>
    ): Promise<Awaited<ReturnType<import('./protocol.js').HostMethods[M]>>> {
        const connection = this.#connection ?? (await this.#connect());
        return (await connection.call(method, ...args)) as Awaited<ReturnType<import('./protocol.js').HostMethods[M]>>;
    }

    /** @internal */
    get isLeader(): boolean {
        return this.#connection?.isLeader ?? false;
    }

    #lazyConnection(): Connection {
        if (this.#connection && !this.#isDisposed) return this.#connection;
        // Nothing is opened before something is asked: a server that renders pages asks nothing.
        const connect = (): Promise<Connection> => this.#connect();
        const documents = this.#documents;
        return {
            get opened() { return connect().then((connection) => connection.opened); },
            isLeader: false,
            events: {},
            documents,
            call: ((...args: unknown[]) =>
                connect().then((connection) => (connection.call as (...args: unknown[]) => unknown)(...args))) as Connection['call'],
            close: () => connect().then((connection) => connection.close()),
        };
    }

    #connect(): Promise<Connection> {
        if (this.#isDisposed) return Promise.reject(new PinyonError('Closed', 'the store was disposed'));
        this.#connecting ??= this.#open();
        return this.#connecting;
    }

    async #newConnection(): Promise<Connection> {
        const { worker, conventions: _, ...rest } = this.#options;
        const options: HostOptions = { storage: 'indexeddb', durability: 'relaxed', ...rest };
        return DocumentStore.connect(options, worker, this.#documents);
    }

    async #open(): Promise<Connection> {
        const connection = await this.#newConnection();
        connection.events.sync = (state, events) => this.#sync?.tell(state, events);
        connection.events.live = (key, answer) => this.#live.get(key)?.take(answer);
        connection.events.lost = (error) => {
            if (this.#isDeleting) return;
            for (const { take } of [...this.#live.values()]) take({ error: toDetails(error) });
            this.#sync?.failed(error);
            this.#emit('storageLost', error);
        };
        connection.events.role = (isLeader) => this.#emit('leader', isLeader);
        this.#connection = connection;
        return connection;
    }
}

/** Why a database may be there and not open. */
const CANNOT_BE_OPENED: ErrorCode[] = ['Corrupted', 'Unsupported'];

/** Where the data is: `store.storage`. */
export class StoreStorage {
    readonly #store: DocumentStore;

    /** @internal */
    constructor(store: DocumentStore) {
        this.#store = store;
    }

    async status(): Promise<StorageStatus> {
        const status = await this.#store.call('status');
        const manager = (globalThis.navigator as Navigator | undefined)?.storage as StorageManager | undefined;
        const estimate = await manager?.estimate?.();
        return {
            ...status,
            persisted: status.storage === 'indexeddb' && ((await manager?.persisted?.()) ?? false),
            usage: estimate?.usage,
            quota: estimate?.quota,
            isLeader: this.#store.isLeader,
        };
    }

    /** Asks the browser (which may ask the user) never to evict the data. */
    async persist(): Promise<boolean> {
        const manager = (globalThis.navigator as Navigator | undefined)?.storage as StorageManager | undefined;
        return (await manager?.persist?.()) ?? false;
    }
}

/** What an import did. */
export interface ImportReport {
    documents: number;
    revisions: number;
    attachments: number;
    configurations: number;
    indexes: number;
    /** What was in the file that this version does not take. */
    leftOut: string[];
}

/** Export and import: `store.smuggler`. */
export class Smuggler {
    readonly #store: DocumentStore;

    /** @internal */
    constructor(store: DocumentStore) {
        this.#store = store;
    }

    /** Everything, from one state: a dump as servers write them (uncompressed), or JSON lines. */
    export(format: 'dump' | 'jsonl' = 'dump'): Promise<Blob> {
        return this.#store.call('export', format);
    }

    /** Stores what a dump, a JSON array or JSON lines hold; gzip is read too. */
    async import(content: Blob): Promise<ImportReport> {
        const beginning = new Uint8Array(await content.slice(0, 2).arrayBuffer());
        const isGzip = beginning[0] === 0x1f && beginning[1] === 0x8b;
        const plain = isGzip
            ? await new Response(content.stream().pipeThrough(new DecompressionStream('gzip'))).blob()
            : content;
        return JSON.parse(await this.#store.call('import', plain)) as ImportReport;
    }
}

/** Configuration and upkeep: `store.maintenance`. */
export class Maintenance {
    readonly #store: DocumentStore;

    /** @internal */
    constructor(store: DocumentStore) {
        this.#store = store;
    }

    async getStatistics(): Promise<DatabaseStatistics> {
        const wire = JSON.parse(await this.#store.call('statistics')) as Record<string, unknown>;
        return {
            countOfDocuments: wire.CountOfDocuments as number,
            countOfTombstones: wire.CountOfTombstones as number,
            countOfRevisionDocuments: wire.CountOfRevisionDocuments as number,
            collections: wire.Collections as Record<string, number>,
            databaseChangeVector: wire.DatabaseChangeVector as string,
        };
    }

    /** Which collections keep revisions. */
    configureRevisions(configuration: {
        Default?: RevisionsCollectionConfiguration | null;
        Collections?: Record<string, RevisionsCollectionConfiguration>;
    }): Promise<void> {
        return this.#store.call('configure', 'revisions', JSON.stringify(configuration));
    }

    /** Whether documents are deleted once their `@expires` is past, and how often that is looked for. */
    configureExpiration(configuration: { Disabled: boolean; DeleteFrequencyInSec?: number }): Promise<void> {
        return this.#store.call('configure', 'expiration', JSON.stringify(configuration));
    }

    /** Whether documents are written anew once their `@refresh` is past, and how often that is looked for. */
    configureRefresh(configuration: { Disabled: boolean; RefreshFrequencyInSec?: number }): Promise<void> {
        return this.#store.call('configure', 'refresh', JSON.stringify(configuration));
    }

    /** Does at once what is due: expired documents, refreshes. How much it was. */
    sweep(): Promise<number> {
        return this.#store.call('sweep');
    }
}
