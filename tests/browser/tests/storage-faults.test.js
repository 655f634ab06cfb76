// What a browser does to a store: kills its page, clears its data, refuses it room, upgrades it.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startBrowser } from '../harness/chromium.js';
import { startServer } from '../harness/server.js';

const server = await startServer();
const browser = await startBrowser();

after(async () => {
    await browser.close();
    await server.close();
});

async function openPage(inBrowser = browser) {
    const page = await inBrowser.open(`${server.url}/pages/storage.html`);
    await page.waitForFunction(() => globalThis.isReady);
    return page;
}

const openStore = (page, name, { isSmall = true, inWorker = false, broken = '' } = {}) =>
    page.evaluate(async (it) => {
        globalThis.store = await globalThis.openStore(...it);
    }, [name, isSmall, inWorker, broken]);

/** In a page a store is in IndexedDB alone; in a worker it has files beside. */
const everywhere = (title, story) => {
    for (const inWorker of [false, true]) {
        const where = inWorker ? 'worker' : 'page';
        test(`${title}, in a ${where}`, () => story((page, name, options) => openStore(page, `${name} in a ${where}`, { inWorker, ...options }), where));
    }
};

const put = (page, number, bytes = 100) =>
    page.evaluate(([number, bytes]) => globalThis.store.put(number, bytes, true), [number, bytes]);

const count = (page, end) => page.evaluate((end) => globalThis.store.count(end), end);

/** What the failure of `promise` says. */
async function failureOf(promise) {
    const failure = await promise.then(() => undefined, (error) => error);
    assert.ok(failure, 'it should have failed');
    return failure.message;
}

everywhere('a page killed while it writes keeps what was acknowledged, whole', async (openStore) => {
    let acknowledged = 0;
    for (const round of [1, 2, 3, 4]) {
        const page = await openPage();
        await page.exposeFunction('tell', (number) => { acknowledged = number + 1; });
        await openStore(page, 'killed');
        const first = acknowledged;
        const enough = new Promise((resolve) => {
            const look = setInterval(() => {
                if (acknowledged > first + 20 * round) { clearInterval(look); resolve(); }
            }, 1);
        });
        page.evaluate(async (first) => {
            for (let number = first; ; number += 1) {
                await globalThis.store.put(number, 2_000, number % 3 !== 0);
                globalThis.tell(number);
            }
        }, first).catch(() => 'the page is gone, as it should');
        await enough;
        const protocol = await browser.protocol(page);
        const crashed = new Promise((resolve) => { page.once('crash', resolve); });
        protocol.send('Page.crash').catch(() => 'it does not answer any more');
        await crashed;
        await page.close();

        const next = await openPage();
        await openStore(next, 'killed');
        // count() fails if a commit is there by half.
        const found = await count(next, acknowledged + 10_000);
        assert.ok(found >= acknowledged, `${found} found, ${acknowledged} acknowledged`);
        assert.equal(await count(next, found), found, 'no gaps');
        acknowledged = found;
        await next.close();
    }
});

everywhere('storage cleared while a store is open closes it, and says so', async (openStore) => {
    const page = await openPage();
    await openStore(page, 'cleared');
    await put(page, 1);
    const lost = page.evaluate(() => globalThis.store.lost());
    const protocol = await browser.protocol(page);
    await protocol.send('Storage.clearDataForOrigin', { origin: server.url, storageTypes: 'indexeddb' });
    assert.match(await lost, /Closed.*cleared/);
    assert.match(await failureOf(put(page, 2)), /Closed/);
    // A new page starts afresh.
    await page.close();
    const next = await openPage();
    await openStore(next, 'cleared');
    assert.equal(await count(next, 10), 0);
    await put(next, 3);
    assert.equal(await count(next, 10), 1);
    await next.close();
});

everywhere('a full quota refuses writes, keeps reads, and passes', async (openStore) => {
    // Before the first write of a browser: it remembers for a while how much room there was.
    const fresh = await startBrowser();
    const page = await openPage(fresh);
    const protocol = await fresh.protocol(page);
    await protocol.send('Storage.overrideQuotaForOrigin', { origin: server.url, quotaSize: 3_000_000 });
    await openStore(page, 'full');
    await put(page, 0);
    let written = 1;
    const failure = await failureOf((async () => {
        for (; written < 40; written += 1) await put(page, written, 200_000);
    })());
    assert.match(failure, /StorageFull.*quota/);
    assert.equal(await count(page, 100), written, 'what was acknowledged is there, the refused is not');
    await protocol.send('Storage.overrideQuotaForOrigin', { origin: server.url });
    for (let number = written; number < written + 20; number += 1) await put(page, number, 200_000);
    assert.equal(await count(page, 100), written + 20);
    await page.close();
    const next = await openPage(fresh);
    await openStore(next, 'full');
    assert.equal(await count(next, 100), written + 20);
    await fresh.close();
});

test('a store of a newer version is refused', async () => {
    const page = await openPage();
    await page.evaluate(() => new Promise((resolve, reject) => {
        const request = indexedDB.open('newer', 99);
        request.onsuccess = () => { request.result.close(); resolve(); };
        request.onerror = reject;
    }));
    assert.match(await failureOf(openStore(page, 'newer')), /Unsupported.*newer version/);
    await page.close();
});

everywhere('a tab with an older version lets go when another upgrades', async (openStore, where) => {
    const old = await openPage();
    const name = `upgraded in a ${where}`;
    await openStore(old, 'upgraded');
    await put(old, 1);
    const lost = old.evaluate(() => globalThis.store.lost());
    const young = await openPage();
    const version = await young.evaluate((name) => new Promise((resolve, reject) => {
        const request = indexedDB.open(name, 99);
        request.onsuccess = () => resolve(request.result.version);
        request.onblocked = () => reject(new Error('blocked by the old tab'));
        request.onerror = reject;
    }), name);
    assert.equal(version, 99);
    assert.match(await lost, /Closed.*upgrades/);
    assert.match(await failureOf(put(old, 2)), /Closed.*reload/);
    await old.close();
    await young.close();
});

everywhere('a second tab is kept out while the first lives', async (openStore) => {
    const first = await openPage();
    const second = await openPage();
    await openStore(first, 'owned');
    await put(first, 1);
    assert.match(await failureOf(openStore(second, 'owned')), /Unavailable.*another tab/);
    await first.close();
    await openStore(second, 'owned', { isSmall: false });
    assert.equal(await count(second, 10), 1);
    await second.close();
});

test('a store goes between pages and workers, and none of it is lost', async () => {
    for (let round = 0; round < 6; round += 1) {
        const page = await openPage();
        await openStore(page, 'both', { inWorker: round % 2 === 0 });
        assert.equal(await count(page, 100), round * 5);
        for (let number = round * 5; number < (round + 1) * 5; number += 1) await put(page, number);
        await page.close();
    }
});

/** A store whose journal has a commit that nothing else has. */
async function leaveInJournal(name) {
    const page = await openPage();
    await openStore(page, name, { inWorker: true });
    await page.evaluate(() => globalThis.store.put(0, 100, false));
    await page.close();
}

/** Opens it in another page: what was committed is there. */
async function findsAll(name, options) {
    const page = await openPage();
    await openStore(page, name, options);
    assert.equal(await count(page, 10), 1);
    await page.close();
}

for (const [broken, expected] of [
    ['never finds', /Unavailable.*has not opened the files of the journal/],
    ['never opens', /Unavailable.*has not opened the files of the journal/],
    ['reads too little', /Closed.*gave \d+ of its \d+ bytes/],
]) {
    test(`a browser that ${broken}: a store in a worker says so, and has lost nothing`, async () => {
        const name = `browser ${broken}`;
        await leaveInJournal(name);
        const page = await openPage();
        assert.match(await failureOf(openStore(page, name, { inWorker: true, broken })), expected);
        await page.close();
        await findsAll(name, { inWorker: true });
    });
}

for (const [what, breakIt, expected] of [
    ['never answers', () => {
        navigator.storage.getDirectory = () => new Promise(() => {});
        const wait = globalThis.setTimeout;
        globalThis.setTimeout = (handler, ms) => wait(handler, ms < 10_000 ? ms : 300);
    }, /Unavailable.*has not opened the files of the journal/],
    ['refuses', () => {
        navigator.storage.getDirectory = () => Promise.reject(new DOMException('not here', 'SecurityError'));
    }, /Unavailable.*cannot read \(SecurityError: not here\); let the site store data/],
    ['gives too little', () => {
        const { arrayBuffer } = Blob.prototype;
        Blob.prototype.arrayBuffer = function () { return arrayBuffer.call(this.slice(0, this.size - 1)); };
    }, /Unavailable.*cannot read .*not read whole/],
]) {
    test(`a browser that ${what} when a page reads the journal: it is told, and nothing is lost`, async () => {
        const name = `page ${what}`;
        await leaveInJournal(name);
        const page = await openPage();
        await page.evaluate(breakIt);
        assert.match(await failureOf(openStore(page, name)), expected);
        await page.close();
        await findsAll(name);
    });
}
