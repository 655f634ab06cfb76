// What indexes do over their lives: their results become documents that others index, they are
// locked, they fail, and those that nobody asks rest.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
    AbstractJavaScriptIndexCreationTask,
    DeleteIndexOperation,
    GetIndexErrorsOperation,
    GetIndexOperation,
    GetIndexStatisticsOperation,
    IndexDefinition,
    PutIndexesOperation,
    ResetIndexOperation,
    SetIndexesLockOperation,
    SetIndexesPriorityOperation,
} from "ravendb";
import { Server } from "../harness/server.js";
import { closeStore, createStore } from "../harness/store.js";

class Order {
    constructor(fields) {
        Object.assign(this, fields);
    }
}

class Days extends AbstractJavaScriptIndexCreationTask {
    constructor() {
        super();
        this.map(Order, order => ({ day: order.day, month: order.day.substring(0, 7), total: order.total }));
        this.reduce(results => results
            .groupBy(x => ({ day: x.day, month: x.month }))
            .aggregate(g => ({
                day: g.key.day,
                month: g.key.month,
                total: g.values.reduce((sum, x) => sum + x.total, 0),
            })));
        this.outputReduceToCollection = "DayTotals";
        this.patternForOutputReduceToCollectionReferences = "totals/{day:yyyy-MM}";
    }
}

class Months extends AbstractJavaScriptIndexCreationTask {
    constructor() {
        super();
        this.map("DayTotals", day => ({ month: day.month, total: day.total, days: 1 }));
        this.reduce(results => results
            .groupBy(x => x.month)
            .aggregate(g => ({
                month: g.key,
                total: g.values.reduce((sum, x) => sum + x.total, 0),
                days: g.values.reduce((sum, x) => sum + x.days, 0),
            })));
    }
}

const REST_AFTER_S = "1";
let server, store;
before(async () => {
    process.env.PINYON_AUTO_INDEX_IDLE_AFTER_S = REST_AFTER_S;
    server = await Server.start();
    store = await createStore(server.url);
    await new Months().execute(store);
    await new Days().execute(store);
    await put("orders/1", "2026-01-05", 10);
    await put("orders/2", "2026-01-06", 5);
    await put("orders/3", "2026-02-01", 1);
});
after(async () => {
    delete process.env.PINYON_AUTO_INDEX_IDLE_AFTER_S;
    await closeStore(store);
    await server.stop();
});

async function put(id, day, total) {
    const session = store.openSession();
    await session.store(new Order({ day, total }), id);
    await session.saveChanges();
}

async function ask(rql) {
    return store.openSession().advanced.rawQuery(rql).waitForNonStaleResults().all();
}

const until = async condition => {
    while (!(await condition())) {
        await new Promise(resolve => setTimeout(resolve, 20));
    }
};

async function months() {
    // The days become documents when they are not stale; then the months hear of them.
    await ask("from index 'Days'");
    const found = await ask("from index 'Months'");
    return found.map(it => [it.month, it.total, it.days]).sort();
}

test("results are documents, which other indexes reduce further", async () => {
    assert.deepEqual(await months(), [["2026-01", 15, 2], ["2026-02", 1, 1]]);
    await put("orders/3", "2026-01-06", 2);
    assert.deepEqual(await months(), [["2026-01", 17, 2]]);
    const days = await ask("from DayTotals where total = 7");
    assert.deepEqual(days.map(it => it.day), ["2026-01-06"]);
    assert.equal(days[0]["@metadata"]["@flags"], "Artificial, FromIndex");
});

test("documents that list results have ids that can be told beforehand, and include them", async () => {
    const session = store.openSession();
    const list = await session.include("ReduceOutputs").load("totals/2026-01");
    const requests = session.advanced.numberOfRequests;
    const days = await session.load(list.ReduceOutputs);
    assert.equal(session.advanced.numberOfRequests, requests);
    assert.deepEqual(Object.values(days).map(it => it.day).sort(), ["2026-01-05", "2026-01-06"]);
});

test("nobody else writes results, and an index that would feed itself is refused", async () => {
    const session = store.openSession();
    const [day] = await session.query({ collection: "DayTotals" }).all();
    day.total = 1000;
    await assert.rejects(session.saveChanges(), /is a result of an index/);
    class Circle extends AbstractJavaScriptIndexCreationTask {
        constructor() {
            super();
            this.map("DayTotals", it => ({ day: it.day, total: 1 }));
            this.reduce(results => results.groupBy(x => x.day).aggregate(g => ({ day: g.key, total: 1 })));
            this.outputReduceToCollection = "Orders";
        }
    }
    await assert.rejects(new Circle().execute(store), error => {
        assert.equal(error.name, "IndexCompilationException");
        assert.match(error.message, /'Circle' writes 'orders', which 'Days' reads; 'Days' writes 'daytotals', which 'Circle' reads/);
        return true;
    });
});

test("a crash, a reset and a restart keep documents and results in step", async () => {
    await put("orders/4", "2026-03-01", 3);
    await server.crash();
    assert.deepEqual(await months(), [["2026-01", 17, 2], ["2026-03", 3, 1]]);
    const session = store.openSession();
    await session.delete("orders/4");
    await session.saveChanges();
    await store.maintenance.send(new ResetIndexOperation("Days"));
    assert.deepEqual(await months(), [["2026-01", 17, 2]]);
    assert.equal((await ask("from DayTotals")).length, 2);
    assert.equal(await store.openSession().load("totals/2026-03"), null);
});

test("locks refuse a change, or pass over it", async () => {
    const definition = map => {
        const made = new IndexDefinition();
        made.name = "Locked";
        made.maps = new Set([map]);
        return new PutIndexesOperation(made);
    };
    const first = "from o in docs.Orders select new { o.day }";
    const second = "from o in docs.Orders select new { o.total }";
    const maps = async () => [...(await store.maintenance.send(new GetIndexOperation("Locked"))).maps];
    await store.maintenance.send(definition(first));
    await store.maintenance.send(new SetIndexesLockOperation("Locked", "LockedIgnore"));
    await store.maintenance.send(definition(second));
    await store.maintenance.send(new DeleteIndexOperation("Locked"));
    assert.deepEqual(await maps(), [first]);
    await store.maintenance.send(new SetIndexesLockOperation("Locked", "LockedError"));
    await assert.rejects(store.maintenance.send(definition(second)), /locked/);
    await store.maintenance.send(new SetIndexesLockOperation("Locked", "Unlock"));
    await store.maintenance.send(definition(second));
    await until(async () => (await maps())[0] === second);
    await store.maintenance.send(new SetIndexesPriorityOperation("Locked", "Low"));
    const { priority } = await store.maintenance.send(new GetIndexStatisticsOperation("Locked"));
    assert.equal(priority, "Low");
});

test("errors name their documents, and an index that fails too often says why it stops", async () => {
    const made = new IndexDefinition();
    made.name = "Failing";
    made.maps = new Set(["map('Things', t => { for (const c of t.text) { if (c === '!') throw new Error('not ' + t.text); } return { text: t.text }; })"]);
    await store.maintenance.send(new PutIndexesOperation(made));
    const session = store.openSession();
    for (let number = 0; number < 10; number++) {
        const thing = { text: number === 4 ? "four!" : "fine", "@metadata": { "@collection": "Things" } };
        await session.store(thing, `things/${number}`);
    }
    await session.saveChanges();
    assert.equal((await ask("from index 'Failing'")).length, 9);
    let [{ errors }] = await store.maintenance.send(new GetIndexErrorsOperation(["Failing"]));
    assert.deepEqual(errors.map(it => [it.document, it.action]), [["things/4", "Map"]]);
    assert.match(errors[0].error, /not four!/);
    const more = store.openSession();
    for (let number = 10; number < 14; number++) {
        await more.store({ text: "bad!", "@metadata": { "@collection": "Things" } }, `things/${number}`);
    }
    await more.saveChanges();
    const state = async () => (await store.maintenance.send(new GetIndexStatisticsOperation("Failing"))).state;
    await until(async () => (await state()) === "Error");
    await assert.rejects(ask("from index 'Failing'"), /failed 5 times of 14, more than 15 %/);
    [{ errors }] = await store.maintenance.send(new GetIndexErrorsOperation(["Failing"]));
    assert.equal(errors.length, 5);
});

test("an automatic index that nobody asks rests, and a query wakes it", async () => {
    const state = async () => (await store.maintenance.send(new GetIndexStatisticsOperation("Auto/Orders/Bytotal"))).state;
    assert.equal((await ask("from Orders where total = 10")).length, 1);
    await until(async () => (await state()) === "Idle");
    await put("orders/9", "2026-01-07", 10);
    assert.equal((await ask("from Orders where total = 10")).length, 2);
});
