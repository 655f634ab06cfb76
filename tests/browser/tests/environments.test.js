// The package in different kinds of pages, and in Node.js.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openApplication } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startServer } from '../harness/server.js';

const server = await startServer();
// The same files from another origin, as from a CDN.
const elsewhere = await startServer();
const browser = await startBrowser();

after(async () => {
    await browser.close();
    await server.close();
    await elsewhere.close();
});

async function storeAndLoad(page, options) {
    await page.evaluate((options) => globalThis.open(options), options);
    return page.evaluate(async () => {
        const session = store.openSession();
        await session.store({ name: 'Eva' }, 'users/1');
        await session.saveChanges();
        const { name } = await store.openSession().load('users/1');
        const { storage } = await store.storage.status();
        await store.dispose();
        return [name, storage];
    });
}

test('a page with a strict policy: no eval, no inline script, no other origin', async () => {
    const page = await openApplication(browser, server, undefined, '/pages/strict/app.html');
    assert.deepEqual(await storeAndLoad(page, { database: 'strict' }), ['Eva', 'indexeddb']);
    const refused = await page.evaluate(() => new Promise((resolve) => {
        // Later: what a debugger runs at once may evaluate anything.
        setTimeout(() => {
            try { globalThis.eval('1'); resolve('evaluated'); } catch { resolve('refused'); }
        });
    }));
    assert.equal(refused, 'refused', 'the policy is in force');
    assert.deepEqual(page.failures.filter((text) => !text.includes('unsafe-eval')), []);
    await page.close();
});

test('a plain script, without modules', async () => {
    const page = await openApplication(browser, server, undefined, '/pages/script.html');
    assert.deepEqual(await storeAndLoad(page, { database: 'script' }), ['Eva', 'indexeddb']);
    await page.close();
});

test('the database on the thread of the page', async () => {
    const page = await openApplication(browser, server);
    assert.deepEqual(await storeAndLoad(page, { database: 'here', worker: false }), ['Eva', 'indexeddb']);
    await page.close();
});

test('an application in a worker of its own', async () => {
    const page = await openApplication(browser, server);
    const answer = await page.evaluate(() => new Promise((resolve, reject) => {
        const worker = new Worker('app-worker.js', { type: 'module' });
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = (event) => reject(new Error(event.message));
    }));
    assert.equal(answer, 'Eva');
    await page.close();
});

test('a module from another origin', async () => {
    const page = await browser.open(`${server.url}/pages/empty.html`);
    const name = await page.evaluate(async (url) => {
        const pinyon = await import(`${url}/pinyon/index.js`);
        const store = new pinyon.DocumentStore('from elsewhere');
        const session = store.openSession();
        await session.store({ name: 'Eva' }, 'users/1');
        await session.saveChanges();
        const user = await store.openSession().load('users/1');
        await store.dispose();
        return user.name;
    }, elsewhere.url);
    assert.equal(name, 'Eva');
    await page.close();
});

test('memory, where the application asks for it', async () => {
    const page = await openApplication(browser, server);
    assert.deepEqual(await storeAndLoad(page, { database: 'm', storage: 'memory' }), ['Eva', 'memory']);
    await page.close();
});

test('Node.js, with memory', async () => {
    const { DocumentStore } = await import('../../../bindings-js/dist/node.js');
    const store = new DocumentStore({ database: 'node', storage: 'memory' });
    const session = store.openSession();
    await session.store({ name: 'Eva' }, 'users/1');
    await session.saveChanges();
    assert.equal((await store.openSession().load('users/1')).name, 'Eva');
    await store.dispose();
    await assert.rejects(new DocumentStore('x').opened, { code: 'Unsupported' });
});

test('a disposed store ends what it began, and begins nothing', async () => {
    const { DocumentStore } = await import('../../../bindings-js/dist/node.js');
    const store = new DocumentStore({ database: 'disposed', storage: 'memory' });
    await store.opened;
    const session = store.openSession();
    await session.store({ name: 'Eva' }, 'users/1');
    const saving = session.saveChanges();
    const disposing = store.dispose();
    await assert.rejects(store.openSession().load('users/1'), { code: 'Closed' });
    await Promise.all([saving, disposing]);
});
