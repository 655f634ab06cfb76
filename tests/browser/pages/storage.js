// Runs the storage contract: each case in a worker of its own, so that a panic ends no other.
import load, { TestStore, caseNames } from '/storage/storage_tests.js';

await load();
globalThis.caseNames = caseNames;

/** A store in a worker, with the methods of one in the page. */
async function openInWorker(name, isSmall, broken = '') {
    const worker = new Worker(`store-worker.js?ahead=${Number(localStorage.ahead ?? 0)}&broken=${broken}`, { type: 'module' });
    // Each worker of a browser lives half a minute after the one before.
    localStorage.ahead = Number(localStorage.ahead ?? 0) + 30_000;
    const waiting = new Map();
    worker.onmessage = ({ data: { number, result, error } }) => {
        const { resolve, reject } = waiting.get(number);
        waiting.delete(number);
        if (error === undefined) resolve(result);
        else reject(new Error(error));
    };
    let next = 0;
    const ask = (method) => (...args) => new Promise((resolve, reject) => {
        waiting.set(next, { resolve, reject });
        worker.postMessage({ number: next++, method, args });
    });
    await ask('open')(name, isSmall);
    return { put: ask('put'), count: ask('count'), lost: ask('lost'), close: ask('close') };
}

globalThis.openStore = (name, isSmall, inWorker, broken) => (inWorker ? openInWorker(name, isSmall, broken) : TestStore.open(name, isSmall));

/** Without `hasFiles`, as where a browser gives a worker no files. */
globalThis.runCase = (name, isSmall, hasFiles) =>
    new Promise((resolve) => {
        const worker = new Worker('storage-worker.js', { type: 'module' });
        const finish = (outcome) => {
            worker.terminate();
            resolve(outcome);
        };
        worker.onmessage = ({ data }) => finish(data);
        worker.onerror = (event) => finish(event.message ?? 'the worker did not start');
        worker.postMessage({ name, database: `${name} ${isSmall} ${hasFiles}`, isSmall, hasFiles });
    });

globalThis.isReady = true;
