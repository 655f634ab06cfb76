// Suggestions: terms of an index like what was typed.

import type { AddParameter } from './conditions.js';
import { PinyonError } from './errors.js';
import { computedByName, type ComputedQuery } from './facets.js';
import { aliasText } from './grouping.js';
import type { Lazy } from './lazy.js';
import { path } from './rql_text.js';

export type StringDistanceTypes = 'None' | 'Default' | 'Levenshtein' | 'JaroWinkler' | 'NGram';
export type SuggestionSortMode = 'None' | 'Popularity';

/** Which terms are like enough, and how many are shown. What is left out is as it is by default. */
export interface SuggestionOptions {
    pageSize?: number;
    distance?: StringDistanceTypes;
    /** From 0 to 1 as it is. */
    accuracy?: number;
    sortMode?: SuggestionSortMode;
}

export interface SuggestionResult {
    name: string;
    suggestions: string[];
}

/** Suggestions by field, or by the name that was given. */
export type SuggestionsResponseObject = Record<string, SuggestionResult>;

/** What suggestions are asked for. */
export abstract class SuggestionBase {
    displayField: string | undefined;
    options: SuggestionOptions | undefined;

    constructor(public field: string) {}

    /** @internal */
    protected abstract readonly wanted: string | string[] | undefined;

    /** @internal `suggest(…)`. */
    toText(parameter: AddParameter): string {
        if (this.wanted === undefined) throw new PinyonError('InvalidRequest', 'suggestions need a term');
        const options = this.options ? `, ${parameter({ ...this.options })}` : '';
        return `suggest(${path(this.field)}, ${parameter(this.wanted)}${options})${aliasText(this.displayField)}`;
    }
}

export class SuggestionWithTerm extends SuggestionBase {
    term: string | undefined;

    /** @internal */
    protected override get wanted(): string | undefined {
        return this.term;
    }
}

export class SuggestionWithTerms extends SuggestionBase {
    terms: string[] | undefined;

    /** @internal */
    protected override get wanted(): string[] | undefined {
        return this.terms;
    }
}

/** Builds it: `(it) => it.byField('name', 'eav').withOptions({ accuracy: 0.6 })`. */
export class SuggestionBuilder {
    #suggestion: SuggestionBase | undefined;

    byField(fieldName: string, wanted: string | string[]): this {
        this.#suggestion = Array.isArray(wanted)
            ? Object.assign(new SuggestionWithTerms(fieldName), { terms: wanted })
            : Object.assign(new SuggestionWithTerm(fieldName), { term: wanted });
        return this;
    }

    withDisplayName(displayName: string): this {
        this.suggestion.displayField = displayName;
        return this;
    }

    withOptions(options: SuggestionOptions): this {
        this.suggestion.options = options;
        return this;
    }

    get suggestion(): SuggestionBase {
        if (!this.#suggestion) throw new PinyonError('InvalidRequest', 'suggestions begin with byField()');
        return this.#suggestion;
    }
}

export type SuggestionGiven = SuggestionBase | ((builder: SuggestionBuilder) => void);

/** @internal */
export function suggestionText(given: SuggestionGiven, parameter: AddParameter): string {
    if (typeof given !== 'function') return given.toText(parameter);
    const builder = new SuggestionBuilder();
    given(builder);
    return builder.suggestion.toText(parameter);
}

/** Suggestions that are asked for together: `query.suggestUsing(…).execute()`. */
export class SuggestionDocumentQuery {
    readonly #query: ComputedQuery;
    readonly #add: (suggestion: SuggestionGiven) => void;

    /** @internal */
    constructor(query: ComputedQuery, add: (suggestion: SuggestionGiven) => void) {
        this.#query = query;
        this.#add = add;
    }

    andSuggestUsing(suggestion: SuggestionGiven): this {
        this.#add(suggestion);
        return this;
    }

    execute(): Promise<SuggestionsResponseObject> {
        return computedByName<SuggestionResult>(this.#query);
    }

    executeLazy(): Lazy<SuggestionsResponseObject> {
        return this.#query.later(() => this.execute());
    }

    toString(): string {
        return this.#query.toString();
    }
}
