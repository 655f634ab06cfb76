// The database's connection to a server, in the worker that owns the database.
//
// The core says what to send; here are the socket, the timers and the back-off. Calls of a session
// follow each other in one queue, because a session does one thing at a time.

import type { Database, SyncSession } from '../dist/whole/pinyon.js';
import { forbiddenText, isThrownByPolicy, watchPolicy } from './policy.js';
import { toDetails, type ErrorCode } from './errors.js';
import type { SyncEvent, SyncOptions, SyncState } from './protocol.js';

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 60_000;
const TICK_MS = 10_000;
/** A server that says nothing for so many ticks, though asked, is gone. */
const SILENT_TICKS = 3;
/** Without a connection pending writes are counted up to here, and so often. */
const COUNTED = 1000;
const COUNT_MS = 250;
/** Reasons that another try would only meet again. */
const FINAL: ErrorCode[] = ['Unauthorized', 'Unsupported'];

interface Line {
    socket: WebSocket;
    session?: SyncSession;
    silentTicks: number;
    /** Whether it was begun with another token than it has now. */
    isRenewed: boolean;
}

interface Waiter {
    resolve(): void;
    reject(reason: unknown): void;
    /** Of which line the server was asked, and the number of that round. */
    line?: Line;
    round?: number;
}

/** A content that somebody waits for. */
interface Ask {
    id: string;
    hash: string;
    resolve(): void;
    reject(reason: unknown): void;
}

/** What a session tells: for applications, and for the link itself. */
type SessionEvent =
    | SyncEvent
    | { type: 'closed'; code: ErrorCode; reason: string }
    | { type: 'fetched'; hash: string }
    | { type: 'not-fetched'; id: string; hash: string; code: ErrorCode; reason: string };

/** Where frames go: `http://host/` becomes `ws://host/databases/{database}/sync`. */
export function syncUrl({ url, database }: SyncOptions): string {
    const target = new URL(url);
    target.protocol = target.protocol.replace(/^http/, 'ws');
    target.pathname = `${target.pathname.replace(/\/+$/, '')}/databases/${encodeURIComponent(database)}/sync`;
    return target.href;
}

/** Keeps a connection to a server as long as it is wanted. */
export class ServerLink {
    readonly #database: Database;
    readonly #tell: (state: SyncState, events: SyncEvent[]) => void;
    /** Runs what may change documents. */
    readonly #writing: <T>(write: () => Promise<T>) => Promise<T>;
    readonly #waiters = new Set<Waiter>();
    readonly #asks = new Set<Ask>();
    #options: SyncOptions;
    #line: Line | undefined;
    #queue: Promise<unknown> = Promise.resolve();
    #isPushing = false;
    #state: SyncState;
    #toldText = '';
    #attempts = 0;
    /** The last round of this line after which everything was here. */
    #roundsDone = 0;
    #isPaused: boolean;
    #isClosed = false;
    #retry: ReturnType<typeof setTimeout> | undefined;
    #counting: ReturnType<typeof setTimeout> | undefined;
    #ticking: ReturnType<typeof setInterval> | undefined;
    readonly #online = (): void => this.#connectNow();

    constructor(
        database: Database,
        options: SyncOptions,
        tell: (state: SyncState, events: SyncEvent[]) => void,
        writing: <T>(write: () => Promise<T>) => Promise<T>,
    ) {
        this.#database = database;
        this.#writing = writing;
        this.#options = options;
        this.#tell = tell;
        this.#isPaused = options.isPaused ?? false;
        this.#state = { phase: this.#isPaused ? 'paused' : 'offline', received: 0, remaining: 0, sent: 0, waiting: 0 };
    }

    get options(): SyncOptions {
        return this.#options;
    }

    get state(): SyncState {
        return this.#state;
    }

    async start(): Promise<void> {
        try {
            await this.#writing(() => this.#database.becomeEdge());
            await this.#countPending();
        } catch (reason) {
            const { code, message } = toDetails(reason);
            this.#setState({ ...this.#state, phase: 'error', code, reason: message });
            return;
        }
        if (this.#isClosed) return;
        globalThis.addEventListener?.('online', this.#online);
        this.#ticking = setInterval(() => this.#tick(), TICK_MS);
        (this.#ticking as { unref?: () => void }).unref?.();
        this.#connectNow();
    }

    /** Something was written here. */
    wrote(): void {
        if (this.#isPushing) return;
        this.#isPushing = true;
        void this.#enqueue(async () => {
            this.#isPushing = false;
            const { session } = this.#line ?? {};
            if (session) await this.#exchange(this.#line as Line, () => session.onLocalWrite());
            else this.#countSoon();
        });
    }

    pause(): void {
        this.#isPaused = true;
        this.#end(this.#line);
        clearTimeout(this.#retry);
        this.#setState({ ...this.#state, phase: 'paused' });
    }

    resume(): void {
        this.#isPaused = false;
        this.#connectNow();
    }

    /**
     * Another token; a connection that stands goes on with it. If the server does not let it,
     * because the token allows something else or is somebody else's, another connection begins
     * with it: what that one is told holds.
     */
    renewToken(token: string): void {
        if (token === this.#options.token && this.#state.phase !== 'error') return;
        this.#options = { ...this.#options, token };
        const line = this.#line;
        if (!line) {
            this.#connectNow();
            return;
        }
        void this.#enqueue(async () => {
            if (line !== this.#line || !line.session) return;
            line.isRenewed = true;
            line.socket.send(line.session.renewToken(token) as Uint8Array<ArrayBuffer>);
        });
    }

    /** Offers what the server refused again. */
    async retryRefused(): Promise<void> {
        await this.#enqueue(async () => {
            const line = this.#line;
            if (line?.session) await this.#exchange(line, () => (line.session as SyncSession).retryRefused());
            else await this.#database.retryRefused();
        });
    }

    /**
     * Resolves when nothing that was written before is unanswered, and what the server had when it
     * was asked is here. It is asked now, and again on the next line if this one breaks.
     */
    whenSynced(): Promise<void> {
        this.wrote();
        return new Promise((resolve, reject) => {
            void this.#enqueue(async () => {
                const waiter: Waiter = { resolve, reject };
                this.#waiters.add(waiter);
                const line = this.#line;
                const isReached = line?.session && ['catching-up', 'live'].includes(this.#state.phase);
                if (isReached) this.#askRounds(line, line.session as SyncSession);
                if (this.#state.phase === 'error') this.#rejectWaiters();
            });
        });
    }

    /**
     * Gets a content that was left on the server, as one of a document. It needs a connection, or
     * one that is being made: what breaks meanwhile is not tried again.
     */
    fetchContent(id: string, hash: string): Promise<void> {
        return new Promise((resolve, reject) => {
            const line = this.#line;
            if (!line) {
                reject({ code: 'NotLocal', message: `there is no connection to the server (${this.#state.phase})` });
                return;
            }
            const ask: Ask = { id, hash, resolve, reject };
            this.#asks.add(ask);
            // A session that begins asks for all of them.
            void this.#enqueue(async () => { if (this.#asks.has(ask)) await this.#ask(line, ask); });
        });
    }

    async #ask(line: Line, { id, hash }: Ask): Promise<void> {
        await this.#exchange(line, () => (line.session as SyncSession).fetchContent(id, hash));
    }

    /** Tells those who wait for a content what came of it. */
    #answerAsks(event: SessionEvent): void {
        for (const ask of this.#asks) {
            if (event.type === 'fetched' && ask.hash === event.hash) ask.resolve();
            else if (event.type === 'not-fetched' && ask.hash === event.hash && ask.id === event.id) {
                ask.reject({ code: event.code, message: event.reason });
            } else continue;
            this.#asks.delete(ask);
        }
    }

    #rejectAsks(): void {
        for (const { reject } of this.#asks) reject({ code: 'NotLocal', message: 'the server cannot be reached' });
        this.#asks.clear();
    }

    /** Ends it. Who waits goes on waiting for `next`, which asks for no less. */
    async close(next?: ServerLink): Promise<void> {
        this.#isClosed = true;
        globalThis.removeEventListener?.('online', this.#online);
        clearTimeout(this.#retry);
        clearTimeout(this.#counting);
        clearInterval(this.#ticking);
        this.#end(this.#line);
        this.#leaveWaiters(next);
        await this.#queue;
        // Who stood in the queue has begun to wait since.
        this.#leaveWaiters(next);
    }

    #leaveWaiters(next: ServerLink | undefined): void {
        for (const { resolve, reject } of this.#waiters) {
            if (next) next.#waiters.add({ resolve, reject });
            else reject({ code: 'Closed', message: 'the sync was stopped' });
        }
        this.#waiters.clear();
    }

    #enqueue(step: () => Promise<void>): Promise<void> {
        const done = this.#queue.then(step);
        this.#queue = done.catch((reason: unknown) => {
            this.#fail(this.#line, toDetails(reason).message, toDetails(reason).code);
        });
        return done.catch(() => undefined);
    }

    #connectNow(): void {
        if (this.#line || this.#isPaused || this.#isClosed) return;
        clearTimeout(this.#retry);
        let socket: WebSocket;
        let isForbidden = (): Promise<boolean> => Promise.resolve(false);
        try {
            const url = syncUrl(this.#options);
            isForbidden = watchPolicy(url);
            socket = new WebSocket(url);
        } catch (reason) {
            void this.#cannotConnect(reason, isForbidden);
            return;
        }
        socket.binaryType = 'arraybuffer';
        const line: Line = { socket, silentTicks: 0, isRenewed: false };
        this.#line = line;
        this.#roundsDone = 0;
        this.#setState({ ...this.#state, phase: 'connecting' });
        socket.onopen = () => {
            void isForbidden();
            line.silentTicks = 0;
            void this.#enqueue(async () => {
                if (line !== this.#line) return;
                const { token = '', prefixes = [], collections = [], attachments } = this.#options;
                const onDemand = attachments === 'onDemand';
                line.session = await this.#database.beginSync(JSON.stringify({ token, prefixes, collections, onDemand }));
                await this.#exchange(line, async () => (line.session as SyncSession).takeGreeting());
                for (const ask of this.#asks) await this.#ask(line, ask);
            });
        };
        socket.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
            line.silentTicks = 0;
            if (typeof data === 'string') return;
            void this.#enqueue(async () => {
                const { session } = line;
                if (session) await this.#exchange(line, () => this.#writing(() => session.onFrame(new Uint8Array(data))));
            });
        };
        // Behind the frames that came before it: the last one may say why.
        socket.onclose = ({ reason }) => {
            void this.#enqueue(async () => this.#fail(line, reason || 'the server cannot be reached', 'Unavailable'));
        };
        // What a policy forbids is never closed.
        socket.onerror = () => {
            void this.#enqueue(async () => {
                if (!(await isForbidden())) return;
                this.#failFor(line, forbiddenText(socket.url));
            });
        };
    }

    /** There is not even a socket. */
    async #cannotConnect(reason: unknown, isForbidden: () => Promise<boolean>): Promise<void> {
        const isPolicys = (await isForbidden()) || isThrownByPolicy(reason, syncUrl(this.#options));
        const why = isPolicys ? forbiddenText(syncUrl(this.#options)) : String(reason);
        if (this.#line || this.#isPaused || this.#isClosed) return;
        // Node.js has WebSockets from version 22 on.
        const code = typeof WebSocket === 'undefined' ? 'Unsupported' : 'InvalidRequest';
        this.#setState({ ...this.#state, phase: 'error', code, reason: why });
        this.#rejectWaiters();
    }

    /** Runs a step of a session, sends what it gives, and tells how things stand. */
    async #exchange(line: Line, step: () => Promise<unknown[]>): Promise<void> {
        if (line !== this.#line || !line.session) return;
        const frames = (await step()) as Uint8Array<ArrayBuffer>[];
        // Paused or broken meanwhile; the next session begins from what is stored.
        if (line !== this.#line) return;
        for (const frame of frames) line.socket.send(frame);
        const events = JSON.parse(line.session.takeEvents()) as SessionEvent[];
        const told: SyncEvent[] = [];
        for (const event of events) {
            if (event.type === 'fetched' || event.type === 'not-fetched') this.#answerAsks(event);
            else if (event.type !== 'closed') told.push(event);
        }
        const closed = events.find((it) => it.type === 'closed');
        if (closed) {
            // A server without the database has none the next time either; what is not found here is no reason.
            this.#fail(line, closed.reason, closed.code, closed.code === 'NotFound');
            return;
        }
        const { roundsDone, ...status } = JSON.parse(line.session.status()) as SyncState & { roundsDone: number };
        this.#roundsDone = roundsDone;
        if (status.phase === 'live') this.#attempts = 0;
        if (status.phase !== 'connecting') this.#askRounds(line, line.session);
        this.#setState(status, told);
    }

    /** Asks the server, for all who wait and were not asked for on this line. */
    #askRounds(line: Line, session: SyncSession): void {
        const waiters = [...this.#waiters].filter((it) => it.line !== line);
        if (waiters.length === 0) return;
        const round = session.beginRound();
        for (const waiter of waiters) Object.assign(waiter, { line, round: round.number });
        for (const frame of round.frames as Uint8Array<ArrayBuffer>[]) line.socket.send(frame);
        round.free();
    }

    /** Nothing but another page changes that. */
    #failFor(line: Line, reason: string): void {
        if (line !== this.#line || this.#isPaused || this.#isClosed) return;
        this.#end(line);
        this.#setState({ ...this.#state, phase: 'error', code: 'InvalidRequest', reason });
        this.#rejectWaiters();
    }

    /** A line broke: another one after a while, unless there is no point in it. */
    #fail(line: Line | undefined, reason: string, code: ErrorCode, isHopeless = false): void {
        if (line !== this.#line || this.#isPaused || this.#isClosed) return;
        this.#end(line);
        const isFinal = isHopeless || (FINAL.includes(code) && !(code === 'Unauthorized' && line?.isRenewed));
        this.#setState({ ...this.#state, phase: isFinal ? 'error' : 'offline', remaining: 0, code, reason });
        if (isFinal) {
            this.#rejectWaiters();
            return;
        }
        const longest = Math.min(FIRST_DELAY_MS * 2 ** this.#attempts, LONGEST_DELAY_MS);
        this.#attempts += 1;
        clearTimeout(this.#retry);
        // Half of it by chance: a server that comes back is not met by all at once.
        this.#retry = setTimeout(() => this.#connectNow(), longest * (0.5 + Math.random() / 2));
        (this.#retry as { unref?: () => void }).unref?.();
    }

    #end(line: Line | undefined): void {
        if (!line) return;
        if (line === this.#line) this.#line = undefined;
        this.#rejectAsks();
        line.socket.onopen = line.socket.onmessage = line.socket.onclose = line.socket.onerror = null;
        line.socket.close();
        // Not while a step of it runs.
        this.#queue = this.#queue.then(() => line.session?.free());
    }

    #tick(): void {
        const line = this.#line;
        const session = line?.session;
        if (!line) return;
        line.silentTicks += 1;
        if (!session) {
            // A connection that is not made may take minutes to fail; nobody waits that long to see
            // a content.
            if (line.silentTicks > 1) this.#rejectAsks();
            return;
        }
        if (line.silentTicks > SILENT_TICKS) this.#fail(line, 'the server says nothing any more', 'TimedOut');
        else void this.#enqueue(() => this.#exchange(line, () => session.onTick()));
    }

    #countSoon(): void {
        this.#counting ??= setTimeout(() => {
            this.#counting = undefined;
            void this.#enqueue(async () => { if (!this.#isClosed && !this.#line?.session) await this.#countPending(); });
        }, COUNT_MS);
    }

    async #countPending(): Promise<void> {
        const pending = JSON.parse(await this.#database.pendingDocuments(COUNTED)) as { refusal: unknown }[];
        this.#setState({ ...this.#state, waiting: pending.filter((it) => it.refusal === null).length });
    }

    #setState(state: SyncState, events: SyncEvent[] = []): void {
        const { code, reason, ...rest } = state;
        this.#state = state.phase === 'offline' || state.phase === 'error' ? state : rest;
        const text = JSON.stringify(this.#state);
        if (text !== this.#toldText || events.length > 0) this.#tell(this.#state, events);
        this.#toldText = text;
        this.#answerWaiters();
    }

    #rejectWaiters(): void {
        const { code, reason } = this.#state;
        // A page that can get another token is about to do so.
        if (code === 'Unauthorized' && this.#options.canRenewToken) return;
        for (const { reject } of this.#waiters) reject({ code, message: `the server does not sync: ${reason ?? ''}` });
        this.#waiters.clear();
    }

    #answerWaiters(): void {
        const { phase, waiting } = this.#state;
        if (phase !== 'live' || waiting > 0) return;
        for (const waiter of [...this.#waiters]) {
            if (waiter.line !== this.#line || (waiter.round ?? Infinity) > this.#roundsDone) continue;
            waiter.resolve();
            this.#waiters.delete(waiter);
        }
    }
}
