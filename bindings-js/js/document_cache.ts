// Documents that a page read or wrote last: what it loads again takes no message to the worker.
//
// It answers only while the page holds the lease. Then it is the only page of the database, so
// that its documents change by its own writes, which it sees, and by what the worker does of
// itself, before which it takes the lease back.

import { documentText, type StoredState } from './entity.js';

/** A document: its text, or its parts as they were sent; `null` for none. */
type Kept = string | StoredState | null;

interface Entry {
    kept: Kept;
    /** What it was counted for. */
    characters: number;
}

/** Characters of all documents that are kept. */
const MOST_CHARACTERS = 8 << 20;
/** What one costs besides its text. */
const OVERHEAD = 200;
const BEFORE = '{"Results":[';
const AFTER = '],"Includes":{}}';

/** What ids are compared by; `undefined` for those of which JavaScript has other ideas than the database. */
const keyOf = (id: string): string | undefined => (/^[\x20-\x7e]*$/.test(id) ? id.toLowerCase() : undefined);

function textOf(kept: StoredState | null): string {
    if (kept === null) return 'null';
    const metadata = typeof kept.metadata === 'string' ? kept.metadata : JSON.stringify(kept.metadata);
    return documentText({ body: kept.body, metadata });
}

/** The documents of one page, in the order in which they came. */
export class DocumentCache {
    readonly #kept = new Map<string, Entry>();
    #characters = 0;
    #isHeld = false;
    /** Counts the moments at which what is stored may have become something else. */
    #moment = 0;

    /** The lease comes or goes; with it goes everything. */
    setHeld(isHeld: boolean): void {
        this.#isHeld = isHeld;
        this.clear();
    }

    clear(): void {
        this.#moment += 1;
        this.#kept.clear();
        this.#characters = 0;
    }

    /** When a load is asked; what it brings is kept if nothing happens meanwhile. */
    get moment(): number {
        return this.#moment;
    }

    /** The answer of a load, if all of it is here: then it is one state. */
    answer(ids: string[]): string | undefined {
        if (!this.#isHeld) return undefined;
        const found: string[] = [];
        for (const id of ids) {
            const key = keyOf(id);
            const entry = key === undefined ? undefined : this.#kept.get(key);
            if (entry === undefined) return undefined;
            // Put together once.
            if (typeof entry.kept === 'object') entry.kept = textOf(entry.kept);
            found.push(entry.kept);
        }
        return BEFORE + found.join(',') + AFTER;
    }

    /** Keeps what a load of one document brought. */
    keep(ids: string[], answer: string, moment: number): void {
        const [id] = ids;
        if (!this.#isHeld || moment !== this.#moment || ids.length !== 1 || id === undefined) return;
        const text = answer.slice(BEFORE.length, -AFTER.length);
        this.#set(id, text);
    }

    /** Documents are about to be written, or were: without `ids` it may be any. */
    forget(ids: string[] | undefined): void {
        const keys = ids?.map(keyOf);
        if (keys === undefined || keys.includes(undefined)) {
            this.clear();
            return;
        }
        this.#moment += 1;
        for (const key of keys) this.#remove(key as string);
    }

    /** Keeps a document as it was stored, or that there is none. */
    wrote(id: string, stored: StoredState | null): void {
        if (this.#isHeld) this.#set(id, stored);
    }

    #remove(key: string): void {
        const entry = this.#kept.get(key);
        if (entry === undefined) return;
        this.#characters -= entry.characters;
        this.#kept.delete(key);
    }

    #set(id: string, kept: Kept): void {
        const key = keyOf(id);
        if (key === undefined) return;
        this.#remove(key);
        const characters = OVERHEAD + (typeof kept === 'string' ? kept.length : (kept?.body.length ?? 0));
        this.#kept.set(key, { kept, characters });
        this.#characters += characters;
        for (const oldest of this.#kept.keys()) {
            if (this.#characters <= MOST_CHARACTERS) return;
            this.#remove(oldest);
        }
    }
}
