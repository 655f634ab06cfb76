// A page that syncs, driven by sync.mjs.
import { DocumentStore } from 'pinyon';

const now = () => performance.timeOrigin + performance.now();
let link;

globalThis.open = (database) => {
    globalThis.store = new DocumentStore({ database }).initialize();
    return globalThis.store.opened;
};

globalThis.sync = (request) => {
    link = globalThis.store.sync(request);
    return link.waitForSync();
};

/** How many changes the server has not confirmed. */
globalThis.waiting = () => link.status.waiting;

globalThis.pause = () => link.pause();

globalThis.resume = async () => {
    await link.resume();
    await link.waitForSync();
};

/** Changes a document; the time before the save. */
globalThis.change = async (id, more) => {
    const session = globalThis.store.openSession();
    Object.assign(await session.load(id), more);
    const started = now();
    await session.saveChanges();
    return started;
};

const arrivals = new Map();
const waiting = new Map();

globalThis.listen = async () => {
    const changes = globalThis.store.changes();
    changes.forAllDocuments().on('data', ({ id }) => {
        arrivals.set(id, now());
        waiting.get(id)?.();
    });
    await changes.ensureConnectedNow();
};

/** When the change of a document was told here. */
globalThis.arrival = async (id) => {
    if (!arrivals.has(id)) await new Promise((resolve) => { waiting.set(id, resolve); });
    return arrivals.get(id);
};

globalThis.isReady = true;
