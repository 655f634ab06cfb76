// What a page knows of documents takes no message to the worker, and is what the database has.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { openApplication, until } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startPinyon } from '../harness/pinyon.js';
import { startServer } from '../harness/server.js';

const { DocumentStore } = createRequire(new URL('../../clients/node/package.json', import.meta.url))('ravendb');

const server = await startServer();
const browser = await startBrowser();

after(async () => {
    await browser.close();
    await server.close();
});

/** A page that counts its messages, once it answers itself what it knows. */
async function openKnowing(options) {
    const page = await openApplication(browser, server);
    await page.evaluate(async (options) => {
        const { postMessage } = Worker.prototype;
        globalThis.messages = 0;
        globalThis.calls = [];
        Worker.prototype.postMessage = function count(...args) {
            globalThis.messages += 1;
            for (const { method, args: given } of args[0]) if (method) globalThis.calls.push([method, given]);
            return postMessage.apply(this, args);
        };
        await globalThis.open(options);
        globalThis.messagesOf = async (work) => {
            const before = globalThis.messages;
            await work();
            return globalThis.messages - before;
        };
    }, options);
    await until(() => knows(page), 'the page to answer itself');
    return page;
}

const knows = (page) => page.evaluate(async () => {
    await store.openSession().load('known');
    return (await messagesOf(() => store.openSession().load('known'))) === 0;
});

test('what was saved or loaded is loaded again without a message, as the worker has it', async () => {
    const page = await openKnowing({ database: 'known' });
    const found = await page.evaluate(async () => {
        const session = store.openSession();
        for (let number = 0; number < 50; number += 1) {
            const document = { number, text: 'kůň "\\ \n', list: [1, { a: null }], none: undefined };
            await session.store(document, `Things/${number}`);
            session.advanced.getMetadataFor(document)['@collection'] = 'Things';
            session.advanced.getMetadataFor(document)['Made-By'] = 'eva';
        }
        await session.saveChanges();
        const known = store.openSession();
        const ids = Array.from({ length: 50 }, (_, number) => `things/${number}`);
        let loaded;
        const messages = await messagesOf(async () => { loaded = await known.load([...ids, 'known']); });
        const asked = await store.openSession().advanced.loadStartingWith('things/', { pageSize: 99 });
        const other = store.openSession();
        const all = await other.advanced.loadStartingWith('things/', { pageSize: 99 });
        const differing = all.filter((document) => {
            const id = document.id.toLowerCase();
            const sorted = (it) => JSON.stringify(Object.entries(it).sort());
            return JSON.stringify(loaded[id]) !== JSON.stringify(document)
                || sorted(known.advanced.getMetadataFor(loaded[id])) !== sorted(other.advanced.getMetadataFor(document));
        });
        // Ids of which JavaScript and the database may think differently are asked for.
        await session.store({ text: 'Kelvin' }, '\u212A/1');
        await session.saveChanges();
        const foreign = await messagesOf(() => store.openSession().load('\u212A/1'));
        return { messages, missing: loaded.known, asked: asked.length, differing: differing.map((it) => it.id), foreign };
    });
    assert.deepEqual(found, { messages: 0, missing: null, asked: 50, differing: [], foreign: 1 });
    await page.close();
});

test('whatever a page does, it loads what the database has', async () => {
    const page = await openKnowing({ database: 'anything' });
    const { wrong, silent } = await page.evaluate(async () => {
        let state = 7;
        const below = (end) => { state = (Math.imul(state, 1103515245) + 12345) >>> 0; return (state >>> 16) % end; };
        await store.maintenance.configureRevisions({ Default: { Disabled: false } });
        const wrong = [];
        let silent = 0;
        const stored = async (id) => {
            const session = store.openSession();
            const [found] = (await session.advanced.loadStartingWith(id, { pageSize: 1 })).filter((it) => it.id === id);
            return found ? [JSON.stringify(found), session.advanced.getChangeVectorFor(found)] : [null];
        };
        const loaded = async (id) => {
            const session = store.openSession();
            const found = await session.load(id);
            return found ? [JSON.stringify(found), session.advanced.getChangeVectorFor(found)] : [null];
        };
        const steps = [
            async (session, id, step) => { const it = await session.load(id); if (it) it.step = step; else await session.store({ step }, id); },
            async (session, id) => { await session.delete(id); },
            async (session, id) => { const it = await session.load(id); if (it) await session.delete(it); },
            async (session, id, step) => { if (await session.load(id)) session.advanced.attachments.store(id, `file ${step}`, 'content'); },
            async (session, id, step) => { await session.store({ step, refused: true }, id, { changeVector: 'A:1-none' }); },
            async (session, id, step) => {
                const it = { step };
                await session.store(it, id);
                session.advanced.getMetadataFor(it)['@expires'] = new Date(0).toISOString();
            },
            async () => { await store.maintenance.configureExpiration({ Disabled: false }); await store.maintenance.sweep(); },
        ];
        for (let step = 0; step < 400; step += 1) {
            // Needs the whole module, with which the page asks for everything.
            if (step === 350) steps.push(async (session, id) => { session.advanced.patch(id, 'patched', step); });
            const session = store.openSession();
            const concerned = [0, 1].map(() => `documents/${below(4)}`);
            for (const id of new Set(concerned)) await steps[below(steps.length)](session, id, step);
            // Loads on the way see one state or the other, and nobody keeps the wrong one.
            const saving = session.saveChanges().catch(() => undefined);
            const passing = concerned.map((id) => store.openSession().load(id));
            await Promise.all([saving, ...passing]);
            for (const id of [...concerned, ...concerned]) {
                const before = messages;
                const mine = await loaded(id);
                silent += messages === before ? 1 : 0;
                const truth = await stored(id);
                if (JSON.stringify(mine) !== JSON.stringify(truth)) wrong.push([step, id, mine, truth]);
            }
        }
        return { wrong, silent };
    });
    assert.deepEqual(wrong, []);
    assert.ok(silent > 400, `${silent} loads without a message`);
    await page.close();
});

test('a query brings the documents that the page does not have', async () => {
    const page = await openKnowing({ database: 'queried' });
    const found = await page.evaluate(async () => {
        const session = store.openSession();
        for (let number = 0; number < 40; number += 1) {
            await session.store({ number, kind: number % 2 ? 'odd' : 'even', text: 'kůň 🐎' }, `Things/${number}`);
            session.advanced.getMetadataFor(await session.load(`Things/${number}`))['@collection'] = 'Things';
        }
        await session.saveChanges();
        const ask = async (kind) => {
            const asking = store.openSession();
            const query = asking.query({ collection: 'Things' }).whereEquals('kind', kind).orderBy('number', 'Long').waitForNonStaleResults();
            let statistics;
            const results = await query.statistics((it) => { statistics = it; }).all();
            const known = results.map((it) => [it, asking.advanced.getMetadataFor(it), asking.advanced.hasChanged(it)]);
            return { json: JSON.stringify(known), count: results.length, total: statistics.totalResults, isStale: statistics.isStale };
        };
        await ask('odd');
        const callsOf = async (work) => { calls.length = 0; const result = await work(); return [calls.map(([method, args]) => [method, method === 'load' ? args[0].length : args[0].includes('"onlyKeys":true')]), result]; };
        // What was saved is known.
        const known = await callsOf(() => ask('odd'));
        return { known };
    });
    assert.deepEqual(found.known[0], [['query', true]]);
    assert.equal(found.known[1].count, 20);
    await page.evaluate(() => store.dispose());
    // A page that begins anew knows nothing, and then what it was told.
    await page.evaluate(() => globalThis.open({ database: 'queried' }));
    await until(() => knows(page), 'the page to answer itself');
    const again = await page.evaluate(async () => {
        const ask = async () => {
            const asking = store.openSession();
            const query = asking.query({ collection: 'Things' }).whereEquals('kind', 'odd').orderBy('number', 'Long').waitForNonStaleResults();
            const results = await query.all();
            return JSON.stringify(results.map((it) => [it, asking.advanced.getMetadataFor(it), asking.advanced.hasChanged(it)]));
        };
        const answers = [];
        const asked = [];
        for (let at = 0; at < 2; at += 1) {
            calls.length = 0;
            answers.push(await ask());
            asked.push(calls.map(([method, args]) => (method === 'load' ? args[0].length : method)));
        }
        const [result] = await store.openSession().query({ collection: 'Things' }).whereEquals('number', 7).waitForNonStaleResults().all();
        return { answers, asked, result };
    });
    assert.deepEqual(again.asked, [['query', 20], ['query']]);
    const sorted = (json) => JSON.parse(json).map(([entity, metadata, hasChanged]) => [entity, Object.entries(metadata).sort(), hasChanged]);
    for (const answer of again.answers) assert.deepEqual(sorted(answer), sorted(found.known[1].json));
    assert.deepEqual(again.result, { number: 7, kind: 'odd', text: 'kůň 🐎', id: 'Things/7' });
    await page.close();
});

test('each answer of a query is one state, whatever is saved meanwhile', async () => {
    const page = await openKnowing({ database: 'transfers' });
    const { totals, known, poor } = await page.evaluate(async () => {
        const ACCOUNTS = 12;
        const session = store.openSession();
        for (let number = 0; number < ACCOUNTS; number += 1) {
            const account = { amount: 100, number };
            await session.store(account, `accounts/${number}`);
            session.advanced.getMetadataFor(account)['@collection'] = 'Accounts';
        }
        await session.saveChanges();
        let state = 11;
        const below = (end) => { state = (Math.imul(state, 1103515245) + 12345) >>> 0; return (state >>> 16) % end; };
        const ask = async () => {
            const found = await store.openSession().query({ collection: 'Accounts' }).whereGreaterThan('amount', -1e9).waitForNonStaleResults().all();
            return found.reduce((sum, { amount }) => sum + amount, 0) + (found.length === ACCOUNTS ? 0 : 1e6);
        };
        let poor = 0;
        const askRich = async () => {
            const found = await store.openSession().query({ collection: 'Accounts' }).whereGreaterThan('amount', 99).waitForNonStaleResults().all();
            poor += found.filter(({ amount }) => amount < 100).length;
        };
        await askRich();
        const transfer = async () => {
            const session = store.openSession();
            const [from, to] = [below(ACCOUNTS), below(ACCOUNTS)];
            const accounts = await session.load([`accounts/${from}`, `accounts/${to}`]);
            const amount = below(50);
            accounts[`accounts/${from}`].amount -= amount;
            accounts[`accounts/${to}`].amount += amount;
            await session.saveChanges();
        };
        calls.length = 0;
        const totals = new Set();
        for (let step = 0; step < 150; step += 1) {
            // One transfer at a time: two of one account would lose one of them.
            const under = transfer();
            const asking = [ask(), ask()];
            const askingRich = [askRich(), askRich()];
            await under;
            asking.push(ask());
            for (const total of await Promise.all(asking)) totals.add(total);
            await Promise.all([...askingRich, askRich()]);
        }
        const known = calls.filter(([method, args]) => method === 'query' && args[0].includes('"onlyKeys":true')).length;
        return { totals: [...totals], known, poor };
    });
    assert.deepEqual(totals, [1200]);
    assert.equal(poor, 0, 'documents that the query does not find');
    assert.ok(known > 100, `${known} queries for keys`);
    // Several saves at once: of each document what was saved last is what is loaded and found.
    const wrong = await page.evaluate(async () => {
        let state = 5;
        const below = (end) => { state = (Math.imul(state, 1103515245) + 12345) >>> 0; return (state >>> 16) % end; };
        const wrong = [];
        for (let step = 0; step < 60; step += 1) {
            const saves = Array.from({ length: 6 }, async (_, at) => {
                const session = store.openSession();
                const ids = new Set([`many/${below(8)}`, `many/${below(8)}`]);
                for (const id of ids) {
                    const document = { step, at, sum: step * 10 + at };
                    await session.store(document, id, { changeVector: null });
                    session.advanced.getMetadataFor(document)['@collection'] = 'Many';
                }
                await session.saveChanges();
            });
            await Promise.all(saves);
            const truth = await store.openSession().advanced.loadStartingWith('many/', { pageSize: 99 });
            const text = (all) => JSON.stringify(all.map((it) => [it.id, it.step, it.at]).sort());
            const loaded = await store.openSession().load(truth.map((it) => it.id));
            const found = await store.openSession().query({ collection: 'Many' }).whereGreaterThan('sum', -1).waitForNonStaleResults().all();
            if (text(truth) !== text(Object.values(loaded)) || text(truth) !== text(found)) wrong.push([step, text(truth), text(Object.values(loaded)), text(found)]);
        }
        return wrong;
    });
    assert.deepEqual(wrong, []);
    await page.close();
});

test('a page with another tab beside it sees what that one saved', async () => {
    const first = await openKnowing({ database: 'beside' });
    const save = (page, number) => page.evaluate(async (number) => {
        const session = store.openSession();
        const document = (await session.load('counter')) ?? {};
        document.number = number;
        await session.store(document, 'counter');
        await session.saveChanges();
    }, number);
    const load = (page) => page.evaluate(async () => (await store.openSession().load('counter')).number);
    await save(first, 0);
    assert.equal(await load(first), 0);
    const second = await openApplication(browser, server, { database: 'beside' });
    const find = (page) => page.evaluate(async () => {
        const found = await store.openSession().advanced.rawQuery("from @all_docs where number >= 0").waitForNonStaleResults().all();
        return found.map((it) => it.number);
    });
    assert.deepEqual(await find(first), [0]);
    for (let number = 1; number < 60; number += 2) {
        await save(second, number);
        assert.equal(await load(first), number);
        assert.deepEqual(await find(first), [number]);
        await save(first, number + 1);
        assert.equal(await load(second), number + 1);
    }
    assert.equal(await knows(first), false, 'it asks, as long as another may write');
    await first.close();
    // The one that is left leads, and is alone.
    await until(() => second.evaluate(() => store.storage.status().then((it) => it.isLeader)), 'the takeover');
    assert.equal(await load(second), 60);
    await second.close();
});

test('what comes from a server is seen', async () => {
    const pinyon = await startPinyon('school', server.url);
    const official = new DocumentStore(pinyon.url, 'school');
    official.initialize();
    const page = await openKnowing({ database: 'synced' });
    const token = pinyon.token('eva');
    await page.evaluate(([url, token]) => { store.sync({ url, database: 'school', token }); }, [pinyon.url, token]);
    for (let number = 0; number < 10; number += 1) {
        const session = official.openSession();
        await session.store({ number, '@metadata': { '@collection': 'Counters' } }, 'counters/1');
        await session.saveChanges();
        await until(() => page.evaluate(async () => (await store.openSession().load('counters/1'))?.number).then((it) => it === number), `${number}`);
        // The server's answer to a save gives the document another version.
        await page.evaluate(async (number) => {
            const session = store.openSession();
            (await session.load('counters/1')).seen = number;
            await session.saveChanges();
        }, number);
        await until(() => page.evaluate(async () => {
            const [mine, theirs] = [store.openSession(), store.openSession()];
            const known = mine.advanced.getChangeVectorFor(await mine.load('counters/1'));
            const [found] = await theirs.advanced.loadStartingWith('counters/1');
            return known === theirs.advanced.getChangeVectorFor(found) && (await store.syncStatus.waiting) === 0;
        }), 'the same version');
    }
    await page.close();
    official.dispose();
    await pinyon.close();
});
