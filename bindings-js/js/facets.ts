// Facets: how many results have which values, and what is computed of them.

import type { AddParameter } from './conditions.js';
import { PinyonError } from './errors.js';
import { aliasText } from './grouping.js';
import type { Lazy } from './lazy.js';
import type { Answered } from './reading.js';
import { path } from './rql_text.js';

export type FacetAggregation = 'Max' | 'Min' | 'Average' | 'Sum';
export type FacetTermSortMode = 'ValueAsc' | 'ValueDesc' | 'CountAsc' | 'CountDesc';

/** Which values are shown, and in which order. */
export class FacetOptions {
    termSortMode: FacetTermSortMode = 'ValueAsc';
    includeRemainingTerms = false;
    start = 0;
    pageSize = 2 ** 31 - 1;
}

/** A field of which something is computed, and its name in the result. */
export interface FacetAggregationField {
    name: string;
    displayName?: string | undefined;
}

/** One value or range of a facet. */
export interface FacetValue {
    range: string;
    count: number;
    /** Of what the others are. */
    name?: string;
    sum?: number;
    max?: number;
    min?: number;
    average?: number;
}

export interface FacetResult {
    name: string;
    values: FacetValue[];
    /** With `includeRemainingTerms`: the values beyond the page, and how many there are. */
    remainingTerms: string[];
    remainingTermsCount: number;
    remainingHits: number;
}

/** Facets by name. */
export type FacetResultObject = Record<string, FacetResult>;

const METHODS: Record<FacetAggregation, string> = { Max: 'max', Min: 'min', Average: 'avg', Sum: 'sum' };

/** A way to group results. */
export abstract class FacetBase {
    displayFieldName: string | undefined;
    aggregations = new Map<FacetAggregation, Set<FacetAggregationField>>();

    /** @internal */
    protected abstract parts(parameter: AddParameter): { groups: string[]; options?: string | undefined };

    /** @internal `facet(…)`. */
    toText(parameter: AddParameter): string {
        const { groups, options } = this.parts(parameter);
        const computed = [...this.aggregations].flatMap(([method, fields]) =>
            [...fields].map(({ name, displayName }) => `${METHODS[method]}(${path(name)})${aliasText(displayName)}`));
        const all = [...groups, ...computed, ...(options === undefined ? [] : [options])];
        return `facet(${all.join(', ')})${aliasText(this.displayFieldName)}`;
    }
}

/** The values of a field; without one, all results together. */
export class Facet extends FacetBase {
    fieldName: string | null | undefined;
    options: Partial<FacetOptions> | undefined;

    /** @internal */
    protected override parts(parameter: AddParameter): { groups: string[]; options: string | undefined } {
        return { groups: this.fieldName ? [path(this.fieldName)] : [], options: this.options && parameter({ ...this.options }) };
    }
}

/** Ranges of a field's values, as text: `'price < 10'`, `'price >= 10 and price < 20'`. */
export class RangeFacet extends FacetBase {
    ranges: string[] = [];

    /** @internal */
    protected override parts(): { groups: string[] } {
        return { groups: this.ranges };
    }
}

/** Ranges that were built. */
export class GenericRangeFacet extends FacetBase {
    ranges: RangeBuilder<unknown>[] = [];

    /** @internal */
    protected override parts(parameter: AddParameter): { groups: string[] } {
        return { groups: this.ranges.map((it) => it.toText(parameter)) };
    }
}

type Bound = { operator: string; value: unknown } | undefined;

/** A range: `RangeBuilder.forPath('price').isGreaterThanOrEqualTo(10).isLessThan(20)`. */
export class RangeBuilder<T> {
    readonly #path: string;
    readonly #greater: Bound;
    readonly #less: Bound;

    constructor(path: string);
    /** @internal */
    constructor(path: string, greater?: Bound, less?: Bound);
    constructor(path: string, greater?: Bound, less?: Bound) {
        this.#path = path;
        this.#greater = greater;
        this.#less = less;
    }

    static forPath<T>(path: string): RangeBuilder<T> {
        return new RangeBuilder<T>(path);
    }

    isLessThan(value: T): RangeBuilder<T> {
        return this.#bounded(this.#greater, { operator: '<', value }, this.#less);
    }

    isLessThanOrEqualTo(value: T): RangeBuilder<T> {
        return this.#bounded(this.#greater, { operator: '<=', value }, this.#less);
    }

    isGreaterThan(value: T): RangeBuilder<T> {
        return this.#bounded({ operator: '>', value }, this.#less, this.#greater);
    }

    isGreaterThanOrEqualTo(value: T): RangeBuilder<T> {
        return this.#bounded({ operator: '>=', value }, this.#less, this.#greater);
    }

    #bounded(greater: Bound, less: Bound, before: Bound): RangeBuilder<T> {
        if (before) throw new PinyonError('InvalidRequest', 'the range has that bound already');
        return new RangeBuilder<T>(this.#path, greater, less);
    }

    /** @internal */
    toText(parameter: AddParameter): string {
        const bounds = [this.#greater, this.#less].flatMap((it) => (it ? [`${path(this.#path)} ${it.operator} ${parameter(it.value)}`] : []));
        if (bounds.length === 0) throw new PinyonError('InvalidRequest', `the range of '${this.#path}' has no bound`);
        return bounds.join(' and ');
    }
}

/** Builds a facet: `(it) => it.byField('brand').withDisplayName('brands').sumOn('price')`. */
export class FacetBuilder {
    #facet: FacetBase | undefined;

    byField(fieldName: string): this {
        return this.#by(Object.assign(new Facet(), { fieldName }));
    }

    allResults(): this {
        return this.#by(new Facet());
    }

    byRanges(range: RangeBuilder<any>, ...ranges: RangeBuilder<any>[]): this {
        return this.#by(Object.assign(new GenericRangeFacet(), { ranges: [range, ...ranges] }));
    }

    withDisplayName(displayName: string): this {
        this.facet.displayFieldName = displayName;
        return this;
    }

    /** What is left out is as it is by default. Ranges have none. */
    withOptions(options: Partial<FacetOptions>): this {
        if (this.facet instanceof Facet) this.facet.options = options;
        return this;
    }

    sumOn(path: string, displayName?: string): this {
        return this.#compute('Sum', path, displayName);
    }

    minOn(path: string, displayName?: string): this {
        return this.#compute('Min', path, displayName);
    }

    maxOn(path: string, displayName?: string): this {
        return this.#compute('Max', path, displayName);
    }

    averageOn(path: string, displayName?: string): this {
        return this.#compute('Average', path, displayName);
    }

    /** @internal */
    get facet(): FacetBase {
        if (!this.#facet) throw new PinyonError('InvalidRequest', 'a facet begins with byField(), byRanges() or allResults()');
        return this.#facet;
    }

    #by(facet: FacetBase): this {
        this.#facet = facet;
        return this;
    }

    #compute(method: FacetAggregation, name: string, displayName?: string): this {
        const { aggregations } = this.facet;
        const fields = aggregations.get(method) ?? new Set();
        aggregations.set(method, fields.add({ name, displayName }));
        return this;
    }
}

/** An object of the answer with its names as they are written here. */
export function withLowerNames(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(withLowerNames);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, it]) => [name[0]?.toLowerCase() + name.slice(1), withLowerNames(it)]));
}

/** @internal A query of which only what is computed is wanted. */
export interface ComputedQuery {
    answer(): Promise<Answered>;
    later<R>(evaluate: () => Promise<R>): Lazy<R>;
    toString(): string;
}

/** @internal Asks a query whose results are computed, and gives them by name. */
export async function computedByName<R>(query: ComputedQuery): Promise<Record<string, R>> {
    const { results } = await query.answer();
    return Object.fromEntries(results.map(({ body }) => [(body as { Name: string }).Name, withLowerNames(body) as R]));
}

export type FacetGiven = FacetBase | ((builder: FacetBuilder) => void);

/** @internal */
export function facetText(given: FacetGiven, parameter: AddParameter): string {
    if (typeof given !== 'function') return given.toText(parameter);
    const builder = new FacetBuilder();
    given(builder);
    return builder.facet.toText(parameter);
}

/** Facets that are asked for together: `query.aggregateBy(…).andAggregateBy(…).execute()`. */
export class AggregationDocumentQuery {
    readonly #query: ComputedQuery;
    readonly #add: (facet: FacetGiven) => void;

    /** @internal */
    constructor(query: ComputedQuery, add: (facet: FacetGiven) => void) {
        this.#query = query;
        this.#add = add;
    }

    andAggregateBy(facet: FacetGiven): this {
        this.#add(facet);
        return this;
    }

    execute(): Promise<FacetResultObject> {
        return computedByName<FacetResult>(this.#query);
    }

    executeLazy(): Lazy<FacetResultObject> {
        return this.#query.later(() => this.execute());
    }

    toString(): string {
        return this.#query.toString();
    }
}
