// A store in a worker, where it may have a journal: does what its page asks, one after the other.
import load, { TestStore } from '/storage/storage_tests.js';

// Half a minute goes by each time it is asked for: a journal is young, young still, and then proven.
const now = Date.now;
let ahead_ms = Number(new URL(globalThis.location).searchParams.get('ahead') ?? 0);
Date.now = () => now() + (ahead_ms += 30_000);

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
