// Documents are changed where they are: by script, alone, in batches, and by what a query finds.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
    DeleteByQueryOperation,
    IndexQuery,
    PatchByQueryOperation,
    PatchOperation,
    PatchRequest,
} from "ravendb";
import { send } from "../harness/http.js";
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

class Cart {
    constructor(fields) {
        Object.assign(this, fields);
    }
}
class Counter {
    constructor(fields) {
        Object.assign(this, fields);
    }
}

async function put(...documents) {
    const session = store.openSession();
    for (const [document, id] of documents) await session.store(document, id);
    await session.saveChanges();
}

async function load(id) {
    return store.openSession().load(id);
}

function script(text, values = {}) {
    const request = PatchRequest.forScript(text);
    request.values = values;
    return request;
}

async function patch(id, request, ifMissing = null) {
    return store.operations.send(new PatchOperation(id, null, request, ifMissing));
}

test("a script changes a document by its values, and says when it changed nothing", async () => {
    await put([new Cart({ items: ["apple"], total: 1.5 }), "carts/1"]);
    const done = await patch("carts/1", script("this.items.push(args.item); this.total += $price;", { item: "pear", price: 2 }));
    assert.equal(done.status ?? done, "Patched");
    const cart = await load("carts/1");
    assert.deepEqual(cart.items, ["apple", "pear"]);
    assert.equal(cart.total, 3.5);
    const again = await patch("carts/1", script("this.items = this.items.filter(x => x)"));
    assert.equal(again.status ?? again, "NotModified");
});

test("a session increments, sets, and edits arrays without loading", async () => {
    await put([new Cart({ items: ["a", "b", "c"], total: 1, at: { city: "Oslo" } }), "carts/2"]);
    const session = store.openSession();
    session.advanced.increment("carts/2", "total", 5);
    session.advanced.patch("carts/2", "at.city", "Rome");
    session.advanced.patchArray("carts/2", "items", (items) => items.push("d", "e"));
    session.advanced.patchArray("carts/2", "items", (items) => items.removeAt(0));
    await session.saveChanges();
    const cart = await load("carts/2");
    assert.equal(cart.total, 6);
    assert.equal(cart.at.city, "Rome");
    assert.deepEqual(cart.items, ["b", "c", "d", "e"]);
});

test("a patch of a loaded document comes back into the session", async () => {
    await put([new Cart({ items: [], total: 1 }), "carts/3"]);
    const session = store.openSession();
    const cart = await session.load("carts/3");
    session.advanced.increment(cart, "total", 2);
    await session.saveChanges();
    assert.equal(cart.total, 3);
});

test("what is missing is made by a script of its own, or left alone", async () => {
    const made = await patch(
        "counters/new",
        script("this.n++"),
        script('this.n = args.start; this["@metadata"] = { "@collection": "Counters" }', { start: 7 }),
    );
    assert.equal(made.status ?? made, "Created");
    assert.equal((await load("counters/new")).n, 7);
    await patch("counters/new", script("this.n++"), script("this.n = 0"));
    assert.equal((await load("counters/new")).n, 8);
    const missing = await patch("counters/none", script("this.n++"));
    assert.equal(missing.status ?? missing, "DocumentDoesNotExist");
    assert.equal(await load("counters/none"), null);
});

test("a hundred concurrent increments add a hundred, and nobody fails", async () => {
    await put([new Counter({ n: 0 }), "counters/hot"]);
    const increments = Array.from({ length: 100 }, () => patch("counters/hot", script("this.n += 1")));
    const writes = Array.from({ length: 10 }, (_, at) => put([new Counter({ n: at }), `counters/cold${at}`]));
    await Promise.all([...increments, ...writes]);
    assert.equal((await load("counters/hot")).n, 100);
});

test("scripts load, store and delete other documents, all or nothing", async () => {
    await put([new Counter({ n: 5 }), "counters/from"], [new Counter({ n: 1 }), "counters/to"], [new Counter({}), "counters/old"]);
    const move = `
        const to = load(args.to);
        to.n += this.n;
        put(args.to, to);
        this.n = 0;
        del("counters/old");
        const log = put("logs/", { of: id(this), "@metadata": { "@collection": "Logs" } });
        this.log = log;
        if (args.fails) throw new Error("not enough");`;
    await assert.rejects(
        patch("counters/from", script(move, { to: "counters/to", fails: true })),
        (error) => error.name === "JavaScriptException" && /not enough/.test(error.message),
    );
    assert.equal((await load("counters/from")).n, 5);
    assert.equal((await load("counters/to")).n, 1);
    await patch("counters/from", script(move, { to: "counters/to" }));
    const from = await load("counters/from");
    assert.equal(from.n, 0);
    assert.equal((await load("counters/to")).n, 6);
    assert.equal(await load("counters/old"), null);
    assert.match(from.log, /^logs\/\d{19}-A$/);
    assert.equal((await load(from.log)).of, "counters/from");
});

test("many scripts of one batch, and of many at once, make documents of their own", async () => {
    const ids = Array.from({ length: 40 }, (_, at) => `counters/split${at}`);
    await put(...ids.map((id, at) => [new Counter({ n: at }), id]));
    const split = "put('parts/', { of: this.n, '@metadata': { '@collection': 'Parts' } }); put('parts/', { of: this.n });";
    const operation = await store.operations.send(new PatchByQueryOperation(
        new IndexQuery(`from Counters as c where startsWith(id(c), 'counters/split') update { ${split} }`),
    ));
    await operation.waitForCompletion();
    const found = async () => (await store.openSession().advanced.loadStartingWith("parts/", { pageSize: 500 })).map((it) => it.of);
    const twice = ids.flatMap((_, at) => [at, at]);
    assert.deepEqual((await found()).sort((a, b) => a - b), twice);
    await Promise.all(ids.map((id) => patch(id, script(split))));
    assert.deepEqual((await found()).sort((a, b) => a - b), twice.flatMap((at) => [at, at]));
    // What a batch stores beside takes numbers, too.
    const url = `${server.url}/databases/${store.database}/bulk_docs`;
    const body = JSON.stringify({ Commands: [
        { Type: "PUT", Id: "beside/", Document: {} },
        { Type: "PATCH", Id: ids[0], Patch: { Script: "put('beside/', {})" } },
        { Type: "BatchPATCH", Ids: ids.slice(1, 4).map((Id) => ({ Id })), Patch: { Script: "put('beside/', {})" } },
    ] });
    const answer = await fetch(url, { method: "POST", body });
    assert.equal(answer.status, 201, await answer.text());
    assert.equal((await store.openSession().advanced.loadStartingWith("beside/")).length, 5);
});

test("hostile scripts fail alone, with the reason", async () => {
    await put([new Counter({ n: 1 }), "counters/hostile"]);
    const hostile = [
        ["throw new Error('boom')", "JavaScriptException", /boom/],
        ["this. = 1", "JavaScriptParseException", /1:\d/],
        ["const f = () => f() + 1; f()", "JavaScriptException", /stack/],
        ["const a = []; while (true) a.push(new Array(100000).fill(0))", "JavaScriptException", /memory/],
        ["this.x = process.env", "JavaScriptException", /process/],
        ["globalThis.leak = 1", "JavaScriptException", /leak|extensible|read-only/],
        ["this['@metadata']['@collection'] = 'Other'", undefined, /collection/],
    ];
    for (const [text, name, message] of hostile) {
        await assert.rejects(patch("counters/hostile", script(text)), (error) => {
            if (name) assert.equal(error.name, name, text);
            return message.test(error.message) || assert.fail(`${text}: ${error.message}`);
        });
    }
    assert.equal((await load("counters/hostile")).n, 1);
});

test("number texts that a script did not touch stay as they were", async () => {
    const url = `${server.url}/databases/${store.database}/docs?id=counters/exact`;
    const body = '{"big":12345678901234567890123,"half":1.50,"n":1,"@metadata":{"@collection":"Counters"}}';
    await fetch(url, { method: "PUT", body });
    await patch("counters/exact", script("this.n = 2"));
    const text = await (await fetch(url)).text();
    assert.match(text, /"big":12345678901234567890123,"half":1.50,"n":2,/);
});

test("a test run answers what would be, and stores nothing", async () => {
    await put([new Counter({ n: 1 }), "counters/test"]);
    const body = JSON.stringify({ Patch: { Script: "this.n = 9; output('seen ' + this.n)" } });
    const url = `${server.url}/databases/${store.database}/docs?id=counters/test&test=true&debug=true`;
    const answer = await (await fetch(url, { method: "PATCH", body })).json();
    assert.equal(answer.Status, "Patched");
    assert.equal(answer.ModifiedDocument.n, 9);
    assert.equal(answer.OriginalDocument.n, 1);
    assert.deepEqual(answer.Debug.Info, ["seen 9"]);
    assert.equal((await load("counters/test")).n, 1);
});

test("a collection is patched by query, with a declared function and parameters", async () => {
    const session = store.openSession();
    for (let at = 0; at < 300; at++) await session.store(new Cart({ total: at, of: "query" }), `carts/q/${at}`);
    await session.saveChanges();
    const query = new IndexQuery();
    query.query = `declare function raise(cart, by) { return cart.total + by; }
        from Carts as c where startsWith(id(), 'carts/q/') update { c.total = raise(c, $by); c.seen = true; }`;
    query.queryParameters = { by: 1000 };
    const operation = await store.operations.send(new PatchByQueryOperation(query));
    await operation.waitForCompletion();
    const carts = await store.openSession().advanced.loadStartingWith("carts/q/", { pageSize: 1000 });
    assert.equal(carts.length, 300);
    assert.equal(carts.reduce((sum, it) => sum + it.total, 0), 300 * 1000 + (299 * 300) / 2);
    assert.ok(carts.every((it) => it.seen));
    assert.equal((await load("carts/1")).seen, undefined);
});

test("what an index finds is patched, then deleted", async () => {
    const query = new IndexQuery();
    query.query = "from Carts where total > 1200 and of = 'query' update { this.late = true; }";
    query.waitForNonStaleResults = true;
    const operation = await store.operations.send(new PatchByQueryOperation(query));
    await operation.waitForCompletion();
    const late = (await store.openSession().advanced.loadStartingWith("carts/q/", { pageSize: 1000 })).filter((it) => it.late);
    assert.equal(late.length, 99);
    const gone = new IndexQuery();
    gone.query = "from Carts where late = true";
    gone.waitForNonStaleResults = true;
    await (await store.operations.send(new DeleteByQueryOperation(gone))).waitForCompletion();
    const left = await store.openSession().advanced.loadStartingWith("carts/q/", { pageSize: 1000 });
    assert.equal(left.length, 201);
});

test("a query whose update cannot be read says where", async () => {
    const query = new IndexQuery();
    query.query = "from Carts updat { this.a = 1 }";
    await assert.rejects(store.operations.send(new PatchByQueryOperation(query)), /1:12.*Did you mean 'update'/s);
});

test("a change by query that is cut in half leaves what it did, tells how far it came, and can be done again", async () => {
    const base = `/databases/${encodeURIComponent(store.database)}`;
    const commands = Array.from({ length: 300 }, (_, at) => ({
        Type: "PUT", Id: `halves/${at}`, Document: { n: 0, "@metadata": { "@collection": "Halves" } },
    }));
    assert.equal((await send(server.url, "POST", `${base}/bulk_docs`, { body: { Commands: commands } })).status, 201);
    const body = { Query: { Query: "from Halves update { this.n += 1 }" } };
    // After the first transaction it would rest for minutes.
    const started = await send(server.url, "PATCH", `${base}/queries?maxOpsPerSec=1`, { body });
    const id = started.json.OperationId;
    const state = async () => (await send(server.url, "GET", `${base}/operations/state?id=${id}`)).json;
    let seen;
    do {
        seen = await state();
    } while (!seen.Progress?.Processed);
    assert.deepEqual([seen.Status, seen.Progress.Total], ["InProgress", 300]);
    const { Processed } = seen.Progress;
    assert.ok(Processed > 0 && Processed < 300, `${Processed}`);
    assert.equal((await send(server.url, "POST", `${base}/operations/kill?id=${id}`)).status, 204);
    do {
        seen = await state();
    } while (seen.Status === "InProgress");
    assert.equal(seen.Status, "Canceled");
    const sums = async () => (await store.openSession().advanced.loadStartingWith("halves/", { pageSize: 1000 })).map(it => it.n);
    assert.equal((await sums()).filter(n => n === 1).length, Processed);
    const again = new IndexQuery();
    again.query = "from Halves where n = 0 update { this.n += 1 }";
    again.waitForNonStaleResults = true;
    await (await store.operations.send(new PatchByQueryOperation(again))).waitForCompletion();
    assert.ok((await sums()).every(n => n === 1));
});

test("what is loaded before an update follows lists and what was loaded before", async () => {
    await put(
        [new Counter({ name: "one", next: "counters/2" }), "counters/1"],
        [new Counter({ name: "two" }), "counters/2"],
        [new Cart({ lines: [{ of: "counters/2" }, { of: "counters/9" }, {}], of: "counters/1" }), "carts/loads"],
    );
    const query = new IndexQuery();
    query.query = `from Carts as c where id() = 'carts/loads' load c.lines[].of as all[], c.of as first, first.next as second
        update { this.all = all.map(it => it ? it.name : null); this.first = first.name; this.second = second.name; }`;
    await (await store.operations.send(new PatchByQueryOperation(query))).waitForCompletion();
    const { all, first, second } = await load("carts/loads");
    assert.deepEqual([all, first, second], [["two", null], "one", "two"]);
});

test("whole numbers that JavaScript has no digits for keep them where a script moves them", async () => {
    const docs = `/databases/${store.database}/docs`;
    const read = async id => (await send(server.url, "GET", `${docs}?id=${id}`)).text;
    const big = '"big":9007199254740993';
    const patchBig = async (text, values) => {
        const body = `{"Patch":{"Script":${JSON.stringify(text)},"Values":${values ?? "{}"}}}`;
        await send(server.url, "PUT", `${docs}?id=big`, { body: `{${big},"L":[9007199254740995,5]}` });
        const answer = await send(server.url, "PATCH", `${docs}?id=big`, { body });
        assert.equal(answer.status, 200, answer.text);
        return read("big");
    };
    const both = await patchBig("this.c = this.big");
    assert.ok(both.includes(`${big},`) && both.includes('"c":9007199254740993'), both);
    const renamed = await patchBig("this.ren = this.big; delete this.big");
    assert.ok(renamed.includes('"ren":9007199254740993') && !renamed.includes('"big":'), renamed);
    const turned = await patchBig("this.L.reverse()");
    assert.ok(turned.includes("[5,9007199254740995]"), turned);
    const given = await patchBig("this.c = args.v", '{"v":-9223372036854775807}');
    assert.ok(given.includes('"c":-9223372036854775807'), given);
    await patchBig("put('copy', load('big'))");
    const copy = await read("copy");
    assert.ok(copy.includes(big) && copy.includes("[9007199254740995,5]"), copy);
});
