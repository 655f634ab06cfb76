// Documents are found by how their ids begin, filtered by pattern, and paged through.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server } from "../harness/server.js";
import { closeStore, createStore } from "../harness/store.js";

let server, store;
const numbers = Array.from({ length: 30 }, (_, n) => String(n + 1).padStart(3, "0"));

before(async () => {
    server = await Server.start();
    store = await createStore(server.url);
    const session = store.openSession();
    for (const number of numbers) {
        await session.store({ number }, `invoices/2026-${number}`);
    }
    await session.store({ main: true }, "orders/2834");
    await session.store({ part: "header" }, "orders/2834/header");
    await session.store({ part: "tracking" }, "orders/2834/tracking");
    await session.store({ other: true }, "orders/28340");
    await session.store({ mixed: true }, "Mixed/Case-One");
    await session.saveChanges();
});
after(async () => {
    await closeStore(store);
    await server.stop();
});

async function find(prefix, options) {
    const session = store.openSession();
    const found = await session.advanced.loadStartingWith(prefix, options);
    assert.equal(session.advanced.numberOfRequests <= 1, true);
    return found.map(document => session.advanced.getDocumentId(document));
}

const invoices = chosen => chosen.map(number => `invoices/2026-${number}`);

test("a prefix gives its documents in the order of their ids, 25 unless told", async () => {
    assert.deepEqual(await find("invoices/"), invoices(numbers.slice(0, 25)));
    assert.deepEqual(await find("invoices/", { pageSize: 100 }), invoices(numbers));
    assert.deepEqual(await find("nothing/"), []);
});

test("postfix ids are found by the id before them", async () => {
    assert.deepEqual(await find("orders/2834/"), ["orders/2834/header", "orders/2834/tracking"]);
    assert.deepEqual((await find("orders/2834")).sort(),
        ["orders/2834", "orders/2834/header", "orders/2834/tracking", "orders/28340"]);
});

test("a prefix is found in any case", async () => {
    assert.deepEqual(await find("mIXED/"), ["Mixed/Case-One"]);
});

test("patterns choose and exclude, with alternatives", async () => {
    assert.deepEqual(await find("invoices/2026-", { matches: "*7", pageSize: 100 }), invoices(["007", "017", "027"]));
    assert.deepEqual(await find("invoices/2026-", { matches: "00?|030", pageSize: 100 }),
        invoices([...numbers.slice(0, 9), "030"]));
    assert.deepEqual(await find("invoices/2026-", { matches: "01*", exclude: "*1|*2|*3", pageSize: 100 }),
        invoices(["010", "014", "015", "016", "017", "018", "019"]));
    assert.deepEqual(await find("invoices/2026-", { exclude: "0*", pageSize: 100 }), []);
});

test("pages follow one another without a gap", async () => {
    const pages = [];
    for (let start = 0; ; start += 7) {
        const page = await find("invoices/", { start, pageSize: 7 });
        if (page.length === 0) {
            break;
        }
        pages.push(page);
    }
    assert.deepEqual(pages.map(page => page.length), [7, 7, 7, 7, 2]);
    assert.deepEqual(pages.flat(), invoices(numbers));
});

test("paging counts what the patterns leave", async () => {
    assert.deepEqual(await find("invoices/2026-", { matches: "*5|*0", start: 1, pageSize: 3 }),
        invoices(["010", "015", "020"]));
});

test("startAfter goes on behind an id", async () => {
    const first = await find("invoices/", { pageSize: 10 });
    const second = await find("invoices/", { startAfter: first.at(-1), pageSize: 10 });
    assert.deepEqual(second, invoices(numbers.slice(10, 20)));
    assert.deepEqual(await find("invoices/", { startAfter: "invoices/2026-0105", pageSize: 1 }), invoices(["011"]));
    assert.deepEqual(await find("invoices/", { startAfter: "invoices/2026-030" }), []);
});

test("a new document takes its place among the pages", async () => {
    const session = store.openSession();
    await session.store({ late: true }, "late/b");
    await session.saveChanges();
    assert.deepEqual(await find("late/"), ["late/b"]);
    await session.store({ late: true }, "late/a");
    await session.saveChanges();
    assert.deepEqual(await find("late/"), ["late/a", "late/b"]);
    await session.delete("late/b");
    await session.saveChanges();
    assert.deepEqual(await find("late/"), ["late/a"]);
});

/** What the server says when it does not know the route: another issue brings streams. */
const isUnknownRoute = error => error.name === "RouteNotFoundException"
    || /RouteNotFoundException|There is no handler for path/.test(error.message);

test("a prefix can be streamed", async context => {
    const session = store.openSession();
    let stream;
    try {
        stream = await session.advanced.stream("invoices/", { pageSize: 1000 });
    } catch (error) {
        if (!isUnknownRoute(error)) {
            throw error;
        }
        context.todo("pending: the server has no streams/docs yet");
        throw error;
    }
    const ids = [];
    for await (const item of stream) {
        ids.push(item.id);
    }
    assert.deepEqual(ids, invoices(numbers));
});
