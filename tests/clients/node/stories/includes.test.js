// An order names its customer and its products: all of them come with one request.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CountingProxy } from "../harness/proxy.js";
import { Server } from "../harness/server.js";
import { closeStore, createStore, openCountedStore } from "../harness/store.js";

let server, proxy, store;
before(async () => {
    server = await Server.start();
    const setup = await createStore(server.url);
    const session = setup.openSession();
    const documents = {
        "companies/1-A": { Name: "Acme", "@metadata": { "@collection": "Companies" } },
        "companies/2-A": { Name: "Blom", "@metadata": { "@collection": "Companies" } },
        "products/1-A": { Name: "Nut", Supplier: "companies/1-A", "@metadata": { "@collection": "Products" } },
        "products/2-A": { Name: "Bolt", "@metadata": { "@collection": "Products" } },
        "orders/1-A": {
            Company: "companies/1-A",
            Refs: ["products/1-A", "products/2-A"],
            Lines: [{ Product: "products/1-A" }, { Product: "products/2-A" }, { Product: "products/404-A" }],
            Shipping: { Address: { Depot: "products/2-A" } },
            "@metadata": { "@collection": "Orders" },
        },
        "orders/2-A": { Company: "companies/404-A", "@metadata": { "@collection": "Orders" } },
        "orders/3-A": { Company: "companies/2-A", "@metadata": { "@collection": "Orders" } },
    };
    for (const [id, document] of Object.entries(documents)) {
        await session.store(document, id);
    }
    await session.saveChanges();
    proxy = await CountingProxy.start(server.url);
    store = openCountedStore(proxy, setup.database);
    await store.openSession().load("nothing/yet"); // The client's own first requests are done after this.
    await closeStore(setup);
});
after(async () => {
    await closeStore(store);
    await proxy.stop();
    await server.stop();
});

/** Runs `story` with a new session and tells how many requests reached the server. */
async function count(story) {
    proxy.clear();
    await story(store.openSession());
    return proxy.log.length;
}

test("a single reference comes along", async () => {
    assert.equal(await count(async session => {
        const order = await session.include("Company").load("orders/1-A");
        const company = await session.load(order.Company);
        assert.equal(company.Name, "Acme");
    }), 1);
});

test("without an include each document is a request of its own", async () => {
    assert.equal(await count(async session => {
        const order = await session.load("orders/1-A");
        assert.equal((await session.load(order.Company)).Name, "Acme");
    }), 2);
});

test("every reference of an array comes along", async () => {
    assert.equal(await count(async session => {
        const order = await session.include("Refs").load("orders/1-A");
        const products = await session.load([...order.Refs]);
        assert.deepEqual(Object.values(products).map(product => product.Name), ["Nut", "Bolt"]);
    }), 1);
});

test("references nested in an array of objects come along", async () => {
    assert.equal(await count(async session => {
        const order = await session.include("Lines[].Product").load("orders/1-A");
        const [nut, bolt] = order.Lines;
        assert.equal((await session.load(nut.Product)).Name, "Nut");
        assert.equal((await session.load(bolt.Product)).Name, "Bolt");
    }), 1);
});

test("an included reference to nothing is nothing", async () => {
    const session = store.openSession();
    const order = await session.include("Lines[].Product").load("orders/1-A");
    assert.equal(await session.load(order.Lines[2].Product), null);
});

test("a nested path and several paths at once", async () => {
    assert.equal(await count(async session => {
        const order = await session.include("Company").include("Shipping.Address.Depot").load("orders/1-A");
        assert.equal((await session.load(order.Company)).Name, "Acme");
        assert.equal((await session.load(order.Shipping.Address.Depot)).Name, "Bolt");
    }), 1);
});

test("an include builder does the same", async () => {
    assert.equal(await count(async session => {
        const order = await session.load("orders/1-A", {
            includes: builder => builder.includeDocuments("Company").includeDocuments("Lines[].Product"),
        });
        assert.equal((await session.load(order.Company)).Name, "Acme");
        assert.equal((await session.load("products/2-A")).Name, "Bolt");
    }), 1);
});

test("includes over several documents", async () => {
    assert.equal(await count(async session => {
        const orders = await session.include("Company").load(["orders/1-A", "orders/2-A", "orders/3-A"]);
        assert.equal((await session.load(orders["orders/1-A"].Company)).Name, "Acme");
        assert.equal((await session.load(orders["orders/3-A"].Company)).Name, "Blom");
    }), 1);
});

test("an included document can be changed and saved", async () => {
    const session = store.openSession();
    const order = await session.include("Company").load("orders/1-A");
    const company = await session.load(order.Company);
    company.Name = "Acme & Sons";
    await session.saveChanges();
    const check = await store.openSession().load("companies/1-A");
    assert.equal(check.Name, "Acme & Sons");
    company.Name = "Acme";
    await session.saveChanges();
});

test("an answer with includes is fresh when only the included document changed", async () => {
    const load = async () => {
        const session = store.openSession();
        const order = await session.include("Company").load("orders/1-A");
        return (await session.load(order.Company)).Name;
    };
    assert.equal(await load(), "Acme");
    assert.equal(await load(), "Acme");
    const session = store.openSession();
    (await session.load("companies/1-A")).Name = "Renamed";
    await session.saveChanges();
    assert.equal(await load(), "Renamed");
    (await session.load("companies/1-A")).Name = "Acme";
    await session.saveChanges();
});

test("loading a child does not load its parent", async () => {
    const session = store.openSession();
    await session.load("orders/1-A");
    assert.equal(session.advanced.isLoaded("companies/1-A"), false);
});
