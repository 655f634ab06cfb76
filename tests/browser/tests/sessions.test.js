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
