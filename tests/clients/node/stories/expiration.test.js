// A sign-up token is good until its time, and gone after the next sweep. Nothing here is timed:
// the database itself says when it deleted what, and that is compared with what was promised.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
    ConfigureExpirationOperation, ConfigureRefreshOperation, ConfigureRevisionsOperation,
    RevisionsCollectionConfiguration, RevisionsConfiguration,
} from "ravendb";
import { until } from "../harness/clock.js";
import { send } from "../harness/http.js";
import { Server } from "../harness/server.js";
import { closeStore, createStore, openStore } from "../harness/store.js";

const DAY_MS = 86_400_000;

let server, store;
before(async () => {
    server = await Server.start();
    store = await createStore(server.url);
    await keepRevisions(store);
});
after(async () => {
    await closeStore(store);
    await server.stop();
});

/** Deletions leave a revision then, which says when they happened. */
function keepRevisions(of) {
    const configuration = new RevisionsConfiguration();
    configuration.defaultConfig = Object.assign(new RevisionsCollectionConfiguration(), { disabled: false });
    return of.maintenance.send(new ConfigureRevisionsOperation(configuration));
}

const sweep = (of, disabled = false) =>
    of.maintenance.send(new ConfigureExpirationOperation({ disabled, deleteFrequencyInSec: 1 }));

/** Stores documents that expire at the given dates, in one batch. */
async function putExpiring(of, expirations) {
    const session = of.openSession();
    for (const [id, at] of Object.entries(expirations)) {
        const document = { id };
        await session.store(document, id);
        session.advanced.getMetadataFor(document)["@expires"] = at.toISOString();
    }
    await session.saveChanges();
}

const load = (of, id) => of.openSession().load(id);

/** When the database deleted `id`, by its own clock. */
async function deletionOf(of, id) {
    const [deletion] = await of.openSession().advanced.revisions.getMetadataFor(id, { start: 0, pageSize: 1 });
    assert.match(deletion["@flags"], /DeleteRevision/);
    return new Date(deletion["@last-modified"]);
}

test("a token is gone after its time, never before, and others stay", async () => {
    const soon = new Date(Date.now() + 1500);
    await putExpiring(store, { "tokens/past": new Date(Date.now() - DAY_MS), "tokens/soon": soon,
        "tokens/together": soon, "tokens/tomorrow": new Date(Date.now() + DAY_MS) });
    const plain = store.openSession();
    await plain.store({ n: 1 }, "tokens/plain");
    await plain.saveChanges();
    assert.ok(await load(store, "tokens/past"), "without sweeps nothing is deleted, however old");

    await sweep(store);
    await until(async () => await load(store, "tokens/past") === null);
    // One request sees one state: never one of the two that are due together without the other.
    await until(async () => {
        const seen = await store.openSession().load(["tokens/soon", "tokens/together"]);
        const living = Object.values(seen).filter(document => document !== null).length;
        if (living === 2) {
            return false;
        }
        assert.equal(living, 0, "one sweep takes all that is due");
        return true;
    });
    for (const id of ["tokens/soon", "tokens/together"]) {
        assert.ok(await deletionOf(store, id) >= soon, "not a moment before its time");
    }
    assert.ok(await load(store, "tokens/tomorrow"));
    assert.ok(await load(store, "tokens/plain"));
    // Sweeps that are over leave it alone as well: one that deletes something new has looked.
    await putExpiring(store, { "tokens/next": new Date() });
    await until(async () => await load(store, "tokens/next") === null);
    const tomorrow = await load(store, "tokens/tomorrow");
    assert.ok(tomorrow);
    assert.ok(new Date(tomorrow["@metadata"]["@expires"]) > new Date());
});

test("a token that is extended lives on", async () => {
    const own = await createStore(server.url);
    await keepRevisions(own);
    await putExpiring(own, { "extended/1": new Date(Date.now() - DAY_MS), "extended/2": new Date(Date.now() - DAY_MS) });
    await putExpiring(own, { "extended/1": new Date(Date.now() + DAY_MS) });
    await sweep(own);
    await until(async () => await load(own, "extended/2") === null);
    assert.ok(await load(own, "extended/1"), "its former time does not count");
    const session = own.openSession();
    await session.store({ n: 2 }, "extended/1");
    await session.saveChanges();
    assert.equal((await load(own, "extended/1"))["@metadata"]["@expires"], undefined, "for ever, if it is written so");
    await closeStore(own);
});

test("sweeps stop when they are switched off", async () => {
    const own = await createStore(server.url);
    await sweep(own);
    await putExpiring(own, { "off/1": new Date(Date.now() - DAY_MS) });
    await until(async () => await load(own, "off/1") === null);
    await sweep(own, true);
    await putExpiring(own, { "off/2": new Date(Date.now() - DAY_MS) });
    // Another database is swept meanwhile, twice.
    const other = await createStore(server.url);
    await sweep(other);
    for (const id of ["on/1", "on/2"]) {
        await putExpiring(other, { [id]: new Date(Date.now() - DAY_MS) });
        await until(async () => await load(other, id) === null);
    }
    assert.ok(await load(own, "off/2"));
    await closeStore(other);
    await closeStore(own);
});

test("what became due while the server was down goes afterwards, and stays gone", async () => {
    const own = await Server.start();
    const early = await createStore(own.url);
    await keepRevisions(early);
    await sweep(early);
    await putExpiring(early, { "gone/1": new Date() });
    await until(async () => await load(early, "gone/1") === null);
    const due = new Date(Date.now() + 1000);
    await putExpiring(early, { "down/1": due, "down/2": new Date(Date.now() + DAY_MS) });
    await own.crash();
    const late = openStore(own.url, early.database);
    await until(async () => await load(late, "down/1") === null);
    assert.ok(await deletionOf(late, "down/1") >= due);
    assert.ok(await load(late, "down/2"));
    await own.restart();
    const [past, gone, living] = Object.values(await late.openSession().load(["gone/1", "down/1", "down/2"]));
    assert.deepEqual([past, gone], [null, null], "a restart revives nothing");
    assert.ok(living);
    await closeStore(late);
    await closeStore(early);
    await own.stop();
});

test("a time that is none is refused", async () => {
    for (const expires of ["tomorrow", "2026-13-01T00:00:00Z", 12, ""]) {
        const answer = await send(server.url, "PUT", `/databases/${store.database}/docs?id=bad/1`,
            { body: { "@metadata": { "@expires": expires } } });
        assert.equal(answer.status, 400, `${JSON.stringify(expires)}: ${answer.text}`);
        assert.match(answer.text, /@expires/);
    }
    assert.equal(await load(store, "bad/1"), null);
});

test("a refresh at its time is an ordinary change without @refresh", async () => {
    const own = await createStore(server.url);
    await own.maintenance.send(new ConfigureRefreshOperation({ disabled: false, refreshFrequencyInSec: 1 }));
    const session = own.openSession();
    const ad = { text: "for a week" };
    const later = { text: "for a month" };
    await session.store(ad, "ads/1");
    await session.store(later, "ads/2");
    session.advanced.getMetadataFor(ad)["@refresh"] = new Date(Date.now() - DAY_MS).toISOString();
    session.advanced.getMetadataFor(later)["@refresh"] = new Date(Date.now() + DAY_MS).toISOString();
    await session.saveChanges();
    const [vector, laterVector] = [ad, later].map(document => session.advanced.getChangeVectorFor(document));
    const refreshed = await until(async () => {
        const loaded = await load(own, "ads/1");
        return loaded["@metadata"]["@refresh"] === undefined && loaded;
    });
    assert.notEqual(refreshed["@metadata"]["@change-vector"], vector);
    assert.equal(refreshed.text, "for a week");
    const untouched = await load(own, "ads/2");
    assert.equal(untouched["@metadata"]["@change-vector"], laterVector);
    await closeStore(own);
});
