// What is asked for later, all at once.

import type { DocumentType } from './conventions.js';
import type { ConditionalLoadResult, StartingWithOptions } from './advanced_session.js';
import type { DocumentSession, EntitiesCollection } from './session.js';

/** Something to be asked for together with others: with the first whose value is wanted. */
export class Lazy<T> {
    readonly #session: DocumentSession;
    readonly #evaluate: () => Promise<T>;
    #value: Promise<T> | undefined;

    /** @internal */
    constructor(session: DocumentSession, evaluate: () => Promise<T>) {
        this.#session = session;
        this.#evaluate = evaluate;
        session.pendingLazies.push(this as Lazy<unknown>);
    }

    isValueCreated(): boolean {
        return this.#value !== undefined;
    }

    /** The value; asks for everything that waits. */
    async getValue(): Promise<T> {
        // What became of the others, those hear who want them.
        if (!this.#value) await executeAllPendingLazyOperations(this.#session).catch(() => undefined);
        return this.start();
    }

    /** @internal */
    start(): Promise<T> {
        if (!this.#value) {
            this.#value = this.#evaluate();
            // Nobody may ever ask for it.
            this.#value.catch(() => undefined);
        }
        return this.#value;
    }
}

export interface ResponseTimeInformation {
    /** In milliseconds. */
    totalClientDuration: number;
}

/** @internal Asks for everything that waits, as one request. */
export async function executeAllPendingLazyOperations(session: DocumentSession): Promise<ResponseTimeInformation> {
    const begin = performance.now();
    const before = session.requestCount;
    const started = session.pendingLazies.splice(0).map((it) => it.start());
    // Requests are counted as they are sent, which they all are by now.
    if (session.requestCount > before) session.requestCount = before + 1;
    await Promise.all(started);
    return { totalClientDuration: performance.now() - begin };
}

/** `session.advanced.lazily`. */
export class LazySessionOperations {
    readonly #session: DocumentSession;

    /** @internal */
    constructor(session: DocumentSession) {
        this.#session = session;
    }

    include(path: string): LazyLoaderWithInclude {
        return new LazyLoaderWithInclude(this.#session, [path]);
    }

    load<T extends object>(id: string, documentType?: DocumentType<T>): Lazy<T | null>;
    load<T extends object>(ids: string[], documentType?: DocumentType<T>): Lazy<EntitiesCollection<T>>;
    load<T extends object>(ids: string | string[], documentType?: DocumentType<T>): Lazy<T | null> | Lazy<EntitiesCollection<T>> {
        return new LazyLoaderWithInclude(this.#session, []).load<T>(ids as string, documentType);
    }

    /** By id, unlike what is not lazy. */
    loadStartingWith<T extends object>(idPrefix: string, options: StartingWithOptions<T> | DocumentType<T> = {}): Lazy<EntitiesCollection<T>> {
        const { advanced } = this.#session;
        const given = typeof options === 'object' ? options : { documentType: options };
        return new Lazy(this.#session, async () => {
            const ids = await advanced.loadWithIds<T>(idPrefix, given);
            return Object.fromEntries(ids);
        });
    }

    conditionalLoad<T extends object>(id: string, changeVector: string, documentType?: DocumentType<T>): Lazy<ConditionalLoadResult<T>> {
        return new Lazy(this.#session, () => this.#session.advanced.conditionalLoad<T>(id, changeVector, documentType));
    }
}

/** A load with includes, later. */
export class LazyLoaderWithInclude {
    readonly #session: DocumentSession;
    readonly #paths: string[];

    /** @internal */
    constructor(session: DocumentSession, paths: string[]) {
        this.#session = session;
        this.#paths = paths;
    }

    include(path: string): LazyLoaderWithInclude {
        return new LazyLoaderWithInclude(this.#session, [...this.#paths, path]);
    }

    load<T extends object>(id: string, documentType?: DocumentType<T>): Lazy<T | null>;
    load<T extends object>(ids: string[], documentType?: DocumentType<T>): Lazy<EntitiesCollection<T>>;
    load<T extends object>(ids: string | string[], documentType?: DocumentType<T>): Lazy<T | null> | Lazy<EntitiesCollection<T>> {
        const options = { includes: this.#paths, ...(documentType !== undefined && { documentType }) };
        return new Lazy<T | null>(this.#session, () => this.#session.load<T>(ids as string, options));
    }
}
