// A server's files are put back to an older state: what browsers still have comes back.
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

const change = (page, change) => page.evaluate(change);

const get = (page, id) => page.evaluate(async (id) => {
    const found = await store.openSession().load(id);
    return found && found.name;
}, id);

const open = async (browser, database, user) => {
    const page = await openApplication(browser, site, { database });
    const request = { url: pinyon.url, database: DATABASE, token: pinyon.token(user) };
    await page.evaluate((request) => { globalThis.sync = store.sync(request); }, request);
    await synced(page);
    return page;
};

const synced = (page) => page.evaluate(() => sync.waitForSync());

const putOnServer = async (id, name) => {
    const answer = await pinyon.request(`/databases/${DATABASE}/docs?id=${id}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name, '@metadata': { '@collection': 'Children' } }),
    });
    assert.equal(answer.status, 201);
};

test('what a restored server has lost comes back from the browsers that have it', async () => {
    const first = await open(laptop, 'first', 'eva');
    const second = await open(tablet, 'second', 'adam');
    await putOnServer('children/1', 'Mia');
    await putOnServer('children/2', 'Ben');
    for (const page of [first, second]) await synced(page);
    await pinyon.kill();
    await pinyon.backUp();
    await pinyon.restart();
    await change(first, async () => {
        const session = store.openSession();
        (await session.load('children/1')).name = 'Mia B.';
        await session.delete('children/2');
        const photograph = new Blob(['a face'], { type: 'image/png' });
        const zoe = { name: 'Zoe' };
        await session.store(zoe, 'children/3');
        session.advanced.attachments.store(zoe, 'face.png', photograph);
        await session.saveChanges();
    });
    await putOnServer('children/4', 'Tom');
    for (const page of [first, second]) await synced(page);
    await until(async () => (await get(second, 'children/3')) === 'Zoe', 'the child in the other browser');
    // One of them wrote something else meanwhile, which no server has seen.
    for (const page of [first, second]) await page.evaluate(() => sync.pause());
    await change(second, async () => {
        const session = store.openSession();
        (await session.load('children/4')).name = 'Tom T.';
        await session.saveChanges();
    });
    await pinyon.kill();
    await pinyon.putBack();
    await pinyon.restart();
    assert.equal((await pinyon.document('children/1')).name, 'Mia');
    assert.equal(await pinyon.document('children/3'), null);
    // The server goes on for a while, further than the browsers have seen it.
    for (let number = 0; number < 30; number += 1) await putOnServer(`visits/${number}`, `Visit ${number}`);
    await putOnServer('children/5', 'Ann');
    for (const page of [second, first]) {
        await page.evaluate(() => sync.resume());
        await synced(page);
    }
    for (const page of [first, second]) {
        await synced(page);
        await until(() => page.evaluate(() => sync.status.waiting === 0), 'everything to be on the server');
    }
    const names = { 1: 'Mia B.', 2: null, 3: 'Zoe', 4: 'Tom T.', 5: 'Ann' };
    for (const [number, name] of Object.entries(names)) {
        const id = `children/${number}`;
        assert.equal((await pinyon.document(id))?.name ?? null, name, id);
        for (const page of [first, second]) assert.equal(await get(page, id), name, id);
    }
    const face = await pinyon.request(`/databases/${DATABASE}/attachments?id=children/3&name=face.png`);
    assert.equal(await face.text(), 'a face');
    assert.equal(await get(first, 'visits/29'), 'Visit 29');
    // And from there on all is as ever.
    await putOnServer('children/1', 'Mia C.');
    for (const page of [first, second]) await until(async () => (await get(page, 'children/1')) === 'Mia C.', 'the next change');
    await first.close();
    await second.close();
});
