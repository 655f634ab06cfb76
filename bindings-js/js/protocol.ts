// What pages, workers and tabs say to each other.

import type { ErrorCode, ErrorDetails } from './errors.js';

/** How a database is opened, as the worker gets it. */
export interface HostOptions {
    database: string;
    storage: 'indexeddb' | 'memory';
    durability: 'strict' | 'relaxed';
    maxCachedBytes?: number;
    allowMemory?: boolean;
    privateFiles?: boolean;
    /** Which module is loaded first. */
    module?: 'small' | 'whole';
    /** Begin with the whole module if it can be had. */
    prefersWhole?: boolean;
}

/** Whether the small module is passed over. */
export function startsWhole({ module, storage }: HostOptions): boolean {
    return module === 'whole' || storage === 'memory';
}

/** Whether the whole module is what to load first. */
export function triesWhole(options: HostOptions): boolean {
    return startsWhole(options) || options.prefersWhole === true;
}

/** One write among those of a caller, so that it can be asked for again and happens once. */
export interface WriteRequest {
    Caller: string;
    Number: number;
    AnsweredBefore: number;
}

/** Where the data is, and how safe. */
export interface HostStatus {
    storage: 'indexeddb' | 'memory';
    durability: 'strict' | 'relaxed' | 'memory';
    databaseId: string;
}

/** A change of a document. */
export interface DocumentChange {
    /** `Conflict`: several versions live, and nobody has settled it. */
    type: 'Put' | 'Delete' | 'Conflict';
    id: string;
    collectionName: string;
    changeVector: string;
}

/** When contents of attachments come. */
export type AttachmentFetch = 'withDocuments' | 'onDemand';

/** Which documents, and whether their attachments come with them. */
export interface SyncFilter {
    prefixes?: string[];
    collections?: string[];
    attachments?: AttachmentFetch;
}

/** Which server, and what is asked of it. */
export interface SyncOptions extends SyncFilter {
    url: string;
    database: string;
    token?: string;
    isPaused?: boolean;
    canRenewToken?: boolean;
}

/** How a database stands with its server. */
export interface SyncState {
    phase: 'offline' | 'connecting' | 'catching-up' | 'live' | 'paused' | 'error';
    /** Documents that came with this connection. */
    received: number;
    /** About how many changes of the server are still to come. */
    remaining: number;
    /** Writes that the server took with this connection. */
    sent: number;
    /** Writes that the server has not answered; counted up to 1,000 while there is no connection. */
    waiting: number;
    /** Why it is offline, or in error. */
    code?: ErrorCode;
    reason?: string;
}

/** What happened. */
export type SyncEvent =
    | { type: 'received'; ids: string[] }
    | { type: 'refused'; id: string; code: string; reason: string }
    | { type: 'caught-up' | 'renewed' | 'resynced' };

/** A write that no server is known to have. */
export interface PendingDocument {
    id: string;
    isDeletion: boolean;
    refusal: { code: string; reason: string } | null;
}

/** What is followed: a query (JSON, as `query` takes it), or a document with what it refers to. */
export type LiveRequest = { query: string } | { id: string; includes: string[] };

/** The answer of a live query (as that of `query` or `load`), or why there is none. */
export interface LiveAnswer {
    text?: string;
    error?: ErrorDetails;
}

/** What a host does for pages. Documents travel as JSON text. */
export interface HostMethods {
    load(ids: string[], includes: string[]): Promise<string>;
    startsWith(query: string): Promise<string>;
    query(query: string): Promise<string>;
    /** `documents` are texts one after the other; a command of puts says where each ends. */
    batch(commands: string, contents: Blob[], durability?: string, request?: WriteRequest, documents?: Uint8Array): Promise<string>;
    attachment(id: string, name: string): Promise<{ details: string; content: Blob } | undefined>;
    /** The content that an entry of the `@attachments` of document `id` describes. */
    content(details: string, id: string): Promise<Blob | undefined>;
    attachmentDetails(id: string, name: string): Promise<string | undefined>;
    revisions(id: string, start: number, size: number): Promise<string>;
    revisionsByVector(changeVectors: string[]): Promise<string>;
    revisionBefore(id: string, moment: string): Promise<string>;
    configure(what: string, configuration: string): Promise<void>;
    configuration(): Promise<string>;
    statistics(): Promise<string>;
    status(): Promise<HostStatus>;
    sweep(): Promise<number>;
    export(format: string): Promise<Blob>;
    import(content: Blob): Promise<string>;
    putIndex(definition: string): Promise<void>;
    /** The `names`, `definitions`, `statistics` or `errors` of some indexes, or of all. */
    aboutIndexes(what: string, names: string[]): Promise<string>;
    changeIndex(name: string, what: string, to: string): Promise<boolean>;
    indexTerms(name: string, field: string, after: string | undefined, limit: number): Promise<string[]>;
    waitForIndexes(names: string[]): Promise<void>;
    patchByQuery(query: string, allowStale: boolean): Promise<string>;
    deleteByQuery(query: string, allowStale: boolean): Promise<string>;
    /** Begins to tell the caller of changes after an etag, or from now on. */
    watch(afterEtag?: number): Promise<number>;
    unwatch(): Promise<void>;
    /** Tells the caller the answer, and again whenever it changes, under a key of the caller's. */
    startLive(key: number, request: LiveRequest, isResumed?: boolean): Promise<void>;
    stopLive(key: number): Promise<void>;
    /** Syncs as long as a caller asks for it, and tells those how it stands. */
    startSync(options: SyncOptions): Promise<SyncState>;
    stopSync(): Promise<void>;
    pauseSync(): Promise<void>;
    resumeSync(): Promise<void>;
    renewSyncToken(token: string): Promise<void>;
    waitForSync(): Promise<void>;
    retryRefused(): Promise<void>;
    pendingDocuments(limit: number): Promise<string>;
    discardPending(id: string): Promise<void>;
    /** Deletes the database; unless told to, not while something is here that no server has. */
    deleteDatabase(mayDiscardPending: boolean): Promise<void>;
    conflict(id: string): Promise<string | undefined>;
    conflicts(startAfter: string, limit: number): Promise<string>;
}

export type Method = keyof HostMethods;

/** From a page to its worker. */
export type PageMessage =
    | { type: 'open'; options: HostOptions }
    /** The module, compiled while the worker started; nothing where the page may not. */
    | { type: 'module'; module: WebAssembly.Module | undefined }
    | { type: 'call'; number: number; method: Method; args: unknown[] }
    /** The lease that was taken back is given up. */
    | { type: 'let-go' }
    | { type: 'close' };

/** From a worker to its page. */
export type WorkerMessage =
    | { type: 'opened'; isLeader: boolean }
    | { type: 'failed'; error: ErrorDetails }
    | { type: 'answer'; number: number; result?: unknown; error?: ErrorDetails }
    | { type: 'changes'; changes: DocumentChange[]; lastEtag: number }
    | { type: 'live'; key: number; answer: LiveAnswer }
    | { type: 'sync'; state: SyncState; events: SyncEvent[] }
    | { type: 'role'; isLeader: boolean }
    /** Whether the page may answer itself what it knows: nobody but it changes documents. */
    | { type: 'lease'; isHeld: boolean }
    /** What is stored needs the whole module, also the next time. */
    | { type: 'needs-whole' }
    | { type: 'lost'; error: ErrorDetails }
    | { type: 'closed' };

/** Between the workers of tabs. */
export type TabMessage =
    | { type: 'who' }
    | { type: 'leader'; leader: string; error?: ErrorDetails }
    | { type: 'call'; to: string; from: string; number: number; method: Method; args: unknown[] }
    | { type: 'answer'; to: string; number: number; result?: unknown; error?: ErrorDetails }
    | { type: 'changes'; to: string; changes: DocumentChange[]; lastEtag: number }
    | { type: 'live'; to: string; key: number; answer: LiveAnswer }
    | { type: 'sync'; to: string; state: SyncState; events: SyncEvent[]; filter: SyncFilter };
