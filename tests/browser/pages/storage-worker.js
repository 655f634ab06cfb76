// Runs one case of the storage contract and answers 'passed', or what went wrong.
import load, { runCase } from '/storage/storage_tests.js';

// Half a minute goes by each time it is asked for: a journal is young, young still, and then proven.
const now = Date.now;
let ahead_ms = 0;
Date.now = () => now() + (ahead_ms += 30_000);

const panics = [];
globalThis.reportPanic = (message) => panics.push(message);

globalThis.onmessage = async ({ data: { name, database, isSmall, hasFiles } }) => {
    if (!hasFiles) delete globalThis.FileSystemFileHandle?.prototype.createSyncAccessHandle;
    const ended = new Promise((resolve) => {
        // A panic in a task of its own rejects no promise of ours.
        const look = () => (panics.length ? resolve(panics.join('\n')) : setTimeout(look, 50));
        look();
    });
    const ran = (async () => {
        await load();
        await runCase(name, database, isSmall);
        return 'passed';
    })().catch((error) => [...panics, String(error)].join('\n'));
    globalThis.postMessage(await Promise.race([ran, ended]));
};
