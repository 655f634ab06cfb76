// Code that moves between the official client and this one: the same functions with both, the one
// over a server, the other over memory, have the same results.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { startPinyon } from '../harness/pinyon.js';

const entry = fileURLToPath(new URL('../../../bindings-js/dist/node.js', import.meta.url));
const ours = await import(pathToFileURL(path.resolve(entry)));
const official = createRequire(new URL('../../clients/node/package.json', import.meta.url))('ravendb');
const pinyon = await startPinyon('unused');
after(() => pinyon.close());

let count = 0;
const noon = new Date('2026-11-23T12:00:00Z');

/** Runs the same with both, and answers what both answered. */
async function withBoth(t, story, prepare = () => undefined) {
    const run = async (client, store) => {
        prepare(store);
        store.initialize();
        t.after(() => store.dispose());
        return story(client, store);
    };
    const database = `official-${count += 1}`;
    const headers = { 'content-type': 'application/json' };
    const created = await pinyon.request('/admin/databases', { method: 'PUT', headers, body: JSON.stringify({ DatabaseName: database }) });
    assert.ok(created.ok);
    const theirs = await run(official, new official.DocumentStore(pinyon.url, database));
    const own = await run(ours, new ours.DocumentStore({ database, storage: 'memory' }));
    assert.deepEqual(own, theirs);
    return own;
}

class Order {}
class Article {}
class Shown {}

const LINES = [['soup', 2], ['bread', 1], ['tea', 1]];

async function saveOrders(store) {
    const session = store.openSession();
    for (let at = 0; at < 12; at += 1) {
        const order = Object.assign(new Order(), {
            company: `companies/${at % 3}`, city: ['Berlin', 'Rome'][at % 2], freight: at * 1.5, rank: `${at}`, shippedAt: new Date(noon.getTime() + at * 1000),
            lines: LINES.slice(0, 1 + (at % 3)).map(([product, quantity]) => ({ product, quantity })),
            place: { latitude: 52 + at / 100, longitude: 13 }, wkt: `POINT (13 ${52 + at / 100})`, note: at % 4 === 0 ? 'urgent' : null,
        });
        await session.store(order, `orders/${String(at).padStart(2, '0')}`);
    }
    await session.saveChanges();
}

const TEXTS = [
    'the quick brown fox jumps over the lazy dog',
    'a quick rabbit and a brown horse',
    'brown bread and butter, quick',
    'slow food for slow people',
    'quik is not a word',
];

async function saveArticles(client, store) {
    class Articles_Words extends client.AbstractJavaScriptIndexCreationTask {
        constructor() {
            super();
            this.map('Articles', (it) => ({ text: it.text, tag: it.tag }));
            this.index('text', 'Search');
            this.store('text', 'Yes');
            this.termVector('text', 'WithPositionsAndOffsets');
            this.suggestion('text');
            this.suggestion('tag');
        }
    }
    await store.executeIndex(new Articles_Words());
    const session = store.openSession();
    for (const [at, text] of TEXTS.entries()) await session.store(Object.assign(new Article(), { text, tag: `t${at % 2}` }), `articles/${at}`);
    await session.saveChanges();
    return Articles_Words;
}

const idsOf = (found) => found.map((it) => it.id);
const plain = (result) => JSON.parse(JSON.stringify(result));
/** Projections and groups: the official client leaves in them what tells it how to read them. */
const bare = (found) => {
    for (const it of found) if (it) for (const name of ['@metadata', '__PROJECTED_NESTED_OBJECT_TYPES__']) delete it[name];
    return found;
};

test('groups: keys, sums and counts, by items of arrays and by whole arrays', async (t) => {
    const [byCompany, byTwo, byItem, byArray, total] = await withBoth(t, async (client, store) => {
        await saveOrders(store);
        const query = () => store.openSession().query({ collection: 'Orders' }).waitForNonStaleResults();
        let stats;
        const byCompany = await query().groupBy('company').selectKey().selectCount().orderBy('company').all().then(bare);
        const byTwo = await query().groupBy('company', 'city').selectKey('company').selectKey('city', 'town')
            .selectSum(new client.GroupByField('freight', 'freight'))
            .whereEquals('city', 'Rome').orderByDescending('company').statistics((it) => { stats = it; }).all().then(bare);
        const byItem = await query().groupBy('lines[].product').selectKey('lines[].product', 'product')
            .selectSum({ fieldName: 'lines[].quantity', projectedName: 'quantity' }).orderByDescending('lines[].product').all().then(bare);
        const byArray = await query().groupBy(client.GroupBy.array('lines[].product')).selectKey('lines[].product', 'products').selectCount('howMany').all();
        return [byCompany, byTwo, byItem, byArray.map((it) => [it.products.join(), it.howMany]).sort(), stats.totalResults];
    });
    assert.deepEqual(byCompany, [0, 1, 2].map((at) => ({ Key: `companies/${at}`, count: 4 })));
    assert.deepEqual(byTwo[0], { company: 'companies/2', town: 'Rome', freight: 24 });
    assert.equal(total, 3);
    assert.deepEqual(byItem, [{ product: 'tea', quantity: 4 }, { product: 'soup', quantity: 24 }, { product: 'bread', quantity: 8 }]);
    assert.deepEqual(byArray, [['soup', 4], ['soup,bread', 4], ['soup,bread,tea', 4]]);
});

test('facets: by values, ranges and all results, with sums, from objects, builders and documents', async (t) => {
    const [built, objects, stored, paged, lazy] = await withBoth(t, async (client, store) => {
        await saveOrders(store);
        const query = () => store.openSession().query({ collection: 'Orders' }).waitForNonStaleResults();
        const range = client.RangeBuilder.forPath('freight');
        const built = await query().whereEquals('city', 'Berlin')
            .aggregateBy((it) => it.byField('company').withDisplayName('by company').sumOn('freight').averageOn('freight', 'mean').minOn('freight').maxOn('freight'))
            .andAggregateBy((it) => it.byRanges(range.isLessThan(6), range.isGreaterThanOrEqualTo(6).isLessThanOrEqualTo(12), range.isGreaterThan(12)).withDisplayName('freight'))
            .execute();
        const facet = Object.assign(new client.Facet(), { fieldName: 'city' });
        const ranges = Object.assign(new client.RangeFacet(), { ranges: ['freight < 3', 'freight >= 3'], displayFieldName: 'weights' });
        const objects = await query().aggregateBy(facet, ranges).execute();
        const setup = { Facets: [{ FieldName: 'company', DisplayFieldName: 'set up' }], RangeFacets: [] };
        const session = store.openSession();
        await session.store(setup, 'facets/1');
        await session.saveChanges();
        class Orders_Companies extends client.AbstractJavaScriptIndexCreationTask {
            constructor() {
                super();
                this.map('Orders', (it) => ({ company: it.company }));
            }
        }
        await store.executeIndex(new Orders_Companies());
        const stored = await store.openSession().query({ indexName: 'Orders/Companies' }).waitForNonStaleResults().aggregateUsing('facets/1').execute();
        const options = Object.assign(new client.FacetOptions(), { termSortMode: 'CountDesc', pageSize: 1, includeRemainingTerms: true });
        const paged = await query().whereIn('company', ['companies/0', 'companies/1']).whereNotEquals('rank', '0')
            .aggregateBy((it) => it.byField('company').withOptions(options)).execute();
        const lazySession = store.openSession();
        const waiting = lazySession.query({ collection: 'Orders' }).aggregateBy((it) => it.allResults().sumOn('freight')).executeLazy();
        const child = lazySession.advanced.lazily.load('orders/01');
        const lazy = [Object.values(await waiting.getValue())[0].values[0].sum, (await child.getValue()).freight, lazySession.advanced.numberOfRequests];
        return [built, objects, stored, paged, lazy].map(plain);
    });
    assert.deepEqual(built['by company'].values.map((it) => it.count), [2, 2, 2, 2, 2, 2]);
    assert.deepEqual(built.freight.values.map((it) => it.count), [2, 3, 1]);
    assert.deepEqual(objects.weights.values.map((it) => [it.range, it.count]), [['freight < 3', 2], ['freight >= 3', 10]]);
    assert.deepEqual(stored['set up'].values.map((it) => it.count), [4, 4, 4]);
    assert.deepEqual(paged.company.values.map((it) => it.range), ['companies/1']);
    assert.deepEqual(paged.company.remainingTerms, ['companies/0']);
    assert.deepEqual(lazy, [99, 1.5, 1]);
});

test('lazy loads and queries are one request', async (t) => {
    const told = await withBoth(t, async (client, store) => {
        await saveOrders(store);
        const session = store.openSession();
        const { lazily, eagerly } = session.advanced;
        const one = lazily.load('orders/01');
        const some = lazily.load(['orders/02', 'orders/99']);
        const prefixed = lazily.loadStartingWith('orders/1');
        const found = session.query({ collection: 'Orders' }).waitForNonStaleResults().whereEquals('company', 'companies/1').lazily();
        const total = session.query({ collection: 'Orders' }).waitForNonStaleResults().whereEquals('city', 'Rome').countLazily();
        const before = [session.advanced.numberOfRequests, one.isValueCreated()];
        await eagerly.executeAllPendingLazyOperations();
        const after = session.advanced.numberOfRequests;
        const order = await one.getValue();
        const known = lazily.load('orders/01');
        const same = (await known.getValue()) === order;
        const [{ changeVector }] = [{ changeVector: session.advanced.getChangeVectorFor(order) }];
        const fresh = store.openSession();
        const unchanged = await fresh.advanced.lazily.conditionalLoad('orders/01', changeVector, Order).getValue();
        const missing = await fresh.advanced.conditionalLoad('orders/99', changeVector, Order);
        const tracked = await session.advanced.conditionalLoad('orders/01', 'A:1', Order);
        const other = await store.openSession().advanced.conditionalLoad('orders/01', 'A:999-AAAAAAAAAAAAAAAAAAAAAA', Order);
        return {
            before, after, same, rank: order.rank,
            some: Object.entries(await some.getValue()).map(([id, it]) => [id, it?.rank ?? null]),
            prefixed: Object.keys(await prefixed.getValue()),
            found: (await found.getValue()).length, total: await total.getValue(),
            unchanged: [unchanged.entity, unchanged.changeVector === changeVector], missing,
            tracked: tracked.entity === order, other: other.entity.rank,
        };
    });
    assert.deepEqual(told, {
        before: [0, false], after: 1, same: true, rank: '1', some: [['orders/02', '2'], ['orders/99', null]],
        prefixed: ['orders/10', 'orders/11'], found: 4, total: 6, unchanged: [null, true], missing: { entity: null, changeVector: null },
        tracked: true, other: '1',
    });
});

test('streams: of queries and of the beginnings of ids', async (t) => {
    const told = await withBoth(t, async (client, store) => {
        await saveOrders(store);
        await store.openSession().query({ collection: 'Orders' }).whereEquals('city', 'Rome').waitForNonStaleResults().all();
        const session = store.openSession();
        const read = async (stream) => {
            const results = [];
            for await (const { id, document, metadata, changeVector } of stream) {
                results.push([id, document.rank, metadata['@collection'], typeof changeVector]);
            }
            return results;
        };
        let statistics;
        const query = session.query({ collection: 'Orders' }).whereEquals('city', 'Rome').orderBy('rank', 'Long');
        const found = await read(await session.advanced.stream(query, (it) => { statistics = it; }));
        const raw = await read(await session.advanced.stream(session.advanced.rawQuery('from Orders where rank = $rank').addParameter('rank', '3')));
        const prefixed = await read(await session.advanced.stream('orders/', { startAfter: 'orders/03', pageSize: 3 }));
        const heard = await new Promise((resolve, reject) => {
            const results = [];
            session.advanced.stream('orders/1').then((stream) => stream.on('data', (it) => results.push(it.id)).on('end', () => resolve(results)).on('error', reject));
        });
        return { found, raw, prefixed, heard, total: statistics.totalResults, isLoaded: session.advanced.isLoaded('orders/01') };
    });
    assert.deepEqual(told.found.map(([id]) => id), ['orders/01', 'orders/03', 'orders/05', 'orders/07', 'orders/09', 'orders/11']);
    assert.deepEqual(told.raw, [['orders/03', '3', 'Orders', 'string']]);
    assert.deepEqual(told.prefixed.map(([id]) => id), ['orders/04', 'orders/05', 'orders/06']);
    assert.deepEqual([told.heard, told.total, told.isLoaded], [['orders/10', 'orders/11'], 6, false]);
});

test('places: circles, shapes and distances', async (t) => {
    const told = await withBoth(t, async (client, store) => {
        await saveOrders(store);
        const query = () => store.openSession().query({ collection: 'Orders' }).waitForNonStaleResults();
        const point = () => new client.PointField('place.latitude', 'place.longitude');
        const ids = async (asked) => idsOf(await asked.all());
        const box = 'POLYGON ((12.9 52.025, 13.1 52.025, 13.1 52.055, 12.9 52.055, 12.9 52.025))';
        return {
            radius: await ids(query().spatial(point(), (it) => it.withinRadius(3, 52, 13)).orderBy('id')),
            miles: await ids(query().spatial(point(), (it) => it.withinRadius(3, 52, 13, 'Miles')).orderBy('id')),
            within: await ids(query().spatial(new client.WktField('wkt'), (it) => it.within(box)).orderBy('id')),
            disjoint: (await ids(query().spatial(point(), (it) => it.disjoint(box)))).length,
            related: await ids(query().not().spatial(point(), (it) => it.relatesToShape(box, 'Within')).whereEquals('city', 'Berlin').orderBy('id')),
            nearest: await ids(query().orderByDistance(point(), 52.05, 13).take(1)),
            farthest: await ids(query().orderByDistanceDescending(new client.WktField('wkt'), 'POINT (13 52)').take(2)),
            rounded: await ids(query().orderByDistance(point().roundTo(100), 52.2, 13).orderByDescending('rank', 'Long').take(2)),
        };
    });
    assert.deepEqual(told.radius, ['orders/00', 'orders/01', 'orders/02']);
    assert.deepEqual(told.miles, ['orders/00', 'orders/01', 'orders/02', 'orders/03', 'orders/04']);
    assert.deepEqual(told.within, ['orders/03', 'orders/04', 'orders/05']);
    assert.equal(told.disjoint, 9);
    assert.deepEqual([told.nearest, told.farthest, told.rounded], [['orders/05'], ['orders/11', 'orders/10'], ['orders/11', 'orders/10']]);
});

test('words: boosted, fuzzy, near each other, in the syntax of Lucene', async (t) => {
    const told = await withBoth(t, async (client, store) => {
        const index = await saveArticles(client, store);
        const query = () => store.openSession().query(Article, index).waitForNonStaleResults();
        const ids = async (asked) => idsOf(await asked.all());
        return {
            boosted: await ids(query().search('text', 'slow').boost(0.1).orElse().search('text', 'butter').boost(50).orderByScore()),
            group: (await ids(query().openSubclause().search('text', 'slow').orElse().search('text', 'fox').closeSubclause().boost(3).orderBy('id'))),
            fuzzy: await ids(query().whereEquals('text', 'quick').fuzzy(0.7).orderBy('id')),
            near: await ids(query().search('text', 'quick brown').proximity(0).orderBy('id')),
            further: await ids(query().search('text', 'quick fox').proximity(2).orderBy('id')),
            lucene: await ids(query().whereLucene('text', 'bread OR peo*').orderBy('id')),
            intersected: await ids(query().search('text', 'quick').intersect().whereEquals('tag', 't0').orderBy('id')),
            either: await ids(query().usingDefaultOperator('OR').search('text', 'fox').search('text', 'rabbit').orderBy('id')),
            wrapped: await ids(query().search('text', 'fox').orElse().search('text', 'rabbit').andAlso(true).whereEquals('tag', 't1').orderBy('id')),
            both: await ids(query().search('text', 'slow people', 'AND')),
            negated: await ids(query().negateNext().search('text', 'quick').orderBy('id')),
            params: await ids(store.openSession().query(Article).waitForNonStaleResults().whereEquals({ fieldName: 'tag', value: 'T1', exact: true })),
            added: await ids(query().addOrder('tag', true).addOrder('id', false)),
            filtered: await ids(store.openSession().query(Article).waitForNonStaleResults()
                .filter((it) => it.equals('tag', 't1').orElse().openSubclause().not().equals('tag', 't1').andAlso().greaterThan('text', 'the').closeSubclause()).orderBy('id')),
        };
    });
    assert.deepEqual(told, {
        boosted: ['articles/2', 'articles/3'], group: ['articles/0', 'articles/3'], fuzzy: ['articles/0', 'articles/1', 'articles/2', 'articles/4'],
        near: ['articles/0'], further: ['articles/0'], lucene: ['articles/2', 'articles/3'], intersected: ['articles/0', 'articles/2'],
        either: ['articles/0', 'articles/1'], wrapped: ['articles/1'], both: ['articles/3'], negated: ['articles/3', 'articles/4'], params: [],
        added: ['articles/1', 'articles/3', 'articles/0', 'articles/2', 'articles/4'], filtered: ['articles/0', 'articles/1', 'articles/3'],
    });
});

test('suggestions, and documents like another', async (t) => {
    const told = await withBoth(t, async (client, store) => {
        const index = await saveArticles(client, store);
        const query = () => store.openSession().query(Article, index).waitForNonStaleResults();
        await query().all();
        const { suggestion } = new client.SuggestionBuilder().byField('text', 'brwn').withDisplayName('colours');
        const { suggestion: terms } = new client.SuggestionBuilder().byField('text', ['fix', 'breat'])
            .withOptions({ accuracy: 0.5, pageSize: 5, distance: 'Levenshtein', sortMode: 'Popularity' });
        const options = { minimumTermFrequency: 1, minimumDocumentFrequency: 1, fields: ['text'] };
        return {
            built: plain(await query().suggestUsing((it) => it.byField('text', 'quack').withOptions({ accuracy: 0.6 })).execute()),
            objects: plain(await query().suggestUsing(suggestion).execute()),
            several: plain(await query().suggestUsing(terms).andSuggestUsing((it) => it.byField('tag', ['t2']).withDisplayName('more')).execute()),
            lazy: plain(await query().suggestUsing(suggestion).executeLazy().getValue()),
            like: idsOf(await query().moreLikeThis((it) => it.usingDocument((of) => of.whereEquals('id()', 'articles/1')).withOptions(options)).orderBy('id').all()),
            json: idsOf(await query().moreLikeThis((it) => it.usingDocument('{"text": "people and their food"}').withOptions(options)).orderBy('id').all()),
            any: idsOf(await query().whereEquals('tag', 't1').moreLikeThis((it) => it.usingAnyDocument().withOptions(options)).all()),
        };
    });
    assert.deepEqual(told.built.text.suggestions, ['quick', 'quik']);
    assert.deepEqual(told.objects, { colours: { name: 'colours', suggestions: ['brown'] } });
    assert.deepEqual(Object.keys(told.several), ['text', 'more']);
    assert.deepEqual(told.lazy, told.objects);
    assert.deepEqual(told.like, ['articles/0', 'articles/2']);
    assert.ok(told.json.includes('articles/3'));
});

test('highlights, explanations, timings, and the whole answer', async (t) => {
    const told = await withBoth(t, async (client, store) => {
        const index = await saveArticles(client, store);
        let [highlightings, explanations, timings, statistics] = [];
        const session = store.openSession();
        const found = await session.query(Article, index).waitForNonStaleResults().search('text', 'quick')
            .highlight({ fieldName: 'text', fragmentLength: 40, fragmentCount: 1, preTags: ['['], postTags: [']'] }, (it) => { highlightings = it; })
            .includeExplanations((it) => { explanations = it; }).timings((it) => { timings = it; }).statistics((it) => { statistics = it; })
            .noTracking().noCaching().orderBy('id').all();
        const result = await store.openSession().query(Article, index).search('text', 'slow').getQueryResult();
        return {
            ids: idsOf(found), isTracked: session.advanced.isLoaded('articles/0'),
            fragments: highlightings.getFragments('articles/1'), keys: highlightings.resultIndents, field: highlightings.fieldName,
            explained: Object.keys(explanations.explanations), hasReason: explanations.explanations['articles/0'].join().length > 0,
            timed: timings.durationInMs >= 0, total: statistics.totalResults, isFast: statistics.durationInMs < 60_000,
            result: [result.totalResults, result.results[0].text, result.results[0]['@metadata']['@id'], result.isStale, result.indexName],
        };
    });
    assert.deepEqual(told.fragments, ['a [quick] rabbit and a brown horse']);
    assert.deepEqual([told.ids, told.isTracked, told.total], [['articles/0', 'articles/1', 'articles/2'], false, 3]);
    assert.deepEqual(told.result, [1, TEXTS[3], 'articles/3', false, 'Articles/Words']);
});

test('projections: a single field as its value, dates as dates, other names, computed objects', async (t) => {
    const told = await withBoth(t, async (client, store) => {
        await saveOrders(store);
        const query = () => store.openSession().query({ collection: 'Orders' }).waitForNonStaleResults().orderBy('rank', 'Long').take(2);
        const shown = await query().selectFields(['rank', 'shippedAt'], Shown).all();
        return {
            plain: bare(await query().selectFields(['rank', 'shippedAt', 'lines']).all()),
            single: await query().selectFields('rank').all(),
            none: await query().skip(1).take(2).selectFields(['note']).all(),
            nested: await query().selectFields('place.latitude').all(),
            items: bare(await query().selectFields('lines[].product').all()),
            both: bare(await query().selectFields(['place.latitude', 'id']).all()),
            ids: await query().selectFields('id').all(),
            limited: idsOf(await query().filter((it) => it.equals('city', 'Rome'), 3).all()),
            list: bare(await query().selectFields('lines').take(1).all()),
            ofClass: bare(await query().selectFields('rank', Shown).all()),
            shown: shown.map((it) => [it instanceof Shown, it.rank, it.shippedAt]),
            renamed: bare(await query().selectFields(new client.QueryData(['rank', 'place.latitude'], ['number', 'north']), Shown).all()),
            computed: bare(await query().selectFields(client.QueryData.customFunction('o', '{ twice: o.freight * 2 }'), Shown).all()),
            distinct: await store.openSession().query({ collection: 'Orders' }).waitForNonStaleResults().orderBy('city').distinct().selectFields('city').all(),
            counted: await query().selectFields(['city']).distinct().count(),
            // As they are stored.
            raw: bare(await store.openSession().advanced.rawQuery('from Orders order by rank as long select shippedAt').take(1).skip(1).waitForNonStaleResults().all()),
            rawFirst: (await store.openSession().advanced.rawQuery('from Orders order by rank as long').waitForNonStaleResults().first()).rank,
            rawFacets: JSON.parse(JSON.stringify((await store.openSession().advanced.rawQuery('from Orders select facet(city)').executeAggregation()).city.values)).map((it) => it.count),
        };
    }, (store) => { store.conventions.storeDatesInUtc = true; });
    assert.deepEqual(told.plain[1], { rank: '1', shippedAt: new Date(noon.getTime() + 1000), lines: [{ product: 'soup', quantity: 2 }, { product: 'bread', quantity: 1 }] });
    assert.deepEqual([told.single, told.none, told.list], [['0', '1'], [null, null], [{ lines: [{ product: 'soup', quantity: 2 }] }]]);
    assert.deepEqual(told.shown, [[true, '0', noon], [true, '1', new Date(noon.getTime() + 1000)]]);
    assert.deepEqual(told.distinct, ['Berlin', 'Rome']);
});

test('counting, paging, ordering, including and what else queries have', async (t) => {
    const told = await withBoth(t, async (client, store) => {
        await saveOrders(store);
        const customers = store.openSession();
        await customers.store({ name: 'Seven' }, 'companies/1', 'Company');
        await customers.saveChanges();
        const query = () => store.openSession().query(Order).waitForNonStaleResults();
        const raw = (text) => store.openSession().advanced.rawQuery(text).waitForNonStaleResults();
        const fails = (asked) => asked.then(() => 'found', () => 'refused');
        const session = store.openSession();
        const [first] = await session.query(Order).whereEquals('rank', '1').include((it) => it.includeDocuments('company')).all();
        const company = await session.load(first.company);
        return {
            counts: [await query().count(), await query().longCount(), await query().whereEquals('city', 'Rome').any(), await query().whereEquals('city', 'Oslo').any()],
            single: [(await query().whereEquals('rank', '4').single()).id, await query().whereEquals('rank', '99').singleOrNull(), await query().whereEquals('rank', '99').firstOrNull()],
            refused: [await fails(query().single()), await fails(query().whereEquals('rank', '99').first()), await fails(query().whereEquals('rank', '99').single()), await fails(query().singleOrNull())],
            paged: idsOf(await query().orderByDescending('freight', 'Double').skip(2).take(2).all()),
            alphaNumeric: idsOf(await query().orderBy('rank', 'AlphaNumeric').take(3).all()),
            text: idsOf(await query().orderBy('rank').take(3).all()),
            between: await query().whereBetween('freight', 3, 6).count(),
            dates: await query().whereGreaterThan('shippedAt', new Date(noon.getTime() + 9000)).count(),
            lists: [await query().containsAny('lines[].product', ['tea', 'none']).count(), await query().containsAll('lines[].product', ['tea', 'bread']).count()],
            exists: await query().whereExists('note').count(), nothing: await query().whereEquals('note', null).count(),
            byId: idsOf(await query().whereIn('id', ['orders/03', 'ORDERS/04']).orderBy('id').all()),
            included: [company.name, session.advanced.numberOfRequests],
            raw: idsOf(await raw('from Orders order by rank as long').skip(1).take(2).all()), rawCount: await raw('from Orders').count(),
            rawLazy: (await raw("from Orders where city = 'Rome'").lazily().getValue()).length, rawAny: await raw("from Orders where city = 'Oslo'").any(),
            document: idsOf(await store.openSession().advanced.documentQuery(Order).waitForNonStaleResults().whereEquals('rank', '5').all()),
            ofType: (await query().whereEquals('rank', '1').ofType(Shown).first()) !== null,
            random: idsOf(await query().randomOrdering('a seed').all()).sort().length,
        };
    });
    assert.deepEqual(told, {
        counts: [12, 12, true, false], single: ['orders/04', null, null], refused: ['refused', 'refused', 'refused', 'refused'],
        paged: ['orders/09', 'orders/08'], alphaNumeric: ['orders/00', 'orders/01', 'orders/02'], text: ['orders/00', 'orders/01', 'orders/10'],
        between: 3, dates: 2, lists: [4, 4], exists: 12, nothing: 9, byId: ['orders/03', 'orders/04'], included: ['Seven', 1],
        raw: ['orders/01', 'orders/02'], rawCount: 12, rawLazy: 6, rawAny: false, document: ['orders/05'], ofType: true, random: 12,
    });
});
