// The page's handle on the sync of its database with a server.

import { PinyonError } from './errors.js';
import { tellAll } from './listeners.js';
import type { AttachmentFetch, PendingDocument, SyncEvent, SyncOptions, SyncState } from './protocol.js';
import type { DocumentStore } from './store.js';

/** A token, or what gives one: asked at the start, and when the server wants another. */
export type TokenSource = string | (() => string | Promise<string>);

/** Which server, and what is asked of it. */
export interface SyncRequest {
    /** The server, as `https://data.example`. */
    url: string;
    /** The database on the server. */
    database: string;
    /** What the server's keys have signed; none where it asks for none. */
    token?: TokenSource;
    /** Only documents whose ids begin with one of these. */
    prefixes?: string[];
    /** Only documents of these collections. */
    collections?: string[];
    /**
     * When contents of attachments come: `withDocuments`, before the documents that have them, so
     * that all of them can be read offline (the default); or `onDemand`, when they are first read.
     * Contents that were left on the server stay there, whatever a later sync says, until they are
     * read or come with another document.
     */
    attachments?: AttachmentFetch;
}

/** What listeners are told. */
export interface SyncEventMap {
    status: SyncState;
    /** Documents came from the server. */
    received: Extract<SyncEvent, { type: 'received' }>;
    /** The server did not take a write; it stays pending. */
    refused: Extract<SyncEvent, { type: 'refused' }>;
    /** Everything was compared, after a long absence or because more or less may be seen. */
    resynced: SyncEvent;
    /** The database had been rolled back or cloned and has a new identity; nothing was lost. */
    renewed: SyncEvent;
    'caught-up': SyncEvent;
}

type Listener = (event: never) => void;

/** A new token is not asked for at once again, nor less often than this. */
const FIRST_RENEWAL_MS = 500;
const LONGEST_RENEWAL_MS = 60_000;

/** How the database stands with its server: what `store.sync()` gives. */
export class Sync implements AsyncIterable<SyncState> {
    readonly #store: DocumentStore;
    readonly #request: SyncRequest;
    readonly #listeners = new Map<keyof SyncEventMap, Set<Listener>>();
    readonly #iterators = new Set<() => void>();
    readonly #started: Promise<void>;
    #status: SyncState = { phase: 'offline', received: 0, remaining: 0, sent: 0, waiting: 0 };
    #isEnded = false;
    #renewals = 0;
    #renewing: ReturnType<typeof setTimeout> | undefined;

    /** @internal */
    constructor(store: DocumentStore, request: SyncRequest) {
        if (!URL.canParse(request.url) || !/^(https?|wss?):$/.test(new URL(request.url).protocol)) {
            throw new PinyonError('InvalidRequest', `the url of the server to sync with is none: '${request.url}'`);
        }
        if (!request.database) throw new PinyonError('InvalidRequest', 'a sync needs the name of a database on the server');
        if (!['withDocuments', 'onDemand', undefined].includes(request.attachments)) {
            throw new PinyonError('InvalidRequest', `attachments come 'withDocuments' or 'onDemand', not '${request.attachments}'`);
        }
        this.#store = store;
        this.#request = { ...request };
        this.#started = this.#start();
        // Whoever waits hears of a failure; the status says it too.
        this.#started.catch((reason: unknown) => this.failed(reason));
    }

    /** How things stand now. */
    get status(): SyncState {
        return this.#status;
    }

    on<E extends keyof SyncEventMap>(event: E, listener: (event: SyncEventMap[E]) => void): this {
        const listeners = this.#listeners.get(event) ?? new Set();
        listeners.add(listener as Listener);
        this.#listeners.set(event, listeners);
        return this;
    }

    off<E extends keyof SyncEventMap>(event: E, listener: (event: SyncEventMap[E]) => void): this {
        this.#listeners.get(event)?.delete(listener as Listener);
        return this;
    }

    /** How things stand, now and whenever that changes; a slow reader gets the latest. */
    [Symbol.asyncIterator](): AsyncIterator<SyncState> {
        let last: SyncState | undefined;
        let wake: () => void = () => undefined;
        let isLeft = false;
        const changed = (): void => wake();
        this.#iterators.add(changed);
        return {
            next: async (): Promise<IteratorResult<SyncState>> => {
                while (last === this.#status && !this.#isEnded && !isLeft) {
                    await new Promise<void>((resolve) => { wake = resolve; });
                }
                if (last === this.#status || isLeft) return { value: undefined, done: true };
                last = this.#status;
                return { value: last, done: false };
            },
            return: async (): Promise<IteratorResult<SyncState>> => {
                isLeft = true;
                this.#iterators.delete(changed);
                return { value: undefined, done: true };
            },
        };
    }

    /**
     * Resolves when the server has answered everything written here before, and everything that the
     * server had at this moment is here: it is asked, and what it tells by then is taken in. Offline
     * it waits; it rejects when the server does not let this database sync.
     */
    async waitForSync(): Promise<void> {
        await this.#started;
        await this.#store.call('waitForSync');
    }

    /** Breaks the connection, in all tabs, until `resume()`. What is written meanwhile waits. */
    async pause(): Promise<void> {
        await this.#started;
        await this.#store.call('pauseSync');
    }

    /** Goes on after `pause()`, or tries at once when it is offline or had an error. */
    async resume(): Promise<void> {
        await this.#started;
        await this.#store.call('resumeSync');
    }

    /** Shows the server another token: for one that expires, or allows something else. */
    async renewToken(token: string): Promise<void> {
        await this.#started;
        await this.#store.call('renewSyncToken', token);
    }

    /** Writes that the server is not known to have, oldest first. */
    async pending(limit = 1000): Promise<PendingDocument[]> {
        return JSON.parse(await this.#store.call('pendingDocuments', limit)) as PendingDocument[];
    }

    /** Offers the writes that the server refused again. */
    retryRefused(): Promise<void> {
        return this.#store.call('retryRefused');
    }

    /** Gives up what is pending of a document: it becomes what the server has. */
    discardPending(id: string): Promise<void> {
        return this.#store.call('discardPending', id);
    }

    /** Ends it for this tab; it goes on while another tab asks for it. */
    async stop(): Promise<void> {
        this.detach();
        this.#store.tellSyncStatus(this, undefined);
        await this.#started.catch(() => undefined);
        // One that began after it goes on.
        if (!this.#store.isSyncing) await this.#store.call('stopSync');
    }

    /** @internal */
    detach(): void {
        this.#isEnded = true;
        clearTimeout(this.#renewing);
        for (const changed of this.#iterators) changed();
    }

    /** @internal */
    tell(state: SyncState, events: SyncEvent[]): void {
        if (this.#isEnded) return;
        for (const event of events) this.#emit(event.type, event);
        if (state.phase === 'live') this.#renewals = 0;
        const isAsking = state.code === 'Unauthorized' && state.phase === 'error' && typeof this.#request.token === 'function';
        // A token that ended is no fault while another is asked for; that one refused too is.
        const { code: _code, reason: _reason, ...rest } = state;
        this.#setStatus(isAsking && this.#renewals === 0 ? { ...rest, phase: 'connecting' } : state);
        if (isAsking) this.#renewSoon();
    }

    async #start(): Promise<void> {
        const { token, ...rest } = this.#request;
        const options: SyncOptions = { ...rest, canRenewToken: typeof token === 'function' };
        // Without a network a function may have none: the server asks for one when it is reached.
        if (typeof token === 'function') options.token = await this.#askToken().catch(() => '');
        else if (token !== undefined) options.token = token;
        if (this.#isEnded) return;
        const state = await this.#store.call('startSync', options);
        if (!this.#isEnded) this.tell(state, []);
    }

    async #askToken(): Promise<string> {
        const { token } = this.#request;
        return typeof token === 'function' ? token() : (token ?? '');
    }

    #renewSoon(): void {
        if (typeof this.#request.token !== 'function') return;
        const delay = this.#renewals === 0 ? 0 : Math.min(FIRST_RENEWAL_MS * 2 ** this.#renewals, LONGEST_RENEWAL_MS);
        this.#renewals += 1;
        clearTimeout(this.#renewing);
        this.#renewing = setTimeout(() => {
            this.#askToken().then((token) => this.renewToken(token)).catch((reason: unknown) => {
                this.failed(reason);
                if (!this.#isEnded) this.#renewSoon();
            });
        }, delay);
    }

    /** @internal It cannot go on. */
    failed(reason: unknown): void {
        if (this.#isEnded) return;
        const code = reason instanceof PinyonError ? reason.code : 'Unavailable';
        this.#setStatus({ ...this.#status, phase: 'error', code, reason: String((reason as Error)?.message ?? reason) });
    }

    #setStatus(status: SyncState): void {
        if (JSON.stringify(status) === JSON.stringify(this.#status)) return;
        this.#status = status;
        this.#store.tellSyncStatus(this, status);
        this.#emit('status', status);
        for (const changed of this.#iterators) changed();
    }

    #emit<E extends keyof SyncEventMap>(event: E, value: SyncState | SyncEvent): void {
        tellAll((this.#listeners.get(event) ?? []) as Iterable<(event: unknown) => void>, value);
    }
}
