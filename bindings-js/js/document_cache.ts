// Documents that a page read or wrote last: what it loads again takes no message to the worker.
//
// It answers only while the page holds the lease. Then it is the only page of the database, so
// that its documents change by its own writes, which it sees, and by what the worker does of
// itself, before which it takes the lease back. The page may be held up and hear of that late, so
// what it knows of the lease counts for a time only: from when it last asked something that was
// answered.

import type { StoredState } from './entity.js';

/** A document: its text, or its parts as they were sent; `null` for none. */
export type Kept = string | StoredState | null;

interface Entry {
    kept: Kept;
    /** What it was counted for. */
    characters: number;
}

/** Characters of all documents that are kept. */
const MOST_CHARACTERS = 16 << 20;
/** What one costs besides its text. */
const OVERHEAD = 200;
/** What is known of the lease counts for so long; the worker waits twice as long for an answer. */
const LEASE_MS = 500;
/** What comes before the first document in the answer of a load. */
const BEFORE = '{"Results":['.length;

/** What ids are compared by; `undefined` for those of which JavaScript has other ideas than the database. */
const keyOf = (id: string): string | undefined => (/^[\x20-\x7e]*$/.test(id) ? id.toLowerCase() : undefined);

/** As `keyOf` of each; `undefined` if one has none. */
function keysOf(ids: string[] | undefined): string[] | undefined {
    const keys = ids?.map(keyOf);
    return keys?.includes(undefined) ? undefined : (keys as string[] | undefined);
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
    /** What these are compared by. */
    readonly keys: string[] | undefined;
    /** The lease under which it began. */
    readonly lease: number;
    /** Whether no other save of the same documents was under way at any time of it. */
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
    /** How many saves under way change a document, and how many may change any. */
    readonly #writers = new Map<string, number>();
    #unboundWriters = 0;
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

    /** The documents of a load, if all of them are here: then they are one state. */
    answer(ids: string[]): Kept[] | undefined {
        if (!this.#isHeld || performance.now() - this.#knownAt > LEASE_MS) return undefined;
        const found: Kept[] = [];
        for (const id of ids) {
            const key = keyOf(id);
            const kept = key === undefined ? undefined : this.find(key);
            if (kept === undefined) return undefined;
            found.push(kept);
        }
        return found;
    }

    /**
     * Since `moment` nothing was written, and nobody else could write: what is here is what was
     * stored then, and what is answered meanwhile is of the same state.
     */
    isSince(moment: number): boolean {
        return this.#isHeld && moment === this.#moment && this.#writing.size === 0;
    }

    /** A document by its id in lower case, as the database has it. */
    find(key: string): Kept | undefined {
        return this.#kept.get(key)?.kept;
    }

    /** Keeps what a load brought that was asked at `moment`; `ends` tell where in its answer each document ends. */
    keep(ids: string[], answer: string, ends: number[], moment: number): void {
        if (!this.isSince(moment)) return;
        let start = BEFORE;
        ids.forEach((id, at) => {
            const end = ends[at] as number;
            this.#set(id, answer.slice(start, end));
            start = end + 1;
        });
    }

    /** Documents are about to be written; without `ids` it may be any. */
    beginWriting(ids: string[] | undefined): Writing {
        const keys = keysOf(ids);
        const writing: Writing = { ids, keys, lease: this.#lease, isAlone: keys !== undefined && this.#unboundWriters === 0 };
        for (const key of keys ?? []) {
            const others = this.#writers.get(key) ?? 0;
            this.#writers.set(key, others + 1);
            if (others === 0) continue;
            // Of several at once nobody here knows which one was the last.
            writing.isAlone = false;
            for (const other of this.#writing) if (other.keys?.includes(key)) other.isAlone = false;
        }
        if (keys === undefined) {
            this.#unboundWriters += 1;
            for (const other of this.#writing) other.isAlone = false;
        }
        this.#writing.add(writing);
        this.#forget(keys);
        return writing;
    }

    /** They are written, or not. */
    endWriting(writing: Writing): void {
        this.#writing.delete(writing);
        for (const key of writing.keys ?? []) {
            const others = (this.#writers.get(key) ?? 1) - 1;
            if (others === 0) this.#writers.delete(key);
            else this.#writers.set(key, others);
        }
        if (writing.keys === undefined) this.#unboundWriters -= 1;
        this.#forget(writing.keys);
    }

    #forget(keys: string[] | undefined): void {
        if (keys === undefined) {
            this.clear();
            return;
        }
        this.#moment += 1;
        for (const key of keys) this.#remove(key);
    }

    /** Keeps a document as it was stored by a save that has just ended. */
    wrote(writing: Writing, id: string, stored: StoredState): void {
        // Between two leases the worker may have written.
        if (this.#isHeld && writing.isAlone && writing.lease === this.#lease) this.#set(id, stored);
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
