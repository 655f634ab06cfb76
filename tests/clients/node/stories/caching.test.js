// What has not changed is not sent again: counted at the server's door.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { GetCollectionStatisticsOperation, GetStatisticsOperation } from "ravendb";
import { send } from "../harness/http.js";
import { CountingProxy } from "../harness/proxy.js";
import { Server } from "../harness/server.js";
import { closeStore, createStore, openCountedStore } from "../harness/store.js";

let server, proxy, store;
before(async () => {
    server = await Server.start();
    const setup = await createStore(server.url);
    const session = setup.openSession();
    await session.store({ states: ["open", "closed"] }, "config/states");
    await session.store({ n: 1 }, "cups/1");
    await session.store({ n: 2 }, "cups/2");
    await session.saveChanges();
    proxy = await CountingProxy.start(server.url);
    store = openCountedStore(proxy, setup.database);
    await store.openSession().load("nothing/yet");
    await closeStore(setup);
});
after(async () => {
    await closeStore(store);
    await proxy.stop();
    await server.stop();
});

/** Runs `ask` with a new session and tells the statuses of the answers it caused. */
async function statuses(ask) {
    proxy.clear();
    const value = await ask(store.openSession());
    return { value, statuses: proxy.log.map(({ status }) => status) };
}

async function change(id, changes) {
    const session = store.openSession();
    Object.assign(await session.load(id), changes);
    await session.saveChanges();
}

test("a second load of a document is answered 304, and 200 again after a change", async () => {
    const load = () => statuses(session => session.load("config/states"));
    assert.deepEqual((await load()).statuses, [200]);
    const second = await load();
    assert.deepEqual(second.statuses, [304]);
    assert.deepEqual([...second.value.states], ["open", "closed"]);
    await change("config/states", { states: ["open", "closed", "lost"] });
    const third = await load();
    assert.deepEqual(third.statuses, [200]);
    assert.deepEqual([...third.value.states], ["open", "closed", "lost"]);
    assert.deepEqual((await load()).statuses, [304]);
});

test("a change to another document does not matter", async () => {
    const load = () => statuses(session => session.load("config/states"));
    await load();
    await change("cups/1", { n: 11 });
    assert.deepEqual((await load()).statuses, [304]);
});

test("a load of several documents is answered 304 until one of them changes", async () => {
    const load = () => statuses(session => session.load(["cups/1", "cups/2", "cups/404"]));
    await load();
    assert.deepEqual((await load()).statuses, [304]);
    await change("cups/2", { n: 22 });
    const changed = await load();
    assert.deepEqual(changed.statuses, [200]);
    assert.equal(changed.value["cups/2"].n, 22);

    const session = store.openSession();
    await session.store({ n: 404 }, "cups/404");
    await session.saveChanges();
    const appeared = await load();
    assert.deepEqual(appeared.statuses, [200], "a missing document that appears changes the answer");
    assert.equal(appeared.value["cups/404"].n, 404);
    await session.delete("cups/404");
    await session.saveChanges();
    const gone = await load();
    assert.deepEqual(gone.statuses, [200]);
    assert.equal(gone.value["cups/404"], null);
});

test("a prefix is answered 304 until one of its documents comes or goes", async () => {
    const load = () => statuses(session => session.advanced.loadStartingWith("cups/"));
    await load();
    assert.deepEqual((await load()).statuses, [304]);
    const session = store.openSession();
    await session.store({ n: 3 }, "cups/3");
    await session.saveChanges();
    const more = await load();
    assert.deepEqual(more.statuses, [200]);
    assert.equal(more.value.length, 3);
    await session.delete("cups/3");
    await session.saveChanges();
    const less = await load();
    assert.deepEqual(less.statuses, [200]);
    assert.equal(less.value.length, 2);
});

test("statistics are answered fresh after every change", async () => {
    const count = async () => (await store.maintenance.send(new GetStatisticsOperation())).countOfDocuments;
    const collections = async () => (await store.maintenance.send(new GetCollectionStatisticsOperation())).countOfDocuments;
    const before = await count();
    assert.equal(await collections(), before);
    const session = store.openSession();
    await session.store({ n: 1 }, "more/1");
    await session.saveChanges();
    assert.equal(await count(), before + 1);
    assert.equal(await collections(), before + 1);
    assert.equal(await count(), before + 1);
});

test("a session without caching always asks anew", async () => {
    await statuses(session => session.load("config/states"));
    proxy.clear();
    await store.openSession({ noCaching: true }).load("config/states");
    assert.deepEqual(proxy.log.map(({ status }) => status), [200]);
});

test("a 304 has no body, and its tag may come with quotes or without", async () => {
    const path = `/databases/${store.database}/docs?id=cups%2F1`;
    const first = await send(server.url, "GET", path);
    const etag = first.headers.etag;
    assert.match(etag, /^"A:\d+-.{22}"$/);
    for (const tag of [etag, etag.slice(1, -1)]) {
        const second = await send(server.url, "GET", path, { headers: { "If-None-Match": tag } });
        assert.equal(second.status, 304);
        assert.equal(second.body.length, 0);
    }
    const head = await send(server.url, "HEAD", path, { headers: { "If-None-Match": etag.slice(1, -1) } });
    assert.equal(head.status, 304);
    const other = await send(server.url, "GET", path, { headers: { "If-None-Match": "\"A:1-AAAAAAAAAAAAAAAAAAAAAA\"" } });
    assert.equal(other.status, 200);
});

test("the metadata alone and the whole document are not mistaken for each other", async () => {
    const path = `/databases/${store.database}/docs?id=cups%2F1`;
    const whole = await send(server.url, "GET", path);
    const metadata = await send(server.url, "GET", `${path}&metadataOnly=true`);
    assert.equal(whole.json.Results[0].n, 11);
    assert.deepEqual(Object.keys(metadata.json.Results[0]), ["@metadata"]);
});
