// Conditions of a query, put together call by call.

import { PinyonError } from './errors.js';

/** What a part of the text is, as far as what follows it must know. */
type Kind = 'open' | 'close' | 'word' | 'equals' | 'search' | 'condition';

interface Part {
    kind: Kind;
    text: string;
    isNegated: boolean;
}

/** Takes a value, and gives what stands for it in the text. */
export type AddParameter = (value: unknown) => string;

/** How conditions without a word between them are joined. */
export type QueryOperator = 'AND' | 'OR';

/** @internal The conditions of a `where` or a `filter`. Those without a word between them are joined by the default one. */
export class Conditions {
    readonly #parameter: AddParameter;
    readonly #parts: Part[] = [];
    #isNegated = false;
    #isIntersection = false;
    #operator = 'and';

    constructor(parameter: AddParameter) {
        this.#parameter = parameter;
    }

    get isEmpty(): boolean {
        return this.#parts.length === 0;
    }

    set operator(operator: QueryOperator) {
        if (!this.isEmpty) throw new PinyonError('InvalidRequest', 'usingDefaultOperator() comes before the first condition');
        this.#operator = operator === 'OR' ? 'or' : 'and';
    }

    add(condition: string, kind: Kind = 'condition'): void {
        const last = this.#parts.at(-1);
        if (last && last.kind !== 'word' && last.kind !== 'open') this.#push(this.#operator, 'word');
        this.#parts.push({ kind, text: condition, isNegated: this.#isNegated });
        this.#isNegated = false;
    }

    #push(text: string, kind: Kind): void {
        this.#parts.push({ kind, text, isNegated: false });
    }

    word(word: 'and' | 'or'): void {
        this.#push(word, 'word');
    }

    /** What stands there already is one condition from now on. */
    wrap(): void {
        if (this.isEmpty) return;
        this.#parts.unshift({ kind: 'open', text: '(', isNegated: false });
        this.close();
    }

    /** Each part between calls must find something of its own of the same result. */
    intersect(): void {
        const last = this.#parts.at(-1)?.kind;
        if (last === undefined || last === 'word' || last === 'open') {
            throw new PinyonError('InvalidRequest', 'intersect() comes after a condition');
        }
        this.#isIntersection = true;
        this.#push(',', 'word');
    }

    negate(): void {
        this.#isNegated = !this.#isNegated;
    }

    open(): void {
        this.add('(', 'open');
    }

    close(): void {
        this.#push(')', 'close');
    }

    /** Wraps the last condition, one of a kind, in a call of a method with a number. */
    modify(method: string, value: number, kind?: Kind): void {
        const last = this.#parts.at(-1);
        if (last?.kind === 'close' && kind === undefined) {
            this.#openingOfLast().text = `${method}(`;
            last.text = `, ${this.#parameter(value)})`;
        } else if (last && (kind === undefined ? last.kind !== 'word' && last.kind !== 'open' : last.kind === kind)) {
            last.text = `${method}(${last.text}, ${this.#parameter(value)})`;
        } else {
            const after = { equals: 'whereEquals()', search: 'search()' }[kind as string] ?? 'a condition';
            throw new PinyonError('InvalidRequest', `${method}() comes right after ${after}`);
        }
    }

    #openingOfLast(): Part {
        let depth = 0;
        for (const part of this.#parts.toReversed()) {
            if (part.kind === 'close') depth += 1;
            if (part.kind === 'open') depth -= 1;
            if (depth === 0) return part;
        }
        throw new PinyonError('InvalidRequest', 'closeSubclause() has no openSubclause()');
    }

    toString(): string {
        const texts = this.#parts.map(({ kind, text, isNegated }) => {
            if (!isNegated) return text;
            return kind === 'open' ? `not ${text}` : `not (${text})`;
        });
        return this.#isIntersection ? `intersect(${texts.join(' ')})` : texts.join(' ');
    }
}
