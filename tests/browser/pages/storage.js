// Runs the storage contract: each case in a worker of its own, so that a panic ends no other.
import load, { TestStore, caseNames } from '/storage/storage_tests.js';

await load();
globalThis.caseNames = caseNames;
globalThis.TestStore = TestStore;

globalThis.runCase = (name, isSmall) =>
    new Promise((resolve) => {
        const worker = new Worker('storage-worker.js', { type: 'module' });
        const finish = (outcome) => {
            worker.terminate();
            resolve(outcome);
        };
        worker.onmessage = ({ data }) => finish(data);
        worker.onerror = (event) => finish(event.message ?? 'the worker did not start');
        worker.postMessage({ name, database: `${name} ${isSmall}`, isSmall });
    });

globalThis.isReady = true;
