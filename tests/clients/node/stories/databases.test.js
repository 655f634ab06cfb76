// Someone sets up databases: creates, lists, measures, disables, enables and deletes them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
    CreateDatabaseOperation,
    DatabaseHealthCheckOperation,
    DeleteDatabasesOperation,
    GetBuildNumberOperation,
    GetCollectionStatisticsOperation,
    GetDatabaseNamesOperation,
    GetDatabaseRecordOperation,
    GetDetailedCollectionStatisticsOperation,
    GetStatisticsOperation,
    ToggleDatabasesStateOperation,
} from "ravendb";
import { send } from "../harness/http.js";
import { Server } from "../harness/server.js";
import { closeStore, createStore, openStore } from "../harness/store.js";

let server;
before(async () => { server = await Server.start(); });
after(() => server.stop());

test("a created database is known by name, record and topology", async () => {
    const store = await createStore(server.url);
    const names = await store.maintenance.server.send(new GetDatabaseNamesOperation(0, 100));
    assert.ok(names.includes(store.database), `${store.database} in ${names}`);

    const record = await store.maintenance.server.send(new GetDatabaseRecordOperation(store.database));
    assert.equal(record.databaseName, store.database);
    assert.deepEqual(record.topology.members, ["A"]);
    const missing = await store.maintenance.server.send(new GetDatabaseRecordOperation("NoSuchDatabase"));
    assert.equal(missing ?? null, null);

    await store.maintenance.send(new DatabaseHealthCheckOperation());
    const executor = store.getRequestExecutor();
    await executor.getPreferredNode();
    const nodes = executor.getTopologyNodes();
    assert.deepEqual(nodes.map(node => [node.clusterTag, node.url]), [["A", server.url]]);
    await closeStore(store);
});

test("the build number belongs to the protocol the clients speak", async () => {
    const store = openStore(server.url, "Unused");
    const build = await store.maintenance.server.send(new GetBuildNumberOperation());
    assert.match(build.fullVersion, /^7\.2/);
    assert.ok(build.buildVersion >= 72000);
    await closeStore(store);
});

test("creating a database twice is a concurrency error and leaves its documents alone", async () => {
    const store = await createStore(server.url);
    const session = store.openSession();
    await session.store({ name: "kept" }, "things/1");
    await session.saveChanges();

    await assert.rejects(
        store.maintenance.server.send(new CreateDatabaseOperation({ databaseName: store.database })),
        { name: "ConcurrencyException", message: new RegExp(`${store.database}.*exists`) });
    assert.equal((await store.openSession().load("things/1")).name, "kept");
    await closeStore(store);
});

test("names that are not database names are refused and touch no path", async () => {
    const store = openStore(server.url, "Unused");
    for (const databaseName of ["../escape", "a/b", "a\\b", ".", "..", "with\u0000nul", "x".repeat(300)]) {
        const answer = await send(server.url, "PUT", `/admin/databases?name=${encodeURIComponent(databaseName)}&replicationFactor=1`,
            { body: { DatabaseName: databaseName, Settings: {} } });
        assert.ok(answer.status >= 400, `${JSON.stringify(databaseName)} was answered with ${answer.status}`);
        assert.ok(answer.json.Message.length > 0);
    }
    const names = await store.maintenance.server.send(new GetDatabaseNamesOperation(0, 1000));
    assert.deepEqual(names.filter(name => !name.startsWith("Story")), []);
    await closeStore(store);
});

test("a database that does not exist is named in the error", async () => {
    const store = openStore(server.url, "Nowhere");
    await assert.rejects(store.openSession().load("users/1"),
        { name: "DatabaseDoesNotExistException", message: /Nowhere/ });
    const session = store.openSession();
    await session.store({ name: "lost" }, "users/1");
    await assert.rejects(session.saveChanges(), { name: "DatabaseDoesNotExistException" });
    await closeStore(store);
});

test("a deleted database is gone, and one created anew under its name is empty", async () => {
    const store = await createStore(server.url);
    const session = store.openSession();
    await session.store({ name: "doomed" }, "things/1");
    await session.saveChanges();

    await store.maintenance.server.send(
        new DeleteDatabasesOperation({ databaseNames: [store.database], hardDelete: true }));
    const names = await store.maintenance.server.send(new GetDatabaseNamesOperation(0, 100));
    assert.ok(!names.includes(store.database));
    await assert.rejects(store.openSession().load("things/1"), { name: "DatabaseDoesNotExistException" });

    await store.maintenance.server.send(new CreateDatabaseOperation({ databaseName: store.database }));
    assert.equal(await store.openSession().load("things/1"), null);
    await closeStore(store);
});

test("a disabled database refuses work until it is enabled", async () => {
    const store = await createStore(server.url);
    const session = store.openSession();
    await session.store({ name: "asleep" }, "things/1");
    await session.saveChanges();

    const disabled = await store.maintenance.server.send(new ToggleDatabasesStateOperation(store.database, true));
    assert.equal(disabled.name, store.database);
    assert.equal(disabled.success, true);
    assert.equal(disabled.disabled, true);
    await assert.rejects(store.openSession().load("things/1"), { name: "DatabaseDisabledException" });

    const enabled = await store.maintenance.server.send(new ToggleDatabasesStateOperation(store.database, false));
    assert.equal(enabled.disabled, false);
    assert.equal((await store.openSession().load("things/1")).name, "asleep");
    await closeStore(store);
});

test("a disabled database stays disabled over a restart", async () => {
    const own = await Server.start();
    const store = await createStore(own.url);
    await store.maintenance.server.send(new ToggleDatabasesStateOperation(store.database, true));
    await own.restart();
    await assert.rejects(store.openSession().load("things/1"), { name: "DatabaseDisabledException" });
    await store.maintenance.server.send(new ToggleDatabasesStateOperation(store.database, false));
    assert.equal(await store.openSession().load("things/1"), null);
    await closeStore(store);
    await own.stop();
});

test("statistics count documents and collections as they come and go", async () => {
    const store = await createStore(server.url);
    const session = store.openSession();
    for (let n = 1; n <= 5; n++) {
        await session.store({ n, "@metadata": { "@collection": "Cups" } }, `cups/${n}`);
    }
    await session.store({ n: 1, "@metadata": { "@collection": "Plates" } }, "plates/1");
    await session.saveChanges();

    const before = await store.maintenance.send(new GetStatisticsOperation());
    assert.equal(before.countOfDocuments, 6);
    assert.equal(before.countOfTombstones, 0);
    assert.equal(before.lastDocEtag, 6);
    assert.match(before.databaseChangeVector, /^A:6-/);
    assert.ok(Array.isArray(before.indexes));

    const removal = store.openSession();
    await removal.delete("cups/2");
    await removal.saveChanges();

    const collections = await store.maintenance.send(new GetCollectionStatisticsOperation());
    assert.equal(collections.countOfDocuments, 5);
    assert.deepEqual({ ...collections.collections }, { Cups: 4, Plates: 1 });

    const after = await store.maintenance.send(new GetStatisticsOperation());
    assert.equal(after.countOfDocuments, 5);
    assert.equal(after.countOfTombstones, 1);

    const detailed = await store.maintenance.send(new GetDetailedCollectionStatisticsOperation());
    const [cups, plates] = Object.values(detailed.collections); // The client turns names into camel case.
    assert.deepEqual([cups.name, cups.countOfDocuments, plates.name], ["Cups", 4, "Plates"]);
    assert.ok(plates.size.sizeInBytes > 0);
    await closeStore(store);
});

test("databases do not see each other's documents", async () => {
    const one = await createStore(server.url);
    const two = await createStore(server.url);
    for (const store of [one, two]) {
        const session = store.openSession();
        await session.store({ owner: store.database }, "shared/1");
        await session.saveChanges();
    }
    assert.equal((await one.openSession().load("shared/1")).owner, one.database);
    assert.equal((await two.openSession().load("shared/1")).owner, two.database);
    await closeStore(one);
    await closeStore(two);
});

test("a database name is found in any case", async () => {
    const store = await createStore(server.url);
    const session = store.openSession();
    await session.store({ found: true }, "things/1");
    await session.saveChanges();
    const other = openStore(server.url, store.database.toUpperCase());
    assert.equal((await other.openSession().load("things/1")).found, true);
    await closeStore(other);
    await closeStore(store);
});
