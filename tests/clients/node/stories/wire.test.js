// Below any client: the text of documents, compressed bodies, prefix deletes, tolerance
// for what clients really send, and limits.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import http from "node:http";
import { send } from "../harness/http.js";
import { Server } from "../harness/server.js";

const DOCS = "/databases/Wire/docs?id=";

let server;
before(async () => {
    server = await Server.start();
    const created = await send(server.url, "PUT", "/admin/databases?name=Wire&replicationFactor=1",
        { body: { DatabaseName: "Wire", Settings: {} } });
    assert.equal(created.status, 201);
});
after(() => server.stop());

test("the order of properties and the text of numbers stay as they were written", async () => {
    const body = "\"zebra\":1,\"apple\":1.0,\"big\":12345678901234567890,\"long\":-9223372036854775808,"
        + "\"precise\":0.1000000000000000055511151231257827,\"exponent\":1E+2,\"tiny\":-0.0,"
        + "\"nested\":{\"b\":[3,2.50,1],\"a\":{}},\"10\":\"ten\",\"9\":\"nine\",\"empty\":[]";
    const put = await send(server.url, "PUT", `${DOCS}text%2F1`, { body: `{${body}}` });
    assert.equal(put.status, 201, put.text);
    const answer = await send(server.url, "GET", `${DOCS}text%2F1`);
    assert.ok(answer.text.includes(`{${body},"@metadata":`), answer.text);

    await server.restart();
    assert.ok((await send(server.url, "GET", `${DOCS}text%2F1`)).text.includes(`{${body},"@metadata":`));
});

test("any text survives: escapes, other scripts, control characters", async () => {
    const texts = ["", "\"\\/\b\f\n\r\t", "\u0001\u001f", "é", "日本", "😀", "\u2028\u2029", "a".repeat(70_000)];
    await send(server.url, "PUT", `${DOCS}text%2F2`, { body: { texts, ["kéy \"x\""]: true } });
    const [stored] = (await send(server.url, "GET", `${DOCS}text%2F2`)).json.Results;
    assert.deepEqual(stored.texts, texts);
    assert.equal(stored["kéy \"x\""], true);
});

test("documents with a prefix are deleted at once, and no other", async () => {
    const ids = ["logs/1", "logs/2", "Logs/3", "logbook/1"];
    await send(server.url, "POST", "/databases/Wire/bulk_docs",
        { body: { Commands: ids.map(Id => ({ Type: "PUT", Id, Document: { Id } })) } });
    const { status, json } = await send(server.url, "POST", "/databases/Wire/bulk_docs",
        { body: { Commands: [{ Type: "DELETE", Id: "logs/", IdPrefixed: true }] } });
    assert.equal(status, 201);
    assert.deepEqual([json.Results[0].Type, json.Results[0].Deleted], ["DELETE", true]);
    const left = (await send(server.url, "GET", "/databases/Wire/docs?startsWith=log&pageSize=10")).json;
    assert.deepEqual(left.Results.map(document => document.Id), ["logbook/1"]);
});

test("an answer is compressed for who accepts it", async () => {
    await send(server.url, "PUT", `${DOCS}zip%2F1`, { body: { text: "again and ".repeat(5_000) } });
    const plain = await send(server.url, "GET", `${DOCS}zip%2F1`);
    const zipped = await send(server.url, "GET", `${DOCS}zip%2F1`, { headers: { "Accept-Encoding": "gzip, deflate" } });
    assert.equal(plain.headers["content-encoding"], undefined);
    assert.equal(zipped.headers["content-encoding"], "gzip");
    assert.ok(zipped.body.length * 10 < plain.body.length);
    assert.deepEqual(JSON.parse(gunzipSync(zipped.body)), plain.json);
});

test("a compressed request is read, and a broken one refused", async () => {
    const sendBytes = (path, bytes) => new Promise((resolve, reject) => {
        const request = http.request(server.url + path, {
            method: "PUT",
            headers: { "Content-Type": "application/json", "Content-Encoding": "gzip", "Content-Length": bytes.length },
        }, response => response.resume().on("end", () => resolve(response.statusCode)));
        request.on("error", reject);
        request.end(bytes);
    });
    const bytes = gzipSync(JSON.stringify({ zipped: true }));
    assert.equal(await sendBytes(`${DOCS}zip%2F2`, bytes), 201);
    assert.equal((await send(server.url, "GET", `${DOCS}zip%2F2`)).json.Results[0].zipped, true);
    const broken = await sendBytes(`${DOCS}zip%2F3`, bytes.subarray(0, bytes.length - 12));
    assert.ok(broken === 400 || broken === 500, `a cut-off body was answered with ${broken}`);
    assert.equal((await send(server.url, "GET", `${DOCS}zip%2F3`)).status, 404);
});

test("a body sent in chunks, without a length or a type, is read", async () => {
    const status = await new Promise((resolve, reject) => {
        const request = http.request(`${server.url}${DOCS}chunked%2F1`, { method: "PUT" },
            response => response.resume().on("end", () => resolve(response.statusCode)));
        request.on("error", reject);
        request.write("{\"in\":");
        request.write("\"pieces\"");
        request.end("}");
    });
    assert.equal(status, 201);
    assert.equal((await send(server.url, "GET", `${DOCS}chunked%2F1`)).json.Results[0].in, "pieces");
});

test("odd headers and queries of real clients are tolerated", async () => {
    const created = await send(server.url, "PUT", "/admin/databases?name=Odd&replicationFactor=1&?raft-request-id=1b4e",
        { body: { DatabaseName: "Odd", Settings: { "Some.Unknown.Setting": "1" } }, headers: { ETag: "\"undefined\"" } });
    assert.equal(created.status, 201, created.text);
    const answer = await send(server.url, "GET", "/databases/Odd/docs?&id=a", {
        headers: { "Topology-Etag": "\"None\"", "Client-Configuration-Etag": "\"None\"", "If-None-Match": "\"None\"" },
    });
    assert.equal(answer.status, 404);
});

test("one id given twice is answered once", async () => {
    await send(server.url, "PUT", `${DOCS}twice%2F1`, { body: { n: 1 } });
    const answer = await send(server.url, "GET", "/databases/Wire/docs?id=twice%2F1&id=TWICE%2F1&id=nope");
    assert.deepEqual(answer.json.Results.map(result => result && result.n), [1, null]);
});

test("a batch that is not one is refused as a whole, with the reason", async () => {
    const refused = [
        {},
        { Commands: {} },
        { Commands: [{ Id: "refused/1", Document: {} }] },
        { Commands: [{ Type: "PUT", Id: "refused/1", Document: {} }, { Type: "NONSENSE", Id: "refused/2" }] },
        { Commands: [{ Type: "PUT", Id: "refused/1", Document: {} }, { Type: "PUT", Id: "refused/2" }] },
        { Commands: [{ Type: "PUT", Id: "refused/1", Document: {} }, { Type: "PUT", Id: "refused/2", Document: [1] }] },
    ];
    for (const body of refused) {
        const answer = await send(server.url, "POST", "/databases/Wire/bulk_docs", { body });
        assert.ok(answer.status >= 400, `${JSON.stringify(body)} was answered with ${answer.status}`);
        assert.ok(answer.json.Message.length > 0);
    }
    assert.equal((await send(server.url, "GET", `${DOCS}refused%2F1`)).status, 404);
});

test("JSON nested without end is refused, and the server lives on", async () => {
    const deep = "{\"a\":".repeat(100_000) + "1" + "}".repeat(100_000);
    const answer = await send(server.url, "PUT", `${DOCS}deep%2F1`, { body: deep });
    assert.ok(answer.status >= 400 && answer.status < 600, `answered with ${answer.status}`);
    assert.equal((await send(server.url, "GET", "/build/version")).status, 200);
});

test("a method a route does not have is refused by name", async () => {
    const answer = await send(server.url, "POST", "/build/version", { body: {} });
    assert.ok(answer.status >= 400 && answer.status < 500);
    assert.match(answer.json.Type, /RouteNotFoundException$/);
});

test("metrics are text for Prometheus and count requests", async () => {
    const read = async () => {
        const answer = await send(server.url, "GET", "/metrics");
        assert.equal(answer.status, 200);
        assert.match(answer.headers["content-type"], /^text\/plain/);
        const samples = answer.text.split("\n").filter(line => /requests_total/.test(line) && !line.startsWith("#"));
        assert.ok(samples.length > 0, "there is a counter of requests");
        return samples.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    };
    const before = await read();
    for (let n = 0; n < 5; n++) {
        await send(server.url, "GET", `${DOCS}twice%2F1`);
    }
    const after = await read();
    assert.ok(after - before >= 5, `${before} requests before, ${after} after`);
});
