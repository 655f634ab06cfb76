// What all queries have, however they are written: asking, counting, and what is told of an answer.

import type { DocumentType, EntityClass } from './conventions.js';
import { instanceOf } from './entity.js';
import { PinyonError } from './errors.js';
import { Lazy } from './lazy.js';
import { LiveQuery } from './live.js';
import { asStored, NESTED_TYPES, reviveTypes } from './nested_types.js';
import { answerQuery, type Answered, type Found } from './reading.js';
import type { ExplanationOptions, Explanations, HighlightingParameters, QueryTimings } from './remarks.js';
import { Highlightings } from './remarks.js';
import { path } from './rql_text.js';
import type { DocumentSession } from './session.js';
import { withinTime } from './time_limit.js';

/** What is known of a query's answer beside its results. */
export interface QueryStatistics {
    totalResults: number;
    indexName: string;
    /** Whether the index had not caught up with the documents. */
    isStale: boolean;
    /** Changes when the results do. */
    resultEtag: string;
    /** How long it took, as the page saw it; not of live queries. */
    durationInMs?: number;
}

/** An answer as it is stored, with nothing made of it. */
export interface QueryResult extends QueryStatistics {
    results: object[];
    includes: Record<string, object | null>;
    highlightings: Record<string, Record<string, string[]>>;
    explanations: Record<string, string[]>;
}

/** Where projections say what of them JSON does not have; the official client calls it so too. */
export const PROJECTED_TYPES = '__PROJECTED_NESTED_OBJECT_TYPES__';

/** What becomes of projections. */
export interface ProjectionShape {
    entityClass?: EntityClass | undefined;
    /** The only field, whose values are the results unless they are objects. */
    onlyField?: string | undefined;
}

/** A projection, or the result of a group, as the application gets it. */
export function projected(body: Record<string, unknown>, { entityClass, onlyField }: ProjectionShape): unknown {
    const { [PROJECTED_TYPES]: types, ...plain } = body;
    reviveTypes(plain, { [NESTED_TYPES]: types });
    if (onlyField !== undefined) {
        const value = plain[onlyField] ?? null;
        if (typeof value !== 'object' || value === null || value instanceof Date) return value;
    }
    return entityClass ? Object.assign(instanceOf(entityClass), plain) : plain;
}

function documentOf({ body, metadata }: Found): Record<string, unknown> {
    return { ...body, '@metadata': metadata };
}

type Remark = (answer: Answered) => void;

/** A query, however it is written. */
export abstract class AskedQuery<T extends object> {
    /** @internal */
    readonly session: DocumentSession;
    protected readonly parameters: Record<string, unknown> = {};
    protected documentType: DocumentType<T> | undefined;
    protected shape: ProjectionShape = {};
    protected readonly includes: string[] = [];
    #waits: boolean | number = false;
    #isTracking = true;
    readonly #remarks: Remark[] = [];
    #skip = 0;
    #take: number | undefined;

    /** @internal */
    constructor(session: DocumentSession, documentType?: DocumentType<T>) {
        this.session = session;
        this.documentType = documentType;
    }

    /** The query in RQL. */
    abstract toString(): string;

    /** A value for a name that the text of the query has. */
    addParameter(name: string, value: unknown): this {
        this.parameters[name] = value;
        return this;
    }

    /** Waits until the index has caught up with what is stored now: for any time, or so many milliseconds. */
    waitForNonStaleResults(waitTimeout?: number): this {
        this.#waits = waitTimeout ?? true;
        return this;
    }

    /** Calls back with the answer's statistics. */
    statistics(callback: (statistics: QueryStatistics) => void): this {
        return this.#remark((answer) => callback(statisticsOf(answer)));
    }

    /** Calls back with how long the answer took. */
    timings(callback: (timings: QueryTimings) => void): this {
        return this.#remark(({ durationInMs }) => callback({ durationInMs }));
    }

    /** Entities belong to no session: nothing of them is saved. */
    noTracking(): this {
        this.#isTracking = false;
        return this;
    }

    /** There is nothing to turn off: answers are always of what is stored. */
    noCaching(): this {
        return this;
    }

    skip(count: number): this {
        this.#skip = count;
        return this;
    }

    take(count: number): this {
        this.#take = count;
        return this;
    }

    /** @internal */
    protected limitText(): string[] {
        return this.#skip > 0 || this.#take !== undefined ? [`limit ${this.#skip}, ${this.#take ?? 2 ** 31 - 1}`] : [];
    }

    /** All results. Whole documents belong to the session, projections do not. */
    all(): Promise<T[]> {
        return this.ask();
    }

    /** The first result; an error if there is none. */
    async first(): Promise<T> {
        return this.#one(await this.take(1).all());
    }

    async firstOrNull(): Promise<T | null> {
        const [found] = await this.take(1).all();
        return found ?? null;
    }

    /** The only result; an error if there are none or several. */
    async single(): Promise<T> {
        return this.#one(await this.take(2).all());
    }

    async singleOrNull(): Promise<T | null> {
        const found = await this.take(2).all();
        return found.length === 0 ? null : this.#one(found);
    }

    #one(found: T[]): T {
        if (found.length === 0) throw new PinyonError('NotFound', `no result: ${this.toString()}`);
        if (found.length > 1) throw new PinyonError('InvalidRequest', `more than one result: ${this.toString()}`);
        return found[0] as T;
    }

    /** How many results there are, without paging. */
    async count(): Promise<number> {
        return (await this.take(0).answer()).facts.TotalResults;
    }

    longCount(): Promise<number> {
        return this.count();
    }

    async any(): Promise<boolean> {
        return (await this.count()) > 0;
    }

    /** All results, asked for together with what else is lazy. */
    lazily(onEval: (results: T[]) => void = () => undefined): Lazy<T[]> {
        return this.later(async () => {
            const results = await this.all();
            onEval(results);
            return results;
        });
    }

    countLazily(): Lazy<number> {
        return this.later(() => this.count());
    }

    /** @internal */
    later<R>(evaluate: () => Promise<R>): Lazy<R> {
        return new Lazy(this.session, evaluate);
    }

    /** The answer as it is stored, and all that is known of it. Nothing of it belongs to the session. */
    async getQueryResult(): Promise<QueryResult> {
        const answer = await this.answer();
        return {
            ...statisticsOf(answer),
            results: answer.results.map(documentOf),
            includes: Object.fromEntries(answer.includes.map(([id, it]) => [id, it.body && documentOf(it)])),
            highlightings: answer.facts.Highlightings ?? {},
            explanations: answer.facts.Explanations ?? {},
        };
    }

    /**
     * The results, and what they become: told whenever what is stored changes them. They belong to
     * no session.
     */
    live(): LiveQuery<T> {
        return new LiveQuery<T>(this.session.liveSource, this.toString(), { ...this.parameters }, this.documentType, this.shape);
    }

    /** The text of the query, and its values. */
    getIndexQuery(): { query: string; queryParameters: Record<string, unknown> } {
        return { query: this.toString(), queryParameters: { ...this.parameters } };
    }

    /** @internal */
    toWire(waits: boolean): Record<string, unknown> {
        return { query: this.toString(), parameters: asStored(this.parameters), waitForNonStaleResults: waits };
    }

    /** @internal The ids of the results that are documents. */
    async ids(): Promise<string[]> {
        const { results } = await this.answer();
        return results.flatMap(({ metadata }) => (metadata['@id'] as string | undefined) ?? []);
    }

    /** @internal A field as text; an entity's id is no field of its document. */
    protected path(field: string): string {
        return path(field === this.session.conventions.getIdentityProperty(this.documentType) ? 'id' : field);
    }

    /** @internal The name under which a value is sent. */
    protected parameter(value: unknown): string {
        let number = Object.keys(this.parameters).length;
        while (`p${number}` in this.parameters) number += 1;
        this.parameters[`p${number}`] = value;
        return `$p${number}`;
    }

    /** @internal */
    protected addHighlight(parameters: HighlightingParameters, callback: (highlightings: Highlightings) => void): void {
        const { fieldName, fragmentLength, fragmentCount, ...options } = parameters;
        const given = Object.keys(options).length > 0 ? `, ${this.parameter(options)}` : '';
        const sizes = [fragmentLength, fragmentCount].map((it) => this.parameter(it)).join(', ');
        this.includes.push(`highlight(${path(fieldName)}, ${sizes}${given})`);
        const highlightings = new Highlightings(fieldName);
        this.#remark(({ facts }) => highlightings.update(facts.Highlightings));
        callback(highlightings);
    }

    /** @internal */
    protected addExplanations(options: ExplanationOptions | undefined, callback: (explanations: Explanations) => void): void {
        this.includes.push(`explanations(${options ? this.parameter(options) : ''})`);
        const told: Explanations = { explanations: {} };
        this.#remark(({ facts }) => { told.explanations = facts.Explanations ?? {}; });
        callback(told);
    }

    #remark(remark: Remark): this {
        this.#remarks.push(remark);
        return this;
    }

    /** @internal */
    async answer(): Promise<Answered> {
        const { session } = this;
        session.requestCount += 1;
        const asked = answerQuery(session.connection, this.toWire(this.#waits !== false));
        const isTimed = typeof this.#waits === 'number';
        const answer = await (isTimed ? withinTime(asked, this.#waits as number, 'waitForNonStaleResults()') : asked);
        for (const remark of this.#remarks) remark(answer);
        return answer;
    }

    /** @internal What a session makes of an answer. */
    protected async ask(): Promise<T[]> {
        const { results, includes } = await this.answer();
        const isTracking = this.#isTracking && !this.session.options.noTracking;
        if (isTracking) for (const [id, found] of includes) this.session.track(id, found, undefined);
        return results.flatMap((found) => this.entityOf(found, isTracking)) as T[];
    }

    /** @internal One result; several in the form of an array. */
    entityOf(found: Found, isTracking: boolean): unknown {
        const { body, metadata } = found;
        if (metadata['@projection'] === true || typeof metadata['@id'] !== 'string') {
            // An array of values would be taken for several results.
            return [projected(body as Record<string, unknown>, this.shape)];
        }
        return this.session.track(metadata['@id'], found, this.documentType, isTracking) ?? [];
    }
}

function statisticsOf({ facts, durationInMs }: Answered): QueryStatistics {
    return {
        totalResults: facts.TotalResults,
        indexName: facts.IndexName,
        isStale: facts.IsStale,
        resultEtag: facts.ResultEtag,
        durationInMs,
    };
}
