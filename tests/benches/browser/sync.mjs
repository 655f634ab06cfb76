// Pages that sync with a real server: how long it takes, and what goes over the wire.
import { createServer, connect } from 'node:net';
import path from 'node:path';
import { build } from 'esbuild';
import { startPinyon } from '../../browser/harness/pinyon.js';
import { HERE, serve, withFolder, withPage } from './site.mjs';
import { idOf, makeOrders } from './src/workload.js';

const DATABASE = 'orders';
const DOCUMENTS = 10_000;
const BATCH = 1_000;
const LIVE_WRITES = 200;
const REPEATS = 5;

const median = (numbers) => quantile(numbers, 0.5);
const quantile = (numbers, part) => [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) * part)];

/** Stands between page and server, and counts what passes after the handshake. */
async function startCounting(target) {
    const counted = { bytes: 0, handshakeBytes: 0, roundTrips: 0, isAsking: false };
    const { hostname, port } = new URL(target);
    const count = (from, to, isPage) => {
        let head = Buffer.alloc(0);
        let isInside = false;
        from.on('data', (data) => {
            let inside = data;
            if (!isInside) {
                head = Buffer.concat([head, data]);
                const end = head.indexOf('\r\n\r\n');
                const passed = end < 0 ? data.length : Math.max(0, end + 4 - (head.length - data.length));
                counted.handshakeBytes += passed;
                inside = data.subarray(passed);
                isInside = end >= 0;
            }
            if (inside.length > 0) {
                counted.bytes += inside.length;
                if (isPage && !counted.isAsking) counted.roundTrips += 1;
                counted.isAsking = isPage;
            }
            to.write(data);
        });
        from.on('close', () => to.destroy());
        from.on('error', () => to.destroy());
    };
    const server = createServer({ noDelay: true }, (page) => {
        const onward = connect({ host: hostname, port: Number(port), noDelay: true });
        count(page, onward, true);
        count(onward, page, false);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return {
        url: `http://127.0.0.1:${server.address().port}`,
        reset() { Object.assign(counted, { bytes: 0, handshakeBytes: 0, roundTrips: 0, isAsking: false }); },
        counted: () => ({ ...counted }),
        close: () => server.close(),
    };
}

async function fillServer(pinyon) {
    for (let from = 0; from < DOCUMENTS; from += BATCH) {
        const commands = makeOrders(from, BATCH).map(({ id, ...order }) => ({
            Type: 'PUT', Id: id, ChangeVector: null, Document: { ...order, '@metadata': { '@collection': 'Orders' } },
        }));
        const response = await pinyon.request(`/databases/${DATABASE}/bulk_docs`, {
            method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ Commands: commands }),
        });
        if (!response.ok) throw new Error(`filling the server: ${response.status} ${await response.text()}`);
        await response.arrayBuffer();
    }
}

/** Milliseconds until a page that had nothing has everything and stands live. */
const syncFirst = (page, url, token) => page.evaluate(async ([request, expected]) => {
    await globalThis.open('edge');
    const started = performance.now();
    await globalThis.sync(request);
    const ms = performance.now() - started;
    const { countOfDocuments } = await globalThis.store.maintenance.getStatistics();
    if (countOfDocuments !== expected) throw new Error(`${countOfDocuments} of ${expected} documents came`);
    return ms;
}, [{ url, database: DATABASE, token }, DOCUMENTS]);

const quiet = () => new Promise((resolve) => { setTimeout(resolve, 300); });

async function measureOneChange(page, wire) {
    const measured = [];
    for (let at = 0; at < REPEATS; at += 1) {
        await quiet();
        wire.reset();
        await page.evaluate(([id, at]) => globalThis.change(id, { note: `changed ${at}` }), [idOf(17), at]);
        // Not waitForSync(): that asks the server itself, twice at most.
        await quiet();
        if (await page.evaluate(() => globalThis.waiting()) !== 0) throw new Error('the change has not reached the server');
        measured.push(wire.counted());
    }
    return measured;
}

async function measureReconnect(page, wire) {
    const measured = [];
    for (let at = 0; at < REPEATS; at += 1) {
        await page.evaluate(() => globalThis.pause());
        await quiet();
        wire.reset();
        await page.evaluate(() => globalThis.resume());
        await quiet();
        measured.push(wire.counted());
    }
    return measured;
}

/** From before a save in one browser until the other is told. */
async function measureLive(writer, reader) {
    await reader.evaluate(() => globalThis.listen());
    const latencies = [];
    for (let at = 0; at < LIVE_WRITES; at += 1) {
        const id = idOf(at);
        const written = await writer.evaluate(([id, at]) => globalThis.change(id, { live: at }), [id, at]);
        latencies.push((await reader.evaluate((id) => globalThis.arrival(id), id)) - written);
    }
    return latencies;
}

async function bundlePage(output) {
    await build({
        bundle: true, format: 'esm', target: 'es2022', logLevel: 'error',
        entryPoints: [path.join(HERE, 'src/sync_page.js')], outfile: path.join(output, 'page.js'),
        plugins: [{ name: 'package', setup(it) { it.onResolve({ filter: /^pinyon$/ }, () => ({ path: '/package/index.js', external: true })); } }],
    });
}

async function measureWith(pinyon, url) {
    const token = pinyon.token('bench');
    const firstSyncs = [];
    for (let at = 0; at < 3; at += 1) {
        firstSyncs.push(await withFolder((profile) => withPage(profile, url, (page) => syncFirst(page, pinyon.url, token))));
    }
    const wire = await startCounting(pinyon.url);
    try {
        return await withFolder((one) => withPage(one, url, (writer) => withFolder((other) => withPage(other, url, async (reader) => {
            wire.reset();
            await syncFirst(writer, wire.url, token);
            const first = wire.counted();
            const changes = await measureOneChange(writer, wire);
            const reconnects = await measureReconnect(writer, wire);
            await syncFirst(reader, pinyon.url, token);
            const live = await measureLive(writer, reader);
            const of = (list, part) => median(list.map((it) => it[part]));
            return [
                { what: `first sync of ${DOCUMENTS} documents`, value: median(firstSyncs), unit: 'ms', target: 2000 },
                { what: 'first sync, on the wire', value: first.bytes / 1024, unit: 'KiB' },
                { what: 'one changed document', value: of(changes, 'bytes'), unit: 'bytes', target: 1024 },
                { what: 'one changed document', value: of(changes, 'roundTrips'), unit: 'round trips', target: 1 },
                { what: `idle reconnect, with a token of ${token.length} bytes`, value: of(reconnects, 'bytes'), unit: 'bytes' },
                { what: 'idle reconnect, the rest', value: of(reconnects, 'bytes') - token.length, unit: 'bytes', target: 300 },
                { what: 'idle reconnect, handshake of HTTP', value: of(reconnects, 'handshakeBytes'), unit: 'bytes' },
                { what: 'live, from a save to the other browser, p50', value: median(live), unit: 'ms' },
                { what: 'live, from a save to the other browser, p95', value: quantile(live, 0.95), unit: 'ms', target: 50 },
            ];
        }))));
    } finally {
        wire.close();
    }
}

/** Measures the sync; `value`s with their `unit`s and, where there is one, their `target`. */
export function measureSync() {
    return withFolder(async (output) => {
        await bundlePage(output);
        const { url, close } = await serve(output);
        const pinyon = await startPinyon(DATABASE, new URL(url).origin);
        try {
            await fillServer(pinyon);
            return await measureWith(pinyon, url);
        } finally {
            await pinyon.close();
            close();
        }
    });
}
