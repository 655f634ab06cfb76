// Live queries: told at once, whenever what is stored changes their results, and not otherwise.
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

const QUERY = "from Children where group = $group order by name include 'group'";

/** Follows the children of a group; `told` gathers the names of each answer. */
const follow = (page) => page.evaluate((query) => {
    globalThis.told = [];
    globalThis.live = store.liveQuery(query, { group: 'groups/bears' });
    globalThis.failures = [];
    live.on('data', (children) => told.push(children.map((it) => it.name).join()));
    live.on('error', (error) => failures.push(error.code));
}, QUERY);

const save = (page, id, document, collection) => page.evaluate(async ([id, document, collection]) => {
    const session = store.openSession({ useOptimisticConcurrency: false });
    await session.store(document, id, collection);
    await session.saveChanges();
}, [id, document, collection]);

const lastTold = (page, names) => until(() => page.evaluate((names) => told.at(-1) === names, names), `'${names}'`);

test('results follow what this tab and others write, and only when they change', async () => {
    const options = { database: 'live' };
    const first = await openApplication(browser, server, options);
    const second = await openApplication(browser, server, options);
    for (const page of [first, second]) {
        await follow(page);
        await lastTold(page, '');
    }
    await save(first, 'groups/bears', { name: 'Bears' }, 'Group');
    await save(first, 'children/1', { name: 'Eva', group: 'groups/bears' }, 'Child');
    for (const page of [first, second]) await lastTold(page, 'Eva');
    await save(second, 'children/2', { name: 'Adam', group: 'groups/bears' }, 'Child');
    for (const page of [first, second]) await lastTold(page, 'Adam,Eva');

    const before = await second.evaluate(() => {
        globalThis.kept = live.getSnapshot();
        return [told.length, kept.results[0].id, kept.includes['groups/bears'].name, live.getSnapshot().metadataOf(kept.results[0])['@collection']];
    });
    assert.deepEqual(before.slice(1), ['children/2', 'Bears', 'Children']);
    // Another collection, and a child of another group: nothing to tell.
    await save(first, 'visits/1', { at: 'the door' }, 'Visit');
    await save(first, 'children/3', { name: 'Ben', group: 'groups/frogs' }, 'Child');
    // What comes last is told, so what came before it was seen.
    await save(first, 'children/1', { name: 'Zoe', group: 'groups/bears' }, 'Child');
    await lastTold(second, 'Adam,Zoe');
    const outcome = await second.evaluate(() => [
        told.length, live.getSnapshot().results[0] === kept.results[0], live.getSnapshot().results[1] === kept.results[1],
        live.getSnapshot().statistics.isStale, failures,
    ]);
    assert.deepEqual(outcome, [before[0] + 1, true, false, false, []]);

    // The group changes: what is included is part of the results.
    await save(first, 'groups/bears', { name: 'Brown bears' }, 'Group');
    await until(() => second.evaluate(() => live.getSnapshot().includes['groups/bears'].name === 'Brown bears'), 'the include');
    const length = await second.evaluate(() => { live.close(); return told.length; });
    await save(first, 'children/4', { name: 'Old', group: 'groups/bears' }, 'Child');
    await lastTold(first, 'Adam,Old,Zoe');
    assert.equal(await second.evaluate(() => told.length), length);
    for (const page of [first, second]) {
        assert.deepEqual(page.failures, []);
        await page.close();
    }
});

test('a burst of writes makes few answers, and the last one has all', async () => {
    const page = await openApplication(browser, server, { database: 'burst' });
    const counts = await page.evaluate(async () => {
        const counts = [];
        const session = store.openSession();
        const live = session.query({ collection: 'Drops' }).whereGreaterThan('number', -1).live();
        const iterating = (async () => {
            for await (const drops of live) {
                counts.push(drops.length);
                if (drops.length === 200) return;
            }
        })();
        for (let number = 0; number < 200; number += 1) {
            await session.store({ number }, `drops/${number}`, 'Drop');
            await session.saveChanges();
        }
        await iterating;
        return counts;
    });
    assert.equal(counts.at(-1), 200);
    assert.ok(counts.length < 200, `${counts.length} answers`);
    assert.deepEqual([...counts].sort((a, b) => a - b), counts);
    await page.close();
});

test('a live query goes on when the leader is killed', async () => {
    const options = { database: 'taken over' };
    const leader = await openApplication(browser, server, options);
    const [second, third] = [await openApplication(browser, server, options), await openApplication(browser, server, options)];
    for (const page of [second, third]) {
        await follow(page);
        await lastTold(page, '');
    }
    await save(leader, 'children/1', { name: 'Eva', group: 'groups/bears' }, 'Child');
    for (const page of [second, third]) await lastTold(page, 'Eva');
    const lengths = await Promise.all([second, third].map((page) => page.evaluate(() => told.length)));
    await crash(browser, leader);
    await save(second, 'children/2', { name: 'Adam', group: 'groups/bears' }, 'Child');
    for (const [at, page] of [second, third].entries()) {
        await lastTold(page, 'Adam,Eva');
        // The new leader told nothing that was known.
        assert.deepEqual(await page.evaluate(() => [told.length, failures]), [lengths[at] + 1, []]);
        await page.close();
    }
});

test('a document is followed by its id, from missing to deleted', async () => {
    const options = { database: 'one document' };
    const page = await openApplication(browser, server, options);
    const other = await openApplication(browser, server, options);
    await page.evaluate(() => {
        globalThis.told = [];
        globalThis.live = store.liveDocument('Children/1', { includes: ['group'] });
        live.on('data', (child, { includes }) => told.push(`${child?.name} ${Object.values(includes)[0]?.name}`));
    });
    await lastTold(page, 'undefined undefined');
    await save(other, 'groups/bears', { name: 'Bears' }, 'Group');
    await save(other, 'children/1', { name: 'Eva', group: 'groups/bears' }, 'Child');
    await lastTold(page, 'Eva Bears');
    await save(other, 'groups/bears', { name: 'Frogs' }, 'Group');
    await lastTold(page, 'Eva Frogs');
    await other.evaluate(async () => {
        const session = store.openSession();
        await session.delete('children/1');
        await session.saveChanges();
    });
    await lastTold(page, 'undefined undefined');
    await page.close();
    await other.close();
});

test('what cannot be asked is told as an error, and ends a loop by throwing', async () => {
    const page = await openApplication(browser, server, { database: 'wrong' });
    const outcome = await page.evaluate(async () => {
        const seen = [];
        const wrong = store.liveQuery('from Children where ((');
        try {
            for await (const _ of wrong) seen.push('results');
        } catch (error) {
            seen.push(error.code);
        }
        // An index that does not exist yet: an error, until it does.
        const early = store.liveQuery("from index 'Later'");
        seen.push(await new Promise((resolve) => { early.on('error', (error) => resolve(error.code)); }));
        const { isLoading, error } = early.getSnapshot();
        seen.push(isLoading, error.code);
        // A store that is disposed ends its loops.
        const ending = (async () => { for await (const _ of store.liveQuery('from Children')) seen.push('first'); })();
        while (!seen.includes('first')) await new Promise((resolve) => setTimeout(resolve, 5));
        await store.dispose();
        await ending;
        seen.push('ended');
        return seen;
    });
    assert.deepEqual(outcome, ['InvalidRequest', 'NotFound', false, 'NotFound', 'first', 'ended']);
    assert.deepEqual(page.failures, []);
    await page.close();
});
