// The npm package in a page: what is stored is there after the browser was closed.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openApplication } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startServer } from '../harness/server.js';

const server = await startServer();
let browser = await startBrowser();

after(async () => {
    await browser.close();
    await server.close();
});

test('documents, attachments and revisions outlive the browser', async () => {
    const options = { database: 'kept', durability: 'strict' };
    const page = await openApplication(browser, server, options);
    const stored = await page.evaluate(async () => {
        await store.maintenance.configureRevisions({ Default: { Disabled: false } });
        const session = store.openSession();
        const group = { name: 'Bears' };
        await session.store(group, 'groups/bears');
        const child = { name: 'Eva', group: 'groups/bears' };
        await session.store(child, 'children/1');
        session.advanced.getMetadataFor(child)['@collection'] = 'Children';
        session.advanced.attachments.store(child, 'photo.bin', new Blob([new Uint8Array(300_000).fill(7)], { type: 'image/x' }));
        await session.saveChanges();
        child.name = 'Eva Maria';
        await session.saveChanges();
        const status = await store.storage.status();
        return { changeVector: session.advanced.getChangeVectorFor(child), status };
    });
    assert.equal(stored.status.storage, 'indexeddb');
    assert.equal(stored.status.durability, 'strict');
    assert.equal(stored.status.isLeader, true);
    assert.deepEqual(page.failures, []);
    const { profile } = browser;
    await browser.stop();

    browser = await startBrowser(profile);
    // The origin is the same: the server still runs.
    const again = await openApplication(browser, server, options);
    const found = await again.evaluate(async () => {
        const session = store.openSession();
        const child = await session.include('group').load('children/1');
        const group = await session.load('groups/bears');
        const requests = session.advanced.numberOfRequests;
        const photo = await session.advanced.attachments.get(child, 'photo.bin');
        const bytes = new Uint8Array(await photo.content.arrayBuffer());
        const names = session.advanced.attachments.getNames(child);
        const revisions = await session.advanced.revisions.getFor('children/1');
        return {
            child, group, requests, names,
            changeVector: session.advanced.getChangeVectorFor(child),
            photo: { size: bytes.length, isWhole: bytes.every((byte) => byte === 7), type: photo.content.type },
            revisions: revisions.map((it) => it.name),
        };
    });
    assert.deepEqual(found.child, { name: 'Eva Maria', group: 'groups/bears', id: 'children/1' });
    assert.deepEqual(found.group, { name: 'Bears', id: 'groups/bears' });
    assert.equal(found.requests, 1, 'the group came with the child');
    assert.equal(found.changeVector, stored.changeVector);
    assert.deepEqual(found.photo, { size: 300_000, isWhole: true, type: 'image/x' });
    assert.deepEqual(found.names.map((it) => it.name), ['photo.bin']);
    assert.equal(found.revisions[0], 'Eva Maria');
    assert.ok(found.revisions.includes('Eva'));
    await again.close();
});

test('a stale save is refused with a typed error, and a session recovers from it', async () => {
    const page = await openApplication(browser, server, { database: 'conflicts' });
    const outcome = await page.evaluate(async () => {
        const setup = store.openSession();
        await setup.store({ n: 1 }, 'a');
        await setup.saveChanges();
        const [first, second] = [store.openSession(), store.openSession()];
        const [one, two] = [await first.load('a'), await second.load('a')];
        one.n = 2;
        await first.saveChanges();
        two.n = 3;
        const error = await second.saveChanges().then(() => null, (error) => error);
        const seen = {
            isTyped: error instanceof pinyon.ConcurrencyError,
            code: error.code, id: error.id, actual: error.actualChangeVector,
            expected: first.advanced.getChangeVectorFor(one),
        };
        await second.advanced.refresh(two);
        two.n += 10;
        await second.saveChanges();
        const careless = store.openSession({ useOptimisticConcurrency: false });
        const mine = await careless.load('a');
        one.n = 100;
        await first.advanced.refresh(one);
        one.n = 50;
        await first.saveChanges();
        mine.n = 51;
        await careless.saveChanges();
        const verifying = store.openSession({ verifyLoaded: true });
        await verifying.load('a');
        await verifying.load('missing');
        await verifying.store({}, 'b');
        const other = store.openSession();
        await other.store({}, 'missing');
        await other.saveChanges();
        const readError = await verifying.saveChanges().then(() => null, (error) => error);
        return { seen, last: (await store.openSession().load('a')).n, readError: readError?.id, b: await store.openSession().load('b') };
    });
    assert.deepEqual({ ...outcome.seen, actual: undefined, expected: undefined },
        { isTyped: true, code: 'ConcurrencyConflict', id: 'a', actual: undefined, expected: undefined });
    assert.equal(outcome.seen.actual, outcome.seen.expected);
    assert.equal(outcome.last, 51);
    assert.equal(outcome.readError, 'missing');
    assert.equal(outcome.b, null);
    await page.close();
});

test('ids are looked up by prefix, expired documents go, changes are told', async () => {
    const page = await openApplication(browser, server, { database: 'feed' });
    const told = await page.evaluate(async () => {
        const seen = [];
        const changes = store.changes();
        changes.forDocumentsStartingWith('orders/').on('data', (change) => seen.push(`${change.type} ${change.id}`));
        const iterated = [];
        const iterating = (async () => {
            for await (const change of changes.forDocumentsInCollection('Invoices')) {
                iterated.push(change.id);
                if (iterated.length === 2) return;
            }
        })();
        await changes.ensureConnectedNow();
        const session = store.openSession();
        for (const number of [1, 2, 3]) await session.store({ number }, `orders/${number}`);
        for (const number of [1, 2]) await session.store({ number }, `invoices/${number}`, 'Invoice');
        await session.saveChanges();
        await session.delete('orders/2');
        await session.saveChanges();
        await iterating;
        const page = await store.openSession().advanced.loadStartingWith('orders/', { pageSize: 10 });
        const last = await session.load('orders/3');
        session.advanced.getMetadataFor(last)['@expires'] = new Date(Date.now() - 1000).toISOString();
        await session.saveChanges();
        // While nothing is configured nothing expires, whatever else is swept.
        await store.maintenance.configureRefresh({ Disabled: false, RefreshFrequencyInSec: 1 });
        await store.maintenance.sweep();
        const stays = (await store.openSession().load('orders/3')) !== null;
        await store.maintenance.configureExpiration({ Disabled: false, DeleteFrequencyInSec: 1 });
        // The worker's own timer deletes it.
        while (await store.openSession().load('orders/3')) await new Promise((resolve) => setTimeout(resolve, 50));
        while (seen.length < 6) await new Promise((resolve) => setTimeout(resolve, 5));
        return { seen, iterated, stays, page: page.map((it) => it.id) };
    });
    assert.deepEqual(told.page, ['orders/1', 'orders/3']);
    assert.equal(told.stays, true);
    assert.deepEqual(told.iterated, ['invoices/1', 'invoices/2']);
    assert.deepEqual(told.seen, [
        'Put orders/1', 'Put orders/2', 'Put orders/3', 'Delete orders/2', 'Put orders/3', 'Delete orders/3',
    ]);
    await page.close();
});

test('what expired while the tab slept is gone when it wakes', async () => {
    const page = await openApplication(browser, server, { database: 'asleep' });
    await page.evaluate(async () => {
        await store.maintenance.configureExpiration({ Disabled: false, DeleteFrequencyInSec: 1 });
        const session = store.openSession();
        const lease = { holder: 'here' };
        await session.store(lease, 'leases/1');
        session.advanced.getMetadataFor(lease)['@expires'] = new Date(Date.now() + 2000).toISOString();
        await session.store({ stays: true }, 'leases/2');
        await session.saveChanges();
    });
    const protocol = await browser.protocol(page);
    await protocol.send('Page.setWebLifecycleState', { state: 'frozen' });
    await new Promise((resolve) => setTimeout(resolve, 4000));
    await protocol.send('Page.setWebLifecycleState', { state: 'active' });
    const left = await page.evaluate(async () => {
        while (await store.openSession().load('leases/1')) await new Promise((resolve) => setTimeout(resolve, 50));
        return (await store.openSession().load('leases/2')).stays;
    });
    assert.equal(left, true);
    await page.close();
});

test('an export goes into another database', async () => {
    const page = await openApplication(browser, server, { database: 'from' });
    const counts = await page.evaluate(async () => {
        const session = store.openSession();
        for (let number = 0; number < 100; number += 1) await session.store({ number }, `n/${number}`);
        session.advanced.attachments.store('n/7', 'a.txt', 'seven');
        await session.saveChanges();
        await store.openSession().advanced.rawQuery('from @all_docs where number > 50').waitForNonStaleResults().all();
        const dump = await store.smuggler.export();
        const target = new pinyon.DocumentStore('to').initialize();
        const report = await target.smuggler.import(dump);
        const copied = await target.openSession().advanced.attachments.get('n/7', 'a.txt');
        const { countOfDocuments } = await target.maintenance.getStatistics();
        const names = await target.indexes.getNames();
        const found = await target.openSession().advanced.rawQuery('from @all_docs where number > 90').waitForNonStaleResults().all();
        await target.dispose();
        return { report, names, found: found.length, countOfDocuments, text: await copied.content.text() };
    });
    assert.equal(counts.report.documents, 100);
    assert.deepEqual([counts.countOfDocuments, counts.text], [100, 'seven']);
    // What the source had learned, the target knows.
    assert.deepEqual([counts.report.indexes, counts.names, counts.found], [1, ['Auto/AllDocs/Bynumber'], 9]);
    await page.close();
});

test('cleared storage is told to the application', async () => {
    const page = await openApplication(browser, server, { database: 'cleared' });
    await page.evaluate(async () => {
        globalThis.lost = new Promise((resolve) => { store.on('storageLost', (error) => resolve([error.code, error.message])); });
        const session = store.openSession();
        await session.store({}, 'a');
        await session.saveChanges();
        globalThis.sync = store.sync({ url: 'http://127.0.0.1:9', database: 'none' });
        await sync.pause();
    });
    const protocol = await browser.protocol(page);
    await protocol.send('Storage.clearDataForOrigin', { origin: server.url, storageTypes: 'indexeddb' });
    const [code, message] = await page.evaluate(() => globalThis.lost);
    assert.equal(code, 'Closed');
    assert.match(message, /cleared/);
    assert.deepEqual(await page.evaluate(() => [sync.status.phase, sync.status.code]), ['error', 'Closed']);
    const afterwards = await page.evaluate(() => store.openSession().load('a').then(() => 'loaded', (error) => error.code));
    assert.equal(afterwards, 'Closed');
    await page.close();
});

test('a full quota refuses the save and keeps the session', async () => {
    // Before the first write of a browser: it remembers for a while how much room there was.
    const fresh = await startBrowser();
    const page = await openApplication(fresh, server);
    const protocol = await fresh.protocol(page);
    await protocol.send('Storage.overrideQuotaForOrigin', { origin: server.url, quotaSize: 3_000_000 });
    const refused = await page.evaluate(async () => {
        await globalThis.open({ database: 'full' });
        const noise = () => {
            const bytes = crypto.getRandomValues(new Uint8Array(60_000));
            return Array.from(bytes, (byte) => byte.toString(36)).join('');
        };
        globalThis.session = store.openSession();
        for (let number = 0; number < 200; number += 1) {
            await session.store({ noise: noise() }, `n/${number}`);
            try {
                await session.saveChanges();
            } catch (error) {
                return { number, code: error.code, hasChanges: session.advanced.hasChanges(), before: Boolean(await store.openSession().load('n/0')) };
            }
        }
        return 'never refused';
    });
    assert.equal(refused.code, 'StorageFull', JSON.stringify(refused));
    assert.equal(refused.hasChanges, true);
    assert.equal(refused.before, true);
    await protocol.send('Storage.overrideQuotaForOrigin', { origin: server.url });
    const saved = await page.evaluate(async (number) => {
        await session.saveChanges();
        return Boolean(await store.openSession().load(`n/${number}`));
    }, refused.number);
    assert.equal(saved, true);
    await fresh.close();
});
