// Two clients hand out ids at once, from ranges the server gives them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { send } from "../harness/http.js";
import { CountingProxy } from "../harness/proxy.js";
import { Server } from "../harness/server.js";
import { closeStore, createStore, openCountedStore, openStore } from "../harness/store.js";

class Ticket {}
class Coupon {}

let server;
before(async () => { server = await Server.start(); });
after(() => server.stop());

async function readHiLo(database, tag) {
    const answer = await send(server.url, "GET", `/databases/${database}/docs?id=${encodeURIComponent(`Raven/Hilo/${tag}`)}`);
    assert.equal(answer.status, 200);
    return answer.json.Results[0];
}

test("two clients at once never give out the same id", async () => {
    const one = await createStore(server.url);
    const two = openStore(server.url, one.database);
    const ids = new Set();
    const fill = async store => {
        for (let batch = 0; batch < 10; batch++) {
            const session = store.openSession();
            for (let n = 0; n < 40; n++) {
                const ticket = new Ticket();
                await session.store(ticket);
                ids.add(session.advanced.getDocumentId(ticket));
            }
            await session.saveChanges();
        }
    };
    await Promise.all([fill(one), fill(two)]);
    assert.equal(ids.size, 800);
    for (const id of ids) {
        assert.match(id, /^tickets\/[1-9]\d*-A$/);
    }
    const stored = await one.openSession().advanced.loadStartingWith("tickets/", { pageSize: 2000 });
    assert.equal(stored.length, 800);
    await closeStore(two);
    await closeStore(one);
});

test("ranges grow while a client is busy", async () => {
    const setup = await createStore(server.url);
    const proxy = await CountingProxy.start(server.url);
    const store = openCountedStore(proxy, setup.database);
    const session = store.openSession();
    for (let n = 0; n < 500; n++) {
        await session.store(new Ticket());
    }
    const ranges = proxy.requests("/hilo/next");
    // 32 + 64 + 128 + 256 + 512 covers 500 ids; ranges of 32 alone would need sixteen.
    assert.equal(ranges.length, 5);
    assert.ok(ranges.every(({ status }) => status === 201 || status === 200));
    await session.saveChanges();
    await closeStore(store);
    await proxy.stop();
    await closeStore(setup);
});

test("an unused rest of a range is given back", async () => {
    const setup = await createStore(server.url);
    const proxy = await CountingProxy.start(server.url);
    const first = openCountedStore(proxy, setup.database);
    const session = first.openSession();
    await session.store(new Coupon());
    await session.store(new Coupon());
    await session.saveChanges();
    const held = await readHiLo(setup.database, "coupons");
    assert.equal(held.Max, 32);
    assert.equal(held["@metadata"]["@collection"], "@hilo");
    await closeStore(first);
    assert.deepEqual(proxy.requests("/hilo/return").map(({ method, status }) => [method, status]), [["PUT", 204]]);
    assert.equal((await readHiLo(setup.database, "coupons")).Max, 2);

    const second = openStore(server.url, setup.database);
    const next = second.openSession();
    const coupon = new Coupon();
    await next.store(coupon);
    assert.equal(next.advanced.getDocumentId(coupon), "coupons/3-A");
    await closeStore(second);
    await proxy.stop();
    await closeStore(setup);
});

test("a range given back too late is not taken", async () => {
    const store = await createStore(server.url);
    const next = `/databases/${store.database}/hilo/next?tag=Late&lastBatchSize=0&lastRangeAt=&identityPartsSeparator=%2F&lastMax=0`;
    const first = (await send(server.url, "GET", next)).json;
    const second = (await send(server.url, "GET", next)).json;
    assert.deepEqual([first.Low, first.High, second.Low], [1, 32, 33]);
    const late = await send(server.url, "PUT", `/databases/${store.database}/hilo/return?tag=Late&end=32&last=5`);
    assert.equal(late.status, 204);
    assert.equal((await readHiLo(store.database, "Late")).Max, second.High);
    await closeStore(store);
});

test("ranges go on after a restart", async () => {
    const own = await Server.start();
    const store = await createStore(own.url);
    const path = `/databases/${store.database}/hilo/next?tag=Kept&lastBatchSize=0&lastRangeAt=&identityPartsSeparator=%2F&lastMax=0`;
    const before = (await send(own.url, "GET", path)).json;
    await own.crash();
    const after = (await send(own.url, "GET", path)).json;
    assert.equal(after.Low, before.High + 1);
    await closeStore(store);
    await own.stop();
});

test("each tag counts for itself, in any case", async () => {
    const store = await createStore(server.url);
    const ask = async tag => (await send(server.url, "GET",
        `/databases/${store.database}/hilo/next?tag=${tag}&lastBatchSize=0&lastRangeAt=&identityPartsSeparator=%2F&lastMax=0`)).json;
    const red = await ask("Reds");
    const blue = await ask("Blues");
    const redAgain = await ask("reds");
    assert.equal(red.Low, 1);
    assert.equal(blue.Low, 1);
    assert.equal(redAgain.Low, 33);
    assert.equal(red.Prefix, "Reds/");
    assert.equal(red.ServerTag, "A");
    await closeStore(store);
});
