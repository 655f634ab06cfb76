// Patches: fields without a script, scripts where the page allows them, and many documents by query.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { openApplication } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startServer } from '../harness/server.js';

const entry = fileURLToPath(new URL('../../../bindings-js/dist/node.js', import.meta.url));
const { DocumentStore } = await import(pathToFileURL(path.resolve(entry)));
const server = await startServer();
const browser = await startBrowser();

after(async () => {
    await browser.close();
    await server.close();
});

async function startWithOrder(t) {
    const store = new DocumentStore({ database: 'patches', storage: 'memory' }).initialize();
    t.after(() => store.dispose());
    await save(store, { count: 1, rate: 1.50, tags: ['new'], lines: [{ price: 2 }] }, 'orders/1');
    return store;
}

async function save(store, document, id, type = 'Order') {
    const session = store.openSession();
    await session.store(document, id, type);
    await session.saveChanges();
}

const load = (store, id) => store.openSession().load(id);

test('fields are patched without loading the document', async (t) => {
    const store = await startWithOrder(t);
    const session = store.openSession();
    const { advanced } = session;
    advanced.increment('orders/1', 'count', 2);
    advanced.increment('orders/1', 'seen', 1);
    advanced.patch('orders/1', 'lines[0].price', 3);
    advanced.patchArray('orders/1', 'tags', (tags) => tags.push('paid', 'sent').removeAt(0));
    advanced.patch('orders/1', 'notes', {});
    advanced.patchObject('orders/1', 'notes', (notes) => notes.set('a.b', 'x').set('c', 1).remove('c'));
    advanced.jsonPatch('orders/1', [{ op: 'copy', from: '/count', path: '/total' }]);
    await session.saveChanges();
    assert.equal(advanced.numberOfRequests, 1);
    assert.deepEqual(await load(store, 'orders/1'), {
        count: 3, rate: 1.5, tags: ['paid', 'sent'], lines: [{ price: 3 }], seen: 1, notes: { 'a.b': 'x' }, total: 3, id: 'orders/1',
    });

    // A loaded entity becomes what its patch made of it, and can be changed on.
    const order = await session.load('orders/1');
    advanced.increment(order, 'count', 1);
    await session.saveChanges();
    assert.deepEqual([order.count, advanced.hasChanged(order)], [4, false]);
    order.count += 1;
    await session.saveChanges();
    assert.equal((await load(store, 'orders/1')).count, 5);

    // Where there is none, it is made.
    class Counter {}
    const counter = Object.assign(new Counter(), { hits: 10 });
    for (let time = 0; time < 3; time += 1) {
        advanced.addOrIncrement('counters/1', counter, 'hits', 1);
        await session.saveChanges();
    }
    const stored = await session.load('counters/1');
    assert.deepEqual([stored.hits, advanced.getMetadataFor(stored)['@collection']], [12, 'Counters']);
    // Patching what is not there is no error, and makes nothing.
    advanced.increment('orders/none', 'count', 1);
    await session.saveChanges();
    assert.equal(await load(store, 'orders/none'), null);
});

test('a patch that does not fit fails with its field, and nothing of the batch is stored', async (t) => {
    const store = await startWithOrder(t);
    const session = store.openSession();
    session.advanced.increment('orders/1', 'count', 1);
    session.advanced.increment('orders/1', 'tags', 1);
    await assert.rejects(session.saveChanges(), { code: 'InvalidRequest', message: /'orders\/1': 'tags' is no number/ });
    assert.equal((await load(store, 'orders/1')).count, 1);
    assert.throws(() => session.advanced.patch('orders/1', 'a..b', 1), { code: 'InvalidRequest' });
});

test('two tabs of one database count together', async () => {
    const options = { database: 'counting' };
    const pages = [await openApplication(browser, server, options), await openApplication(browser, server, options)];
    await Promise.all(pages.map((page) => page.evaluate(async () => {
        for (let time = 0; time < 50; time += 1) {
            const session = store.openSession();
            session.advanced.addOrIncrement('counters/1', { hits: 1 }, 'hits', 1);
            await session.saveChanges();
        }
    })));
    assert.equal(await pages[0].evaluate(() => store.openSession().load('counters/1').then((it) => it.hits)), 100);
    for (const page of pages) await page.close();
});

test('scripts: what they change, load and put; what they throw', async (t) => {
    const store = await startWithOrder(t);
    const session = store.openSession();
    session.advanced.patchByScript('orders/1', {
        script: 'this.count += args.by; this.other = load(args.id)?.name ?? "none"; put("logs/1", { at: new Date(), count: this.count });',
        values: { by: 4, id: 'users/1' },
    });
    session.advanced.patchByScript('users/1', { script: 'this.never = true' }, { script: 'this.name = $name', values: { name: 'Eva' } });
    await session.saveChanges();
    const [order, log, user] = await Promise.all(['orders/1', 'logs/1', 'users/1'].map((id) => load(store, id)));
    assert.deepEqual([order.count, order.other, log.count, typeof log.at, user.name, user.never], [5, 'none', 5, 'string', 'Eva', undefined]);

    const run = async (script) => {
        const failing = store.openSession();
        failing.advanced.patchByScript('orders/1', { script });
        await failing.saveChanges();
    };
    await assert.rejects(run('throw new Error("not today")'), { code: 'InvalidRequest', message: /'orders\/1'.*not today/ });
    await assert.rejects(run('this.a = = 1'), { code: 'InvalidRequest', message: /not valid/ });
    for (const name of ['fetch', 'process', 'setTimeout', 'nothing']) {
        await assert.rejects(run(`this.x = ${name}`), { message: new RegExp(`${name} is not defined`) });
    }
    await run('globalThis.leak = 1; this.date = typeof Date.now()').catch(() => undefined);
    await assert.rejects(run('this.x = leak'), /leak is not defined/);
});

test('what a query finds is patched and deleted, by a function and by a script', async (t) => {
    const store = await startWithOrder(t);
    const session = store.openSession();
    for (let number = 2; number <= 300; number += 1) await session.store({ count: number }, `orders/${number}`, 'Order');
    await session.saveChanges();

    const least = 100;
    const byFunction = await store.operations.patchByQuery(
        (it) => it.query({ collection: 'Orders' }).whereGreaterThan('count', least),
        (order) => {
            if (order.count === 200) return false;
            order.isLarge = order.count > least;
            return true;
        },
    );
    assert.deepEqual(byFunction, { total: 200, changed: 199 });
    assert.deepEqual([(await load(store, 'orders/101')).isLarge, (await load(store, 'orders/200')).isLarge], [true, undefined]);

    const byScript = await store.operations.patchByQuery('from Orders where isLarge = true update { this.count = -this.count; }');
    assert.deepEqual(byScript, { total: 199, changed: 199 });
    assert.equal((await load(store, 'orders/150')).count, -150);

    const deleted = await store.operations.deleteByQuery('from Orders where count < $most', { parameters: { most: 0 } });
    assert.deepEqual(deleted, { total: 199, changed: 199 });
    assert.equal((await store.maintenance.getStatistics()).countOfDocuments, 101);
    await assert.rejects(store.operations.deleteByQuery('from Orders update { this.x = 1 }'), { code: 'InvalidRequest' });
    // Where it is only asked, leaving it undone without a word would look as if it were done.
    const asked = store.openSession().advanced.rawQuery('from Orders update { this.x = 1 }');
    await assert.rejects(asked.all(), { code: 'InvalidRequest', message: /patchByQuery/ });
    await assert.rejects(store.operations.patchByQuery('from Orders'), { code: 'InvalidRequest', message: /update/ });
});

test('a document that is changed while its function runs is changed as it is then', async (t) => {
    const store = await startWithOrder(t);
    let isFirst = true;
    await store.operations.patchByQuery('from Orders', async (order) => {
        if (isFirst) {
            isFirst = false;
            const other = store.openSession();
            other.advanced.increment('orders/1', 'count', 10);
            await other.saveChanges();
        }
        order.count *= 2;
    });
    assert.equal((await load(store, 'orders/1')).count, 22);
});

test('a strict policy: fields and functions go on, scripts are refused', async () => {
    const page = await openApplication(browser, server, undefined, '/pages/strict/app.html');
    const outcome = await page.evaluate(async () => {
        // On the page's thread: the policy of a worker is that of its own script's response.
        await globalThis.open({ database: 'strict patches', worker: false });
        const session = store.openSession();
        await session.store({ count: 1 }, 'orders/1', 'Order');
        await session.saveChanges();
        session.advanced.increment('orders/1', 'count', 1);
        await session.saveChanges();
        await store.operations.patchByQuery('from Orders', (order) => { order.count *= 10; });
        await store.indexes.put({ name: 'Counts', maps: { Orders: (order) => ({ twice: order.count * 2 }) } });
        const found = await store.openSession().query({ indexName: 'Counts' }).whereEquals('twice', 40).waitForNonStaleResults().all();
        const scripting = store.openSession();
        scripting.advanced.patchByScript('orders/1', { script: 'this.count = 0' });
        const error = await scripting.saveChanges().then(() => null, (error) => [error.code, error.message]);
        const { count } = await store.openSession().load('orders/1');
        await store.dispose();
        return { found: found.length, count, error };
    });
    assert.deepEqual([outcome.found, outcome.count, outcome.error?.[0]], [1, 20, 'Unsupported']);
    assert.match(outcome.error[1], /content security policy/);
    await page.close();
});
