// The package in applications that bundlers make.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdir, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openApplication } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startServer, TARGET } from '../harness/server.js';

const server = await startServer();
// The applications' scripts and modules from another origin, as from a CDN.
const elsewhere = await startServer();
const browser = await startBrowser();
const folderOf = (bundler) => fileURLToPath(new URL(`../packaging/${bundler}/`, import.meta.url));
const source = fileURLToPath(new URL('../../../bindings-js/', import.meta.url));
const packaged = path.join(TARGET, 'browser/packaged');

after(async () => {
    await browser.close();
    await server.close();
    await elsewhere.close();
});

function run(bundler, program, args) {
    const folder = folderOf(bundler);
    execFileSync(path.join(folder, 'node_modules/.bin', program), args, { cwd: folder, stdio: 'pipe' });
}

async function storeInOneAndLoadInAnother(folder, { site = server, page: path = `/packaged/${folder}/index.html`, isRenamed = true } = {}) {
    const options = { database: `by ${folder}` };
    const page = await openApplication(browser, site, options, path);
    await page.evaluate(async () => {
        const session = store.openSession();
        await session.store({ name: 'Eva' }, 'users/1');
        await session.saveChanges();
    });
    await page.close();
    const next = await openApplication(browser, site, options, path);
    const found = await next.evaluate(async () => {
        const { name } = await store.openSession().load('users/1');
        return [name, (await store.storage.status()).storage];
    });
    assert.deepEqual(found, ['Eva', 'indexeddb']);
    // Bundlers rename classes; what is registered has its name all the same.
    assert.deepEqual(await next.evaluate(() => storeChild()), [!isRenamed, true, true, 'Child']);
    assert.deepEqual(next.failures, []);
    await next.close();
}

/** Puts what npm packs into a new folder, as npm would install it; answers the names of its files. */
async function installInto(output) {
    await rm(output, { recursive: true, force: true });
    await mkdir(path.join(output, 'node_modules'), { recursive: true });
    const run = (program, args, cwd) => execFileSync(program, args, { cwd, stdio: 'pipe', encoding: 'utf8' });
    const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', output], source));
    run('tar', ['-xzf', packed.filename, '-C', 'node_modules'], output);
    await rename(path.join(output, 'node_modules/package'), path.join(output, 'node_modules/pinyon'));
    return packed.files.map((it) => it.path);
}

test('what npm packs is typed for strict applications', async () => {
    const output = path.join(packaged, 'typescript');
    const names = await installInto(output);
    // React's types, which applications have.
    await symlink(path.join(source, 'node_modules/@types'), path.join(output, 'node_modules/@types'));
    await symlink(path.join(source, 'node_modules/csstype'), path.join(output, 'node_modules/csstype'));
    await cp(folderOf('typescript'), output, { recursive: true });
    for (const wanted of ['README.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'dist/types/index.d.ts']) {
        assert.ok(names.includes(wanted), wanted);
    }
    const compiler = path.join(source, 'node_modules/.bin/tsc');
    const resolutions = [['ESNext', 'bundler'], ['NodeNext', 'nodenext']];
    for (const [module, resolution] of resolutions) {
        const { stdout, status } = spawnSync(compiler, ['--module', module, '--moduleResolution', resolution], {
            cwd: output,
            encoding: 'utf8',
        });
        assert.equal(status, 0, `${resolution}:\n${stdout}`);
    }
});

function buildWithVite(folder, base) {
    const output = path.join(packaged, folder);
    run('vite', 'vite', ['build', '--base', base, '--outDir', output, '--emptyOutDir', '--logLevel', 'error']);
}

async function buildWithWebpack(folder, ...args) {
    const output = path.join(packaged, folder);
    await rm(output, { recursive: true, force: true });
    await mkdir(output, { recursive: true });
    run('webpack', 'webpack', ['--output-path', output, ...args]);
    await cp(path.join(folderOf('webpack'), 'index.html'), path.join(output, 'index.html'));
}

test('Vite', async () => {
    buildWithVite('vite', './');
    await storeInOneAndLoadInAnother('vite');
});

test('the development server of Vite 7, which runs the package from a copy of its script alone', async () => {
    const root = path.join(packaged, 'vite7');
    await installInto(root);
    for (const file of ['index.html', 'main.js', 'package.json']) await cp(path.join(folderOf('vite'), file), path.join(root, file));
    const { createServer } = await import(new URL('../packaging/vite7/node_modules/vite/dist/node/index.js', import.meta.url));
    const vite = await createServer({ root, configFile: false, logLevel: 'error', server: { port: 0, host: '127.0.0.1' } });
    try {
        await vite.listen();
        const site = { url: vite.resolvedUrls.local[0].replace(/\/$/, '') };
        await storeInOneAndLoadInAnother('vite7', { site, page: '/index.html', isRenamed: false });
    } finally {
        await vite.close();
    }
});

test('webpack', async () => {
    await buildWithWebpack('webpack');
    await storeInOneAndLoadInAnother('webpack');
});

test('Vite, with its files on another origin', async () => {
    buildWithVite('vite-elsewhere', `${elsewhere.url}/packaged/vite-elsewhere/`);
    await storeInOneAndLoadInAnother('vite-elsewhere');
});

test('webpack, with its files on another origin', async () => {
    await buildWithWebpack('webpack-elsewhere', '--output-public-path', `${elsewhere.url}/packaged/webpack-elsewhere/`);
    await storeInOneAndLoadInAnother('webpack-elsewhere');
});
