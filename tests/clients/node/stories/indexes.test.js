// A school keeps indexes of its own: JavaScript and C# texts, loaded documents, groups.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
    AbstractCsharpIndexCreationTask,
    AbstractJavaScriptIndexCreationTask,
    AbstractCsharpMultiMapIndexCreationTask,
    DeleteIndexOperation,
    DisableIndexOperation,
    EnableIndexOperation,
    GetIndexErrorsOperation,
    GetIndexOperation,
    GetIndexStatisticsOperation,
    IndexDefinition,
    PutIndexesOperation,
    ResetIndexOperation,
    SetIndexesLockOperation,
    StartIndexingOperation,
    StopIndexingOperation,
} from "ravendb";
import { send } from "../harness/http.js";
import { Server } from "../harness/server.js";
import { closeStore, createStore } from "../harness/store.js";

class Child {
    constructor(fields) {
        Object.assign(this, fields);
    }
}
class Mother {
    constructor(fields) {
        Object.assign(this, fields);
    }
}

class Children_ByMother extends AbstractJavaScriptIndexCreationTask {
    constructor() {
        super();
        const { load } = this.mapUtils();
        this.map(Child, child => {
            const mother = load(child.motherId, "Mothers");
            return { name: child.name, motherName: mother.name };
        });
    }
}

class Hours_ByGroup extends AbstractJavaScriptIndexCreationTask {
    constructor() {
        super();
        this.map(Child, child => ({ group: child.group, count: 1, hours: child.hours }));
        this.reduce(results => results
            .groupBy(x => x.group)
            .aggregate(g => ({
                group: g.key,
                count: g.values.reduce((sum, x) => sum + x.count, 0),
                hours: g.values.reduce((sum, x) => sum + x.hours, 0),
            })));
    }
}

class Toys extends AbstractCsharpIndexCreationTask {
    constructor() {
        super();
        this.map = "from child in docs.Children from toy in child.toys select new { toy, child.group }";
        this.index("group", "Exact");
    }
}

class Names extends AbstractCsharpMultiMapIndexCreationTask {
    constructor() {
        super();
        this.addMap("from c in docs.Children select new { c.name }");
        this.addMap("docs.Mothers.Select(m => new { name = m.name })");
        this.index("name", "Search");
    }
}

let server, store;
before(async () => {
    server = await Server.start();
    store = await createStore(server.url);
    const session = store.openSession();
    await session.store(new Mother({ name: "Ruth" }), "mothers/1");
    const children = [
        ["Eva", "mothers/1", "red", 3, ["ball", "doll"]],
        ["Max", "mothers/2", "red", 5, ["ball"]],
        ["Ida", "mothers/1", "Blue", 7, []],
    ];
    for (const [at, [name, motherId, group, hours, toys]] of children.entries()) {
        await session.store(new Child({ name, motherId, group, hours, toys }), `children/${at + 1}`);
    }
    await session.saveChanges();
    for (const task of [new Children_ByMother(), new Hours_ByGroup(), new Toys(), new Names()]) {
        await task.execute(store);
    }
});
after(async () => {
    await closeStore(store);
    await server.stop();
});

async function ids(rql, parameters = {}) {
    const session = store.openSession();
    const query = session.advanced.rawQuery(rql).waitForNonStaleResults();
    for (const [name, value] of Object.entries(parameters)) {
        query.addParameter(name, value);
    }
    return (await query.all()).map(it => session.advanced.getDocumentId(it)).sort();
}

async function change(id, fields) {
    const session = store.openSession();
    Object.assign(await session.load(id), fields);
    await session.saveChanges();
}

test("children are found by their mother's name, also when she is renamed, comes or goes", async () => {
    const byMother = name => ids("from index 'Children/ByMother' where motherName = $name", { name });
    assert.deepEqual(await byMother("Ruth"), ["children/1", "children/3"]);
    await change("mothers/1", { name: "Rosa" });
    assert.deepEqual(await byMother("Ruth"), []);
    assert.deepEqual(await byMother("Rosa"), ["children/1", "children/3"]);
    const session = store.openSession();
    await session.store(new Mother({ name: "Lea" }), "mothers/2");
    await session.saveChanges();
    assert.deepEqual(await byMother("Lea"), ["children/2"]);
    const later = store.openSession();
    await later.delete("mothers/2");
    await later.saveChanges();
    assert.deepEqual(await byMother("Lea"), []);
    assert.deepEqual(await byMother(null), ["children/2"]);
});

test("groups are counted and summed, and follow every change", async () => {
    const groups = async () => {
        const found = await store.openSession().query({ indexName: "Hours/ByGroup" }).waitForNonStaleResults().orderBy("group").all();
        return found.map(it => [it.group, it.count, it.hours]);
    };
    assert.deepEqual(await groups(), [["Blue", 1, 7], ["red", 2, 8]]);
    await change("children/2", { group: "Blue", hours: 6 });
    assert.deepEqual(await groups(), [["Blue", 2, 13], ["red", 1, 3]]);
    await change("children/1", { group: "Blue" });
    assert.deepEqual(await groups(), [["Blue", 3, 16]]);
    await change("children/1", { group: "red" });
    await change("children/2", { group: "red", hours: 5 });
    assert.deepEqual(await groups(), [["Blue", 1, 7], ["red", 2, 8]]);
});

test("one document has many entries, and is one result", async () => {
    assert.deepEqual(await ids("from index 'Toys' where toy = 'ball'"), ["children/1", "children/2"]);
    assert.deepEqual(await ids("from index 'Toys'"), ["children/1", "children/2"]);
    assert.deepEqual(await ids("from index 'Toys' where group = 'RED'"), [], "exactly");
    const statistics = await store.maintenance.send(new GetIndexStatisticsOperation("Toys"));
    assert.equal(statistics.entriesCount, 3);
});

test("several collections are searched at once", async () => {
    assert.deepEqual(await ids("from index 'Names' where search(name, 'rosa ida')"), ["children/3", "mothers/1"]);
});

test("a definition that cannot be compiled is refused with its place", async () => {
    const put = map => {
        const definition = new IndexDefinition();
        definition.name = "Bad";
        definition.maps = new Set([map]);
        return store.maintenance.send(new PutIndexesOperation(definition));
    };
    await assert.rejects(put("from c in docs.Children orderby c.name select new { c.name }"), error => {
        assert.equal(error.name, "IndexCompilationException");
        assert.match(error.message, /1:25/);
        return true;
    });
    assert.ok(!(await store.maintenance.send(new GetIndexOperation("Bad"))));
});

test("a changed definition answers when it has caught up, the old one until then", async () => {
    class Toys2 extends AbstractCsharpIndexCreationTask {
        constructor() {
            super();
            this.map = "from child in docs.Children from toy in child.toys select new { toy, child.hours }";
        }
        getIndexName() {
            return "Toys";
        }
    }
    await new Toys2().execute(store);
    // Either answers this; only the new one has hours.
    assert.deepEqual(await ids("from index 'Toys' where toy = 'ball'"), ["children/1", "children/2"]);
    let found = [];
    while (found.length === 0) {
        found = await ids("from index 'Toys' where hours = 5");
    }
    assert.deepEqual(found, ["children/2"]);
    const definition = await store.maintenance.send(new GetIndexOperation("Toys"));
    assert.match([...definition.maps][0], /child\.hours/);
});

test("indexes are stopped, disabled, locked, reset and deleted", async () => {
    const added = async (id, group) => {
        const session = store.openSession();
        await session.store(new Child({ name: "New", group, hours: 1, toys: [] }), id);
        await session.saveChanges();
    };
    const isStale = async name => (await store.maintenance.send(new GetIndexStatisticsOperation(name))).isStale;
    await store.maintenance.send(new StopIndexingOperation());
    await added("children/8", "green");
    assert.equal(await isStale("Hours/ByGroup"), true);
    await store.maintenance.send(new StartIndexingOperation());
    assert.deepEqual(await ids("from index 'Children/ByMother' where name = 'New'"), ["children/8"]);
    await store.maintenance.send(new DisableIndexOperation("Names"));
    await added("children/9", "green");
    assert.deepEqual(await ids("from index 'Children/ByMother' where name = 'New'"), ["children/8", "children/9"]);
    assert.equal(await isStale("Names"), true);
    await store.maintenance.send(new EnableIndexOperation("Names"));
    assert.deepEqual(await ids("from index 'Names' where search(name, 'new')"), ["children/8", "children/9"]);
    await store.maintenance.send(new ResetIndexOperation("Names"));
    assert.deepEqual(await ids("from index 'Names' where search(name, 'new')"), ["children/8", "children/9"]);
    await store.maintenance.send(new SetIndexesLockOperation("Names", "LockedError"));
    await assert.rejects(store.maintenance.send(new DeleteIndexOperation("Names")), /locked/);
    await store.maintenance.send(new SetIndexesLockOperation("Names", "Unlock"));
    await store.maintenance.send(new DeleteIndexOperation("Names"));
    assert.ok(!(await store.maintenance.send(new GetIndexOperation("Names"))));
    const errors = await store.maintenance.send(new GetIndexErrorsOperation(["Hours/ByGroup"]));
    assert.deepEqual(errors[0].errors, []);
});

test("all of it is there after a crash", async () => {
    await server.crash();
    assert.deepEqual(await ids("from index 'Children/ByMother' where motherName = 'Rosa'"), ["children/1", "children/3"]);
    assert.deepEqual(await ids("from index 'Toys' where hours = 5"), ["children/2"]);
});

const BY_NAME = "from index 'Children/ByMother' order by name";

test("the entries of an index are shown as they are found", async () => {
    const path = `/databases/${store.database}/queries`;
    const entries = async (text, status = 200) => {
        const answer = await send(server.url, "POST", `${path}?debug=entries`, { body: { Query: text } });
        assert.equal(answer.status, status, answer.text);
        return answer.json;
    };
    const plain = await send(server.url, "POST", path, { body: { Query: BY_NAME, WaitForNonStaleResults: true } });
    const shown = await entries(BY_NAME);
    assert.equal(shown.TotalResults, plain.json.TotalResults);
    assert.ok(shown.TotalResults > 0);
    assert.deepEqual(
        shown.Results.map(it => it["@metadata"]["@id"]),
        plain.json.Results.map(it => it["@metadata"]["@id"].toLowerCase()),
    );
    for (const entry of shown.Results) assert.equal(entry["id()"], entry["@metadata"]["@id"]);
    assert.match((await entries("from @all_docs", 501)).Message, /no entries/);
});

test("what an index does not have cannot be asked for, and a question changes nothing", async () => {
    const path = `/databases/${store.database}`;
    const index = { Name: "Asked/ByName", Maps: ["map('Askeds', it => ({ name: it.name }))"] };
    await send(server.url, "PUT", `${path}/docs?id=askeds/1`, { body: { name: "Ada", "@metadata": { "@collection": "Askeds" } } });
    await send(server.url, "PUT", `${path}/admin/indexes`, { body: { Indexes: [index] } });
    const ask = Query => send(server.url, "POST", `${path}/queries`, { body: { Query, WaitForNonStaleResults: true } });
    assert.equal((await ask("from index 'Asked/ByName' where name = 'ada'")).json.TotalResults, 1);
    for (const rest of ["where Nope = 1", "order by Nope"]) {
        const refused = await ask(`from index 'Asked/ByName' ${rest}`);
        assert.deepEqual([refused.status, refused.json.Type], [500, "System.ArgumentException"]);
        assert.match(refused.json.Message, /The field 'Nope' is not indexed in 'Asked\/ByName'/);
    }
    const update = await ask("from index 'Asked/ByName' update { this.x = 1; }");
    assert.equal(update.status, 400);
    assert.match(update.json.Type, /InvalidQueryException$/);
});
