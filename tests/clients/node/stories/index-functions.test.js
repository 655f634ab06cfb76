// Index functions that are ordinary JavaScript: loops, helpers of their own, documents they load.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DeleteIndexOperation } from "ravendb";
import { send } from "../harness/http.js";
import { Server } from "../harness/server.js";
import { closeStore, createStore } from "../harness/store.js";

let server, store;
before(async () => {
    server = await Server.start();
    store = await createStore(server.url);
    await fill();
});
after(async () => {
    await closeStore(store);
    await server.stop();
});

class Trip {
    constructor(fields) {
        Object.assign(this, fields);
    }
}
class Driver {
    constructor(fields) {
        Object.assign(this, fields);
    }
}

async function fill() {
    const session = store.openSession();
    await session.store(new Driver({ name: "Ada" }), "drivers/1");
    const trips = [
        ["drivers/1", [3, 4], "2026-01-05"],
        ["drivers/1", [10], "2026-02-01"],
        ["drivers/2", [1, 1, 1], "2026-02-03"],
    ];
    for (const [at, [driver, legs, day]] of trips.entries()) {
        await session.store(new Trip({ driver, legs, day }), `trips/${at}`);
    }
    await session.saveChanges();
}

async function putIndex(index) {
    return send(server.url, "PUT", `/databases/${store.database}/admin/indexes`, { body: { Indexes: [index] } });
}

async function ask(query) {
    return store.openSession().advanced.rawQuery(query).waitForNonStaleResults().all();
}

const LENGTHS = {
    Name: "Trips/Lengths",
    Maps: [
        `map('Trips', function (trip) {
            let sum = 0;
            for (const leg of trip.legs) sum += leg;
            const driver = load(trip.driver, 'Drivers');
            return { driver: driver ? driver.name : 'nobody', sum, month: monthOf(trip.day), label: /^2026-0*(\\d+)/.exec(trip.day)[1] };
        })`,
    ],
    AdditionalSources: { "dates.js": "function monthOf(day) { return new Date(day).getUTCMonth() + 1; }" },
};

test("a map with loops, helpers and loaded documents answers queries", async () => {
    const put = await putIndex(LENGTHS);
    assert.equal(put.status, 201, put.text);
    const long = await ask("from index 'Trips/Lengths' where sum >= 7");
    assert.deepEqual(long.map((it) => it.id).sort(), ["trips/0", "trips/1"]);
    const february = await ask("from index 'Trips/Lengths' where month = 2 and label = '2'");
    assert.deepEqual(february.map((it) => it.id).sort(), ["trips/1", "trips/2"]);
});

test("what it loads is followed, also when it comes later", async () => {
    assert.equal((await ask("from index 'Trips/Lengths' where driver = 'Eva'")).length, 0);
    const session = store.openSession();
    await session.store(new Driver({ name: "Eva" }), "drivers/2");
    (await session.load("drivers/1")).name = "Ida";
    await session.saveChanges();
    assert.deepEqual((await ask("from index 'Trips/Lengths' where driver = 'Eva'")).map((it) => it.id), ["trips/2"]);
    assert.equal((await ask("from index 'Trips/Lengths' where driver = 'Ida'")).length, 2);
});

test("a reduce with statements groups", async () => {
    const put = await putIndex({
        Name: "Trips/ByDriver",
        Maps: ["map('Trips', t => { const legs = []; for (let at = 0; at < t.legs.length; at++) legs.push(t.legs[at]); return { driver: t.driver, count: 1, longest: Math.max(...legs) }; })"],
        Reduce: `groupBy(x => x.driver).aggregate(g => {
            let count = 0, longest = 0;
            g.values.forEach(v => { count += v.count; longest = Math.max(longest, v.longest); });
            return { driver: g.key, count, longest };
        })`,
    });
    assert.equal(put.status, 201, put.text);
    const [first] = await ask("from index 'Trips/ByDriver' where driver = 'drivers/1'");
    assert.deepEqual([first.count, first.longest], [2, 10]);
});

test("a definition that is no JavaScript is refused with its place", async () => {
    const refused = await putIndex({ Name: "Bad", Maps: ["map('Trips', function (t) {\n  return { A: t. };\n})"] });
    assert.match(refused.json.Type, /IndexCompilationException$/);
    assert.match(refused.json.Message, /2:\d+/);
    const none = await putIndex({ Name: "Bad", Maps: ["map('Trips', t => { while (false) {} })"], Reduce: "groupBy(x => x.a)" });
    assert.match(none.json.Type, /IndexCompilationException$/);
});

test("a function that throws or loops fails its documents, and the database goes on", async () => {
    const put = await putIndex({
        Name: "Trips/Hostile",
        Maps: ["map('Trips', t => { if (t.legs.length === 1) throw new Error('lonely'); for (const x of [1]) return { n: t.legs.length }; })"],
    });
    assert.equal(put.status, 201, put.text);
    const found = await ask("from index 'Trips/Hostile' where n > 0").catch((error) => error);
    const errors = await send(server.url, "GET", `/databases/${store.database}/indexes/errors?name=Trips/Hostile`);
    assert.match(errors.text, /lonely/);
    assert.match(errors.text, /trips\/1/);
    assert.ok(found instanceof Error || found.length === 2);
    assert.equal((await store.openSession().load("trips/1")).legs[0], 10);
});

test("whole numbers that are only carried keep their digits, translated or not", async () => {
    const database = `/databases/${store.database}`;
    const body = `{"big":9007199254740993,"list":[-9223372036854775807],"@metadata":{"@collection":"Nums"}}`;
    const stored = await fetch(`${server.url}${database}/docs?id=nums/1`, { method: "PUT", body });
    assert.equal(stored.status, 201);
    const query = async text => (await send(server.url, "POST", `${database}/queries`, { body: { Query: text, WaitForNonStaleResults: true } })).text;
    const shown = "big: n.big, list: n.list, lost: n.big + 2, text: String(n.big), none: n.nope, deep: { none: n.nope }";
    const parts = ['"big":9007199254740993,', '"list":[-9223372036854775807],', '"lost":9007199254740994,', '"text":"9007199254740992"', '"none":null', '"deep":{"none":null}'];
    for (const more of ["", ", e: (() => 1)()"]) {
        const text = await query(`from Nums as n select { ${shown}${more} }`);
        for (const part of parts) assert.ok(text.includes(part), `${part} in ${text}`);
    }
    for (const [name, body] of [["Translated", "return"], ["Scripted", "for (const one of [1]) return"]]) {
        const reduce = "groupBy(x => x.big).aggregate(g => { const text = g.values[0].text; return { big: g.key, text } })";
        const put = await putIndex({ Name: `Nums/${name}`, Maps: [`map('Nums', n => { ${body} { big: n.big, text: String(n.big) } })`], Reduce: reduce });
        assert.equal(put.status, 201, put.text);
        const text = await query(`from index 'Nums/${name}' where big = 9007199254740993`);
        assert.ok(text.includes('"big":9007199254740993,'), text);
        assert.ok(text.includes('"text":"9007199254740992"'), text);
    }
});

test("a document in another collection than it is loaded from is not seen", async () => {
    const session = store.openSession();
    await session.store(new Trip({ driver: "trips/0", legs: [1], day: "2026-03-01" }), "trips/9");
    await session.saveChanges();
    const nobody = await ask("from index 'Trips/Lengths' where driver = 'nobody'");
    assert.ok(nobody.map(it => it.id).includes("trips/9"));
});

test("a walk from document to document finds all below one, and follows a move", async () => {
    const put = await putIndex({
        Name: "Trips/Before",
        Maps: [`map('Trips', t => {
            const before = [];
            for (let at = t; at && at.after; at = load(at.after, 'Trips')) before.push(at.after);
            return { before };
        })`],
    });
    assert.equal(put.status, 201, put.text);
    const session = store.openSession();
    for (const [id, after] of [["a", null], ["b", "trips/a"], ["c", "trips/b"], ["d", "trips/c"], ["e", "trips/a"]]) {
        await session.store(new Trip({ driver: "drivers/1", legs: [1], day: "2026-04-01", after }), `trips/${id}`);
    }
    await session.saveChanges();
    const below = async id => (await ask(`from index 'Trips/Before' where before = 'trips/${id}'`)).map(it => it.id).sort();
    assert.deepEqual(await below("b"), ["trips/c", "trips/d"]);
    const moving = store.openSession();
    (await moving.load("trips/c")).after = "trips/e";
    await moving.saveChanges();
    assert.deepEqual(await below("b"), []);
    assert.deepEqual(await below("e"), ["trips/c", "trips/d"]);
});

test("created fields say themselves how they are kept, translated or not", async () => {
    const parts = "t.parts.map(p => createField(p.name, p.text, { storage: true, indexing: p.way, termVector: 'No' }))";
    for (const [name, map] of [
        ["Translated", `map('Parts', t => ({ _: ${parts} }))`],
        ["Scripted", `map('Parts', function (t) { let made; for (const way of [0]) made = ${parts}; return { _: made }; })`],
    ]) {
        const put = await putIndex({ Name: `Parts/${name}`, Maps: [map] });
        assert.equal(put.status, 201, put.text);
    }
    const part = (name, text, way) => ({ name, text, way });
    const session = store.openSession();
    await session.store({
        parts: [part("Note", "Quick fox", "Search"), part("Note", "lazy dog", "Search"), part("Code", "aB", "Exact")],
        "@metadata": { "@collection": "Parts" },
    }, "parts/1");
    await session.saveChanges();
    for (const name of ["Translated", "Scripted"]) {
        const found = async condition => (await ask(`from index 'Parts/${name}' where ${condition}`)).length;
        assert.equal(await found("search(Note, 'dog quick', and)"), 1, name);
        assert.equal(await found("Code = 'aB'"), 1, name);
        assert.equal(await found("Code = 'ab'"), 0, name);
        const [shown] = await ask(`from index 'Parts/${name}' select Note, Code`);
        assert.deepEqual([shown.Note, shown.Code], [["Quick fox", "lazy dog"], "aB"]);
    }
});

test("what functions made is there after a kill, and goes on", async () => {
    // Indexes are behind when the server dies.
    const session = store.openSession();
    for (let at = 100; at < 200; at++) {
        await session.store(new Trip({ driver: "drivers/9", legs: [at, 1], day: "2026-05-01" }), `trips/${at}`);
    }
    await session.saveChanges();
    await server.crash();
    const check = async count => {
        assert.equal((await ask("from index 'Trips/Lengths' where month = 5")).length, count);
        const [group] = await ask("from index 'Trips/ByDriver' where driver = 'drivers/9'");
        assert.deepEqual([group.count, group.longest], [count, 199]);
        assert.equal((await ask("from index 'Parts/Scripted' where Code = 'aB'")).length, 1);
    };
    await check(100);
    const deleting = store.openSession();
    for (let at = 100; at < 150; at++) {
        await deleting.delete(`trips/${at}`);
    }
    await deleting.saveChanges();
    await check(50);
});

test("functions stand beside fields, and see when a document was written", async () => {
    const rows = await ask(`declare function first(trip, fallback) { return trip.legs.length ? trip.legs[0] : fallback; }
        from Trips as trip where id() in ('trips/0', 'trips/1') order by id() load trip.driver as d
        select first(trip, 0) as leg, trip.day, d.name as name, trip.legs[] as legs`);
    const driver = await store.openSession().load("drivers/1");
    assert.deepEqual(
        rows.map(({ leg, day, name, legs }) => [leg, day, name, legs]),
        [[3, "2026-01-05", driver.name, [3, 4]], [10, "2026-02-01", driver.name, [10]]],
    );
    const [written] = await ask("from Trips as trip where id() = 'trips/1' select { at: lastModified(trip), made: (() => 1)() }");
    assert.ok(Math.abs(Date.now() - written.at) < 3_600_000, String(written.at));
});

test("a map that never ends does not keep the server from stopping", async () => {
    const session = store.openSession();
    for (let at = 0; at < 20; at++) await session.store(new Trip({ legs: [at], driver: "drivers/9" }), `endless/${at}`);
    await session.saveChanges();
    const loop = { Name: "Loop", Maps: ["map('Trips', t => { while (true) {} return { A: 1 }; })"] };
    assert.equal((await putIndex(loop)).status, 201);
    // Whoever waits for it is told at once when it is deleted.
    const waiting = fetch(`${server.url}/databases/${store.database}/queries`, {
        method: "POST",
        body: JSON.stringify({
            Query: "from index 'Loop'",
            WaitForNonStaleResults: true,
            WaitForNonStaleResultsTimeout: "00:10:00",
        }),
    });
    await store.maintenance.send(new DeleteIndexOperation("Loop"));
    assert.equal((await waiting).status, 404);
    assert.equal((await putIndex(loop)).status, 201);
    // The server stops as this story ends, and does not wait until each document took its time.
});
