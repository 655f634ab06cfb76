// Indexes whose functions are WebAssembly, defined with the official client.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { GetIndexErrorsOperation, GetIndexStatisticsOperation, IndexDefinition, PutIndexesOperation } from "ravendb";
import { Server } from "../harness/server.js";
import { closeStore, createStore } from "../harness/store.js";

// The example of docs/webassembly-maps.md.
const EXAMPLE = "AGFzbQEAAAABDAJgAX8Bf2ACf38BfgMGBQABAQEBBQMBAAEGBwF/AUHAAAsHKgUGbWVtb3J5AgAIYWxsb2NhdGUAAANtYXAAAgNrZXkAAwZyZWR1Y2UABAqfAQUtAQF/IwAhASABIABqJAACQANAIwA/AEGAgARsTQ0BQQFAAEF/Rw0AAAsLIAELDAAgAK1CIIYgAa2ECwgAIAAgARABCwgAQQBBBRABC1ABBH8gAEEXaiECIAIhAwJAA0AgAy0AACEFIANBAWohAyAFQfsARgRAIARBAWohBAsgBUH9AEYEQCAEQQFrIQQLIAQNAAsLIAIgAyACaxABCwsLAQBBAAsFImFsbCIAmAEEbmFtZQEHAQEEdGV4dAJeBQACAARzaXplAQJhdAECAAJhdAEGbGVuZ3RoAgIAAmF0AQZsZW5ndGgDAgACYXQBBmxlbmd0aAQGAAJhdAEGbGVuZ3RoAgVzdGFydAMDZW5kBAVkZXB0aAUEYnl0ZQMfAgACAAZlbm91Z2gBBGdyb3cEAgAEZG9uZQEEbmV4dAcHAQAEbmV4dA==";
// Its map never ends.
const ENDLESS = "AGFzbQEAAAABDAJgAX8Bf2ACf38BfgMDAgABBQMBAAEHGwMGbWVtb3J5AgAIYWxsb2NhdGUAAANtYXAAAQoPAgQAQQgLCAADQAwACwAL";

let server, store;
before(async () => {
    process.env.PINYON_SCRIPT_TIMEOUT_MS = "300";
    server = await Server.start();
    store = await createStore(server.url);
    const session = store.openSession();
    for (const [id, name] of [["shops/1", "Bakery"], ["shops/2", "Florist"]]) {
        await session.store({ name, "@metadata": { "@collection": "Shops" } }, id);
    }
    await session.saveChanges();
});
after(async () => {
    delete process.env.PINYON_SCRIPT_TIMEOUT_MS;
    await closeStore(store);
    await server.stop();
});

function put(name, fields) {
    const definition = Object.assign(new IndexDefinition(), { name }, fields);
    definition.maps = new Set(fields.maps);
    return store.maintenance.send(new PutIndexesOperation(definition));
}

const ask = rql => store.openSession().advanced.rawQuery(rql).waitForNonStaleResults().all();

test("a module maps documents, and reduces what it mapped", async () => {
    // The client changes the first letter of the source's name.
    await put("Shops", { maps: ["webassembly('Shops', 'example')"], additionalSources: { example: EXAMPLE } });
    assert.deepEqual((await ask("from index 'Shops' where name = 'bakery'")).map(it => it.id), ["shops/1"]);
    await put("OneShop", {
        maps: ["webassembly('Shops', 'Example')"],
        reduce: "webassembly('Example')",
        additionalSources: { Example: EXAMPLE },
    });
    const groups = await ask("from index 'OneShop'");
    assert.equal(groups.length, 1);
    assert.ok(["Bakery", "Florist"].includes(groups[0].name));
});

test("a module that does not fit is refused with the reason", async () => {
    for (const [source, reason] of [["AGFzbQ==", /not valid/], ["%", /not base64/]]) {
        const refused = put("Broken", { maps: ["webassembly('Shops', 'It')"], additionalSources: { It: source } });
        await assert.rejects(refused, error => {
            assert.equal(error.name, "IndexCompilationException");
            assert.match(error.message, reason);
            return true;
        });
    }
    const unnamed = put("Broken", { maps: ["webassembly('Shops', 'Other')"], additionalSources: { It: EXAMPLE } });
    await assert.rejects(unnamed, /'Other': it is not among AdditionalSources/);
    const mixed = put("Broken", { maps: ["webassembly('Shops', 'It')", "map('Shops', s => s)"], additionalSources: { It: EXAMPLE } });
    await assert.rejects(mixed, /or none/);
});

test("a module that never ends hurts nobody but its own index", async () => {
    await put("Endless", { maps: ["webassembly('Shops', 'Endless')"], additionalSources: { Endless: ENDLESS } });
    const session = store.openSession();
    await session.store({ name: "Cobbler", "@metadata": { "@collection": "Shops" } }, "shops/3");
    await session.saveChanges();
    assert.deepEqual((await ask("from index 'Shops' where name = 'cobbler'")).map(it => it.id), ["shops/3"]);
    let state;
    do {
        ({ state } = await store.maintenance.send(new GetIndexStatisticsOperation("Endless")));
    } while (state !== "Error");
    const [{ errors }] = await store.maintenance.send(new GetIndexErrorsOperation(["Endless"]));
    assert.match(errors[0].error, /longer than 300 ms/);
});
