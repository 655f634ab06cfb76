// A database is deleted in all tabs at once, and not while it holds what no server has.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openApplication, until } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startPinyon } from '../harness/pinyon.js';
import { startServer } from '../harness/server.js';

const DATABASE = 'school';
const site = await startServer();
const pinyon = await startPinyon(DATABASE, site.url);
const browser = await startBrowser();

after(async () => {
    await browser.close();
    await pinyon.close();
    await site.close();
});

const put = (page, id) => page.evaluate(async (id) => {
    const session = store.openSession();
    await session.store({ name: 'Mia', secret: 'canary' }, id);
    await session.saveChanges();
}, id);

const remove = (page, options) => page.evaluate((options) =>
    store.deleteDatabase(options).then(() => 'deleted', ({ code, message }) => `${code}: ${message}`), options);

/** What the browser has of databases: tables, and journals in private files. */
const stored = (page) => page.evaluate(async () => {
    const names = (await indexedDB.databases()).map(({ name }) => name);
    const root = await navigator.storage.getDirectory();
    const journals = await root.getDirectoryHandle('pinyon-journals').catch(() => undefined);
    if (journals) for await (const name of journals.keys()) names.push(name);
    return names;
});

const hasSome = (names, name) => names.some((it) => decodeURIComponent(it).includes(name));

const watchLoss = (page) => page.evaluate(() => {
    globalThis.losses = [];
    store.on('storageLost', ({ code, message }) => losses.push(`${code}: ${message}`));
});

for (const [who, privateFiles] of [['leads', true], ['does not lead', false]]) {
    test(`a tab that ${who} deletes the database for all tabs, and a new one is empty`, async () => {
        const options = { database: `logout, ${who}`, privateFiles };
        const tabs = [];
        for (let count = 0; count < 3; count += 1) tabs.push(await openApplication(browser, site, options));
        await put(tabs[0], 'children/1');
        if (privateFiles) {
            // A journal is used from the second opening on.
            for (const tab of tabs) await tab.evaluate(() => store.dispose());
            for (const tab of tabs) await tab.evaluate((options) => globalThis.open(options), options);
            await put(tabs[0], 'children/2');
        }
        assert(hasSome(await stored(tabs[0]), options.database));
        const leads = await Promise.all(tabs.map((tab) => tab.evaluate(() => store.storage.status().then((it) => it.isLeader))));
        const leader = tabs[leads.indexOf(true)];
        const others = tabs.filter((tab) => tab !== leader);
        const [deleter, ...rest] = who === 'leads' ? [leader, ...others] : [others[0], leader, others[1]];
        for (const tab of tabs) await watchLoss(tab);
        // What is under way in another tab ends too, one way or the other.
        const late = rest[1].evaluate(() => store.openSession().load('children/1').then(() => 'found', ({ code }) => code));
        assert.equal(await remove(deleter), 'deleted');
        assert(['found', 'Closed'].includes(await late));
        const message = `Closed: the database '${options.database}' was deleted`;
        for (const tab of rest) {
            await until(() => tab.evaluate(() => losses.length > 0), 'the news of the end');
            assert.deepEqual(await tab.evaluate(() => losses), [message]);
            const failed = await tab.evaluate(() => store.openSession().load('children/1').then(() => null, ({ code }) => code));
            assert.equal(failed, 'Closed');
        }
        assert.deepEqual(await deleter.evaluate(() => losses), [], 'no loss to whoever wanted it');
        await new Promise((resolve) => setTimeout(resolve, 300));
        assert(!hasSome(await stored(deleter), options.database), 'no tab founds it anew by itself');
        for (const tab of tabs) await tab.evaluate((options) => globalThis.open(options), options);
        assert.equal(await rest[0].evaluate(() => store.openSession().load('children/1')), null);
        await put(rest[0], 'children/3');
        assert.equal((await deleter.evaluate(() => store.openSession().load('children/3'))).name, 'Mia');
    });
}

test('what no server has is not deleted with the rest, unless somebody says so', async () => {
    const options = { database: 'unsynced' };
    const page = await openApplication(browser, site, options);
    await page.evaluate(async ([options]) => {
        globalThis.sync = store.sync(options);
        await sync.waitForSync();
    }, [{ url: pinyon.url, database: DATABASE, token: pinyon.token('eva') }]);
    await put(page, 'children/1');
    await page.evaluate(() => sync.waitForSync());
    await page.evaluate(() => sync.pause());
    await put(page, 'children/2');
    const refused = await remove(page);
    assert.match(refused, /^InvalidRequest: .* 1 documents \('children\/2' is one\)/);
    // Nothing happened.
    assert.equal((await page.evaluate(() => store.openSession().load('children/2'))).name, 'Mia');
    await page.evaluate(() => sync.resume());
    await page.evaluate(() => sync.waitForSync());
    assert.equal(await remove(page), 'deleted');
    assert.equal((await pinyon.document('children/2')).name, 'Mia');
    assert(!hasSome(await stored(page), 'unsynced'));

    // Somebody else logs in: nothing of before is there, and what the server has comes.
    await page.evaluate((options) => globalThis.open(options), options);
    await put(page, 'children/9');
    await page.evaluate(async ([options]) => {
        globalThis.sync = store.sync(options);
        sync.pause();
    }, [{ url: pinyon.url, database: DATABASE, token: pinyon.token('adam') }]);
    assert.equal(await remove(page, { mayDiscardPending: true }), 'deleted');
    assert.equal(await pinyon.document('children/9'), null);
});

test('one that cannot be opened is deleted when nothing of it has to be kept', async () => {
    const options = { database: 'newer' };
    const page = await openApplication(browser, site, options);
    await put(page, 'children/1');
    await page.evaluate(async () => {
        await store.dispose();
        await new Promise((resolve, reject) => {
            const request = indexedDB.open('pinyon/newer', 1000);
            request.onsuccess = () => { request.result.close(); resolve(); };
            request.onerror = () => reject(request.error);
        });
    });
    assert.equal(await page.evaluate((options) => globalThis.open(options).catch(({ code }) => code), options), 'Unsupported');
    assert.match(await remove(page), /^Unsupported: /);
    assert.equal(await remove(page, { mayDiscardPending: true }), 'deleted');
    await page.evaluate((options) => globalThis.open(options), options);
    assert.equal(await page.evaluate(() => store.openSession().load('children/1')), null);
});

test('a database in memory is deleted too, also without a worker', async () => {
    const page = await openApplication(browser, site, undefined);
    for (const options of [{ database: 'fleeting', storage: 'memory' }, { database: 'here', worker: false }]) {
        await page.evaluate((options) => globalThis.open(options), options);
        await put(page, 'children/1');
        assert.equal(await remove(page), 'deleted');
        assert(!hasSome(await stored(page), 'here'));
        await page.evaluate((options) => globalThis.open(options), options);
        assert.equal(await page.evaluate(() => store.openSession().load('children/1')), null);
        await page.evaluate(() => store.dispose());
    }
});
