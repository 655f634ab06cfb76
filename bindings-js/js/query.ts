// Queries: built call by call, or written in RQL.

import { AskedQuery, PROJECTED_TYPES } from './asked_query.js';
import { Conditions } from './conditions.js';
import type { DocumentType } from './conventions.js';
import { PinyonError } from './errors.js';
import { AggregationDocumentQuery, computedByName, facetText, type FacetGiven, type FacetResult } from './facets.js';
import { FilterFactory } from './filtering.js';
import { aliasText, GroupByDocumentQuery, groupKeyText, type GroupBy } from './grouping.js';
import { includePaths, type IncludeBuilder } from './includes.js';
import { instanceOf, type IndexTask } from './index_definition.js';
import { MoreLikeThisUsingDocument, MoreLikeThisUsingDocumentForDocumentQuery, moreLikeThisOf, type MoreLikeThisBase, type MoreLikeThisBuilder } from './more_like_this.js';
import { NESTED_TYPES } from './nested_types.js';
import { QueryData } from './query_data.js';
import type { ExplanationOptions, Explanations, HighlightingParameters, Highlightings } from './remarks.js';
import { path, quoted } from './rql_text.js';
import type { DocumentSession } from './session.js';
import { distanceText, type DynamicSpatialField } from './spatial.js';
import { SuggestionDocumentQuery, suggestionText, type SuggestionGiven } from './suggestions.js';
import { refuse, refuseAll } from './unsupported.js';
import { ConditionedQuery } from './where.js';

/** What a query is over. */
export interface QueryOptions<T extends object> {
    collection?: string;
    indexName?: string;
    /** The class of an index. */
    index?: IndexTask;
    documentType?: DocumentType<T>;
}

/** How values are ordered: as text, unless told otherwise. */
export type OrderingType = 'String' | 'Long' | 'Double' | 'AlphaNumeric';
/** Where results without a value stand. */
export type NullsOrdering = 'Default' | 'First' | 'Last';

const ORDERINGS: Record<OrderingType, string> = {
    String: '', Long: ' as long', Double: ' as double', AlphaNumeric: ' as alphanumeric',
};
const NULLS: Record<NullsOrdering, string> = { Default: '', First: ' nulls first', Last: ' nulls last' };

const METADATA_TYPES = `${path(`@metadata.${NESTED_TYPES}`)} as ${PROJECTED_TYPES}`;

/** A query in RQL: `session.advanced.rawQuery('from Orders where total > $least')`. */
export class RawDocumentQuery<T extends object> extends AskedQuery<T> {
    readonly #text: string;

    /** @internal */
    constructor(session: DocumentSession, text: string, documentType?: DocumentType<T>) {
        super(session, documentType);
        this.#text = text;
    }

    override toString(): string {
        return [this.#text, ...this.limitText()].join(' ');
    }

    /** The facets that a query ends in, by name. */
    executeAggregation(): Promise<Record<string, FacetResult>> {
        return computedByName<FacetResult>(this);
    }
}

/** A query built call by call: `session.query({ collection: 'Orders' }).whereEquals('customer', id).all()`. */
export class DocumentQuery<T extends object> extends ConditionedQuery<T> {
    readonly #source: string;
    readonly indexName: string | undefined;
    #alias: string | undefined;
    #groupKeys: string[] = [];
    #filter: Conditions | undefined;
    #filterLimit: number | undefined;
    readonly #orders: string[] = [];
    #select: string[] = [];
    /** Whether documents are asked what of them JSON does not have. */
    #asksForTypes = false;
    #isDistinct = false;

    /** @internal */
    constructor(session: DocumentSession, options: QueryOptions<T>) {
        super(session, options.documentType);
        const { collection } = options;
        const indexName = options.indexName ?? (options.index && instanceOf(options.index).getIndexName());
        if ((collection === undefined) === (indexName === undefined)) {
            throw new PinyonError('InvalidRequest', 'a query is over a collection or an index');
        }
        this.indexName = indexName;
        this.#source = indexName === undefined ? `from ${quoted(collection as string)}` : `from index ${quoted(indexName)}`;
    }

    get isDistinct(): boolean {
        return this.#isDistinct;
    }

    /** The same results as entities of another type. */
    ofType<R extends object>(resultClass: DocumentType<R>): DocumentQuery<R> {
        const query = this as unknown as DocumentQuery<R>;
        query.documentType = resultClass;
        return query;
    }

    /** Documents, or entries, like another: of an index whose fields are searched for words. */
    moreLikeThis(given: MoreLikeThisBase | ((builder: MoreLikeThisBuilder<this>) => void)): this {
        const wanted = moreLikeThisOf<this>(given);
        let like = 'true';
        if (wanted instanceof MoreLikeThisUsingDocument) like = this.parameter(wanted.documentJson);
        if (wanted instanceof MoreLikeThisUsingDocumentForDocumentQuery) like = this.#conditionsOf(wanted.forDocumentQuery);
        const options = wanted.options ? `, ${this.parameter({ ...wanted.options })}` : '';
        this.conditions.add(`moreLikeThis(${like}${options})`);
        return this;
    }

    #conditionsOf(build: (query: this) => unknown): string {
        const { conditions } = this;
        this.conditions = new Conditions((value) => this.parameter(value));
        try {
            build(this);
            return this.conditions.toString();
        } finally {
            this.conditions = conditions;
        }
    }

    /** Conditions over what was found, looked at document by document: at most so many of them. */
    filter(builder: (factory: FilterFactory) => void, limit?: number): this {
        const parameter = (value: unknown): string => this.parameter(value);
        this.#filter ??= new Conditions(parameter);
        builder(new FilterFactory(this.#filter, parameter));
        this.#filterLimit = limit ?? this.#filterLimit;
        return this;
    }

    /** Groups of the documents of a collection that have the same there; then say what is shown of each. */
    groupBy(field: string | GroupBy, ...fields: (string | GroupBy)[]): GroupByDocumentQuery<T> {
        if (this.indexName !== undefined) throw new PinyonError('InvalidRequest', 'groupBy() needs a collection; an index groups in its reduce');
        this.#groupKeys = [field, ...fields].map(groupKeyText);
        return new GroupByDocumentQuery<T>(this);
    }

    /** Counts results by the values or ranges of fields: `aggregateBy((it) => it.byField('brand')).execute()`. */
    aggregateBy(...facets: FacetGiven[]): AggregationDocumentQuery {
        const add = (facet: FacetGiven): void => this.addSelect(facetText(facet, (value) => this.parameter(value)));
        facets.forEach(add);
        return new AggregationDocumentQuery(this, add);
    }

    /** The same, by the facets of a stored document. */
    aggregateUsing(facetSetupDocumentId: string): AggregationDocumentQuery {
        this.addSelect(`facet(id(${this.parameter(facetSetupDocumentId)}))`);
        return new AggregationDocumentQuery(this, () => {
            throw new PinyonError('InvalidRequest', 'andAggregateBy() cannot follow aggregateUsing()');
        });
    }

    /** Terms like what was typed, of an index whose field has the option. */
    suggestUsing(suggestion: SuggestionGiven): SuggestionDocumentQuery {
        const add = (given: SuggestionGiven): void => this.addSelect(suggestionText(given, (value) => this.parameter(value)));
        add(suggestion);
        return new SuggestionDocumentQuery(this, add);
    }

    orderBy(field: string, ordering: OrderingType | NullsOrdering = 'String', andOrdering?: OrderingType): this {
        return this.#order(field, '', ordering, andOrdering);
    }

    orderByDescending(field: string, ordering: OrderingType | NullsOrdering = 'String', andOrdering?: OrderingType): this {
        return this.#order(field, ' desc', ordering, andOrdering);
    }

    addOrder(field: string, descending: boolean, ordering: OrderingType = 'String'): this {
        return this.#order(field, descending ? ' desc' : '', ordering);
    }

    /** The best match first. */
    orderByScore(): this {
        this.#orders.push('score()');
        return this;
    }

    orderByScoreDescending(): this {
        this.#orders.push('score() desc');
        return this;
    }

    /** The nearest first, from a point or from a shape in well-known text; rounded, if a factor is given. */
    orderByDistance(field: string | DynamicSpatialField, latitude: number, longitude: number, ...rest: (number | NullsOrdering)[]): this;
    orderByDistance(field: string | DynamicSpatialField, shapeWkt: string, ...rest: (number | NullsOrdering)[]): this;
    orderByDistance(field: string | DynamicSpatialField, place: number | string, ...rest: unknown[]): this {
        return this.#orderByDistance('', field, place, rest);
    }

    orderByDistanceDescending(field: string | DynamicSpatialField, latitude: number, longitude: number, ...rest: (number | NullsOrdering)[]): this;
    orderByDistanceDescending(field: string | DynamicSpatialField, shapeWkt: string, ...rest: (number | NullsOrdering)[]): this;
    orderByDistanceDescending(field: string | DynamicSpatialField, place: number | string, ...rest: unknown[]): this {
        return this.#orderByDistance(' desc', field, place, rest);
    }

    #orderByDistance(direction: string, field: string | DynamicSpatialField, place: number | string, rest: unknown[]): this {
        const { text, nulls } = distanceText(field, place, rest, (value) => this.parameter(value));
        this.#orders.push(`${text}${direction}${NULLS[nulls as NullsOrdering] ?? ''}`);
        return this;
    }

    #order(field: string, direction: string, ordering: OrderingType | NullsOrdering, andOrdering?: OrderingType): this {
        if (typeof ordering === 'object') refuse('orderBy() with a sorterName', 'there are no custom sorters');
        const nulls = NULLS[ordering as NullsOrdering] ?? '';
        const type = ORDERINGS[andOrdering ?? (ordering as OrderingType)] ?? '';
        this.#orders.push(`${this.path(field)}${type}${direction}${nulls}`);
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

    /** Pieces of a text with the words in them that were searched; `callback` is given what will have them. */
    highlight(parameters: HighlightingParameters, callback: (highlightings: Highlightings) => void): this {
        this.addHighlight(parameters, callback);
        return this;
    }

    /** Why each result is one; `callback` is given what will have it. */
    includeExplanations(callback: (explanations: Explanations) => void): this;
    includeExplanations(options: ExplanationOptions, callback: (explanations: Explanations) => void): this;
    includeExplanations(first: ExplanationOptions | ((it: Explanations) => void), second?: (it: Explanations) => void): this {
        if (typeof first === 'function') this.addExplanations(undefined, first);
        else this.addExplanations(first, second ?? (() => undefined));
        return this;
    }

    /** Brings along what results refer to; it is loaded without another request. */
    include(fields: string | ((builder: IncludeBuilder) => void)): this {
        // Quoted: it may be called as a word of the language is.
        this.includes.push(...includePaths(typeof fields === 'string' ? [fields] : fields).map(quoted));
        return this;
    }

    /**
     * Only these fields, as plain objects or instances of a class. The values of a single field come
     * as they are, unless a class is given. Dates, sets and maps come back, not beside `distinct()`.
     */
    selectFields<P extends object = T>(
        fields: string | string[] | QueryData,
        projectionClass?: DocumentType<P>,
        projectionBehavior = 'Default',
    ): DocumentQuery<P> {
        if (projectionBehavior !== 'Default') refuse(`selectFields() with the behavior '${projectionBehavior}'`, 'the index decides');
        const entityClass = this.session.conventions.classOf(projectionClass);
        if (fields instanceof QueryData) this.#selectData(fields);
        else this.#select = [fields].flat().map((it) => this.#selected(it));
        this.#asksForTypes = !(fields instanceof QueryData && fields.isCustomFunction);
        const shown = fields instanceof QueryData ? fields.projections : [fields].flat();
        const isAlone = shown.length === 1 && projectionClass === undefined && this.#asksForTypes;
        this.shape = { entityClass, onlyField: isAlone ? shown[0]?.replace(/^id\(\)$/, 'id') : undefined };
        return this as unknown as DocumentQuery<P>;
    }

    /** Results have it by the name by which it was asked for. */
    #selected(field: string): string {
        const text = this.path(field);
        return text === 'id()' && !['id', 'id()'].includes(field) ? `id()${aliasText(field)}` : text;
    }

    #selectData({ fields, projections, fromAlias, isCustomFunction }: QueryData): void {
        this.#alias = fromAlias;
        const nameOf = (at: number): string => (projections[at] === fields[at] ? '' : aliasText(projections[at]));
        this.#select = isCustomFunction ? fields : fields.map((field, at) => `${this.path(field)}${nameOf(at)}`);
    }

    /** @internal Shows something more, given as text. */
    addSelect(text: string): void {
        this.#select.push(text);
    }

    override toString(): string {
        const parts = [this.#source];
        if (this.#alias) parts.push(`as ${this.#alias}`);
        if (this.#groupKeys.length > 0) parts.push(`group by ${this.#groupKeys.join(', ')}`);
        if (!this.conditions.isEmpty) parts.push(`where ${this.conditions.toString()}`);
        if (this.#filter && !this.#filter.isEmpty) parts.push(`filter ${this.#filter.toString()}`);
        if (this.#orders.length > 0) parts.push(`order by ${this.#orders.join(', ')}`);
        if (this.#select.length > 0 || this.#isDistinct) parts.push(this.#selectText());
        if (this.includes.length > 0) parts.push(`include ${this.includes.join(', ')}`);
        parts.push(...this.limitText());
        if (this.#filterLimit !== undefined) parts.push(`filter_limit ${this.#filterLimit}`);
        return parts.join(' ');
    }

    #selectText(): string {
        if (this.#isDistinct) return `select distinct ${this.#select.join(', ') || '*'}`;
        return `select ${[...this.#select, ...(this.#asksForTypes ? [METADATA_TYPES] : [])].join(', ')}`;
    }
}

refuseAll(AskedQuery.prototype, {
    'on once off removeListener': 'a store tells of what is saved, and live() of what results become',
    withTag: 'there is no log of queries',
});
refuseAll(RawDocumentQuery.prototype, { projection: 'the index decides where projections come from' });
refuseAll(DocumentQuery.prototype, {
    selectTimeSeries: 'there are no time series',
    shardContext: 'there are no shards',
    vectorSearch: 'there are no vectors',
});
