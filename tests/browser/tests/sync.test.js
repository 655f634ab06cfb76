// Browsers and a server: what is written in one reaches all, whatever breaks in between.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { crash, openApplication, until } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startPinyon } from '../harness/pinyon.js';
import { startServer } from '../harness/server.js';
import { startSlowLine } from '../harness/slow_line.js';

// The one that the clients' stories use.
const { DocumentStore } = createRequire(new URL('../../clients/node/package.json', import.meta.url))('ravendb');

const DATABASE = 'school';
const site = await startServer();
const pinyon = await startPinyon(DATABASE, site.url);
const official = new DocumentStore(pinyon.url, DATABASE);
official.initialize();
const [laptop, tablet] = [await startBrowser(), await startBrowser()];

after(async () => {
    official.dispose();
    await Promise.all([laptop.close(), tablet.close()]);
    await pinyon.close();
    await site.close();
});

const put = (page, id, document) => page.evaluate(async ([id, document]) => {
    const session = store.openSession({ useOptimisticConcurrency: false });
    const found = await session.load(id);
    if (found) Object.assign(found, document);
    else await session.store(document, id);
    await session.saveChanges();
}, [id, document]);

/** The document in a page, without its id; the code of the error where loading fails. */
const get = (page, id) => page.evaluate(async (id) => {
    try {
        const found = await store.openSession().load(id);
        return found && { ...found, id: undefined };
    } catch (error) {
        return error.code;
    }
}, id);

const startSync = (page, more) => page.evaluate(([options]) => {
    globalThis.states = [];
    globalThis.refused = [];
    globalThis.sync = store.sync(options).on('status', (state) => states.push(state.phase))
        .on('refused', ({ id, code, reason }) => refused.push([id, code, reason]));
}, [{ url: pinyon.url, database: DATABASE, ...more }]);

const synced = (page) => page.evaluate(() => sync.waitForSync());

test('a document written offline reaches the server and another browser, and its edit comes back', async () => {
    const first = await openApplication(laptop, site, { database: 'travels' });
    await put(first, 'children/1', { name: 'Mia' });
    await startSync(first, { token: pinyon.token('eva') });
    await synced(first);
    assert.equal((await pinyon.document('children/1')).name, 'Mia');
    // An official client reads it, and writes, and all follow.
    const session = official.openSession();
    assert.equal((await session.load('children/1')).name, 'Mia');
    await session.store({ name: 'Ben' }, 'children/2');
    await session.saveChanges();
    await until(async () => (await get(first, 'children/2'))?.name === 'Ben', 'what a client of the server wrote');

    const second = await openApplication(tablet, site, { database: 'travels' });
    await startSync(second, { token: pinyon.token('adam') });
    await synced(second);
    assert.deepEqual([(await get(second, 'children/1')).name, (await get(second, 'children/2')).name], ['Mia', 'Ben']);
    await first.evaluate(async () => {
        globalThis.told = [];
        store.changes().forDocument('children/1').on('data', (change) => told.push(change.type));
        await store.changes().ensureConnectedNow();
    });
    await put(second, 'children/1', { name: 'Mia B.' });
    await until(() => first.evaluate(() => told.includes('Put')), 'the change of the other browser');
    assert.equal((await get(first, 'children/1')).name, 'Mia B.');
    assert.equal((await official.openSession().load('children/1')).name, 'Mia B.');
    assert.deepEqual(await first.evaluate(() => [sync.status.phase, sync.status.waiting]), ['live', 0]);
    // One's own write is told once, though a server takes it; and an editor may stay open over that.
    const own = await first.evaluate(async () => {
        const heard = [];
        store.changes().forAllDocuments().on('data', (change) => heard.push(change.id));
        await store.changes().ensureConnectedNow();
        const session = store.openSession();
        const child = await session.load('children/1');
        for (const name of ['Mia C.', 'Mia D.']) {
            child.name = name;
            await session.saveChanges();
            await sync.waitForSync();
        }
        await session.store({ name: 'Zoe' }, 'children/9');
        await session.saveChanges();
        while (!heard.includes('children/9')) await new Promise((resolve) => setTimeout(resolve, 5));
        return heard;
    });
    assert.deepEqual(own, ['children/1', 'children/1', 'children/9']);
    assert.equal((await pinyon.document('children/1')).name, 'Mia D.');
    await first.close();
    await second.close();
});

test('a server killed in between is found again, and what was written meanwhile is brought there', async () => {
    const page = await openApplication(laptop, site, { database: 'killed' });
    await startSync(page, { token: pinyon.token('eva'), prefixes: ['visits/'] });
    await synced(page);
    await pinyon.kill();
    for (let number = 0; number < 20; number += 1) await put(page, `visits/${number}`, { number });
    // All in one look: the next attempt to connect may begin at any moment.
    const isOffline = ({ phase, waiting, reason }) => phase === 'offline' && waiting === 20 && /cannot be reached/.test(reason);
    await until(async () => isOffline(await page.evaluate(() => sync.status)), 'being offline');
    await pinyon.restart();
    await synced(page);
    for (let number = 0; number < 20; number += 1) assert.equal((await pinyon.document(`visits/${number}`)).number, number);
    // Only what was asked for came.
    assert.equal(await get(page, 'children/1'), null);
    const states = await page.evaluate(() => globalThis.states);
    for (const phase of ['connecting', 'catching-up', 'live', 'offline']) assert.ok(states.includes(phase), `${states}`);
    await page.close();
});

test('two who write the same document while offline are both heard', async () => {
    const pages = await Promise.all([laptop, tablet].map((it) => openApplication(it, site, { database: 'groups' })));
    const [first, second] = pages;
    for (const page of pages) {
        await startSync(page, { token: pinyon.token('eva'), prefixes: ['groups/'] });
        await synced(page);
    }
    await put(first, 'groups/1', { name: 'Bears', '@metadata': { '@collection': 'Groups' } });
    await until(async () => (await get(second, 'groups/1'))?.name === 'Bears', 'the group in the other browser');
    for (const page of pages) await page.evaluate(() => sync.pause());
    await put(first, 'groups/1', { name: 'Brown bears' });
    await put(second, 'groups/1', { name: 'Polar bears', since: new Date(0) });
    assert.equal(await second.evaluate(() => sync.status.phase), 'paused');
    await second.evaluate(async () => {
        globalThis.told = [];
        store.changes().forDocument('groups/1').on('data', (change) => told.push(change.type));
        await store.changes().ensureConnectedNow();
    });
    for (const page of pages) await page.evaluate(() => sync.resume());
    for (const page of pages) await until(async () => (await get(page, 'groups/1')) === 'DocumentConflict', 'the conflict');
    assert.equal((await pinyon.document('groups/1')).status, 409);
    await until(() => second.evaluate(() => told.at(-1) === 'Conflict'), 'the change that tells of the conflict');
    const seen = await second.evaluate(async () => {
        const error = await store.openSession().load('groups/1').catch((error) => error);
        const { id, versions } = await store.conflicts.get('groups/1');
        const listed = await store.conflicts.list();
        return [error instanceof pinyon.DocumentConflictError, error.id, id, versions.map((it) => it.document.name).sort(), listed.length, versions.some((it) => it.document.since instanceof Date)];
    });
    assert.deepEqual(seen, [true, 'groups/1', 'groups/1', ['Brown bears', 'Polar bears'], 1, true]);
    // The one that came second knows what both began with.
    const bases = await Promise.all(pages.map((page) => page.evaluate(() => store.conflicts.get('groups/1').then((it) => it.base?.name ?? null))));
    assert.ok(bases.includes('Bears') && bases.every((it) => it === 'Bears' || it === null), bases.join());
    await second.evaluate(async () => {
        await store.conflicts.resolve(await store.conflicts.get('groups/1'), { name: 'All bears' });
        await sync.waitForSync();
    });
    await until(async () => (await get(first, 'groups/1')).name === 'All bears', 'the decision');
    const decided = await pinyon.document('groups/1');
    assert.deepEqual([decided.name, decided['@metadata']['@collection']], ['All bears', 'Groups']);
    assert.equal(await first.evaluate(() => store.conflicts.get('groups/1')), null);
    for (const page of pages) await page.close();
});

test('when the tab that syncs goes, another goes on, for tabs that asked for it', async () => {
    const [first, second] = [
        await openApplication(laptop, site, { database: 'tabs' }),
        await openApplication(laptop, site, { database: 'tabs' }),
    ];
    const request = { token: pinyon.token('eva'), prefixes: ['toys/'] };
    await startSync(first, request);
    await synced(first);
    await startSync(second, request);
    await put(second, 'toys/1', { name: 'ball' });
    await synced(second);
    assert.equal((await pinyon.document('toys/1')).name, 'ball');
    await first.close({ runBeforeUnload: false });
    await put(second, 'toys/2', { name: 'doll' });
    await synced(second);
    assert.equal((await pinyon.document('toys/2')).name, 'doll');
    await pinyon.request(`/databases/${DATABASE}/docs?id=toys/1`, { method: 'PUT', body: '{"name":"red ball"}' });
    await until(async () => (await get(second, 'toys/1')).name === 'red ball', 'news after the takeover');
    await second.close();
});

test('tabs that ask for different documents all get theirs, and one that asks another server is told', async () => {
    const database = 'filters';
    for (const id of ['hats/1', 'shoes/1', 'coats/1']) {
        await pinyon.request(`/databases/${DATABASE}/docs?id=${id}`, { method: 'PUT', body: '{"size":3}' });
    }
    const [old, renewed, foreign] = [
        await openApplication(laptop, site, { database }),
        await openApplication(laptop, site, { database }),
        await openApplication(laptop, site, { database }),
    ];
    const token = pinyon.token('eva');
    await startSync(old, { token, prefixes: ['hats/'] });
    await synced(old);
    // Somebody else's server changes nothing for those who sync.
    await startSync(foreign, { token, database: 'another', prefixes: ['hats/'] });
    const refused = await foreign.evaluate(async () => [await sync.waitForSync().catch((error) => error.message), sync.status.phase]);
    assert.match(refused[0], /with 'school' on 'http.*cannot sync with 'another' on 'http/);
    assert.equal(refused[1], 'error');
    assert.deepEqual(await old.evaluate(() => [sync.status.phase, sync.status.reason]), ['live', undefined]);
    await foreign.close();

    // A new version of the application, opened beside the old one: who waits there goes on waiting.
    await old.evaluate(() => sync.pause());
    await put(old, 'hats/2', { size: 4 });
    await old.evaluate(() => { globalThis.waiting = sync.waitForSync().then(() => 'synced', ({ code }) => code); });
    await startSync(renewed, { token, prefixes: ['shoes/'] });
    await until(() => renewed.evaluate(() => sync.status.phase === 'paused'), 'the pause in the new tab too');
    await renewed.evaluate(() => sync.resume());
    await synced(renewed);
    assert.equal(await old.evaluate(() => waiting), 'synced');
    assert.deepEqual(await Promise.all(['hats/1', 'shoes/1', 'coats/1'].map(async (id) => (await get(renewed, id))?.size)), [3, 3, undefined]);
    await pinyon.request(`/databases/${DATABASE}/docs?id=hats/1`, { method: 'PUT', body: '{"size":5}' });
    await until(async () => (await get(old, 'hats/1')).size === 5, 'news of what the first tab asked for');
    // The old one asks again, as when a component comes back: nothing is taken from the other.
    await startSync(old, { token, prefixes: ['hats/'] });
    await synced(old);
    await pinyon.request(`/databases/${DATABASE}/docs?id=shoes/1`, { method: 'PUT', body: '{"size":6}' });
    await until(async () => (await get(renewed, 'shoes/1')).size === 6, 'news of what the second tab asked for');

    // The next leader begins with what all asked for: nothing goes from the device to come again.
    const third = await openApplication(laptop, site, { database });
    await startSync(third, { token, prefixes: ['coats/'] });
    await synced(third);
    for (const page of [renewed, third]) {
        await page.evaluate(async () => {
            globalThis.changed = [];
            const changes = store.changes();
            changes.forAllDocuments().on('data', ({ type, id }) => changed.push(`${type} ${id}`));
            await changes.ensureConnectedNow();
        });
    }
    await old.close({ runBeforeUnload: false });
    for (const [page, id] of [[renewed, 'shoes/9'], [third, 'coats/9']]) {
        await put(page, id, { size: 9 });
        await synced(page);
    }
    const all = ['coats/1', 'hats/1', 'shoes/1'];
    for (const page of [renewed, third]) {
        assert.deepEqual(await Promise.all(all.map(async (id) => (await get(page, id)).size)), [3, 5, 6]);
        const changed = await page.evaluate(() => changed);
        assert.deepEqual(changed.filter((it) => all.some((id) => it.endsWith(id))), []);
    }
    await renewed.close();
    await third.close();
});

test('a token that is not good enough says so, and another one goes on', async () => {
    const page = await openApplication(tablet, site, { database: 'tokens' });
    await put(page, 'users/eva/1', { mine: true });
    await put(page, 'users/adam/1', { mine: false });
    await startSync(page, { token: 'a.b.c', prefixes: ['users/'] });
    const error = await page.evaluate(() => sync.waitForSync().then(() => null, ({ code, message }) => ({ code, message })));
    assert.equal(error.code, 'Unauthorized');
    assert.match(error.message, /no JSON Web Token/);
    assert.equal(await page.evaluate(() => sync.status.phase), 'error');
    const limited = pinyon.token('eva', '--write-prefix', 'users/eva/');
    await page.evaluate(async (token) => {
        await sync.renewToken(token);
        await sync.waitForSync();
    }, limited);
    assert.deepEqual(await page.evaluate(() => refused.map(([id]) => id)), ['users/adam/1']);
    assert.equal((await pinyon.document('users/eva/1')).mine, true);
    assert.equal(await pinyon.document('users/adam/1'), null);
    const pending = await page.evaluate(() => sync.pending());
    assert.deepEqual(pending.map((it) => [it.id, it.refusal !== null]), [['users/adam/1', true]]);
    await page.evaluate(() => sync.discardPending('users/adam/1'));
    assert.equal(await get(page, 'users/adam/1'), null);
    assert.deepEqual(await page.evaluate(() => sync.pending()), []);
    await page.close();

    // One that is asked for again when the server wants another.
    const asked = await openApplication(tablet, site, { database: 'asked' });
    await asked.evaluate(([url, database, tokens]) => {
        const token = () => tokens.shift() ?? Promise.reject(new TypeError('no network'));
        globalThis.sync = store.sync({ url, database, prefixes: ['users/'], token });
        return sync.waitForSync();
    }, [pinyon.url, DATABASE, [null, 'a.b.c', pinyon.token('eva')]]);
    assert.equal((await get(asked, 'users/eva/1')).mine, true);
    await asked.close();
});

test("a collection's function refuses a document alone, the app reads why, and a mended one goes", async () => {
    const configure = (collections) => pinyon.request(`/databases/${DATABASE}/admin/validation/config`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ Collections: collections }),
    });
    const script = "if (doc && !doc.text) throw `${id}: ${user.sub}, a diary has a text`;";
    assert.equal((await configure({ Diaries: { Script: script } })).ok, true);
    const page = await openApplication(tablet, site, { database: 'diaries' });
    const diary = (id, text) => put(page, id, { text, '@metadata': { '@collection': 'Diaries' } });
    await diary('diaries/1', 'fine');
    await diary('Diaries/2', '');
    await diary('diaries/3', 'fine too');
    await startSync(page, { token: pinyon.token('eva'), prefixes: ['diaries/'] });
    await synced(page);
    const why = ['ValidationFailed', 'Diaries/2: eva, a diary has a text'];
    assert.deepEqual(await page.evaluate(() => refused), [['Diaries/2', ...why]]);
    assert.deepEqual(await Promise.all([1, 2, 3].map(async (it) => (await pinyon.document(`diaries/${it}`))?.text)),
        ['fine', undefined, 'fine too']);
    // It stays here, with the reason, over a reload.
    await page.reload();
    await page.waitForFunction(() => globalThis.isReady);
    await page.evaluate(() => globalThis.open({ database: 'diaries' }));
    assert.equal((await get(page, 'diaries/2')).text, '');
    await startSync(page, { token: pinyon.token('eva'), prefixes: ['diaries/'] });
    await synced(page);
    const [pending] = await page.evaluate(() => sync.pending());
    assert.deepEqual([pending.id, pending.refusal.code, pending.refusal.reason], ['Diaries/2', ...why]);
    await diary('diaries/2', 'mended');
    await until(async () => (await pinyon.document('diaries/2'))?.text === 'mended', 'the mended diary');
    assert.equal((await configure({})).ok, true);
    await page.close();
});

test('waitForSync asks the server: whatever it had at that moment is here', async (t) => {
    // What the server tells by itself comes too late for who does not ask.
    const line = await startSlowLine(pinyon.url, 150);
    t.after(() => line.close());
    const page = await openApplication(laptop, site, { database: 'rounds' });
    await startSync(page, { url: line.url, token: pinyon.token('eva'), prefixes: ['rounds/'] });
    await synced(page);
    for (let number = 0; number < 3; number += 1) {
        const written = await pinyon.request(`/databases/${DATABASE}/docs?id=rounds/${number}`, { method: 'PUT', body: `{"number":${number}}` });
        assert.equal(written.status, 201);
        const found = await page.evaluate((id) => sync.waitForSync().then(() => store.openSession().load(id)), `rounds/${number}`);
        assert.equal(found?.number, number);
        await put(page, `rounds/${number}/answer`, { back: true });
        await synced(page);
        assert.equal((await pinyon.document(`rounds/${number}/answer`)).back, true);
    }
    // While others go on writing, it still ends.
    let isWriting = true;
    const writing = (async () => {
        for (let number = 0; isWriting; number += 1) {
            await pinyon.request(`/databases/${DATABASE}/docs?id=rounds/busy`, { method: 'PUT', body: `{"number":${number}}` });
        }
    })();
    await page.evaluate(() => Promise.all([sync.waitForSync(), sync.waitForSync(), sync.waitForSync()]));
    isWriting = false;
    await writing;
    await page.close();
});

test('a database that the server does not have is named, and not asked for again by itself', async () => {
    const page = await openApplication(laptop, site, { database: 'missing' });
    const token = pinyon.token('eva', '--database', 'missing');
    await startSync(page, { token, database: 'missing' });
    const error = await page.evaluate(() => sync.waitForSync().then(() => null, ({ code, message }) => ({ code, message })));
    assert.equal(error.code, 'NotFound');
    assert.match(error.message, /'missing'/);
    const { phase, code } = await page.evaluate(() => sync.status);
    assert.deepEqual([phase, code], ['error', 'NotFound']);
    // A back-off would have begun again by now, more than once.
    await page.evaluate(() => { states.length = 0; });
    await new Promise((resolve) => { setTimeout(resolve, 2000); });
    assert.deepEqual(await page.evaluate(() => states), []);
    // Once it is there, and somebody says so, it goes on.
    const made = await pinyon.request('/admin/databases?name=missing', { method: 'PUT', body: '{}' });
    assert.equal(made.status, 201);
    await page.evaluate(() => sync.resume());
    await synced(page);
    assert.equal(await page.evaluate(() => sync.status.phase), 'live');
    await page.close();
});

test('a token that expires: the reason is told, and a fresh one goes on', async () => {
    const page = await openApplication(laptop, site, { database: 'expiring' });
    await startSync(page, { token: await pinyon.shortToken('eva', 2), prefixes: ['expiring/'] });
    await synced(page);
    await until(() => page.evaluate(() => sync.status.phase === 'error'), 'the end of the token');
    const status = await page.evaluate(() => sync.status);
    assert.equal(status.code, 'Unauthorized');
    assert.match(status.reason, /expired/);
    await put(page, 'expiring/1', { written: 'meanwhile' });
    await page.evaluate(async (token) => {
        await sync.renewToken(token);
        await sync.waitForSync();
    }, pinyon.token('eva'));
    assert.equal((await pinyon.document('expiring/1')).written, 'meanwhile');
    assert.equal(await page.evaluate(() => sync.status.phase), 'live');
    await page.close();

    // With a function, the application is asked.
    const asking = await openApplication(laptop, site, { database: 'asking' });
    await asking.evaluate(([url, database, tokens]) => {
        globalThis.states = [];
        globalThis.asked = 0;
        const token = async () => { asked += 1; return tokens[Math.min(asked, tokens.length) - 1]; };
        globalThis.sync = store.sync({ url, database, prefixes: ['expiring/'], token });
        sync.on('status', ({ phase, code }) => states.push(code ?? phase));
        return sync.waitForSync();
    }, [pinyon.url, DATABASE, [await pinyon.shortToken('eva', 2), pinyon.token('eva')]]);
    await until(() => asking.evaluate(() => asked === 2), 'the question for a fresh token');
    await put(asking, 'expiring/2', { written: 'afterwards' });
    await synced(asking);
    assert.equal((await pinyon.document('expiring/2')).written, 'afterwards');
    const states = await asking.evaluate(() => states);
    // Nobody sees a fault in what mends itself.
    assert.ok(!states.includes('Unauthorized') && states.lastIndexOf('connecting') > states.indexOf('live'), states.join());
    assert.equal(states.at(-1), 'live');
    await asking.close();

    // A function that gives what the server does not take: that is told.
    const lost = await openApplication(laptop, site, { database: 'lost' });
    await lost.evaluate(([url, database, old]) => {
        globalThis.sync = store.sync({ url, database, prefixes: ['expiring/'], token: () => old });
    }, [pinyon.url, DATABASE, 'no token']);
    await until(() => lost.evaluate(() => sync.status.phase === 'error' && sync.status.code === 'Unauthorized'), 'the refusal');
    await lost.close();
});

test('a renewed token that allows something else, or is somebody else\'s, begins another connection', async () => {
    const page = await openApplication(laptop, site, { database: 'renewed' });
    for (const id of ['open/1', 'closed/1']) {
        await pinyon.request(`/databases/${DATABASE}/docs?id=renewed/${id}`, { method: 'PUT', body: '{"from":"the server"}' });
    }
    await startSync(page, { token: pinyon.token('eva', '--read-prefix', 'renewed/open/'), prefixes: ['renewed/'] });
    await synced(page);
    assert.deepEqual([(await get(page, 'renewed/open/1')).from, await get(page, 'renewed/closed/1')], ['the server', null]);
    const renew = (token) => page.evaluate(async (token) => {
        states.length = 0;
        const waiting = sync.waitForSync();
        await sync.renewToken(token);
        await Promise.all([waiting, sync.waitForSync()]);
        return [sync.status.phase, states.filter((it) => it === 'error' || it === 'offline')];
    }, token);
    // What it refuses is one connection, and no error.
    assert.deepEqual(await renew(pinyon.token('eva')), ['live', ['offline']]);
    assert.equal((await get(page, 'renewed/closed/1')).from, 'the server');
    assert.deepEqual(await renew(pinyon.token('adam')), ['live', ['offline']]);
    await put(page, 'renewed/closed/2', { from: 'adam' });
    await synced(page);
    assert.equal((await pinyon.document('renewed/closed/2')).from, 'adam');
    // One that allows the same goes on where it is.
    assert.deepEqual(await renew(pinyon.token('adam')), ['live', []]);
    // One that is no token is refused on a connection of its own, and that holds.
    const error = await page.evaluate(async () => {
        states.length = 0;
        await sync.renewToken('a.b.c');
        const error = await sync.waitForSync().catch((error) => error);
        return [error.code, error.message, states];
    });
    assert.equal(error[0], 'Unauthorized');
    assert.match(error[1], /no JSON Web Token/);
    assert.deepEqual(error[2].filter((it, at, all) => it !== all[at - 1]), ['offline', 'connecting', 'error']);
    await page.close();
});

test('attachments travel both ways, and a deletion too', async () => {
    const pages = await Promise.all([laptop, tablet].map((it) => openApplication(it, site, { database: 'photos' })));
    const [first, second] = pages;
    for (const page of pages) await startSync(page, { token: pinyon.token('eva'), prefixes: ['photos/'] });
    // More than one piece.
    await first.evaluate(async () => {
        const session = store.openSession();
        await session.store({ of: 'Mia' }, 'photos/1');
        const bytes = new Uint8Array(3_000_000).map((_, at) => (at * 7) % 251);
        session.advanced.attachments.store('photos/1', 'large', new Blob([bytes], { type: 'image/x' }));
        await session.saveChanges();
        await sync.waitForSync();
    });
    const onServer = await pinyon.request(`/databases/${DATABASE}/attachments?id=photos/1&name=large`);
    const bytes = new Uint8Array(await onServer.arrayBuffer());
    assert.equal(bytes.length, 3_000_000);
    assert.ok(bytes.every((byte, at) => byte === (at * 7) % 251));
    await until(async () => (await get(second, 'photos/1')) !== null, 'the document of the attachment');
    const seen = await second.evaluate(async () => {
        const { content } = await store.openSession().advanced.attachments.get('photos/1', 'large');
        const bytes = new Uint8Array(await content.arrayBuffer());
        return [bytes.length, bytes.every((byte, at) => byte === (at * 7) % 251)];
    });
    assert.deepEqual(seen, [3_000_000, true]);
    await second.evaluate(async () => {
        const session = store.openSession();
        await session.delete('photos/1');
        await session.saveChanges();
    });
    await until(async () => (await get(first, 'photos/1')) === null, 'the deletion in the other browser');
    assert.equal(await pinyon.document('photos/1'), null);
    for (const page of pages) await page.close();
});

test('a tab that crashes while it syncs and a server that is killed lose nothing and double nothing', async () => {
    const open = () => openApplication(laptop, site, { database: 'crashes' });
    const request = { token: pinyon.token('eva'), prefixes: ['notes/'] };
    const first = await open();
    await startSync(first, request);
    const second = await open();
    await startSync(second, request);
    const writing = second.evaluate(async () => {
        for (let number = 0; number < 150; number += 1) {
            const session = store.openSession();
            await session.store({ number }, `notes/${number}`);
            await session.saveChanges();
        }
    });
    await until(async () => (await pinyon.document('notes/20')) !== null, 'some of the notes');
    await pinyon.kill();
    await crash(laptop, first);
    await pinyon.restart();
    await writing;
    await synced(second);
    for (let number = 0; number < 150; number += 1) assert.equal((await pinyon.document(`notes/${number}`)).number, number);
    assert.deepEqual(await second.evaluate(() => store.conflicts.list()), []);
    assert.deepEqual(await second.evaluate(() => sync.pending()), []);
    // Each as it was written once.
    const vectors = await second.evaluate(async () => {
        const session = store.openSession();
        const notes = await session.advanced.loadStartingWith('notes/', { pageSize: 1000 });
        return Object.fromEntries(notes.map((it) => [it.id, session.advanced.getChangeVectorFor(it)]));
    });
    assert.equal(Object.keys(vectors).length, 150);
    for (const [id, vector] of Object.entries(vectors)) {
        assert.equal((await pinyon.document(id))['@metadata']['@change-vector'], vector);
    }
    await second.close();
});

test('stopping an earlier sync leaves the one that began after it alone', async () => {
    const page = await openApplication(tablet, site, { database: 'restarted' });
    const request = { url: pinyon.url, database: DATABASE, prefixes: ['restarted/'], token: pinyon.token('eva') };
    const isSynced = async (id) => {
        await put(page, id, { written: true });
        await synced(page);
        return (await pinyon.document(id)).written;
    };
    // As effects of components come and go.
    await page.evaluate((request) => {
        const first = store.sync(request);
        const stopped = first.stop();
        globalThis.sync = store.sync(request);
        return stopped;
    }, request);
    assert.equal(await isSynced('restarted/1'), true);
    await page.evaluate(async (request) => {
        const first = sync;
        globalThis.sync = store.sync(request);
        await first.stop();
    }, request);
    assert.equal(await isSynced('restarted/2'), true);
    // One whose token comes too late does not begin any more.
    await page.evaluate(async (request) => {
        let give;
        const late = store.sync({ ...request, database: 'another', token: () => new Promise((resolve) => { give = resolve; }) });
        globalThis.sync = store.sync(request);
        give('late');
        await late.stop();
    }, request);
    assert.equal(await isSynced('restarted/3'), true);
    await page.evaluate(() => sync.stop());
    assert.equal(await page.evaluate(() => sync.waitForSync().catch(({ code }) => code)), 'InvalidRequest');
    await page.close();
});

test('the status can be followed in a loop, which ends with the sync', async () => {
    const page = await openApplication(tablet, site, { database: 'followed' });
    await startSync(page, { token: pinyon.token('eva'), prefixes: ['none/'] });
    const phases = await page.evaluate(async () => {
        const phases = [];
        for await (const { phase } of sync) {
            phases.push(phase);
            if (phase === 'live') await sync.stop();
        }
        return phases;
    });
    assert.equal(phases.at(-1), 'live');
    const error = await page.evaluate(() => sync.waitForSync().catch((error) => error.code));
    assert.equal(error, 'InvalidRequest');
    const why = await page.evaluate(() => {
        try { store.sync({ url: 'nowhere', database: 'x' }); return null; } catch (error) { return `${error.code}: ${error.message}`; }
    });
    assert.match(why, /^InvalidRequest: .*'nowhere'/);
    await page.close();
});
