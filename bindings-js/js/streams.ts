// Reading many documents one after the other, without a session that holds them.

import type { StartingWithOptions } from './advanced_session.js';
import { AskedQuery } from './asked_query.js';
import { tellAll } from './listeners.js';
import type { Metadata } from './entity.js';
import { foundOf, type Found } from './reading.js';
import type { DocumentSession } from './session.js';

/** A document on its way. It belongs to no session. */
export interface StreamResult<T extends object> {
    /** `null` for the result of a group. */
    id: string | null;
    changeVector: string | null;
    metadata: Metadata;
    document: T;
}

/** What is known of a query's results before the first. */
export interface StreamQueryStatistics {
    indexName: string;
    stale: boolean;
    totalResults: number;
    resultEtag: string;
}

interface StreamEvents<T extends object> {
    data: (result: StreamResult<T>) => void;
    error: (reason: unknown) => void;
    end: (nothing: undefined) => void;
}

/** Documents of an id's beginning are read so many at once. */
const PAGE_SIZE = 128;

/** Documents one after the other, once: `for await (const { document } of stream)`, or `stream.on('data', …)`. */
export class DocumentResultStream<T extends object> implements AsyncIterable<StreamResult<T>> {
    readonly #results: AsyncGenerator<StreamResult<T>>;
    readonly #listeners = { data: new Set<StreamEvents<T>['data']>(), error: new Set<StreamEvents<T>['error']>(), end: new Set<StreamEvents<T>['end']>() };
    #isFlowing = false;

    /** @internal */
    constructor(results: AsyncGenerator<StreamResult<T>>) {
        this.#results = results;
    }

    [Symbol.asyncIterator](): AsyncIterator<StreamResult<T>> {
        return this.#results;
    }

    /** A listener of `data` lets it begin, once others were added too. */
    on<E extends keyof StreamEvents<T>>(event: E, listener: StreamEvents<T>[E]): this {
        (this.#listeners[event] as Set<StreamEvents<T>[E]>).add(listener);
        if (event === 'data' && !this.#isFlowing) {
            this.#isFlowing = true;
            void Promise.resolve().then(() => this.#flow());
        }
        return this;
    }

    /** Reads no more. */
    destroy(): this {
        void this.#results.return(undefined);
        return this;
    }

    async #flow(): Promise<void> {
        try {
            for await (const result of this.#results) tellAll(this.#listeners.data, result);
            tellAll(this.#listeners.end, undefined);
        } catch (reason) {
            tellAll(this.#listeners.error, reason);
        }
    }
}

function resultOf<T extends object>({ metadata }: Found, document: unknown): StreamResult<T> {
    const { '@id': id = null, '@change-vector': changeVector = null } = metadata as { '@id'?: string; '@change-vector'?: string };
    return { id, changeVector, metadata, document: document as T };
}

/** @internal All results of a query, from one state. */
export async function streamOfQuery<T extends object>(
    query: AskedQuery<T>,
    statistics: (statistics: StreamQueryStatistics) => void = () => undefined,
): Promise<DocumentResultStream<T>> {
    const { facts, results } = await query.answer();
    statistics({ indexName: facts.IndexName, stale: facts.IsStale, totalResults: facts.TotalResults, resultEtag: facts.ResultEtag });
    return new DocumentResultStream<T>((async function* () {
        for (const found of results) {
            for (const document of [query.entityOf(found, false)].flat()) yield resultOf<T>(found, document);
        }
    })());
}

/** @internal Documents whose ids begin so, in their order, some at once: each as it is when it is read. */
export function streamOfPrefix<T extends object>(session: DocumentSession, prefix: string, options: StartingWithOptions<T>): DocumentResultStream<T> {
    const { documentType, pageSize = Infinity, start = 0, ...query } = options;
    return new DocumentResultStream<T>((async function* () {
        let [left, skipped, after] = [pageSize, start, query.startAfter];
        while (left > 0) {
            const size = Math.min(left, PAGE_SIZE);
            const asked = { prefix, ...query, start: skipped, pageSize: size, ...(after !== undefined && { startAfter: after }) };
            session.requestCount += 1;
            const page = foundOf(await session.connection.call('startsWith', JSON.stringify(asked)));
            for (const found of page) {
                const entity = session.track(found.metadata['@id'] as string, found, documentType, false);
                if (entity) yield resultOf<T>(found, entity);
            }
            if (page.length < size) return;
            [left, skipped, after] = [left - page.length, 0, page.at(-1)?.metadata['@id'] as string];
        }
    })());
}
