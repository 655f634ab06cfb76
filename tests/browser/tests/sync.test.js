// Browsers and a server: what is written in one reaches all, whatever breaks in between.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openApplication, until } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startPinyon } from '../harness/pinyon.js';
import { startServer } from '../harness/server.js';

const DATABASE = 'school';
const site = await startServer();
const pinyon = await startPinyon(DATABASE, site.url);
const [laptop, tablet] = [await startBrowser(), await startBrowser()];

after(async () => {
    await Promise.all([laptop.close(), tablet.close()]);
    await pinyon.close();
    await site.close();
});

const put = (page, id, document) => page.evaluate(async ([id, document]) => {
    const session = store.openSession({ useOptimisticConcurrency: false });
    const found = await session.load(id);
    if (found) Object.assign(found, document);
    else await session.store(document, id);
    await session.saveChanges();
}, [id, document]);

/** The document in a page, without its id; the code of the error where loading fails. */
const get = (page, id) => page.evaluate(async (id) => {
    try {
        const found = await store.openSession().load(id);
        return found && { ...found, id: undefined };
    } catch (error) {
        return error.code;
    }
}, id);

const startSync = (page, more) => page.evaluate(([options]) => {
    globalThis.states = [];
    globalThis.sync = store.sync(options).on('status', (state) => states.push(state.phase));
}, [{ url: pinyon.url, database: DATABASE, ...more }]);

const synced = (page) => page.evaluate(() => sync.waitForSync());

test('a document written offline reaches the server and another browser, and its edit comes back', async () => {
    const first = await openApplication(laptop, site, { database: 'travels' });
    await put(first, 'children/1', { name: 'Mia' });
    await startSync(first, { token: pinyon.token('eva') });
    await synced(first);
    assert.equal((await pinyon.document('children/1')).name, 'Mia');
    // A client of the server writes, and all follow.
    await pinyon.request(`/databases/${DATABASE}/docs?id=children/2`, { method: 'PUT', body: '{"name":"Ben"}' });
    await until(async () => (await get(first, 'children/2'))?.name === 'Ben', 'what a client of the server wrote');

    const second = await openApplication(tablet, site, { database: 'travels' });
    await startSync(second, { token: pinyon.token('adam') });
    await synced(second);
    assert.deepEqual([(await get(second, 'children/1')).name, (await get(second, 'children/2')).name], ['Mia', 'Ben']);
    await first.evaluate(async () => {
        globalThis.told = [];
        store.changes().forDocument('children/1').on('data', (change) => told.push(change.type));
        await store.changes().ensureConnectedNow();
    });
    await put(second, 'children/1', { name: 'Mia B.' });
    await until(() => first.evaluate(() => told.includes('Put')), 'the change of the other browser');
    assert.equal((await get(first, 'children/1')).name, 'Mia B.');
    assert.equal((await pinyon.document('children/1')).name, 'Mia B.');
    assert.deepEqual(await first.evaluate(() => [sync.status.phase, sync.status.waiting]), ['live', 0]);
    await first.close();
    await second.close();
});
