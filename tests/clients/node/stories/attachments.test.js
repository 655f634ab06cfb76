// A lease is the tenants' data, its schedule and the scanned contract: all of it or nothing.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { after, before, test } from "node:test";
import {
    ConfigureRevisionsOperation, DeleteAttachmentOperation, GetStatisticsOperation, PutAttachmentOperation,
    RevisionsCollectionConfiguration, RevisionsConfiguration,
} from "ravendb";
import { send } from "../harness/http.js";
import { Server } from "../harness/server.js";
import { closeStore, createStore, openStore } from "../harness/store.js";

let server, store;
before(async () => {
    server = await Server.start();
    store = await createStore(server.url);
});
after(async () => {
    await closeStore(store);
    await server.stop();
});

async function put(id, document = {}) {
    const session = store.openSession();
    await session.store(document, id);
    await session.saveChanges();
    return session.advanced.getChangeVectorFor(document);
}

async function attach(id, name, content, contentType = "text/plain") {
    const session = store.openSession();
    session.advanced.attachments.store(id, name, Buffer.from(content), contentType);
    await session.saveChanges();
}

async function contentOf(id, name, in_ = store) {
    const attachment = await in_.openSession().advanced.attachments.get(id, name);
    return attachment && buffer(attachment.data);
}

async function names(id) {
    const session = store.openSession();
    return session.advanced.attachments.getNames(await session.load(id)).map(({ name }) => name);
}

test("a lease, its schedule and the scan of the contract are stored in one batch", async () => {
    const scan = randomBytes(700_000);
    const session = store.openSession();
    const lease = { tenant: "Mara" };
    await session.store(lease, "leases/1");
    await session.store({ monthly: 900 }, "leases/1/schedule");
    session.advanced.attachments.store(lease, "contract.pdf", scan, "application/pdf");
    session.advanced.attachments.store("leases/1/schedule", "note.txt", Buffer.from("due on the 3rd"), "text/plain");
    await session.saveChanges();

    const later = store.openSession();
    const stored = await later.load("leases/1");
    assert.equal(stored.tenant, "Mara");
    const [listed, ...others] = later.advanced.attachments.getNames(stored);
    assert.deepEqual(others, []);
    assert.equal(listed.name, "contract.pdf");
    assert.equal(listed.contentType, "application/pdf");
    assert.equal(listed.size, scan.length);
    assert.match(stored["@metadata"]["@flags"], /HasAttachments/);

    const attachment = await later.advanced.attachments.get("leases/1", "contract.pdf");
    assert.equal(attachment.details.contentType, "application/pdf");
    assert.equal(attachment.details.size, scan.length);
    assert.equal(attachment.details.hash, listed.hash);
    assert.ok((await buffer(attachment.data)).equals(scan));
    assert.equal(String(await contentOf("leases/1/schedule", "note.txt")), "due on the 3rd");
});

test("after a failing batch there is neither lease nor scan", async () => {
    const before_ = await store.maintenance.send(new GetStatisticsOperation());
    const stale = await put("rooms/1", { n: 1 });
    await put("rooms/1", { n: 2 });
    const session = store.openSession();
    const lease = { tenant: "Noor" };
    await session.store(lease, "leases/2");
    session.advanced.attachments.store(lease, "contract.pdf", randomBytes(300_000), "application/pdf");
    await session.store({ n: 3 }, "rooms/1", { changeVector: stale });
    await assert.rejects(session.saveChanges(), { name: "ConcurrencyException" });

    const later = store.openSession();
    assert.equal(await later.load("leases/2"), null);
    assert.equal(await later.advanced.attachments.get("leases/2", "contract.pdf"), null);
    assert.equal(await later.advanced.attachments.exists("leases/2", "contract.pdf"), false);
    const now = await store.maintenance.send(new GetStatisticsOperation());
    assert.equal(now.countOfAttachments, before_.countOfAttachments);
    assert.equal(now.countOfUniqueAttachments, before_.countOfUniqueAttachments);
});

test("an attachment of a document that is not there fails the batch with all in it", async () => {
    const session = store.openSession();
    await session.store({ n: 1 }, "orphan/1");
    session.advanced.attachments.store("orphan/none", "a.txt", Buffer.from("a"), "text/plain");
    await assert.rejects(session.saveChanges(), { name: "DocumentDoesNotExistException" });
    assert.equal(await store.openSession().load("orphan/1"), null);
});

test("it is asked whether one exists, and a missing one is nothing", async () => {
    await put("exists/1");
    await attach("exists/1", "Note.txt", "hello");
    const { attachments } = store.openSession().advanced;
    assert.equal(await attachments.exists("exists/1", "Note.txt"), true);
    assert.equal(await attachments.exists("EXISTS/1", "note.TXT"), true, "names and ids have no case");
    assert.equal(await attachments.exists("exists/1", "other.txt"), false);
    assert.equal(await attachments.get("exists/1", "other.txt"), null);
    assert.equal(await attachments.get("exists/none", "Note.txt"), null);
});

test("attachments are copied, moved and renamed", async () => {
    await put("from/1");
    await put("to/1");
    await attach("from/1", "a.txt", "content of a");
    await attach("from/1", "b.txt", "content of b");

    const session = store.openSession();
    session.advanced.attachments.copy("from/1", "a.txt", "to/1", "copy.txt");
    session.advanced.attachments.move("from/1", "b.txt", "to/1", "moved.txt");
    await session.saveChanges();
    assert.deepEqual(await names("from/1"), ["a.txt"]);
    assert.deepEqual(await names("to/1"), ["copy.txt", "moved.txt"]);
    assert.equal(String(await contentOf("to/1", "copy.txt")), "content of a");
    assert.equal(String(await contentOf("to/1", "moved.txt")), "content of b");

    const renaming = store.openSession();
    renaming.advanced.attachments.rename("to/1", "moved.txt", "named.txt");
    await renaming.saveChanges();
    assert.deepEqual(await names("to/1"), ["copy.txt", "named.txt"]);

    // The copy stays when the first one goes, and the other way round.
    const removing = store.openSession();
    removing.advanced.attachments.delete("from/1", "a.txt");
    await removing.saveChanges();
    assert.equal(await contentOf("from/1", "a.txt"), null);
    assert.equal(String(await contentOf("to/1", "copy.txt")), "content of a");
});

test("moving what is not there fails", async () => {
    await put("nothing/1", { n: 1 });
    const session = store.openSession();
    (await session.load("nothing/1")).n = 2;
    session.advanced.attachments.move("nothing/1", "none.txt", "nothing/1", "other.txt");
    await assert.rejects(session.saveChanges());
    assert.equal((await store.openSession().load("nothing/1")).n, 1);
});

test("a stream goes up and comes back", async () => {
    await put("streams/1");
    const pieces = Array.from({ length: 40 }, () => randomBytes(50_000));
    const session = store.openSession();
    session.advanced.attachments.store("streams/1", "film ä&=.bin", Readable.from(pieces), "video/x-film");
    await session.saveChanges();
    const whole = Buffer.concat(pieces);
    const digest = bytes => createHash("sha256").update(bytes).digest("hex");
    assert.equal(digest(await contentOf("streams/1", "film ä&=.bin")), digest(whole));
});

test("one is put and deleted without a session", async () => {
    await put("single/1");
    const stored = await store.operations.send(
        new PutAttachmentOperation("single/1", "Ä & b=.txt", Buffer.from("alone"), "text/plain"));
    assert.deepEqual([stored.documentId, stored.name, stored.contentType, stored.size],
        ["single/1", "Ä & b=.txt", "text/plain", 5]);
    assert.equal(String(await contentOf("single/1", "Ä & b=.txt")), "alone");
    await store.operations.send(new DeleteAttachmentOperation("single/1", "Ä & b=.txt"));
    assert.deepEqual(await names("single/1"), []);
});

test("part of an attachment is a range", async () => {
    await put("ranges/1");
    const bytes = randomBytes(600_000);
    await attach("ranges/1", "a.bin", bytes, "application/octet-stream");
    // The client has no ranges; browsers and players do.
    const path = `/databases/${store.database}/attachments?id=ranges/1&name=a.bin`;
    const part = range => send(server.url, "GET", path, { headers: { Range: range } });
    const middle = await part("bytes=299990-300009");
    assert.equal(middle.status, 206);
    assert.equal(middle.headers["content-range"], "bytes 299990-300009/600000");
    assert.ok(middle.body.equals(bytes.subarray(299_990, 300_010)));
    assert.ok((await part("bytes=-10")).body.equals(bytes.subarray(-10)));
    assert.equal((await part("bytes=600000-")).status, 416);
    const whole = await send(server.url, "GET", path);
    assert.equal(whole.headers["accept-ranges"], "bytes");
    assert.equal(whole.headers["content-length"], "600000");
});

test("an attachment is overwritten only by who saw it", async () => {
    await put("careful/1");
    // The client's own operation breaks off before it sends a vector that it is given.
    const path = `/databases/${store.database}/attachments?id=careful/1&name=a.txt`;
    const guarded = (body, vector) =>
        send(server.url, "PUT", path, { body, headers: vector ? { "If-Match": `"${vector}"` } : {} });
    const first = (await guarded("one")).json.ChangeVector;
    assert.equal((await guarded("two", first)).status, 201);
    const refused = await guarded("three", first);
    assert.equal(refused.status, 409);
    assert.match(refused.json.Type, /ConcurrencyException$/);
    assert.equal(String(await contentOf("careful/1", "a.txt")), "two");
});

test("the same content is kept once, however often it is attached", async () => {
    const own = await createStore(server.url);
    const scan = randomBytes(200_000);
    const session = own.openSession();
    for (const id of ["same/1", "same/2", "same/3"]) {
        const document = {};
        await session.store(document, id);
        // The client wants each of its streams to be another object.
        session.advanced.attachments.store(document, "scan", Buffer.from(scan), "image/png");
    }
    await session.saveChanges();
    const counted = async () => {
        const { countOfAttachments, countOfUniqueAttachments } = await own.maintenance.send(new GetStatisticsOperation());
        return [countOfAttachments, countOfUniqueAttachments];
    };
    assert.deepEqual(await counted(), [3, 1]);
    const removal = own.openSession();
    await removal.delete("same/1");
    await removal.delete("same/2");
    await removal.saveChanges();
    assert.deepEqual(await counted(), [1, 1]);
    assert.ok((await contentOf("same/3", "scan", own)).equals(scan));
    const last = own.openSession();
    await last.delete("same/3");
    await last.saveChanges();
    assert.deepEqual(await counted(), [0, 0]);
    await closeStore(own);
});

test("a revision keeps the attachments it had", async () => {
    const own = await createStore(server.url);
    const configuration = new RevisionsConfiguration();
    configuration.defaultConfig = Object.assign(new RevisionsCollectionConfiguration(), { disabled: false });
    await own.maintenance.send(new ConfigureRevisionsOperation(configuration));
    const store_ = async (content, contentType) => {
        const session = own.openSession();
        session.advanced.attachments.store("papers/1", "draft.txt", Buffer.from(content), contentType);
        await session.saveChanges();
        const later = own.openSession();
        return later.advanced.getChangeVectorFor(await later.load("papers/1"));
    };
    const session = own.openSession();
    await session.store({ title: "On bins" }, "papers/1");
    await session.saveChanges();
    const first = await store_("first draft", "text/plain");
    await store_("second draft", "text/markdown");

    const { attachments } = own.openSession().advanced;
    const old = await attachments.getRevision("papers/1", "draft.txt", first);
    assert.equal(String(await buffer(old.data)), "first draft");
    assert.equal(old.details.contentType, "text/plain");
    const removal = own.openSession();
    await removal.delete("papers/1");
    await removal.saveChanges();
    assert.equal(await contentOf("papers/1", "draft.txt", own), null);
    const kept = await attachments.getRevision("papers/1", "draft.txt", first);
    assert.equal(String(await buffer(kept.data)), "first draft", "even of a deleted document");

    const reverted = await send(server.url, "POST", `/databases/${own.database}/revisions/revert/docs`,
        { body: { IdToChangeVector: { "papers/1": first } } });
    assert.equal(reverted.status, 204, reverted.text);
    assert.equal(String(await contentOf("papers/1", "draft.txt", own)), "first draft", "and it comes back with it");
    await closeStore(own);
});

test("documents and attachments outlive a crash together", async () => {
    const own = await Server.start();
    const early = await createStore(own.url);
    const scan = randomBytes(400_000);
    const session = early.openSession();
    const lease = { tenant: "Ole" };
    await session.store(lease, "leases/9");
    session.advanced.attachments.store(lease, "contract.pdf", scan, "application/pdf");
    await session.saveChanges();
    await own.crash();
    const late = openStore(own.url, early.database);
    assert.equal((await late.openSession().load("leases/9")).tenant, "Ole");
    assert.ok((await contentOf("leases/9", "contract.pdf", late)).equals(scan));
    await closeStore(late);
    await closeStore(early);
    await own.stop();
});
