// Two people work on the same documents: what each may overwrite, and what is refused.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DeleteDatabasesOperation } from "ravendb";
import { Server } from "../harness/server.js";
import { closeStore, createStore, openStore } from "../harness/store.js";

class Account {
    constructor(balance) {
        this.balance = balance;
    }
}

const refusal = { name: "ConcurrencyException" };

let server, store;
before(async () => {
    server = await Server.start();
    store = await createStore(server.url);
});
after(async () => {
    await store.maintenance.server.send(
        new DeleteDatabasesOperation({ databaseNames: [store.database], hardDelete: true }));
    store.dispose();
    await server.stop();
});

async function put(id, document) {
    const session = store.openSession();
    await session.store(document, id);
    await session.saveChanges();
    return session.advanced.getChangeVectorFor(document);
}

const read = id => store.openSession().load(id);

test("without a check the last write wins", async () => {
    await put("plain/1", { by: "nobody" });
    const one = store.openSession();
    const two = store.openSession();
    (await one.load("plain/1")).by = "one";
    (await two.load("plain/1")).by = "two";
    await one.saveChanges();
    await two.saveChanges();
    assert.equal((await read("plain/1")).by, "two");
});

test("a session with optimistic concurrency refuses a stale write and aborts as a whole", async () => {
    await put("session/1", { by: "nobody" });
    await put("session/2", { by: "nobody" });
    const careful = store.openSession();
    careful.advanced.useOptimisticConcurrency = true;
    (await careful.load("session/1")).by = "careful";
    (await careful.load("session/2")).by = "careful";
    await careful.store({ by: "careful" }, "session/3");

    await put("session/2", { by: "other" });
    await assert.rejects(careful.saveChanges(), refusal);

    assert.equal((await read("session/1")).by, "nobody", "nothing of the batch is done");
    assert.equal((await read("session/2")).by, "other");
    assert.equal(await read("session/3"), null);
});

test("a session with optimistic concurrency goes on after loading anew", async () => {
    await put("retry/1", { n: 1 });
    const careful = store.openSession();
    careful.advanced.useOptimisticConcurrency = true;
    const document = await careful.load("retry/1");
    document.n = 10;
    await put("retry/1", { n: 2 });
    await assert.rejects(careful.saveChanges(), refusal);

    const again = store.openSession();
    again.advanced.useOptimisticConcurrency = true;
    (await again.load("retry/1")).n += 10;
    await again.saveChanges();
    (await again.load("retry/1")).n += 10;
    await again.saveChanges();
    assert.equal((await read("retry/1")).n, 22);
});

test("a whole store can be told to check", async () => {
    const careful = openStore(server.url, store.database, { useOptimisticConcurrency: true });
    await put("store/1", { n: 1 });
    const session = careful.openSession();
    (await session.load("store/1")).n = 2;
    await put("store/1", { n: 3 });
    await assert.rejects(session.saveChanges(), refusal);
    assert.equal((await read("store/1")).n, 3);
    await closeStore(careful);
});

test("a single store can name the vector it expects", async () => {
    const first = await put("single/1", { n: 1 });
    const second = await put("single/1", { n: 2 });
    assert.notEqual(first, second);

    const stale = store.openSession();
    await stale.store({ n: 3 }, "single/1", { changeVector: first });
    await stale.store({ n: 3 }, "single/2");
    await assert.rejects(stale.saveChanges(), refusal);
    assert.equal((await read("single/1")).n, 2);
    assert.equal(await read("single/2"), null);

    const current = store.openSession();
    await current.store({ n: 4 }, "single/1", { changeVector: second });
    await current.saveChanges();
    assert.equal((await read("single/1")).n, 4);
});

test("an empty vector asks that the document is new", async () => {
    const fresh = store.openSession();
    await fresh.store({ n: 1 }, "fresh/1", { changeVector: "" });
    await fresh.saveChanges();

    const again = store.openSession();
    await again.store({ n: 2 }, "fresh/1", { changeVector: "" });
    await assert.rejects(again.saveChanges(), refusal);
    assert.equal((await read("fresh/1")).n, 1);
});

test("a vector expected of a document that is not there is refused", async () => {
    const vector = await put("gone/1", { n: 1 });
    const removal = store.openSession();
    await removal.delete("gone/1");
    await removal.saveChanges();

    const late = store.openSession();
    await late.store({ n: 2 }, "gone/1", { changeVector: vector });
    await assert.rejects(late.saveChanges(), refusal);
    assert.equal(await read("gone/1"), null);
});

test("a deletion can be careful too", async () => {
    const first = await put("delete/1", { n: 1 });
    const second = await put("delete/1", { n: 2 });
    const stale = store.openSession();
    await stale.delete("delete/1", first);
    await assert.rejects(stale.saveChanges(), refusal);
    assert.equal((await read("delete/1")).n, 2);

    const current = store.openSession();
    await current.delete("delete/1", second);
    await current.saveChanges();
    assert.equal(await read("delete/1"), null);
});

test("a generated id that is already taken is refused, not overwritten", async () => {
    await put("accounts/1-A", new Account(100));
    // Only a careful session makes this client say that a generated id must be new.
    const session = store.openSession();
    session.advanced.useOptimisticConcurrency = true;
    const account = new Account(0);
    await session.store(account);
    assert.equal(session.advanced.getDocumentId(account), "accounts/1-A");
    await assert.rejects(session.saveChanges(), refusal);
    assert.equal((await read("accounts/1-A")).balance, 100);
});

test("a vector handed out can be handed back days later, over a restart", async () => {
    const own = await Server.start();
    const early = await createStore(own.url);
    const session = early.openSession();
    const document = { n: 1 };
    await session.store(document, "offline/1");
    await session.saveChanges();
    const vector = session.advanced.getChangeVectorFor(document);
    await own.restart();

    const late = openStore(own.url, early.database);
    const first = late.openSession();
    await first.store({ n: 2 }, "offline/1", { changeVector: vector });
    await first.saveChanges();
    const second = late.openSession();
    await second.store({ n: 3 }, "offline/1", { changeVector: vector });
    await assert.rejects(second.saveChanges(), refusal);
    assert.equal((await late.openSession().load("offline/1")).n, 2);
    await closeStore(late);
    await closeStore(early);
    await own.stop();
});

test("a hundred writers of one counter lose nothing when they check and retry", async () => {
    await put("counter/1", { n: 0 });
    let refused = 0;
    const increment = async () => {
        for (;;) {
            const session = store.openSession();
            session.advanced.useOptimisticConcurrency = true;
            (await session.load("counter/1")).n += 1;
            try {
                await session.saveChanges();
                return;
            } catch (error) {
                assert.equal(error.name, "ConcurrencyException");
                refused += 1;
            }
        }
    };
    for (let round = 0; round < 10; round++) {
        await Promise.all(Array.from({ length: 10 }, increment));
    }
    assert.equal((await read("counter/1")).n, 100);
    assert.ok(refused > 0, "the writers did meet");
});

test("a session that checks its reads is refused when a document it only read has changed", async () => {
    await put("limits/1", { max: 10 });
    await put("spending/1", { sum: 0 });
    const session = store.openSession({ optimisticConcurrencyMode: "WritesAndReads" });
    const limit = await session.load("limits/1");
    (await session.load("spending/1")).sum = limit.max;

    await put("limits/1", { max: 5 });
    await assert.rejects(session.saveChanges(), refusal);
    assert.equal((await read("spending/1")).sum, 0);

    const again = store.openSession({ optimisticConcurrencyMode: "WritesAndReads" });
    const lowered = await again.load("limits/1");
    (await again.load("spending/1")).sum = lowered.max;
    await again.saveChanges();
    assert.equal((await read("spending/1")).sum, 5);
});
