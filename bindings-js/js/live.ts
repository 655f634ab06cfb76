/// <reference lib="esnext.disposable" preserve="true" />

// Live queries and documents: results that follow what is stored, as callbacks and as async iterators.

import type { DocumentConventions, DocumentType } from './conventions.js';
import { projected, type ProjectionShape, type QueryStatistics } from './asked_query.js';
import { toEntity, type Metadata } from './entity.js';
import { toError, type PinyonError } from './errors.js';
import { tellAll } from './listeners.js';
import { asStored } from './nested_types.js';
import type { LiveAnswer, LiveRequest } from './protocol.js';

/** @internal Begins to follow, and gives what ends it. */
export interface LiveSource {
    readonly conventions: DocumentConventions;
    follow(request: LiveRequest, take: (answer: LiveAnswer) => void, end: () => void): () => void;
}

/** What is known whatever is followed. */
export interface LiveState {
    /** Why there are no newer results; the last ones stay, and it goes on when the reason is gone. */
    readonly error: PinyonError | undefined;
    /** Whether nothing has come yet. */
    readonly isLoading: boolean;
    /** Documents that the results refer to, as far as they were asked for, by id. */
    readonly includes: Readonly<Record<string, object | null>>;
    /** The metadata of an entity of these results. */
    metadataOf(entity: object): Metadata | undefined;
}

/** The results of a live query. It is the same object as long as nothing changes. */
export interface LiveResults<T extends object> extends LiveState {
    /** Entities of their own, which no session tracks. Those that did not change stay the same objects. */
    readonly results: readonly T[];
    /** `undefined` while it is loading. */
    readonly statistics: QueryStatistics | undefined;
}

/** A live document. It is the same object as long as nothing changes. */
export interface LiveDocumentState<T extends object> extends LiveState {
    /** The entity, which no session tracks; `null` when there is no such document. */
    readonly document: T | null;
}

interface LiveEvents<V, S> {
    data: (value: V, state: S) => void;
    error: (error: PinyonError, state: S) => void;
}

type WireDocument = Record<string, unknown>;

/** What is followed, from its first listener to its last. A slow reader gets the latest. */
export abstract class Live<V, S extends LiveState> implements AsyncIterable<V> {
    readonly #source: LiveSource;
    readonly #request: LiveRequest;
    readonly #listeners = new Set<() => void>();
    readonly #handlers = new Map<LiveEvents<V, S>[keyof LiveEvents<V, S>], () => void>();
    readonly #leavers = new Set<() => void>();
    #state: S;
    #text: string | undefined;
    #stop: (() => void) | undefined;
    #isClosed = false;
    /** @internal */
    protected readonly conventions: DocumentConventions;

    /** @internal */
    constructor(source: LiveSource, request: LiveRequest, initial: S) {
        this.#source = source;
        this.#request = request;
        this.#state = initial;
        this.conventions = source.conventions;
    }

    /** @internal What is followed, as text. */
    get key(): string {
        return JSON.stringify(this.#request);
    }

    /** @internal */
    protected abstract read(text: string, last: S): S;
    /** @internal */
    protected abstract valueOf(state: S): V;

    /** How things stand, without waiting; follows what is stored while anybody listens. */
    readonly getSnapshot = (): S => this.#state;

    /** Calls `listener` whenever `getSnapshot()` gives something else; returns what ends that. */
    readonly subscribe = (listener: () => void): (() => void) => {
        if (this.#isClosed) return () => undefined;
        // The same function may be given twice.
        const own = (): void => listener();
        this.#listeners.add(own);
        this.#stop ??= this.#source.follow(this.#request, (answer) => this.#take(answer), () => this.close());
        return () => {
            this.#listeners.delete(own);
            if (this.#listeners.size === 0) this.#end();
        };
    };

    /** Calls `listener` with the first results as soon as they are there, and whenever they change. */
    on<E extends keyof LiveEvents<V, S>>(event: E, listener: LiveEvents<V, S>[E]): this {
        this.off(event, listener);
        let last: S | undefined;
        const tell = (): void => {
            const state = this.#state;
            if (state === last || state.isLoading) return;
            last = state;
            if (event === 'error' && state.error) (listener as LiveEvents<V, S>['error'])(state.error, state);
            if (event === 'data' && !state.error) (listener as LiveEvents<V, S>['data'])(this.valueOf(state), state);
        };
        this.#handlers.set(listener, this.subscribe(tell));
        // What is there already; whoever listens is not called before `on` returns.
        queueMicrotask(() => { if (this.#handlers.has(listener)) tell(); });
        return this;
    }

    off<E extends keyof LiveEvents<V, S>>(_event: E, listener: LiveEvents<V, S>[E]): this {
        this.#handlers.get(listener)?.();
        this.#handlers.delete(listener);
        return this;
    }

    /** The results, now and whenever they change, until the loop is left; an error ends it by throwing. */
    [Symbol.asyncIterator](): AsyncIterator<V> {
        let last: S | undefined;
        let wake: () => void = () => undefined;
        let isLeft = false;
        const unsubscribe = this.subscribe(() => wake());
        const hasNews = (): boolean => this.#state !== last && !this.#state.isLoading;
        const leave = (): void => {
            isLeft = true;
            unsubscribe();
            this.#leavers.delete(leave);
            wake();
        };
        this.#leavers.add(leave);
        const done: IteratorResult<V> = { value: undefined, done: true };
        return {
            next: async (): Promise<IteratorResult<V>> => {
                while (!hasNews() && !isLeft && !this.#isClosed) {
                    await new Promise<void>((resolve) => { wake = resolve; });
                }
                if (isLeft || !hasNews()) return done;
                last = this.#state;
                if (last.error) {
                    leave();
                    throw last.error;
                }
                return { value: this.valueOf(last), done: false };
            },
            return: async (): Promise<IteratorResult<V>> => {
                leave();
                return done;
            },
        };
    }

    /** Ends it for all listeners. */
    close(): void {
        this.#isClosed = true;
        this.#listeners.clear();
        this.#handlers.clear();
        this.#end();
        for (const leave of [...this.#leavers]) leave();
    }

    [Symbol.dispose](): void {
        this.close();
    }

    #end(): void {
        this.#stop?.();
        this.#stop = undefined;
        // Whoever listens again gets what is stored then, even if it is this.
        this.#text = undefined;
    }

    #take({ text, error }: LiveAnswer): void {
        if (error) {
            this.#text = undefined;
            this.#state = { ...this.#state, isLoading: false, error: toError(error) };
        } else {
            // The next leader tells what the former one told already.
            if (text === undefined || text === this.#text) return;
            this.#text = text;
            const state = this.read(text, this.#state);
            if (state === this.#state) return;
            this.#state = state;
        }
        tellAll(this.#listeners, undefined);
    }
}

/** Entities of the answers so far: what did not change stays the same object. */
class Entities {
    readonly #conventions: DocumentConventions;
    #known = new Map<string, { entity: object; changeVector: unknown }>();
    readonly #metadata = new WeakMap<object, Metadata>();

    constructor(conventions: DocumentConventions) {
        this.#conventions = conventions;
    }

    readonly metadataOf = (entity: object): Metadata | undefined => this.#metadata.get(entity);

    /** Reads the documents of one answer; what only earlier ones had is forgotten. */
    read<R>(reading: (entityOf: (document: WireDocument, documentType?: DocumentType) => object) => R): R {
        const next = new Map<string, { entity: object; changeVector: unknown }>();
        const result = reading((document, documentType) => {
            const metadata = document['@metadata'] as Metadata;
            const id = metadata['@id'] as string;
            const changeVector = metadata['@change-vector'];
            const known = next.get(id) ?? this.#known.get(id);
            const entity =
                known && known.changeVector === changeVector
                    ? known.entity
                    : toEntity(document, this.#conventions, documentType).entity;
            this.#metadata.set(entity, metadata);
            next.set(id, { entity, changeVector });
            return entity;
        });
        this.#known = next;
        return result;
    }

    /** The included documents; the same object as before if they are the same. */
    includes(
        documents: Record<string, WireDocument | null>,
        entityOf: (document: WireDocument) => object,
        last: Readonly<Record<string, object | null>>,
    ): Readonly<Record<string, object | null>> {
        const entries = Object.entries(documents).map(([id, it]) => [id, it && entityOf(it)] as const);
        const isSame = entries.length === Object.keys(last).length && entries.every(([id, it]) => last[id] === it);
        return isSame ? last : Object.fromEntries(entries);
    }

    /** A projection, or the result of a group. */
    projection(result: WireDocument, shape: ProjectionShape, last: unknown): unknown {
        const { '@metadata': metadata, ...body } = result;
        const entity = projected(body, shape);
        const isSame = last !== undefined && JSON.stringify(last) === JSON.stringify(entity);
        const kept = isSame ? last : entity;
        if (typeof kept === 'object' && kept !== null) this.#metadata.set(kept, (metadata ?? {}) as Metadata);
        return kept;
    }
}

/** A query whose results follow what is stored, here, in other tabs and by sync. */
export class LiveQuery<T extends object> extends Live<readonly T[], LiveResults<T>> {
    readonly #entities: Entities;
    readonly #documentType: DocumentType<T> | undefined;
    readonly #shape: ProjectionShape;

    /** @internal */
    constructor(
        source: LiveSource,
        query: string,
        parameters: Record<string, unknown>,
        documentType?: DocumentType<T>,
        shape: ProjectionShape = {},
    ) {
        const entities = new Entities(source.conventions);
        super(source, { query: JSON.stringify({ query, parameters: asStored(parameters) }) }, {
            results: [], includes: {}, statistics: undefined, error: undefined, isLoading: true,
            metadataOf: entities.metadataOf,
        });
        this.#entities = entities;
        this.#documentType = documentType;
        this.#shape = shape;
    }

    protected override valueOf(state: LiveResults<T>): readonly T[] {
        return state.results;
    }

    protected override read(text: string, last: LiveResults<T>): LiveResults<T> {
        const answer = JSON.parse(text) as {
            TotalResults: number;
            IndexName: string;
            IsStale: boolean;
            ResultEtag: string;
            Results: WireDocument[];
            Includes: Record<string, WireDocument | null>;
        };
        return this.#entities.read((entityOf) => {
            const results = answer.Results.map((result, at) => {
                const metadata = (result['@metadata'] ?? {}) as Metadata;
                const isDocument = metadata['@projection'] !== true && typeof metadata['@id'] === 'string';
                const entity = isDocument ? entityOf(result, this.#documentType) : this.#entities.projection(result, this.#shape, last.results[at]);
                return entity as T;
            });
            const isSame = results.length === last.results.length && results.every((it, at) => it === last.results[at]);
            const includes = this.#entities.includes(answer.Includes, entityOf, last.includes);
            const statistics = {
                totalResults: answer.TotalResults,
                indexName: answer.IndexName,
                isStale: answer.IsStale,
                resultEtag: answer.ResultEtag,
            };
            const isAsBefore =
                isSame && includes === last.includes && !last.error &&
                last.statistics?.totalResults === answer.TotalResults && last.statistics.isStale === answer.IsStale;
            if (isAsBefore) return last;
            return {
                results: isSame ? last.results : results,
                includes,
                statistics,
                error: undefined,
                isLoading: false,
                metadataOf: last.metadataOf,
            };
        });
    }
}

/** A document that follows what is stored, here, in other tabs and by sync. */
export class LiveDocument<T extends object> extends Live<T | null, LiveDocumentState<T>> {
    readonly #entities: Entities;
    readonly #documentType: DocumentType<T> | undefined;

    /** @internal */
    constructor(source: LiveSource, id: string, includes: string[], documentType?: DocumentType<T>) {
        const entities = new Entities(source.conventions);
        super(source, { id, includes }, {
            document: null, includes: {}, error: undefined, isLoading: true,
            metadataOf: entities.metadataOf,
        });
        this.#entities = entities;
        this.#documentType = documentType;
    }

    protected override valueOf(state: LiveDocumentState<T>): T | null {
        return state.document;
    }

    protected override read(text: string, last: LiveDocumentState<T>): LiveDocumentState<T> {
        const { Results, Includes } = JSON.parse(text) as {
            Results: (WireDocument | null)[];
            Includes: Record<string, WireDocument | null>;
        };
        const found = Results[0];
        return this.#entities.read((entityOf) => {
            const document = (found ? entityOf(found, this.#documentType) : null) as T | null;
            const includes = this.#entities.includes(Includes, entityOf, last.includes);
            const isAsBefore = !last.isLoading && !last.error && document === last.document && includes === last.includes;
            if (isAsBefore) return last;
            return { document, includes, error: undefined, isLoading: false, metadataOf: last.metadataOf };
        });
    }
}
