// Documents that a page read or wrote last: what it loads again takes no message to the worker.
//
// It answers only while the page holds the lease. Then it is the only page of the database, so
// that its documents change by its own writes, which it sees, and by what the worker does of
// itself, before which it takes the lease back. The page may be held up and hear of that late, so
// what it knows of the lease counts for a time only: from when it last asked something that was
// answered.

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
/** What is known of the lease counts for so long; the worker waits twice as long for an answer. */
const LEASE_MS = 500;
const BEFORE = '{"Results":[';
const AFTER = '],"Includes":{}}';

/** What ids are compared by; `undefined` for those of which JavaScript has other ideas than the database. */
const keyOf = (id: string): string | undefined => (/^[\x20-\x7e]*$/.test(id) ? id.toLowerCase() : undefined);

function textOf(kept: StoredState | null): string {
    if (kept === null) return 'null';
    const metadata = typeof kept.metadata === 'string' ? kept.metadata : JSON.stringify(kept.metadata);
    return documentText({ body: kept.body, metadata });
}

function metadataCharacters(metadata: StoredState['metadata']): number {
    if (typeof metadata === 'string') return metadata.length;
    let characters = 0;
    for (const [name, value] of Object.entries(metadata)) {
        characters += name.length + (typeof value === 'string' ? value.length : OVERHEAD);
    }
    return characters;
}

/** A save under way. */
export interface Writing {
    /** The documents it changes, if they can be told beforehand. */
    readonly ids: string[] | undefined;
    /** The lease under which it began. */
    readonly lease: number;
    /** Whether no other save was under way at any time of it. */
    isAlone: boolean;
}

/** The documents of one page, in the order in which they came. */
export class DocumentCache {
    readonly #kept = new Map<string, Entry>();
    #characters = 0;
    #isHeld = false;
    /** Counts the leases. */
    #lease = 0;
    /** When the lease was known to be held. */
    #knownAt = -Infinity;
    readonly #writing = new Set<Writing>();
    /** Counts the moments at which what is stored may have become something else. */
    #moment = 0;

    /** The lease comes or goes; with it goes everything. */
    setHeld(isHeld: boolean): void {
        this.#isHeld = isHeld;
        this.#lease += 1;
        // When it was given is not known here: this may be heard late.
        this.#knownAt = -Infinity;
        this.clear();
    }

    /**
     * What was asked at `askedAt` (`performance.now()`) was answered, and nothing was said of the
     * lease before the answer: so it was held then.
     */
    heard(askedAt: number): void {
        if (this.#isHeld) this.#knownAt = Math.max(this.#knownAt, askedAt);
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
        if (!this.#isHeld || performance.now() - this.#knownAt > LEASE_MS) return undefined;
        const found: string[] = [];
        for (const id of ids) {
            const key = keyOf(id);
            const entry = key === undefined ? undefined : this.#kept.get(key);
            if (entry === undefined) return undefined;
            // Put together once.
            if (typeof entry.kept === 'object') {
                entry.kept = textOf(entry.kept);
                this.#characters += OVERHEAD + entry.kept.length - entry.characters;
                entry.characters = OVERHEAD + entry.kept.length;
            }
            found.push(entry.kept);
        }
        return BEFORE + found.join(',') + AFTER;
    }

    /** Keeps what a load of one document brought. */
    keep(ids: string[], answer: string, moment: number): void {
        const [id] = ids;
        const isSure = moment === this.#moment && this.#writing.size === 0;
        if (!this.#isHeld || !isSure || ids.length !== 1 || id === undefined) return;
        const text = answer.slice(BEFORE.length, -AFTER.length);
        this.#set(id, text);
    }

    /** Documents are about to be written; without `ids` it may be any. */
    beginWriting(ids: string[] | undefined): Writing {
        const writing = { ids, lease: this.#lease, isAlone: this.#writing.size === 0 };
        for (const other of this.#writing) other.isAlone = false;
        this.#writing.add(writing);
        this.#forget(ids);
        return writing;
    }

    /** They are written, or not. */
    endWriting(writing: Writing): void {
        this.#writing.delete(writing);
        this.#forget(writing.ids);
    }

    #forget(ids: string[] | undefined): void {
        const keys = ids?.map(keyOf);
        if (keys === undefined || keys.includes(undefined)) {
            this.clear();
            return;
        }
        this.#moment += 1;
        for (const key of keys) this.#remove(key as string);
    }

    /** Keeps a document as it was stored by a save that has just ended. */
    wrote(writing: Writing, id: string, stored: StoredState): void {
        // Of several at once nobody here knows which one was the last.
        const isLast = writing.isAlone && this.#writing.size === 0;
        // Between two leases the worker may have written.
        if (this.#isHeld && isLast && writing.lease === this.#lease) this.#set(id, stored);
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
        const length = (parts: StoredState): number => parts.body.length + metadataCharacters(parts.metadata);
        const characters = OVERHEAD + (typeof kept === 'string' ? kept.length : kept === null ? 0 : length(kept));
        this.#kept.set(key, { kept, characters });
        this.#characters += characters;
        for (const oldest of this.#kept.keys()) {
            if (this.#characters <= MOST_CHARACTERS) return;
            this.#remove(oldest);
        }
    }
}
