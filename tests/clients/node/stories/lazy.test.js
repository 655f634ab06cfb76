// A page needs several things at once and asks for them in one request.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CountingProxy } from "../harness/proxy.js";
import { Server } from "../harness/server.js";
import { closeStore, createStore, openCountedStore } from "../harness/store.js";

let server, proxy, store;
before(async () => {
    server = await Server.start();
    const setup = await createStore(server.url);
    const session = setup.openSession();
    await session.store({ Name: "Acme" }, "companies/1-A");
    await session.store({ Company: "companies/1-A" }, "orders/1-A");
    for (let n = 1; n <= 3; n++) {
        await session.store({ n }, `cups/${n}`);
    }
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

const paths = () => proxy.log.map(({ method, path }) => `${method} ${path.replace(/.*\/databases\/[^/]+/, "").replace(/\?.*/, "")}`);

test("two lazy loads are one request", async () => {
    const session = store.openSession();
    proxy.clear();
    const company = session.advanced.lazily.load("companies/1-A");
    const order = session.advanced.lazily.load("orders/1-A");
    assert.equal(proxy.log.length, 0);
    assert.equal((await company.getValue()).Name, "Acme");
    assert.equal((await order.getValue()).Company, "companies/1-A");
    assert.deepEqual(paths(), ["POST /multi_get"]);
});

test("lazy loads of every kind share the request", async () => {
    const session = store.openSession();
    proxy.clear();
    const missing = session.advanced.lazily.load("companies/404-A");
    const several = session.advanced.lazily.load(["cups/1", "cups/404"]);
    const prefix = session.advanced.lazily.loadStartingWith("cups/");
    const withInclude = session.advanced.lazily.include("Company").load("orders/1-A");
    await session.advanced.eagerly.executeAllPendingLazyOperations();
    assert.equal(await missing.getValue(), null);
    const cups = await several.getValue();
    assert.equal(cups["cups/1"].n, 1);
    assert.equal(cups["cups/404"], null);
    assert.deepEqual(Object.keys(await prefix.getValue()).length, 3);
    const order = await withInclude.getValue();
    assert.equal((await session.load(order.Company)).Name, "Acme");
    assert.deepEqual(paths(), ["POST /multi_get"]);
});

test("a lazy load of what the session already has asks nothing", async () => {
    const session = store.openSession();
    const loaded = await session.load("companies/1-A");
    proxy.clear();
    assert.equal(await session.advanced.lazily.load("companies/1-A").getValue(), loaded);
    assert.deepEqual(paths(), []);
});

test("a lazy answer that did not change is taken from the client's cache", async () => {
    const ask = async () => {
        const session = store.openSession();
        const lazies = [1, 2, 3].map(n => session.advanced.lazily.load(`cups/${n}`));
        return Promise.all(lazies.map(lazy => lazy.getValue()));
    };
    const before = await ask();
    const again = await ask();
    assert.deepEqual(again.map(cup => cup.n), before.map(cup => cup.n));

    const session = store.openSession();
    (await session.load("cups/2")).n = 20;
    await session.saveChanges();
    assert.deepEqual((await ask()).map(cup => cup.n), [1, 20, 3]);
});

test("a lazy conditional load tells what changed", async () => {
    const first = store.openSession();
    const vector = first.advanced.getChangeVectorFor(await first.load("companies/1-A"));
    const session = store.openSession();
    const same = await session.advanced.lazily.conditionalLoad("companies/1-A", vector, Object).getValue();
    assert.equal(same.entity, null);
    assert.equal(same.changeVector, vector);
    const older = await store.openSession().advanced.lazily
        .conditionalLoad("companies/1-A", "A:1-AAAAAAAAAAAAAAAAAAAAAA", Object).getValue();
    assert.equal(older.entity.Name, "Acme");
});
