// A small shop asks questions: by field, range, list, text, in order, page by page, by group.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
    DeleteByQueryOperation,
    GetIndexesOperation,
    GetIndexNamesOperation,
    GetIndexStatisticsOperation,
    GetStatisticsOperation,
    GetTermsOperation,
    GroupByField,
} from "ravendb";
import { send } from "../harness/http.js";
import { CountingProxy } from "../harness/proxy.js";
import { Server } from "../harness/server.js";
import { closeStore, createStore, openCountedStore } from "../harness/store.js";

let server, proxy, store;
before(async () => {
    server = await Server.start();
    proxy = await CountingProxy.start(server.url);
    const created = await createStore(server.url);
    // The topology would lead around the proxy.
    store = openCountedStore(proxy, created.database);
    await closeStore(created);
    await fill();
});
after(async () => {
    await closeStore(store);
    await proxy.stop();
    await server.stop();
});

class Company {
    constructor(fields) {
        Object.assign(this, fields);
    }
}
class Order {
    constructor(fields) {
        Object.assign(this, fields);
    }
}

async function fill() {
    const session = store.openSession();
    await session.store(new Company({ name: "Acme", country: "SE" }), "companies/1-A");
    await session.store(new Company({ name: "Blom & Sons", country: "NL" }), "companies/2-A");
    const orders = [
        ["companies/1-A", 4.5, ["x", "t1"], "first order of the year"],
        ["companies/2-A", 11, ["x"], "second-hand parts"],
        ["companies/1-A", 77.25, [], null],
        ["companies/2-A", 9, ["y"], "Parts for the crane"],
    ];
    for (const [at, [company, freight, tags, note]] of orders.entries()) {
        const lines = [{ product: `products/${at % 2}`, quantity: at + 1 }];
        const order = new Order({ company, freight, tags, note, lines, orderedAt: new Date(2026, 0, at + 1) });
        await session.store(order, `orders/${at + 1}-A`);
    }
    await session.saveChanges();
}

const idsOf = (session, found) => found.map(it => session.advanced.getDocumentId(it));

async function idsWhere(build) {
    const session = store.openSession();
    const query = session.query(Order).waitForNonStaleResults();
    return idsOf(session, await build(query).all());
}

test("documents are found by equality, range, list, beginning and existence", async () => {
    assert.deepEqual(await idsWhere(q => q.whereEquals("company", "companies/1-A")), ["orders/1-A", "orders/3-A"]);
    assert.deepEqual(await idsWhere(q => q.whereEquals("company", "COMPANIES/1-a")), ["orders/1-A", "orders/3-A"]);
    assert.deepEqual(await idsWhere(q => q.whereEquals("company", "COMPANIES/1-a", true)), []);
    assert.deepEqual(await idsWhere(q => q.whereGreaterThan("freight", 9)), ["orders/2-A", "orders/3-A"]);
    assert.deepEqual(await idsWhere(q => q.whereBetween("freight", 4.5, 9)), ["orders/1-A", "orders/4-A"]);
    assert.deepEqual(await idsWhere(q => q.whereIn("tags", ["t1", "y"])), ["orders/1-A", "orders/4-A"]);
    assert.deepEqual(await idsWhere(q => q.containsAll("tags", ["x", "t1"])), ["orders/1-A"]);
    assert.deepEqual(await idsWhere(q => q.whereStartsWith("note", "second")), ["orders/2-A"]);
    assert.deepEqual(await idsWhere(q => q.whereEndsWith("note", "CRANE")), ["orders/4-A"]);
    assert.deepEqual(await idsWhere(q => q.whereEquals("note", null)), ["orders/3-A"]);
    assert.deepEqual(await idsWhere(q => q.whereNotEquals("note", null)), ["orders/1-A", "orders/2-A", "orders/4-A"]);
    assert.deepEqual(await idsWhere(q => q.whereExists("nothing")), []);
    assert.deepEqual(await idsWhere(q => q.whereEquals("lines[].product", "products/1")), ["orders/2-A", "orders/4-A"]);
    assert.deepEqual(await idsWhere(q => q.whereRegex("note", "^p.*crane$")), ["orders/4-A"]);
    assert.deepEqual(
        await idsWhere(q => q.openSubclause().whereEquals("freight", 11).orElse().whereEquals("freight", 9).closeSubclause()
            .andAlso().not().whereEquals("tags", "y")),
        ["orders/2-A"],
    );
    assert.deepEqual(await idsWhere(q => q.whereGreaterThanOrEqual("orderedAt", new Date(2026, 0, 3))), ["orders/3-A", "orders/4-A"]);
});

test("words are searched, the best match first", async () => {
    assert.deepEqual((await idsWhere(q => q.search("note", "parts"))).sort(), ["orders/2-A", "orders/4-A"]);
    assert.deepEqual((await idsWhere(q => q.search("note", "year cran*", "OR"))).sort(), ["orders/1-A", "orders/4-A"]);
    assert.deepEqual(await idsWhere(q => q.search("note", "parts crane", "AND")), ["orders/4-A"]);
    const best = await idsWhere(q => q.search("note", "parts crane", "OR").orderByScore());
    assert.deepEqual(best, ["orders/4-A", "orders/2-A"]);
});

test("results come in order, page by page, and the total is known", async () => {
    const session = store.openSession();
    let statistics;
    const page = await session.query(Order)
        .waitForNonStaleResults()
        .statistics(it => { statistics = it; })
        .orderByDescending("freight", "Double")
        .skip(1)
        .take(2)
        .all();
    assert.deepEqual(idsOf(session, page), ["orders/2-A", "orders/4-A"]);
    assert.equal(statistics.totalResults, 4);
    assert.equal(statistics.isStale, false);
    assert.match(statistics.indexName, /^Auto\/Orders\/By.*freight/);
    const random = await session.query(Order).waitForNonStaleResults().randomOrdering("seed").all();
    assert.equal(random.length, 4);
});

test("a query by id or of a whole collection needs no index", async () => {
    const session = store.openSession();
    let statistics;
    const all = await session.query(Company).statistics(it => { statistics = it; }).all();
    assert.deepEqual(idsOf(session, all), ["companies/1-A", "companies/2-A"]);
    assert.equal(statistics.indexName, "collection/Companies");
    const one = await session.query(Company).whereEquals("id()", "companies/2-A").single();
    assert.equal(one.name, "Blom & Sons");
    const some = await session.query(Order).whereStartsWith("id()", "orders/").count();
    assert.equal(some, 4);
});

test("projections, distinct values, loads and includes", async () => {
    const session = store.openSession();
    const fields = await session.query(Order)
        .waitForNonStaleResults()
        .orderBy("freight", "Double")
        .selectFields(["company", "freight"])
        .all();
    assert.deepEqual([fields[0].company, fields[0].freight, fields[0].note], ["companies/1-A", 4.5, undefined]);
    const distinct = await session.query(Order)
        .waitForNonStaleResults()
        .selectFields(["company"])
        .distinct()
        .all();
    assert.deepEqual(distinct.map(it => it.company ?? it).sort(), ["companies/1-A", "companies/2-A"]);
    const raw = await session.advanced
        .rawQuery("from Orders as o where o.freight > 70 load o.company as c select c.name as name, id() as id")
        .waitForNonStaleResults()
        .all();
    assert.equal(raw[0].name, "Acme");
    const included = store.openSession();
    await included.query(Order).waitForNonStaleResults().whereGreaterThan("freight", 70).include("company").all();
    proxy.clear();
    const company = await included.load("companies/1-A");
    assert.equal(company.name, "Acme");
    assert.equal(proxy.requests("/docs").length, 0, "it came with the query");
});

test("documents are grouped, counted and summed", async () => {
    const session = store.openSession();
    const groups = await session.query(Order)
        .waitForNonStaleResults()
        .groupBy("company")
        .selectKey("company", "company")
        .selectSum(new GroupByField("freight", "sum"))
        .orderByDescending("freight", "Double")
        .all();
    assert.deepEqual(groups.map(it => [it.company, it.sum]), [
        ["companies/1-A", 81.75],
        ["companies/2-A", 20],
    ]);
    const change = store.openSession();
    await change.store(new Order({ company: "companies/2-A", freight: 100, tags: [], lines: [] }), "orders/9-A");
    await change.saveChanges();
    const after = await store.openSession().advanced
        .rawQuery("from Orders group by company where key() = 'companies/2-A' select count() as count, sum(freight) as sum")
        .waitForNonStaleResults()
        .all();
    assert.deepEqual(after.map(it => [it.count, it.sum]), [[3, 120]]);
    const gone = store.openSession();
    await gone.delete("orders/9-A");
    await gone.saveChanges();
    const items = await store.openSession().advanced
        .rawQuery("from Orders group by lines[].product order by count() desc select key() as product, count() as count, sum(lines[].quantity) as quantity")
        .waitForNonStaleResults()
        .all();
    assert.deepEqual(
        items.map(it => [it.product, it.count, it.quantity]).sort(),
        [["products/0", 2, 4], ["products/1", 2, 6]],
    );
});

test("lazy queries share a request, streams come one by one", async () => {
    const session = store.openSession();
    const first = session.query(Order).waitForNonStaleResults().whereEquals("freight", 11).lazily();
    const second = session.query(Order).waitForNonStaleResults().whereEquals("freight", 9).lazily();
    proxy.clear();
    await session.advanced.eagerly.executeAllPendingLazyOperations();
    assert.equal(proxy.requests().length, 1);
    assert.equal((await first.getValue()).length, 1);
    assert.equal((await second.getValue()).length, 1);

    const query = session.query(Order).orderBy("freight", "Double");
    const stream = await session.advanced.stream(query);
    let stats;
    stream.on("stats", it => (stats = it));
    const streamed = [];
    for await (const item of stream) {
        streamed.push(item.id);
    }
    assert.deepEqual(streamed, ["orders/1-A", "orders/4-A", "orders/2-A", "orders/3-A"]);
    assert.equal(stats.totalResults, 4);
    assert.match(stats.indexName, /^Auto\/Orders\//);
});

test("an unchanged answer is not sent again", async () => {
    const ask = async () => store.openSession().query(Order).whereEquals("freight", 11).all();
    await ask();
    proxy.clear();
    assert.equal((await ask()).length, 1);
    assert.deepEqual(proxy.requests("/queries").map(it => it.status), [304]);
    const session = store.openSession();
    const order = await session.load("orders/2-A");
    order.note = "changed";
    await session.saveChanges();
    await store.openSession().query(Order).waitForNonStaleResults().whereEquals("freight", 11).all();
    const [again] = await ask();
    assert.equal(again.note, "changed");
});

test("a write is seen by the query that waits for it", async () => {
    for (let round = 0; round < 20; round++) {
        const session = store.openSession();
        await session.store(new Order({ company: "companies/r", freight: round, tags: [], lines: [] }), "orders/round");
        await session.saveChanges();
        const found = await store.openSession()
            .query(Order)
            .waitForNonStaleResults()
            .whereEquals("company", "companies/r")
            .andAlso()
            .whereEquals("freight", round)
            .all();
        assert.equal(found.length, 1, `round ${round}`);
    }
    const session = store.openSession();
    await session.delete("orders/round");
    await session.saveChanges();
});

test("a save that waits for indexes is seen by the next query, also of a new index", async () => {
    for (let round = 0; round < 5; round++) {
        const session = store.openSession();
        session.advanced.waitForIndexesAfterSaveChanges();
        await session.store(new Order({ company: "companies/w", freight: round, tags: [], lines: [] }), "orders/waiting");
        await session.saveChanges();
        const found = await store.openSession().query(Order).whereEquals("company", "companies/w").all();
        assert.deepEqual(found.map(it => it.freight), [round]);
    }
    const session = store.openSession();
    session.advanced.waitForIndexesAfterSaveChanges();
    await session.delete("orders/waiting");
    await session.saveChanges();
});

test("indexes can be looked into, and outlive a restart", async () => {
    const names = await store.maintenance.send(new GetIndexNamesOperation(0, 100));
    assert.ok(names.some(it => it.startsWith("Auto/Orders/By")), names.join());
    const wide = names.find(it => it.includes("freight") && !it.includes("Reduced"));
    const terms = await store.maintenance.send(new GetTermsOperation(wide, "freight", null, 10));
    assert.deepEqual(terms, ["4.5", "9", "11", "77.25"]);
    const statistics = await store.maintenance.send(new GetIndexStatisticsOperation(wide));
    assert.equal(statistics.entriesCount, 4);
    const definitions = await store.maintenance.send(new GetIndexesOperation(0, 100));
    assert.equal(definitions.find(it => it.name === wide).type, "AutoMap");
    const before = await store.maintenance.send(new GetStatisticsOperation());
    assert.equal(before.countOfIndexes, names.length);
    await server.restart();
    assert.deepEqual(await idsWhere(q => q.whereEquals("freight", 77.25)), ["orders/3-A"]);
    assert.deepEqual(await store.maintenance.send(new GetIndexNamesOperation(0, 100)), names);
    await server.crash();
    assert.deepEqual(await idsWhere(q => q.whereEquals("freight", 77.25)), ["orders/3-A"]);
});

test("mistakes are named with their place", async () => {
    const session = store.openSession();
    await assert.rejects(session.advanced.rawQuery("from Orders wher freight > 1").all(), /1:13/);
    await assert.rejects(session.advanced.rawQuery("from index 'Nothing'").all());
    const explained = await send(server.url, "POST", `/databases/${store.database}/queries?debug=explain`, {
        body: { Query: "from Orders where freight = 1" },
    });
    assert.match(explained.json.IndexName, /^Auto\/Orders\//);
});

test("what a query finds is deleted", async () => {
    const session = store.openSession();
    for (let at = 0; at < 10; at++) {
        await session.store({ kind: at % 2 ? "odd" : "even", "@metadata": { "@collection": "Things" } }, `things/${at}`);
    }
    await session.saveChanges();
    await store.openSession().query({ collection: "Things" }).waitForNonStaleResults().whereEquals("kind", "odd").all();
    const operation = await store.operations.send(new DeleteByQueryOperation("from Things where kind = 'odd'"));
    await operation.waitForCompletion();
    const left = await store.openSession().query({ collection: "Things" }).all();
    assert.equal(left.length, 5);
});

test("a stream goes on past documents that are gone while the index stands still", async () => {
    const base = `/databases/${proxiedDatabase()}`;
    const puts = Array.from({ length: 600 }, (_, n) => ({
        Type: "PUT", Id: `ghosts/${String(n).padStart(3, "0")}`,
        Document: { kind: "ghost", "@metadata": { "@collection": "Ghosts" } },
    }));
    const stored = await send(server.url, "POST", `${base}/bulk_docs`, { body: { Commands: puts } });
    assert.equal(stored.status, 201, stored.text);
    const Query = "from Ghosts where kind = 'ghost'";
    const asked = await send(server.url, "POST", `${base}/queries`, { body: { Query, WaitForNonStaleResults: true } });
    assert.equal(JSON.parse(asked.text).TotalResults, 600);
    const stopped = await send(server.url, "POST", `${base}/admin/indexes/stop`);
    assert.equal(stopped.status, 204, stopped.text);
    try {
        // All but the last: whole chunks of the stream have nothing to show.
        const deletions = puts.slice(0, -1).map(({ Id }) => ({ Type: "DELETE", Id }));
        const deleted = await send(server.url, "POST", `${base}/bulk_docs`, { body: { Commands: deletions } });
        assert.equal(deleted.status, 201, deleted.text);
        for (const format of ["", "?format=jsonl"]) {
            const streamed = await send(server.url, "POST", `${base}/streams/queries${format}`, { body: { Query } });
            assert.equal(streamed.status, 200, streamed.text);
            const ids = format === ""
                ? JSON.parse(streamed.text).Results.map(it => it["@metadata"]["@id"])
                // The first line tells of all of them.
                : streamed.text.trim().split("\n").slice(1).map(line => JSON.parse(line).Item["@metadata"]["@id"]);
            assert.deepEqual(ids, ["ghosts/599"], format);
        }
    } finally {
        await send(server.url, "POST", `${base}/admin/indexes/start`);
    }
});

const proxiedDatabase = () => encodeURIComponent(store.database);
