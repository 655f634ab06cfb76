// The entry point of Node.js, for tests and for rendering on servers: memory, on this thread.

import { readFile } from 'node:fs/promises';

import { connect, type Connection } from './connection.js';
import { PinyonError, toDetails } from './errors.js';
import { DatabaseHost } from './host.js';
import type { HostOptions, WorkerMessage } from './protocol.js';
import { DocumentStore } from './store.js';

async function open(options: HostOptions): Promise<DatabaseHost> {
    // @ts-ignore The path is that of the built package.
    const wasm = (await import('./whole/pinyon.js')) as typeof import('../dist/whole/pinyon.js');
    const module = await readFile(new URL('./whole/pinyon_bg.wasm', import.meta.url));
    await wasm.default({ module_or_path: module });
    return DatabaseHost.open(wasm, options);
}

const OWN = 'own';

DocumentStore.connect = (options: HostOptions): Connection => {
    if (options.storage !== 'memory') {
        throw new PinyonError('Unsupported', "Node.js has no IndexedDB: open the store with storage: 'memory'");
    }
    let hear: (message: WorkerMessage) => void = () => undefined;
    const opening = open(options);
    const connection = connect({
        send: (message) => {
            if (message.type === 'call') {
                opening
                    .then((host) => host.run(OWN, message.method, message.args))
                    .then(
                        (result) => hear({ type: 'answer', number: message.number, result }),
                        (reason: unknown) => hear({ type: 'answer', number: message.number, error: toDetails(reason) }),
                    );
            } else if (message.type === 'close') {
                void opening.then((host) => host.close()).finally(() => hear({ type: 'closed' }));
            }
        },
        listen: (listener) => { hear = listener; },
        end: () => undefined,
    });
    opening.then(
        (host) => {
            host.onChanges = (_, changes, lastEtag) => hear({ type: 'changes', changes, lastEtag });
            host.onLive = (_, key, answer) => hear({ type: 'live', key, answer });
            host.onSync = (_, state, events) => hear({ type: 'sync', state, events });
            hear({ type: 'opened', isLeader: true });
        },
        (reason: unknown) => hear({ type: 'failed', error: toDetails(reason) }),
    );
    return connection;
};

export * from './exports.js';
export { DocumentStore as default } from './store.js';
