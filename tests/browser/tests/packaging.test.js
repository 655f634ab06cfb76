// The package in applications that bundlers make.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openApplication } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startServer, TARGET } from '../harness/server.js';

const server = await startServer();
const browser = await startBrowser();
const folderOf = (bundler) => fileURLToPath(new URL(`../packaging/${bundler}/`, import.meta.url));
const packaged = path.join(TARGET, 'browser/packaged');

after(async () => {
    await browser.close();
    await server.close();
});

function run(bundler, program, args) {
    const folder = folderOf(bundler);
    execFileSync(path.join(folder, 'node_modules/.bin', program), args, { cwd: folder, stdio: 'pipe' });
}

async function storeInOneAndLoadInAnother(bundler) {
    const options = { database: `by ${bundler}` };
    const page = await openApplication(browser, server, options, `/packaged/${bundler}/index.html`);
    await page.evaluate(async () => {
        const session = store.openSession();
        await session.store({ name: 'Eva' }, 'users/1');
        await session.saveChanges();
    });
    await page.close();
    const next = await openApplication(browser, server, options, `/packaged/${bundler}/index.html`);
    const found = await next.evaluate(async () => {
        const { name } = await store.openSession().load('users/1');
        return [name, (await store.storage.status()).storage];
    });
    assert.deepEqual(found, ['Eva', 'indexeddb']);
    assert.deepEqual(next.failures, []);
    await next.close();
}

test('Vite', async () => {
    const output = path.join(packaged, 'vite');
    run('vite', 'vite', ['build', '--base', './', '--outDir', output, '--emptyOutDir', '--logLevel', 'error']);
    await storeInOneAndLoadInAnother('vite');
});

test('webpack', async () => {
    const output = path.join(packaged, 'webpack');
    await rm(output, { recursive: true, force: true });
    await mkdir(output, { recursive: true });
    run('webpack', 'webpack', ['--output-path', output]);
    await cp(path.join(folderOf('webpack'), 'index.html'), path.join(output, 'index.html'));
    await storeInOneAndLoadInAnother('webpack');
});
