// Queries with conditions: what `where…()` adds to one.

import { AskedQuery } from './asked_query.js';
import { Conditions, type AddParameter, type QueryOperator } from './conditions.js';
import { PinyonError } from './errors.js';
import { path } from './rql_text.js';
import {
    SpatialCriteriaFactory, type DynamicSpatialField, type SpatialCriteria, type SpatialRelation, type SpatialUnits,
} from './spatial.js';

/** A condition as an object: `whereEquals({ fieldName: 'name', value: 'Eva', exact: true })`. */
export interface WhereParams {
    fieldName: string;
    value: unknown;
    exact?: boolean;
}

/** @internal A comparison as text. */
export function conditionOf(
    operator: string, field: string | WhereParams, value: unknown, exact: boolean, parameter: AddParameter, toPath = path,
): string {
    const given = typeof field === 'string' ? { fieldName: field, value, exact } : field;
    const plain = `${toPath(given.fieldName)} ${operator} ${parameter(given.value)}`;
    return given.exact ? `exact(${plain})` : plain;
}

/** A query to which conditions are added. */
export abstract class ConditionedQuery<T extends object> extends AskedQuery<T> {
    /** @internal */
    protected conditions = new Conditions((value) => this.parameter(value));

    whereEquals(field: string | WhereParams, value?: unknown, exact = false): this {
        return this.#compare('=', field, value, exact, 'equals');
    }

    whereNotEquals(field: string | WhereParams, value?: unknown, exact = false): this {
        return this.#compare('!=', field, value, exact);
    }

    whereGreaterThan(field: string, value: unknown, exact = false): this {
        return this.#compare('>', field, value, exact);
    }

    whereGreaterThanOrEqual(field: string, value: unknown, exact = false): this {
        return this.#compare('>=', field, value, exact);
    }

    whereLessThan(field: string, value: unknown, exact = false): this {
        return this.#compare('<', field, value, exact);
    }

    whereLessThanOrEqual(field: string, value: unknown, exact = false): this {
        return this.#compare('<=', field, value, exact);
    }

    whereBetween(field: string, start: unknown, end: unknown, exact = false): this {
        return this.#add(`${this.path(field)} between ${this.parameter(start)} and ${this.parameter(end)}`, exact);
    }

    whereIn(field: string, values: unknown[], exact = false): this {
        return this.#add(`${this.path(field)} in (${this.parameter(values)})`, exact);
    }

    /** Arrays that have any of the values. */
    containsAny(field: string, values: unknown[]): this {
        return this.whereIn(field, values);
    }

    /** Arrays that have all of the values. */
    containsAll(field: string, values: unknown[]): this {
        return this.#add(`${this.path(field)} all in (${this.parameter(values)})`);
    }

    whereStartsWith(field: string, value: string, exact = false): this {
        return this.#add(`startsWith(${this.path(field)}, ${this.parameter(value)})`, exact);
    }

    whereEndsWith(field: string, value: string, exact = false): this {
        return this.#add(`endsWith(${this.path(field)}, ${this.parameter(value)})`, exact);
    }

    whereExists(field: string): this {
        return this.#add(`exists(${this.path(field)})`);
    }

    whereRegex(field: string, pattern: string): this {
        return this.#add(`regex(${this.path(field)}, ${this.parameter(pattern)})`);
    }

    /** A clause in the syntax of Lucene: `whereLucene('name', 'ev* OR mia')`. */
    whereLucene(field: string, whereClause: string, exact = false): this {
        return this.#add(`lucene(${this.path(field)}, ${this.parameter(whereClause)})`, exact);
    }

    /** Documents that have any of the words, or all of them. */
    search(field: string, words: string, operator: 'OR' | 'AND' = 'OR'): this {
        const all = operator === 'AND' ? ', and' : '';
        this.conditions.add(`search(${this.path(field)}, ${this.parameter(words)}${all})`, 'search');
        return this;
    }

    /** How the last condition counts for the score, and with it for `orderByScore()`. */
    boost(factor: number): this {
        if (!(factor >= 0)) throw new PinyonError('InvalidRequest', 'boost() takes a number from 0');
        if (factor !== 1) this.conditions.modify('boost', factor);
        return this;
    }

    /** Also words like that of the last `whereEquals()`: from 0 to 1 as it is. */
    fuzzy(similarity: number): this {
        if (!(similarity >= 0 && similarity <= 1)) throw new PinyonError('InvalidRequest', 'fuzzy() takes a number from 0 to 1');
        this.conditions.modify('fuzzy', similarity, 'equals');
        return this;
    }

    /** All words of the last `search()`, with at most so many others between them. */
    proximity(distance: number): this {
        if (!(distance >= 0)) throw new PinyonError('InvalidRequest', 'proximity() takes a number from 0');
        this.conditions.modify('proximity', distance, 'search');
        return this;
    }

    /** Places: a field of an index, or fields of documents, and how they lie to a shape. */
    spatial(field: string | DynamicSpatialField, clause: (factory: SpatialCriteriaFactory) => SpatialCriteria): this {
        return this.#add(clause(SpatialCriteriaFactory.INSTANCE).toText(field, (value) => this.parameter(value)));
    }

    withinRadiusOf(
        field: string, radius: number, latitude: number, longitude: number, radiusUnits?: SpatialUnits, distanceErrorPct?: number,
    ): this {
        return this.spatial(field, (it) => it.withinRadius(radius, latitude, longitude, radiusUnits, distanceErrorPct));
    }

    relatesToShape(
        field: string, shapeWkt: string, relation: SpatialRelation, unitsOrError?: SpatialUnits | number, distanceErrorPct?: number,
    ): this {
        return this.spatial(field, (it) => it.relatesToShape(shapeWkt, relation, unitsOrError, distanceErrorPct));
    }

    /** With `true`, all that stands before it is one condition. */
    andAlso(wrapPreviousQueryClauses = false): this {
        if (wrapPreviousQueryClauses) this.conditions.wrap();
        this.conditions.word('and');
        return this;
    }

    orElse(): this {
        this.conditions.word('or');
        return this;
    }

    /** Turns the next condition round. */
    not(): this {
        this.conditions.negate();
        return this;
    }

    negateNext(): this {
        return this.not();
    }

    openSubclause(): this {
        this.conditions.open();
        return this;
    }

    closeSubclause(): this {
        this.conditions.close();
        return this;
    }

    /** Documents that are found by what stands before it and by what follows, each by some entry of theirs. */
    intersect(): this {
        this.conditions.intersect();
        return this;
    }

    /** How conditions that follow each other without a word are joined: all must hold unless told. Before the first of them. */
    usingDefaultOperator(operator: QueryOperator): this {
        this.conditions.operator = operator;
        return this;
    }

    #compare(operator: string, field: string | WhereParams, value: unknown, exact: boolean, kind?: 'equals'): this {
        this.conditions.add(conditionOf(operator, field, value, exact, (it) => this.parameter(it), (it) => this.path(it)), kind);
        return this;
    }

    #add(plain: string, exact = false): this {
        this.conditions.add(exact ? `exact(${plain})` : plain);
        return this;
    }
}
