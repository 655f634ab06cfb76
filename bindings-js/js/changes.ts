// The changes of documents, as callbacks and as async iterators.

import { tellAll } from './listeners.js';
import type { DocumentChange } from './protocol.js';

/** Told of each change. */
export type ChangeListener = (change: DocumentChange) => void;

/** Changes that fit a filter. Iterating ends when the loop is left or the store is disposed. */
export class ChangesObservable implements AsyncIterable<DocumentChange> {
    readonly #changes: DatabaseChanges;
    readonly #fits: (change: DocumentChange) => boolean;
    readonly #listeners = new Map<ChangeListener, () => void>();

    /** @internal */
    constructor(changes: DatabaseChanges, fits: (change: DocumentChange) => boolean) {
        this.#changes = changes;
        this.#fits = fits;
    }

    /** Calls `listener` for each change, from when `changes().ensureConnectedNow()` resolves. */
    on(_event: 'data', listener: ChangeListener): this {
        this.off('data', listener);
        const stop = this.#changes.listen((change) => { if (this.#fits(change)) listener(change); });
        this.#listeners.set(listener, stop);
        return this;
    }

    /** Stops calling `listener`. */
    off(_event: 'data', listener: ChangeListener): this {
        this.#listeners.get(listener)?.();
        this.#listeners.delete(listener);
        return this;
    }

    /** Changes from now on, none left out, as long as the loop runs. */
    [Symbol.asyncIterator](): AsyncIterator<DocumentChange> {
        const waiting: DocumentChange[] = [];
        let wake: () => void = () => undefined;
        let isEnded = false;
        const stop = this.#changes.listen(
            (change) => {
                if (!this.#fits(change)) return;
                waiting.push(change);
                wake();
            },
            () => { isEnded = true; wake(); },
        );
        return {
            async next(): Promise<IteratorResult<DocumentChange>> {
                while (waiting.length === 0 && !isEnded) await new Promise<void>((resolve) => { wake = resolve; });
                const value = waiting.shift();
                return value ? { value, done: false } : { value: undefined, done: true };
            },
            async return(): Promise<IteratorResult<DocumentChange>> {
                stop();
                return { value: undefined, done: true };
            },
        };
    }
}

/** The changes of a database: what this tab and others write. */
export class DatabaseChanges {
    readonly #listeners = new Map<ChangeListener, () => void>();
    readonly #setWatching: (isWatching: boolean) => Promise<unknown>;
    #connected: Promise<unknown> = Promise.resolve();

    /** @internal */
    constructor(setWatching: (isWatching: boolean) => Promise<unknown>) {
        this.#setWatching = setWatching;
    }

    /** Resolves when every listener added so far will hear of every later change. */
    async ensureConnectedNow(): Promise<this> {
        await this.#connected;
        return this;
    }

    forAllDocuments(): ChangesObservable {
        return new ChangesObservable(this, () => true);
    }

    forDocument(id: string): ChangesObservable {
        const key = id.toLowerCase();
        return new ChangesObservable(this, (change) => change.id.toLowerCase() === key);
    }

    forDocumentsStartingWith(prefix: string): ChangesObservable {
        const key = prefix.toLowerCase();
        return new ChangesObservable(this, (change) => change.id.toLowerCase().startsWith(key));
    }

    forDocumentsInCollection(collection: string): ChangesObservable {
        const key = collection.toLowerCase();
        return new ChangesObservable(this, (change) => change.collectionName.toLowerCase() === key);
    }

    /** @internal */
    listen(listener: ChangeListener, end: () => void = () => undefined): () => void {
        if (this.#listeners.size === 0) this.#connected = this.#setWatching(true);
        // Whoever calls ensureConnectedNow() hears of a failure.
        this.#connected.catch(() => undefined);
        this.#listeners.set(listener, end);
        return () => {
            this.#listeners.delete(listener);
            if (this.#listeners.size === 0) void this.#setWatching(false).catch(() => undefined);
        };
    }

    /** @internal */
    tell(changes: DocumentChange[]): void {
        for (const change of changes) tellAll(this.#listeners.keys(), change);
    }

    /** @internal */
    end(): void {
        for (const end of this.#listeners.values()) end();
        this.#listeners.clear();
    }
}
