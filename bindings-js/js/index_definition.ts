// Definitions of indexes: as plain objects, and as classes after the official client.

import type { DocumentConventions, DocumentType } from './conventions.js';
import { PinyonError } from './errors.js';
import type { DocumentStore } from './store.js';

export type FieldIndexing = 'Default' | 'Search' | 'Exact' | 'No';
export type FieldTermVector = 'No' | 'Yes' | 'WithPositions' | 'WithOffsets' | 'WithPositionsAndOffsets';

/** How a field of an index is made into terms, and whether its values are kept. */
export interface IndexFieldOptions {
    indexing?: FieldIndexing;
    /** Of a searched field. */
    analyzer?: string;
    /** Whether values are kept, to be shown by `selectFields`. */
    storage?: boolean | 'Yes' | 'No';
    suggestions?: boolean;
    /** Nothing needs it here; it is kept for servers. */
    termVector?: FieldTermVector;
}

/** A map: what an index holds of a document. An object, an array of them, or nothing. */
export type MapFunction<T = any> = (document: T) => unknown;

/** A group of results, as a reduce sees it. */
export interface IndexGroup<K = any, V = any> {
    key: K;
    values: V[];
}

/** What a reduce begins with. */
export interface ReduceResults<V = any> {
    groupBy<K>(key: (result: V) => K): { aggregate(aggregate: (group: IndexGroup<K, V>) => unknown): unknown };
}

/** A reduce: `(results) => results.groupBy((it) => it.name).aggregate((group) => ({ … }))`. */
export type ReduceFunction<V = any> = (results: ReduceResults<V>) => unknown;

export type IndexPriority = 'Low' | 'Normal' | 'High';
export type IndexLockMode = 'Unlock' | 'LockedIgnore' | 'LockedError';

/** An index. Functions are taken by their text: they see their document, and nothing around them. */
export interface IndexDefinition {
    name: string;
    /** By collection (`@all_docs` for all), a function or several; or texts, in JavaScript or C#. */
    maps: Record<string, MapFunction | MapFunction[]> | string[];
    reduce?: ReduceFunction | string;
    /** By field; `__all_fields` stands for the others. */
    fields?: Record<string, IndexFieldOptions>;
    priority?: IndexPriority;
    lockMode?: IndexLockMode;
    /** Settings in the protocol's names. */
    configuration?: Record<string, string>;
    /** Everything else of a definition, in the protocol's names. */
    other?: Record<string, unknown>;
}

/** The text of a function, as an expression. */
function textOf(name: string, written: (...args: never[]) => unknown): string {
    const refuse = (why: string): never => {
        throw new PinyonError('InvalidRequest', `a function of the index '${name}' ${why}`);
    };
    if (typeof written !== 'function') refuse(`is '${String(written)}'`);
    const text = Function.prototype.toString.call(written).trim();
    if (/\{\s*\[native code\]\s*\}$/.test(text)) refuse('is bound or built in: its text is not known');
    if (/^async\b/.test(text) || /^(function\s*\*|\*)/.test(text)) refuse('must not be async or a generator');
    // A method, `map(order) { … }`, is written as a function.
    const isMethod = /^[\w$]+\s*\(/.test(text) && !/^function\b/.test(text);
    return isMethod ? text.replace(/^[\w$]+/, 'function ') : text;
}

function mapText(name: string, collection: string, map: MapFunction): string {
    const quote = collection.includes("'") ? '"' : "'";
    return `map(${quote}${collection}${quote}, ${textOf(name, map)})`;
}

/** Calls a reduce with something that writes down what it is given. */
function reduceText(name: string, reduce: ReduceFunction): string {
    let text: string | undefined;
    reduce({
        groupBy: (key) => ({
            aggregate: (aggregate) => {
                text = `groupBy(${textOf(name, key)}).aggregate(${textOf(name, aggregate)})`;
                return text;
            },
        }),
    });
    if (text !== undefined) return text;
    throw new PinyonError('InvalidRequest', `the reduce of the index '${name}' has no groupBy(…).aggregate(…)`);
}

/** @internal A definition in the protocol's form. */
export function toWire({ name, maps, reduce, fields = {}, ...rest }: IndexDefinition): string {
    const mapped = Array.isArray(maps)
        ? maps
        : Object.entries(maps).flatMap(([collection, map]) => [map].flat().map((it) => mapText(name, collection, it)));
    const options = Object.entries(fields).map(([field, { indexing, analyzer, storage, suggestions, termVector }]) => {
        const stored = storage === true || storage === 'Yes' ? 'Yes' : 'No';
        return [field, {
            Indexing: indexing,
            Analyzer: analyzer,
            Suggestions: suggestions,
            Storage: storage === undefined ? undefined : stored,
            TermVector: termVector,
        }];
    });
    return JSON.stringify({
        ...rest.other,
        Name: name,
        Maps: mapped,
        Reduce: typeof reduce === 'function' ? reduceText(name, reduce) : reduce,
        Fields: Object.fromEntries(options),
        Configuration: rest.configuration ?? {},
        ...(rest.priority && { Priority: rest.priority }),
        ...(rest.lockMode && { LockMode: rest.lockMode }),
    });
}

/** What maps can call, where names of the page are not in the way. */
export interface MapUtils {
    load<T = any>(id: string, collection: string): T | null;
    id(document: object): string;
    getMetadata(document: object): Record<string, any>;
    createField(name: string, value: unknown, options?: object): object;
}

/**
 * An index as a class, as with the official client: `map()`, `reduce()`, `index()` … in its
 * constructor, and its name is that of the class, with `/` for `_`.
 */
export abstract class AbstractJavaScriptIndexCreationTask<T extends object = any, R = any> {
    readonly #maps: [string | DocumentType, MapFunction][] = [];
    readonly #fields: Record<string, IndexFieldOptions> = {};
    #reduce: ReduceFunction | undefined;
    priority: IndexPriority | undefined;
    lockMode: IndexLockMode | undefined;
    configuration: Record<string, string> = {};

    /** Defines the index in the database of `store`. */
    execute(store: DocumentStore): Promise<void> {
        return store.executeIndex(this);
    }

    /** The name of the index. */
    getIndexName(): string {
        return this.constructor.name.replaceAll('_', '/');
    }

    /** What the index holds of the documents of a collection, given by name or class; may be called several times. */
    protected map<D extends object = T>(collection: string | DocumentType<D>, map: (document: D) => unknown): void {
        this.#maps.push([collection, map as MapFunction]);
    }

    /** How results with the same key become one. */
    protected reduce(reduce: ReduceFunction<R>): void {
        this.#reduce = reduce as ReduceFunction;
    }

    /**
     * `const { load } = this.mapUtils()`: what a map calls by these names. They only stand for what
     * the database has, which evaluates the map's text.
     */
    protected mapUtils(): MapUtils {
        const refuse = (): never => {
            throw new PinyonError('InvalidRequest', 'this stands for what maps can call, and cannot be called here');
        };
        return { load: refuse, id: refuse, getMetadata: refuse, createField: refuse };
    }

    protected index(field: string, indexing: FieldIndexing): void {
        this.#field(field).indexing = indexing;
    }

    protected analyze(field: string, analyzer: string): void {
        this.#field(field).analyzer = analyzer;
    }

    protected store(field: string, storage: 'Yes' | 'No' = 'Yes'): void {
        this.#field(field).storage = storage;
    }

    protected storeAllFields(storage: 'Yes' | 'No' = 'Yes'): void {
        this.#field('__all_fields').storage = storage;
    }

    protected suggestion(field: string): void {
        this.#field(field).suggestions = true;
    }

    protected termVector(field: string, termVector: FieldTermVector): void {
        this.#field(field).termVector = termVector;
    }

    #field(name: string): IndexFieldOptions {
        return (this.#fields[name] ??= {});
    }

    /** @internal */
    toDefinition(conventions: DocumentConventions): IndexDefinition {
        const name = this.getIndexName();
        const maps: Record<string, MapFunction[]> = {};
        for (const [type, map] of this.#maps) {
            const collection = typeof type === 'string' ? type : conventions.getCollectionNameForType(type);
            (maps[collection] ??= []).push(map);
        }
        return {
            name,
            maps,
            fields: this.#fields,
            configuration: this.configuration,
            ...(this.#reduce && { reduce: this.#reduce }),
            ...(this.priority && { priority: this.priority }),
            ...(this.lockMode && { lockMode: this.lockMode }),
        };
    }
}

/** The same, by the name under which the official client has it for several maps. */
export abstract class AbstractJavaScriptMultiMapIndexCreationTask<R = any> extends AbstractJavaScriptIndexCreationTask<any, R> {}

/** A class of an index, or one of its instances. */
export type IndexTask = AbstractJavaScriptIndexCreationTask | (new () => AbstractJavaScriptIndexCreationTask);

/** @internal */
export function instanceOf(task: IndexTask): AbstractJavaScriptIndexCreationTask {
    return typeof task === 'function' ? new task() : task;
}
