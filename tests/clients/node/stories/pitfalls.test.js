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

const indexed = async (definition) =>
    send(server.url, "PUT", `${base}/admin/indexes`, { body: { Indexes: [definition] } });

test("a map's text may be more than one plain call, but answers at once", async () => {
    for (const [name, map, numbers] of [
        ["Commented", "// by number\n/* of orders */ map('Orders', o => ({ X: o.N * 3 }))", [2]],
        ["Declared", "const k = 3; map('Orders', o => ({ X: o.N * k }))", [2]],
        ["Twice", "map('Orders', o => ({ X: o.N * 3 })); map('None', o => ({ X: o.N }))", [2]],
    ]) {
        assert.equal((await indexed({ Name: name, Maps: [map] })).status, 201, name);
        const rows = await found(`from index '${name}' where X = 6 select N`);
        assert.deepEqual(rows.map(it => it.N), numbers, name);
    }
    for (const map of [
        "map('Orders', async o => ({ X: 1 }))",
        "map('Orders', function* (o) { yield { X: 1 } })",
        "frob(1); map('Orders', o => o)",
        "if (0) map('Orders', o => o)",
    ]) {
        const refused = await indexed({ Name: "Refused", Maps: [map] });
        assert.match(refused.json.Type, /IndexCompilationException$/, map);
    }
});

test("what the engine runs of an index fits what is translated of it", async () => {
    const loop = body => `map('Orders', o => { const made = []; for (const l of o.Lines) made.push(${body}); return made; })`;
    const byLoop = "groupBy(x => x.P).aggregate(g => { let c = 0; for (const v of g.values) c += v.C; return { P: g.key, C: c }; })";
    const plain = "groupBy(x => x.P).aggregate(g => ({ P: g.key, C: g.values.reduce((s, v) => s + v.C, 0) }))";
    const oneEach = "map('Orders', o => o.Lines.map(l => ({ P: l.P, C: 1 })))";
    for (const [at, [Maps, Reduce, times]] of [
        [[oneEach], plain, 1],
        [[oneEach], byLoop, 1],
        [[loop("{ P: l.P, C: 1 }")], plain, 1],
        [[loop("{ P: l.P, C: 1 }")], byLoop, 1],
        [[oneEach, loop("{ P: l.P, C: 1 }")], plain, 2],
    ].entries()) {
        assert.equal((await indexed({ Name: `Parts/${at}`, Maps, Reduce })).status, 201);
        const rows = await found(`from index 'Parts/${at}' order by P`);
        assert.deepEqual(rows, [{ P: "p/1", C: 2 * times }, { P: "p/2", C: 3 * times }], `${at}`);
    }
    // The engine is handed only what a map looks at, wherever it looks.
    const looks = {
        a: "o.N", b: "id(o)", c: "getMetadata(o)['@collection']", d: "o.Sub.X", e: "`${o.At}`", f: "(({ N }) => N)(o)", g: "o['N']",
    };
    for (const [name, look] of Object.entries(looks)) {
        const map = `map('Orders', o => { for (;;) return { V: ${look} }; })`;
        assert.equal((await indexed({ Name: `Looks/${name}`, Maps: [map], Fields: { V: { Storage: "Yes" } } })).status, 201);
        const [row] = await found(`from index 'Looks/${name}' where id() = 'orders/2' select V`);
        const wanted = { a: 2, b: "orders/2", c: "Orders", d: 1, e: "undefined", f: 2, g: 2 };
        assert.equal(row.V, wanted[name], look);
    }
});

test("members of objects that an index makes are its fields", async () => {
    const Maps = ["map('Orders', o => ({ N: o.N, S: o.Sub, L: o.Lines }))"];
    assert.equal((await indexed({ Name: "Nested", Maps })).status, 201);
    const numbers = async query => (await found(query)).map(it => it.N);
    assert.deepEqual(await numbers("from index 'Nested' where S.X = 1 select N"), [2]);
    assert.deepEqual(await numbers("from index 'Nested' where L[].P = 'p/1' order by N select N"), [1, 4]);
    assert.deepEqual(await numbers("from index 'Nested' where L.P = 'p/2' order by N as long desc select N"), [4, 2, 1]);
});

test("fields that an index does not have are refused wherever they stand", async () => {
    const Maps = ["map('Orders', o => ({ At: o.At, Count: o.N, Words: 'some more words' }))"];
    const Fields = { At: { Suggestions: true }, Words: { Indexing: "Search", Storage: "Yes" } };
    assert.equal((await indexed({ Name: "Few", Maps, Fields })).status, 201);
    for (const rest of [
        "where Typo = 1", "order by Typo", "where search(Typo, 'x')", "where boost(Typo = 1, 2)", "where lucene(Words, 'Typo:x')",
        "select facet(Typo)", "select facet(At, sum(Typo))", "select suggest(Typo, 'x')", "select suggest(Count, '1')",
        "where search(Words, 'more') include highlight(Typo, 20, 1)", "where spatial.within(Typo, spatial.circle(1, 1, 1))",
        `where moreLikeThis(id() = 'orders/1', '{"Fields":["Typo"]}')`,
    ]) {
        const refused = await ask(`from index 'Few' ${rest}`);
        assert.deepEqual([refused.status, refused.json.Type], [500, "System.ArgumentException"], rest);
    }
    // What only documents have can be shown.
    assert.equal((await found("from index 'Few' select distinct place")).length, 4);
    const mixed = await ask("from index 'Few' select facet(Count < 3, At = 'x')");
    assert.match(mixed.json.Message, /of one field, not of At and Count/);
    const lost = await ask("from index 'Few' where moreLikeThis(id() = 'orders/99')");
    assert.match(lost.json.Message, /did not yield any documents/);
    const options = '{"MinimumTermFrequency":1,"MinimumDocumentFrequency":1}';
    assert.equal((await found(`from index 'Few' where moreLikeThis(true, '${options}')`)).length, 3);
});

test("a star is the whole document, each once", async () => {
    for (const select of ["select *", "select distinct *"]) {
        const rows = await found(`from Orders order by N as long ${select} limit 2`);
        assert.deepEqual(rows.map(it => [it.N, it.Lines.length]), [[1, 2], [2, 1]]);
    }
    assert.equal((await store.openSession().query({ collection: "Orders" }).distinct().all()).length, 4);
    const groups = await found("from Orders group by array(Lines[].P) select *");
    assert.equal(groups.length, 3);
});

test("remarks on groups are listed under what tells them apart", async () => {
    const Maps = ["map('Orders', o => o.Lines.map(l => ({ P: l.P, C: 1 })))"];
    const Reduce = "groupBy(x => x.P).aggregate(g => ({ P: g.key, C: g.values.reduce((s, v) => s + v.C, 0) }))";
    assert.equal((await indexed({ Name: "Groups", Maps, Reduce })).status, 201);
    const query = "from index 'Groups' where P = 'p/1' include explanations($o)";
    const answer = await ask(query, { o: { GroupKey: "P" } });
    assert.match(answer.json.Explanations["p/1"][0], /matches all conditions/);
    assert.match((await ask(query, { o: null })).json.Message, /needs an option, 'GroupKey'/);
});

test("definitions come back with what they are made of, and locks are told", async () => {
    const definition = {
        Name: "Locked", Maps: ["map('Orders', o => ({ N: o.N }))"], LockMode: "LockedError", Zork: 1,
        Fields: { N: { Storage: "Yes", Zork: 2 } },
    };
    assert.equal((await indexed(definition)).status, 201);
    const shown = (await send(server.url, "GET", `${base}/indexes?name=Locked`)).json.Results[0];
    assert.equal("Zork" in shown, false);
    assert.deepEqual(shown.Fields.N, {
        Storage: "Yes", Indexing: null, TermVector: null, Analyzer: null, Suggestions: null, Spatial: null, Vector: null,
    });
    for (const change of [
        indexed({ ...definition, Maps: ["map('Orders', o => ({ N: o.N + 1 }))"] }),
        send(server.url, "DELETE", `${base}/indexes?name=Locked`),
    ]) {
        const refused = await change;
        assert.deepEqual([refused.status, refused.json.Type], [500, "System.InvalidOperationException"]);
        assert.match(refused.json.Message, /locked index: Locked/);
    }
    const vector = await indexed({ ...definition, Name: "V", Fields: { N: { Vector: { Dimensions: 3 } } } });
    assert.match(vector.json.Message, /Vector, which is not implemented/);
});

test("an answer's tag is not that of another question", async () => {
    const url = `${base}/queries`;
    const Query = "from Orders where N < 3 select N";
    const tagged = async (body, tag, search = "") => {
        const headers = tag ? { "If-None-Match": tag } : {};
        const answer = await send(server.url, "POST", url + search, { body, headers });
        return [answer.status, answer.headers.etag];
    };
    await found(Query);
    const [status, tag] = await tagged({ Query });
    assert.equal(status, 200);
    assert.equal((await tagged({ Query }, tag))[0], 304);
    assert.equal((await tagged({ Query, ProjectionBehavior: "FromIndex" }, tag))[0], 200);
    assert.equal((await tagged({ Query, PageSize: 1 }, tag))[0], 200);
    assert.equal((await tagged({ Query, QueryParameters: { p0: 1 } }, tag))[0], 200);
    assert.equal((await tagged({ Query: "from Orders where N < 4 select N" }, tag))[0], 200);
    assert.equal((await tagged({ Query }, tag, "?metadataOnly=true"))[0], 200);
});
