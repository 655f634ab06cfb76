// The hooks, with React itself: in pages, and rendered to text.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { openApplication, until } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startServer, TARGET } from '../harness/server.js';

const here = fileURLToPath(new URL('../', import.meta.url));
const bindings = path.join(here, '../../bindings-js');
const output = path.join(TARGET, 'browser/packaged/react');
// The package's own bundler: the package itself has no React, so the application's is found.
const { build } = createRequire(path.join(bindings, 'package.json'))('esbuild');

const bundle = (name, platform) => build({
    entryPoints: [path.join(here, 'pages/react', `${name}.js`)],
    outfile: path.join(output, `${name}.${platform === 'node' ? 'cjs' : 'js'}`),
    bundle: true,
    format: platform === 'node' ? 'cjs' : 'esm',
    platform,
    define: { 'process.env.NODE_ENV': '"development"' },
    alias: { 'pinyon/react': path.join(bindings, 'dist/react.js') },
    nodePaths: [path.join(here, 'node_modules')],
    external: ['/pinyon/*'],
});
await bundle('client', 'browser');
await bundle('server', 'node');

const server = await startServer();
const browser = await startBrowser();

after(async () => {
    await browser.close();
    await server.close();
});

const open = (database) => openApplication(browser, server, { database }, '/pages/react/app.html');
const save = (page, id, document, collection) => page.evaluate(async ([id, document, collection]) => {
    const session = store.openSession({ useOptimisticConcurrency: false });
    await session.store(document, id, collection);
    await session.saveChanges();
}, [id, document, collection]);
const text = (page, selector) => page.evaluate((selector) => document.querySelector(selector)?.innerText.replaceAll('\n', ','), selector);
const shows = (page, selector, wanted) => until(async () => (await text(page, selector)) === wanted, `${selector}: '${wanted}'`);

test('components show what is stored, and are rendered again only when it changes', async () => {
    const page = await open('hooks');
    await save(page, 'groups/bears', { name: 'Bears' }, 'Group');
    await save(page, 'children/1', { name: 'Eva', group: 'groups/bears' }, 'Child');
    await save(page, 'children/2', { name: 'Adam', group: 'groups/bears' }, 'Child');
    await page.evaluate(() => render('groups/bears'));
    await shows(page, 'h1', 'Bears');
    await shows(page, '#children', 'Adam,Eva');
    await shows(page, '#error', 'InvalidRequest');
    assert.equal(await text(page, '#status'), 'alone');

    const before = await page.evaluate(() => ({ ...renders }));
    assert.equal(before['children/1'], 1);
    await save(page, 'children/3', { name: 'Ben', group: 'groups/frogs' }, 'Child');
    await save(page, 'visits/1', {}, 'Visit');
    // What is rendered after them was asked after them.
    await save(page, 'children/1', { name: 'Zoe', group: 'groups/bears' }, 'Child');
    await shows(page, '#children', 'Adam,Zoe');
    const after = await page.evaluate(() => ({ ...renders }));
    assert.deepEqual(after, { ...before, children: before.children + 1, 'children/1': 2 });

    // The page renders on its own accord: nothing is asked anew, and nothing blinks.
    await page.evaluate(() => render('groups/bears'));
    await until(() => page.evaluate((last) => renders.children > last, after.children), 'another rendering');
    assert.equal(await text(page, '#children'), 'Adam,Zoe');
    // Another group is another query.
    await page.evaluate(() => render('groups/frogs'));
    await shows(page, '#children', 'Ben');
    await shows(page, 'h1', 'none');
    await save(page, 'groups/frogs', { name: 'Frogs' }, 'Group');
    await shows(page, 'h1', 'Frogs');
    // None, and gone.
    await page.evaluate(() => render(null));
    await shows(page, 'h1', 'none');
    await page.evaluate(() => unmount());
    const last = await page.evaluate(() => ({ ...renders }));
    await save(page, 'children/3', { name: 'Benjamin', group: 'groups/frogs' }, 'Child');
    assert.deepEqual(await page.evaluate(() => ({ ...renders })), last);
    assert.deepEqual(page.failures, []);
    await page.close();
});

test('strict mode, which mounts everything twice', async () => {
    const page = await open('strict hooks');
    await page.evaluate(() => render('groups/bears', true));
    await save(page, 'groups/bears', { name: 'Bears' }, 'Group');
    await shows(page, 'h1', 'Bears');
    await page.evaluate(() => store.sync({ url: 'http://127.0.0.1:9', database: 'nowhere' }) && undefined);
    await until(async () => ['connecting', 'offline'].includes(await text(page, '#status')), 'the status of the sync');
    await page.evaluate(() => store.dispose());
    await page.close();
});

test('rendered to text on a server, without a database', async () => {
    const { App, createElement, renderToString } = createRequire(import.meta.url)(path.join(output, 'server.cjs'));
    const { DocumentStore } = await import(pathToFileURL(path.join(bindings, 'dist/node.js')));
    // In a page this store would open IndexedDB; here nothing is opened.
    const store = new DocumentStore('never opened');
    const html = renderToString(createElement(App, { store, group: 'groups/bears' }));
    assert.equal(html, '<h1>loading</h1><ul id="children" aria-busy="true"></ul><p id="error">none</p><p id="status">alone</p>');
    assert.throws(() => renderToString(createElement(App, { store: null, group: null })), /PinyonProvider/);
});
