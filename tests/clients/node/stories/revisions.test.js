// What a document was: revisions that show who overwrote whom, what held at a date, and the way
// back.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
    ConfigureRevisionsOperation, EnforceRevisionsConfigurationOperation, GetRevisionsBinEntryCommand,
    GetRevisionsOperation, RevisionsCollectionConfiguration, RevisionsConfiguration,
} from "ravendb";
import { moment } from "../harness/clock.js";
import { send } from "../harness/http.js";
import { CountingProxy } from "../harness/proxy.js";
import { Server } from "../harness/server.js";
import { closeStore, createStore, openCountedStore, openStore } from "../harness/store.js";

class Contract {
    constructor(rent, currency = "EUR") {
        this.rent = rent;
        this.currency = currency;
    }
}

let server, store;
before(async () => {
    server = await Server.start();
    store = await createStore(server.url);
    await keep(store, {});
});
after(async () => {
    await closeStore(store);
    await server.stop();
});

/** Revisions for everything by default, as `kept` says, and for `collections`. */
function keep(of, kept, collections = {}) {
    const collection = given => Object.assign(new RevisionsCollectionConfiguration(), { disabled: false, ...given });
    const configuration = new RevisionsConfiguration();
    configuration.defaultConfig = kept && collection(kept);
    configuration.collections = new Map(Object.entries(collections).map(([name, given]) => [name, collection(given)]));
    return of.maintenance.send(new ConfigureRevisionsOperation(configuration));
}

async function put(id, document, in_ = store) {
    const session = in_.openSession();
    await session.store(document, id);
    await session.saveChanges();
    return session.advanced.getChangeVectorFor(document);
}

async function remove(id, in_ = store) {
    const session = in_.openSession();
    await session.delete(id);
    await session.saveChanges();
}

const revisionsOf = (id, in_ = store) => in_.openSession().advanced.revisions.getFor(id);
const flagsOf = revision => revision["@metadata"]["@flags"];

test("blind writes by two sessions leave two revisions", async () => {
    const one = store.openSession();
    const two = store.openSession();
    await one.store({ by: "one" }, "blind/1");
    await two.store({ by: "two" }, "blind/1");
    await one.saveChanges();
    await two.saveChanges();

    assert.equal((await store.openSession().load("blind/1")).by, "two", "the last write won");
    const session = store.openSession();
    const revisions = await session.advanced.revisions.getFor("blind/1");
    assert.deepEqual(revisions.map(revision => revision.by), ["two", "one"], "and the first is not lost");
    assert.equal(await session.advanced.revisions.getCountFor("blind/1"), 2);
    assert.equal(await session.advanced.revisions.getCountFor("blind/none"), 0);
});

test("the terms of a contract as of a date", async () => {
    const before_ = await moment();
    await put("contracts/1", new Contract(900));
    const signed = await moment();
    await put("contracts/1", new Contract(950));
    const raised = await moment();
    await put("contracts/1", new Contract(1000));

    const session = store.openSession();
    const asOf = async date => (await session.advanced.revisions.get("contracts/1", date, Contract))?.rent;
    assert.equal(await asOf(before_), undefined, "nothing held yet");
    assert.equal(await asOf(signed), 900);
    assert.equal(await asOf(raised), 950);
    assert.equal(await asOf(new Date(Date.now() + 86_400_000)), 1000);
    const revision = await session.advanced.revisions.get("contracts/1", signed, Contract);
    assert.ok(revision instanceof Contract);
});

test("a revision is found by the change vector the document had", async () => {
    const first = await put("vectors/1", { n: 1 });
    const second = await put("vectors/1", { n: 2 });
    const session = store.openSession();
    assert.equal((await session.advanced.revisions.get(first)).n, 1);
    const both = await session.advanced.revisions.get([second, first]);
    assert.deepEqual([both[second].n, both[first].n], [2, 1]);
    // What this vector would name was never written.
    const other = first.replace(/:\d+-/, ":999999-");
    assert.equal(await session.advanced.revisions.get(other) ?? null, null);
});

test("pages of revisions, newest first, and their metadata alone", async () => {
    for (let n = 1; n <= 30; n++) {
        await put("pages/1", { n });
    }
    const session = store.openSession();
    const first = await session.advanced.revisions.getFor("pages/1");
    assert.deepEqual(first.map(revision => revision.n), Array.from({ length: 25 }, (_, at) => 30 - at));
    const rest = await session.advanced.revisions.getFor("pages/1", { start: 25, pageSize: 10 });
    assert.deepEqual(rest.map(revision => revision.n), [5, 4, 3, 2, 1]);

    const metadata = await session.advanced.revisions.getMetadataFor("pages/1", { start: 0, pageSize: 2 });
    assert.equal(metadata.length, 2);
    for (const entry of metadata) {
        assert.equal(entry["@id"], "pages/1");
        assert.match(entry["@flags"], /Revision/);
    }
    const current = await session.load("pages/1");
    assert.equal(metadata[0]["@change-vector"], session.advanced.getChangeVectorFor(current));

    const result = await store.operations.send(new GetRevisionsOperation("pages/1", { start: 28, pageSize: 100 }));
    assert.equal(result.totalResults, 30);
    assert.deepEqual(result.results.map(revision => revision.n), [2, 1]);
});

test("revisions come along with the document that names them, in one request", async () => {
    const signedTerms = await put("terms/1", { rate: 3 });
    const signedAt = await moment();
    await put("terms/1", { rate: 4 });
    await put("loans/1", { terms: signedTerms });

    const proxy = await CountingProxy.start(server.url);
    const counted = openCountedStore(proxy, store.database);
    const session = counted.openSession();
    const loan = await session.load("loans/1", { includes: builder => builder.includeRevisions("terms") });
    const requests = proxy.requests("/docs").length + proxy.requests("/revisions").length;
    const terms = await session.advanced.revisions.get(loan.terms);
    assert.equal(terms.rate, 3);
    const dated = counted.openSession();
    await dated.load("terms/1", { includes: builder => builder.includeRevisions(signedAt) });
    assert.equal((await dated.advanced.revisions.get("terms/1", signedAt)).rate, 3);
    assert.equal(requests, 1);
    assert.equal(proxy.requests("/docs").length, 2);
    // The same for what a query finds.
    const asking = counted.openSession();
    const [found] = await asking.query({ collection: "@all_docs" })
        .whereEquals("id()", "loans/1").include(builder => builder.includeRevisions("terms")).all();
    assert.equal((await asking.advanced.revisions.get(found.terms)).rate, 3);
    const askingDated = counted.openSession();
    await askingDated.advanced.rawQuery("from @all_docs where rate = 4 include revisions($at)")
        .addParameter("at", signedAt.toISOString().replace("Z", "0000Z")).waitForNonStaleResults().all();
    assert.equal((await askingDated.advanced.revisions.get("terms/1", signedAt)).rate, 3);
    assert.equal(proxy.requests("/revisions").length, 0);
    await closeStore(counted);
    await proxy.stop();
});

test("lazy revisions go in one request", async () => {
    const first = await put("lazy/1", { n: 1 });
    await put("lazy/1", { n: 2 });
    const proxy = await CountingProxy.start(server.url);
    const counted = openCountedStore(proxy, store.database);
    const session = counted.openSession();
    const all = session.advanced.revisions.lazily.getFor("lazy/1");
    const metadata = session.advanced.revisions.lazily.getMetadataFor("lazy/1");
    const one = session.advanced.revisions.lazily.get(first);
    await session.advanced.eagerly.executeAllPendingLazyOperations();
    assert.deepEqual((await all.getValue()).map(revision => revision.n), [2, 1]);
    assert.equal((await metadata.getValue()).length, 2);
    assert.equal((await one.getValue()).n, 1);
    assert.equal(proxy.requests("/multi_get").length, 1);
    assert.equal(proxy.requests("/revisions").length, 0);
    await closeStore(counted);
    await proxy.stop();
});

test("a deleted document waits in the bin and is restored from there", async () => {
    const own = await createStore(server.url);
    await keep(own, {});
    const living = await put("photos/1", { title: "the only one" }, own);
    await remove("photos/1", own);
    assert.equal(await own.openSession().load("photos/1"), null);

    const executor = own.getRequestExecutor();
    const bin = async () => {
        const command = new GetRevisionsBinEntryCommand(own.conventions, 0, 10);
        await executor.execute(command);
        return command.result.results;
    };
    const [entry, ...others] = await bin();
    assert.deepEqual(others, []);
    assert.equal(entry["@metadata"]["@id"], "photos/1");
    assert.match(flagsOf(entry), /DeleteRevision/);

    // This client has no command of its own for the way back.
    const reverted = await send(server.url, "POST", `/databases/${own.database}/revisions/revert/docs`,
        { body: { IdToChangeVector: { "photos/1": living } } });
    assert.equal(reverted.status, 204, reverted.text);
    const session = own.openSession();
    const photo = await session.load("photos/1");
    assert.equal(photo.title, "the only one");
    assert.match(flagsOf(photo), /Reverted/);
    assert.deepEqual(await bin(), []);
    const history = (await revisionsOf("photos/1", own)).map(flagsOf);
    assert.equal(history.length, 3);
    assert.match(history[1], /DeleteRevision/);
    await closeStore(own);
});

test("what was restored by hand is the same document again", async () => {
    await put("byhand/1", { n: 1 });
    await remove("byhand/1");
    const session = store.openSession();
    const [, last] = await session.advanced.revisions.getFor("byhand/1");
    const again = store.openSession();
    await again.store({ n: last.n }, "byhand/1");
    await again.saveChanges();
    assert.equal((await revisionsOf("byhand/1")).length, 3, "its history goes on");
});

test("a configuration document is put back to what worked", async () => {
    const worked = await put("config/mail", { host: "mail.example", port: 25, tls: true });
    await put("config/mail", { host: "mail.example", port: 2525, tls: true });
    await put("config/mail", { host: "oops" });
    const other = await put("config/other", { host: "other" });

    const wrong = await send(server.url, "POST", `/databases/${store.database}/revisions/revert/docs`,
        { body: { IdToChangeVector: { "config/mail": other } } });
    assert.ok(wrong.status >= 400 && wrong.status < 500, "another document's version is not its own");
    assert.equal((await store.openSession().load("config/mail")).host, "oops");

    const reverted = await send(server.url, "POST", `/databases/${store.database}/revisions/revert/docs`,
        { body: { IdToChangeVector: { "config/mail": worked } } });
    assert.equal(reverted.status, 204, reverted.text);
    // The client adds the id.
    const { "@metadata": metadata, id: _, ...content } = await store.openSession().load("config/mail");
    assert.deepEqual(content, { host: "mail.example", port: 25, tls: true });
    assert.match(metadata["@flags"], /Reverted/);
    assert.notEqual(metadata["@change-vector"], worked, "going back is a new version");
    assert.equal((await revisionsOf("config/mail")).length, 4, "and what was wrong is still there to see");
});

test("a whole database goes back to a moment", async () => {
    const own = await createStore(server.url);
    await keep(own, {});
    await put("kept/1", { n: 1 }, own);
    await put("lost/1", { n: 1 }, own);
    const good = await moment();
    await put("kept/1", { n: 2 }, own);
    await remove("lost/1", own);
    await put("late/1", { n: 1 }, own);

    const started = await send(server.url, "POST", `/databases/${own.database}/revisions/revert`,
        { body: { Time: good.toISOString(), WindowInSec: 0, Collections: null } });
    assert.equal(started.status, 200, started.text);
    await finished(own, started.json.OperationId);
    const session = own.openSession();
    const now = await session.load(["kept/1", "lost/1", "late/1"]);
    assert.deepEqual([now["kept/1"].n, now["lost/1"].n, now["late/1"]], [1, 1, null]);
    await closeStore(own);
});

async function finished(of, id) {
    for (;;) {
        const state = await send(server.url, "GET", `/databases/${of.database}/operations/state?id=${id}`);
        if (state.json.Status !== "InProgress") {
            assert.equal(state.json.Status, "Completed", state.text);
            return state.json.Result;
        }
    }
}

test("only so many revisions are kept, and none of a collection that wants none", async () => {
    const own = await createStore(server.url);
    await keep(own, { minimumRevisionsToKeep: 2 }, { Drafts: { disabled: true }, Trash: { purgeOnDelete: true } });
    const inCollection = name => ({ n: 0, "@metadata": { "@collection": name } });
    for (let n = 0; n < 5; n++) {
        await put("notes/1", { n }, own);
        await put("drafts/1", { ...inCollection("Drafts"), n }, own);
        await put("trash/1", { ...inCollection("Trash"), n }, own);
    }
    assert.deepEqual((await revisionsOf("notes/1", own)).map(({ n }) => n), [4, 3]);
    assert.deepEqual(await revisionsOf("drafts/1", own), []);
    assert.equal((await revisionsOf("trash/1", own)).length, 5);
    await remove("trash/1", own);
    assert.deepEqual(await revisionsOf("trash/1", own), [], "purged with the document");
    await closeStore(own);
});

test("a stricter configuration is enforced on what is there", async () => {
    const own = await createStore(server.url);
    await keep(own, {});
    for (let n = 0; n < 6; n++) {
        await put("strict/1", { n }, own);
    }
    await keep(own, { minimumRevisionsToKeep: 2 });
    assert.equal((await revisionsOf("strict/1", own)).length, 6, "nothing happens by itself");
    // The client starts the operation and answers its number.
    const { operationId } = await own.operations.send(new EnforceRevisionsConfigurationOperation());
    assert.equal((await finished(own, operationId)).RemovedRevisions, 4);
    assert.deepEqual((await revisionsOf("strict/1", own)).map(({ n }) => n), [5, 4]);
    await closeStore(own);
});

test("a revision is made on request where none are kept", async () => {
    const own = await createStore(server.url);
    await put("forced/1", { n: 1 }, own);
    const session = own.openSession();
    (await session.load("forced/1")).n = 2;
    session.advanced.revisions.forceRevisionCreationFor("forced/1");
    await session.saveChanges();
    assert.deepEqual((await revisionsOf("forced/1", own)).map(({ n }) => n), [1], "the version before the change");
    const document = await own.openSession().load("forced/1");
    assert.equal(document.n, 2);
    await closeStore(own);
});

test("revisions outlive a crash of the server", async () => {
    const own = await Server.start();
    const early = await createStore(own.url);
    await keep(early, {});
    const first = await put("crash/1", { n: 1 }, early);
    await put("crash/1", { n: 2 }, early);
    await own.crash();
    const late = openStore(own.url, early.database);
    assert.deepEqual((await revisionsOf("crash/1", late)).map(({ n }) => n), [2, 1]);
    assert.equal((await late.openSession().advanced.revisions.get(first)).n, 1);
    // The configuration too.
    await put("crash/1", { n: 3 }, late);
    assert.equal((await revisionsOf("crash/1", late)).length, 3);
    await closeStore(late);
    await closeStore(early);
    await own.stop();
});
