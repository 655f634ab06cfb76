// A small shop keeps users: stores, loads, changes and deletes documents.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { GetCollectionStatisticsOperation, GetDocumentsCommand } from "ravendb";
import { send } from "../harness/http.js";
import { CountingProxy } from "../harness/proxy.js";
import { Server } from "../harness/server.js";
import { closeStore, createStore, openCountedStore, openStore } from "../harness/store.js";

class User {
    constructor(name, age) {
        this.name = name;
        this.age = age;
    }
}

let server, store;
before(async () => {
    server = await Server.start();
    store = await createStore(server.url);
});
after(async () => {
    await closeStore(store);
    await server.stop();
});

async function save(documents) {
    const session = store.openSession();
    for (const [id, document] of Object.entries(documents)) {
        await session.store(document, id);
    }
    await session.saveChanges();
    return session;
}

test("a stored entity gets the next id of its collection and comes back as its class", async () => {
    const session = store.openSession();
    const ann = new User("Ann", 31);
    const bo = new User("Bo", 44);
    await session.store(ann);
    await session.store(bo);
    await session.saveChanges();
    assert.equal(session.advanced.getDocumentId(ann), "users/1-A");
    assert.equal(session.advanced.getDocumentId(bo), "users/2-A");

    const loaded = await store.openSession().load("users/1-A", User);
    assert.ok(loaded instanceof User);
    assert.deepEqual({ name: loaded.name, age: loaded.age }, { name: "Ann", age: 31 });
});

test("a change made in one session is seen by the next, a deletion too", async () => {
    await save({ "changing/1": { name: "first", tags: ["a"] } });

    const change = store.openSession();
    const document = await change.load("changing/1");
    const before = change.advanced.getChangeVectorFor(document);
    document.name = "second";
    document.tags.push("b");
    document.added = { deep: [1, { x: null }] };
    assert.ok(change.advanced.hasChanges());
    await change.saveChanges();
    assert.ok(!change.advanced.hasChanges());
    assert.notEqual(change.advanced.getChangeVectorFor(document), before);

    const reader = store.openSession();
    const changed = await reader.load("changing/1");
    assert.equal(changed.name, "second");
    assert.deepEqual([...changed.tags], ["a", "b"]);
    assert.deepEqual(JSON.parse(JSON.stringify(changed.added)), { deep: [1, { x: null }] });
    await reader.delete(changed);
    await reader.saveChanges();

    const last = store.openSession();
    assert.equal(await last.load("changing/1"), null);
    assert.equal(await last.advanced.exists("changing/1"), false);
});

test("saving without a change sends nothing", async () => {
    await save({ "still/1": { name: "still" } });
    const session = store.openSession();
    await session.load("still/1");
    const requests = session.advanced.numberOfRequests;
    await session.saveChanges();
    assert.equal(session.advanced.numberOfRequests, requests);
});

test("ids are found in any case and keep the case they were given", async () => {
    await save({ "Children/Alice-Liddell": { name: "Alice" } });
    const session = store.openSession();
    const found = await session.load("children/ALICE-liddell");
    assert.equal(found.name, "Alice");
    assert.equal(session.advanced.getMetadataFor(found)["@id"], "Children/Alice-Liddell");

    await save({ "CHILDREN/alice-liddell": { name: "Alice again" } });
    const all = await store.openSession().advanced.loadStartingWith("children/");
    assert.equal(all.length, 1, "one document, whatever the case of its id");
});

test("ids of other scripts and with special characters come back as given", async () => {
    const ids = ["städte/Zürich", "日本/東京", "smile/😀", "space/a b", "sign/a&b=c?d#e%20f+g", "quote/\"x\"", "semi/a;b,c"];
    await save(Object.fromEntries(ids.map(id => [id, { self: id }])));
    for (const id of ids) {
        const session = store.openSession();
        const document = await session.load(id);
        assert.ok(document, `${id} is found`);
        assert.equal(document.self, id);
        assert.equal(session.advanced.getDocumentId(document), id);
    }
});

test("the collection comes from the class, or from the metadata, else it is @empty", async () => {
    const own = await createStore(server.url);
    const session = own.openSession();
    await session.store(new User("Cy", 5), "kept/user");
    await session.store({ plain: true }, "kept/plain");
    await session.store({ a: 1, "@metadata": { "@collection": "Songs" } }, "what-a-wonderful-world");
    await session.saveChanges();
    const reader = own.openSession();
    const collectionOf = async id => reader.advanced.getMetadataFor(await reader.load(id))["@collection"];
    assert.equal(await collectionOf("kept/user"), "Users");
    assert.equal(await collectionOf("what-a-wonderful-world"), "Songs");
    const { collections } = await own.maintenance.send(new GetCollectionStatisticsOperation());
    assert.deepEqual({ ...collections }, { "@empty": 1, Songs: 1, Users: 1 });
    await closeStore(own);
});

test("one's own metadata is kept with the document", async () => {
    const session = store.openSession();
    const document = { name: "tagged" };
    await session.store(document, "meta/1");
    const metadata = session.advanced.getMetadataFor(document);
    metadata["Reviewed-By"] = "ann";
    metadata["Scores"] = { first: 1, second: [2, 3] };
    await session.saveChanges();

    const second = store.openSession();
    const loaded = await second.load("meta/1");
    const kept = second.advanced.getMetadataFor(loaded);
    assert.equal(kept["Reviewed-By"], "ann");
    assert.deepEqual(JSON.parse(JSON.stringify(kept["Scores"])), { first: 1, second: [2, 3] });
    assert.equal(kept["@id"], "meta/1");
    assert.match(kept["@change-vector"], /^A:\d+-[\w+/]{22}$/);
    assert.match(kept["@last-modified"], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/);
    assert.ok(Math.abs(second.advanced.getLastModifiedFor(loaded) - Date.now()) < 24 * 3600 * 1000);

    kept["Reviewed-By"] = "bo";
    await second.saveChanges();
    const third = store.openSession();
    assert.equal(third.advanced.getMetadataFor(await third.load("meta/1"))["Reviewed-By"], "bo");
});

test("a document cannot move to another collection by an update", async () => {
    await save({ "fixed/1": { a: 1, "@metadata": { "@collection": "Fixed" } } });
    const session = store.openSession();
    const document = await session.load("fixed/1");
    document.a = 2;
    session.advanced.getMetadataFor(document)["@collection"] = "Moved";
    await assert.rejects(session.saveChanges(), /collection/i);

    const reader = store.openSession();
    const kept = await reader.load("fixed/1");
    assert.equal(kept.a, 1);
    assert.equal(reader.advanced.getMetadataFor(kept)["@collection"], "Fixed");

    // Deleting first makes room for another collection.
    await reader.delete(kept);
    await reader.saveChanges();
    await save({ "fixed/1": { a: 3, "@metadata": { "@collection": "Moved" } } });
    const moved = store.openSession();
    assert.equal(moved.advanced.getMetadataFor(await moved.load("fixed/1"))["@collection"], "Moved");
});

test("a hundred ids are loaded by one request, missing ones as null", async () => {
    const present = Array.from({ length: 97 }, (_, n) => `many/${n}`);
    await save(Object.fromEntries(present.map((id, n) => [id, { n }])));
    const ids = [...present.slice(0, 50), "many/x", "many/y", ...present.slice(50), "many/z"];
    const session = store.openSession();
    const result = await session.load(ids);
    assert.equal(session.advanced.numberOfRequests, 1);
    assert.deepEqual(Object.keys(result), ids);
    assert.equal(ids.filter(id => result[id] === null).length, 3);
    present.forEach((id, n) => assert.equal(result[id].n, n));
});

test("a list of ids too long for a URL goes by POST", async () => {
    const ids = Array.from({ length: 60 }, (_, n) => `a-rather-long-prefix-for-a-document-id/${n}`);
    await save(Object.fromEntries(ids.map((id, n) => [id, { n }])));
    const proxy = await CountingProxy.start(server.url);
    const counted = openCountedStore(proxy, store.database);
    const result = await counted.openSession().load([...ids, "missing/1"]);
    ids.forEach((id, n) => assert.equal(result[id].n, n));
    assert.equal(result["missing/1"], null);
    const loads = proxy.requests("/docs");
    assert.deepEqual(loads.map(({ method, status }) => [method, status]), [["POST", 200]]);
    await closeStore(counted);
    await proxy.stop();
});

test("existence is asked by HEAD, without loading", async () => {
    await save({ "exists/1": { big: "x".repeat(10_000) } });
    const proxy = await CountingProxy.start(server.url);
    const counted = openCountedStore(proxy, store.database);
    const session = counted.openSession();
    assert.equal(await session.advanced.exists("exists/1"), true);
    assert.equal(await session.advanced.exists("EXISTS/1"), true);
    assert.equal(await session.advanced.exists("exists/2"), false);
    assert.deepEqual(proxy.requests("/docs").map(({ method, status }) => [method, status]),
        [["HEAD", 200], ["HEAD", 200], ["HEAD", 404]]);
    await closeStore(counted);
    await proxy.stop();
});

test("a conditional load answers only what has changed", async () => {
    await save({ "conditional/1": { n: 1 } });
    const first = store.openSession();
    const vector = first.advanced.getChangeVectorFor(await first.load("conditional/1"));

    const unchanged = await store.openSession().advanced.conditionalLoad("conditional/1", vector, Object);
    assert.equal(unchanged.entity, null);
    assert.equal(unchanged.changeVector, vector);

    await save({ "conditional/1": { n: 2 } });
    const changed = await store.openSession().advanced.conditionalLoad("conditional/1", vector, Object);
    assert.equal(changed.entity.n, 2);
    assert.notEqual(changed.changeVector, vector);

    const removal = store.openSession();
    await removal.delete("conditional/1");
    await removal.saveChanges();
    const missing = await store.openSession().advanced.conditionalLoad("conditional/1", vector, Object);
    assert.deepEqual([missing.entity, missing.changeVector], [null, null]);
});

test("a refreshed entity shows what others saved meanwhile", async () => {
    await save({ "refresh/1": { n: 1 } });
    const session = store.openSession();
    const document = await session.load("refresh/1");
    await save({ "refresh/1": { n: 2 } });
    await session.advanced.refresh(document);
    assert.equal(document.n, 2);
});

test("only the metadata can be asked for", async () => {
    await save({ "only/1": { a: 1, "@metadata": { "@collection": "Onlys", Mine: "yes" } } });
    const command = new GetDocumentsCommand({
        ids: ["only/1", "only/2"], includes: null, metadataOnly: true, conventions: store.conventions,
    });
    await store.getRequestExecutor().execute(command);
    const [first, second] = command.result.results;
    assert.deepEqual(Object.keys(first), ["@metadata"]);
    assert.equal(first["@metadata"].Mine, "yes");
    assert.equal(second, null);
});

test("ids that no document may have are refused and store nothing", async () => {
    const tooLong = "a".repeat(3000);
    const session = store.openSession();
    await session.store({ ok: false }, "refused/1");
    await session.store({ ok: false }, tooLong);
    await assert.rejects(session.saveChanges(), /id/);
    assert.equal(await store.openSession().load("refused/1"), null);

    const answer = await send(server.url, "PUT", `/databases/${store.database}/docs?id=`, { body: { a: 1 } });
    assert.ok(answer.status >= 400);
    assert.match(answer.json.Message, /id/);
});

test("a document put without a class of its own answers the id the server made", async () => {
    const session = store.openSession();
    const document = { made: "by the server" };
    await session.store(document, "made/");
    await session.saveChanges();
    const id = session.advanced.getDocumentId(document);
    assert.match(id, /^made\/\d{19}-A$/);
    assert.equal((await store.openSession().load(id)).made, "by the server");
});

test("a six megabyte document is stored and comes back whole", async () => {
    const rows = Array.from({ length: 60_000 }, (_, n) => ({ n, text: `row ${n} ${"x".repeat(80)}` }));
    await save({ "large/1": { rows } });
    const loaded = await store.openSession().load("large/1");
    assert.equal(loaded.rows.length, rows.length);
    assert.deepEqual({ ...loaded.rows[59_999] }, rows[59_999]);
});

test("answers of two megabytes, many at once, are read to their end", async () => {
    // This client closes its connection after each answer; an end that comes too early for
    // its reader would end the process (nodejs/undici#5360).
    const ids = Array.from({ length: 100 }, (_, n) => `wide/${n}`);
    await save(Object.fromEntries(ids.map(id => [id, { text: randomBytes(10_000).toString("hex") }])));
    for (const conventions of [{}, { useHttpDecompression: false }]) {
        const reader = openStore(server.url, store.database, conventions);
        await Promise.all(Array.from({ length: 24 }, async () => {
            const found = await reader.openSession({ noCaching: true }).load(ids);
            assert.equal(Object.values(found).filter(document => document.text.length === 20_000).length, ids.length);
        }));
        await closeStore(reader);
    }
});
