// Conditions over what a query found: `filter()`.

import type { AddParameter, Conditions } from './conditions.js';
import { conditionOf, type WhereParams } from './where.js';
import { path } from './rql_text.js';

/** Takes conditions that are looked at in the documents found: `(it) => it.equals('city', 'Berlin')`. */
export class FilterFactory {
    readonly #conditions: Conditions;
    readonly #parameter: AddParameter;

    /** @internal */
    constructor(conditions: Conditions, parameter: AddParameter) {
        this.#conditions = conditions;
        this.#parameter = parameter;
    }

    equals(field: string | WhereParams, value?: unknown): this {
        return this.#add(conditionOf('=', field, value, false, this.#parameter));
    }

    notEquals(field: string | WhereParams, value?: unknown): this {
        return this.#add(conditionOf('!=', field, value, false, this.#parameter));
    }

    greaterThan(field: string, value: unknown): this {
        return this.#add(`${path(field)} > ${this.#parameter(value)}`);
    }

    greaterThanOrEqual(field: string, value: unknown): this {
        return this.#add(`${path(field)} >= ${this.#parameter(value)}`);
    }

    lessThan(field: string, value: unknown): this {
        return this.#add(`${path(field)} < ${this.#parameter(value)}`);
    }

    lessThanOrEqual(field: string, value: unknown): this {
        return this.#add(`${path(field)} <= ${this.#parameter(value)}`);
    }

    andAlso(): this {
        this.#conditions.word('and');
        return this;
    }

    orElse(): this {
        this.#conditions.word('or');
        return this;
    }

    not(): this {
        this.#conditions.negate();
        return this;
    }

    openSubclause(): this {
        this.#conditions.open();
        return this;
    }

    closeSubclause(): this {
        this.#conditions.close();
        return this;
    }

    #add(condition: string): this {
        this.#conditions.add(condition);
        return this;
    }
}
