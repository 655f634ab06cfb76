// Queries: built call by call, or written in RQL.

import type { DocumentType, EntityClass } from './conventions.js';
import { instanceOf as instanceOfEntity } from './entity.js';
import { PinyonError } from './errors.js';
import { instanceOf, type IndexTask } from './index_definition.js';
import { includePaths, type IncludeBuilder } from './includes.js';
import { LiveQuery } from './live.js';
import { asStored, reviveTypes } from './nested_types.js';
import { answerQuery, type Answered } from './reading.js';
import type { DocumentSession } from './session.js';

/** What a query is over. */
export interface QueryOptions<T extends object> {
    collection?: string;
    indexName?: string;
    /** The class of an index. */
    index?: IndexTask;
    documentType?: DocumentType<T>;
}

/** What is known of a query's answer beside its results. */
export interface QueryStatistics {
    totalResults: number;
    indexName: string;
    /** Whether the index had not caught up with the documents. */
    isStale: boolean;
    /** Changes when the results do. */
    resultEtag: string;
}

/** How values are ordered: as text, unless told otherwise. */
export type OrderingType = 'String' | 'Long' | 'Double' | 'AlphaNumeric';

const ORDERINGS: Record<OrderingType, string> = {
    String: '', Long: ' as long', Double: ' as double', AlphaNumeric: ' as alphanumeric',
};

/** A query, however it is written. */
abstract class AskedQuery<T extends object> {
    protected readonly session: DocumentSession;
    protected readonly parameters: Record<string, unknown> = {};
    protected readonly documentType: DocumentType<T> | undefined;
    protected projectionClass: EntityClass | undefined;
    #waits = false;
    #tell: (statistics: QueryStatistics) => void = () => undefined;

    /** @internal */
    constructor(session: DocumentSession, documentType?: DocumentType<T>) {
        this.session = session;
        this.documentType = documentType;
    }

    /** The query in RQL. */
    abstract toString(): string;

    /** Waits until the index has caught up with what is stored now. */
    waitForNonStaleResults(): this {
        this.#waits = true;
        return this;
    }

    /** Calls back with the answer's statistics. */
    statistics(callback: (statistics: QueryStatistics) => void): this {
        this.#tell = callback;
        return this;
    }

    /** All results. Whole documents belong to the session, projections do not. */
    all(): Promise<T[]> {
        return this.ask();
    }

    /**
     * The results, and what they become: told whenever what is stored changes them. They belong to
     * no session.
     */
    live(): LiveQuery<T> {
        return new LiveQuery<T>(this.session.liveSource, this.toString(), { ...this.parameters }, this.documentType);
    }

    /** @internal */
    toWire(waits: boolean): Record<string, unknown> {
        return { query: this.toString(), parameters: asStored(this.parameters), waitForNonStaleResults: waits };
    }

    /** @internal The ids of the results that are documents. */
    async ids(): Promise<string[]> {
        const { results } = await this.#answer();
        return results.flatMap(({ metadata }) => (metadata['@id'] as string | undefined) ?? []);
    }

    #answer(): Promise<Answered> {
        this.session.requestCount += 1;
        return answerQuery(this.session.connection, this.toWire(this.#waits));
    }

    /** @internal */
    protected async ask(): Promise<T[]> {
        const { session } = this;
        const { facts, results, includes } = await this.#answer();
        this.#tell({
            totalResults: facts.TotalResults,
            indexName: facts.IndexName,
            isStale: facts.IsStale,
            resultEtag: facts.ResultEtag,
        });
        if (!session.options.noTracking) for (const [id, found] of includes) session.track(id, found, undefined);
        return results.flatMap((found) => {
            const { body, metadata } = found;
            if (metadata['@projection'] === true || typeof metadata['@id'] !== 'string') {
                reviveTypes(body as Record<string, unknown>, metadata);
                return (this.projectionClass ? Object.assign(instanceOfEntity(this.projectionClass), body) : body) as T;
            }
            return (session.track(metadata['@id'], found, this.documentType) ?? []) as T[];
        });
    }
}

/** A query in RQL: `session.advanced.rawQuery('from Orders where total > $least')`. */
export class RawDocumentQuery<T extends object> extends AskedQuery<T> {
    readonly #text: string;

    /** @internal */
    constructor(session: DocumentSession, text: string, documentType?: DocumentType<T>) {
        super(session, documentType);
        this.#text = text;
    }

    addParameter(name: string, value: unknown): this {
        this.parameters[name] = value;
        return this;
    }

    override toString(): string {
        return this.#text;
    }
}

/** A query built call by call: `session.query({ collection: 'Orders' }).whereEquals('customer', id).all()`. */
export class DocumentQuery<T extends object> extends AskedQuery<T> {
    readonly #source: string;
    readonly #where: string[] = [];
    readonly #orders: string[] = [];
    readonly #includes: string[] = [];
    #fields: string[] = [];
    #isNegated = false;
    #isDistinct = false;
    #skip = 0;
    #take: number | undefined;

    /** @internal */
    constructor(session: DocumentSession, options: QueryOptions<T>) {
        super(session, options.documentType);
        const { collection } = options;
        const indexName = options.indexName ?? (options.index && instanceOf(options.index).getIndexName());
        if ((collection === undefined) === (indexName === undefined)) {
            throw new PinyonError('InvalidRequest', 'a query is over a collection or an index');
        }
        this.#source = indexName === undefined ? `from ${quoted(collection as string)}` : `from index ${quoted(indexName)}`;
    }

    whereEquals(field: string, value: unknown, exact = false): this {
        return this.#compare(field, '=', value, exact);
    }

    whereNotEquals(field: string, value: unknown, exact = false): this {
        return this.#compare(field, '!=', value, exact);
    }

    whereGreaterThan(field: string, value: unknown, exact = false): this {
        return this.#compare(field, '>', value, exact);
    }

    whereGreaterThanOrEqual(field: string, value: unknown, exact = false): this {
        return this.#compare(field, '>=', value, exact);
    }

    whereLessThan(field: string, value: unknown, exact = false): this {
        return this.#compare(field, '<', value, exact);
    }

    whereLessThanOrEqual(field: string, value: unknown, exact = false): this {
        return this.#compare(field, '<=', value, exact);
    }

    whereBetween(field: string, start: unknown, end: unknown, exact = false): this {
        return this.#add(`${path(field)} between ${this.#parameter(start)} and ${this.#parameter(end)}`, exact);
    }

    whereIn(field: string, values: unknown[], exact = false): this {
        return this.#add(`${path(field)} in (${this.#parameter(values)})`, exact);
    }

    /** Arrays that have any of the values. */
    containsAny(field: string, values: unknown[]): this {
        return this.whereIn(field, values);
    }

    /** Arrays that have all of the values. */
    containsAll(field: string, values: unknown[]): this {
        return this.#add(`${path(field)} all in (${this.#parameter(values)})`);
    }

    whereStartsWith(field: string, value: string, exact = false): this {
        return this.#add(`startsWith(${path(field)}, ${this.#parameter(value)})`, exact);
    }

    whereEndsWith(field: string, value: string, exact = false): this {
        return this.#add(`endsWith(${path(field)}, ${this.#parameter(value)})`, exact);
    }

    whereExists(field: string): this {
        return this.#add(`exists(${path(field)})`);
    }

    whereRegex(field: string, pattern: string): this {
        return this.#add(`regex(${path(field)}, ${this.#parameter(pattern)})`);
    }

    /** Documents that have any of the words, or all of them. */
    search(field: string, words: string, operator: 'OR' | 'AND' = 'OR'): this {
        return this.#add(`search(${path(field)}, ${this.#parameter(words)}${operator === 'AND' ? ', and' : ''})`);
    }

    andAlso(): this {
        this.#where.push('and');
        return this;
    }

    orElse(): this {
        this.#where.push('or');
        return this;
    }

    /** Turns the next condition round. */
    not(): this {
        this.#isNegated = !this.#isNegated;
        return this;
    }

    openSubclause(): this {
        return this.#add('(');
    }

    closeSubclause(): this {
        this.#where.push(')');
        return this;
    }

    orderBy(field: string, ordering: OrderingType = 'String'): this {
        this.#orders.push(`${path(field)}${ORDERINGS[ordering]}`);
        return this;
    }

    orderByDescending(field: string, ordering: OrderingType = 'String'): this {
        this.#orders.push(`${path(field)}${ORDERINGS[ordering]} desc`);
        return this;
    }

    orderByScore(): this {
        this.#orders.push('score()');
        return this;
    }

    /** In an order of chance, the same for the same seed. */
    randomOrdering(seed?: string): this {
        this.#orders.push(`random(${seed === undefined ? '' : quoted(seed)})`);
        return this;
    }

    /** Each result once. */
    distinct(): this {
        this.#isDistinct = true;
        return this;
    }

    /** Brings along what results refer to; it is loaded without another request. */
    include(fields: string | ((builder: IncludeBuilder) => void)): this {
        // Quoted: it may be called as a word of the language is.
        this.#includes.push(...includePaths(typeof fields === 'string' ? [fields] : fields).map(quoted));
        return this;
    }

    /** Only these fields, as plain objects or instances of a class. */
    selectFields<P extends object = T>(fields: string | string[], projectionClass?: DocumentType<P>): DocumentQuery<P> {
        this.#fields = [fields].flat().map(path);
        this.projectionClass = this.session.conventions.classOf(projectionClass);
        return this as unknown as DocumentQuery<P>;
    }

    skip(count: number): this {
        this.#skip = count;
        return this;
    }

    take(count: number): this {
        this.#take = count;
        return this;
    }

    override toString(): string {
        const parts = [this.#source];
        if (this.#where.length > 0) parts.push(`where ${this.#where.join(' ')}`);
        if (this.#orders.length > 0) parts.push(`order by ${this.#orders.join(', ')}`);
        if (this.#fields.length > 0 || this.#isDistinct) {
            parts.push(`select ${this.#isDistinct ? 'distinct ' : ''}${this.#fields.join(', ') || '*'}`);
        }
        if (this.#includes.length > 0) parts.push(`include ${this.#includes.join(', ')}`);
        if (this.#skip > 0 || this.#take !== undefined) parts.push(`limit ${this.#skip}, ${this.#take ?? 2 ** 31 - 1}`);
        return parts.join(' ');
    }

    /** The first result; an error if there is none. */
    async first(): Promise<T> {
        const found = await this.firstOrNull();
        if (found === null) throw new PinyonError('NotFound', `no result: ${this.toString()}`);
        return found;
    }

    async firstOrNull(): Promise<T | null> {
        const [found] = await this.take(1).all();
        return found ?? null;
    }

    /** The only result; an error if there are none or several. */
    async single(): Promise<T> {
        const found = await this.singleOrNull();
        if (found === null) throw new PinyonError('NotFound', `no result: ${this.toString()}`);
        return found;
    }

    async singleOrNull(): Promise<T | null> {
        const [found, second] = await this.take(2).all();
        if (second !== undefined) throw new PinyonError('InvalidRequest', `more than one result: ${this.toString()}`);
        return found ?? null;
    }

    /** How many results there are, without paging. */
    async count(): Promise<number> {
        let total = 0;
        await this.statistics((statistics) => { total = statistics.totalResults; }).take(0).all();
        return total;
    }

    longCount(): Promise<number> {
        return this.count();
    }

    async any(): Promise<boolean> {
        return (await this.count()) > 0;
    }

    #compare(field: string, operator: string, value: unknown, exact: boolean): this {
        return this.#add(`${path(field)} ${operator} ${this.#parameter(value)}`, exact);
    }

    #parameter(value: unknown): string {
        const name = `p${Object.keys(this.parameters).length}`;
        this.parameters[name] = value;
        return `$${name}`;
    }

    /** Conditions that follow each other without a word between them must all hold. */
    #add(plain: string, exact = false): this {
        const condition = exact ? `exact(${plain})` : plain;
        const last = this.#where.at(-1);
        if (last !== undefined && !['and', 'or', '(', 'not ('].includes(last)) this.#where.push('and');
        this.#where.push(this.#isNegated ? (condition === '(' ? 'not (' : `not (${condition})`) : condition);
        this.#isNegated = false;
        return this;
    }
}

function quoted(name: string): string {
    return `'${name.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** Names that mean something else where a field may stand. */
const RESERVED = new Set(
    `all and as asc between boost by declare desc distinct exact exists false filter filter_limit from group in include
    index intersect limit load not null offset or order search select true update where with`.split(/\s+/),
);

/** A field's path: names that are no words, or words of the language, are quoted. */
function path(field: string): string {
    if (field === 'id' || field === 'id()') return 'id()';
    return field.split('.').map((name) => (/^[@\w]+(\[\])?$/.test(name) && !RESERVED.has(name.toLowerCase()) ? name : quoted(name))).join('.');
}
