// Queries in a page: built and written, over indexes that are there after a reload.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openApplication } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startServer } from '../harness/server.js';

const server = await startServer();
const browser = await startBrowser();

after(async () => {
    await browser.close();
    await server.close();
});

test('documents are found, ordered, projected and counted', async () => {
    const options = { database: 'queries' };
    const page = await openApplication(browser, server, options);
    const found = await page.evaluate(async () => {
        const session = store.openSession();
        for (let number = 0; number < 300; number += 1) {
            const order = { customer: `customers/${number % 10}`, total: number, note: number % 2 ? 'urgent delivery' : 'none' };
            await session.store(order, `orders/${number}`, 'Order');
        }
        await session.store({ name: 'Seven', from: '2026', order: { by: 2 } }, 'customers/7', 'Customer');
        await session.saveChanges();
        const reading = store.openSession();
        let statistics;
        const orders = await reading.query({ collection: 'Orders' })
            .whereEquals('customer', 'customers/7').whereGreaterThan('total', 100)
            .orderByDescending('total', 'Double').skip(1).take(3)
            .include('customer').statistics((it) => { statistics = it; }).all();
        const customer = await reading.load('customers/7');
        const requests = reading.advanced.numberOfRequests;
        orders[0].note = 'changed';
        await reading.saveChanges();
        const either = await store.openSession().query('Order')
            .openSubclause().whereEquals('total', 3).orElse().whereIn('total', [5, 6]).closeSubclause()
            .not().whereEquals('total', 6).waitForNonStaleResults().orderBy('total', 'Long').selectFields(['total']).all();
        const raw = await store.openSession().advanced
            .rawQuery('from Orders where search(note, $words) and total < $most').addParameter('words', 'urgent').addParameter('most', 10).all();
        return {
            totals: orders.map((it) => it.total), ids: orders.map((it) => it.id),
            totalResults: statistics.totalResults, isAuto: statistics.indexName.startsWith('Auto/'),
            customer: customer.name, requests, either, raw: raw.length,
            changed: (await store.openSession().load(orders[0].id)).note,
            count: await store.openSession().query({ collection: 'Orders' }).whereStartsWith('customer', 'customers/').count(),
            reserved: await store.openSession().query({ collection: 'Customers' })
                .whereEquals('from', '2026').whereGreaterThan('order.by', 1).orderBy('from').waitForNonStaleResults().count(),
            none: await store.openSession().query({ collection: 'Orders' }).whereEquals('total', -1).firstOrNull(),
        };
    });
    assert.deepEqual(found.totals, [287, 277, 267]);
    assert.deepEqual(found.ids, ['orders/287', 'orders/277', 'orders/267']);
    assert.deepEqual([found.totalResults, found.isAuto, found.customer, found.requests], [20, true, 'Seven', 1]);
    assert.deepEqual(found.either, [3, 5]);
    assert.deepEqual([found.raw, found.changed, found.count, found.none, found.reserved], [5, 'changed', 300, null, 1]);
    await page.close();

    const again = await openApplication(browser, server, options);
    const after = await again.evaluate(async () => {
        let statistics;
        const orders = await store.openSession().query({ collection: 'Orders' })
            .whereEquals('customer', 'customers/7').waitForNonStaleResults().statistics((it) => { statistics = it; }).all();
        const wrong = await store.openSession().advanced.rawQuery('from Orders wher x = 1').all().then(() => null, (error) => [error.code, error.message]);
        return { count: orders.length, isStale: statistics.isStale, wrong };
    });
    assert.deepEqual([after.count, after.isStale], [30, false]);
    assert.equal(after.wrong[0], 'InvalidRequest');
    assert.match(after.wrong[1], /wher/);
    assert.deepEqual(again.failures, []);
    await again.close();
});

test('the same question again has the answer of what is stored now', async () => {
    const page = await openApplication(browser, server, { database: 'asked again' });
    const told = await page.evaluate(async () => {
        const save = async (id, order, type = 'Order') => {
            const session = store.openSession();
            await session.store(order, id, { documentType: type, changeVector: null });
            await session.saveChanges();
        };
        const ask = async (text) => (await store.openSession().advanced.rawQuery(text).waitForNonStaleResults().all());
        const totals = () => ask('from Orders group by customer order by customer select customer, sum(total) as total');
        await save('customers/1', { name: 'One' }, 'Customer');
        for (let number = 0; number < 30; number += 1) await save(`orders/${number}`, { customer: `customers/${number % 2}`, total: number });
        const answers = [];
        for (let at = 0; at < 2; at += 1) answers.push(JSON.stringify(await totals()));
        await save('orders/30', { customer: 'customers/1', total: 1000 });
        for (let at = 0; at < 2; at += 1) answers.push(JSON.stringify(await totals()));
        // What results refer to belongs to the answer.
        const included = async () => {
            const session = store.openSession();
            await session.query({ collection: 'Orders' }).whereEquals('total', 1000).include('customer').waitForNonStaleResults().all();
            return [(await session.load('customers/1')).name, session.advanced.numberOfRequests];
        };
        const names = [await included(), await included()];
        await save('customers/1', { name: 'First' }, 'Customer');
        names.push(await included());
        const shuffled = new Set();
        for (let at = 0; at < 8; at += 1) shuffled.add((await ask('from Orders order by random()')).map((it) => it.id).join());
        return { answers: answers.map((it) => JSON.parse(it).map(({ total }) => total)), names, orders: shuffled.size };
    });
    assert.deepEqual(told.answers, [[210, 225], [210, 225], [210, 1225], [210, 1225]]);
    assert.deepEqual(told.names, [['One', 1], ['One', 1], ['First', 1]]);
    assert.ok(told.orders > 1, 'a random order is made anew');
    assert.deepEqual(page.failures, []);
    await page.close();
});

test('places are found by where they lie', async () => {
    const page = await openApplication(browser, server, { database: 'places' });
    const found = await page.evaluate(async () => {
        const session = store.openSession();
        const places = { near: [52.52, 13.41], nearer: [52.517, 13.389], far: [48.14, 11.58] };
        for (const [name, [latitude, longitude]] of Object.entries(places)) await session.store({ name, latitude, longitude }, `places/${name}`, 'Place');
        await session.saveChanges();
        const ask = (text) => store.openSession().advanced.rawQuery(text).waitForNonStaleResults().all();
        const point = 'spatial.point(latitude, longitude)';
        const within = await ask(`from Places where spatial.within(${point}, spatial.circle(10, 52.516, 13.388)) order by spatial.distance(${point}, spatial.point(52.516, 13.388))`);
        const region = await ask(`from Places where spatial.within(${point}, spatial.wkt('POLYGON((11 48, 12 48, 12 49, 11 49, 11 48))'))`);
        return [within, region].map((it) => it.map(({ name }) => name));
    });
    assert.deepEqual(found, [['nearer', 'near'], ['far']]);
    assert.deepEqual(page.failures, []);
    await page.close();
});

test('a query, and a save, wait for indexes no longer than they are told to', async () => {
    const page = await openApplication(browser, server, { database: 'time limits' });
    const told = await page.evaluate(async () => {
        const write = (prefix, count) => async (session) => {
            for (let at = 0; at < count; at += 1) await session.store({ text: `note ${at} of many words` }, `${prefix}/${at}`, 'Note');
            return session.saveChanges().then(() => 'saved', (error) => error.code);
        };
        const ask = (time) => store.openSession().query({ collection: 'Notes' }).search('text', '17').waitForNonStaleResults(time).all()
            .then((found) => found.length, (error) => [error.code, error.message]);
        await write('notes', 4000)(store.openSession());
        const early = await ask(1);
        const late = await ask(60_000);
        const [hurried, patient, quiet] = [store.openSession(), store.openSession(), store.openSession()];
        hurried.advanced.waitForIndexesAfterSaveChanges({ timeout: 1 });
        patient.advanced.waitForIndexesAfterSaveChanges({ timeout: 60_000 });
        quiet.advanced.waitForIndexesAfterSaveChanges({ timeout: 1, throwOnTimeout: false });
        const saves = [await write('more', 4000)(hurried), await write('quiet', 4000)(quiet), await write('last', 17)(patient)];
        let statistics;
        const found = await store.openSession().query({ collection: 'Notes' }).search('text', '17').statistics((it) => { statistics = it; }).all();
        return { early, late, saves, found: found.length, isStale: statistics.isStale };
    });
    assert.equal(told.early[0], 'TimedOut');
    assert.match(told.early[1], /waitForNonStaleResults\(\) took more than 1 ms/);
    // A save that waited in vain was done all the same.
    assert.deepEqual([told.late, told.saves, told.found, told.isStale], [1, ['TimedOut', 'saved', 'saved'], 3, false]);
    assert.deepEqual(page.failures, []);
    await page.close();
});
