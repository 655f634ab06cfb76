// A page's connection to its database, wherever that runs.

import { DocumentCache } from './document_cache.js';
import { PinyonError, toDetails, toError, type ErrorDetails } from './errors.js';
import { isCopied } from './package_place.js';
import type { DocumentChange, HostMethods, LiveAnswer, Method, PageMessage, SyncEvent, SyncState, WorkerMessage } from './protocol.js';

/** Carries messages there and back. */
export interface Wire {
    send(message: PageMessage): void;
    listen(listener: (message: WorkerMessage) => void): void;
    end(): void;
}

/** What a connection tells its store. */
export interface ConnectionEvents {
    changes(changes: DocumentChange[]): void;
    live(key: number, answer: LiveAnswer): void;
    sync(state: SyncState, events: SyncEvent[]): void;
    lost(error: PinyonError): void;
    role(isLeader: boolean): void;
}

/** Calls methods of the host. */
export interface Connection {
    readonly opened: Promise<void>;
    readonly isLeader: boolean;
    events: Partial<ConnectionEvents>;
    /** What the page knows of documents; writers tell it. */
    readonly documents?: DocumentCache;
    call<M extends Method>(method: M, ...args: Parameters<HostMethods[M]>): ReturnType<HostMethods[M]>;
    close(): Promise<void>;
}

/** The position of the documents in the arguments of `batch`. */
const BATCH_DOCUMENTS = 4;

interface Waiting {
    askedAt: number;
    resolve(result: unknown): void;
    reject(error: PinyonError): void;
}

/** Speaks the protocol of pages over a wire. */
export function connect(wire: Wire, documents = new DocumentCache()): Connection {
    const waiting = new Map<number, Waiting>();
    let next = 0;
    let isLeader = false;
    let ended: PinyonError | undefined;
    const events: Partial<ConnectionEvents> = {};
    let resolveOpened: () => void = () => undefined;
    let rejectOpened: (error: PinyonError) => void = () => undefined;
    const opened = new Promise<void>((resolve, reject) => {
        resolveOpened = resolve;
        rejectOpened = reject;
    });
    // Whoever awaits it hears of a failure; nobody has to.
    opened.catch(() => undefined);
    let resolveClosed: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => { resolveClosed = resolve; });

    const fail = (details: ErrorDetails): void => {
        documents.setHeld(false);
        // The first reason is the true one.
        ended ??= toError(details);
        rejectOpened(ended);
        for (const { reject } of waiting.values()) reject(ended);
        waiting.clear();
    };

    wire.listen((message) => {
        switch (message.type) {
            case 'opened':
                isLeader = message.isLeader;
                resolveOpened();
                break;
            case 'role':
                isLeader = message.isLeader;
                events.role?.(isLeader);
                break;
            case 'lease':
                documents.setHeld(message.isHeld);
                if (!message.isHeld) wire.send({ type: 'let-go' });
                break;
            case 'failed':
                fail(message.error);
                break;
            case 'answer': {
                const call = waiting.get(message.number);
                waiting.delete(message.number);
                if (call) documents.heard(call.askedAt);
                if (message.error) call?.reject(toError(message.error));
                else call?.resolve(message.result);
                break;
            }
            case 'changes':
                events.changes?.(message.changes);
                break;
            case 'live':
                events.live?.(message.key, message.answer);
                break;
            case 'sync':
                events.sync?.(message.state, message.events);
                break;
            case 'lost':
                fail(message.error);
                events.lost?.(toError(message.error));
                // With the worker go its locks, so that another tab or a new store can take over.
                wire.end();
                // Whoever closes it just then waits for nobody any more.
                resolveClosed();
                break;
            case 'closed':
                resolveClosed();
                break;
        }
    });

    return {
        opened,
        get isLeader() { return isLeader; },
        events,
        documents,
        call<M extends Method>(method: M, ...args: Parameters<HostMethods[M]>): ReturnType<HostMethods[M]> {
            return new Promise<unknown>((resolve, reject) => {
                if (ended) {
                    reject(ended);
                    return;
                }
                const number = next++;
                waiting.set(number, { askedAt: performance.now(), resolve, reject });
                wire.send({ type: 'call', number, method, args });
            }) as ReturnType<HostMethods[M]>;
        },
        async close(): Promise<void> {
            const reason = new PinyonError('Closed', 'the store was disposed');
            documents.setHeld(false);
            if (!ended) {
                ended = reason;
                wire.send({ type: 'close' });
                await closed;
            }
            for (const { reject } of waiting.values()) reject(reason);
            waiting.clear();
            wire.end();
        },
    };
}

/**
 * Collects what is said in one moment and says it at once: a message to another thread costs more
 * than most of what it carries.
 */
export function together<M>(say: (messages: M[]) => void): { add(message: M): void; flush(): void } {
    let waiting: M[] = [];
    const flush = (): void => {
        if (waiting.length === 0) return;
        const said = waiting;
        waiting = [];
        say(said);
    };
    return {
        add: (message) => {
            waiting.push(message);
            if (waiting.length === 1) queueMicrotask(flush);
        },
        flush,
    };
}

/** What a message takes with it: the page has no more use for it. */
function handedOver(message: PageMessage): Transferable[] {
    if (message.type !== 'call' || message.method !== 'batch') return [];
    const documents = (message.args as Parameters<HostMethods['batch']>)[BATCH_DOCUMENTS];
    return documents ? [documents.buffer as ArrayBuffer] : [];
}

/** Why the script of the worker may be missing. */
function notLoaded(): string {
    const reason = 'its script did not load';
    // It was looked for where npm puts packages; whoever puts them elsewhere can still tell Vite.
    return isCopied(import.meta.url) ? `${reason}; tell Vite: optimizeDeps: { exclude: ['pinyon'] }` : reason;
}

/** The wire of a worker. */
export function workerWire(worker: Worker): Wire {
    let hear: (message: WorkerMessage) => void = () => undefined;
    const sendAlone = (message: PageMessage): void => {
        try {
            worker.postMessage([message], handedOver(message));
        } catch (reason) {
            // It carries something that cannot leave this thread.
            if (message.type === 'call') hear({ type: 'answer', number: message.number, error: toDetails(reason) });
        }
    };
    const outgoing = together((messages: PageMessage[]) => {
        try {
            worker.postMessage(messages, messages.flatMap(handedOver));
        } catch {
            for (const message of messages) sendAlone(message);
        }
    });
    return {
        send: outgoing.add,
        listen: (listener) => {
            hear = listener;
            worker.onmessage = ({ data }: MessageEvent<WorkerMessage[]>) => {
                for (const message of data) listener(message);
            };
            worker.onerror = (event) => {
                const message = `the worker of the database failed: ${event.message ?? notLoaded()}`;
                listener({ type: 'failed', error: { code: 'Unavailable', message } });
            };
        },
        end: () => worker.terminate(),
    };
}
