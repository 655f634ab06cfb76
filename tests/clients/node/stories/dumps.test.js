// A shop is taken out of one database and put into another, with all its history.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, before, test } from "node:test";
import {
    ConfigureRevisionsOperation, DatabaseSmugglerExportOptions, DatabaseSmugglerImportOptions,
    RevisionsCollectionConfiguration, RevisionsConfiguration,
} from "ravendb";
import { send } from "../harness/http.js";
import { Server } from "../harness/server.js";
import { closeStore, createStore } from "../harness/store.js";

let server, store, folder;
before(async () => {
    server = await Server.start();
    store = await createStore(server.url);
    folder = await mkdtemp(join(tmpdir(), "pinyon-dumps-"));
    const configuration = new RevisionsConfiguration();
    configuration.defaultConfig = Object.assign(new RevisionsCollectionConfiguration(), { disabled: false });
    await store.maintenance.send(new ConfigureRevisionsOperation(configuration));
    for (const price of [1, 2]) {
        const session = store.openSession();
        await session.store({ price, "@metadata": { "@collection": "Offers" } }, "offers/1");
        session.advanced.attachments.store("offers/1", "picture.png", Buffer.from(`picture ${price}`), "image/png");
        await session.saveChanges();
    }
    const session = store.openSession();
    await session.store({ n: 1, "@metadata": { "@collection": "Others" } }, "others/1");
    await session.saveChanges();
});
after(async () => {
    await rm(folder, { recursive: true, force: true });
    await closeStore(store);
    await server.stop();
});

async function exported(name, options = new DatabaseSmugglerExportOptions()) {
    const file = join(folder, name);
    const operation = await store.smuggler.export(options, file);
    await operation.waitForCompletion();
    return file;
}

test("a dump carries documents, their history and their attachments", async () => {
    const copy = await createStore(server.url);
    const operation = await copy.smuggler.import(new DatabaseSmugglerImportOptions(), await exported("all.ravendbdump"));
    await operation.waitForCompletion();
    const session = copy.openSession();
    assert.equal((await session.load("offers/1")).price, 2);
    assert.equal((await session.load("others/1")).n, 1);
    const picture = await session.advanced.attachments.get("offers/1", "picture.png");
    assert.equal(String(await buffer(picture.data)), "picture 2");
    const original = await store.openSession().advanced.revisions.getMetadataFor("offers/1");
    const copied = await session.advanced.revisions.getMetadataFor("offers/1");
    assert.deepEqual(copied.map(metadata => metadata["@change-vector"]), original.map(metadata => metadata["@change-vector"]));
    // The document came first, its picture second.
    const second = copied.at(-2)["@change-vector"];
    const old = await session.advanced.attachments.getRevision("offers/1", "picture.png", second);
    assert.equal(String(await buffer(old.data)), "picture 1");
    // Revisions are kept on, as the configuration that came along says.
    (await session.load("others/1")).n = 2;
    await session.saveChanges();
    assert.equal(await copy.openSession().advanced.revisions.getCountFor("others/1"), 2);
    await closeStore(copy);
});

test("a dump carries what resolves conflicts and judges writes", async () => {
    const on = (database, method, path, body) => send(server.url, method, `/databases/${encodeURIComponent(database)}${path}`, { body });
    // Without functions, which would have to be compiled first.
    const solver = { ResolveToLatest: true };
    const validation = { Collections: {} };
    assert.equal((await on(store.database, "POST", "/admin/replication/conflicts/solver", solver)).status, 200);
    assert.equal((await on(store.database, "POST", "/admin/validation/config", validation)).status, 200);
    const copy = await createStore(server.url);
    const operation = await copy.smuggler.import(new DatabaseSmugglerImportOptions(), await exported("configured.ravendbdump"));
    await operation.waitForCompletion();
    assert.deepEqual((await on(copy.database, "GET", "/validation/config")).json, validation);
    const record = (await on(copy.database, "GET", "/admin/record")).json;
    assert.equal(record.ConflictSolverConfig.ResolveToLatest, true);
    await closeStore(copy);
});

test("only some collections, and only documents", async () => {
    const options = new DatabaseSmugglerExportOptions();
    options.operateOnTypes = ["Documents"];
    options.collections = ["Others"];
    const copy = await createStore(server.url);
    const operation = await copy.smuggler.import(new DatabaseSmugglerImportOptions(), await exported("some.ravendbdump", options));
    await operation.waitForCompletion();
    const session = copy.openSession();
    assert.equal(await session.load("offers/1"), null);
    assert.equal((await session.load("others/1")).n, 1);
    assert.equal(await session.advanced.revisions.getCountFor("others/1"), 0);
    await closeStore(copy);
});

test("a file that is no dump is refused", async () => {
    const file = join(folder, "broken.ravendbdump");
    await writeFile(file, '{"BuildVersion":72051,"Docs":[{"n":1}]}');
    await assert.rejects(store.smuggler.import(new DatabaseSmugglerImportOptions(), file), /@id/);
});
