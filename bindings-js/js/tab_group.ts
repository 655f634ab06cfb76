// The tabs that share a database: one leads and owns it, the others send it their requests.
//
// The leader is whoever holds a Web Lock, which the browser takes from a tab that dies. Requests
// that were not answered then go to the next leader; a write carries its number, and the database
// remembers with the write that it was done, so it happens once.

import { PinyonError, toDetails, toError, type ErrorDetails } from './errors.js';
import type { DatabaseHost } from './host.js';
import type { HostOpener } from './open_host.js';
import { deleteStored } from './stored_database.js';
import type {
    HostOptions,
    LiveRequest,
    Method,
    PageMessage,
    SyncEvent,
    SyncFilter,
    SyncOptions,
    SyncState,
    TabMessage,
    WorkerMessage,
    WriteRequest,
} from './protocol.js';

interface Pending {
    method: Method;
    args: unknown[];
    /** The number of a write among this tab's writes. */
    write?: number;
    /** Whether a leader that is gone may have done it. */
    wasSent: boolean;
}

interface Outcome {
    result?: unknown;
    error?: ErrorDetails;
}

/** Methods that may wait long, and whose waiting can begin anew. */
const WAITING: Method[] = ['query', 'waitForIndexes', 'waitForSync', 'attachment', 'content'];

/** A page that does not answer for so long runs nothing: another tab's write does not wait for it any more. */
const LET_GO_MS = 1000;

/** The position of the request in the arguments of `batch`. */
const BATCH_REQUEST = 3;

/** One tab's part of the group. */
export class TabGroup {
    readonly #id = crypto.randomUUID();
    readonly #options: HostOptions;
    readonly #opener: HostOpener;
    readonly #tell: (message: WorkerMessage) => void;
    readonly #channel: BroadcastChannel;
    readonly #pending = new Map<number, Pending>();
    /** What other tabs asked and were not answered yet. */
    readonly #foreign = new Set<Extract<TabMessage, { type: 'call' }>>();
    #host: DatabaseHost | undefined;
    #leader: string | undefined;
    /** What this tab is called while it leads. Another name is another leader to the others. */
    #ownName: string = this.#id;
    /** How many hosts this tab has given up. */
    #lives = 0;
    #isWhole = false;
    /** Under way from the small module to the whole one. */
    #growing: Promise<ErrorDetails | undefined> | undefined;
    /** Hosts that were closed so that the whole module could take over. */
    readonly #left = new WeakSet<DatabaseHost>();
    /** What has to end before. */
    readonly #running = new Set<Promise<unknown>>();
    #nextWrite = 0;
    #isWatching = false;
    #lastEtag: number | undefined;
    /** What this tab follows, for the next leader. */
    readonly #live = new Map<number, LiveRequest>();
    /** Tabs of which the leader hears when they go. */
    readonly #awaited = new Set<string>();
    /** What this tab asked to sync, for the next leader. */
    #sync: SyncOptions | undefined;
    /** What all tabs together ask for: the next leader begins with it, or documents would go and come again. */
    #syncFilter: SyncFilter | undefined;
    /** Whether the page may answer itself what it knows (document_cache.ts). */
    #isLeased = false;
    /** Whether no other tab has this database open. */
    #isAlone = false;
    #hasHeardOthers = false;
    /** Leases that were taken back and that the page has not let go of. */
    #outstanding = 0;
    #whenLetGo: (() => void)[] = [];
    #isOpened = false;
    #release: () => void = () => undefined;
    readonly #ended = new AbortController();

    constructor(options: HostOptions, opener: HostOpener, tell: (message: WorkerMessage) => void) {
        this.#options = options;
        this.#opener = opener;
        this.#tell = tell;
        this.#channel = new BroadcastChannel(`pinyon/${options.database}`);
        this.#channel.onmessage = ({ data }: MessageEvent<TabMessage>) => this.#hear(data);
        // Held as long as this tab lives: the leader notices its end by it.
        this.#hold(`${this.#tabLocks}${this.#id}`);
        this.#campaign();
        this.#say({ type: 'who' });
    }

    /** Takes a message of the page. */
    receive(message: PageMessage): void {
        if (message.type === 'call') this.#call(message.number, message.method, message.args);
        if (message.type === 'close') void this.close();
        if (message.type === 'let-go') {
            this.#outstanding -= 1;
            if (this.#outstanding === 0) for (const go of this.#whenLetGo.splice(0)) go();
        }
    }

    get #tabLocks(): string {
        return `pinyon/tab/${this.#options.database}/`;
    }

    async close(): Promise<void> {
        this.#ended.abort();
        this.#channel.close();
        await this.#growing;
        try {
            await this.#host?.close();
        } catch {
            // It was closed already: the browser took the storage away.
        }
        this.#host = undefined;
        this.#release();
        this.#tell({ type: 'closed' });
    }

    /**
     * The database panicked, which is a defect: this tab cannot go on, and what it was doing must
     * not be tried by the next one.
     */
    stop(reason: unknown): void {
        if (!this.#host) return;
        const { message } = toDetails(reason);
        const error = toDetails(new PinyonError('Internal', `the database stopped: ${message}`));
        this.#host = undefined;
        for (const { from, number } of this.#foreign) this.#say({ type: 'answer', to: from, number, error });
        for (const [number] of this.#pending) this.#answer(number, { error });
        // The page ends the worker, and with it the locks.
        this.#tell({ type: 'lost', error });
    }

    #say(message: TabMessage): void {
        this.#channel.postMessage(message);
    }

    #hold(name: string): void {
        const untilClosed = new Promise<void>((resolve) => {
            this.#ended.signal.addEventListener('abort', () => resolve());
        });
        void navigator.locks.request(name, () => untilClosed);
    }

    /** Waits to become the leader. */
    #campaign(): void {
        const elected = navigator.locks.request(
            `pinyon/leader/${this.#options.database}`,
            { signal: this.#ended.signal },
            async () => {
                const released = new Promise<void>((resolve) => { this.#release = resolve; });
                await this.#lead();
                await this.#growing;
                // Without a database (it is of a newer version, or damaged) the next tab fares no
                // better, but each says so to its page.
                if (this.#host) await released;
            },
        );
        elected.catch((reason: unknown) => {
            if (!this.#ended.signal.aborted) this.#tell({ type: 'failed', error: toDetails(reason) });
        });
    }

    async #lead(): Promise<void> {
        let host: DatabaseHost;
        try {
            host = await (this.#isWhole ? this.#opener.openWhole() : this.#opener.open());
        } catch (reason) {
            const error = toDetails(reason);
            for (const [number, { method, args }] of this.#pending) {
                const isLastResort = method === 'deleteDatabase' && args[0] === true;
                this.#answer(number, isLastResort ? await outcomeOf(deleteStored(this.#options.database)) : { error });
            }
            this.#tell({ type: 'failed', error });
            return;
        }
        if (this.#ended.signal.aborted) {
            await host.close();
            return;
        }
        this.#host = host;
        this.#leader = this.#ownName;
        host.onChanges = (caller, changes, lastEtag) => {
            if (caller === this.#id) this.#hearChanges({ type: 'changes', changes, lastEtag });
            else this.#say({ type: 'changes', to: caller, changes, lastEtag });
        };
        host.onLive = (caller, key, answer) => {
            if (caller === this.#id) this.#tell({ type: 'live', key, answer });
            else this.#say({ type: 'live', to: caller, key, answer });
        };
        host.onSync = (caller, state, events, filter) => {
            if (caller === this.#id) this.#hearSync(state, events, filter);
            else this.#say({ type: 'sync', to: caller, state, events, filter });
        };
        void host.lost().then((reason) => {
            if (reason !== undefined) this.#lose(toDetails(reason));
        });
        host.onNeedsWhole = () => this.#becomeWhole(host);
        host.onWriting = () => this.#refreshLease();
        const follows: [Method, unknown[]][] = [...this.#live].map(([key, request]) => ['startLive', [key, request, true]]);
        if (this.#isWatching) follows.unshift(['watch', [this.#lastEtag]]);
        if (this.#sync) follows.push(['startSync', [{ ...this.#sync, ...this.#syncFilter }]]);
        for (const [method, args] of follows) {
            const outcome = await this.#outcomeOf(host, this.#id, method, args);
            // The whole module took over meanwhile, and has said so.
            if (this.#left.has(host)) return;
            if (outcome?.error) throw toError(outcome.error);
        }
        this.#say({ type: 'leader', leader: this.#ownName });
        this.#opened(true);
        for (const number of [...this.#pending.keys()]) this.#send(number);
        void this.#lookForOthers();
    }

    /** Gives the page the lease, if nobody else is there. */
    async #lookForOthers(): Promise<void> {
        const { held = [], pending = [] } = (await navigator.locks.query?.()) ?? {};
        const tabs = [...held, ...pending].filter(({ name }) => name?.startsWith(this.#tabLocks));
        // A tab that came meanwhile has said so.
        this.#isAlone = tabs.length === 1 && !this.#hasHeardOthers;
        this.#refreshLease();
    }

    #refreshLease(): void {
        const host = this.#host;
        const isHeld = this.#isAlone && host !== undefined && host.tellsOfWrites && !host.isWriting;
        if (isHeld === this.#isLeased) return;
        this.#isLeased = isHeld;
        if (!isHeld) this.#outstanding += 1;
        this.#tell({ type: 'lease', isHeld });
    }

    /** Another tab is there: until the next leader this page asks for everything, as that one does. */
    #share(): Promise<void> {
        this.#hasHeardOthers = true;
        this.#isAlone = false;
        this.#refreshLease();
        if (this.#outstanding === 0) return Promise.resolve();
        return new Promise((resolve) => {
            this.#whenLetGo.push(resolve);
            setTimeout(resolve, LET_GO_MS);
        });
    }

    #opened(isLeader: boolean): void {
        this.#tell(this.#isOpened ? { type: 'role', isLeader } : { type: 'opened', isLeader });
        this.#isOpened = true;
    }

    /** The storage is gone under the leader: all pages are told, and may open anew. */
    #lose(error: ErrorDetails): void {
        this.#host = undefined;
        this.#say({ type: 'leader', leader: this.#ownName, error });
        for (const [number] of this.#pending) this.#answer(number, { error });
        // The page ends this group.
        this.#tell({ type: 'lost', error });
    }

    #call(number: number, method: Method, args: unknown[]): void {
        const pending: Pending = { method, args, wasSent: false };
        if (method === 'batch') pending.write = this.#nextWrite++;
        if (method === 'watch') this.#isWatching = true;
        if (method === 'unwatch') this.#isWatching = false;
        if (method === 'startLive') this.#live.set(args[0] as number, args[1] as LiveRequest);
        if (method === 'stopLive') this.#live.delete(args[0] as number);
        if (method === 'startSync' || method === 'stopSync') {
            this.#sync = method === 'startSync' ? (args[0] as SyncOptions) : undefined;
            this.#syncFilter = undefined;
        }
        if (method === 'renewSyncToken' && this.#sync) this.#sync = { ...this.#sync, token: args[0] as string };
        this.#pending.set(number, pending);
        this.#send(number);
    }

    /** Hands a request to the leader, if there is one; it waits for one otherwise. */
    #send(number: number): void {
        const pending = this.#pending.get(number);
        if (!pending) return;
        if (this.#host) {
            void this.#runOwn(this.#host, number, pending);
        } else if (this.#leader !== undefined && this.#leader !== this.#ownName) {
            const { method } = pending;
            pending.wasSent = true;
            const args = this.#numbered(pending);
            this.#say({ type: 'call', to: this.#leader, from: this.#id, number, method, args });
        }
    }

    /** The arguments, with the number of a write. */
    #numbered(pending: Pending): unknown[] {
        if (pending.write === undefined) return pending.args;
        const writes = [...this.#pending.values()].flatMap((it) => it.write ?? []);
        const request: WriteRequest = {
            Caller: this.#id,
            Number: pending.write,
            AnsweredBefore: Math.min(...writes),
        };
        const args = [...pending.args];
        args[BATCH_REQUEST] = request;
        return args;
    }

    async #runOwn(host: DatabaseHost, number: number, pending: Pending): Promise<void> {
        if (pending.method === 'deleteDatabase') {
            await this.#delete(host, pending.args[0] === true, { here: (outcome) => this.#answer(number, outcome) });
            return;
        }
        // A page that shares the leader's fate does not ask twice; its writes need no numbers,
        // but for those that an earlier leader may have done.
        const args = pending.wasSent ? this.#numbered(pending) : pending.args;
        const outcome = await this.#outcomeOf(host, this.#id, pending.method, args);
        if (outcome) this.#answer(number, outcome);
    }

    /** What became of a request; `undefined` when it has to be asked again, of the next host. */
    async #outcomeOf(host: DatabaseHost, caller: string, method: Method, args: unknown[]): Promise<Outcome | undefined> {
        const running = outcomeOf(host.run(caller, method, args));
        if (!WAITING.includes(method)) {
            this.#running.add(running);
            void running.then(() => this.#running.delete(running));
        }
        const outcome = await running;
        if (outcome.error && this.#left.has(host)) return undefined;
        if (outcome.error?.code !== 'NotLoaded' || this.#isWhole) return outcome;
        const error = await this.#becomeWhole(host);
        return error && { error };
    }

    #becomeWhole(host: DatabaseHost): Promise<ErrorDetails | undefined> {
        this.#growing ??= this.#grow(host).finally(() => { this.#growing = undefined; });
        return this.#growing;
    }

    /**
     * Opens the database anew with the whole module, which a request needs; for the other tabs that
     * is another leader. Without the module all stays as it is.
     */
    async #grow(host: DatabaseHost): Promise<ErrorDetails | undefined> {
        const isNeededAgain = await host.needsWhole();
        try {
            await this.#opener.loadWhole();
        } catch (reason) {
            const { message } = toDetails(reason);
            return { code: 'Unavailable', message: `what this needs could not be loaded: ${message}` };
        }
        // Stopped or lost meanwhile: that was told.
        if (this.#host !== host) return undefined;
        if (isNeededAgain) this.#tell({ type: 'needs-whole' });
        this.#isWhole = true;
        await this.#leave(host);
        try {
            await host.close();
        } catch (reason) {
            this.#lose(toDetails(reason));
            return undefined;
        }
        await this.#lead();
        if (!this.#host) this.#release();
        return undefined;
    }

    /** Ends the database for all tabs, and deletes what is stored of it. */
    async #delete(
        host: DatabaseHost,
        mayDiscardPending: boolean,
        { here, there }: { here?: (outcome: Outcome) => void; there?: (outcome: Outcome) => void },
    ): Promise<void> {
        const tell = here ?? there;
        try {
            if (!mayDiscardPending) await host.refuseIfPending();
        } catch (reason) {
            tell?.({ error: toDetails(reason) });
            return;
        }
        // Another delete, or the whole module, was first: the next leader is asked, or nobody.
        if (this.#host !== host) return;
        const { storage } = await host.status();
        await this.#leave(host);
        try {
            // What was written meanwhile counts too.
            if (!mayDiscardPending) await host.refuseIfPending();
        } catch (reason) {
            tell?.({ error: toDetails(reason) });
            await host.close();
            await this.#lead();
            if (!this.#host) this.#release();
            return;
        }
        const outcome = await outcomeOf(host.close().then(() => storage === 'indexeddb' ? deleteStored(this.#options.database) : undefined));
        const error = outcome.error ?? toDetails(new PinyonError('Closed', `the database '${this.#options.database}' was deleted`));
        there?.(outcome);
        // None of those who are there may lead, and found it anew.
        this.#say({ type: 'leader', leader: this.#ownName, error });
        await this.#othersEnded();
        here?.(outcome);
        this.#lose(error);
        this.#release();
    }

    /** Waits until the tabs that have this database open have ended, but not for long. */
    async #othersEnded(): Promise<void> {
        const { held = [] } = (await navigator.locks.query?.()) ?? {};
        const own = `${this.#tabLocks}${this.#id}`;
        const others = held.flatMap(({ name }) => (name?.startsWith(this.#tabLocks) && name !== own ? [name] : []));
        const signal = AbortSignal.timeout(LET_GO_MS);
        await Promise.allSettled(others.map((name) => navigator.locks.request(name, { signal }, () => undefined)));
    }

    /** Gives a host up: what comes waits for the next one, and what is under way ends. */
    async #leave(host: DatabaseHost): Promise<void> {
        this.#left.add(host);
        this.#host = undefined;
        this.#refreshLease();
        // Another name is another leader to the others.
        this.#ownName = `${this.#id}/${(this.#lives += 1)}`;
        await Promise.all(this.#running);
    }

    #answer(number: number, outcome: Outcome): void {
        const pending = this.#pending.get(number);
        if (!pending) return;
        this.#pending.delete(number);
        // What was refused is not asked of the next leader: others sync then, this tab does not.
        if (pending.method === 'startSync' && outcome.error && this.#sync === pending.args[0]) this.#sync = undefined;
        if (pending.method === 'watch' && typeof outcome.result === 'number') {
            // From there on this tab is told, also by the next leader.
            this.#lastEtag = Math.max(this.#lastEtag ?? 0, outcome.result);
        }
        this.#tell({ type: 'answer', number, ...outcome });
    }

    #hear(message: TabMessage): void {
        switch (message.type) {
            case 'who':
                void this.#share();
                if (this.#host) this.#say({ type: 'leader', leader: this.#ownName });
                break;
            case 'leader':
                this.#hearLeader(message.leader, message.error);
                break;
            case 'call':
                if (message.to === this.#ownName && this.#host) void this.#runForeign(this.#host, message);
                break;
            case 'answer':
                if (message.to === this.#id) this.#answer(message.number, message);
                break;
            case 'changes':
                if (message.to === this.#id) this.#hearChanges(message);
                break;
            case 'live':
                // What was stopped meanwhile is not told.
                if (message.to === this.#id && this.#live.has(message.key)) {
                    this.#tell({ type: 'live', key: message.key, answer: message.answer });
                }
                break;
            case 'sync':
                if (message.to === this.#id) this.#hearSync(message.state, message.events, message.filter);
                break;
        }
    }

    #hearLeader(leader: string, error?: ErrorDetails): void {
        if (error) {
            this.#leader = undefined;
            // Whoever opens the database next has a store of its own.
            this.#ended.abort();
            for (const [number] of this.#pending) this.#answer(number, { error });
            this.#tell({ type: 'lost', error });
            return;
        }
        if (leader === this.#leader) return;
        this.#leader = leader;
        this.#opened(false);
        if (this.#isWatching && this.#lastEtag !== undefined) {
            // The former leader knew how far this tab was told; the new one learns it.
            this.#say({ type: 'call', to: leader, from: this.#id, number: -1, method: 'watch', args: [this.#lastEtag] });
        }
        for (const [key, request] of this.#live) {
            this.#say({ type: 'call', to: leader, from: this.#id, number: -1, method: 'startLive', args: [key, request, true] });
        }
        if (this.#sync) {
            const options = { ...this.#sync, ...this.#syncFilter };
            this.#say({ type: 'call', to: leader, from: this.#id, number: -1, method: 'startSync', args: [options] });
        }
        for (const number of [...this.#pending.keys()]) this.#send(number);
    }

    #hearSync(state: SyncState, events: SyncEvent[], filter: SyncFilter): void {
        // The next leader pauses where this one did.
        if (this.#sync) this.#sync = { ...this.#sync, isPaused: state.phase === 'paused' };
        this.#syncFilter = filter;
        this.#tell({ type: 'sync', state, events });
    }

    #hearChanges(message: Extract<WorkerMessage, { type: 'changes' }>): void {
        // A new leader begins where this tab said it was, which may be before what it was told.
        if (this.#lastEtag !== undefined && message.lastEtag <= this.#lastEtag) return;
        this.#lastEtag = message.lastEtag;
        const { changes, lastEtag } = message;
        this.#tell({ type: 'changes', changes, lastEtag });
    }

    async #runForeign(host: DatabaseHost, call: Extract<TabMessage, { type: 'call' }>): Promise<void> {
        if (['watch', 'startLive', 'startSync'].includes(call.method)) this.#forgetWhenGone(call.from);
        this.#foreign.add(call);
        // Before the other one is told of a write, this page must not answer without it.
        await this.#share();
        if (call.method === 'deleteDatabase') {
            const there = (outcome: Outcome): void => {
                this.#foreign.delete(call);
                this.#say({ type: 'answer', to: call.from, number: call.number, ...outcome });
            };
            await this.#delete(host, call.args[0] === true, { there });
            return;
        }
        const outcome = await this.#outcomeOf(host, call.from, call.method, call.args);
        this.#foreign.delete(call);
        // The caller asks the next leader.
        if (!outcome) return;
        // Without a channel this tab is closing, and the next leader will be asked.
        if (!this.#ended.signal.aborted) this.#say({ type: 'answer', to: call.from, number: call.number, ...outcome });
    }

    #forgetWhenGone(tab: string): void {
        if (this.#awaited.has(tab)) return;
        this.#awaited.add(tab);
        const gone = navigator.locks.request(`${this.#tabLocks}${tab}`, { signal: this.#ended.signal }, () => this.#host?.forget(tab));
        // Aborted when this tab closes.
        gone.catch(() => undefined);
    }
}

async function outcomeOf(running: Promise<unknown>): Promise<Outcome> {
    try {
        return { result: await running };
    } catch (reason) {
        return { error: toDetails(reason) };
    }
}
