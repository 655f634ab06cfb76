// The small module comes first; the whole one comes when something needs it, and nobody notices.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import { openApplication, until } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startServer } from '../harness/server.js';

const server = await startServer();
const browser = await startBrowser();

after(async () => {
    await browser.close();
    await server.close();
});

/** A page, and the modules that were fetched since. */
async function openCounting(options) {
    const fetched = [];
    const note = (request) => {
        const module = /\/(wasm|whole)\/pinyon_bg\.wasm$/.exec(request.url());
        if (module) fetched.push(module[1]);
    };
    // Also those of its worker.
    browser.context.on('request', note);
    const page = await openApplication(browser, server, options);
    return { page, modules: () => [...new Set(fetched)], stop: () => browser.context.off('request', note) };
}

const save = (page, id, document) => page.evaluate(async ([id, document]) => {
    const session = store.openSession();
    await session.store(document, id, 'Note');
    await session.saveChanges();
}, [id, document]);

const search = (page, words) => page.evaluate(async (words) => {
    const found = await store.openSession().query({ collection: 'Notes' }).search('text', words).waitForNonStaleResults().all();
    return found.map((it) => it.id).sort();
}, words);

const plain = (page, kind) => page.evaluate(async (kind) => {
    const found = await store.openSession().query({ collection: 'Notes' }).whereEquals('kind', kind).orderBy('text').waitForNonStaleResults().all();
    return found.map((it) => it.text);
}, kind);

test('the small module has no part of what it leaves out', async (context) => {
    const textOf = (folder) => readFile(new URL(`../../../bindings-js/dist/${folder}/pinyon_bg.wasm`, import.meta.url), 'latin1');
    const [small, whole] = await Promise.all(['wasm', 'whole'].map(textOf));
    // The names of functions, which only a build for tests keeps.
    if (!whole.includes('pinyon_core')) return context.skip('the package is optimised');
    for (const name of ['rust_stemmers', 'unicode_segmentation', 'smuggler', 'formula::parser', 'json_patch::patch']) {
        assert.deepEqual([small.includes(name), whole.includes(name)], [false, true], name);
    }
    return undefined;
});

test('documents, plain queries and groups need the small module only; a search brings the whole', async () => {
    const { page, modules, stop } = await openCounting({ database: 'growing' });
    await save(page, 'notes/1', { kind: 'a', text: 'a quick brown fox' });
    await save(page, 'notes/2', { kind: 'a', text: 'a lazy dog' });
    await save(page, 'notes/3', { kind: 'b', text: 'another fox' });
    assert.deepEqual(await plain(page, 'a'), ['a lazy dog', 'a quick brown fox']);
    const groups = await page.evaluate(() => store.openSession().advanced
        .rawQuery("from Notes group by kind order by kind select kind, count() as count").waitForNonStaleResults().all());
    assert.deepEqual(groups.map(({ kind, count }) => [kind, count]), [['a', 2], ['b', 1]]);
    const built = await page.evaluate(async () => {
        const query = () => store.openSession().query({ collection: 'Notes' }).waitForNonStaleResults();
        const session = store.openSession();
        const lazy = [session.advanced.lazily.load('notes/1'), session.query({ collection: 'Notes' }).whereEquals('kind', 'a').countLazily()];
        const streamed = [];
        for await (const { id } of await session.advanced.stream(query().whereIn('kind', ['a']).orderBy('id'))) streamed.push(id);
        return {
            groups: await query().groupBy('kind').selectKey('kind').selectCount().orderBy('kind').all(),
            fields: await query().orderBy('text').selectFields(['kind']).all(),
            lazy: [(await lazy[0].getValue()).kind, await lazy[1].getValue()], streamed,
        };
    });
    assert.deepEqual(built, {
        groups: [{ kind: 'a', count: 2 }, { kind: 'b', count: 1 }], fields: ['a', 'a', 'b'], lazy: ['a', 2], streamed: ['notes/1', 'notes/2'],
    });
    assert.deepEqual(modules(), ['wasm']);

    assert.deepEqual(await search(page, 'fox'), ['notes/1', 'notes/3']);
    assert.deepEqual(modules(), ['wasm', 'whole']);
    // What was there before is there, and goes on.
    await save(page, 'notes/4', { kind: 'b', text: 'a fox again' });
    assert.deepEqual(await plain(page, 'b'), ['a fox again', 'another fox']);
    assert.deepEqual(await search(page, 'fox'), ['notes/1', 'notes/3', 'notes/4']);
    assert.deepEqual(page.failures, []);
    await page.close();
    stop();
});

test('an index that needs the whole module brings it by itself, after what is read first', async () => {
    const { page, modules, stop } = await openCounting({ database: 'growing' });
    const follow = () => {
        globalThis.told = [];
        store.liveQuery("from Notes where kind = 'a' order by text").on('data', (notes) => told.push(notes.length));
        return store.openSession().load('notes/1').then((it) => it.kind);
    };
    assert.equal(await page.evaluate(follow), 'a');
    await until(() => modules().includes('whole'), 'the whole module');
    await until(() => page.evaluate(() => told.at(-1) === 2), 'the live query');
    assert.deepEqual(await search(page, 'lazy'), ['notes/2']);
    assert.deepEqual(modules(), ['wasm', 'whole']);
    assert.deepEqual(page.failures, []);
    await page.close();
    stop();
});

test('a page that found its database to need the whole module loads only that the next time', async () => {
    const { page, modules, stop } = await openCounting({ database: 'growing' });
    assert.deepEqual(await search(page, 'lazy'), ['notes/2']);
    assert.deepEqual(modules(), ['whole']);
    assert.deepEqual(page.failures, []);
    await page.close();
    stop();
    // Where that cannot be had, the small one does what it can.
    const isWhole = (url) => url.pathname.endsWith('/whole/pinyon_bg.wasm');
    await browser.context.route(isWhole, (route) => route.abort());
    const without = await openCounting({ database: 'growing' });
    assert.equal(await without.page.evaluate(() => store.openSession().load('notes/2').then((it) => it.text)), 'a lazy dog');
    assert.ok(without.modules().includes('wasm'));
    await without.page.close();
    without.stop();
    await browser.context.unroute(isWhole);
    // Other databases of the same site do not.
    const other = await openCounting({ database: 'needing nothing' });
    await save(other.page, 'notes/1', { kind: 'a', text: 'a fox' });
    assert.deepEqual(await plain(other.page, 'a'), ['a fox']);
    assert.deepEqual(other.modules(), ['wasm']);
    await other.page.close();
    other.stop();
});

test("module: 'whole' passes the small one over", async () => {
    const { page, modules, stop } = await openCounting({ database: 'whole', module: 'whole' });
    await save(page, 'notes/1', { text: 'a fox' });
    assert.deepEqual(await search(page, 'fox'), ['notes/1']);
    assert.deepEqual(modules(), ['whole']);
    await page.close();
    stop();
});

test('tabs follow when the whole module takes over: writes, live queries and changes go on', async () => {
    const options = { database: 'followed' };
    const first = await openApplication(browser, server, options);
    const second = await openApplication(browser, server, options);
    for (const page of [first, second]) {
        await page.evaluate(async () => {
            globalThis.heard = [];
            globalThis.told = [];
            store.changes().forAllDocuments().on('data', (change) => heard.push(change.id));
            await store.changes().ensureConnectedNow();
            store.liveQuery("from Notes where kind = 'a' order by text").on('data', (notes) => told.push(notes.map((it) => it.text).join()));
        });
    }
    await save(first, 'notes/1', { kind: 'a', text: 'one' });
    // Both write while the second asks for what the leader has not loaded.
    const write = (page, name) => page.evaluate(async (name) => {
        for (let number = 0; number < 30; number += 1) {
            const session = store.openSession();
            const counter = (await session.load(`counters/${name}`)) ?? { value: 0 };
            counter.value += 1;
            await session.store(counter, `counters/${name}`, 'Counter');
            await session.saveChanges();
        }
    }, name);
    const [found] = await Promise.all([search(second, 'one'), write(first, 'first'), write(second, 'second')]);
    assert.deepEqual(found, ['notes/1']);
    await save(first, 'notes/2', { kind: 'a', text: 'two' });
    for (const page of [first, second]) {
        await until(() => page.evaluate(() => told.at(-1) === 'one,two'), 'the live query after the change');
        await until(() => page.evaluate(() => heard.includes('notes/2')), 'the change');
        const values = await page.evaluate(async () => {
            const counters = await store.openSession().load(['counters/first', 'counters/second']);
            return Object.values(counters).map((it) => it.value);
        });
        assert.deepEqual(values, [30, 30]);
        // In order, none twice.
        assert.equal(await page.evaluate(() => heard.filter((it) => it.startsWith('notes/')).join()), 'notes/1,notes/2');
        assert.deepEqual(page.failures, []);
    }
    await first.close();
    await second.close();
});

test('patches, indexes of the application and its exports bring the whole module', async () => {
    const needs = {
        patch: async () => {
            const session = store.openSession();
            session.advanced.patch('notes/1', 'text', 'patched');
            await session.saveChanges();
            return (await store.openSession().load('notes/1')).text;
        },
        exported: async () => (await (await store.smuggler.export()).text()).includes('notes/1') && 'patched',
        index: async () => {
            await store.indexes.put({ name: 'ByText', maps: ['from it in docs.Notes select new { it.text }'] });
            const [note] = await store.openSession().query({ indexName: 'ByText' }).waitForNonStaleResults().all();
            return note.text;
        },
        live: async () => {
            const query = store.liveQuery("from Notes where search(text, 'patched')");
            for await (const notes of query) if (notes.length > 0) return notes[0].text;
            return undefined;
        },
    };
    for (const [name, need] of Object.entries(needs)) {
        const { page, modules, stop } = await openCounting({ database: `needs ${name}` });
        await save(page, 'notes/1', { text: name === 'patch' ? 'before' : 'patched' });
        assert.deepEqual(modules(), ['wasm'], name);
        assert.equal(await page.evaluate(need), 'patched', name);
        assert.deepEqual(modules(), ['wasm', 'whole'], name);
        assert.deepEqual(page.failures, [], name);
        await page.close();
        stop();
    }
});

test('without the whole module only what needs it fails, and works once it can be had', async () => {
    const page = await openApplication(browser, server, { database: 'alone' });
    await save(page, 'notes/1', { kind: 'a', text: 'a fox' });
    const isWhole = (url) => url.pathname.endsWith('/whole/pinyon_bg.wasm');
    await browser.context.route(isWhole, (route) => route.abort());
    const refused = await search(page, 'fox').catch((error) => String(error));
    assert.match(refused, /could not be loaded/);
    assert.deepEqual(await plain(page, 'a'), ['a fox']);
    await browser.context.unroute(isWhole);
    assert.deepEqual(await search(page, 'fox'), ['notes/1']);
    await page.close();
});
