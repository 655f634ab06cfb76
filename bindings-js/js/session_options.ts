// Choices for one session, by the names of this package and of the official client.

import { refuse } from './unsupported.js';

/** What a save checks: nothing, the documents that it writes, or those that were only read too. */
export type OptimisticConcurrencyMode = 'None' | 'Writes' | 'WritesAndReads';

/** Choices for one session. */
export interface SessionOptions {
    /** Whether changes are refused when somebody else changed a loaded document first. */
    useOptimisticConcurrency?: boolean;
    /** Loads are not tracked: entities are the caller's own, and nothing of them is saved. */
    noTracking?: boolean;
    /** Saving also fails when a document that was only read has changed since. */
    verifyLoaded?: boolean;
    /** Both of the above: `WritesAndReads` verifies what was loaded. */
    optimisticConcurrencyMode?: OptimisticConcurrencyMode;
    /** Instead of the store's: whether a save waits for the disk. */
    durability?: 'strict' | 'relaxed';
    /** The store's own; it has no other. */
    database?: string;
    /** Answers are always of what is stored. */
    noCaching?: boolean;
    transactionMode?: 'SingleNode';
}

/** @internal What a mode says in the names of this package. */
export function choicesOf(mode: OptimisticConcurrencyMode): { useOptimisticConcurrency: boolean; verifyLoaded: boolean } {
    return { useOptimisticConcurrency: mode !== 'None', verifyLoaded: mode === 'WritesAndReads' };
}

/** @internal Refuses the mode of transactions that one device cannot have. */
export function checkTransactionMode(mode: string | undefined): void {
    if (mode === 'ClusterWide') refuse("the transactionMode 'ClusterWide'", 'a save is one transaction, of this device');
}

/** @internal The choices of a session, with those of the conventions where it says nothing. */
export function sessionOptions(given: SessionOptions | string, database: string, convention: OptimisticConcurrencyMode | undefined): SessionOptions {
    const options = typeof given === 'string' ? { database: given } : given;
    if (options.database !== undefined && options.database !== database) {
        refuse(`a session of the database '${options.database}'`, `the store is of '${database}'; open another store`);
    }
    checkTransactionMode(options.transactionMode);
    const mode = options.optimisticConcurrencyMode ?? convention;
    return { ...(mode && choicesOf(mode)), ...options };
}
