// What the rows of the requirements say in one sentence each, of browsers and a server together.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openApplication } from '../harness/application.js';
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

const startSync = (page, token, more) => page.evaluate(async (request) => {
    globalThis.refused = [];
    globalThis.sync = store.sync(request).on('refused', ({ id, code }) => refused.push([id, code]));
    await sync.waitForSync();
}, { url: pinyon.url, database: DATABASE, token, ...more });

const synced = (page) => page.evaluate(() => sync.waitForSync());

const vectorsOf = (page, prefix) => page.evaluate(async (prefix) => {
    const session = store.openSession();
    const found = await session.advanced.loadStartingWith(prefix, { pageSize: 1000 });
    return Object.fromEntries(found.map((it) => [it.id, session.advanced.getChangeVectorFor(it)]).sort());
}, prefix);

test('what two browsers wrote offline ends with equal change vectors in both and on the server', async () => {
    const pages = [];
    for (const [browser, user] of [[laptop, 'eva'], [tablet, 'adam']]) {
        const page = await openApplication(browser, site, { database: 'travels' });
        await startSync(page, pinyon.token(user));
        await page.evaluate(() => sync.pause());
        pages.push(page);
    }
    for (const [number, page] of pages.entries()) {
        await page.evaluate(async (number) => {
            for (let at = 0; at < 20; at += 1) {
                const session = store.openSession();
                await session.store({ at }, `trips/${number}-${at}`);
                await session.saveChanges();
            }
        }, number);
    }
    for (const page of pages) await page.evaluate(() => sync.resume());
    // What the second brings, the first must hear.
    for (const page of [...pages, ...pages]) await synced(page);
    const found = await pinyon.request(`/databases/${DATABASE}/docs?startsWith=trips/&pageSize=1000`);
    const { Results } = await found.json();
    const expected = Object.fromEntries(Results.map(({ '@metadata': it }) => [it['@id'], it['@change-vector']]).sort());
    assert.equal(Object.keys(expected).length, 40);
    for (const page of pages) assert.deepEqual(await vectorsOf(page, 'trips/'), expected);
    await Promise.all(pages.map((page) => page.close()));
});

test('a user gets and writes only what the token allows, and hears what was refused', async () => {
    for (const id of ['orders/u1/1', 'orders/u2/1']) {
        await pinyon.request(`/databases/${DATABASE}/docs?id=${id}`, { method: 'PUT', body: '{"total":1}' });
    }
    const page = await openApplication(laptop, site, { database: 'orders' });
    await startSync(page, pinyon.token('u1', '--read-prefix', 'orders/u1/', '--write-prefix', 'orders/u1/'));
    const found = await page.evaluate(async () => {
        const session = store.openSession();
        const there = [await session.load('orders/u1/1'), await session.load('orders/u2/1')].map((it) => it !== null);
        await session.store({ total: 9 }, 'orders/u1/9');
        await session.store({ total: 9 }, 'orders/u2/9');
        await session.saveChanges();
        await sync.waitForSync();
        return { there, refused, pending: (await sync.pending()).map((it) => [it.id, it.refusal?.code]) };
    });
    assert.deepEqual(found, {
        there: [true, false], refused: [['orders/u2/9', 'Forbidden']], pending: [['orders/u2/9', 'Forbidden']],
    });
    assert.equal((await pinyon.document('orders/u1/9')).total, 9);
    assert.equal(await pinyon.document('orders/u2/9'), null);
    await page.close();
});

test('a browser whose storage was cleared gets another identity, and everything again', async () => {
    const options = { database: 'cleared' };
    const first = await openApplication(laptop, site, options);
    await startSync(first, pinyon.token('eva'), { prefixes: ['kept/'] });
    await first.evaluate(async () => {
        for (let at = 0; at < 5; at += 1) {
            const session = store.openSession();
            await session.store({ at }, `kept/${at}`);
            await session.saveChanges();
        }
        await sync.waitForSync();
    });
    const before = await first.evaluate(() => store.storage.status().then((it) => it.databaseId));
    const expected = await vectorsOf(first, 'kept/');
    const protocol = await laptop.protocol(first);
    await protocol.send('Storage.clearDataForOrigin', { origin: site.url, storageTypes: 'all' });
    await first.close();
    const second = await openApplication(laptop, site, options);
    assert.deepEqual(await vectorsOf(second, 'kept/'), {});
    assert.notEqual(await second.evaluate(() => store.storage.status().then((it) => it.databaseId)), before);
    await startSync(second, pinyon.token('eva'), { prefixes: ['kept/'] });
    assert.deepEqual(await vectorsOf(second, 'kept/'), expected);
    assert.equal(Object.keys(expected).length, 5);
    // Under the old identity its next write would be taken for one of before.
    await second.evaluate(async () => {
        const session = store.openSession();
        (await session.load('kept/0')).at = 'again';
        await session.saveChanges();
        await sync.waitForSync();
    });
    assert.equal((await pinyon.document('kept/0')).at, 'again');
    await second.close();
});

test('of a save that the quota refuses nothing is stored, and a smaller one goes in', async () => {
    // The quota is the browser's: it has one of its own.
    const browser = await startBrowser();
    const page = await openApplication(browser, site);
    const protocol = await browser.protocol(page);
    await protocol.send('Storage.overrideQuotaForOrigin', { origin: site.url, quotaSize: 3_000_000 });
    const found = await page.evaluate(async () => {
        await globalThis.open({ database: 'full' });
        const noise = () => Array.from(crypto.getRandomValues(new Uint8Array(60_000)), (it) => it.toString(36)).join('');
        for (let number = 0; number < 100; number += 1) {
            const session = store.openSession();
            await session.store({ small: true }, `small/${number}`);
            for (let at = 0; at < 4; at += 1) await session.store({ noise: noise() }, `large/${number}-${at}`);
            const code = await session.saveChanges().then(() => undefined, (error) => error.code);
            if (code === undefined) continue;
            const after = store.openSession();
            const ids = [`small/${number}`, ...[0, 1, 2, 3].map((at) => `large/${number}-${at}`)];
            const left = Object.values(await after.load(ids)).filter((it) => it !== null).length;
            await after.store({}, 'tiny');
            await after.saveChanges();
            return { isLater: number > 0, code, left, first: (await after.load('small/0'))?.small, tiny: await after.load('tiny') !== null };
        }
        return 'there was room for everything';
    });
    assert.deepEqual(found, { isLater: true, code: 'StorageFull', left: 0, first: true, tiny: true });
    await browser.close();
});

test('a new document does not overwrite one that somebody else stored under its id meanwhile', async () => {
    const page = await openApplication(laptop, site, { database: 'ids' });
    const found = await page.evaluate(async () => {
        class Thing {}
        const [first, second] = [store.openSession(), store.openSession()];
        const mine = new Thing();
        await first.store(mine);
        await second.store({ by: 'second' }, mine.id);
        await second.saveChanges();
        const code = await first.saveChanges().then(() => undefined, (error) => error.code);
        return [code, (await store.openSession().load(mine.id)).by];
    });
    assert.deepEqual(found, ['ConcurrencyConflict', 'second']);
    await page.close();
});

test('a page and a worker with a strict policy sync, and hear when it forbids that', async () => {
    const open = async (query) => {
        const page = await openApplication(laptop, site, undefined, `/pages/strict/app.html${query}`);
        await page.evaluate((options) => globalThis.open(options), { database: `strict ${query}` });
        return page;
    };
    const socket = pinyon.url.replace('http', 'ws');
    const allowed = await open(`?server=${encodeURIComponent(socket)}`);
    await startSync(allowed, pinyon.token('eva'), { prefixes: ['strict/'] });
    const found = await allowed.evaluate(async () => {
        const live = store.liveQuery((session) => session.query({ collection: 'Strict' }));
        const session = store.openSession();
        const stored = { name: 'Mia' };
        await session.store(stored, 'strict/1');
        session.advanced.getMetadataFor(stored)['@collection'] = 'Strict';
        await session.saveChanges();
        await sync.waitForSync();
        for await (const results of live) if (results.length > 0) return results.map((it) => it.name);
        return [];
    });
    assert.deepEqual(found, ['Mia']);
    assert.equal((await pinyon.document('strict/1')).name, 'Mia');
    assert.deepEqual(allowed.failures, []);
    await allowed.close();

    const forbidden = await open('');
    const told = await forbidden.evaluate(async (request) => {
        globalThis.sync = store.sync(request);
        return sync.waitForSync().catch(({ code, message }) => [code, message, sync.status.phase]);
    }, { url: pinyon.url, database: DATABASE, token: pinyon.token('eva') });
    assert.equal(told[0], 'InvalidRequest');
    assert.match(told[1], new RegExp(`Content-Security-Policy forbids it: connect-src needs ${socket}$`));
    assert.equal(told[2], 'error');
    await forbidden.close();
});
