/// <reference lib="esnext.disposable" preserve="true" />

// Many documents one after the other, without a session that remembers them.

import type { DocumentSession } from './session.js';
import type { SessionOptions } from './session_options.js';
import type { Metadata } from './entity.js';
import { PinyonError } from './errors.js';
import type { AttachmentContent } from './session_attachments.js';

/** So many documents are stored in one batch. */
const STORED_AT_ONCE = 1000;
/** Of attachments so many bytes count as much as a document. */
const BYTES_PER_DOCUMENT = 16 * 1024;

type OpenSession = (options: SessionOptions) => DocumentSession;

/** The attachments of one document: `bulkInsert.attachmentsFor(id)`. */
export interface AttachmentsBulkInsert {
    store(name: string, content: AttachmentContent, contentType?: string): Promise<void>;
}

/**
 * Stores many documents, over those that are there, in batches of a thousand: each is stored whole or
 * not at all. Nothing has to wait for a call before; `finish()` stores the rest.
 */
export class BulkInsert {
    readonly #open: OpenSession;
    #session: DocumentSession | undefined;
    /** How much waits in the session, and how many documents that are. */
    #weight = 0;
    #documents = 0;
    #stored = 0;
    #turns: Promise<unknown> = Promise.resolve();
    #ended: PinyonError | undefined;

    /** @internal */
    constructor(open: OpenSession) {
        this.#open = open;
    }

    /** Takes a document; without id it gets one that no other device makes. */
    store(entity: object, metadata?: Metadata): Promise<void>;
    store(entity: object, id?: string, metadata?: Metadata): Promise<void>;
    store(entity: object, idOrMetadata?: string | Metadata, metadata?: Metadata): Promise<void> {
        const isId = typeof idOrMetadata === 'string';
        const id = isId ? idOrMetadata : undefined;
        const more = isId ? metadata : (idOrMetadata ?? metadata);
        return this.#inTurn(async () => {
            // Of two with one id the later one stays.
            if (id !== undefined && this.#session?.advanced.isLoaded(id)) await this.#flush();
            const session = this.#current();
            await session.store(entity, id);
            Object.assign(session.advanced.getMetadataFor(entity), more);
            this.#documents += 1;
            await this.#weigh(1);
        });
    }

    /** Takes attachments of a document that was stored here or before. */
    attachmentsFor(id: string): AttachmentsBulkInsert {
        return {
            store: (name, content, contentType) => this.#inTurn(async () => {
                const blob = content instanceof Blob ? content : new Blob([content]);
                this.#current().advanced.attachments.store(id, name, blob, contentType);
                await this.#weigh(1 + blob.size / BYTES_PER_DOCUMENT);
            }),
        };
    }

    /** Stores what waits, and ends. */
    async finish(): Promise<void> {
        await this.#inTurn(() => this.#flush());
        this.#ended = new PinyonError('Closed', 'the bulk insert was finished');
    }

    /** Ends without what waits. What was stored before stays. */
    async abort(): Promise<void> {
        this.#ended ??= new PinyonError('Closed', 'the bulk insert was aborted');
        await this.#turns;
        this.#session = undefined;
    }

    [Symbol.asyncDispose](): Promise<void> {
        return this.#ended ? Promise.resolve() : this.finish();
    }

    #current(): DocumentSession {
        this.#session ??= this.#open({ useOptimisticConcurrency: false });
        return this.#session;
    }

    /** One after the other, and nothing after a failure. */
    #inTurn(work: () => Promise<void>): Promise<void> {
        const turn = this.#turns.then(async () => {
            if (this.#ended) throw this.#ended;
            await work();
        });
        this.#turns = turn.catch(() => undefined);
        return turn;
    }

    async #weigh(weight: number): Promise<void> {
        this.#weight += weight;
        if (this.#weight >= STORED_AT_ONCE) await this.#flush();
    }

    async #flush(): Promise<void> {
        const session = this.#session;
        this.#session = undefined;
        const documents = this.#documents;
        this.#documents = 0;
        this.#weight = 0;
        try {
            await session?.saveChanges();
        } catch (reason) {
            const { code, message } = reason as PinyonError;
            this.#ended = new PinyonError(code, `the bulk insert ended after ${this.#stored} documents: ${message}`);
            throw this.#ended;
        }
        this.#stored += documents;
    }
}
