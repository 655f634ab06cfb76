// A map of cafés: which are near, which are in a district, and the nearest first.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { IndexDefinition, PointField, PutIndexesOperation, WktField } from "ravendb";
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

class Cafe {
    constructor(fields) {
        Object.assign(this, fields);
    }
}

const OLD_TOWN = "POLYGON((18.060 59.322, 18.080 59.322, 18.080 59.328, 18.060 59.328, 18.060 59.322))";

async function fill() {
    const session = store.openSession();
    const cafes = [
        ["square", 59.3251, 18.0707, "POLYGON((18.070 59.325, 18.071 59.325, 18.071 59.326, 18.070 59.326, 18.070 59.325))"],
        ["station", 59.3303, 18.0586, "POINT(18.0586 59.3303)"],
        ["south", 59.3140, 18.0720, null],
        ["uppsala", 59.8586, 17.6389, "LINESTRING(17.6 59.8, 17.7 59.9)"],
        ["nowhere", null, null, null],
    ];
    for (const [name, latitude, longitude, area] of cafes) {
        await session.store(new Cafe({ name, latitude, longitude, area }), `cafes/${name}`);
    }
    await session.saveChanges();
    for (const [name, map] of [
        ["CafesInJavaScript", "map('Cafes', c => ({ name: c.name, place: createSpatialField(c.latitude, c.longitude), area: createSpatialField(c.area) }))"],
        ["CafesByEngine", "map('Cafes', c => { let n = ''; for (const it of c.name) n += it; return { name: n, place: createSpatialField(c.latitude, c.longitude), area: createSpatialField(c.area) }; })"],
        ["CafesInCSharp", "from c in docs.Cafes select new { c.name, place = CreateSpatialField(c.latitude, c.longitude), area = CreateSpatialField(c.area) }"],
    ]) {
        const index = Object.assign(new IndexDefinition(), { name, maps: new Set([map]) });
        await store.maintenance.send(new PutIndexesOperation(index));
    }
}

const names = found => found.map(it => it.name).sort();
const place = new PointField("latitude", "longitude");
const area = new WktField("area");
const cafes = session => session.query(Cafe).waitForNonStaleResults();

test("places within a distance are found", async () => {
    const session = store.openSession();
    assert.deepEqual(names(await cafes(session).spatial(place, it => it.withinRadius(2, 59.3251, 18.0707)).all()), ["south", "square", "station"]);
    assert.deepEqual(names(await cafes(session).spatial(place, it => it.withinRadius(1, 59.3251, 18.0707, "Miles")).all()), ["south", "square", "station"]);
    assert.deepEqual(names(await cafes(session).spatial(place, it => it.withinRadius(1, 59.3251, 18.0707, "Kilometers")).all()), ["square", "station"]);
    let statistics;
    await cafes(session).statistics(it => { statistics = it; }).spatial(place, it => it.withinRadius(1, 0, 0)).all();
    assert.match(statistics.indexName, /^Auto\/Cafes\/By.*Spatial\.point\(latitude\|longitude\)/);
});

test("places and areas lie within, across and outside of shapes", async () => {
    const session = store.openSession();
    assert.deepEqual(names(await cafes(session).spatial(place, it => it.within(OLD_TOWN)).all()), ["square"]);
    assert.deepEqual(names(await cafes(session).spatial(place, it => it.disjoint(OLD_TOWN)).all()), ["south", "station", "uppsala"]);
    assert.deepEqual(names(await cafes(session).spatial(area, it => it.within(OLD_TOWN)).all()), ["square"]);
    assert.deepEqual(names(await cafes(session).spatial(area, it => it.contains("POINT(18.0705 59.3255)")).all()), ["square"]);
    assert.deepEqual(names(await cafes(session).spatial(area, it => it.intersects("LINESTRING(17.6 59.9, 17.7 59.8)")).all()), ["uppsala"]);
});

test("the nearest come first, or last", async () => {
    const session = store.openSession();
    const near = await cafes(session).whereNotEquals("latitude", null).orderByDistance(place, 59.3140, 18.0720).all();
    assert.deepEqual(near.map(it => it.name), ["south", "square", "station", "uppsala"]);
    const spatial = near.map(it => session.advanced.getMetadataFor(it)["@spatial"]);
    assert.deepEqual([spatial[0].Latitude, spatial[0].Longitude, spatial[0].Distance], [59.3140, 18.0720, 0]);
    assert.ok(spatial[1].Distance > 1.2 && spatial[1].Distance < 1.3, JSON.stringify(spatial[1]));
    assert.ok(spatial[3].Distance > 60 && spatial[3].Distance < 70, JSON.stringify(spatial[3]));
    const other = store.openSession();
    const unordered = await cafes(other).whereEquals("name", "south").first();
    assert.equal(other.advanced.getMetadataFor(unordered)["@spatial"], undefined);
    const far = await cafes(session).whereNotEquals("latitude", null).orderByDistanceDescending(place, 59.3140, 18.0720).all();
    assert.deepEqual(far.map(it => it.name), ["uppsala", "station", "square", "south"]);
    const rough = await cafes(session).whereNotEquals("latitude", null)
        .orderByDistance(place.roundTo(10), 59.3140, 18.0720).orderBy("name").all();
    assert.deepEqual(rough.map(it => it.name), ["south", "square", "station", "uppsala"]);
});

test("indexes have spatial fields of their own", async () => {
    for (const indexName of ["CafesInJavaScript", "CafesByEngine", "CafesInCSharp"]) {
        const session = store.openSession();
        const query = () => session.query({ documentType: Cafe, indexName }).waitForNonStaleResults();
        assert.deepEqual(names(await query().withinRadiusOf("place", 2, 59.3251, 18.0707).all()), ["south", "square", "station"], indexName);
        assert.deepEqual(names(await query().relatesToShape("area", OLD_TOWN, "Intersects").all()), ["square"]);
        assert.deepEqual(names(await query().relatesToShape("place", "CIRCLE(18.0707 59.3251 d=1)", "Within").all()), ["square", "station"]);
        const near = await query().whereExists("place").orderByDistance("place", 59.3140, 18.0720).all();
        assert.deepEqual(near.map(it => it.name), ["south", "square", "station", "uppsala"]);
    }
});

test("what is no shape is refused with the reason", async () => {
    const session = store.openSession();
    await assert.rejects(cafes(session).spatial(place, it => it.within("POLYGON((0 0, 1 1, 0 1, 1 0, 0 0))")).all(), /is no shape/);
    await assert.rejects(cafes(session).spatial(place, it => it.withinRadius(1, 100, 0)).all(), /latitude 100/);
});
