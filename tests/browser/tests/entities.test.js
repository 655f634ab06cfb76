// Entities: classes, dates and what is loaded with them, as with the official client, and with it.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { startPinyon } from '../harness/pinyon.js';

const entry = fileURLToPath(new URL('../../../bindings-js/dist/node.js', import.meta.url));
const { DocumentConventions, DocumentStore } = await import(pathToFileURL(path.resolve(entry)));
const official = createRequire(new URL('../../clients/node/package.json', import.meta.url))('ravendb');

class Child {
    #secret = 7;
    meals = [];

    constructor(name, parentId) {
        this.name = name;
        this.parentId = parentId;
    }

    greeting() {
        return `I am ${this.name}, ${this.#secret}`;
    }
}

class Infant extends Child {}

/** One that cannot be made without arguments. */
class Parent {
    constructor({ name }) {
        this.name = name;
    }
}

function openStore(t, database, options = {}) {
    const store = new DocumentStore({ database, storage: 'memory', ...options });
    t.after(() => store.dispose());
    return store;
}

async function save(store, ...entities) {
    const session = store.openSession();
    for (const [entity, id, type] of entities) await session.store(entity, id, type);
    await session.saveChanges();
    return session;
}

test('a class is a collection, and what is loaded of it are its instances', async (t) => {
    const store = openStore(t, 'classes');
    const mia = new Child('Mia', 'parents/1');
    await save(store, [mia], [new Infant('Ben'), 'children/2'], [new Parent({ name: 'Eva' }), 'parents/1'], [{ name: 'Ida' }, 'children/3', Child]);
    assert.match(mia.id, /^children\/\w+$/);
    assert.deepEqual((await store.maintenance.getStatistics()).collections, { Children: 2, Infants: 1, Parents: 1 });

    // A store that has seen none of the classes yet.
    const fresh = openStore(t, 'classes-fresh');
    await fresh.smuggler.import(await store.smuggler.export());
    const session = fresh.openSession();
    const plain = await session.load(mia.id);
    assert.equal(plain instanceof Child, false);
    assert.equal(await session.load(mia.id, Child), plain, 'it is the same entity however it is asked for');
    const reading = fresh.openSession();
    const child = await reading.load(mia.id, Child);
    assert.deepEqual([child instanceof Child, child.greeting(), child.id], [true, 'I am Mia, 7', mia.id]);
    const { 'parents/1': parent } = await reading.load(['parents/1'], { documentType: Parent });
    assert.deepEqual([parent instanceof Parent, parent.name], [true, 'Eva']);
    fresh.conventions.registerEntityType(Infant);
    assert.equal((await reading.load('children/2', Child)).constructor, Infant, 'a derived class stays what it is');
    for (const query of [reading.query(Child), reading.query({ collection: 'Children', documentType: Child }), reading.query({ collection: 'Children' })]) {
        const found = await query.orderBy('name').waitForNonStaleResults().all();
        assert.deepEqual(found.map((it) => [it.greeting(), it.constructor]), [['I am Ida, 7', Child], ['I am Mia, 7', Child]]);
        assert.equal(found[1], child);
    }
    assert.equal(reading.advanced.hasChanges(), false, 'what the class sets up of itself is no change');
    const [name] = await reading.query(Child).whereEquals('name', 'Mia').selectFields('name', Child).all();
    assert.deepEqual([name instanceof Child, name.name], [true, 'Mia']);

    child.name = 'Mia Maria';
    await reading.saveChanges();
    const again = fresh.openSession();
    const stored = await again.load(mia.id);
    assert.equal(stored.greeting(), 'I am Mia Maria, 7', 'the class is known by now');
    const metadata = again.advanced.getMetadataFor(stored);
    assert.deepEqual([metadata['Raven-Node-Type'], metadata['@collection'], Object.keys(metadata).filter((it) => !it.startsWith('@'))], ['Child', 'Children', ['Raven-Node-Type']]);
    assert.deepEqual(Object.keys(stored).sort(), ['id', 'meals', 'name', 'parentId']);
});

test('conventions that an application replaces', async (t) => {
    const conventions = new DocumentConventions();
    conventions.findCollectionName = (type) => (type === Child ? 'Kids' : undefined);
    conventions.findCollectionNameForObjectLiteral = (entity) => entity.collection;
    conventions.identityPartsSeparator = '-';
    conventions.transformClassCollectionNameToDocumentIdPrefix = (name) => name.toUpperCase();
    const store = openStore(t, 'conventions', { conventions });
    const [mia, eva, house] = [new Child('Mia'), new Parent({ name: 'Eva' }), { collection: 'Houses' }];
    await save(store, [mia], [eva], [house]);
    assert.deepEqual([mia.id, eva.id, house.id].map((it) => it.split('-')[0]), ['KIDS', 'PARENTS', 'HOUSES']);
    assert.deepEqual(Object.keys((await store.maintenance.getStatistics()).collections).sort(), ['Houses', 'Kids', 'Parents']);
    assert.equal((await store.openSession().query(Child).waitForNonStaleResults().all()).length, 1);
    assert.equal(DocumentConventions.defaultGetCollectionName(Child), 'Children');
});

test('includes are given as paths or built', async (t) => {
    const store = openStore(t, 'includes');
    await save(store, [new Child('Mia', 'parents/1'), 'children/1'], [new Parent({ name: 'Eva' }), 'parents/1']);
    const byLoad = (includes) => (session) => session.load('children/1', { includes });
    const builder = (it) => it.includeDocuments('parentId').includeDocuments('nothing');
    const ways = [
        byLoad(['parentId']),
        byLoad(builder),
        (session) => session.include('parentId').load('children/1'),
        (session) => session.query(Child).include('parentId').waitForNonStaleResults().first(),
        (session) => session.query(Child).include(builder).waitForNonStaleResults().first(),
    ];
    for (const way of ways) {
        const session = store.openSession();
        const child = await way(session);
        assert.equal((await session.load(child.parentId)).name, 'Eva');
        assert.equal(session.advanced.numberOfRequests, 1, `${way}`);
    }
    const live = store.liveDocument('children/1', { includes: builder });
    for await (const child of live) {
        assert.deepEqual([child.name, live.getSnapshot().includes['parents/1'].name], ['Mia', 'Eva']);
        break;
    }
});

const noon = new Date('2026-11-23T12:00:00.123Z');
const later = new Date('2026-11-23T13:00:00Z');
const withDates = () => ({
    at: noon, list: [later, null, 'text', { deep: [noon] }], map: { 'a.b': later, since: noon }, text: '2026-11-23T12:00:00.123Z', none: null,
});

test('dates, sets and maps stay what they are, wherever they are, and a changed one is saved', async (t) => {
    const store = openStore(t, 'dates');
    const entity = Object.assign(new Child('Mia'), withDates());
    const storing = await save(store, [entity, 'children/1']);
    assert.equal(storing.advanced.hasChanges(), false);
    const session = store.openSession();
    const child = await session.load('children/1');
    const { id, name, meals, parentId, ...rest } = child;
    assert.deepEqual(rest, withDates(), 'and the text that looks like one is a text');
    assert.equal(session.advanced.hasChanges(), false);
    assert.deepEqual(session.advanced.getMetadataFor(child)['@nested-object-types'], {
        at: 'date', 'list.0': 'date', 'list.3.deep.0': 'date', 'map.a.b': 'date', 'map.since': 'date',
    });

    child.at.setMinutes(1);
    assert.deepEqual(session.advanced.whatChangedFor(child).map((it) => [it.change, it.fieldName]), [['FieldChanged', 'at']]);
    child.list = [later];
    child.map.since = 'a text';
    await session.saveChanges();
    assert.equal(session.advanced.hasChanges(), false);
    const again = store.openSession();
    const stored = await again.load('children/1');
    assert.deepEqual([stored.at, stored.list, stored.map], [child.at, [later], { 'a.b': later, since: 'a text' }]);
    assert.deepEqual(Object.keys(again.advanced.getMetadataFor(stored)['@nested-object-types']), ['at', 'list.0', 'map.a.b']);
    // A date in the place of its own text is a change, and so is the text in the place of the date.
    stored.text = new Date(stored.text);
    stored.at = stored.at.toISOString().replace('Z', '0000Z');
    assert.equal(again.advanced.hasChanged(stored), true);
    await again.saveChanges();
    const { text, at } = await store.openSession().load('children/1');
    assert.deepEqual([text, typeof at], [noon, 'string']);
    await again.advanced.refresh(stored);
    assert.deepEqual(stored.text, noon);

    const all = { set: new Set([noon, 'x']), map: new Map([['a', { at: noon }], ['b', new Set([1])]]), none: new Set(), keys: new Map([[later, 1]]) };
    await save(store, [{ ...all }, 'all/1']);
    const kept = store.openSession();
    const found = await kept.load('all/1');
    assert.deepEqual(found, { ...all, id: 'all/1' });
    assert.equal(kept.advanced.hasChanges(), false);
    found.map.get('b').add(2);
    await kept.saveChanges();
    assert.deepEqual((await store.openSession().load('all/1')).map, new Map([['a', { at: noon }], ['b', new Set([1, 2])]]));

    await assert.rejects(save(store, [{ at: new Date(NaN) }, 'bad/1']), { code: 'InvalidRequest', message: /bad\/1/ });
});

test('dates in queries, patches, live queries, revisions and what a patch brings back', async (t) => {
    const store = openStore(t, 'dates-elsewhere');
    await store.maintenance.configureRevisions({ Collections: { Visits: { Disabled: false } } });
    const session = await save(store, [{ at: noon, seen: [noon] }, 'visits/1', 'Visit'], [{ at: later }, 'visits/2', 'Visit']);
    const ids = async (query) => (await query.waitForNonStaleResults().all()).map((it) => it.id);
    const query = () => store.openSession().query({ collection: 'Visits' });
    assert.deepEqual(await ids(query().whereEquals('at', noon)), ['visits/1']);
    assert.deepEqual(await ids(query().whereGreaterThan('at', noon)), ['visits/2']);
    assert.deepEqual(await ids(query().whereIn('at', [noon, later]).orderByDescending('at')), ['visits/2', 'visits/1']);
    const raw = store.openSession().advanced.rawQuery('from Visits where at = $at').addParameter('at', later);
    assert.deepEqual(await ids(raw), ['visits/2']);
    for await (const [visit] of store.liveQuery('from Visits where at = $at', { at: noon })) {
        if (visit === undefined) continue;
        assert.deepEqual(visit.at, noon);
        break;
    }
    assert.deepEqual((await session.advanced.revisions.getFor('visits/1'))[0].at, noon);

    const patching = store.openSession();
    const visit = await patching.load('visits/1');
    patching.advanced.patch(visit, 'at', later);
    patching.advanced.increment(visit, 'count', 1);
    await patching.saveChanges();
    assert.deepEqual([visit.at, visit.seen, visit.count], [later, [noon], 1]);
    assert.equal(patching.advanced.hasChanges(), false);
    patching.advanced.addOrPatchArray('visits/3', { at: noon, seen: [later] }, 'seen', (seen) => seen.push(noon));
    await patching.saveChanges();
    assert.deepEqual(await store.openSession().load('visits/3'), { id: 'visits/3', at: noon, seen: [later] });
    const done = await store.operations.deleteByQuery('from Visits where at = $at', { parameters: { at: later } });
    assert.equal(done.changed, 2);
});

test('conditions, orders and projections of queries', async (t) => {
    const store = openStore(t, 'queries');
    const words = [['Anna', ['a', 'b'], 'soup with bread'], ['anna', ['b'], 'bread'], ['Bob', ['c'], 'soup']];
    await save(store, ...words.map(([name, tags, text], at) => [Object.assign(new Child(name), { tags, text, at: noon }), `children/${at}`]));
    const query = () => store.openSession().query(Child).waitForNonStaleResults();
    const numbers = async (asked) => (await asked.orderBy('id').all()).map((it) => it.id.at(-1)).join('');
    assert.equal(await numbers(query().whereEquals('name', 'anna')), '01');
    assert.equal(await numbers(query().whereEquals('name', 'anna', true)), '1');
    assert.equal(await numbers(query().whereIn('name', ['anna', 'Bob'], true)), '12');
    assert.equal(await numbers(query().whereStartsWith('name', 'an', true)), '1');
    assert.equal(await numbers(query().not().whereBetween('name', 'a', 'az', true)), '02');
    assert.equal(await numbers(query().containsAny('tags', ['a', 'c'])), '02');
    assert.equal(await numbers(query().containsAll('tags', ['a', 'b'])), '0');
    assert.equal(await numbers(query().search('text', 'soup bread')), '012');
    assert.equal(await numbers(query().search('text', 'soup bread', 'AND')), '0');
    assert.equal(await numbers(query().whereRegex('name', '^b')), '2');
    assert.equal(await numbers(query().not().whereEquals('name', 'Bob').whereExists('text')), '01');
    assert.equal(await query().whereEquals('name', 'Bob').longCount(), 1);
    const ids = async (asked) => (await asked.all()).map((it) => it.id).join();
    assert.equal(await ids(query().search('text', 'soup').orderByScore()), 'children/2,children/0');
    assert.equal(await ids(query().randomOrdering('seed')), await ids(query().randomOrdering('seed')));
    assert.equal((await query().randomOrdering().all()).length, 3);
    assert.equal((await query().selectFields('at').distinct().all()).length, 1);
    assert.equal((await query().distinct().all()).length, 3);
});

test('what changed is told field by field', async (t) => {
    const store = openStore(t, 'changes');
    await save(store, [{ name: 'Mia', tags: ['a', 'b'], at: { house: 1 } }, 'children/1'], [{ v: 1 }, 'children/2'], [{ v: 1 }, 'children/3']);
    const session = store.openSession();
    const [one, two] = Object.values(await session.load(['children/1', 'children/2']));
    assert.deepEqual(session.advanced.whatChanged(), {});
    Object.assign(one, { name: 'Ida', tags: ['a', 'c', 'd'], at: { street: 'x' } });
    await session.delete(two);
    await session.delete('children/3');
    await session.store({}, 'children/4');
    const told = Object.entries(session.advanced.whatChanged()).map(([id, changes]) => [id, changes.map((it) => [it.change, it.fieldFullName, it.fieldOldValue, it.fieldNewValue])]);
    assert.deepEqual(Object.fromEntries(told), {
        'children/1': [
            ['FieldChanged', 'name', 'Mia', 'Ida'],
            ['ArrayValueChanged', 'tags[1].tags', 'b', 'c'],
            ['ArrayValueAdded', 'tags.tags', null, 'd'],
            ['RemovedField', 'at.house', 1, null],
            ['NewField', 'at.street', null, 'x'],
        ],
        'children/2': [['DocumentDeleted', null, null, null]],
        'children/3': [['DocumentDeleted', null, null, null]],
        'children/4': [['DocumentAdded', null, null, null]],
    });
    session.advanced.ignoreChangesFor(one);
    await session.saveChanges();
    assert.equal((await store.openSession().load('children/1')).name, 'Mia');
    const [again, added] = [store.openSession(), await session.load('children/4')];
    (await again.load('children/1')).name = 'Eva';
    await again.saveChanges();
    added.v = 2;
    await session.advanced.refresh([one, added]);
    assert.deepEqual([one.name, one.tags, added], ['Eva', ['a', 'b'], { id: 'children/4' }]);
});

test('what either client stores, the other loads', async (t) => {
    const pinyon = await startPinyon('Exchange');
    t.after(() => pinyon.close());
    const theirs = new official.DocumentStore(pinyon.url, 'Exchange').initialize();
    t.after(() => theirs.dispose());
    theirs.conventions.registerEntityType(Child);
    const ours = openStore(t, 'exchange');

    // Ours, with the official client.
    await save(ours, [Object.assign(new Child('Mia', 'parents/1'), withDates(), { map: { since: noon }, set: new Set([later]), pairs: new Map([['a', noon]]) }), 'children/1']);
    const file = `${process.env.TMPDIR ?? '/tmp'}/pinyon-entities-${process.pid}.dump`;
    const { rm, readFile, writeFile } = await import('node:fs/promises');
    t.after(() => rm(file, { force: true }));
    await writeFile(file, Buffer.from(await (await ours.smuggler.export()).arrayBuffer()));
    await (await theirs.smuggler.import(new official.DatabaseSmugglerImportOptions(), file)).waitForCompletion();
    const reading = theirs.openSession();
    const child = await reading.load('children/1');
    assert.deepEqual([child instanceof Child, child.greeting()], [true, 'I am Mia, 7']);
    assert.deepEqual([child.at, child.list, child.map, typeof child.text], [noon, withDates().list, { since: noon }, 'string']);
    assert.deepEqual([child.set, child.pairs], [new Set([later]), new Map([['a', noon]])]);
    const [found] = await reading.query({ collection: 'Children' }).whereEquals('at', noon).waitForNonStaleResults().all();
    assert.equal(found, child);

    // Theirs, with ours: local times, unless told.
    const writing = theirs.openSession();
    const infant = Object.assign(new Child('Ben', 'parents/1'), withDates(), { map: { since: noon }, set: new Set([noon]), pairs: new Map([['a', { at: later }]]) });
    await writing.store(infant, 'children/2');
    child.at = later;
    await writing.saveChanges();
    await reading.saveChanges();
    await (await theirs.smuggler.export(new official.DatabaseSmugglerExportOptions(), file)).waitForCompletion();
    const back = openStore(t, 'exchange-back');
    await back.smuggler.import(new Blob([await readFile(file)]));
    const session = back.openSession();
    const { 'children/1': mia, 'children/2': ben } = await session.load(['children/1', 'children/2'], Child);
    assert.deepEqual([mia.at, ben.at, ben.list, ben.map, ben.greeting()], [later, noon, withDates().list, { since: noon }, 'I am Ben, 7']);
    assert.deepEqual([ben.set, ben.pairs], [new Set([noon]), new Map([['a', { at: later }]])]);
    assert.equal(session.advanced.hasChanges(), false);
    ben.name = 'Benjamin';
    await session.saveChanges();
    await writeFile(file, Buffer.from(await (await back.smuggler.export()).arrayBuffer()));
    await (await theirs.smuggler.import(new official.DatabaseSmugglerImportOptions(), file)).waitForCompletion();
    const last = await theirs.openSession().load('children/2');
    assert.deepEqual([last.name, last.at, last.set], ['Benjamin', noon, new Set([noon])]);
});

test('what cannot be stored, named or asked for is refused at once, and says why', async (t) => {
    const session = openStore(t, 'refused').openSession();
    const { attachments } = session.advanced;
    const asked = () => session.query({ collection: 'Children' });
    const circle = {};
    circle.self = circle;
    for (const [work, why] of [
        [() => session.store([1]), /must be an object/],
        [() => session.store(new Map()), /must be an object/],
        [() => session.store({ '@metadata': 'none' }, 'a'), /'a' .* @metadata must be an object/],
        [() => session.store({}, 5), /an id is a text, not '5'/],
        [() => session.store({}, 'half\ud800'), /half a character/],
        [() => session.load('half\ud800'), /half a character/],
        [() => session.load([5]), /an id is a text, not '5'/],
        [() => session.delete('half\ud800'), /half a character/],
        [() => save(openStore(t, 'refused'), [{ count: 5n }, 'big']), /'big' cannot be stored/],
        [() => save(openStore(t, 'refused'), [circle, 'round']), /'round' cannot be stored/],
        [() => asked().whereEquals('count', 5n).all(), /no BigInt as 5n/],
        [() => asked().whereIn('count', [1, 5n]).all(), /no BigInt as 5n/],
        [() => asked().orderBy(undefined).all(), /a field has a name, not 'undefined'/],
        [() => openStore(t, 'refused').indexes.put({ name: 'Texts', maps: { Children: 'it => it' } }), /'Texts' is 'it => it'/],
        [() => attachments.store('a', 'photo', 5), /'photo' must be a Blob, bytes or a text, not '5'/],
        [() => attachments.store('a', 'photo', null), /'photo' must be a Blob/],
    ]) {
        await assert.rejects(async () => work(), (error) => {
            assert.equal(error.code, 'InvalidRequest', String(error));
            assert.match(error.message, why);
            return true;
        });
    }
    assert.equal(session.advanced.hasChanges(), false);
    // A whole pair is one character.
    await session.store({ name: '\u{1f426}' }, 'birds/\u{1f426}');
    await session.saveChanges();
});
