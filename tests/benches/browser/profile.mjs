// node profile.mjs [part …]: where Pinyon's time goes, in the page and in its worker, by function.
//
// Parts are those of the bench. Names of the module's functions are there in a package built with
// `cargo xtask package --dev`, or one whose wasm-opt kept them (-g).
import { cp, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import { HERE, serve, withFolder, withPage } from './site.mjs';

const PARTS = ['bulk', 'inserts', 'concurrent', 'gets', 'multiGet', 'firstQuery', 'queries', 'aggregateFirst', 'aggregateAgain', 'aggregateAfter'];
const wanted = process.argv.slice(2);
const SHOWN = Number(process.env.SHOWN ?? 30);

/** Sessions of the debugger: the page's own, and one for each worker, told in messages. */
async function attach(page) {
    const cdp = await page.context().newCDPSession(page);
    const waiting = new Map();
    const workers = [];
    let next = 1;
    cdp.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
        if (targetInfo.type === 'worker') workers.push(sessionId);
    });
    cdp.on('Target.receivedMessageFromTarget', ({ message }) => {
        const { id, result, error } = JSON.parse(message);
        waiting.get(id)?.(error ? { error } : result);
        waiting.delete(id);
    });
    await cdp.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
    const inWorker = (sessionId) => (method, params = {}) => new Promise((resolve) => {
        waiting.set(next, resolve);
        void cdp.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id: next++, method, params }) });
    });
    return () => [['page', (method, params) => cdp.send(method, params)], ...workers.map((it, at) => [`worker ${at}`, inWorker(it)])];
}

function print(name, { profile }) {
    const self = new Map();
    const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
    const parents = new Map(profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])));
    const title = ({ callFrame }) => callFrame.functionName || `(anonymous ${path.basename(callFrame.url)}:${callFrame.lineNumber}:${callFrame.columnNumber})`;
    const whole = new Map();
    let total = 0;
    profile.samples.forEach((id, at) => {
        const ms = (profile.timeDeltas[at] ?? 0) / 1000;
        total += ms;
        const leaf = title(nodes.get(id));
        self.set(leaf, (self.get(leaf) ?? 0) + ms);
        const seen = new Set();
        for (let it = id; it !== undefined; it = parents.get(it)) seen.add(title(nodes.get(it)));
        for (const it of seen) whole.set(it, (whole.get(it) ?? 0) + ms);
    });
    console.log(`  ${name}: ${total.toFixed(0)} ms`);
    const rows = (map) => [...map].sort((one, other) => other[1] - one[1]).slice(0, SHOWN);
    for (const [what, map] of [['self', self], ['with what they call', whole]]) {
        console.log(`   ${what}`);
        for (const [it, ms] of rows(map)) console.log(`    ${ms.toFixed(1).padStart(8)}  ${it.slice(0, 150)}`);
    }
}

await withFolder(async (output) => {
    const shared = { bundle: true, format: 'esm', target: 'es2022', logLevel: 'error' };
    const plugins = [{ name: 'package', setup(it) { it.onResolve({ filter: /^pinyon$/ }, () => ({ path: '/package/index.js', external: true })); } }];
    await build({ ...shared, entryPoints: [path.join(HERE, 'src/page.js')], outfile: path.join(output, 'page.js') });
    for (const peer of ['pinyon', 'pinyon-strict']) {
        await build({ ...shared, entryPoints: [path.join(HERE, `src/peers/${peer}.js`)], outfile: path.join(output, peer, 'main.js'), plugins });
    }
    const site = await serve(output);
    try {
        await withFolder((profile) => withPage(profile, site.url, async (page, load) => {
            const sessions = await attach(page);
            const profileAround = async (part) => {
                for (const [, send] of sessions()) {
                    await send('Profiler.enable');
                    await send('Profiler.setSamplingInterval', { interval: 200 });
                    await send('Profiler.start');
                }
                return async () => {
                    const profiles = [];
                    for (const [name, send] of sessions()) profiles.push([name, await send('Profiler.stop')]);
                    console.log(part);
                    for (const [name, it] of profiles) print(name, it);
                };
            };
            let stop;
            await page.exposeFunction('partBegins', async (part) => { stop = wanted.includes(part) ? await profileAround(part) : undefined; });
            await page.exposeFunction('partEnds', async () => { await stop?.(); });
            await page.evaluate(() => { globalThis.onPart = { begins: globalThis.partBegins, ends: globalThis.partEnds }; });
            const peer = process.env.PEER ?? 'pinyon';
            const measured = await page.evaluate((it) => globalThis.measure(it), peer);
            console.log(JSON.stringify(measured));
            for (let at = 0; at < 4; at += 1) { await load(); console.log('reload', await page.evaluate((it) => globalThis.reopen(it), peer)); }
        }));
    } finally {
        site.close();
    }
});
