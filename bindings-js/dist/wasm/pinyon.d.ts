/* tslint:disable */
/* eslint-disable */

/**
 * An open database.
 */
export class Database {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * An attachment's details as JSON; nothing when there is no such attachment.
     */
    attachment(id: string, name: string): Promise<string | undefined>;
    /**
     * Runs a batch of commands; answers with their results. All is JSON in the protocol's form.
     */
    batch(batch: string, durability?: string | null): Promise<string>;
    /**
     * Begins an import of a dump, a JSON array or JSON lines.
     */
    beginImport(): Import;
    /**
     * Begins a content.
     */
    beginUpload(): Upload;
    /**
     * Documents put and deleted after an etag, in order, at most `limit`: JSON.
     */
    changesAfter(etag: number, limit: number): Promise<string>;
    /**
     * Refuses new writes, waits for those under way, and closes the storage.
     */
    close(): Promise<void>;
    /**
     * The configurations, and when something is due next.
     */
    configuration(): Promise<string>;
    /**
     * Replaces the configuration of `revisions`, `expiration` or `refresh`, given as JSON in the
     * protocol's form.
     */
    configure(what: string, configuration: string): Promise<void>;
    /**
     * The bytes of a content from `offset` to the end of a piece; empty at its end.
     */
    contentAt(hash: string, offset: number): Promise<Uint8Array | undefined>;
    /**
     * Begins an export: `dump`, as servers write it, or `jsonl`, documents line by line.
     */
    export(format: string): Promise<Export>;
    /**
     * Documents by id, with what they refer to by `includes`.
     */
    load(ids: string[], includes: string[]): Promise<string>;
    /**
     * Waits until the browser takes the storage away, and says why.
     */
    lost(): Promise<any>;
    /**
     * Opens the database called `name`, or founds it; `options` is JSON.
     */
    static open(name: string, options: string): Promise<Database>;
    /**
     * What a document was at a moment (an ISO date).
     */
    revisionBefore(id: string, moment: string): Promise<string>;
    /**
     * Revisions by change vector, `null` where there is none.
     */
    revisionsByVector(change_vectors: string[]): Promise<string>;
    /**
     * The revisions of a document, newest first.
     */
    revisions(id: string, start: number, size: number): Promise<string>;
    /**
     * Documents by the beginning of their ids; `query` is JSON.
     */
    startsWith(query: string): Promise<string>;
    /**
     * Counts: JSON in the protocol's names.
     */
    statistics(): Promise<string>;
    /**
     * Where the data is and how safe: JSON.
     */
    status(): string;
    /**
     * One step of deleting what expired; how many entries were dealt with.
     */
    sweepExpired(limit: number): Promise<number>;
    /**
     * One step of giving back contents that nothing refers to since `older_than_ms`.
     */
    sweepLooseContents(older_than_ms: number, limit: number): Promise<number>;
    /**
     * One step of refreshing what is due; how many entries were dealt with.
     */
    sweepRefreshes(limit: number): Promise<number>;
}

/**
 * An export under way: what it writes comes from one state of the database.
 */
export class Export {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * The next piece; nothing at the end.
     */
    next(): Promise<Uint8Array | undefined>;
}

/**
 * An import: bytes are gathered, then taken in whole.
 */
export class Import {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Stores what came; answers with a report as JSON.
     */
    finish(): Promise<string>;
    /**
     * Takes the next bytes.
     */
    write(bytes: Uint8Array | number[]): void;
}

/**
 * A content on its way in.
 */
export class Upload {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Ends the content; the number is for the `Content` of an `AttachmentPUT`.
     */
    finish(): Promise<number>;
    /**
     * Takes the next bytes.
     */
    write(bytes: Uint8Array | number[]): Promise<void>;
}

/**
 * A panic is a defect: the console names the place before the module stops.
 */
export function start(): void;

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly memory: WebAssembly.Memory;
    readonly __wbg_database_free: (a: number, b: number) => void;
    readonly __wbg_export_free: (a: number, b: number) => void;
    readonly __wbg_import_free: (a: number, b: number) => void;
    readonly __wbg_upload_free: (a: number, b: number) => void;
    readonly database_attachment: (a: number, b: number, c: number, d: number, e: number) => any;
    readonly database_batch: (a: number, b: number, c: number, d: number, e: number) => any;
    readonly database_beginImport: (a: number) => number;
    readonly database_beginUpload: (a: number) => [number, number, number];
    readonly database_changesAfter: (a: number, b: number, c: number) => any;
    readonly database_close: (a: number) => any;
    readonly database_configuration: (a: number) => any;
    readonly database_configure: (a: number, b: number, c: number, d: number, e: number) => any;
    readonly database_contentAt: (a: number, b: number, c: number, d: number) => any;
    readonly database_export: (a: number, b: number, c: number) => any;
    readonly database_load: (a: number, b: number, c: number, d: number, e: number) => any;
    readonly database_lost: (a: number) => any;
    readonly database_open: (a: number, b: number, c: number, d: number) => any;
    readonly database_revisionBefore: (a: number, b: number, c: number, d: number, e: number) => any;
    readonly database_revisions: (a: number, b: number, c: number, d: number, e: number) => any;
    readonly database_revisionsByVector: (a: number, b: number, c: number) => any;
    readonly database_startsWith: (a: number, b: number, c: number) => any;
    readonly database_statistics: (a: number) => any;
    readonly database_status: (a: number) => [number, number];
    readonly database_sweepExpired: (a: number, b: number) => any;
    readonly database_sweepLooseContents: (a: number, b: number, c: number) => any;
    readonly database_sweepRefreshes: (a: number, b: number) => any;
    readonly export_next: (a: number) => any;
    readonly import_finish: (a: number) => any;
    readonly import_write: (a: number, b: number, c: number) => void;
    readonly start: () => void;
    readonly upload_finish: (a: number) => any;
    readonly upload_write: (a: number, b: number, c: number) => any;
    readonly wasm_bindgen__convert__closures_____invoke__h4dc781b61c16d3e8: (a: number, b: number, c: any) => [number, number];
    readonly wasm_bindgen__convert__closures_____invoke__h8f9c35135063e225: (a: number, b: number, c: any, d: any) => void;
    readonly wasm_bindgen__convert__closures_____invoke__h4e7e02a0059ec02b: (a: number, b: number, c: any) => any;
    readonly wasm_bindgen__convert__closures_____invoke__h7df7ce66ebc6e72a: (a: number, b: number, c: any) => void;
    readonly wasm_bindgen__convert__closures_____invoke__hfe8bd66e203c1d48: (a: number, b: number) => number;
    readonly __wbindgen_malloc: (a: number, b: number) => number;
    readonly __wbindgen_realloc: (a: number, b: number, c: number, d: number) => number;
    readonly __wbindgen_free: (a: number, b: number, c: number) => void;
    readonly __wbindgen_exn_store: (a: number) => void;
    readonly __externref_table_alloc: () => number;
    readonly __wbindgen_externrefs: WebAssembly.Table;
    readonly __wbindgen_destroy_closure: (a: number, b: number) => void;
    readonly __externref_table_dealloc: (a: number) => void;
    readonly __externref_drop_slice: (a: number, b: number) => void;
    readonly __wbindgen_start: () => void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput }} module - Passing `SyncInitInput` directly is deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput } | SyncInitInput): InitOutput;

/**
 * If `module_or_path` is {RequestInfo} or {URL}, makes a request and
 * for everything else, calls `WebAssembly.instantiate` directly.
 *
 * @param {{ module_or_path: InitInput | Promise<InitInput> }} module_or_path - Passing `InitInput` directly is deprecated.
 *
 * @returns {Promise<InitOutput>}
 */
export default function __wbg_init (module_or_path?: { module_or_path: InitInput | Promise<InitInput> } | InitInput | Promise<InitInput>): Promise<InitOutput>;
