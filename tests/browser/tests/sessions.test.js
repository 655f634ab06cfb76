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
