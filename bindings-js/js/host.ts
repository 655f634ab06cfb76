// The database itself, in the worker (or the process) that owns it.

import type { Database } from '../dist/whole/pinyon.js';
import { piecesOf } from './blob_pieces.js';
import { isNotLoaded, PinyonError, toDetails, type ErrorDetails } from './errors.js';
import { LiveEvaluations } from './live_evaluations.js';
import type {
    DocumentChange,
    HostMethods,
    HostOptions,
    HostStatus,
    LiveAnswer,
    LiveRequest,
    SyncEvent,
    SyncFilter,
    SyncOptions,
    SyncState,
    WriteRequest,
} from './protocol.js';
import { scriptEngine } from './script_engine.js';
import { ServerLink } from './server_link.js';
import { filterOf, isSameTarget, join } from './sync_requests.js';

type Wasm = typeof import('../dist/whole/pinyon.js');

/** Told of changes, in order, none left out. */
export type Watcher = (changes: DocumentChange[], lastEtag: number) => void;

interface Watch {
    tell: Watcher;
    etag: number;
}

/** A page that opens a database wants to read: indexes and sweeps begin after this. */
const FIRST_READS_MS = 100;
const CHANGES_AT_ONCE = 1024;
const SWEPT_AT_ONCE = 256;
/** Of what would be lost, this many documents are counted. */
const PENDING_COUNTED = 1000;
/** Contents of attachments that no batch came to refer to are given back after this. */
const LOOSE_CONTENT_MS = 60 * 60 * 1000;

/** What the small module has no part for. */
const LEFT_OUT: Partial<Record<keyof HostMethods, keyof Database>> = {
    patchByQuery: 'patchByQuery', deleteByQuery: 'deleteByQuery',
    putIndex: 'putIndex', aboutIndexes: 'aboutIndexes', changeIndex: 'changeIndex',
    indexTerms: 'indexTerms', waitForIndexes: 'waitForIndexes',
    export: 'export', import: 'beginImport',
};

interface Configuration {
    Expiration: { Disabled: boolean; DeleteFrequencyInSec?: number } | null;
    Refresh: { Disabled: boolean; RefreshFrequencyInSec?: number } | null;
}

/** Runs the requests of all pages on one open database. */
export class DatabaseHost {
    readonly #database: Database;
    readonly #watches = new Map<string, Watch>();
    readonly #live: LiveEvaluations;
    #telling: Promise<void> | undefined;
    #mustTellAgain = false;
    #timer: ReturnType<typeof setTimeout> | undefined;
    /** How many writes of the database's own are under way. */
    #ownWrites = 0;
    /** Counts the plans of sweeps: only the last one goes on. */
    #plan = 0;
    #isClosed = false;
    #closing: Promise<void> | undefined;
    #link: ServerLink | undefined;
    /** Who asked for the sync. */
    readonly #syncing = new Set<string>();

    private constructor(database: Database) {
        this.#database = database;
        this.#live = new LiveEvaluations(database, (caller, key, answer) => this.#tellLive(caller, key, answer));
        if (this.#has('onCommitted')) database.onCommitted(() => this.#tellOfChanges());
        if (this.#has('setScriptEngine')) database.setScriptEngine(scriptEngine());
    }

    static async open(wasm: Wasm, options: HostOptions): Promise<DatabaseHost> {
        const { database, module: _, prefersWhole: _preferred, ...rest } = options;
        const host = new DatabaseHost(await wasm.Database.open(database, JSON.stringify(rest)));
        host.#timer = setTimeout(() => host.#beginUpkeep(), FIRST_READS_MS);
        return host;
    }

    /** What goes on beside requests. The first of them need not wait for it. */
    #beginUpkeep(): void {
        if (this.#has('onIndexesChanged')) {
            this.#database.onIndexesChanged(() => this.#live.pokeAll());
            // Of what they followed before, changes were not told.
            this.#live.pokeAll();
        }
        this.#database.openIndexes().catch((reason: unknown) => {
            // Other reasons are told to whoever asks an index.
            if (isNotLoaded(reason)) void this.onNeedsWhole();
        });
        // Whoever reads or writes hears of damage too.
        void this.#schedule().catch(() => undefined);
    }

    /** Whether what is stored needs more than this module has. */
    needsWhole(): Promise<boolean> {
        return this.#database.openIndexes().then(() => false, isNotLoaded);
    }

    /** Resolves when the browser takes the storage away; `undefined` after an orderly end. */
    async lost(): Promise<unknown> {
        return (await this.#database.lost()) as unknown;
    }

    #has(part: keyof Database): boolean {
        return part in this.#database;
    }

    /** Runs a method for a caller. */
    async run(caller: string, method: keyof HostMethods, args: unknown[]): Promise<unknown> {
        const needed = LEFT_OUT[method];
        if (needed !== undefined && !this.#has(needed)) {
            throw new PinyonError('NotLoaded', `'${method}' needs the whole module`);
        }
        switch (method) {
            case 'watch':
                return this.#watch(caller, args[0] as number | undefined);
            case 'unwatch':
                this.#watches.delete(caller);
                return undefined;
            case 'startLive':
                return this.#live.start(caller, args[0] as number, args[1] as LiveRequest, args[2] === true);
            case 'stopLive':
                this.#live.stop(caller, args[0] as number);
                return undefined;
            case 'startSync':
                return this.#startSync(caller, args[0] as SyncOptions);
            case 'stopSync':
                return this.#stopSync(caller);
            default: {
                const run = this[method] as (...args: unknown[]) => Promise<unknown>;
                return run.apply(this, args);
            }
        }
    }

    load(ids: string[], includes: string[]): Promise<string> {
        return this.#database.load(ids, includes);
    }

    startsWith(query: string): Promise<string> {
        return this.#database.startsWith(query);
    }

    query(query: string): Promise<string> {
        return this.#database.query(query);
    }

    async batch(
        commands: string,
        contents: Blob[],
        durability?: string,
        request?: WriteRequest,
        documents = new Uint8Array(),
    ): Promise<string> {
        const uploads = [];
        try {
            const numbers: number[] = [];
            for (const content of contents) {
                const upload = this.#database.beginUpload();
                uploads.push(upload);
                for await (const piece of piecesOf(content)) await upload.write(piece);
                numbers.push(await upload.finish());
            }
            const asked = request ? `,"Request":${JSON.stringify(request)}` : '';
            const batch = `{"Commands":${commands},"Contents":${JSON.stringify(numbers)}${asked}}`;
            const results = await this.#database.batch(batch, documents, durability);
            this.#wrote();
            return results;
        } finally {
            for (const upload of uploads) upload.free();
        }
    }

    async attachment(id: string, name: string): Promise<{ details: string; content: Blob } | undefined> {
        const details = await this.#database.attachment(id, name);
        if (details === undefined) return undefined;
        const content = await this.content(details, id);
        return content && { details, content };
    }

    async content(details: string, id: string): Promise<Blob | undefined> {
        const { Name, Hash, Size, ContentType } = JSON.parse(details) as
            { Name: string; Hash: string; Size: number; ContentType: string };
        const at = (offset: number): Promise<unknown> => this.#database.contentAt(Hash, offset);
        const pieces: Uint8Array<ArrayBuffer>[] = [];
        for (let offset = 0; offset < Size; ) {
            const piece = (await at(offset).catch(async (reason: unknown) => {
                if (toDetails(reason).code !== 'NotLocal') throw reason;
                await this.#fetch(id, Name, Hash);
                return at(offset);
            })) as Uint8Array<ArrayBuffer> | undefined;
            // Deleted since: the next look would not find it either.
            if (!piece?.length) return undefined;
            pieces.push(piece);
            offset += piece.length;
        }
        return new Blob(pieces, { type: ContentType });
    }

    /** Gets a content from the server where it was left. */
    async #fetch(id: string, name: string, hash: string): Promise<void> {
        try {
            if (!this.#link) throw new PinyonError('NotLocal', 'the database does not sync');
            await this.#link.fetchContent(id, hash);
        } catch (reason) {
            const { code, message } = toDetails(reason);
            throw new PinyonError(code, `the content of '${name}' of '${id}' is not on this device: ${message}`);
        }
    }

    attachmentDetails(id: string, name: string): Promise<string | undefined> {
        return this.#database.attachment(id, name);
    }

    revisions(id: string, start: number, size: number): Promise<string> {
        return this.#database.revisions(id, start, size);
    }

    revisionsByVector(changeVectors: string[]): Promise<string> {
        return this.#database.revisionsByVector(changeVectors);
    }

    revisionBefore(id: string, moment: string): Promise<string> {
        return this.#database.revisionBefore(id, moment);
    }

    async configure(what: string, configuration: string): Promise<void> {
        await this.#writing(() => this.#database.configure(what, configuration));
        await this.#schedule();
    }

    configuration(): Promise<string> {
        return this.#database.configuration();
    }

    statistics(): Promise<string> {
        return this.#database.statistics();
    }

    async status(): Promise<HostStatus> {
        return JSON.parse(this.#database.status()) as HostStatus;
    }

    /** Deletes what expired and refreshes what is due, where that is configured; gives back what nothing refers to. */
    async sweep(): Promise<number> {
        const { Expiration, Refresh } = JSON.parse(await this.#database.configuration()) as Configuration;
        const steps = [
            ...(Expiration && !Expiration.Disabled ? [() => this.#database.sweepExpired(SWEPT_AT_ONCE)] : []),
            ...(Refresh && !Refresh.Disabled ? [() => this.#database.sweepRefreshes(SWEPT_AT_ONCE)] : []),
            () => this.#database.sweepLooseContents(Date.now() - LOOSE_CONTENT_MS, SWEPT_AT_ONCE),
        ];
        let total = 0;
        for (const step of steps) {
            // Most find nothing to do, but that is known afterwards.
            await this.#writing(async () => { for (let done = await step(); done > 0; done = await step()) total += done; });
        }
        this.#wrote();
        return total;
    }

    async export(format: string): Promise<Blob> {
        const running = await this.#database.export(format);
        try {
            const pieces: Uint8Array<ArrayBuffer>[] = [];
            for (;;) {
                const piece = (await running.next()) as Uint8Array<ArrayBuffer> | undefined;
                if (piece === undefined) break;
                pieces.push(piece);
            }
            return new Blob(pieces, { type: 'application/json' });
        } finally {
            running.free();
        }
    }

    async import(content: Blob): Promise<string> {
        const running = this.#database.beginImport();
        try {
            for await (const piece of piecesOf(content)) running.write(piece);
            const report = await this.#writing(() => running.finish());
            await this.#schedule();
            this.#wrote();
            return report;
        } finally {
            running.free();
        }
    }

    putIndex(definition: string): Promise<void> {
        return this.#database.putIndex(definition);
    }

    aboutIndexes(what: string, names: string[]): Promise<string> {
        return this.#database.aboutIndexes(what, names);
    }

    async changeIndex(name: string, what: string, to: string): Promise<boolean> {
        const wasThere = await this.#database.changeIndex(name, what, to);
        this.#live.pokeAll();
        return wasThere;
    }

    indexTerms(name: string, field: string, after: string | undefined, limit: number): Promise<string[]> {
        return this.#database.indexTerms(name, field, after, limit);
    }

    waitForIndexes(names: string[]): Promise<void> {
        return this.#database.waitForIndexes(names);
    }

    async patchByQuery(query: string, allowStale: boolean): Promise<string> {
        try {
            return await this.#writing(() => this.#database.patchByQuery(query, allowStale));
        } finally {
            // Also what was done before it failed.
            this.#wrote();
        }
    }

    async deleteByQuery(query: string, allowStale: boolean): Promise<string> {
        try {
            return await this.#writing(() => this.#database.deleteByQuery(query, allowStale));
        } finally {
            this.#wrote();
        }
    }

    /** Ends what was begun for a caller that is gone. */
    forget(caller: string): void {
        this.#watches.delete(caller);
        this.#live.stop(caller);
        void this.#stopSync(caller);
    }

    async pauseSync(): Promise<void> {
        this.#linked().pause();
    }

    async resumeSync(): Promise<void> {
        this.#linked().resume();
    }

    async renewSyncToken(token: string): Promise<void> {
        this.#linked().renewToken(token);
    }

    waitForSync(): Promise<void> {
        return this.#linked().whenSynced();
    }

    retryRefused(): Promise<void> {
        return this.#writing(() => (this.#link ? this.#link.retryRefused() : this.#database.retryRefused()));
    }

    pendingDocuments(limit: number): Promise<string> {
        return this.#database.pendingDocuments(limit);
    }

    async discardPending(id: string): Promise<void> {
        await this.#writing(() => this.#database.discardPending(id));
        this.#wrote();
    }

    conflict(id: string): Promise<string | undefined> {
        return this.#database.conflict(id);
    }

    conflicts(startAfter: string, limit: number): Promise<string> {
        return this.#database.conflicts(startAfter, limit);
    }

    /** Called before documents change without a page's save, and after; the worker sets it. */
    onWriting: () => void = () => undefined;

    /** Runs what may change documents without a page's save. */
    async #writing<T>(write: () => Promise<T>): Promise<T> {
        this.#ownWrites += 1;
        this.onWriting();
        try {
            return await write();
        } finally {
            this.#ownWrites -= 1;
            this.onWriting();
        }
    }

    get isWriting(): boolean {
        return this.#ownWrites > 0;
    }

    /** Whether documents change only by saves and by what is told of: not where indexes write some. */
    get tellsOfWrites(): boolean {
        return !this.#has('putIndex');
    }

    /** Where changes for callers go; the worker sets it. */
    onChanges: (caller: string, changes: DocumentChange[], lastEtag: number) => void = () => undefined;

    /** Where answers of live queries go; the worker sets it. */
    onLive: (caller: string, key: number, answer: LiveAnswer) => void = () => undefined;

    /** What the small module cannot follow is not told: the whole one will tell it. */
    #tellLive(caller: string, key: number, answer: LiveAnswer): void {
        if (!isNotLoaded(answer.error)) {
            this.onLive(caller, key, answer);
            return;
        }
        void this.onNeedsWhole().then((error) => { if (error) this.onLive(caller, key, { error }); });
    }

    /** Asks for the whole module in place of this host; answers why it cannot be had. The worker sets it. */
    onNeedsWhole: () => Promise<ErrorDetails | undefined> = () =>
        Promise.resolve(toDetails(new PinyonError('Unavailable', 'nobody here loads the whole module')));

    /** Where news of the sync go; the worker sets it. */
    onSync: (caller: string, state: SyncState, events: SyncEvent[], filter: SyncFilter) => void = () => undefined;

    /** Fails where something is here that no server has. */
    async refuseIfPending(): Promise<void> {
        const pending = JSON.parse(await this.#database.pendingDocuments(PENDING_COUNTED)) as { id: string }[];
        const [first] = pending;
        if (!first) return;
        const count = pending.length < PENDING_COUNTED ? pending.length : `${PENDING_COUNTED} or more`;
        throw new PinyonError(
            'InvalidRequest',
            `no server has what was written here of ${count} documents ('${first.id}' is one): sync first, or say mayDiscardPending`,
        );
    }

    /** For a database that goes with its host; of others the tabs take care. */
    async deleteDatabase(mayDiscardPending: boolean): Promise<void> {
        if (!mayDiscardPending) await this.refuseIfPending();
        await this.close();
    }

    close(): Promise<void> {
        this.#closing ??= this.#close();
        return this.#closing;
    }

    async #close(): Promise<void> {
        this.#isClosed = true;
        clearTimeout(this.#timer);
        this.#watches.clear();
        await this.#link?.close();
        await this.#telling;
        const ended = this.#live.close();
        // What still waits for an index ends with the database.
        await this.#database.close();
        await ended;
        this.#database.free();
    }

    async #watch(caller: string, afterEtag?: number): Promise<number> {
        const { LastDocEtag } = JSON.parse(await this.#database.statistics()) as { LastDocEtag: number };
        const etag = afterEtag ?? LastDocEtag;
        const tell: Watcher = (changes, lastEtag) => this.onChanges(caller, changes, lastEtag);
        this.#watches.set(caller, { tell, etag });
        this.#tellWatchers();
        return etag;
    }

    /** Starts the sync, or joins it; what other tabs asked for stays asked for. */
    async #startSync(caller: string, options: SyncOptions): Promise<SyncState> {
        // What this caller asked before gives way, also where it is refused.
        this.#syncing.delete(caller);
        const former = this.#link;
        const wanted = former && this.#syncing.size > 0 ? join(former.options, options) : options;
        this.#syncing.add(caller);
        if (former && isSameTarget(former.options, wanted)) {
            if (options.token !== undefined) former.renewToken(options.token);
            return former.state;
        }
        const isPaused = wanted.isPaused || (this.#syncing.size > 1 && former?.state.phase === 'paused');
        const filter = filterOf(wanted);
        const link = new ServerLink(
            this.#database,
            { ...wanted, isPaused },
            (state, events) => { for (const it of this.#syncing) this.onSync(it, state, events, filter); },
            (write) => this.#writing(write),
        );
        this.#link = link;
        await former?.close(this.#syncing.size > 1 ? link : undefined);
        await link.start();
        return link.state;
    }

    async #stopSync(caller: string): Promise<void> {
        if (!this.#syncing.delete(caller) || this.#syncing.size > 0) return;
        const link = this.#link;
        this.#link = undefined;
        await link?.close();
    }

    #linked(): ServerLink {
        if (!this.#link) throw new PinyonError('InvalidRequest', 'the database does not sync: call store.sync() first');
        return this.#link;
    }

    #wrote(): void {
        this.#link?.wrote();
    }

    #tellOfChanges(): void {
        this.#live.wrote();
        this.#tellWatchers();
    }

    #tellWatchers(): void {
        if (this.#watches.size === 0) return;
        this.#mustTellAgain = true;
        this.#telling ??= this.#tellAll().finally(() => {
            this.#telling = undefined;
        });
    }

    async #tellAll(): Promise<void> {
        while (this.#mustTellAgain) {
            this.#mustTellAgain = false;
            for (const watch of this.#watches.values()) await this.#tellOne(watch);
        }
    }

    async #tellOne(watch: Watch): Promise<void> {
        for (let isComplete = false; !isComplete && !this.#isClosed; ) {
            const text = await this.#database.changesAfter(watch.etag, CHANGES_AT_ONCE);
            type Change = DocumentChange & { isKnown?: boolean };
            const news = JSON.parse(text) as { Changes: Change[]; LastEtag: number; IsComplete: boolean };
            watch.etag = news.LastEtag;
            // That a server has taken a write is no other write.
            const changes = news.Changes.filter((it) => !it.isKnown).map(({ isKnown: _, ...change }) => change);
            if (changes.length > 0) watch.tell(changes, news.LastEtag);
            isComplete = news.IsComplete;
        }
    }

    /** Sweeps as often as the configurations ask for. */
    async #schedule(): Promise<void> {
        const { Expiration, Refresh } = JSON.parse(await this.#database.configuration()) as Configuration;
        if (this.#isClosed) return;
        const seconds = [
            Expiration && !Expiration.Disabled ? (Expiration.DeleteFrequencyInSec ?? 60) : Infinity,
            Refresh && !Refresh.Disabled ? (Refresh.RefreshFrequencyInSec ?? 60) : Infinity,
            LOOSE_CONTENT_MS / 1000,
        ];
        const interval = Math.min(...seconds) * 1000;
        clearTimeout(this.#timer);
        const plan = ++this.#plan;
        const next = (): void => {
            this.#timer = setTimeout(() => {
                // A sweep that fails is tried again; what it is about is told to whoever writes. A
                // plan made meanwhile has a timer of its own.
                void this.sweep().catch(() => undefined).then(() => { if (!this.#isClosed && plan === this.#plan) next(); });
            }, interval);
            // A timer must not keep a Node.js process alive.
            (this.#timer as { unref?: () => void }).unref?.();
        };
        next();
    }
}
