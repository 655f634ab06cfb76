/// <reference lib="esnext.disposable" preserve="true" />

// A session: a unit of work over some documents, saved all or nothing.

import { AdvancedSession } from './advanced_session.js';
import type { Connection } from './connection.js';
import type { DocumentConventions, DocumentType } from './conventions.js';
import type { Writing } from './document_cache.js';
import { checkedId, givenIds } from './document_id.js';
import {
    documentText, metadataState, ofParts, partsOf, storedState, textOf, type Metadata, type StoredState, type TrackedEntity,
} from './entity.js';
import { ConcurrencyError, PinyonError } from './errors.js';
import { includePaths, type IncludeBuilder } from './includes.js';
import type { IndexTask } from './index_definition.js';
import type { Lazy } from './lazy.js';
import type { LiveSource } from './live.js';
import { bodyText, NESTED_TYPES, noteTypes, reviveTypes } from './nested_types.js';
import { DocumentQuery, type QueryOptions } from './query.js';
import { loadDocuments, type Found } from './reading.js';
import type { SessionOptions } from './session_options.js';
import type { StoreEvents } from './store.js';
import { refuseAll } from './unsupported.js';

export interface LoadOptions<T extends object> {
    /** Paths of properties that hold ids of documents to load with these, as a list or built. */
    includes?: string[] | ((builder: IncludeBuilder) => void);
    documentType?: DocumentType<T>;
}

export interface StoreOptions<T extends object> {
    documentType?: DocumentType<T>;
    /** The version to replace: '' for none yet, `null` for any. */
    changeVector?: string | null;
}

/** Documents by id; `null` for ids without one. */
export type EntitiesCollection<T> = Record<string, T | null>;

interface CommandResult {
    Type: string;
    '@id'?: string;
    Id?: string;
    '@change-vector'?: string;
    ChangeVector?: string;
    DocumentChangeVector?: string | null;
    [name: string]: unknown;
}

/** Lists, dates, sets and maps are values within documents. */
const VALUES = ['Array', 'Date', 'Map', 'Set'].map((it) => `[object ${it}]`);

function isDocument(entity: unknown): boolean {
    return typeof entity === 'object' && entity !== null && !VALUES.includes(Object.prototype.toString.call(entity));
}

/** What an entity to be stored says of its metadata. */
function metadataGiven(given: unknown, id: string): Metadata | undefined {
    if (given === undefined || given === null || isDocument(given)) return given as Metadata | undefined;
    throw new PinyonError('InvalidRequest', `'${id}' cannot be stored: its @metadata must be an object, not '${String(given)}'`);
}

const isPromise = (id: unknown): id is Promise<string> => typeof (id as Promise<string> | undefined)?.then === 'function';

/** Documents of fewer characters are sent within their commands. */
const LEAST_PACKED = 8192;
const encoder = new TextEncoder();

/** Documents to delete of which the session knows the ids only. */
type DeletedIds = Map<string, { id: string; changeVector: string | null }>;

/** @internal A command that is not about a whole tracked document. */
export interface DeferredCommand {
    command: Record<string, unknown>;
    content?: Blob;
}

/** A unit of work. Load, change, store and delete, then `saveChanges()`. */
export class DocumentSession {
    readonly advanced: AdvancedSession;
    /** @internal */
    readonly connection: Connection;
    /** @internal */
    readonly conventions: DocumentConventions;
    /** @internal */
    readonly options: SessionOptions;
    /** @internal */
    readonly tracked = new Map<string, TrackedEntity>();
    readonly #byEntity = new WeakMap<object, TrackedEntity>();
    /** What is not in there yet. */
    readonly #unlisted: TrackedEntity[] = [];
    /** @internal Ids known to have no document. */
    readonly missing = new Set<string>();
    /** @internal */
    readonly deferred: DeferredCommand[] = [];
    readonly #deletedIds: DeletedIds = new Map();
    /** Ends with the last save that was asked for; saves follow each other. */
    #saved: Promise<void> | undefined;
    /** Counts how often everything was forgotten. */
    #forgotten = 0;
    readonly #events: StoreEvents;
    /** @internal */
    readonly liveSource: LiveSource;
    /** @internal */
    requestCount = 0;
    /** @internal What a save waits for. */
    afterSave: (() => Promise<void>) | undefined;
    /** @internal What is lazy, and was not asked for. */
    readonly pendingLazies: Lazy<unknown>[] = [];

    /** @internal */
    constructor(
        connection: Connection,
        conventions: DocumentConventions,
        events: StoreEvents,
        options: SessionOptions,
        liveSource: LiveSource,
        readonly databaseName = '',
    ) {
        this.connection = connection;
        this.conventions = conventions;
        this.options = options;
        this.#events = events;
        this.liveSource = liveSource;
        this.advanced = new AdvancedSession(this);
    }

    /** One document, or `null`; several, by id. What the session has already is not loaded again; `null` is nobody's id. */
    load<T extends object>(id: string, options?: LoadOptions<T> | DocumentType<T>): Promise<T | null>;
    load<T extends object>(ids: string[], options?: LoadOptions<T> | DocumentType<T>): Promise<EntitiesCollection<T>>;
    async load<T extends object>(
        ids: string | string[],
        options: LoadOptions<T> | DocumentType<T> = {},
    ): Promise<T | null | EntitiesCollection<T>> {
        const { includes: toInclude, documentType } =
            typeof options === 'object' ? options : ({ documentType: options } as LoadOptions<T>);
        const includes = includePaths(toInclude);
        const wanted = givenIds(ids);
        const unknown = [...new Set(wanted)].filter((id) => {
            const key = id.toLowerCase();
            // Includes need the whole request, for the documents they come from may be known.
            return includes.length > 0 || !(this.tracked.has(key) || this.missing.has(key) || this.#deletedIds.has(key));
        });
        const loaded = new Map<string, object>();
        if (unknown.length > 0) {
            this.requestCount += 1;
            const { results, includes: included } = await loadDocuments(this.connection, unknown, includes);
            results.forEach((found, at) => {
                const id = unknown[at] as string;
                const entity = this.track(id, found, documentType);
                if (entity) loaded.set(id.toLowerCase(), entity);
            });
            if (!this.options.noTracking) for (const [id, found] of included) this.track(id, found, undefined);
        }
        const found = (id: string): T | null => {
            const key = id.toLowerCase();
            const tracked = this.tracked.get(key);
            return ((tracked?.isDeleted ? undefined : tracked?.entity) ?? loaded.get(key) ?? null) as T | null;
        };
        if (!Array.isArray(ids)) return wanted[0] === undefined ? null : found(wanted[0]);
        return Object.fromEntries(wanted.map((id) => [id, found(id)]));
    }

    /** Queries a collection, by its name or its class, or an index. */
    query<T extends object>(options: QueryOptions<T> | DocumentType<T>, index?: IndexTask): DocumentQuery<T> {
        const given = typeof options === 'object' ? options : { documentType: options };
        const asked = index === undefined ? given : { ...given, index };
        const { documentType } = asked;
        const isNamed = [asked.collection, asked.indexName, asked.index].some((it) => it !== undefined);
        if (isNamed || !documentType) return new DocumentQuery<T>(this, asked);
        return new DocumentQuery<T>(this, { ...asked, collection: this.conventions.getCollectionNameForType(documentType) });
    }

    /** Loads with what the documents refer to: `session.include('company').load('orders/1')`. */
    include(path: string): LoaderWithInclude {
        return new LoaderWithInclude(this, [path]);
    }

    /** Puts an entity into the session; without id it gets one that no other device makes. */
    async store<T extends object>(entity: T, id?: string, options: StoreOptions<T> | DocumentType<T> = {}): Promise<void> {
        const { documentType, changeVector } =
            typeof options === 'object' ? options : ({ documentType: options } as StoreOptions<T>);
        if (!isDocument(entity)) throw new PinyonError('InvalidRequest', 'what is stored must be an object with members of its own');
        const known = this.byEntity.get(entity);
        if (known) {
            if (changeVector !== undefined) known.expected = changeVector;
            known.isForced ||= changeVector !== undefined;
            known.isDeleted = false;
            return;
        }
        const record = entity as Record<string, unknown>;
        const { collection, typeName } = this.conventions.describe(entity, documentType);
        const property = this.conventions.identityPropertyOf(entity);
        const given = id ?? (typeof record[property] === 'string' ? (record[property] as string) : undefined);
        const made = given || this.#generateId(entity, collection);
        const chosen = checkedId(isPromise(made) ? await made : made);
        // Somebody stored it while its id was made.
        if (chosen !== made && this.byEntity.has(entity)) return;
        const key = chosen.toLowerCase();
        const other = this.tracked.get(key);
        if (other && !other.isDeleted) {
            throw new PinyonError('InvalidRequest', `the session has another entity with the id '${chosen}'`);
        }
        if (record[property] !== chosen && !Reflect.set(record, property, chosen)) {
            throw new PinyonError('InvalidRequest', `the entity cannot be given its id '${chosen}': it is frozen`);
        }
        const metadata: Metadata = { ...metadataGiven(record['@metadata'], chosen) };
        if (collection !== undefined) metadata['@collection'] ??= collection;
        if (typeName !== undefined) metadata['Raven-Node-Type'] ??= typeName;
        const tracked: TrackedEntity = {
            id: chosen,
            entity: record,
            metadata,
            // A deleted document of this session is replaced, not met for the first time.
            changeVector: other?.changeVector ?? null,
            stored: undefined,
            isDeleted: false,
            isForced: true,
        };
        // An id just made up is in nobody's way, whatever the session checks otherwise.
        if (changeVector !== undefined) tracked.expected = changeVector;
        else if (!given) tracked.expected = '';
        if (other) this.byEntity.delete(other.entity);
        this.#remember(key, tracked);
        this.#deletedIds.delete(key);
        this.missing.delete(key);
    }

    /** Nothing is waited for unless the application makes ids: entities belong to the session at once. */
    #generateId(entity: object, collection: string | undefined): string | Promise<string> {
        const { conventions } = this;
        return conventions.idConventionOf(entity)?.(this.databaseName, entity) ?? conventions.generateId(collection);
    }

    /** Marks a document for deletion, by its entity or its id. */
    async delete(entityOrId: object | string, expectedChangeVector?: string): Promise<void> {
        if (typeof entityOrId === 'object') {
            const tracked = this.advanced.trackedOf(entityOrId);
            tracked.isDeleted = true;
            return;
        }
        if (typeof entityOrId !== 'string') throw new PinyonError('InvalidRequest', 'what is deleted must be an entity or an id');
        const key = checkedId(entityOrId).toLowerCase();
        const tracked = this.tracked.get(key);
        if (tracked) {
            tracked.isDeleted = true;
            if (expectedChangeVector !== undefined) tracked.expected = expectedChangeVector;
            return;
        }
        this.#deletedIds.set(key, { id: entityOrId, changeVector: expectedChangeVector ?? null });
    }

    /** @internal */
    get deletedIds(): string[] {
        return [...this.#deletedIds.values()].map((it) => it.id);
    }

    /**
     * Saves everything, all or nothing. After a failure the session is as it was. What changes while
     * a save is under way is for the next one, which begins when it has ended.
     */
    async saveChanges(): Promise<void> {
        const before = this.#saved;
        let end: () => void = () => undefined;
        const saved = new Promise<void>((resolve) => { end = resolve; });
        this.#saved = saved;
        try {
            if (before) {
                const forgotten = this.#forgotten;
                await before;
                if (forgotten !== this.#forgotten) {
                    throw new PinyonError('InvalidRequest', 'the session was cleared before this save could begin');
                }
            }
            await this.#save();
        } finally {
            if (this.#saved === saved) this.#saved = undefined;
            end();
        }
    }

    async #save(): Promise<void> {
        const save = new Save(this, this.#deletedIds);
        this.#tellBefore();
        save.collect();
        if (save.isEmpty) return;
        this.requestCount += 1;
        let results: CommandResult[] | undefined;
        // Until it ends nobody gets one of them as it was and another as it is.
        save.begin();
        try {
            const { commands, documents } = save.toWire();
            const text = await this.connection.call('batch', commands, save.contents, this.options.durability, undefined, documents);
            results = (JSON.parse(text) as { Results: CommandResult[] }).Results;
        } catch (reason) {
            if (!(reason as { isDoneAlready?: boolean }).isDoneAlready) {
                save.giveBack();
                throw reason;
            }
        } finally {
            save.end();
        }
        save.takeOut();
        if (results) save.settle(results);
        else await save.settleUnanswered();
        for (const { id, entity } of save.puts) this.#events.afterSaveChanges({ session: this, documentId: id, entity });
        await this.afterSave?.();
    }

    #tellBefore(): void {
        for (const tracked of this.tracked.values()) {
            if (!tracked.isDeleted && this.advanced.hasChanged(tracked.entity)) {
                this.#events.beforeStore({ session: this, documentId: tracked.id, entity: tracked.entity, metadata: tracked.metadata });
            } else if (tracked.isDeleted) {
                this.#events.beforeDelete({ session: this, documentId: tracked.id, entity: tracked.entity });
            }
        }
        for (const { id } of this.#deletedIds.values()) {
            this.#events.beforeDelete({ session: this, documentId: id, entity: null });
        }
    }

    /** @internal Takes in a document as it is stored. */
    track<T extends object>(
        id: string,
        found: Found,
        documentType: DocumentType<T> | undefined,
        isTracking = !this.options.noTracking,
    ): object | undefined {
        const key = id.toLowerCase();
        const isOfSession = isTracking || this.options.noTracking;
        if (this.#deletedIds.has(key) && isOfSession) return undefined;
        if (found.body === null) {
            if (isTracking && !this.tracked.has(key)) this.missing.add(key);
            return undefined;
        }
        const known = isOfSession ? this.tracked.get(key) : undefined;
        if (known) return known.isDeleted ? undefined : known.entity;
        const tracked: TrackedEntity = ofParts(found.body, found.metadata, this.conventions, documentType);
        if (!isTracking) return tracked.entity;
        tracked.stored = () => {
            const { body, metadata } = found.again();
            return textOf(ofParts(body as Record<string, unknown>, metadata, this.conventions, documentType), this.conventions);
        };
        this.#remember(key, tracked);
        return tracked.entity;
    }

    #remember(key: string, tracked: TrackedEntity): void {
        this.tracked.set(key, tracked);
        this.#unlisted.push(tracked);
    }

    /** @internal What is known of an entity; most are read and never asked about. */
    get byEntity(): WeakMap<object, TrackedEntity> {
        for (const tracked of this.#unlisted.splice(0)) this.#byEntity.set(tracked.entity, tracked);
        return this.#byEntity;
    }

    /** @internal An entity as the document that storing it would make. */
    documentOf(entity: object): Record<string, unknown> {
        const { conventions } = this;
        const { [conventions.identityPropertyOf(entity)]: _id, '@metadata': given, ...body } = entity as Record<string, unknown>;
        const metadata: Metadata = { ...(given as Metadata | undefined) };
        const { collection, typeName } = conventions.describe(entity);
        if (collection !== undefined) metadata['@collection'] ??= collection;
        if (typeName !== undefined) metadata['Raven-Node-Type'] ??= typeName;
        const { text, types } = bodyText(body);
        noteTypes(metadata, types);
        return { ...(JSON.parse(text ?? '{}') as object), '@metadata': metadata };
    }

    /** Forgets everything; nothing unsaved is saved. */
    dispose(): void {
        this.#forgotten += 1;
        for (const { entity } of this.tracked.values()) this.byEntity.delete(entity);
        this.tracked.clear();
        this.missing.clear();
        this.deferred.length = 0;
        this.#deletedIds.clear();
    }

    [Symbol.dispose](): void {
        this.dispose();
    }
}

refuseAll(DocumentSession.prototype, {
    countersFor: 'there are no counters',
    'timeSeriesFor timeSeriesRollupFor incrementalTimeSeriesFor': 'there are no time series',
});

/** A load with includes. */
export class LoaderWithInclude {
    readonly #session: DocumentSession;
    readonly #paths: string[];

    /** @internal */
    constructor(session: DocumentSession, paths: string[]) {
        this.#session = session;
        this.#paths = paths;
    }

    include(path: string): LoaderWithInclude {
        return new LoaderWithInclude(this.#session, [...this.#paths, path]);
    }

    load<T extends object>(id: string, documentType?: DocumentType<T>): Promise<T | null>;
    load<T extends object>(ids: string[], documentType?: DocumentType<T>): Promise<EntitiesCollection<T>>;
    load<T extends object>(ids: string | string[], documentType?: DocumentType<T>): Promise<T | null | EntitiesCollection<T>> {
        const options: LoadOptions<T> = { includes: this.#paths };
        if (documentType !== undefined) options.documentType = documentType;
        return this.#session.load<T>(ids as string, options);
    }
}

/** A put of a document, given as its text. */
interface Put {
    id: string;
    changeVector: string | null;
    document: string;
}

/** Puts of documents whose texts lie beside the commands, one after the other. */
interface Puts {
    Type: 'PUTS';
    Ids: string[];
    ChangeVectors: (string | null)[];
    Start: number;
    Ends: number[];
}

/** Metadata that the database makes, which an answer brings. */
const ANSWERED = ['@id', '@collection', '@change-vector', '@last-modified', '@flags'];
/** Metadata beginning with `@` that is the application's. */
const GIVEN = new Set(['@collection', '@expires', '@refresh', NESTED_TYPES]);
/** Metadata that a document has as it was sent, or as the answer says. */
const AS_SENT = new Set(['@id', '@collection', '@change-vector', '@last-modified', '@expires', '@refresh', NESTED_TYPES]);
const isKeptAsSent = (name: string): boolean => !name.startsWith('@') || AS_SENT.has(name);

function commandText(command: string | Put): string {
    if (typeof command === 'string') return command;
    const { id, changeVector, document } = command;
    return `{"Type":"PUT","Id":${JSON.stringify(id)},"ChangeVector":${JSON.stringify(changeVector)},"Document":${document}}`;
}

/** One save: the commands, and what becomes of the session when they are done. */
class Save {
    readonly #session: DocumentSession;
    readonly #deletedIds: DeletedIds;
    /** What was sent of the session's. */
    #sentIds: DeletedIds = new Map();
    #deferred: DeferredCommand[] = [];
    readonly #deletes: TrackedEntity[] = [];
    /** What counts for this save only. */
    readonly #taken = new Map<TrackedEntity, { expected: string | null | undefined; isForced: boolean }>();
    /** As JSON, but for puts. */
    readonly #commands: (string | Put)[] = [];
    readonly #settlers: ((result: CommandResult) => void)[] = [];
    readonly contents: Blob[] = [];
    readonly puts: TrackedEntity[] = [];
    readonly #writtenIds: string[] = [];
    #writing: Writing | undefined;
    readonly #sent = new Map<TrackedEntity, { body: string; metadata: string }>();

    constructor(session: DocumentSession, deletedIds: DeletedIds) {
        this.#session = session;
        this.#deletedIds = deletedIds;
    }

    get isEmpty(): boolean {
        return this.#commands.length === 0;
    }

    /** The documents that change, if they can be told beforehand. */
    get #changedIds(): string[] | undefined {
        const isMadeByDatabase = (id: string): boolean => id.endsWith('|') || id.endsWith('/');
        return this.#deferred.length > 0 || this.#writtenIds.some(isMadeByDatabase) ? undefined : this.#writtenIds;
    }

    /** It is about to be sent: what entities are told from now on is for the next save. */
    begin(): void {
        this.#writing = this.#session.connection.documents?.beginWriting(this.#changedIds);
        for (const tracked of [...this.puts, ...this.#deletes]) {
            this.#taken.set(tracked, { expected: tracked.expected, isForced: tracked.isForced });
            delete tracked.expected;
            tracked.isForced = false;
        }
    }

    /** It failed: the next save begins with the same, and with what came meanwhile. */
    giveBack(): void {
        for (const [tracked, { expected, isForced }] of this.#taken) {
            if (expected !== undefined && tracked.expected === undefined) tracked.expected = expected;
            tracked.isForced ||= isForced;
        }
    }

    /** It was done: what was sent, and nothing that came meanwhile, is not to be sent again. */
    takeOut(): void {
        const { deferred, tracked, missing } = this.#session;
        // Commands are added at the end, unless all were forgotten.
        if (deferred[0] === this.#deferred[0]) deferred.splice(0, this.#deferred.length);
        for (const [key, sent] of this.#sentIds) {
            if (this.#deletedIds.get(key) !== sent) continue;
            this.#deletedIds.delete(key);
            if (!tracked.has(key)) missing.add(key);
        }
    }

    /** It was answered, or failed. */
    end(): void {
        if (this.#writing) this.#session.connection.documents?.endWriting(this.#writing);
    }

    /**
     * The commands as JSON. Many bytes of documents go beside them: they are handed over, not
     * copied from thread to thread, and puts that follow each other become one command, which says
     * where each document ends.
     */
    toWire(): { commands: string; documents: Uint8Array | undefined } {
        const all = this.#commands.map((it) => (typeof it === 'string' ? '' : it.document)).join('');
        if (all.length < LEAST_PACKED) return { commands: `[${this.#commands.map(commandText).join(',')}]`, documents: undefined };
        const documents = encoder.encode(all);
        const isAscii = documents.length === all.length;
        const written: string[] = [];
        let end = 0;
        let puts: Puts | undefined;
        const finishPuts = (): void => {
            if (puts) written.push(JSON.stringify(puts));
            puts = undefined;
        };
        for (const command of this.#commands) {
            if (typeof command === 'string') {
                finishPuts();
                written.push(command);
                continue;
            }
            puts ??= { Type: 'PUTS', Ids: [], ChangeVectors: [], Start: end, Ends: [] };
            end += isAscii ? command.document.length : encoder.encode(command.document).length;
            puts.Ids.push(command.id);
            puts.ChangeVectors.push(command.changeVector);
            puts.Ends.push(end);
        }
        finishPuts();
        return { commands: `[${written.join(',')}]`, documents };
    }

    collect(): void {
        const read: Record<string, string | null> = {};
        for (const tracked of this.#session.tracked.values()) {
            if (tracked.isDeleted) this.#addDelete(tracked);
            else if (this.#session.advanced.hasChanged(tracked.entity)) this.#addPut(tracked);
            else read[tracked.id] = tracked.changeVector;
        }
        this.#sentIds = new Map(this.#deletedIds);
        for (const { id, changeVector } of this.#sentIds.values()) {
            this.#writtenIds.push(id);
            this.#add({ Type: 'DELETE', Id: id, ChangeVector: changeVector }, () => undefined);
        }
        this.#deferred = [...this.#session.deferred];
        for (const { command, content } of this.#deferred) {
            if (content) this.contents.push(content);
            this.#add(content ? { ...command, Content: this.contents.length - 1 } : command, (result) => this.#settleDeferred(result));
        }
        if (this.#session.options.verifyLoaded && !this.isEmpty) {
            for (const id of this.#session.missing) read[id] = null;
            this.#commands.unshift(JSON.stringify({ Type: 'BatchTrackChanges', TrackedEntities: read }));
            this.#settlers.unshift(() => undefined);
        }
    }

    /** What the writer believes is stored; `null` for anything. */
    #expected(tracked: TrackedEntity): string | null {
        if (tracked.expected !== undefined) return tracked.expected;
        const { options, conventions } = this.#session;
        if (!(options.useOptimisticConcurrency ?? conventions.useOptimisticConcurrency)) return null;
        return tracked.changeVector ?? '';
    }

    #addPut(tracked: TrackedEntity): void {
        const text = textOf(tracked, this.#session.conventions);
        this.#sent.set(tracked, text);
        this.puts.push(tracked);
        this.#writtenIds.push(tracked.id);
        this.#commands.push({ id: tracked.id, changeVector: this.#expected(tracked), document: documentText(text) });
        this.#settlers.push((result) => {
            const isOwnId = result['@id'] === tracked.id;
            this.#setVersion(tracked, result['@change-vector'] ?? null, isOwnId);
            // What was sent: the application may have changed both meanwhile.
            const isSame = JSON.stringify(tracked.metadata) === text.metadata;
            const metadata = isSame ? tracked.metadata : (JSON.parse(text.metadata) as Metadata);
            const isWithoutCollection = result['@collection'] === '@empty';
            for (const name of ANSWERED) {
                if (result[name] === undefined || (name === '@collection' && isWithoutCollection)) continue;
                tracked.metadata[name] = metadata[name] = result[name];
            }
            this.#rename(tracked, result['@id']);
            this.#settlePut(tracked, text.body, metadata);
            const isAsSent = isOwnId && !(isWithoutCollection && '@collection' in metadata) && Object.keys(metadata).every(isKeptAsSent);
            // What the database adds beyond this, it is asked for; so is what other commands change.
            if (isAsSent && this.#writing?.ids) {
                this.#session.connection.documents?.wrote(this.#writing, tracked.id, { ...(tracked.stored as StoredState) });
            }
        });
    }

    /** The database numbered it. */
    #rename(tracked: TrackedEntity, id: string | undefined): void {
        if (id === undefined || id.toLowerCase() === tracked.id.toLowerCase()) return;
        const { tracked: all, conventions } = this.#session;
        const current = all.get(tracked.id.toLowerCase());
        if (current === tracked) all.delete(tracked.id.toLowerCase());
        tracked.id = id;
        tracked.entity[conventions.identityPropertyOf(tracked.entity)] = id;
        // One that was evicted meanwhile stays so; one that was deleted is still to be deleted.
        if (current === tracked || (current && tracked.isDeleted)) all.set(id.toLowerCase(), tracked);
    }

    /** The version is also that of an entity which was stored in the place of this one meanwhile. */
    #setVersion(tracked: TrackedEntity, changeVector: string | null, isOwnId = true): void {
        const current = this.#session.tracked.get(tracked.id.toLowerCase());
        const isReplaced = current !== undefined && current !== tracked && current.stored === undefined;
        if (isReplaced && isOwnId && current.changeVector === tracked.changeVector) current.changeVector = changeVector;
        tracked.changeVector = changeVector;
    }

    #settlePut(tracked: TrackedEntity, body: string, metadata: Metadata): void {
        tracked.stored = { body, metadata: metadataState(metadata) };
    }

    #addDelete(tracked: TrackedEntity): void {
        // Never stored: there is nothing to delete.
        if (tracked.changeVector === null && tracked.expected === undefined) {
            this.#settleDelete(tracked);
            return;
        }
        this.#deletes.push(tracked);
        this.#writtenIds.push(tracked.id);
        this.#add({ Type: 'DELETE', Id: tracked.id, ChangeVector: this.#expected(tracked) }, () => this.#settleDelete(tracked));
    }

    #settleDelete(tracked: TrackedEntity): void {
        const { tracked: all, byEntity, missing } = this.#session;
        const key = tracked.id.toLowerCase();
        this.#setVersion(tracked, null);
        if (all.get(key) !== tracked) return;
        if (!tracked.isDeleted) {
            // The application stored it again meanwhile: as one that is new.
            tracked.stored = undefined;
            tracked.isForced = true;
            for (const name of Object.keys(tracked.metadata)) {
                if (name.startsWith('@') && !GIVEN.has(name)) delete tracked.metadata[name];
            }
            return;
        }
        all.delete(key);
        byEntity.delete(tracked.entity);
        missing.add(key);
    }

    #add(command: Record<string, unknown>, settle: (result: CommandResult) => void): void {
        this.#commands.push(JSON.stringify(command));
        this.#settlers.push(settle);
    }

    /** Changes of attachments and revisions change their document too. */
    #settleDeferred(result: CommandResult): void {
        const id = (result.DestinationId ?? result['@id'] ?? result.Id) as string | undefined;
        const changeVector = result.DocumentChangeVector ?? result['@change-vector'];
        const tracked = id === undefined ? undefined : this.#session.tracked.get(id.toLowerCase());
        if (!tracked || typeof changeVector !== 'string') return;
        const isChanged = this.#session.advanced.hasChanged(tracked.entity);
        const { ModifiedDocument: patched } = result;
        if (patched) this.#takePatched(tracked, patched as Record<string, unknown>, result['@last-modified'], isChanged);
        tracked.changeVector = changeVector;
        tracked.metadata['@change-vector'] = changeVector;
        const stored = storedState(tracked);
        if (!isChanged && stored) stored.metadata = metadataState(tracked.metadata);
    }

    /** The entity becomes what the patch made of it, but for what the application changed meanwhile. */
    #takePatched(tracked: TrackedEntity, patched: Record<string, unknown>, lastModified: unknown, isChanged: boolean): void {
        const { conventions } = this.#session;
        const { body, metadata } = partsOf(patched);
        reviveTypes(body, metadata);
        const stored = storedState(tracked);
        if (isChanged && stored) {
            const was = JSON.parse(stored.body) as Record<string, unknown>;
            const now = JSON.parse(textOf(tracked, conventions).body) as Record<string, unknown>;
            for (const name of Object.keys({ ...was, ...body })) {
                if (JSON.stringify(now[name]) !== JSON.stringify(was[name])) continue;
                if (name in body) tracked.entity[name] = body[name];
                else delete tracked.entity[name];
            }
            stored.body = bodyText(body).text as string;
        }
        if (isChanged) return;
        for (const name of Object.keys(tracked.entity)) delete tracked.entity[name];
        Object.assign(tracked.entity, body, { [conventions.identityPropertyOf(tracked.entity)]: tracked.id });
        Object.assign(tracked.metadata, metadata, { '@last-modified': lastModified });
        tracked.stored = textOf(tracked, conventions);
    }

    settle(results: CommandResult[]): void {
        results.forEach((result, at) => this.#settlers[at]?.(result));
    }

    /**
     * The batch was done, but the answer was lost with the tab that had it. What is stored now is
     * looked up; a document that somebody else has changed since keeps its old version here, so
     * that the next save of it is refused as it should be.
     */
    async settleUnanswered(): Promise<void> {
        const { connection } = this.#session;
        const { results } = await loadDocuments(connection, this.puts.map((it) => it.id));
        this.puts.forEach((tracked, at) => {
            const { body, metadata } = results[at] as Found;
            const sent = this.#sent.get(tracked);
            if (!body || !sent) return;
            const isAsSent = JSON.stringify(body) === sent.body;
            if (isAsSent) {
                this.#setVersion(tracked, metadata['@change-vector'] as string);
                if (JSON.stringify(tracked.metadata) === sent.metadata) tracked.metadata = metadata;
                else for (const name of ANSWERED) if (name in metadata) tracked.metadata[name] = metadata[name];
            }
            this.#settlePut(tracked, sent.body, isAsSent ? metadata : (JSON.parse(sent.metadata) as Metadata));
        });
        for (const tracked of this.#deletes) this.#settleDelete(tracked);
    }
}

export { ConcurrencyError };
