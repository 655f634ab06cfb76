// A store in a worker, where it may have a journal: does what its page asks, one after the other.
import load, { TestStore } from '/storage/storage_tests.js';

// Half a minute goes by each time it is asked for: a journal is young, young still, and then proven.
const now = Date.now;
let ahead_ms = Number(new URL(globalThis.location).searchParams.get('ahead') ?? 0);
Date.now = () => now() + (ahead_ms += 30_000);

/** Browsers that do otherwise than they should. */
const broken = {
    'never finds': () => { navigator.storage.getDirectory = () => new Promise(() => {}); },
    'never opens': () => { FileSystemFileHandle.prototype.createSyncAccessHandle = () => new Promise(() => {}); },
    'reads too little': () => {
        const { read } = FileSystemSyncAccessHandle.prototype;
        FileSystemSyncAccessHandle.prototype.read = function (bytes, place) { return read.call(this, bytes.subarray(1), place); };
    },
};
broken[new URL(globalThis.location).searchParams.get('broken')]?.();
// Whoever waits for an answer that never comes waits ten seconds; a test has no time for that.
const wait = globalThis.setTimeout;
globalThis.setTimeout = (handler, ms) => wait(handler, ms < 10_000 ? ms : 300);

let store;

globalThis.onmessage = async ({ data: { number, method, args } }) => {
    try {
        if (method === 'open') {
            await load();
            store = await TestStore.open(...args);
            globalThis.postMessage({ number });
            return;
        }
        globalThis.postMessage({ number, result: await store[method](...args) });
    } catch (error) {
        globalThis.postMessage({ number, error: String(error.message ?? error) });
    }
};
