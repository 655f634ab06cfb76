// Measures one peer. Every answer is checked.
import { CUSTOMERS, customerOf, idOf, makeOrders, numbers, totalsOf } from './workload.js';

const DOCUMENTS = 10_000;
const BATCH = 500;
const SINGLES = 1_000;
const GETS = 5_000;
const QUERIES = 200;
const MORE = 100;

const peerOf = async (name) => (await import(`/${name}/main.js`)).default;

async function timed(part, work) {
    await globalThis.onPart?.begins(part);
    const started = performance.now();
    await work();
    const duration = performance.now() - started;
    await globalThis.onPart?.ends(part);
    return duration;
}

function check(order, number) {
    if (order?.customer !== customerOf(number)) throw new Error(`${idOf(number)} is ${JSON.stringify(order)}`);
}

function checkTotals(totals, expected) {
    if (totals.size !== expected.size) throw new Error(`${totals.size} totals instead of ${expected.size}`);
    for (const [customer, total] of expected) {
        if (Math.abs(totals.get(customer) - total) > 0.01) throw new Error(`${customer}: ${totals.get(customer)} instead of ${total}`);
    }
}

async function fill(peer, count) {
    for (let from = 0; from < count; from += BATCH) await peer.bulkInsert(makeOrders(from, BATCH));
}

async function measureWrites(peer, measured) {
    const batches = [];
    for (let from = 0; from < DOCUMENTS; from += BATCH) batches.push(makeOrders(from, BATCH));
    measured.bulk = await timed('bulk', async () => { for (const batch of batches) await peer.bulkInsert(batch); });
    const singles = makeOrders(DOCUMENTS, SINGLES);
    measured.inserts = await timed('inserts', async () => { for (const order of singles) await peer.insertOne(order); });
    const concurrent = makeOrders(DOCUMENTS + SINGLES, SINGLES);
    measured.concurrent = await timed('concurrent', () => Promise.all(concurrent.map((order) => peer.insertOne(order))));
    return [...batches.flat(), ...singles, ...concurrent];
}

async function measureReads(peer, measured) {
    const next = numbers(7);
    const wanted = Array.from({ length: GETS }, () => Math.floor(next() * DOCUMENTS));
    measured.gets = await timed('gets', async () => { for (const number of wanted) check(await peer.get(idOf(number)), number); });
    const many = Array.from({ length: 1_000 }, (_, at) => (at * 7919) % DOCUMENTS);
    measured.multiGet = await timed('multiGet', async () => {
        const found = await peer.multiGet(many.map(idOf));
        if (found.filter((order) => order?.customer).length !== many.length) throw new Error('multi-get missed some');
    });
}

async function measureQueries(peer, measured, orders) {
    // Makes the index, where the peer makes it when it is asked for.
    measured.firstQuery = await timed('firstQuery', () => peer.query(customerOf(0)));
    let found = 0;
    measured.queries = await timed('queries', async () => {
        for (let at = 0; at < QUERIES; at += 1) found += (await peer.query(customerOf(at % CUSTOMERS))).length;
    });
    if (found !== orders.length) throw new Error(`the queries found ${found} of ${orders.length} orders`);
    const totals = totalsOf(orders);
    const aggregate = async () => checkTotals(await peer.aggregate(), totals);
    measured.aggregateFirst = await timed('aggregateFirst', aggregate);
    measured.aggregateAgain = await timed('aggregateAgain', aggregate);
    const more = makeOrders(orders.length, MORE);
    await peer.bulkInsert(more);
    totalsOf(more, totals);
    // As an application shows it: the screen redraws after the write.
    measured.aggregateAfter = await timed('aggregateAfter', aggregate);
}

globalThis.measure = async (name) => {
    const peer = await peerOf(name);
    const measured = {};
    measured.open = await timed('open', () => peer.open());
    const orders = await measureWrites(peer, measured);
    await measureReads(peer, measured);
    await measureQueries(peer, measured, orders);
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
    const firstRead = await timed('reload', async () => {
        await peer.open();
        check(await peer.get(idOf(123)), 123);
    });
    await peer.close();
    return firstRead;
};

globalThis.isReady = true;
