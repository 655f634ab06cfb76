// Many tabs share one database; whichever dies, no write is lost or done twice.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { crash, openApplication, until } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startServer } from '../harness/server.js';

const server = await startServer();
const browser = await startBrowser();

after(async () => {
    await browser.close();
    await server.close();
});

const isLeader = (page) => page.evaluate(() => store.storage.status().then((status) => status.isLeader));

test('a second tab works through the first, and hears of its changes', async () => {
    const options = { database: 'shared' };
    const first = await openApplication(browser, server, options);
    const second = await openApplication(browser, server, options);
    assert.deepEqual([await isLeader(first), await isLeader(second)], [true, false]);
    await second.evaluate(async () => {
        globalThis.told = [];
        store.changes().forAllDocuments().on('data', (change) => told.push(change.id));
        await store.changes().ensureConnectedNow();
    });
    await first.evaluate(async () => {
        const session = store.openSession();
        await session.store({ by: 'first' }, 'a');
        await session.saveChanges();
    });
    await until(() => second.evaluate(() => told.includes('a')), 'the change in the other tab');
    const found = await second.evaluate(async () => {
        const session = store.openSession();
        const document = await session.load('a');
        session.advanced.attachments.store('a', 'photo', new Blob(['pixels'], { type: 'image/x' }));
        document.by = 'second';
        await session.saveChanges();
        const stale = store.openSession();
        const old = await stale.load('a');
        document.by = 'again';
        await session.saveChanges();
        old.by = 'late';
        const error = await stale.saveChanges().then(() => null, (error) => error);
        return [error instanceof pinyon.ConcurrencyError, error?.id];
    });
    assert.deepEqual(found, [true, 'a']);
    const seen = await first.evaluate(async () => {
        const session = store.openSession();
        const { by } = await session.load('a');
        const { content } = await session.advanced.attachments.get('a', 'photo');
        return [by, await content.text(), content.type];
    });
    assert.deepEqual(seen, ['again', 'pixels', 'image/x']);
    await second.evaluate(async () => {
        const session = store.openSession();
        for (let at = 0; at < 100; at += 1) await session.store({ at, name: 'kůň '.repeat(100) }, `large-${at}`);
        await session.saveChanges();
    });
    const large = await first.evaluate(async () => {
        const found = await store.openSession().load(Array.from({ length: 100 }, (_, at) => `large-${at}`));
        return Object.values(found).filter((it) => it?.name === 'kůň '.repeat(100)).length;
    });
    assert.equal(large, 100);
    await first.close();
    await second.close();
});

test('when the leader is disposed or closed, another tab takes over', async () => {
    const options = { database: 'handed-over' };
    const pages = [];
    for (let at = 0; at < 3; at += 1) pages.push(await openApplication(browser, server, options));
    const [first, second, third] = pages;
    const save = (page, id) => page.evaluate(async (id) => {
        const session = store.openSession();
        await session.store({}, id);
        await session.saveChanges();
    }, id);
    await save(first, 'of first');
    await first.evaluate(() => store.dispose());
    await save(second, 'of second');
    await save(third, 'of third');
    const leaders = [await isLeader(second), await isLeader(third)];
    assert.deepEqual([...leaders].sort(), [false, true]);
    await (leaders[0] ? second : third).close();
    const rest = leaders[0] ? third : second;
    await save(rest, 'of the rest');
    assert.equal(await isLeader(rest), true);
    const count = await rest.evaluate(() => store.maintenance.getStatistics().then((it) => it.countOfDocuments));
    assert.equal(count, 4);
    await first.close();
    await rest.close();
});

/** Writes until told to stop: new documents, and a counter raised with its version checked. */
function startWriting(page, name) {
    return page.evaluate(async (name) => {
        globalThis.acknowledged = 0;
        globalThis.failures = [];
        globalThis.isStopped = false;
        const setup = store.openSession();
        await setup.store({ value: 0 }, `counters/${name}`);
        await setup.saveChanges();
        globalThis.writing = (async () => {
            const session = store.openSession();
            const counter = await session.load(`counters/${name}`);
            for (let number = 0; !isStopped; number += 1) {
                counter.value += 1;
                await session.store({ name, number }, `writes/${name}/${String(number).padStart(6, '0')}`);
                try {
                    await session.saveChanges();
                } catch (error) {
                    failures.push(`${error.code}: ${error.message}`);
                    return;
                }
                globalThis.acknowledged = number + 1;
            }
        })();
    }, name);
}

const acknowledged = (page) => page.evaluate(() => globalThis.acknowledged);

test('a leader killed with writes in flight: nothing is lost, nothing is done twice', async () => {
    const options = { database: 'killed' };
    const leader = await openApplication(browser, server, options);
    await leader.evaluate(() => store.maintenance.configureRevisions({ Default: { Disabled: false } }));
    let pages = [];
    for (const name of ['x', 'y', 'z']) {
        const page = await openApplication(browser, server, options);
        await startWriting(page, name);
        pages.push({ name, page });
    }
    // The first to go is the tab that only leads; the next leaders are writers themselves.
    await until(async () => (await Promise.all(pages.map(({ page }) => acknowledged(page)))).every((it) => it > 20), 'writes');
    await crash(browser, leader);
    await leader.close();
    /** What the dead were told before they died, at least. */
    const known = {};
    for (let round = 0; round < 2; round += 1) {
        const before = await Promise.all(pages.map(({ page }) => acknowledged(page)));
        await until(async () => (await Promise.all(pages.map(({ page }) => acknowledged(page)))).every((it, at) => it > before[at] + 10), 'writes after the takeover');
        const roles = await Promise.all(pages.map(({ page }) => isLeader(page)));
        assert.equal(roles.filter(Boolean).length, 1, `leaders: ${roles}`);
        const dying = pages[roles.indexOf(true)];
        known[dying.name] = await acknowledged(dying.page);
        await crash(browser, dying.page);
        await dying.page.close();
        pages = pages.filter((it) => it !== dying);
    }
    const [survivor] = pages;
    await survivor.page.evaluate(async () => { globalThis.isStopped = true; await globalThis.writing; });
    assert.deepEqual(await survivor.page.evaluate(() => globalThis.failures), []);
    const found = await survivor.page.evaluate(async () => {
        const report = {};
        for (const name of ['x', 'y', 'z']) {
            const session = store.openSession({ noTracking: true });
            const writes = await session.advanced.loadStartingWith(`writes/${name}/`, { pageSize: 100_000 });
            const revisions = [];
            for (const { id } of writes) revisions.push(await session.advanced.revisions.getCountFor(id));
            const counter = await session.load(`counters/${name}`);
            report[name] = {
                numbers: writes.map((it) => it.number),
                doubled: revisions.filter((count) => count !== 1).length,
                counter: counter.value,
                counterRevisions: await session.advanced.revisions.getCountFor(`counters/${name}`),
            };
        }
        return report;
    });
    const last = await acknowledged(survivor.page);
    assert.equal(found[survivor.name].numbers.length, last, 'all that the survivor was told');
    for (const [name, { numbers, doubled, counter, counterRevisions }] of Object.entries(found)) {
        assert.ok(numbers.length >= (known[name] ?? 0), `${name}: ${numbers.length} of ${known[name]} writes`);
        assert.deepEqual(numbers, numbers.map((_, at) => at), `${name} has no gaps`);
        assert.equal(doubled, 0, `${name}: each write made one revision`);
        assert.equal(counter, numbers.length, `${name}: counter and writes are of the same saves`);
        assert.equal(counterRevisions, counter + 1, `${name}: one revision of the counter for each save`);
    }
    await survivor.page.close();
});

test('a leader whose database panics gives way, and tells whom it was working for', async () => {
    const first = await browser.open(`${server.url}/pages/app.html`);
    await first.waitForFunction(() => globalThis.isReady);
    await first.evaluate(async () => {
        globalThis.store = new pinyon.DocumentStore({
            database: 'panicked',
            worker: () => (globalThis.worker = new Worker('/pages/panicking-worker.js', { type: 'module' })),
        }).initialize();
        globalThis.lost = new Promise((resolve) => { store.on('storageLost', ({ code, message }) => resolve([code, message])); });
        const session = store.openSession();
        await session.store({}, 'a');
        await session.saveChanges();
    });
    const second = await openApplication(browser, server, { database: 'panicked' });
    assert.equal(await isLeader(second), false);
    await first.evaluate(() => worker.postMessage([{ type: 'panic' }]));
    const [code, message] = await first.evaluate(() => globalThis.lost);
    assert.equal(code, 'Internal');
    assert.match(message, /the database stopped: .*unreachable/);
    assert.equal(await first.evaluate(() => store.openSession().load('a').then(() => 'loaded', (error) => error.code)), 'Internal');
    const found = await second.evaluate(() => store.openSession().load('a'));
    assert.deepEqual(found, { id: 'a' });
    assert.equal(await isLeader(second), true);
    await first.close();
    await second.close();
});
