// What a session tells the application before and after it saves.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const entry = fileURLToPath(new URL('../../../bindings-js/dist/node.js', import.meta.url));
const { DocumentStore } = await import(pathToFileURL(path.resolve(entry)));

test('events before store and delete, and after save', async (t) => {
    const store = new DocumentStore({ database: 'events', storage: 'memory' });
    t.after(() => store.dispose());
    const told = [];
    store.on('beforeStore', ({ documentId, entity, metadata }) => {
        told.push(`store ${documentId}`);
        // What listeners change is stored.
        entity.version = (entity.version ?? 0) + 1;
        metadata['Edited-By'] = 'eva';
    });
    store.on('beforeDelete', ({ documentId }) => told.push(`delete ${documentId}`));
    const afterwards = ({ session, documentId }) => told.push(`saved ${documentId} ${session.advanced.getChangeVectorFor(session.tracked.get(documentId).entity) !== null}`);
    store.on('afterSaveChanges', afterwards);

    const session = store.openSession();
    const child = { name: 'Mia' };
    await session.store(child, 'children/1');
    await session.store({ name: 'Ben' }, 'children/2');
    await session.saveChanges();
    assert.deepEqual(told.splice(0), ['store children/1', 'store children/2', 'saved children/1 true', 'saved children/2 true']);
    await session.saveChanges();
    assert.deepEqual(told.splice(0), [], 'nothing changed');
    child.name = 'Mia Maria';
    await session.delete('children/2');
    await session.saveChanges();
    assert.deepEqual(told.splice(0), ['store children/1', 'delete children/2', 'saved children/1 true']);
    const reading = store.openSession();
    const stored = await reading.load('children/1');
    assert.deepEqual([stored.version, reading.advanced.getMetadataFor(stored)['Edited-By']], [2, 'eva']);

    // A listener that throws stops the save; one that left is not called.
    store.off('afterSaveChanges', afterwards);
    const refuse = ({ entity }) => { if (!entity.name) throw new Error('a child needs a name'); };
    store.on('beforeStore', refuse);
    child.name = '';
    await assert.rejects(session.saveChanges(), /needs a name/);
    assert.equal((await store.openSession().load('children/1')).name, 'Mia Maria');
    child.name = 'Mia';
    await session.saveChanges();
    assert.equal(told.some((it) => it.startsWith('saved')), false);
});

test('a large save carries every document whole, in any script, between other commands', async (t) => {
    const store = new DocumentStore({ database: 'large', storage: 'memory' });
    t.after(() => store.dispose());
    const texts = ['plain '.repeat(40), 'žluťoučký kůň '.repeat(30), '漢字と仮名 '.repeat(30), '🌲 "quoted" \\ \n '.repeat(30)];
    for (const scripts of [texts, texts.slice(0, 1)]) {
        const session = store.openSession();
        const nameOf = (number) => scripts[number % scripts.length] + number;
        for (let number = 0; number < 100; number += 1) {
            await session.store({ number, name: nameOf(number) }, `pages/${number}`, { changeVector: null });
            if (number % 10 === 0) await session.delete(`gone/${number}`);
        }
        await session.saveChanges();
        const found = await store.openSession().load(Array.from({ length: 100 }, (_, at) => `pages/${at}`));
        assert.deepEqual(Object.values(found).map((it) => it.name), Array.from({ length: 100 }, (_, at) => nameOf(at)));
    }
});

test('what changed in loaded entities is found, however deep, and nothing else is written', async (t) => {
    const store = new DocumentStore({ database: 'changed', storage: 'memory' });
    t.after(() => store.dispose());
    const first = store.openSession();
    for (const id of ['a', 'b', 'c']) await first.store({ inner: { list: [1, { deep: id }] }, to: 'c' }, id);
    await first.saveChanges();
    const all = (session) => session.advanced.loadStartingWith('');
    for (const load of [(session) => session.load(['a', 'b']), (session) => session.load(['a', 'b'], { includes: ['to'] }), all]) {
        const session = store.openSession();
        await load(session);
        const [a, b, c] = [await session.load('a'), await session.load('b'), await session.load('c')];
        assert.equal(session.advanced.hasChanges(), false);
        a.inner.list[1].deep += '!';
        session.advanced.getMetadataFor(c).Seen = { at: `${a.inner.list[1].deep}` };
        assert.deepEqual([a, b, c].map((it) => session.advanced.hasChanged(it)), [true, false, true]);
        await session.saveChanges();
        assert.equal(session.advanced.hasChanges(), false);
        session.advanced.getMetadataFor(c).Seen.at = 'later';
        assert.equal(session.advanced.hasChanged(c), true, 'metadata inside metadata');
        const [stored, metadata] = [await store.openSession().load('a'), store.openSession()];
        assert.equal(stored.inner.list[1].deep, a.inner.list[1].deep);
        assert.equal(metadata.advanced.getMetadataFor(await metadata.load('c')).Seen.at, a.inner.list[1].deep);
    }
});

/** A store in memory with `documents`, and what reads it anew. */
async function openStore(t, database, documents = {}) {
    const store = new DocumentStore({ database, storage: 'memory' });
    t.after(() => store.dispose());
    const session = store.openSession();
    for (const [id, document] of Object.entries(documents)) await session.store({ ...document }, id);
    await session.saveChanges();
    const read = async (id) => {
        const found = await store.openSession().load(id);
        return found && { ...found, id: undefined };
    };
    return { store, read: async (...ids) => Promise.all(ids.map(async (id) => (await read(id))?.v ?? null)) };
}

test('what is deleted, patched and attached while a save is under way is for the next save', async (t) => {
    const { store, read } = await openStore(t, 'in-flight', { 'x/1': { v: 1 }, 'x/2': { v: 2 }, 'x/3': { v: 3 }, 'x/4': { v: 4 } });
    const session = store.openSession();
    const [one, four] = Object.values(await session.load(['x/1', 'x/4']));
    one.v = 10;
    await session.delete('x/3');
    session.advanced.increment('x/4', 'v', 1);
    const saving = session.saveChanges();
    await session.delete('x/2');
    session.advanced.increment('x/1', 'v', 100);
    session.advanced.attachments.store('x/1', 'photo', 'pixels');
    session.advanced.revisions.forceRevisionCreationFor('x/1');
    await saving;
    assert.deepEqual(await read('x/1', 'x/2', 'x/3', 'x/4'), [10, 2, null, 5]);
    assert.equal(four.v, 5);
    assert.equal(session.advanced.hasChanges(), true);
    await session.saveChanges();
    assert.deepEqual(await read('x/1', 'x/2', 'x/3', 'x/4'), [110, null, null, 5], 'each once');
    const reading = store.openSession().advanced;
    assert.equal(await (await reading.attachments.get('x/1', 'photo')).content.text(), 'pixels');
    assert.equal(await reading.revisions.getCountFor('x/1'), 1);
    assert.equal(session.advanced.hasChanges(), false);
    // Only its id is known, and yet there is something to save.
    await session.delete('x/1');
    await session.delete('x/5');
    assert.equal(session.advanced.hasChanges(), true);
});

test('after a failed save the session has what was sent and what came meanwhile', async (t) => {
    const { store, read } = await openStore(t, 'failed', { 'x/1': { v: 1 }, 'x/2': { v: 2 }, 'x/3': { v: 3 }, 'x/4': { v: 4 } });
    const [session, other] = [store.openSession(), store.openSession()];
    const one = await session.load('x/1');
    (await other.load('x/1')).v = 'other';
    await other.saveChanges();
    one.v = 10;
    await session.store({ v: 'over' }, 'x/4', { changeVector: null });
    await session.delete('x/2');
    session.advanced.increment('x/3', 'v', 1);
    const saving = session.saveChanges();
    session.advanced.increment('x/3', 'v', 10);
    await assert.rejects(saving, { name: 'ConcurrencyException' });
    assert.deepEqual(await read('x/1', 'x/2', 'x/3', 'x/4'), ['other', 2, 3, 4]);
    await session.advanced.refresh(one);
    await session.saveChanges();
    assert.deepEqual(await read('x/1', 'x/2', 'x/3', 'x/4'), ['other', null, 14, 'over']);
});

test('entities deleted, stored again and replaced while a save of them is under way', async (t) => {
    const { store, read } = await openStore(t, 'changed-mind', { 'x/1': { v: 1 }, 'x/2': { v: 2 }, 'x/3': { v: 3 } });
    const session = store.openSession({ verifyLoaded: true });
    const [one, two] = Object.values(await session.load(['x/1', 'x/2', 'x/3']));
    one.v = 10;
    await session.delete(two);
    await session.delete('x/3');
    const fresh = { v: 'fresh' };
    await session.store(fresh, 'x/4');
    await session.delete('x/5');
    const saving = session.saveChanges();
    await session.delete('x/1');
    await session.store(two);
    two.v = 20;
    await session.store({ v: 'new' }, 'x/3');
    await session.delete(fresh);
    await session.store({ v: 'fresher' }, 'x/4');
    await session.store({ v: 'five' }, 'x/5');
    await saving;
    assert.deepEqual(await read('x/1', 'x/2', 'x/3', 'x/4', 'x/5'), [10, null, null, 'fresh', null]);
    await session.saveChanges();
    assert.deepEqual(await read('x/1', 'x/2', 'x/3', 'x/4', 'x/5'), [null, 20, 'new', 'fresher', 'five']);
    assert.equal(await session.load('x/1'), null);
    two.v = 21;
    await session.saveChanges();
    assert.deepEqual(await read('x/2'), [21]);
});

test('what an application and a patch change of one entity at once is both there', async (t) => {
    const { store } = await openStore(t, 'merged', { 'x/1': { count: 1, gone: true } });
    const session = store.openSession();
    const one = await session.load('x/1');
    session.advanced.increment(one, 'count', 5);
    session.advanced.jsonPatch(one, [{ op: 'remove', path: '/gone' }]);
    const saving = session.saveChanges();
    one.note = 'meanwhile';
    await saving;
    await session.saveChanges();
    assert.deepEqual(one, { count: 6, note: 'meanwhile', id: 'x/1' });
    assert.deepEqual({ ...(await store.openSession().load('x/1')) }, one);
});

test('a save waits for the one before it, and sends what is left', async (t) => {
    const { store, read } = await openStore(t, 'autosave', { 'x/1': { n: 0, v: 1 }, 'x/2': { v: 0 } });
    const session = store.openSession();
    const one = await session.load('x/1');
    one.v = 2;
    session.advanced.increment('x/2', 'v', 1);
    const autosave = session.saveChanges();
    one.v = 3;
    await Promise.all([autosave, session.saveChanges(), session.saveChanges()]);
    assert.deepEqual(await read('x/1', 'x/2'), [3, 1]);
    assert.equal(session.advanced.hasChanges(), false);
    assert.equal(session.advanced.numberOfRequests, 3, 'a load and two saves');

    // What is forgotten while it waits is not saved, and that is said.
    one.v = 4;
    const first = session.saveChanges();
    one.v = 5;
    const second = session.saveChanges();
    session.advanced.clear();
    await first;
    await assert.rejects(second, { code: 'InvalidRequest', message: /cleared/ });
    assert.deepEqual(await read('x/1'), [4]);
    assert.equal(session.advanced.hasChanges(), false);
    assert.equal(session.advanced.isTracked(one), false);
    await session.store(one, 'x/1', { changeVector: null });
    await session.saveChanges();
    assert.deepEqual(await read('x/1'), [5]);
});

test('a save that was done though its answer was lost takes out what was sent, and no more', async (t) => {
    const { store, read } = await openStore(t, 'unanswered', { 'x/1': { v: 1 }, 'x/2': { v: 2 }, 'x/3': { v: 3 }, 'x/4': { v: 4 } });
    const session = store.openSession();
    const [one, two, three] = Object.values(await session.load(['x/1', 'x/2', 'x/3']));
    const { connection } = session;
    const losing = Object.create(connection, {
        call: {
            value: async (method, ...args) => {
                const answer = await connection.call(method, ...args);
                if (method === 'batch') throw Object.assign(new Error('lost'), { isDoneAlready: true });
                return answer;
            },
        },
    });
    Object.defineProperty(session, 'connection', { value: losing, configurable: true });
    one.v = 10;
    await session.delete(two);
    session.advanced.increment('x/4', 'v', 1);
    const saving = session.saveChanges();
    await session.delete(three);
    session.advanced.getMetadataFor(one).Seen = 'meanwhile';
    session.advanced.increment('x/4', 'v', 10);
    await saving;
    assert.deepEqual(await read('x/1', 'x/2', 'x/3', 'x/4'), [10, null, 3, 5]);
    Object.defineProperty(session, 'connection', { value: connection });
    await session.saveChanges();
    assert.deepEqual(await read('x/1', 'x/2', 'x/3', 'x/4'), [10, null, null, 15]);
    const reading = store.openSession();
    assert.equal(reading.advanced.getMetadataFor(await reading.load('x/1')).Seen, 'meanwhile');
});

test('deletions by id are told before they are saved, and stop loads of any kind', async (t) => {
    const { store, read } = await openStore(t, 'by-id', { 'x/1': { v: 1, to: 'x/2' }, 'x/2': { v: 2 } });
    const told = [];
    const veto = ({ documentId, entity }) => { told.push([documentId, entity]); throw new Error('it is kept'); };
    store.on('beforeDelete', veto);
    const session = store.openSession();
    await session.delete('x/2');
    assert.equal(await session.include('to').load('x/2'), null);
    await session.include('to').load('x/1');
    assert.equal(await session.load('x/2'), null);
    assert.deepEqual((await session.advanced.loadStartingWith('x/')).map((it) => it.id), ['x/1']);
    await assert.rejects(session.saveChanges(), /it is kept/);
    assert.deepEqual(told, [['x/2', null]]);
    assert.deepEqual(await read('x/2'), [2]);
    store.off('beforeDelete', veto);
    await session.saveChanges();
    assert.deepEqual(await read('x/2'), [null]);
});

test('a listener that throws keeps no change and no status from the others', async (t) => {
    const { store } = await openStore(t, 'listeners');
    const [told, reported] = [[], []];
    globalThis.reportError = (error) => reported.push(error.message);
    t.after(() => delete globalThis.reportError);
    const fail = (what) => () => { throw new Error(what); };
    const changes = store.changes();
    changes.forAllDocuments().on('data', fail('change'));
    changes.forAllDocuments().on('data', ({ id }) => told.push(id));
    await changes.ensureConnectedNow();
    const session = store.openSession();
    for (const id of ['x/1', 'x/2']) await session.store({}, id);
    await session.saveChanges();
    const next = changes.forDocument('x/3')[Symbol.asyncIterator]();
    await session.store({}, 'x/3');
    await session.saveChanges();
    assert.equal((await next.next()).value.id, 'x/3');
    assert.deepEqual(told, ['x/1', 'x/2', 'x/3']);
    assert.deepEqual(reported, ['change', 'change', 'change']);

    const phases = [];
    store.on('syncStatus', fail('status')).on('syncStatus', (status) => phases.push(status?.phase));
    const sync = store.sync({ url: 'http://127.0.0.1:9', database: 'none' });
    sync.on('status', fail('sync')).on('status', ({ phase }) => phases.push(`sync ${phase}`));
    await sync.pause();
    for await (const { phase } of sync) if (phase === 'paused') break;
    assert.ok(phases.includes('paused') && phases.includes('sync paused'), phases.join());
    assert.ok(reported.includes('status') && reported.includes('sync'));
});

test('what is no id and no entity is refused, and null is nobody\'s id', async (t) => {
    const { store } = await openStore(t, 'refused', { 'x/1': { v: 1 } });
    const session = store.openSession();
    assert.deepEqual([await session.load(null), await session.load(undefined), Object.keys(await session.load([null, 'x/1']))], [null, null, ['x/1']]);
    const refused = { name: 'PinyonError', code: 'InvalidRequest' };
    await assert.rejects(session.load(7), { ...refused, message: /'7'/ });
    await assert.rejects(session.delete(undefined), refused);
    await assert.rejects(session.delete(null), refused);
    await assert.rejects(session.store(null), refused);
    await assert.rejects(session.store('text', 'x/2'), refused);
    await assert.rejects(session.store(Object.freeze({ v: 2 }), 'x/2'), { ...refused, message: /frozen/ });
    assert.equal(session.advanced.hasChanges(), false);
    await session.store(Object.freeze({ id: 'x/2', v: 2 }));
    await session.saveChanges();
    assert.equal((await store.openSession().load('x/2')).v, 2);
});
