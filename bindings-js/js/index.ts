// The entry point of pages: the database runs in a worker.

import { connect, workerWire, type Connection } from './connection.js';
import type { DocumentCache } from './document_cache.js';
import { isKnownToNeedWhole, rememberNeedOfWhole } from './module_memory.js';
import { placeOf } from './package_place.js';
import { triesWhole, type HostOptions, type WorkerMessage } from './protocol.js';
import { DocumentStore, type StoreOptions } from './store.js';
import { startWorker } from './worker_start.js';

/** Compiles the module while the worker starts; what the page may not, the worker does itself. */
async function sendModule(worker: Worker, isWhole: boolean): Promise<void> {
    let module: WebAssembly.Module | undefined;
    const url = isWhole
        ? new URL('./whole/pinyon_bg.wasm', import.meta.url)
        : new URL('./wasm/pinyon_bg.wasm', import.meta.url);
    try {
        module = await WebAssembly.compileStreaming(fetch(placeOf(url)));
    } catch {
        // The worker tries for itself, and says why it cannot.
    }
    worker.postMessage([{ type: 'module', module }]);
}

DocumentStore.connect = async (
    options: HostOptions,
    worker: StoreOptions['worker'],
    documents: DocumentCache,
): Promise<Connection> => {
    if (worker === false || typeof Worker === 'undefined') {
        // @ts-ignore The path is that of the built package.
        const { connectLocally } = (await import('./local.js')) as typeof import('./local.js');
        return connectLocally(options, documents);
    }
    const started = typeof worker === 'function' ? worker() : startWorker();
    const connection = connect(workerWire(started), documents);
    const { database, module } = options;
    const chosen: HostOptions = { ...options, prefersWhole: module === undefined && isKnownToNeedWhole(database) };
    started.addEventListener('message', ({ data }: MessageEvent<WorkerMessage[]>) => {
        if (data.some((message) => message.type === 'needs-whole')) rememberNeedOfWhole(database);
    });
    started.postMessage([{ type: 'open', options: chosen }]);
    void sendModule(started, triesWhole(chosen));
    return connection;
};

export * from './exports.js';
export { DocumentStore as default } from './store.js';
