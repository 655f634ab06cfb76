// node bench.mjs [--runs N] [--large N] [--no-sync] [--browser NAME] [peer …]: measures peers in
// Chromium and prints ratios, then the sync with a real server. The targets are of Chromium.
//
// `cargo xtask package` makes the package that is measured; the server is PINYON_BIN, or what lies
// in target/. Peers take turns, each run has a profile of its own, and what is printed are medians:
// trust the ratios, not the milliseconds.
import { cp, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { HERE, PACKAGE, serve, withFolder, withOtherPage, withPage } from './site.mjs';

const ALL = ['indexed-db', 'indexed-db-strict', 'dexie', 'sqlite', 'pinyon', 'pinyon-strict'];
const PARTS = [
    'open', 'bulk', 'inserts', 'concurrent', 'gets', 'multiGet', 'firstQuery', 'queries', 'aggregateFirst', 'aggregateAgain', 'aggregateAfter', 'reload',
];
const RATIOS = [
    ['bulk', 'pinyon', 'dexie', 0.35], ['bulk', 'pinyon', 'sqlite', 0.6], ['inserts', 'pinyon', 'indexed-db', 1],
    ['inserts', 'pinyon-strict', 'indexed-db-strict', 1.1], ['concurrent', 'pinyon', 'indexed-db', 0.3],
    ['gets', 'pinyon', 'dexie', 0.15], ['multiGet', 'pinyon', 'dexie', 0.3], ['queries', 'pinyon', 'sqlite', 0.5],
];
const LIMITS = [['aggregateAgain', 1], ['aggregateAfter', 1], ['reload', 100]];

const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
        runs: { type: 'string', default: '3' },
        large: { type: 'string', default: '200000' },
        'no-sync': { type: 'boolean', default: false },
        browser: { type: 'string', default: 'chromium' },
    },
});
const peers = positionals.length ? positionals : ALL;
const runs = Number(values.runs);
const large = Number(values.large);

/** A page without a past, in the browser that is wanted. */
const withFreshPage = (url, work) => (values.browser === 'chromium'
    ? withFolder((profile) => withPage(profile, url, work)) : withOtherPage(values.browser, url, work));

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const rounded = (number) => (number < 10 ? Math.round(number * 100) / 100 : Math.round(number));
const verdict = (value, target) => `(target ${target}) ${value <= target ? 'met' : 'MISSED'}`;

async function bundle(output) {
    const shared = { bundle: true, minify: true, format: 'esm', target: 'es2022', logLevel: 'error', nodePaths: [path.join(HERE, 'node_modules')] };
    await build({ ...shared, entryPoints: [path.join(HERE, 'src/page.js')], outfile: path.join(output, 'page.js') });
    for (const peer of peers) {
        const folder = path.join(output, peer);
        await mkdir(folder, { recursive: true });
        // The package is taken as it is; only its parts know where the others lie.
        await build({
            ...shared, entryPoints: [path.join(HERE, `src/peers/${peer}.js`)], outfile: path.join(folder, 'main.js'),
            plugins: [{ name: 'package', setup(it) { it.onResolve({ filter: /^pinyon$/ }, () => ({ path: '/package/index.js', external: true })); } }],
        });
        if (peer === 'sqlite') {
            await build({ ...shared, entryPoints: [path.join(HERE, 'src/peers/sqlite.worker.js')], outfile: path.join(folder, 'worker.js') });
            await cp(path.join(HERE, 'node_modules/@sqlite.org/sqlite-wasm/dist/sqlite3.wasm'), path.join(folder, 'sqlite3.wasm'));
        }
    }
}

async function measurePeers(url) {
    const results = new Map(peers.map((peer) => [peer, []]));
    for (let run = 0; run < runs; run += 1) {
        for (const peer of peers) {
            const measured = await withFreshPage(url, async (page, load) => {
                const first = await page.evaluate((peer) => globalThis.measure(peer), peer);
                await load();
                first.reload = await page.evaluate((peer) => globalThis.reopen(peer), peer);
                return first;
            });
            results.get(peer).push(measured);
            console.error(`run ${run + 1} ${peer}: ${JSON.stringify(measured, (_, value) => (typeof value === 'number' ? rounded(value) : value))}`);
        }
    }
    return results;
}

function printPeers(results) {
    const medians = new Map(peers.map((peer) => [peer, Object.fromEntries(PARTS.map((part) => [part, median(results.get(peer).map((it) => it[part]))]))]));
    console.table(Object.fromEntries(PARTS.map((part) => [part, Object.fromEntries(peers.map((peer) => [peer, rounded(medians.get(peer)[part])]))])));
    for (const [part, own, peer, target] of RATIOS) {
        if (!medians.has(own) || !medians.has(peer)) continue;
        const ratio = medians.get(own)[part] / medians.get(peer)[part];
        console.log(`${part}: ${own} / ${peer} = ${ratio.toFixed(2)} ${verdict(ratio, target)}`);
    }
    for (const [part, target] of medians.has('pinyon') ? LIMITS : []) {
        const ms = medians.get('pinyon')[part];
        console.log(`${part}: ${rounded(ms)} ms ${verdict(ms, target)}`);
    }
}

async function measureLarge(url) {
    const times = [];
    await withFreshPage(url, async (page, load) => {
        await page.evaluate(([peer, large]) => globalThis.fill(peer, large), ['pinyon', large]);
        for (let at = 0; at < 5; at += 1) {
            await load();
            times.push(await page.evaluate(() => globalThis.reopen('pinyon')));
        }
    });
    console.log(`reload to first read of ${large} documents: ${times.map((ms) => Math.round(ms)).join(', ')} ms ${verdict(median(times), 300)}`);
}

async function sizeOf(names) {
    let bytes = 0;
    for (const name of names) bytes += gzipSync(await readFile(path.join(PACKAGE, name)), { level: 9 }).length;
    return bytes / 1024;
}

async function printSizes() {
    const scripts = ['index.js', 'worker.js', 'wasm/pinyon.js', 'whole/pinyon.js'];
    for (const [what, module, target] of [['first', 'wasm', 250], ["with module: 'whole'", 'whole', 400]]) {
        const size = await sizeOf([...scripts, `${module}/pinyon_bg.wasm`]);
        console.log(`what a page loads ${what}: ${Math.round(size)} KiB gzip ${verdict(size, target)}`);
    }
}

await withFolder(async (output) => {
    await bundle(output);
    const { url, close } = await serve(output);
    try {
        printPeers(await measurePeers(url));
        if (large > 0 && peers.includes('pinyon')) await measureLarge(url);
        await printSizes();
        if (!values['no-sync'] && values.browser === 'chromium' && peers.includes('pinyon')) {
            // Here, for it asks for a server to be there.
            const { measureSync } = await import('./sync.mjs');
            for (const { what, value, unit, target } of await measureSync()) {
                console.log(`${what}: ${rounded(value)} ${unit}${target === undefined ? '' : ` ${verdict(value, target)}`}`);
            }
        }
    } finally {
        close();
    }
});
