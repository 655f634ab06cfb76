// One database's life as requests on the wire, with the answers a RavenDB 7.2 server is
// known to give. Values that differ by nature (times, database ids) are checked by shape, and
// messages by what they must name.
// One answer differs on purpose: an identity never overwrites an existing document.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { send } from "../harness/http.js";
import { Server } from "../harness/server.js";

const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/;
const VECTOR = /^A:[1-9]\d*-[A-Za-z0-9+/]{22}$/;
const STALE = "A:1-AAAAAAAAAAAAAAAAAAAAAA";

let server;
before(async () => { server = await Server.start(); });
after(() => server.stop());

const get = (path, headers) => send(server.url, "GET", path, { headers });
const put = (path, body, headers) => send(server.url, "PUT", path, { body, headers });
const post = (path, body) => send(server.url, "POST", path, { body });
const remove = (path, { body, headers } = {}) => send(server.url, "DELETE", path, { body, headers });

const etagOf = vector => Number(/^A:(\d+)-/.exec(vector)[1]);
const idsOf = answer => answer.json.Results.map(result => result && result["@metadata"]["@id"]);
const vectorOf = async id => (await get(`/databases/Ref/docs?id=${encodeURIComponent(id)}`)).json.Results[0]["@metadata"]["@change-vector"];

/** Checks an error answer: the fields every client reads, and no page of HTML or empty text. */
function assertError(answer, status, type, message) {
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.headers["content-type"], /^application\/json/);
    const { Type, Message, Error } = answer.json;
    assert.equal(Type, type);
    assert.match(Message, message);
    assert.ok(Error.includes(Message), "Error holds the message");
    return answer.json;
}

function order(n) {
    return {
        Company: n % 2 ? "companies/2-A" : "companies/1-A",
        Freight: n * 1.5,
        OrderedAt: `2026-01-0${n}T10:00:00.0000000Z`,
        Lines: [{ Product: `products/${n % 3}-A`, Quantity: n, Price: 9.99 }],
        Tags: ["x", `t${n}`],
        "@metadata": { "@collection": "Orders" },
    };
}

const document = (body, collection) => ({ ...body, "@metadata": { "@collection": collection } });

test("the exchanges of one database, in order", async context => {
    await context.test("1. server build", async () => {
        const answer = await get("/build/version");
        assert.equal(answer.status, 200);
        assert.match(answer.headers["content-type"], /^application\/json/);
        assert.match(answer.headers["raven-server-version"], /^7\.2\./);
        assert.equal(answer.json.ProductVersion, "7.2");
        assert.equal(typeof answer.json.BuildVersion, "number");
        assert.match(answer.json.FullVersion, /^7\.2/);
    });

    await context.test("2. cluster topology", async () => {
        const { status, json } = await get("/cluster/topology");
        assert.equal(status, 200);
        assert.deepEqual(json.Topology.Members, { A: server.url });
        assert.deepEqual(json.Topology.AllNodes, { A: server.url });
        assert.deepEqual([json.Topology.Promotables, json.Topology.Watchers], [{}, {}]);
        assert.deepEqual([json.Leader, json.NodeTag, json.ServerRole], ["A", "A", "Member"]);
        assert.equal(typeof json.Etag, "number");
        assert.match(json.Topology.TopologyId, /^[0-9a-f-]{36}$/);
    });

    await context.test("3. topology of a missing database", async () => {
        const answer = await get("/topology?name=Nope");
        assert.equal(answer.status, 503);
        assert.equal(answer.headers["database-missing"], "Nope");
        assert.equal(answer.json.Type, "Error");
        assert.match(answer.json.Message, /Nope/);
    });

    await context.test("4. a document of a missing database", async () => {
        assertError(await get("/databases/Nope/docs?id=a"), 500,
            "Raven.Client.Exceptions.Database.DatabaseDoesNotExistException", /Nope/);
    });

    await context.test("5. create a database", async () => {
        const { status, json } = await put("/admin/databases?name=Ref&replicationFactor=1",
            { DatabaseName: "Ref", Settings: {}, Disabled: false, Encrypted: false });
        assert.equal(status, 201);
        assert.equal(json.Name, "Ref");
        assert.equal(typeof json.RaftCommandIndex, "number");
        // The Python client reads every one of these.
        const { Members, Promotables, Rehabs, PromotablesStatus, DemotionReasons, DynamicNodesDistribution, ReplicationFactor, PriorityOrder } = json.Topology;
        assert.deepEqual({ Members, Promotables, Rehabs, PromotablesStatus, DemotionReasons, DynamicNodesDistribution, ReplicationFactor, PriorityOrder },
            { Members: ["A"], Promotables: [], Rehabs: [], PromotablesStatus: {}, DemotionReasons: {}, DynamicNodesDistribution: false, ReplicationFactor: 1, PriorityOrder: [] });
        assert.match(json.Topology.NodesModifiedAt, DATE);
        assert.deepEqual(Object.keys(json.Topology.Stamp).sort(), ["Index", "LeadersTicks", "Term"]);
        assert.deepEqual(json.NodesAddedTo, [server.url]);
        assert.equal(json.ShardsDefined, false);
    });

    await context.test("6. create it again", async () => {
        assertError(await put("/admin/databases?name=Ref&replicationFactor=1", { DatabaseName: "Ref", Settings: {} }),
            409, "Raven.Client.Exceptions.ConcurrencyException", /Ref.*exists/);
    });

    await context.test("7. list databases", async () => {
        const { status, json } = await get("/databases");
        assert.equal(status, 200);
        const [database, ...others] = json.Databases;
        assert.deepEqual(others, []);
        assert.equal(database.Name, "Ref");
        assert.equal(database.Disabled, false);
        assert.ok(!database.DocumentsCount, "none, or not known while the database is not open");
    });

    await context.test("8. database names only", async () => {
        const { status, json } = await get("/databases?namesOnly=true");
        assert.deepEqual([status, json], [200, { Databases: ["Ref"] }]);
    });

    await context.test("9. database topology", async () => {
        const { status, json } = await get("/topology?name=Ref");
        assert.equal(status, 200);
        assert.equal(json.Nodes.length, 1);
        const [node] = json.Nodes;
        assert.deepEqual([node.Url, node.ClusterTag, node.ServerRole, node.Database], [server.url, "A", "Member", "Ref"]);
        assert.equal(typeof json.Etag, "number");
    });

    await context.test("10. a batch of puts", async () => {
        const { status, json } = await post("/databases/Ref/bulk_docs", { Commands: [
            { Type: "PUT", Id: "companies/1-A", Document: document({ Name: "Acme", Country: "SE" }, "Companies") },
            { Type: "PUT", Id: "companies/2-A", Document: document({ Name: "Blom", Country: "NL" }, "Companies") },
            { Type: "PUT", Id: "employees/", Document: document({ FirstName: "Ann", LastName: "Ek", Age: 31 }, "Employees") },
            { Type: "PUT", Id: "employees|", Document: document({ FirstName: "Bo", LastName: "Lund", Age: 44 }, "Employees") },
            ...[1, 2, 3, 4, 5, 6].map(n => ({ Type: "PUT", Id: `orders/${n}-A`, Document: order(n) })),
        ] });
        assert.equal(status, 201);
        assert.deepEqual(json.Results.map(result => result["@id"]), [
            "companies/1-A", "companies/2-A", "employees/0000000000000000003-A", "employees/1",
            "orders/1-A", "orders/2-A", "orders/3-A", "orders/4-A", "orders/5-A", "orders/6-A",
        ]);
        json.Results.forEach((result, index) => {
            assert.equal(result.Type, "PUT");
            assert.match(result["@change-vector"], VECTOR);
            assert.equal(etagOf(result["@change-vector"]), index + 1);
            assert.match(result["@last-modified"], DATE);
        });
        assert.deepEqual(json.Results.map(result => result["@collection"]),
            ["Companies", "Companies", "Employees", "Employees", ...Array(6).fill("Orders")]);
    });

    await context.test("11. a batch whose second command expects another vector", async () => {
        const current = await vectorOf("orders/1-A");
        const error = assertError(await post("/databases/Ref/bulk_docs", { Commands: [
            { Type: "PUT", Id: "orders/99-A", Document: document({ a: 1 }, "Orders") },
            { Type: "PUT", Id: "orders/1-A", ChangeVector: "A:999-wrongwrongwrongwrong", Document: { a: 1 } },
        ] }), 409, "Raven.Client.Exceptions.ConcurrencyException", /orders\/1-A.*A:999-wrongwrongwrongwrong/);
        assert.deepEqual([error.Id, error.ExpectedChangeVector, error.ActualChangeVector],
            ["orders/1-A", "A:999-wrongwrongwrongwrong", current]);
    });

    await context.test("12. its first command was not kept", async () => {
        assert.equal((await get("/databases/Ref/docs?id=orders/99-A")).status, 404);
    });

    await context.test("14. delete, and delete a prefix nothing has", async () => {
        const { status, json } = await post("/databases/Ref/bulk_docs", { Commands: [
            { Type: "DELETE", Id: "orders/6-A", ChangeVector: null },
            { Type: "DELETE", Id: "zzz/", IdPrefixed: true },
            { Type: "DELETE", Id: "never/was", ChangeVector: null },
        ] });
        assert.equal(status, 201);
        assert.deepEqual(json.Results.map(({ Id, Type, Deleted }) => [Id, Type, Deleted]),
            [["orders/6-A", "DELETE", true], ["zzz/", "DELETE", false], ["never/was", "DELETE", false]]);
        assert.equal((await get("/databases/Ref/docs?id=orders/6-A")).status, 404);
    });

    let vector;
    await context.test("15. one document", async () => {
        const answer = await get("/databases/Ref/docs?id=orders%2F1-A");
        assert.equal(answer.status, 200);
        assert.deepEqual(answer.json.Includes, {});
        const [{ "@metadata": metadata, ...body }, ...others] = answer.json.Results;
        assert.deepEqual(others, []);
        const { "@metadata": _, ...expected } = order(1);
        assert.deepEqual(body, expected);
        assert.deepEqual(Object.keys(metadata).sort(), ["@change-vector", "@collection", "@id", "@last-modified"]);
        assert.equal(metadata["@collection"], "Orders");
        vector = metadata["@change-vector"];
        assert.equal(answer.headers.etag, `"${vector}"`);
    });

    await context.test("16. not modified", async () => {
        const answer = await get("/databases/Ref/docs?id=orders%2F1-A", { "If-None-Match": `"${vector}"` });
        assert.deepEqual([answer.status, answer.body.length], [304, 0]);
    });

    await context.test("17. a missing document", async () => {
        assert.equal((await get("/databases/Ref/docs?id=nope")).status, 404);
    });

    await context.test("18. several documents, one of them missing", async () => {
        const answer = await get("/databases/Ref/docs?id=orders%2F1-A&id=nope&id=orders%2F2-A");
        assert.equal(answer.status, 200);
        assert.deepEqual(idsOf(answer), ["orders/1-A", null, "orders/2-A"]);
        assert.match(answer.headers.etag, /^".+"$/);
    });

    await context.test("19. several documents by a body of ids", async () => {
        const answer = await post("/databases/Ref/docs", { Ids: ["orders/2-A", "orders/3-A"] });
        assert.equal(answer.status, 200);
        assert.deepEqual(idsOf(answer), ["orders/2-A", "orders/3-A"]);
        assert.deepEqual(answer.json.Includes, {});
    });

    await context.test("20. a document with an include", async () => {
        const answer = await get("/databases/Ref/docs?id=orders%2F2-A&include=Company");
        assert.equal(answer.status, 200);
        assert.deepEqual(Object.keys(answer.json.Includes), ["companies/1-A"]);
        assert.equal(answer.json.Includes["companies/1-A"].Name, "Acme");
        assert.equal(answer.json.Includes["companies/1-A"]["@metadata"]["@id"], "companies/1-A");
        assert.notEqual(answer.headers.etag, `"${await vectorOf("orders/2-A")}"`);
    });

    await context.test("21. a page of a prefix", async () => {
        const answer = await get("/databases/Ref/docs?startsWith=orders%2F&matches=&start=1&pageSize=2");
        assert.equal(answer.status, 200);
        assert.deepEqual(idsOf(answer), ["orders/2-A", "orders/3-A"]);
    });

    await context.test("22. a prefix with patterns", async () => {
        const answer = await get("/databases/Ref/docs?startsWith=orders%2F&matches=2-%2A%7C3-%2A&exclude=3-A&pageSize=10");
        assert.deepEqual(idsOf(answer), ["orders/2-A"]);
    });

    await context.test("23. metadata only", async () => {
        const answer = await get("/databases/Ref/docs?id=orders%2F2-A&metadataOnly=true");
        assert.equal(answer.status, 200);
        assert.deepEqual(Object.keys(answer.json.Results[0]), ["@metadata"]);
        assert.equal(answer.json.Results[0]["@metadata"]["@id"], "orders/2-A");
    });

    await context.test("24. documents without a selector come newest first", async () => {
        const answer = await get("/databases/Ref/docs?start=0&pageSize=2");
        assert.equal(answer.status, 200);
        assert.deepEqual(idsOf(answer), ["orders/5-A", "orders/4-A"]);
        assert.deepEqual(idsOf(await get("/databases/Ref/docs?start=1&pageSize=2")), ["orders/4-A", "orders/3-A"]);
    });

    await context.test("25. head of a document", async () => {
        const answer = await send(server.url, "HEAD", "/databases/Ref/docs?id=orders%2F2-A");
        assert.deepEqual([answer.status, answer.body.length], [200, 0]);
        assert.equal(answer.headers.etag, `"${await vectorOf("orders/2-A")}"`);
        assert.equal((await send(server.url, "HEAD", "/databases/Ref/docs?id=nope")).status, 404);
    });

    const people = body => ({ ...body, "@metadata": { "@collection": "People" } });
    await context.test("26. put a new document", async () => {
        const { status, json } = await put("/databases/Ref/docs?id=people%2F1",
            { Name: "Eva", "@metadata": { "@collection": "People", "My-Key": "v" } });
        assert.equal(status, 201);
        assert.deepEqual(Object.keys(json).sort(), ["ChangeVector", "Id"]);
        assert.equal(json.Id, "people/1");
        assert.match(json.ChangeVector, VECTOR);
        const stored = (await get("/databases/Ref/docs?id=people%2F1")).json.Results[0];
        assert.equal(stored["@metadata"]["My-Key"], "v");
    });

    let current;
    await context.test("27. put over it", async () => {
        const { status, json } = await put("/databases/Ref/docs?id=people%2F1", people({ Name: "Eva 2" }));
        assert.equal(status, 201);
        current = json.ChangeVector;
    });

    await context.test("28. put with another vector", async () => {
        const error = assertError(
            await put("/databases/Ref/docs?id=people%2F1", people({ Name: "X" }), { "If-Match": `"${STALE}"` }),
            409, "Raven.Client.Exceptions.ConcurrencyException", /people\/1 has change vector A:\d+.*A:1-AAAAAAAAAAAAAAAAAAAAAA/);
        assert.deepEqual([error.Id, error.ExpectedChangeVector, error.ActualChangeVector], ["people/1", STALE, current]);
    });

    await context.test("29. put with the vector it has", async () => {
        const { status, json } = await put("/databases/Ref/docs?id=people%2F1", people({ Name: "Eva 3" }), { "If-Match": `"${current}"` });
        assert.equal(status, 201);
        assert.ok(etagOf(json.ChangeVector) > etagOf(current));
        current = json.ChangeVector;
    });

    await context.test("30. put with an id the server completes", async () => {
        const { status, json } = await put("/databases/Ref/docs?id=people%2F", people({ Name: "Auto" }));
        assert.equal(status, 201);
        assert.equal(json.Id, `people/${String(etagOf(json.ChangeVector)).padStart(19, "0")}-A`);
    });

    await context.test("31. put with an identity takes the next free number", async () => {
        const { status, json } = await put("/databases/Ref/docs?id=people%7C", people({ Name: "Ident" }));
        assert.equal(status, 201);
        assert.equal(json.Id, "people/2", "people/1 exists and is not overwritten");
        assert.equal((await get("/databases/Ref/docs?id=people%2F1")).json.Results[0].Name, "Eva 3");
    });

    await context.test("32. put without an id", async () => {
        const answer = await put("/databases/Ref/docs", { Name: "X" });
        assert.ok([400, 500].includes(answer.status), answer.text);
        assert.match(answer.json.Message, /'id'/);
        assert.ok(answer.json.Type.length > 0 && answer.json.Error.length > 0);
    });

    await context.test("33. put of broken JSON", async () => {
        for (const broken of ["{\"a\":", "{\"a\":1}}", "[1,2]", "\"text\"", "", "{\"a\":01}", "{a:1}"]) {
            const answer = await put("/databases/Ref/docs?id=bad", broken);
            assert.ok([400, 500].includes(answer.status), `${broken} was answered with ${answer.status}`);
            assert.ok(answer.json.Message.length > 0 && answer.json.Type.length > 0);
        }
        assert.equal((await get("/databases/Ref/docs?id=bad")).status, 404);
    });

    await context.test("34. delete with another vector", async () => {
        const error = assertError(
            await remove("/databases/Ref/docs?id=people%2F1", { headers: { "If-Match": `"${STALE}"` } }),
            409, "Raven.Client.Exceptions.ConcurrencyException", /people\/1 has change vector A:\d+.*A:1-AAAAAAAAAAAAAAAAAAAAAA/);
        assert.deepEqual([error.Id, error.ExpectedChangeVector, error.ActualChangeVector], ["people/1", STALE, current]);
    });

    await context.test("35. delete", async () => {
        const answer = await remove("/databases/Ref/docs?id=people%2F1");
        assert.deepEqual([answer.status, answer.body.length], [204, 0]);
        assert.equal((await get("/databases/Ref/docs?id=people%2F1")).status, 404);
    });

    await context.test("36. delete again", async () => {
        assert.equal((await remove("/databases/Ref/docs?id=people%2F1")).status, 204);
    });

    await context.test("72. database statistics", async () => {
        const { status, json } = await get("/databases/Ref/stats");
        assert.equal(status, 200);
        assert.equal(json.CountOfDocuments, 11); // 2 companies, 2 employees, 5 orders, 2 people
        assert.equal(json.CountOfTombstones, 2);
        for (const zero of ["CountOfIndexes", "CountOfRevisionDocuments", "CountOfDocumentsConflicts", "CountOfConflicts",
            "CountOfAttachments", "CountOfCounterEntries", "CountOfTimeSeriesSegments", "CountOfUniqueAttachments"]) {
            assert.equal(json[zero], 0, zero);
        }
        assert.deepEqual(json.Indexes, []);
        assert.equal(json.DatabaseChangeVector, `A:${json.LastDatabaseEtag}-${json.DatabaseId}`);
        assert.match(json.DatabaseId, /^[A-Za-z0-9+/]{22}$/);
        assert.ok(json.LastDocEtag <= json.LastDatabaseEtag);
        assert.ok(json.SizeOnDisk.SizeInBytes > 0);
        for (const size of [json.SizeOnDisk, json.TempBuffersSizeOnDisk]) { // The Python client needs both.
            assert.match(size.HumaneSize, /Bytes$/);
        }
    });

    await context.test("73. collection statistics", async () => {
        const { status, json } = await get("/databases/Ref/collections/stats");
        assert.equal(status, 200);
        assert.equal(json.CountOfDocuments, 11);
        assert.equal(json.CountOfConflicts, 0);
        assert.deepEqual(json.Collections, { Companies: 2, Employees: 2, Orders: 5, People: 2 });
    });

    await context.test("74. detailed collection statistics", async () => {
        const { status, json } = await get("/databases/Ref/collections/stats/detailed");
        assert.equal(status, 200);
        assert.equal(json.CountOfDocuments, 11);
        assert.deepEqual(Object.keys(json.Collections), ["Companies", "Employees", "Orders", "People"]);
        const orders = json.Collections.Orders;
        assert.deepEqual([orders.Name, orders.CountOfDocuments, orders.CountOfTombstones], ["Orders", 5, 1]);
        assert.ok(orders.DocumentsSize.SizeInBytes > 0);
        assert.match(orders.Size.HumaneSize, /Bytes$/);
    });

    await context.test("75. documents of a collection come newest first", async () => {
        const answer = await get("/databases/Ref/collections/docs?name=Companies&start=0&pageSize=1");
        assert.equal(answer.status, 200);
        assert.deepEqual(idsOf(answer), ["companies/2-A"]);
        assert.deepEqual(idsOf(await get("/databases/Ref/collections/docs?name=Companies&start=1&pageSize=5")), ["companies/1-A"]);
        assert.deepEqual((await get("/databases/Ref/collections/docs?name=Nothing")).json.Results, []);
    });

    await context.test("97. several gets in one request", async () => {
        const unchanged = await vectorOf("orders/3-A");
        const { status, json } = await post("/databases/Ref/multi_get", { Requests: [
            { Url: "/databases/Ref/docs", Query: "?id=orders%2F2-A", Method: "GET" },
            { Url: "/databases/Ref/docs", Query: "?id=nope", Method: "GET" },
            { Url: "/databases/Ref/docs", Query: "?id=orders%2F3-A", Method: "GET", Headers: { "If-None-Match": `"${unchanged}"` } },
            { Url: "/databases/Ref/docs", Query: "?startsWith=companies%2F&pageSize=5", Method: "GET" },
        ] });
        assert.equal(status, 200);
        assert.deepEqual(json.Results.map(({ StatusCode }) => StatusCode), [200, 404, 304, 200]);
        assert.equal(json.Results[0].Result.Results[0]["@metadata"]["@id"], "orders/2-A");
        // The Node client cannot read a missing document without a body here.
        assert.deepEqual(json.Results[1].Result.Results, [null]);
        assert.equal(json.Results[0].Headers.ETag, `"${await vectorOf("orders/2-A")}"`);
        assert.deepEqual(json.Results[3].Result.Results.map(company => company.Name), ["Acme", "Blom"]);
    });

    await context.test("98. the first range of ids", async () => {
        const { status, json } = await get(
            "/databases/Ref/hilo/next?tag=Orders&lastBatchSize=0&lastRangeAt=&identityPartsSeparator=%2F&lastMax=0");
        assert.equal(status, 201);
        const { LastRangeAt, ...range } = json;
        assert.deepEqual(range, { Prefix: "Orders/", Low: 1, High: 32, LastSize: 32, ServerTag: "A" });
        assert.match(LastRangeAt, DATE);
    });

    await context.test("101. an unknown route", async () => {
        assertError(await get("/databases/Ref/no/such/route"), 400,
            "Raven.Client.Exceptions.Routing.RouteNotFoundException", /GET \/databases\/Ref\/no\/such\/route/);
    });

    await context.test("104. delete the database", async () => {
        const { status, json } = await remove("/admin/databases",
            { body: { DatabaseNames: ["Ref"], HardDelete: true, TimeToWaitForConfirmation: "00:00:15" } });
        assert.equal(status, 200);
        assert.deepEqual(json.PendingDeletes, []);
        assert.equal(typeof json.RaftCommandIndex, "number");
        assert.deepEqual((await get("/databases?namesOnly=true")).json, { Databases: [] });
    });
});
