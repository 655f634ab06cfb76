// What code of the official client finds here beside queries: ids, commands, streams, and clear errors.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const entry = fileURLToPath(new URL('../../../bindings-js/dist/node.js', import.meta.url));
const {
    AbstractJavaScriptIndexCreationTask, DeleteCommandData, DeletePrefixedCommandData, DocumentStore, PatchCommandData, PointField, PutCommandDataBase,
} = await import(pathToFileURL(path.resolve(entry)));

const noon = new Date('2026-11-23T12:00:00Z');

class Child {
    constructor(name) {
        if (name !== undefined) this.name = name;
    }
}
class Infant extends Child {}

function openStore(t, database) {
    const store = new DocumentStore({ database, storage: 'memory' });
    t.after(() => store.dispose());
    return store;
}

async function save(store, ...entities) {
    const session = store.openSession();
    for (const [entity, id, type] of entities) await session.store(entity, id, type);
    await session.saveChanges();
}

test('ids are made by conventions: of a class, of those derived from it, of all', async (t) => {
    const store = openStore(t, 'id-conventions');
    const asked = [];
    store.conventions.registerIdConvention(Child, async (database, child) => {
        asked.push(database);
        return `kids/${child.name.toLowerCase()}`;
    });
    store.conventions.documentIdGenerator = async (_, entity) => `things/${entity.number}`;
    const session = store.openSession();
    const [eva, ben, thing] = [new Child('Eva'), new Infant('Ben'), { number: 7 }];
    // Both at once: the one that is stored twice stays one.
    await Promise.all([session.store(eva), session.store(eva), session.store(ben), session.store(thing)]);
    await session.store(new Child('Ida'), 'children/ida');
    await session.saveChanges();
    assert.deepEqual([eva.id, ben.id, thing.id], ['kids/eva', 'kids/ben', 'things/7']);
    assert.equal(new Set(asked).size, 1);
    assert.equal(asked[0], 'id-conventions');
    assert.equal(await store.conventions.generateDocumentId('any', new Child('Mia')), 'kids/mia');
    assert.equal((await store.maintenance.getStatistics()).collections.Children, 2);

    // Another property has the id: it is no field of the document, and no field of queries.
    const other = openStore(t, 'id-properties');
    other.conventions.registerEntityIdPropertyName(Child, 'key');
    const mia = Object.assign(new Child('Mia'), { id: 'passport 5' });
    await save(other, [mia], [{ name: 'Plain' }, 'plains/1', 'Plain']);
    assert.match(mia.key, /^children\//);
    const found = await other.openSession().query(Child).whereEquals('key', mia.key).waitForNonStaleResults().single();
    assert.deepEqual([found.key, found.id, found instanceof Child], [mia.key, 'passport 5', true]);
    assert.deepEqual(await other.openSession().query(Child).selectFields('key').all(), [mia.key]);
    assert.deepEqual(await other.openSession().query(Child).selectFields(['key', 'name'], Child).all(), [Object.assign(new Child('Mia'), { key: mia.key })]);
    assert.deepEqual(await other.openSession().query(Child).selectFields('id()').all(), [mia.key]);
    assert.equal((await other.openSession().load('plains/1')).id, 'plains/1');
    const [body] = (await other.openSession().query(Child).getQueryResult()).results;
    assert.deepEqual(Object.keys(body), ['name', 'id', '@metadata']);

    other.conventions.shouldIgnoreEntityChanges = (_, entity) => entity.name === 'ignored';
    const changing = other.openSession();
    (await changing.load(mia.key, Child)).name = 'ignored';
    assert.equal(changing.advanced.hasChanges(), false);
});

test('commands are saved with the session, and saves wait for indexes', async (t) => {
    const store = openStore(t, 'commands');
    await save(store, [{ v: 1 }, 'old/1'], [{ v: 1 }, 'old/2'], [{ v: 1 }, 'gone/1'], [{ v: 1 }, 'counts/1']);
    await store.indexes.put({ name: 'All', maps: { '@all_docs': (it) => ({ v: it.v }) } });
    const session = store.openSession();
    session.advanced.defer(
        new PutCommandDataBase('children/1', null, Object.assign(new Child('Eva'), { since: noon })),
        new DeletePrefixedCommandData('old/'),
        new DeleteCommandData('gone/1', null),
        new PatchCommandData('counts/1', null, { script: 'this.v += args.by', values: { by: 4 } }),
    );
    session.advanced.waitForIndexesAfterSaveChanges({ indexes: ['All'] });
    await session.saveChanges();
    const reading = store.openSession();
    const eva = await reading.load('children/1');
    assert.deepEqual([eva.name, eva.since, eva instanceof Child], ['Eva', noon, true]);
    assert.equal(reading.advanced.getMetadataFor(eva)['@collection'], 'Children');
    assert.deepEqual(Object.values(await reading.load(['old/1', 'old/2', 'gone/1'])), [null, null, null]);
    let statistics;
    const found = await reading.query({ indexName: 'All' }).whereEquals('v', 5).statistics((it) => { statistics = it; }).all();
    assert.deepEqual([found.map((it) => it.id), statistics.isStale], [['counts/1'], false]);
    assert.deepEqual([...reading.advanced.getTrackedEntities().keys()].sort(), ['children/1', 'counts/1']);
    // Refused like any other write.
    session.advanced.defer(new DeleteCommandData('counts/1', 'A:1-AAAAAAAAAAAAAAAAAAAAAA'));
    await assert.rejects(session.saveChanges(), { code: 'ConcurrencyConflict' });
    assert.throws(() => session.advanced.defer({ type: 'DELETE', id: 'counts/1' }), /defer\(\)/);
});

test('streams read page by page, and leave the session as it is', async (t) => {
    const store = openStore(t, 'long-streams');
    await save(store, ...Array.from({ length: 300 }, (_, at) => [Object.assign(new Child(`c${at}`), { at: noon }), `children/${String(at).padStart(3, '0')}`]));
    const session = store.openSession();
    const first = await session.load('children/000', Child);
    first.name = 'changed here';
    await session.delete('children/001');
    const ids = [];
    for await (const { id, document } of await session.advanced.stream('children/', { documentType: Child })) {
        assert.ok(document instanceof Child && document.at instanceof Date && document !== first);
        assert.notEqual(document.name, 'changed here');
        ids.push(id);
    }
    assert.deepEqual([ids.length, new Set(ids).size, ids[0], ids[299]], [300, 300, 'children/000', 'children/299']);
    assert.equal(session.advanced.numberOfRequests, 1 + 3);
    const some = [];
    for await (const { id } of await session.advanced.stream('children/', { matches: '1*', start: 3, pageSize: 2 })) some.push(id);
    assert.deepEqual(some, ['children/103', 'children/104']);
    // A loop that is left reads no more.
    for await (const { id } of await session.advanced.stream('children/')) {
        assert.equal(id, 'children/000');
        break;
    }
    assert.equal(session.advanced.numberOfRequests, 1 + 3 + 1 + 1);
    const names = [];
    const query = session.query(Child).whereLessThan('name', 'c1').selectFields(['name', 'at']).waitForNonStaleResults();
    for await (const { document } of await session.advanced.stream(query)) names.push(document);
    assert.deepEqual(names, [{ name: 'c0', at: noon }]);
    await assert.rejects(session.advanced.stream(session.advanced.rawQuery('from')), { code: 'InvalidRequest' });
    assert.deepEqual([session.advanced.isLoaded('children/002'), session.advanced.hasChanged(first)], [false, true]);
});

test('lazy: what fails fails alone, and callbacks hear what came', async (t) => {
    const store = openStore(t, 'lazies');
    await save(store, [new Child('Eva'), 'children/1'], [Object.assign(new Child('Ida'), { friend: 'children/1' }), 'children/2']);
    const session = store.openSession();
    const heard = [];
    const wrong = session.advanced.rawQuery('from Children wher').lazily();
    const right = session.query(Child).waitForNonStaleResults().orderBy('name').lazily((it) => heard.push(it.length));
    const included = session.advanced.lazily.include('friend').load('children/2', Child);
    assert.deepEqual((await right.getValue()).map((it) => it.name), ['Eva', 'Ida']);
    await assert.rejects(wrong.getValue(), { code: 'InvalidRequest' });
    assert.deepEqual([heard, session.advanced.numberOfRequests], [[2], 1]);
    assert.equal((await included.getValue()).name, 'Ida');
    await assert.rejects(async () => {
        session.advanced.rawQuery('from Children wher').lazily();
        await session.advanced.eagerly.executeAllPendingLazyOperations();
    }, { code: 'InvalidRequest' });
    // What the session has needs no request.
    const known = session.advanced.numberOfRequests;
    assert.equal((await session.advanced.lazily.load('children/1').getValue()).name, 'Eva');
    assert.equal(session.advanced.numberOfRequests, known);
    await assert.rejects(session.advanced.conditionalLoad('children/9', '', Child), /conditionalLoad/);
});

test('projections: of one date, of a reduce, of live queries, and of paths by position', async (t) => {
    const store = openStore(t, 'projections');
    class Ages extends AbstractJavaScriptIndexCreationTask {
        constructor() {
            super();
            this.map('Children', (it) => ({ group: it.group, count: 1 }));
            this.reduce((results) => results.groupBy((it) => it.group).aggregate((all) => ({
                group: all.key, count: all.values.reduce((sum, it) => sum + it.count, 0),
            })));
        }
    }
    await new Ages().execute(store);
    const visits = [{ at: noon, reason: 'cough' }, { at: new Date(0), reason: 'leg' }];
    await save(store,
        [Object.assign(new Child('Eva'), { group: 'bears', born: noon, visits, tags: new Set(['a']) }), 'children/1'],
        [Object.assign(new Child('Ida'), { group: 'bears', born: null, visits: [] }), 'children/2']);
    const query = () => store.openSession().query(Child).waitForNonStaleResults().orderBy('id');
    assert.deepEqual(await query().selectFields('born').all(), [noon, null]);
    assert.deepEqual(await query().selectFields(['tags', 'visits']).first(), { tags: new Set(['a']), visits });
    assert.deepEqual(await query().whereEquals('visits[0].reason', 'cough').selectFields('name').all(), ['Eva']);
    assert.equal(await query().selectFields('born').first().then((it) => it.getTime()), noon.getTime());
    assert.equal(await query().whereEquals('name', 'Ida').selectFields('born').single(), null);
    await assert.rejects(query().selectFields('name').single(), { code: 'InvalidRequest' });
    const reduced = store.openSession().query({ index: Ages }).waitForNonStaleResults();
    assert.deepEqual(await reduced.selectFields(['group', 'count']).all(), [{ group: 'bears', count: 2 }]);
    const live = query().selectFields('name').live();
    t.after(() => live.close());
    for await (const names of live) {
        assert.deepEqual(names, ['Eva', 'Ida']);
        break;
    }
    const dates = query().selectFields(['born', 'name']).live();
    t.after(() => dates.close());
    for await (const found of dates) {
        assert.deepEqual(found, [{ born: noon, name: 'Eva' }, { born: null, name: 'Ida' }]);
        break;
    }
});

test('a query that is not tracked gives what is stored, beside what the session has', async (t) => {
    const store = openStore(t, 'untracked');
    await save(store, [Object.assign(new Child('Eva'), { friend: 'children/2' }), 'children/1'], [new Child('Ida'), 'children/2']);
    const session = store.openSession();
    const eva = await session.load('children/1', Child);
    eva.name = 'changed here';
    const [found] = await session.query(Child).whereEquals('id()', 'children/1').include('friend').noTracking().all();
    assert.deepEqual([found === eva, found.name, found instanceof Child], [false, 'Eva', true]);
    assert.throws(() => session.advanced.getMetadataFor(found), { code: 'InvalidRequest' });
    assert.equal(session.advanced.isLoaded('children/2'), false);
    assert.equal((await session.query(Child).whereEquals('id()', 'children/1').all())[0], eva);
    assert.equal(await session.query(Child).waitForNonStaleResults(60_000).whereExists('name').count(), 2);
});

test('builders refuse what makes no sense before anything is asked', async (t) => {
    const store = openStore(t, 'refusals');
    const query = () => store.openSession().query(Child);
    const refused = [
        [() => query().fuzzy(0.5), /fuzzy\(\) comes right after whereEquals\(\)/],
        [() => query().whereEquals('name', 'Eva').proximity(2), /proximity\(\) comes right after search\(\)/],
        [() => query().boost(2), /boost\(\) comes right after/],
        [() => query().whereEquals('name', 'Eva').fuzzy(2), /from 0 to 1/],
        [() => query().whereEquals('name', 'Eva').andAlso().intersect(), /intersect\(\) comes after/],
        [() => query().whereEquals('name', 'Eva').usingDefaultOperator('OR'), /before the first condition/],
        [() => query().closeSubclause().boost(2), /no openSubclause\(\)/],
        [() => query().aggregateBy((it) => it.sumOn('age')), /byField\(\)/],
        [() => store.openSession().query({ indexName: 'Any' }).groupBy('name'), /groupBy\(\) needs a collection/],
    ];
    for (const [ask, why] of refused) assert.throws(ask, (error) => error.code === 'InvalidRequest' && why.test(error.message), String(why));
    await save(store, ...[[1, 1], [3, 2], [3, 3]].map(([a, b], at) => [Object.assign(new Child(), { a, b }), `children/${at}`]));
    const neither = query().not().openSubclause().whereEquals('a', 1).orElse().whereEquals('b', 2).closeSubclause().boost(3);
    assert.deepEqual((await neither.waitForNonStaleResults().all()).map((it) => it.id), ['children/2']);
    assert.equal(
        query().spatial(new PointField('from.x', 'y'), (it) => it.withinRadius(1, 2, 3, 'Miles', 0.1)).toString(),
        "from 'Children' where spatial.within(spatial.point('from'.x, y), spatial.circle($p0, $p1, $p2, $p3), $p4)",
    );
});

test('what sessions check is said by modes too', async (t) => {
    const store = openStore(t, 'modes');
    const race = async (options, change = () => undefined) => {
        await save(store, [new Child('Eva'), 'children/1'], [new Child('Ida'), 'children/2']).catch(() => undefined);
        const session = store.openSession(options);
        change(session.advanced);
        const { 'children/1': eva } = await session.load(['children/1', 'children/2'], Child);
        const other = store.openSession({ useOptimisticConcurrency: false });
        for (const it of Object.values(await other.load(['children/2'], Child))) it.name += '!';
        await other.saveChanges();
        eva.name += '.';
        const mode = session.advanced.optimisticConcurrencyMode;
        return session.saveChanges().then(() => `${mode} saved`, (error) => `${mode} ${error.code}`);
    };
    assert.equal(await race({}), 'Writes saved');
    assert.equal(await race({ optimisticConcurrencyMode: 'WritesAndReads' }), 'WritesAndReads ConcurrencyConflict');
    assert.equal(await race({}, (advanced) => { advanced.optimisticConcurrencyMode = 'WritesAndReads'; }), 'WritesAndReads ConcurrencyConflict');
    store.conventions.optimisticConcurrencyMode = 'WritesAndReads';
    assert.equal(await race('modes'), 'WritesAndReads ConcurrencyConflict');
    assert.equal(await race({ optimisticConcurrencyMode: 'None', database: 'modes', noCaching: true }), 'None saved');
    // Not passed over in silence: what is saved would lie elsewhere, or be another promise.
    assert.throws(() => store.openSession('other'), { code: 'Unsupported' });
    assert.throws(() => store.openSession({ transactionMode: 'ClusterWide' }), /ClusterWide/);
    assert.throws(() => { store.openSession().advanced.transactionMode = 'ClusterWide'; }, /ClusterWide/);
});

test('what a page does not have says so, by its name', async (t) => {
    const store = openStore(t, 'not-here');
    const session = store.openSession();
    const { advanced } = session;
    const [query, raw] = [session.query(Child), advanced.rawQuery('from Children')];
    const calls = {
        countersFor: () => session.countersFor('children/1'),
        timeSeriesFor: () => session.timeSeriesFor('children/1', 'heart'),
        incrementalTimeSeriesFor: () => session.incrementalTimeSeriesFor('children/1', 'heart'),
        clusterTransaction: () => advanced.clusterTransaction.createCompareExchangeValue('key', 1),
        getCountersFor: () => advanced.getCountersFor({}),
        waitForReplicationAfterSaveChanges: () => advanced.waitForReplicationAfterSaveChanges(),
        requestExecutor: () => advanced.requestExecutor.execute({}),
        beforeStore: () => advanced.on('beforeStore', () => undefined),
        streamInto: () => advanced.streamInto(query, {}),
        loadIntoStream: () => advanced.loadIntoStream(['children/1'], {}),
        selectTimeSeries: () => query.selectTimeSeries(() => undefined),
        vectorSearch: () => query.vectorSearch('name', [1]),
        shardContext: () => query.shardContext(() => undefined),
        on: () => query.on('beforeQueryExecuted', () => undefined),
        projection: () => raw.projection('FromIndex'),
        selectFields: () => query.selectFields(['name'], Child, 'FromIndex'),
        orderBy: () => query.orderBy('name', { sorterName: 'Mine' }),
        includeCounters: () => query.include((it) => it.includeCounters(['likes'])),
        includeRevisions: () => query.include((it) => it.includeRevisions('changeVectors')),
        registerQueryValueConverter: () => store.conventions.registerQueryValueConverter(Child, () => true),
        localToServerFieldNameConverter: () => { store.conventions.localToServerFieldNameConverter = (name) => name; },
        storeDatesInUtc: () => { store.conventions.storeDatesInUtc = false; },
    };
    for (const [name, call] of Object.entries(calls)) {
        assert.throws(call, (error) => error.code === 'Unsupported' && error.message.includes(name), name);
    }
    // What is so anyway may be asked for.
    store.conventions.storeDatesInUtc = true;
    store.conventions.localToServerFieldNameConverter = undefined;
});
