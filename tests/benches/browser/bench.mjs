// node bench.mjs [--runs N] [--large N] [peer …]: measures peers in Chromium and prints ratios.
//
// `cargo xtask package` makes the package that is measured. Peers take turns, each run has a
// profile of its own, and what is printed are medians: trust the ratios, not the milliseconds.
import { createServer } from 'node:http';
import { cp, mkdtemp, mkdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const PACKAGE = path.join(HERE, '../../../bindings-js/dist');
const ALL = ['indexed-db', 'indexed-db-strict', 'dexie', 'sqlite', 'pinyon', 'pinyon-strict'];
const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' };

const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { runs: { type: 'string', default: '3' }, large: { type: 'string', default: '200000' } },
});
const peers = positionals.length ? positionals : ALL;
const runs = Number(values.runs);
const large = Number(values.large);

async function bundle(output) {
    const shared = { bundle: true, minify: true, format: 'esm', target: 'es2022', logLevel: 'error', nodePaths: [path.join(HERE, 'node_modules')] };
    await build({ ...shared, entryPoints: [path.join(HERE, 'src/page.js')], outfile: path.join(output, 'page.js') });
    for (const peer of peers) {
        const folder = path.join(output, peer);
        await mkdir(folder, { recursive: true });
        // The package is taken as it is; only its parts know where the others lie.
        const external = ['pinyon'];
        await build({
            ...shared, external, entryPoints: [path.join(HERE, `src/peers/${peer}.js`)], outfile: path.join(folder, 'main.js'),
            plugins: [{ name: 'package', setup(it) { it.onResolve({ filter: /^pinyon$/ }, () => ({ path: '/package/index.js', external: true })); } }],
        });
        if (peer === 'sqlite') {
            await build({ ...shared, entryPoints: [path.join(HERE, 'src/peers/sqlite.worker.js')], outfile: path.join(folder, 'worker.js') });
            await cp(path.join(HERE, 'node_modules/@sqlite.org/sqlite-wasm/dist/sqlite3.wasm'), path.join(folder, 'sqlite3.wasm'));
        }
    }
}

async function serve(output) {
    const server = createServer(async (request, response) => {
        const { pathname } = new URL(request.url, 'http://localhost');
        const file = pathname.startsWith('/package/') ? path.join(PACKAGE, pathname.slice('/package/'.length)) : path.join(output, pathname);
        const isolated = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
        try {
            const content = pathname === '/' ? '<!doctype html><script type="module" src="/page.js"></script>' : await readFile(file);
            response.writeHead(200, { 'content-type': TYPES[path.extname(pathname) || '.html'] ?? 'application/octet-stream', ...isolated }).end(content);
        } catch {
            response.writeHead(404).end();
        }
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { url: `http://localhost:${server.address().port}/`, close: () => { server.closeAllConnections(); server.close(); } };
}

async function withPage(profile, url, work) {
    const context = await chromium.launchPersistentContext(profile, {
        executablePath: process.env.CHROMIUM_BIN ?? '/usr/bin/chromium', headless: true, args: ['--no-sandbox', '--disable-dev-shm-usage'],
    });
    try {
        const page = await context.newPage();
        const load = async () => { await page.goto(url); await page.waitForFunction(() => globalThis.reopen); };
        await load();
        return await work(page, load);
    } finally {
        await context.close();
    }
}

async function withProfile(work) {
    const profile = await mkdtemp(path.join(tmpdir(), 'pinyon-bench-'));
    try {
        return await work(profile);
    } finally {
        await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    }
}

async function sizeOf(folder, names) {
    let bytes = 0;
    for (const name of names) bytes += gzipSync(await readFile(path.join(folder, name)), { level: 9 }).length;
    return bytes / 1024;
}

const output = await mkdtemp(path.join(tmpdir(), 'pinyon-bench-pages-'));
await bundle(output);
const { url, close } = await serve(output);
const results = new Map(peers.map((peer) => [peer, []]));
for (let run = 0; run < runs; run += 1) {
    for (const peer of peers) {
        const measured = await withProfile((profile) => withPage(profile, url, async (page, load) => {
            const first = await page.evaluate((peer) => globalThis.measure(peer), peer);
            await load();
            first.reload = await page.evaluate((peer) => globalThis.reopen(peer), peer);
            return first;
        }));
        results.get(peer).push(measured);
        console.error(`run ${run + 1} ${peer}: ${JSON.stringify(measured, (_, value) => (typeof value === 'number' ? Math.round(value) : value))}`);
    }
}
if (large > 0 && peers.includes('pinyon')) {
    await withProfile((profile) => withPage(profile, url, async (page, load) => {
        await page.evaluate(([peer, large]) => globalThis.fill(peer, large), ['pinyon', large]);
        const times = [];
        for (let at = 0; at < 5; at += 1) {
            await load();
            times.push(await page.evaluate(() => globalThis.reopen('pinyon')));
        }
        console.log(`reload to first read of ${large} documents: ${times.map((ms) => Math.round(ms)).join(', ')} ms`);
    }));
}
close();

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const parts = ['open', 'bulk', 'inserts', 'concurrent', 'gets', 'multiGet', 'reload'];
const medians = new Map(peers.map((peer) => [peer, Object.fromEntries(parts.map((part) => [part, median(results.get(peer).map((it) => it[part]))]))]));
console.table(Object.fromEntries([...medians].map(([peer, row]) => [peer, Object.fromEntries(parts.map((part) => [part, Math.round(row[part])]))])));
const TARGETS = [
    ['bulk', 'pinyon', 'dexie', 0.35], ['bulk', 'pinyon', 'sqlite', 0.6], ['inserts', 'pinyon', 'indexed-db', 1],
    ['inserts', 'pinyon-strict', 'indexed-db-strict', 1.1], ['concurrent', 'pinyon', 'indexed-db', 0.3],
    ['gets', 'pinyon', 'dexie', 0.15], ['multiGet', 'pinyon', 'dexie', 0.3],
];
for (const [part, own, peer, target] of TARGETS) {
    if (!medians.has(own) || !medians.has(peer)) continue;
    const ratio = medians.get(own)[part] / medians.get(peer)[part];
    console.log(`${part}: ${own} / ${peer} = ${ratio.toFixed(2)} (target ${target}) ${ratio <= target ? 'met' : 'MISSED'}`);
}
const glue = await sizeOf(PACKAGE, ['index.js', 'worker.js', 'wasm/pinyon.js', 'wasm/pinyon_bg.wasm']);
console.log(`all of the package that a page loads: ${Math.round(glue)} KiB gzip`);
await rm(output, { recursive: true, force: true });
