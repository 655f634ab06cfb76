// Where a query could answer something else than was asked without saying so: each is answered
// right, or refused with a reason.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { send } from "../harness/http.js";
import { Server } from "../harness/server.js";
import { closeStore, createStore } from "../harness/store.js";

let server, store, base;
before(async () => {
    server = await Server.start();
    store = await createStore(server.url);
    base = `/databases/${store.database}`;
    const orders = [
        { Lines: [{ P: "p/1" }, { P: "p/2" }], At: "2026-01-01T10:00:00", Until: "2026-01-03T22:00:00", place: "POINT (5 50)" },
        { Lines: [{ P: "p/2" }], Sub: { X: 1 }, place: "no shape at all" },
        { Lines: [], place: "nor this" },
        { Lines: [{ P: "p/1" }, { P: "p/2" }], place: "or this" },
    ];
    const Commands = orders.map((order, at) => ({
        Type: "PUT",
        Id: `orders/${at + 1}`,
        Document: { ...order, N: at + 1, "@metadata": { "@collection": "Orders" } },
    }));
    assert.equal((await send(server.url, "POST", `${base}/bulk_docs`, { body: { Commands } })).status, 201);
});
after(async () => {
    await closeStore(store);
    await server.stop();
});

const ask = (Query, QueryParameters = {}) =>
    send(server.url, "POST", `${base}/queries`, {
        body: { Query, QueryParameters, WaitForNonStaleResults: true },
    });

async function found(Query, parameters) {
    const answer = await ask(Query, parameters);
    assert.equal(answer.status, 200, `${Query}: ${answer.text}`);
    return answer.json.Results.map(({ "@metadata": metadata, ...rest }) => rest);
}

const put = (Name, Maps, Reduce) =>
    send(server.url, "PUT", `${base}/admin/indexes`, { body: { Indexes: [{ Name, Maps, Reduce }] } });

test("an item of a list is asked for by its position", async () => {
    const numbers = async (query) => (await found(query)).map(it => it.N);
    assert.deepEqual(await numbers("from Orders where Lines[0].P = 'p/2' select N"), [2]);
    assert.deepEqual(await numbers("from Orders where Lines[1].P = 'p/2' order by N select N"), [1, 4]);
    const refused = await ask("from Orders where Lines[x].P = 'p/2'");
    assert.equal(refused.status, 400);
});

test("groups are made of whole lists of members and of metadata", async () => {
    const byProducts = await found("from Orders group by array(Lines[].P) order by count() desc select key() as Key, count() as Count");
    assert.deepEqual(byProducts.map(it => it.Count).sort(), [1, 1, 2]);
    assert.deepEqual(byProducts.find(it => it.Count === 2).Key, ["p/1", "p/2"]);
    const byCollection = await found("from @all_docs group by @metadata.'@collection' select key() as Key, count() as Count");
    assert.deepEqual(byCollection, [{ Key: "Orders", Count: 4 }]);
});

test("a member of nothing is null, however the rest of the row is computed", async () => {
    const translated = await found("from Orders as o where id() = 'orders/1' select { X: o.Sub.X, N: o.N }");
    const run = await found("from Orders as o where id() = 'orders/1' select { X: o.Sub.X, N: (() => o.N)() }");
    assert.deepEqual(run, translated);
    assert.deepEqual(run, [{ X: null, N: 1 }]);
    const answer = await put("Subs", ["map('Orders', o => { for (const one of [o.Sub.X]) return { X: one, Y: o.Sub.Y.Z }; })"]);
    assert.equal(answer.status, 201, answer.text);
    assert.equal((await found("from index 'Subs' where X = null")).length, 3);
});

test("dates of C# have differences and forms", async () => {
    const map = "from o in docs.Orders select new { D = (o.Until - o.At).TotalDays, M = o.At.ToString(\"yyyy-MM\"), X = o.Nope - 1 }";
    assert.equal((await put("Spans", [map])).status, 201);
    assert.deepEqual((await found("from index 'Spans' where D = 2.5 and M = '2026-01' and X = null select N")), [{ N: 1 }]);
    const refused = await put("Forms", ["from o in docs.Orders select new { M = o.At.ToString(\"D\") }"]);
    assert.equal(refused.status, 400);
    assert.match(refused.json.Message, /1:\d+ this format is not supported/);
});

test("maps and reduces that do not fit together are refused", async () => {
    for (const [maps, reduce, message] of [
        [["map('Orders', o => ({ A: o.N }))"], "groupBy(x => x.A).aggregate(g => ({ B: g.key }))", /differ in 'A', 'B'/],
        [["map('Orders', o => ({ A: o.N }))"], "groupBy(x => x.Nope).aggregate(g => ({ A: g.key }))", /groups by 'Nope'/],
        [["map('Orders', o => ({ A: 1, C: 1 }))", "map('Others', o => ({ B: 1, C: 1 }))"],
            "groupBy(x => x.A).aggregate(g => ({ A: g.key, C: g.values.reduce((s, x) => s + x.C, 0) }))", /maps 1 and 2 differ in 'A', 'B'/],
        [["from o in docs.Orders select new { o.N }", "from o in docs.Others select new { o.M }"], undefined, /maps 1 and 2 differ in 'M', 'N'/],
        [["from o in docs.Orders select o.N"], undefined, /must make objects/],
    ]) {
        const answer = await put("Unfit", maps, reduce);
        assert.equal(answer.status, 400, JSON.stringify(maps));
        assert.match(answer.json.Type, /IndexCompilationException/);
        assert.match(answer.json.Message, message);
    }
    // Without a reduce, functions of JavaScript may make what they like.
    assert.equal((await put("Fit", ["map('Orders', o => ({ A: 1 }))", "map('Others', o => ({ B: 1 }))"])).status, 201);
});

test("an automatic index that failed is left alone", async () => {
    assert.equal((await found("from Orders where N = 3 select N")).length, 1);
    const broken = await ask("from Orders where spatial.within(spatial.wkt(place), spatial.circle(1000, 50, 5))");
    // Not 503, which clients take for a node that is down.
    assert.equal(broken.status, 500, broken.text);
    assert.match(broken.json.Type, /InvalidOperationException/);
    // Neither is it asked, nor does it become part of others.
    assert.equal((await found("from Orders where N = 2 select N")).length, 1);
    assert.equal((await found("from Orders where N = 2 and Sub.X = 1 select N")).length, 1);
    const explained = await send(server.url, "GET", `${base}/queries?debug=explain&query=${encodeURIComponent("from Orders where N = 2")}`);
    assert.match(explained.text, /It failed too often/);
});

test("what fails at once is answered as an error", async () => {
    for (const format of ["json", "jsonl"]) {
        const answer = await send(server.url, "POST", `${base}/streams/queries?format=${format}`, {
            body: { Query: "from Orders as o select { x: (() => nope)() }" },
        });
        assert.equal(answer.status, 500, answer.text);
        assert.match(answer.json.Type, /JavaScriptException/);
        assert.match(answer.json.Message, /nope/);
    }
    const patch = await send(server.url, "PATCH", `${base}/queries`, {
        body: { Query: { Query: "from Orders update { this. = 1 }", QueryParameters: {} } },
    });
    assert.ok(patch.status >= 400, patch.text);
    assert.match(patch.json.Message, /'update'.* 1:\d+ /);
    const filtered = await ask("from Orders filter N > 1 select facet(N)");
    assert.equal(filtered.status, 400);
    assert.match(filtered.json.Message, /'filter' cannot stand beside them/);
});

test("places in errors are of the author's text", async () => {
    const row = await ask("from Orders as o select { x: (() => 1n)() }");
    assert.equal(row.status, 500);
    assert.match(row.json.Message, /BigInt/);
    assert.doesNotMatch(row.json.Message, /\d+:\d+ the script threw/);
});

test("declared functions are conditions of 'filter'", async () => {
    const declared = "declare function has(order, product, least) { return order.N >= least && order.Lines.some(it => it.P === product); } ";
    const numbers = async (rest, parameters) => (await found(declared + rest, parameters)).map(it => it.N);
    assert.deepEqual(await numbers("from Orders as o filter has(o, $p, 2) select N", { p: "p/2" }), [2, 4]);
    assert.deepEqual(await numbers("from Orders as o where N < 4 filter not has(o, 'p/1', 0) or N = 3 select N"), [2, 3]);
    for (const [query, message] of [
        ["from Orders as o where has(o, 'p/1', 0)", /can be called in 'select', and as a condition of 'filter'/],
        ["from Orders as o filter has(o, 'p/1', 0) > 1", /./],
        ["from Orders as o filter has(o, 1, 2, 3)", /fewer parameters than arguments/],
    ]) {
        const refused = await ask(declared + query);
        assert.ok(refused.status >= 400, query);
        assert.match(refused.json.Message, message);
    }
});

test("a filter may stand behind include", async () => {
    assert.equal((await found("from Orders include Nobody filter N > 2")).length, 2);
    assert.equal((await found("from Orders filter N > 2 include Nobody")).length, 2);
});
