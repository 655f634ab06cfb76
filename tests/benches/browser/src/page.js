// Measures one peer. Every answer is checked.
import { customerOf, idOf, makeOrders, numbers } from './workload.js';

const DOCUMENTS = 10_000;
const BATCH = 500;
const SINGLES = 1_000;
const GETS = 5_000;

const peerOf = async (name) => (await import(`/${name}/main.js`)).default;

async function timed(work) {
    const started = performance.now();
    await work();
    return performance.now() - started;
}

function check(order, number) {
    if (order?.customer !== customerOf(number)) throw new Error(`${idOf(number)} is ${JSON.stringify(order)}`);
}

async function fill(peer, count) {
    for (let from = 0; from < count; from += BATCH) await peer.bulkInsert(makeOrders(from, BATCH));
}

globalThis.measure = async (name) => {
    const peer = await peerOf(name);
    const measured = {};
    measured.open = await timed(() => peer.open());
    const batches = [];
    for (let from = 0; from < DOCUMENTS; from += BATCH) batches.push(makeOrders(from, BATCH));
    measured.bulk = await timed(async () => { for (const batch of batches) await peer.bulkInsert(batch); });
    const singles = makeOrders(DOCUMENTS, SINGLES);
    measured.inserts = await timed(async () => { for (const order of singles) await peer.insertOne(order); });
    const concurrent = makeOrders(DOCUMENTS + SINGLES, SINGLES);
    measured.concurrent = await timed(() => Promise.all(concurrent.map((order) => peer.insertOne(order))));
    const next = numbers(7);
    const wanted = Array.from({ length: GETS }, () => Math.floor(next() * DOCUMENTS));
    measured.gets = await timed(async () => { for (const number of wanted) check(await peer.get(idOf(number)), number); });
    const many = Array.from({ length: 1_000 }, (_, at) => (at * 7919) % DOCUMENTS);
    measured.multiGet = await timed(async () => {
        const found = await peer.multiGet(many.map(idOf));
        if (found.filter((order) => order?.customer).length !== many.length) throw new Error('multi-get missed some');
    });
    await peer.close();
    return measured;
};

globalThis.fill = async (name, count) => {
    const peer = await peerOf(name);
    await peer.open();
    await fill(peer, count);
    await peer.close();
};

/** From nothing in memory to the first document. */
globalThis.reopen = async (name) => {
    const peer = await peerOf(name);
    const firstRead = await timed(async () => {
        await peer.open();
        check(await peer.get(idOf(123)), 123);
    });
    await peer.close();
    return firstRead;
};
