// The indexes of a database: put, looked at, changed, deleted.

import { AbstractJavaScriptIndexCreationTask, instanceOf, toWire } from './index_definition.js';
import type { IndexDefinition, IndexLockMode, IndexPriority, IndexTask } from './index_definition.js';
import type { DocumentStore } from './store.js';

export type IndexType =
    | 'AutoMap' | 'AutoMapReduce' | 'JavaScriptMap' | 'JavaScriptMapReduce' | 'Map' | 'MapReduce';

/** How an index stands. */
export interface IndexStatistics {
    name: string;
    type: IndexType;
    /** `Error`: it failed too often, and refuses queries. */
    state: 'Normal' | 'Disabled' | 'Idle' | 'Error';
    status: 'Running' | 'Paused' | 'Disabled';
    isStale: boolean;
    /** Why it is stale, in words. */
    stalenessReasons: string[];
    entriesCount: number;
    errorsCount: number;
    mapAttempts: number;
    mapErrors: number;
    reduceAttempts: number;
    reduceErrors: number;
    priority: IndexPriority;
    lockMode: IndexLockMode;
    createdTimestamp: Date;
    lastIndexingTime: Date | null;
    lastQueryingTime: Date | null;
}

/** A document, or a group, that an index could not take. */
export interface IndexingError {
    timestamp: string;
    document: string | null;
    /** `Map` or `Reduce`. */
    action: string;
    error: string;
}

export interface IndexErrors {
    name: string;
    errors: IndexingError[];
}

/** A definition as the database keeps it, in the protocol's names. */
export type StoredIndexDefinition = { Name: string; Type: IndexType; Maps: string[]; Reduce?: string | null } & Record<string, unknown>;

type WireStatistics = Record<string, unknown>;

function toStatistics(wire: WireStatistics): IndexStatistics {
    const camel = Object.entries(wire).map(([name, value]) => [name.charAt(0).toLowerCase() + name.slice(1), value]);
    const { collections: _, ...statistics } = Object.fromEntries(camel) as Record<string, unknown>;
    const date = (value: unknown): Date | null => (typeof value === 'string' ? new Date(value) : null);
    return {
        ...statistics,
        createdTimestamp: date(statistics.createdTimestamp) as Date,
        lastIndexingTime: date(statistics.lastIndexingTime),
        lastQueryingTime: date(statistics.lastQueryingTime),
    } as IndexStatistics;
}

/** The indexes: `store.indexes`. */
export class Indexes {
    readonly #store: DocumentStore;

    /** @internal */
    constructor(store: DocumentStore) {
        this.#store = store;
    }

    /**
     * Defines indexes. One that is defined so already stays; one that is defined otherwise answers
     * until the new one has caught up. What cannot be understood is refused, with its place.
     */
    async put(...definitions: (IndexDefinition | IndexTask)[]): Promise<void> {
        for (const it of definitions) {
            const isTask = typeof it === 'function' || it instanceof AbstractJavaScriptIndexCreationTask;
            const definition = isTask ? instanceOf(it).toDefinition(this.#store.conventions) : it;
            await this.#store.call('putIndex', toWire(definition));
        }
    }

    async getNames(): Promise<string[]> {
        return (await this.#about('names', [])) as string[];
    }

    /** A definition as it is kept; an error if there is no such index. */
    async get(name: string): Promise<StoredIndexDefinition> {
        const [definition] = (await this.#about('definitions', [name])) as StoredIndexDefinition[];
        return definition as StoredIndexDefinition;
    }

    async getAll(): Promise<StoredIndexDefinition[]> {
        return (await this.#about('definitions', [])) as StoredIndexDefinition[];
    }

    /** How one index stands, or all of them. */
    async getStatistics(): Promise<IndexStatistics[]>;
    async getStatistics(name: string): Promise<IndexStatistics>;
    async getStatistics(name?: string): Promise<IndexStatistics | IndexStatistics[]> {
        const found = (await this.#about('statistics', name === undefined ? [] : [name])) as WireStatistics[];
        const statistics = found.map(toStatistics);
        return name === undefined ? statistics : (statistics[0] as IndexStatistics);
    }

    /** What went wrong, in some indexes or in all. */
    async getErrors(...names: string[]): Promise<IndexErrors[]> {
        const found = (await this.#about('errors', names)) as { Name: string; Errors: Record<string, unknown>[] }[];
        return found.map(({ Name, Errors }) => ({
            name: Name,
            errors: Errors.map((it) => ({
                timestamp: it.Timestamp as string,
                document: (it.Document as string | null) ?? null,
                action: it.Action as string,
                error: it.Error as string,
            })),
        }));
    }

    async clearErrors(...names: string[]): Promise<void> {
        for (const name of names.length > 0 ? names : await this.getNames()) await this.#change(name, 'clearErrors');
    }

    /** Whether there was such an index. */
    delete(name: string): Promise<boolean> {
        return this.#change(name, 'delete');
    }

    /** Lets an index begin anew. */
    async reset(name: string): Promise<void> {
        await this.#change(name, 'reset');
    }

    /** Lets an index follow no documents, until `enable()`. */
    async disable(name: string): Promise<void> {
        await this.#change(name, 'disabled', true);
    }

    async enable(name: string): Promise<void> {
        await this.#change(name, 'disabled', false);
    }

    async setPriority(name: string, priority: IndexPriority): Promise<void> {
        await this.#change(name, 'priority', priority);
    }

    async setLockMode(name: string, lockMode: IndexLockMode): Promise<void> {
        await this.#change(name, 'lockMode', lockMode);
    }

    /** Puts what shall replace an index in its place, caught up or not. */
    async swap(name: string): Promise<void> {
        await this.#change(name, 'swap');
    }

    /** The terms of a field, in order. */
    getTerms(name: string, field: string, { after, pageSize = 1024 }: { after?: string; pageSize?: number } = {}): Promise<string[]> {
        return this.#store.call('indexTerms', name, field, after, pageSize);
    }

    /** Resolves when indexes (all, unless named) have what is stored now. */
    waitForNonStale(...names: string[]): Promise<void> {
        return this.#store.call('waitForIndexes', names);
    }

    async #about(what: string, names: string[]): Promise<unknown> {
        return JSON.parse(await this.#store.call('aboutIndexes', what, names)) as unknown;
    }

    #change(name: string, what: string, to: unknown = null): Promise<boolean> {
        return this.#store.call('changeIndex', name, what, JSON.stringify(to));
    }
}
