// Many documents go in one after the other, and nothing has to remember them.
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

test('a bulk insert stores over what is there, in batches, with metadata and attachments', async () => {
    const page = await openApplication(browser, server, { database: 'bulk' });
    const found = await page.evaluate(async () => {
        class Thing { constructor(at) { this.at = at; } }
        const before = store.openSession();
        await before.store(new Thing('before'), 'things/7');
        await before.saveChanges();
        const batches = [];
        store.on('afterSaveChanges', ({ session }) => { if (batches.at(-1) !== session) batches.push(session); });
        const bulk = store.bulkInsert();
        // Nobody waits for any of them.
        for (let at = 0; at < 2500; at += 1) bulk.store(new Thing(at), `things/${at}`);
        bulk.store({ at: 'again' }, 'THINGS/2400', { '@collection': 'Things' });
        const made = { at: 'no id' };
        bulk.store(made, { '@collection': 'Things', '@expires': '2999-01-01T00:00:00.0000000Z' });
        await bulk.attachmentsFor('things/7').store('note', 'hello', 'text/plain');
        await bulk.finish();
        const late = await bulk.store({}).catch(({ code }) => code);
        const session = store.openSession();
        const ids = ['things/7', 'things/2400', 'things/2499'];
        const { 'things/7': seventh, 'things/2400': twice, 'things/2499': last } = await session.load(ids);
        const { content } = await session.advanced.attachments.get('things/7', 'note');
        const again = await session.load(made.id);
        return {
            batches: batches.length, late, seventh: seventh.at, twice: [twice.id, twice.at], last: last.at, text: await content.text(),
            made: [again.at, session.advanced.getMetadataFor(again)['@expires']],
            collections: (await store.maintenance.getStatistics()).collections,
        };
    });
    assert.deepEqual(found, {
        batches: 4, late: 'Closed', seventh: 7, twice: ['THINGS/2400', 'again'], last: 2499, text: 'hello',
        made: ['no id', '2999-01-01T00:00:00.0000000Z'], collections: { Things: 2501 },
    });
});

test('a bulk insert that fails or is given up says so, and keeps what was stored before', async () => {
    const page = await openApplication(browser, server, { database: 'bulk' });
    const found = await page.evaluate(async () => {
        const failing = store.bulkInsert();
        for (let at = 0; at < 1000; at += 1) await failing.store({ at }, `first/${at}`);
        failing.store({ at: 1000 }, `${'x'.repeat(600)}`);
        const failed = await failing.finish().catch(({ code, message }) => `${code}: ${message}`);
        const after = await failing.store({}, 'first/after').catch(({ message }) => message);
        const given = store.bulkInsert();
        await given.store({}, 'never/1');
        await given.abort();
        const session = store.openSession();
        return { failed, after, kept: (await session.load('first/999')).at, gone: await session.load('never/1') };
    });
    assert.match(found.failed, /^LimitExceeded: the bulk insert ended after 1000 documents: .*/);
    assert.equal(`LimitExceeded: ${found.after}`, found.failed);
    assert.deepEqual([found.kept, found.gone], [999, null]);
});
