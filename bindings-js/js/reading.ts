// Reading documents for a session: those that the page knows, and the rest from its worker.

import type { Connection } from './connection.js';
import type { Kept } from './document_cache.js';
import { partsOf, readingAgain, type Metadata } from './entity.js';

/** A document as it is sent to pages. */
type SentDocument = Record<string, unknown>;

/** A document, or what a query shows in place of one; and how to get it once more, untouched. */
export interface Found {
    /** `null` for none. */
    body: Record<string, unknown> | null;
    metadata: Metadata;
    again(): Found;
}

/** What a load found: by place, and what that refers to by id. */
export interface Loaded {
    results: Found[];
    includes: [string, Found][];
}

/** The answer of `load` as it is sent. */
interface SentLoad {
    Results: (SentDocument | null)[];
    Includes: Record<string, SentDocument | null>;
    Ends: number[];
}

/** What is known of a query's answer. */
export interface QueryFacts {
    TotalResults: number;
    IndexName: string;
    IsStale: boolean;
    ResultEtag: string;
    /** Where the query asks for them. */
    Highlightings?: Record<string, Record<string, string[]>>;
    Explanations?: Record<string, string[]>;
}

/** The answer of `query` as it is sent: with documents, or where keys are enough with those. */
type SentAnswer = QueryFacts & Omit<SentLoad, 'Ends'> & { Keys?: string[] };

/** What a query found. */
export interface Answered extends Loaded {
    facts: QueryFacts;
    /** As the page saw it. */
    durationInMs: number;
}

/** One that the page knows. */
class KeptDocument implements Found {
    body: Record<string, unknown> | null = null;
    metadata: Metadata = {};
    readonly #kept: Kept;

    constructor(kept: Kept) {
        this.#kept = kept;
        if (kept === null) return;
        if (typeof kept === 'string') {
            const document = JSON.parse(kept) as SentDocument | null;
            if (document) Object.assign(this, partsOf(document));
            return;
        }
        const { body, metadata } = kept;
        this.body = JSON.parse(body) as Record<string, unknown>;
        this.metadata = typeof metadata === 'string' ? (JSON.parse(metadata) as Metadata) : { ...metadata };
    }

    again(): Found {
        return new KeptDocument(this.#kept);
    }
}

const ofKept = (kept: Kept): Found => new KeptDocument(kept);

/** One of an answer. */
function ofSent(document: SentDocument | null, again: () => SentDocument | null | undefined): Found {
    const parts = document === null ? { body: null, metadata: {} } : partsOf(document);
    return { ...parts, again: () => ofSent(again() ?? null, again) };
}

function ofAnswer(sent: Omit<SentLoad, 'Ends'>, text: string): Loaded {
    const again = readingAgain<Omit<SentLoad, 'Ends'>>(text);
    return {
        results: sent.Results.map((document, at) => ofSent(document, () => again().Results[at])),
        includes: Object.entries(sent.Includes).map(([id, document]) => [id, ofSent(document, () => again().Includes[id])]),
    };
}

/** The documents of an answer that has nothing else. */
export function foundOf(text: string): Found[] {
    return ofAnswer({ Results: (JSON.parse(text) as SentLoad).Results, Includes: {} }, text).results;
}

/** Loads documents by id. */
export async function loadDocuments(connection: Connection, ids: string[], includes: string[] = []): Promise<Loaded> {
    const { documents } = connection;
    const known = includes.length === 0 ? documents?.answer(ids) : undefined;
    if (known) return { results: known.map(ofKept), includes: [] };
    const moment = documents?.moment;
    const text = await connection.call('load', ids, includes);
    const sent = JSON.parse(text) as SentLoad;
    if (documents && moment !== undefined && includes.length === 0) documents.keep(ids, text, sent.Ends, moment);
    return ofAnswer(sent, text);
}

/**
 * Answers a query. As long as nobody but this page writes, the worker is asked which documents
 * answer it, and only for those of them that the page does not have.
 */
export async function answerQuery(connection: Connection, question: Record<string, unknown>): Promise<Answered> {
    const begin = performance.now();
    const answer = await askQuery(connection, question);
    return { ...answer, durationInMs: performance.now() - begin };
}

async function askQuery(connection: Connection, question: Record<string, unknown>): Promise<Omit<Answered, 'durationInMs'>> {
    const { documents } = connection;
    const moment = documents?.moment;
    if (documents && moment !== undefined && documents.isSince(moment)) {
        const text = await connection.call('query', JSON.stringify({ ...question, onlyKeys: true }));
        const { Keys, ...sent } = JSON.parse(text) as SentAnswer;
        if (!Keys) return { facts: sent, ...ofAnswer(sent, text) };
        const results = await documentsOfKeys(connection, Keys, moment);
        if (results) return { facts: sent, results, includes: [] };
        // Something was written meanwhile: one answer has everything from one state.
    }
    const text = await connection.call('query', JSON.stringify(question));
    const sent = JSON.parse(text) as SentAnswer;
    return { facts: sent, ...ofAnswer(sent, text) };
}

/** The documents of an answer that was asked for at `moment`, if they are still those. */
async function documentsOfKeys(connection: Connection, keys: string[], moment: number): Promise<Found[] | undefined> {
    const { documents } = connection;
    if (!documents?.isSince(moment)) return undefined;
    const known = keys.map((key) => documents.find(key));
    const missing = keys.filter((_, at) => known[at] === undefined);
    const loaded = missing.length > 0 ? (await loadDocuments(connection, missing)).results : [];
    if (!documents.isSince(moment)) return undefined;
    const found = known.map((kept) => (kept === undefined ? (loaded.shift() as Found) : ofKept(kept)));
    // A document that an index has and that is not there: the whole answer tells why.
    return found.some(({ body }) => body === null) ? undefined : found;
}
