// Brings a real Chromium down under writers, again and again: see README.md.
import { parseArgs } from 'node:util';
import { startServer } from '../harness/server.js';
import { startChromium } from './chromium.js';
import { Disk } from './disk.js';

const { values } = parseArgs({ options: {
    fault: { type: 'string', default: 'power-cut' },
    crashes: { type: 'string', default: '20' },
    'crashes-per-disk': { type: 'string', default: '20' },
    'private-files': { type: 'string', default: 'true' },
    'partial-sync': { type: 'string', default: 'true' },
    proven: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
} });
if (!['power-cut', 'kill'].includes(values.fault)) throw new Error(`the fault '${values.fault}' is neither 'power-cut' nor 'kill'`);
const isPartlySynced = values['partial-sync'] === 'true';
const privateFiles = values['private-files'] === 'true';
/** What Chromium says, before anything of the package runs, when it removes all databases of a site; or it has
 * done that already and lists none. */
const DISCARDED = 'Internal error opening backing store for indexedDB.open';
const WRITERS = 3;
const DATABASE = 'crash';

let state = Number(values.seed);
function chance() {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
}
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What is known of the writers of one disk. */
class History {
    /** How many saves of each must be there whatever happens. */
    durable = Array(WRITERS).fill(0);
    acknowledged = Array(WRITERS).fill(0);
    failures = [];
    isOver = false;
    openStrict = new Map();

    /** As after a restart: what is there now is on the disk. */
    constructor(found) {
        if (found) [this.durable, this.acknowledged] = [[...found], [...found]];
    }

    hear([what, writer, number, isStrict]) {
        // Too late for whoever waits at a machine without power.
        if (this.isOver) return;
        if (what === 'failed') {
            this.failures.push(number);
        } else if (what === 'begun') {
            this.openStrict.set(writer, [...this.acknowledged]);
        } else {
            this.acknowledged[writer] = number + 1;
            if (!isStrict) return;
            // What was acknowledged before it began went before it.
            const before = this.openStrict.get(writer);
            this.durable = this.durable.map((it, at) => Math.max(it, before[at]));
            this.durable[writer] = number + 1;
        }
    }

    /** What is wrong with what was found. More than was acknowledged may be there. */
    judge(found, fault) {
        const least = fault === 'kill' ? this.acknowledged : this.durable;
        return found.flatMap((count, writer) => (count < least[writer] ? [`writer ${writer}: ${count} of ${least[writer]} saves are there`] : []));
    }
}

const server = await startServer();
const totals = { crashes: 0, saves: 0, strict: 0, relaxedLost: 0, whileOpening: 0, states: {}, discardedByBrowser: 0, problems: [] };

async function openPage(browser, history) {
    const page = await browser.newPage();
    await page.exposeFunction('tell', (told) => history.hear(told));
    await page.goto(`${server.url}/pages/crash.html`);
    await page.waitForFunction(() => globalThis.isReady);
    return page;
}

const openStore = (page) => page.evaluate((options) => globalThis.openStore(options), {
    database: DATABASE, privateFiles, allowMemory: false,
});

/** Opens, compares, writes, crashes; answers what must be found next time. */
async function crashOnce(disk, history, isLast) {
    const browser = await startChromium(disk.profile);
    let next = history;
    try {
        next = await liveUntilCrash(browser, disk, history, isLast);
    } finally {
        next.isOver = true;
        await browser.kill();
    }
    if (!isLast) disk.restart();
    return next;
}

async function liveUntilCrash(browser, disk, history, isLast) {
    const next = new History();
    const page = await openPage(browser, next);
    const journal = await page.evaluate((name) => globalThis.journalState(name), DATABASE);
    if (!journal && history.durable.some((it) => it > 0)) throw new Error(DISCARDED);
    totals.states[journal] = (totals.states[journal] ?? 0) + 1;
    if (!isLast && chance() < 0.2) {
        const opening = openStore(page).catch(() => 'it is cut short');
        await Promise.race([opening, sleep(chance() * 300)]);
        disk.cutPower();
        totals.whileOpening += 1;
        return history;
    }
    await openStore(page);
    const found = await page.evaluate((writers) => globalThis.readBack(writers), WRITERS);
    console.log(`after ${totals.crashes} crashes, ${totals.saves} saves: journal ${journal}, found ${found}, sure ${history.durable}, told ${history.acknowledged}`);
    const problems = history.judge(found, disk.fault);
    for (const problem of problems) totals.problems.push(`crash ${totals.crashes}: ${problem} (journal: ${journal})`);
    totals.relaxedLost += history.acknowledged.reduce((sum, it, at) => sum + Math.max(0, it - found[at]), 0);
    Object.assign(next, new History(found));
    if (isLast) {
        totals.journalBytes = await page.evaluate(() => globalThis.journalBytes());
        return next;
    }
    await page.evaluate(([firsts, seed]) => globalThis.startWriting(firsts, seed), [found, Math.floor(chance() * 2 ** 31)]);
    await sleep(100 + chance() * 900);
    if (isPartlySynced && chance() < 0.5) {
        disk.writeSome(() => chance() < 0.3);
        await sleep(chance() * 300);
    }
    if (chance() < 0.3) await sleep(1_500 * chance());
    // Nothing that is told from here on counts: this thread hears it after the power is gone.
    disk.cutPower();
    next.isOver = true;
    if (next.failures.length) totals.problems.push(`crash ${totals.crashes}: saves failed: ${next.failures.join('; ')}`);
    const saves = next.acknowledged.reduce((sum, it, at) => sum + it - found[at], 0);
    totals.saves += saves;
    totals.strict += next.durable.reduce((sum, it, at) => sum + it - found[at], 0);
    return next;
}

/** A disk of which the browser was ended in order, and the journal is proven. */
async function makeProvenDisk() {
    const disk = new Disk(values.fault);
    for (const wait_ms of [61_000, 0]) {
        const browser = await startChromium(disk.profile);
        const page = await openPage(browser, new History());
        await openStore(page);
        await page.evaluate((writers) => globalThis.readBack(writers), WRITERS);
        await page.close();
        await browser.stop();
        await sleep(wait_ms);
    }
    disk.unmount();
    return disk;
}

const crashes = Number(values.crashes);
console.log(`${values.fault}, private files: ${privateFiles}, seed ${values.seed}`);
const provenDisk = values.proven ? await makeProvenDisk() : undefined;
while (totals.crashes < crashes) {
    const disk = new Disk(values.fault, provenDisk);
    let history = new History();
    const before = totals.problems.length;
    try {
        for (let life = 0; life <= Number(values['crashes-per-disk']); life += 1) {
            const isLast = life === Number(values['crashes-per-disk']) || totals.crashes === crashes;
            history = await crashOnce(disk, history, isLast);
            if (isLast || totals.problems.length > before) break;
            totals.crashes += 1;
        }
    } catch (error) {
        if (error.message.includes(DISCARDED)) {
            totals.discardedByBrowser += 1;
            console.log(`after ${totals.crashes} crashes: the browser found its IndexedDB damaged and discards it`);
        } else {
            totals.problems.push(`crash ${totals.crashes}: ${error.stack}`);
        }
    }
    const found = totals.problems.slice(before);
    if (found.length) console.log(found.join('\n'));
    if (values.keep && found.length) {
        if (disk.isMounted) disk.unmount();
        console.log(`what is left: ${disk.folder}`);
    } else {
        disk.remove();
    }
}
provenDisk?.remove();
console.log(JSON.stringify(totals, null, 2));
await server.close();
process.exitCode = totals.problems.length ? 1 : 0;
