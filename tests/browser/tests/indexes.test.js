// Indexes that the application defines, as classes and as objects, in a page and in Node.js.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { openApplication } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startServer } from '../harness/server.js';

const entry = fileURLToPath(new URL('../../../bindings-js/dist/node.js', import.meta.url));
const { AbstractJavaScriptIndexCreationTask, DocumentStore } = await import(pathToFileURL(path.resolve(entry)));
const server = await startServer();
const browser = await startBrowser();

after(async () => {
    await browser.close();
    await server.close();
});

class Order {
    constructor(fields) {
        Object.assign(this, fields);
    }
}

class Orders_ByCompany extends AbstractJavaScriptIndexCreationTask {
    constructor() {
        super();
        const { load } = this.mapUtils();
        this.map(Order, (order) => {
            const company = load(order.company, 'Companies');
            return { company: order.company, city: company.city, note: order.note, total: order.lines.reduce((sum, it) => sum + it.price, 0) };
        });
        this.index('note', 'Search');
        this.store('total', 'Yes');
    }
}

class Totals extends AbstractJavaScriptIndexCreationTask {
    constructor() {
        super();
        this.map('Orders', function (order) {
            return { company: order.company, count: 1, price: order.lines.map((it) => it.price) };
        });
        this.reduce((results) => results.groupBy((it) => it.company).aggregate((group) => ({
            company: group.key,
            count: group.values.reduce((sum, it) => sum + it.count, 0),
            price: group.values.map((it) => it.price).flat(),
        })));
    }

    getIndexName() {
        return 'Orders/Totals';
    }
}

async function startWithOrders(t) {
    const store = new DocumentStore({ database: 'indexes', storage: 'memory' }).initialize();
    t.after(() => store.dispose());
    const session = store.openSession();
    await session.store({ city: 'Brno' }, 'companies/1', 'Company');
    await session.store(new Order({ company: 'companies/1', note: 'brown paper', lines: [{ price: 5 }, { price: 7 }] }), 'orders/1');
    await session.store(new Order({ company: 'companies/1', note: 'blue ink', lines: [{ price: 1 }] }), 'orders/2');
    await session.saveChanges();
    return store;
}

const ids = (results) => results.map((it) => it.id).join();

test('an index as a class: loads, words, stored fields, and what it depends on', async (t) => {
    const store = await startWithOrders(t);
    await store.executeIndex(new Orders_ByCompany());
    const query = () => store.openSession().query({ index: Orders_ByCompany }).waitForNonStaleResults();
    assert.equal(ids(await query().whereEquals('city', 'brno').orderBy('total', 'Long').all()), 'orders/2,orders/1');
    assert.equal(ids(await query().search('note', 'paper').all()), 'orders/1');
    assert.equal(ids(await query().whereGreaterThan('total', 11).all()), 'orders/1');
    assert.deepEqual(await query().whereEquals('total', 12).selectFields(['total']).all(), [12]);
    const [order] = await query().whereEquals('total', 1).include('company').all();
    assert.equal(order.company, 'companies/1');

    // The company moves: its orders are found where it is.
    const session = store.openSession();
    (await session.load('companies/1')).city = 'Praha';
    await session.saveChanges();
    assert.equal(await query().whereEquals('city', 'Praha').count(), 2);
    assert.equal(await query().whereEquals('city', 'Brno').count(), 0);
});

test('a map-reduce index, and how indexes stand', async (t) => {
    const store = await startWithOrders(t);
    await store.executeIndexes([Totals, Orders_ByCompany]);
    await store.indexes.waitForNonStale();
    const [total] = await store.openSession().query({ indexName: 'Orders/Totals' }).all();
    assert.deepEqual({ ...total, price: [...total.price].sort() }, { company: 'companies/1', count: 2, price: [1, 5, 7] });

    assert.deepEqual((await store.indexes.getNames()).sort(), ['Orders/ByCompany', 'Orders/Totals']);
    const { Type, Maps, Reduce } = await store.indexes.get('orders/totals');
    assert.equal(Type, 'JavaScriptMapReduce');
    assert.match(Maps[0], /^map\('Orders', function \(order\)/);
    assert.match(Reduce, /^groupBy\(/);
    const statistics = await store.indexes.getStatistics('Orders/Totals');
    assert.deepEqual(
        [statistics.entriesCount, statistics.isStale, statistics.state, statistics.status, statistics.mapAttempts, statistics.errorsCount],
        [1, false, 'Normal', 'Running', 2, 0],
    );
    assert.ok(statistics.lastIndexingTime instanceof Date);
    assert.deepEqual(await store.indexes.getTerms('Orders/Totals', 'count'), ['2']);

    // Disabled, it follows nothing, and says so when it is waited for.
    await store.indexes.disable('Orders/Totals');
    const session = store.openSession();
    await session.store(new Order({ company: 'companies/2', lines: [] }), 'orders/3');
    await session.saveChanges();
    const disabled = await store.indexes.getStatistics('Orders/Totals');
    assert.deepEqual([disabled.isStale, disabled.state, disabled.status], [true, 'Disabled', 'Disabled']);
    assert.match(disabled.stalenessReasons[0], /documents of 'orders'/);
    const waiting = store.openSession().query({ indexName: 'Orders/Totals' }).waitForNonStaleResults().all();
    await assert.rejects(waiting, { code: 'Unavailable', message: /'Orders\/Totals' is disabled/ });
    await store.indexes.enable('Orders/Totals');
    const count = () => store.openSession().query({ index: Totals }).waitForNonStaleResults().count();
    assert.equal(await count(), 2);
    await store.indexes.reset('Orders/Totals');
    assert.equal(await count(), 2);
    assert.equal(await store.indexes.delete('Orders/Totals'), true);
    assert.equal(await store.indexes.delete('Orders/Totals'), false);
    await assert.rejects(store.indexes.getStatistics('Orders/Totals'), { code: 'NotFound' });
});

test('an index as an object: several collections, another definition takes its place', async (t) => {
    const store = await startWithOrders(t);
    await store.indexes.put({
        name: 'Everything',
        maps: {
            Orders: (order) => ({ kind: 'order', about: order.note }),
            Companies: [(company) => ({ kind: 'company', about: company.city }), { map(it) { return { kind: 'again', about: it.city }; } }.map],
        },
        fields: { about: { indexing: 'Search' } },
        priority: 'High',
    });
    const search = (words) => store.openSession().query({ indexName: 'Everything' }).search('about', words).waitForNonStaleResults().all();
    assert.equal(ids(await search('brno')), 'companies/1');
    assert.equal((await store.indexes.getStatistics('Everything')).priority, 'High');
    const live = store.liveQuery("from index 'Everything' where kind = 'again'");
    const answers = live[Symbol.asyncIterator]();
    const before = await answers.next();
    assert.ok(before.value.length <= 1);
    await store.indexes.put({ name: 'Everything', maps: { '@all_docs': (it) => ({ kind: 'again', about: it.note ?? it.city }) } });
    await store.indexes.waitForNonStale('Everything');
    // The live query hears of the new definition without a write.
    let { value } = await answers.next();
    while (value.length !== 3) ({ value } = await answers.next());
    live.close();
    assert.equal(ids(await search('ink')), '', 'the new definition has no words');
});

test('what cannot be an index is refused, with its place', async (t) => {
    const store = await startWithOrders(t);
    const put = (maps, more) => store.indexes.put({ name: 'Wrong', maps, ...more });
    await assert.rejects(put({ Orders: (order) => { for (const it of order.lines) { return it; } return null; } }), {
        code: 'Unsupported', message: /'Wrong'.*needs a script engine(.|\n)*1:\d+(.|\n)*for/,
    });
    const around = 3;
    await assert.rejects(put({ Orders: (order) => ({ n: order.n * around }) }), { message: /'Wrong'(.|\n)*around/ });
    await assert.rejects(put({ Orders: async (order) => order }), { code: 'InvalidRequest', message: /async/ });
    await assert.rejects(put({ Orders: ((order) => order).bind(null) }), { code: 'InvalidRequest', message: /bound/ });
    await assert.rejects(put({ Orders: (order) => ({ n: order.n }) }, { reduce: () => null }), { code: 'InvalidRequest', message: /groupBy/ });
    await assert.rejects(put({ Orders: (order) => ({ n: order.n }) }, { name: '' }), { code: 'InvalidRequest' });
    assert.deepEqual(await store.indexes.getNames(), []);

    // Documents that a map fails on are told; too many of them, and the index refuses to answer.
    await store.indexes.put({ name: 'Failing', maps: { Orders: (order) => ({ first: order.note.reduce((a) => a) }) } });
    await assert.rejects(store.indexes.waitForNonStale('Failing'), { code: 'Unavailable', message: /its map failed 2 times of 2/ });
    assert.equal((await store.indexes.getStatistics('Failing')).state, 'Error');
    const [{ name, errors }] = await store.indexes.getErrors('Failing');
    assert.deepEqual([name, errors.map((it) => [it.document, it.action])], ['Failing', [['orders/1', 'Map'], ['orders/2', 'Map']]]);
    await store.indexes.clearErrors();
    assert.deepEqual(await store.indexes.getErrors(), [{ name: 'Failing', errors: [] }]);
});

test('in a page: an index outlives the page, and answers the next one', async () => {
    const options = { database: 'kept indexes' };
    const page = await openApplication(browser, server, options);
    await page.evaluate(async () => {
        class Children_ByGroup extends pinyon.AbstractJavaScriptIndexCreationTask {
            constructor() {
                super();
                this.map('Children', (child) => ({ group: child.group, initial: child.name.substring(0, 1) }));
            }
        }
        await store.executeIndex(Children_ByGroup);
        const session = store.openSession();
        await session.store({ name: 'Eva', group: 'groups/bears' }, 'children/1', 'Child');
        await session.saveChanges();
        await store.indexes.waitForNonStale();
    });
    await page.close();
    const next = await openApplication(browser, server, options);
    const found = await next.evaluate(async () => {
        const children = await store.openSession().query({ indexName: 'Children/ByGroup' }).whereEquals('initial', 'e').all();
        return [children.map((it) => it.name), (await store.indexes.getStatistics('Children/ByGroup')).isStale];
    });
    assert.deepEqual(found, [['Eva'], false]);
    await next.close();
});
