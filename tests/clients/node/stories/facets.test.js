// A camera shop counts what it has: by maker, by price, with sums; and guesses what was meant.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Facet, FacetSetup, RangeBuilder, RangeFacet, PutIndexesOperation, IndexDefinition } from "ravendb";
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

class Camera {
    constructor(fields) {
        Object.assign(this, fields);
    }
}

async function fill() {
    const session = store.openSession();
    const cameras = [
        ["Canon", 150, 8, ["compact"]],
        ["Canon", 450.5, 12, ["compact", "zoom"]],
        ["Nikon", 200, 10, ["zoom"]],
        ["Nikon", 950, 20, []],
        ["Phase One", 9000, 80, ["studio"]],
    ];
    for (const [maker, cost, megapixels, tags] of cameras) {
        await session.store(new Camera({ maker, cost, megapixels, tags }));
    }
    await session.saveChanges();
    const index = Object.assign(new IndexDefinition(), {
        name: "Cameras",
        maps: new Set(["map('Cameras', c => ({ maker: c.maker, cost: c.cost, megapixels: c.megapixels, tags: c.tags }))"]),
        fields: { maker: { indexing: "Search", suggestions: true } },
    });
    await store.maintenance.send(new PutIndexesOperation(index));
}

const counts = facet => Object.fromEntries(facet.values.map(it => [it.range, it.count]));

test("results are counted by a field's terms and by ranges", async () => {
    const session = store.openSession();
    const found = await session.query(Camera)
        .waitForNonStaleResults()
        .aggregateBy(facet => facet.byField("maker").sumOn("cost").maxOn("megapixels"))
        .andAggregateBy(facet => {
            const cost = RangeBuilder.forPath("cost");
            facet.byRanges(cost.isLessThan(200), cost.isGreaterThanOrEqualTo(200).isLessThan(1000), cost.isGreaterThanOrEqualTo(1000))
                .averageOn("megapixels").minOn("megapixels");
        })
        .execute();
    const costs = found.maker.values.filter(it => it.name === "cost");
    assert.deepEqual(costs.map(it => [it.range, it.count, it.sum]), [["canon", 2, 600.5], ["nikon", 2, 1150], ["phase one", 1, 9000]]);
    const sizes = found.maker.values.filter(it => it.name === "megapixels");
    assert.deepEqual(sizes.map(it => it.max), [12, 20, 80]);
    assert.deepEqual(
        found.cost.values.map(it => [it.range, it.count, it.min, it.average]),
        [["cost < 200", 1, 8, 8], ["cost >= 200 and cost < 1000", 3, 10, 14], ["cost >= 1000", 1, 80, 80]],
    );
});

test("facets count what a condition leaves, in the order and of the length that options ask for", async () => {
    const session = store.openSession();
    const found = await session.query(Camera)
        .waitForNonStaleResults()
        .whereLessThan("cost", 9000)
        .aggregateBy(facet => facet.byField("tags").withDisplayName("kinds")
            .withOptions({ termSortMode: "CountDesc", pageSize: 1, includeRemainingTerms: true }))
        .execute();
    assert.deepEqual(counts(found.kinds), { compact: 2 });
    assert.deepEqual(found.kinds.remainingTerms, ["zoom", "EMPTY_LIST"]);
    assert.equal(found.kinds.remainingTermsCount, 2);
    assert.equal(found.kinds.remainingHits, 3);
    const all = await session.query(Camera).waitForNonStaleResults()
        .aggregateBy(facet => facet.allResults().sumOn("cost", "worth").minOn("cost", "worth")).execute();
    assert.deepEqual(all["@AllResults"].values.map(it => [it.name, it.count, it.sum, it.min]), [["worth", 5, 10750.5, 150]]);
});

test("a set-up document keeps facets for queries of an index", async () => {
    const setup = new FacetSetup();
    const maker = new Facet();
    maker.fieldName = "maker";
    const cost = new RangeFacet();
    cost.ranges = ["cost < 200.0", "cost between 200 and 1000"];
    cost.displayFieldName = "price";
    setup.facets = [maker];
    setup.rangeFacets = [cost];
    const saving = store.openSession();
    await saving.store(setup, "facets/cameras");
    await saving.saveChanges();
    const session = store.openSession();
    const found = await session.query({ indexName: "Cameras" }).waitForNonStaleResults().aggregateUsing("facets/cameras").execute();
    assert.deepEqual(counts(found.maker), { canon: 2, nikon: 2, "phase one": 1 });
    assert.deepEqual(counts(found.price), { "cost < 200.0": 1, "cost between 200 and 1000": 3 });
    await assert.rejects(
        session.query({ indexName: "Cameras" }).aggregateUsing("facets/none").execute(),
        /there is no facet set-up 'facets\/none'/,
    );
});

test("lazy facets are answered with everything else", async () => {
    const session = store.openSession();
    const lazy = session.query({ indexName: "Cameras" }).aggregateBy(facet => facet.byField("maker")).executeLazy();
    const found = await lazy.getValue();
    assert.deepEqual(counts(found.maker), { canon: 2, nikon: 2, "phase one": 1 });
});

test("terms are suggested for what was mistyped", async () => {
    const session = store.openSession();
    const whole = await session.query(Camera).waitForNonStaleResults()
        .suggestUsing(it => it.byField("maker", "nikn")).execute();
    assert.deepEqual(whole.maker.suggestions, ["nikon"]);
    const words = await session.query({ indexName: "Cameras" })
        .suggestUsing(it => it.byField("maker", ["phas", "canom"]).withDisplayName("makers").withOptions({
            accuracy: 0.6, pageSize: 1, distance: "JaroWinkler", sortMode: "Popularity",
        })).execute();
    assert.deepEqual(words.makers.suggestions, ["phase", "canon"]);
});
