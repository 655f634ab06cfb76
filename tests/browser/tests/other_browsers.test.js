// The package in Firefox and in WebKit, which is Safari's engine.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openApplication, until } from '../harness/application.js';
import { otherBrowsers } from '../harness/other_browsers.js';
import { startPinyon } from '../harness/pinyon.js';
import { startServer } from '../harness/server.js';

const DATABASE = 'others';
const site = await startServer();
const elsewhere = await startServer();
const pinyon = await startPinyon(DATABASE, site.url);

after(async () => {
    await pinyon.close();
    await site.close();
    await elsewhere.close();
});

const put = (page, id, document) => page.evaluate(async ({ id, document }) => {
    const session = store.openSession();
    await session.store(document, id, { changeVector: null });
    await session.saveChanges();
}, { id, document });

const nameOf = (page, id) => page.evaluate(async (id) => (await store.openSession().load(id))?.name ?? null, id);

const startSync = (page, prefixes) => page.evaluate(async (request) => {
    globalThis.sync = store.sync(request);
    await sync.waitForSync();
}, { url: pinyon.url, database: DATABASE, token: pinyon.token('eva'), prefixes });

for (const { name, start, skip } of otherBrowsers) {
    describe(name, { skip }, () => {
        let browser;
        const open = (database, path) => openApplication(browser, site, database && { database }, path);
        before(async () => { browser = await start(); });
        after(() => browser?.close());

        test('the storage keeps its contract', async () => {
            const page = await browser.open(`${site.url}/pages/storage.html`);
            await page.waitForFunction(() => globalThis.isReady);
            const outcomes = await page.evaluate(async () => {
                const found = [];
                // A page of WebKitGTK has no files of its own.
                const hasFiles = navigator.storage?.getDirectory !== undefined;
                for (const name of caseNames()) found.push([name, await runCase(name, true, hasFiles)]);
                return found;
            });
            assert.ok(outcomes.length >= 39, `${outcomes.length} cases`);
            for (const [name, outcome] of outcomes) assert.equal(outcome, 'passed', name);
            await page.close();
        });

        test('documents, attachments, revisions and indexes are there in the next page', async () => {
            const page = await open('kept');
            const status = await page.evaluate(async () => {
                await store.maintenance.configureRevisions({ Default: { Disabled: false } });
                const session = store.openSession();
                const child = { name: 'Eva' };
                await session.store(child, 'children/1');
                session.advanced.getMetadataFor(child)['@collection'] = 'Children';
                session.advanced.attachments.store(child, 'photo.bin', new Blob([new Uint8Array(300_000).fill(7)], { type: 'image/x' }));
                await session.saveChanges();
                child.name = 'Eva Maria';
                await session.saveChanges();
                await store.openSession().query({ collection: 'Children' }).whereEquals('name', 'Eva').waitForNonStaleResults().all();
                return store.storage.status();
            });
            assert.deepEqual([status.storage, status.isLeader], ['indexeddb', true]);
            await page.close();
            const next = await open('kept');
            const found = await next.evaluate(async () => {
                const session = store.openSession();
                const [child] = await session.query({ collection: 'Children' }).whereEquals('name', 'eva maria').all();
                const { content } = await session.advanced.attachments.get(child, 'photo.bin');
                const bytes = new Uint8Array(await content.arrayBuffer());
                const revisions = await session.advanced.revisions.getFor('children/1');
                // This needs the whole module.
                const searched = await session.advanced.rawQuery("from Children where search(name, 'maria')").waitForNonStaleResults().all();
                return [bytes.length, bytes.every((it) => it === 7), content.type, revisions.length, searched[0].name];
            });
            assert.deepEqual(found, [300_000, true, 'image/x', 3, 'Eva Maria']);
            await next.close();
        });

        test('tabs share a database, hear of each other, and one takes over from the other', async () => {
            const leader = await open('shared');
            const other = await open('shared');
            assert.equal(await other.evaluate(async () => (await store.storage.status()).isLeader), false);
            await other.evaluate(() => {
                globalThis.shown = [];
                store.liveQuery('from @empty').on('data', (results) => shown.push(results.map((it) => it.name).sort().join()));
            });
            await put(leader, 'groups/1', { name: 'Bears' });
            await put(other, 'groups/2', { name: 'Wolves' });
            await until(() => other.evaluate(() => shown.at(-1) === 'Bears,Wolves'), 'the groups of both tabs');
            await leader.close();
            await put(other, 'groups/3', { name: 'Foxes' });
            assert.equal(await nameOf(other, 'groups/1'), 'Bears');
            await until(() => other.evaluate(() => shown.at(-1) === 'Bears,Foxes,Wolves'), 'what the new leader wrote');
            await other.close();
        });

        test('a dump goes into another database, packed too', async () => {
            const page = await open('exported');
            await put(page, 'groups/1', { name: 'Bears' });
            const report = await page.evaluate(async () => {
                const dump = await store.smuggler.export();
                const packed = await new Response(dump.stream().pipeThrough(new CompressionStream('gzip'))).blob();
                await open({ database: 'imported' });
                return store.smuggler.import(packed);
            });
            assert.equal(report.documents, 1);
            assert.equal(await nameOf(page, 'groups/1'), 'Bears');
            await page.close();
        });

        test('what is written here and elsewhere syncs, conflicts and attachments too', async () => {
            const prefix = `${name.toLowerCase()}/`;
            const pages = [await open('one device'), await open('another')];
            for (const page of pages) await startSync(page, [prefix]);
            const [first, second] = pages;
            await first.evaluate(async (id) => {
                const session = store.openSession();
                const group = { name: 'Bears' };
                await session.store(group, id);
                session.advanced.attachments.store(group, 'photo.bin', new Blob([new Uint8Array(200_000).fill(3)]));
                await session.saveChanges();
            }, `${prefix}1`);
            await until(async () => (await nameOf(second, `${prefix}1`)) === 'Bears', 'the group on the other device');
            const size = await second.evaluate(async (id) => {
                const { content } = await store.openSession().advanced.attachments.get(id, 'photo.bin');
                return (await content.arrayBuffer()).byteLength;
            }, `${prefix}1`);
            assert.equal(size, 200_000);
            for (const page of pages) await page.evaluate(() => sync.pause());
            await put(first, `${prefix}1`, { name: 'Brown bears' });
            await put(second, `${prefix}1`, { name: 'Polar bears' });
            for (const page of pages) await page.evaluate(() => sync.resume());
            for (const page of pages) await until(() => page.evaluate(async () => (await store.conflicts.list()).length === 1), 'the conflict');
            await first.evaluate(async (id) => {
                await store.conflicts.resolve(await store.conflicts.get(id), { name: 'All bears' });
                await sync.waitForSync();
            }, `${prefix}1`);
            await until(async () => (await nameOf(second, `${prefix}1`).catch(() => null)) === 'All bears', 'the decision');
            assert.equal((await pinyon.document(`${prefix}1`)).name, 'All bears');
            for (const page of pages) await page.close();
        });

        test('the package comes from another origin', async () => {
            const page = await browser.open(`${site.url}/pages/empty.html`);
            const told = await page.evaluate(async (script) => {
                const { DocumentStore } = await import(script);
                const store = new DocumentStore('from elsewhere');
                const session = store.openSession();
                await session.store({ name: 'Bears' }, 'groups/1');
                await session.saveChanges();
                const { name } = await store.openSession().load('groups/1');
                const { storage } = await store.storage.status();
                await store.dispose();
                return [name, storage];
            }, `${elsewhere.url}/pinyon/index.js`);
            assert.deepEqual(told, ['Bears', 'indexeddb']);
            await page.close();
        });

        test('a connection that the policy of the page forbids is named', async () => {
            const page = await open(undefined, '/pages/strict/app.html');
            await page.evaluate(() => globalThis.open({ database: 'strict' }));
            await put(page, 'groups/1', { name: 'Bears' });
            const told = await page.evaluate(async (request) => {
                globalThis.sync = store.sync(request);
                return sync.waitForSync().catch(({ code, message }) => [code, message]);
            }, { url: pinyon.url, database: DATABASE, token: pinyon.token('eva') });
            assert.equal(told[0], 'InvalidRequest');
            assert.match(told[1], /Content-Security-Policy forbids it: connect-src needs ws:/);
            await page.close();
        });
    });
}
