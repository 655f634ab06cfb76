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
        Worker.prototype.postMessage = function count(...args) {
            globalThis.messages += 1;
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
    for (let number = 1; number < 60; number += 2) {
        await save(second, number);
        assert.equal(await load(first), number);
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
