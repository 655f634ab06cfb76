// Companies get consecutive numbers from the server.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { GetIdentitiesOperation, NextIdentityForOperation, SeedIdentityForOperation } from "ravendb";
import { Server } from "../harness/server.js";
import { closeStore, createStore } from "../harness/store.js";

let server, store;
before(async () => {
    server = await Server.start();
    store = await createStore(server.url);
});
after(async () => {
    await closeStore(store);
    await server.stop();
});

async function add(prefix, count) {
    const session = store.openSession();
    const documents = Array.from({ length: count }, (_, n) => ({ n }));
    for (const document of documents) {
        await session.store(document, prefix);
    }
    await session.saveChanges();
    return documents.map(document => session.advanced.getDocumentId(document));
}

test("ids ending in a bar are numbered one after the other", async () => {
    assert.deepEqual(await add("companies|", 3), ["companies/1", "companies/2", "companies/3"]);
    assert.deepEqual(await add("companies|", 1), ["companies/4"]);
    assert.equal((await store.openSession().load("companies/2")).n, 1);
});

test("a number can be taken and a counter set forward", async () => {
    assert.equal(await store.maintenance.send(new NextIdentityForOperation("invoices|")), 1);
    assert.equal(await store.maintenance.send(new SeedIdentityForOperation("invoices|", 100)), 100);
    assert.equal(await store.maintenance.send(new NextIdentityForOperation("invoices|")), 101);
    assert.deepEqual(await add("invoices|", 1), ["invoices/102"]);

    // Only force sets it back.
    assert.equal(await store.maintenance.send(new SeedIdentityForOperation("invoices|", 50)), 102);
    assert.equal(await store.maintenance.send(new SeedIdentityForOperation("invoices|", 50, true)), 50);
    assert.deepEqual(await add("invoices|", 1), ["invoices/51"]);

    const identities = await store.maintenance.send(new GetIdentitiesOperation());
    assert.equal(identities["invoices|"], 51);
});

test("names of identities are the same in any case", async () => {
    assert.deepEqual(await add("Teams|", 1), ["Teams/1"]);
    assert.deepEqual(await add("TEAMS|", 1), ["TEAMS/2"]);
});

test("an identity never overwrites a document that has its number", async () => {
    const session = store.openSession();
    await session.store({ here: "first" }, "people/1");
    await session.store({ here: "first" }, "people/2");
    await session.saveChanges();
    assert.deepEqual(await add("people|", 2), ["people/3", "people/4"]);
    assert.equal((await store.openSession().load("people/1")).here, "first");
});

test("two clients at once get different numbers", async () => {
    const ids = (await Promise.all(Array.from({ length: 8 }, () => add("seats|", 25)))).flat();
    assert.equal(new Set(ids).size, 200);
    assert.equal((await store.maintenance.send(new GetIdentitiesOperation()))["seats|"], 200);
});

test("numbers go on after a crash", async () => {
    const own = await Server.start();
    const ownStore = await createStore(own.url);
    const next = () => ownStore.maintenance.send(new NextIdentityForOperation("kept|"));
    assert.equal(await next(), 1);
    assert.equal(await next(), 2);
    await own.crash();
    assert.ok(await next() >= 3);
    await closeStore(ownStore);
    await own.stop();
});
