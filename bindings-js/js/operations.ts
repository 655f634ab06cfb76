// Changing or deleting many documents, found by a query: `store.operations`.

import { ConcurrencyError, PinyonError } from './errors.js';
import { asStored } from './nested_types.js';
import type { DocumentQuery, RawDocumentQuery } from './query.js';
import type { DocumentSession } from './session.js';
import type { DocumentStore } from './store.js';

/** A query in RQL, or one built on a session. */
export type OperationQuery<T extends object> = string | ((session: DocumentSession) => DocumentQuery<T> | RawDocumentQuery<T>);

export interface OperationOptions {
    /** Of a query in RQL. */
    parameters?: Record<string, unknown>;
    /** Whether the index may lack what was stored last; otherwise it is waited for. */
    allowStale?: boolean;
}

export interface OperationResult {
    /** Documents that were found. */
    total: number;
    /** Documents that were changed or deleted. */
    changed: number;
}

/** Changes a document in place; `false` leaves it as it is. */
export type PatchFunction<T extends object> = (document: T, session: DocumentSession) => unknown;

const DOCUMENTS_AT_ONCE = 128;

/** `store.operations`: what is found in one state is changed in many saves. */
export class Operations {
    readonly #store: DocumentStore;

    /** @internal */
    constructor(store: DocumentStore) {
        this.#store = store;
    }

    /**
     * Changes what a query finds: by a function, which runs here and sees what is around it, or by
     * the `update { … }` at the end of a query in RQL, which is text that runs as a script and is
     * refused where the content security policy refuses that. A document that somebody else changes
     * meanwhile is changed as it is then.
     */
    async patchByQuery<T extends object>(
        query: OperationQuery<T>,
        patch?: PatchFunction<T> | OperationOptions,
        options: OperationOptions = typeof patch === 'object' ? patch : {},
    ): Promise<OperationResult> {
        if (typeof patch === 'function') return this.#patchByFunction(query, patch, options);
        return JSON.parse(await this.#store.call('patchByQuery', this.#sent(query, options), options.allowStale ?? false)) as OperationResult;
    }

    /** Deletes what a query finds. */
    async deleteByQuery<T extends object>(query: OperationQuery<T>, options: OperationOptions = {}): Promise<OperationResult> {
        return JSON.parse(await this.#store.call('deleteByQuery', this.#sent(query, options), options.allowStale ?? false)) as OperationResult;
    }

    #sent<T extends object>(query: OperationQuery<T>, { parameters = {} }: OperationOptions): string {
        if (typeof query === 'string') return JSON.stringify({ query, parameters: asStored(parameters) });
        const built = query(this.#store.openSession());
        return JSON.stringify(built.toWire(false));
    }

    async #patchByFunction<T extends object>(query: OperationQuery<T>, patch: PatchFunction<T>, options: OperationOptions): Promise<OperationResult> {
        const sent = JSON.parse(this.#sent(query, options)) as { query: string; parameters: Record<string, unknown> };
        const finding = this.#store.openSession({ noTracking: true });
        const found = finding.advanced.rawQuery<Record<string, unknown>>(sent.query);
        for (const [name, value] of Object.entries(sent.parameters)) found.addParameter(name, value);
        if (!options.allowStale) found.waitForNonStaleResults();
        const ids = await found.ids();
        let changed = 0;
        for (let at = 0; at < ids.length; at += DOCUMENTS_AT_ONCE) {
            changed += await this.#patchSome(ids.slice(at, at + DOCUMENTS_AT_ONCE), patch);
        }
        return { total: ids.length, changed };
    }

    /** One save; when somebody else was faster, everything is done again on what is stored then. */
    async #patchSome<T extends object>(ids: string[], patch: PatchFunction<T>): Promise<number> {
        for (;;) {
            const session = this.#store.openSession({ useOptimisticConcurrency: true });
            const documents = Object.values(await session.load<T>(ids));
            for (const document of documents) {
                if (document && (await patch(document, session)) === false) session.advanced.evict(document);
            }
            const changed = documents.filter((it) => it && session.advanced.isTracked(it) && session.advanced.hasChanged(it));
            try {
                await session.saveChanges();
                return changed.length;
            } catch (reason) {
                if (!(reason instanceof ConcurrencyError)) throw reason;
            }
        }
    }
}

/** @internal A path of properties and items, `lines[0].price`, as its parts. */
export function partsOf(path: string): (string | number)[] {
    const parts: (string | number)[] = [];
    for (const [, name, index] of path.matchAll(/([^.[\]]+)|\[(\d+)\]/g)) parts.push(index === undefined ? (name as string) : Number(index));
    if (!/^[^.[\]]+(\[\d+\])*(\.[^.[\]]+(\[\d+\])*)*$/.test(path)) throw new PinyonError('InvalidRequest', `'${path}' is not the path of a field`);
    return parts;
}
