// Groups of documents: `groupBy()` of queries.

import type { FilterFactory } from './filtering.js';
import type { DocumentQuery } from './query.js';
import { path, quoted } from './rql_text.js';

/** What is grouped by: a field, or a whole array. */
export class GroupBy {
    private constructor(readonly field: string, readonly method: 'None' | 'Array') {}

    /** Each value of a field; of an array, each item: `GroupBy.field('lines[].product')`. */
    static field(fieldName: string): GroupBy {
        return new GroupBy(fieldName, 'None');
    }

    /** The items of an array together. */
    static array(fieldName: string): GroupBy {
        return new GroupBy(fieldName, 'Array');
    }
}

/** A field whose sum is shown, and its name there. */
export class GroupByField {
    constructor(public fieldName: string, public projectedName?: string) {}
}

/** @internal What stands after `group by`. */
export function groupKeyText(key: string | GroupBy): string {
    if (typeof key === 'string') return path(key);
    return key.method === 'Array' ? `array(${path(key.field)})` : path(key.field);
}

/** @internal `as 'name'`, where there is a name. */
export function aliasText(name: string | undefined | null): string {
    return name ? ` as ${quoted(name)}` : '';
}

/** What is shown of each group: `groupBy('company').selectKey().selectCount()`. */
export class GroupByDocumentQuery<T extends object> {
    readonly #query: DocumentQuery<T>;

    /** @internal */
    constructor(query: DocumentQuery<T>) {
        this.#query = query;
    }

    /** What is grouped by, all of it or one field of several. */
    selectKey(fieldName?: string, projectedName?: string): this {
        const alias = projectedName === fieldName ? undefined : projectedName;
        this.#query.addSelect(`${fieldName ? path(fieldName) : 'key()'}${aliasText(alias)}`);
        return this;
    }

    selectSum(field: GroupByField, ...fields: GroupByField[]): DocumentQuery<T> {
        for (const { fieldName, projectedName } of [field, ...fields]) {
            this.#query.addSelect(`sum(${path(fieldName)})${aliasText(projectedName)}`);
        }
        return this.#query;
    }

    selectCount(projectedName = 'count'): DocumentQuery<T> {
        this.#query.addSelect(`count()${aliasText(projectedName)}`);
        return this.#query;
    }

    /** Conditions over the groups that were found. */
    filter(builder: (factory: FilterFactory) => void, limit?: number): this {
        this.#query.filter(builder, limit);
        return this;
    }
}
