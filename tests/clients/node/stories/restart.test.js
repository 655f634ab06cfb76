// The server goes away in the middle of the work and comes back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Server } from "../harness/server.js";
import { closeStore, createStore, openStore } from "../harness/store.js";

for (const [kind, interrupt] of [["a graceful restart", server => server.restart()], ["a kill", server => server.crash()]]) {
    test(`a session goes on after ${kind}`, async () => {
        const server = await Server.start();
        const store = await createStore(server.url);
        const session = store.openSession();
        await session.store({ n: 1 }, "kept/1");
        await session.saveChanges();
        const document = await session.load("kept/1");
        document.n = 2;

        await interrupt(server);

        await session.saveChanges();
        assert.equal((await store.openSession().load("kept/1")).n, 2);

        const fresh = openStore(server.url, store.database);
        const read = fresh.openSession();
        assert.equal((await read.load("kept/1")).n, 2);
        await closeStore(fresh);
        await closeStore(store);
        await server.stop();
    });
}

test("what was answered before a kill is there after it, and no batch is half there", async () => {
    const server = await Server.start();
    const store = await createStore(server.url);
    const acknowledged = [];
    let stopped = false;
    const write = async writer => {
        for (let n = 0; !stopped; n++) {
            const session = store.openSession();
            await session.store({ n, half: "left" }, `pairs/${writer}/${n}/left`);
            await session.store({ n, half: "right" }, `pairs/${writer}/${n}/right`);
            try {
                await session.saveChanges();
                acknowledged.push(`${writer}/${n}`);
            } catch {
                return; // The answer to this batch is lost: it may be there or not, but whole.
            }
            if (acknowledged.length === 200) {
                stopped = true;
                await server.crash();
            }
        }
    };
    await Promise.all([0, 1, 2, 3].map(write));
    assert.ok(acknowledged.length >= 200);

    const reader = openStore(server.url, store.database);
    const ids = new Set();
    for (let writer = 0; writer < 4; writer++) {
        const session = reader.openSession();
        const found = await session.advanced.loadStartingWith(`pairs/${writer}/`, { pageSize: 100_000 });
        found.forEach(document => ids.add(session.advanced.getDocumentId(document)));
    }
    for (const pair of acknowledged) {
        assert.ok(ids.has(`pairs/${pair}/left`) && ids.has(`pairs/${pair}/right`), `${pair} was acknowledged`);
    }
    for (const id of ids) {
        const twin = id.endsWith("/left") ? id.replace(/left$/, "right") : id.replace(/right$/, "left");
        assert.ok(ids.has(twin), `${id} is only half of its batch`);
    }
    await closeStore(reader);
    store.dispose();
    await server.stop();
});
