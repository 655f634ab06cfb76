// The page that is brought down: writers whose saves are told to the test, and what they left.
import { DocumentStore } from '/pinyon/index.js';

/** How far the journal is, before anything is opened; `undefined` where the browser knows no such database. */
async function journalState(database) {
    const known = (await indexedDB.databases()).find(({ name }) => name === `pinyon/${database}`);
    if (!known) return undefined;
    const connection = await new Promise((resolve, reject) => {
        const request = indexedDB.open(known.name);
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    const record = connection.objectStoreNames.contains('catalog')
        ? await new Promise((resolve, reject) => {
            const request = connection.transaction('catalog').objectStore('catalog').get(1);
            request.onsuccess = () => resolve(request.result);
            request.onerror = () => reject(request.error);
        })
        : undefined;
    connection.close();
    // Generation and time, then whether it is proven, then eight bytes of checksum.
    return record ? ['young', 'proven'][record.at(-9)] : 'none';
}

/** How many bytes of files there are beside the database. */
async function journalBytes() {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle('pinyon-journals').catch(() => undefined);
    let bytes = 0;
    if (folder) for await (const file of folder.values()) bytes += (await file.getFile()).size;
    return bytes;
}

/** What each writer left; fails where a save is there by half. */
async function readBack(store, writers) {
    const found = [];
    for (let writer = 0; writer < writers; writer += 1) {
        const session = store.openSession({ noTracking: true });
        const counter = await session.load(`counters/${writer}`);
        const writes = await session.advanced.loadStartingWith(`writes/${writer}/`, { pageSize: 1_000_000 });
        const missing = writes.findIndex((it, at) => it.number !== at || it.text !== textOf(writer, at));
        if (missing >= 0) throw new Error(`writer ${writer}: write ${missing} of ${writes.length} is not there, ${writes[missing].number} is`);
        if ((counter?.value ?? 0) !== writes.length) throw new Error(`writer ${writer}: the counter says ${counter?.value} of ${writes.length}`);
        const indexed = await store.openSession().query({ collection: 'Writes' }).whereEquals('writer', writer)
            .waitForNonStaleResults().count();
        if (indexed !== writes.length) throw new Error(`writer ${writer}: the index has ${indexed} of ${writes.length}`);
        found.push(writes.length);
    }
    return found;
}

const textOf = (writer, number) => `${writer} ${number} `.repeat(1 + ((writer * 31 + number * 7) % 120));

/** Numbers from 0 to 1, the same ones for the same seed. */
function chances(seed) {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
}

/** While nobody writes, there are compactions. */
let pause = Promise.resolve();

/** Writes on and on; `tell` hears what begins and what is acknowledged. */
function startWriting(store, writer, first, seed) {
    const next = chances(seed * 101 + writer);
    (async () => {
        for (let number = first; ; number += 1) {
            await pause;
            if (next() < 0.005) pause = new Promise((resolve) => { setTimeout(resolve, 700); });
            const isStrict = next() < 0.15;
            const session = store.openSession({ durability: isStrict ? 'strict' : 'relaxed' });
            const counter = await session.load(`counters/${writer}`);
            if (counter) counter.value = number + 1;
            else await session.store({ value: number + 1 }, `counters/${writer}`, 'Counter');
            await session.store({ writer, number, text: textOf(writer, number) }, `writes/${writer}/${String(number).padStart(8, '0')}`, 'Write');
            if (isStrict) globalThis.tell(['begun', writer, number, isStrict]);
            await session.saveChanges();
            // Until it is heard nothing goes on: what is known must not lag behind what is stored.
            await globalThis.tell(['saved', writer, number, isStrict]);
        }
    })().catch((error) => globalThis.tell(['failed', writer, `${error.code ?? error.name}: ${error.message}`]));
}

Object.assign(globalThis, {
    journalState,
    journalBytes,
    openStore(options) {
        globalThis.store = new DocumentStore(options).initialize();
        return globalThis.store.opened;
    },
    readBack: (writers) => readBack(globalThis.store, writers),
    startWriting: (firsts, seed) => firsts.forEach((first, writer) => startWriting(globalThis.store, writer, first, seed)),
    isReady: true,
});
