// pinyon/slim: documents and sync without queries, export and import, and saying so.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openApplication } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startServer } from '../harness/server.js';

const [browser, server] = [await startBrowser(), await startServer()];

after(async () => {
    await browser.close();
    await server.close();
});

test('the small package stores what the whole one opens, and names what it leaves out', async () => {
    const page = await openApplication(browser, server, undefined);
    const met = await page.evaluate(async () => {
        const { DocumentStore } = await import('/pinyon/slim/index.js');
        const store = new DocumentStore('shared by both').initialize();
        const session = store.openSession();
        await session.store({ name: 'Mia' }, 'children/1');
        await session.saveChanges();
        const refused = [];
        for (const ask of [
            () => store.openSession().query({ collection: 'Children' }).all(),
            () => store.liveQuery("from 'Children'")[Symbol.asyncIterator]().next(),
            () => store.smuggler.export(),
            () => store.smuggler.import(new Blob(['{}'])),
        ]) refused.push(await ask().catch(({ code, message }) => [code, message.includes('pinyon/slim')]));
        const { name } = await store.openSession().load('children/1');
        await store.dispose();
        return { name, refused };
    });
    assert.equal(met.name, 'Mia');
    assert.deepEqual(met.refused, Array(4).fill(['Unsupported', true]));
    const name = await page.evaluate(async () => {
        await globalThis.open({ database: 'shared by both' });
        const [found] = await store.openSession().advanced.rawQuery("from @all_docs where startsWith(id(), 'children/')").all();
        return found.name;
    });
    assert.equal(name, 'Mia');
    assert.deepEqual(page.failures, []);
});
