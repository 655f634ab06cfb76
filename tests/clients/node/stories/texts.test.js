// A library looks into its texts: words are shown where they stand, similar texts found, and it is
// said why.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { IndexDefinition, PutIndexesOperation } from "ravendb";
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

class Book {
    constructor(fields) {
        Object.assign(this, fields);
    }
}

async function fill() {
    const session = store.openSession();
    const books = [
        ["whale", 1851, "authors/1", "A captain hunts a white whale over all the seas; the whale hunts the captain."],
        ["sea", 1952, "authors/2", "An old man catches a great fish at sea, and loses the fish to sharks."],
        ["squid", 1870, "authors/3", "A captain travels below the seas and meets a giant squid, and the captain plays the organ."],
        ["moors", 1847, "authors/4", "Two houses on the moors."],
    ];
    for (const [name, year, author, text] of books) {
        await session.store(new Book({ name, year, author, text }), `books/${name}`);
    }
    await session.store({ name: "H. Melville", "@metadata": { "@collection": "Authors" } }, "authors/1");
    await session.saveChanges();
    const index = Object.assign(new IndexDefinition(), {
        name: "Texts",
        maps: new Set(["map('Books', b => ({ name: b.name, text: b.text, year: b.year }))"]),
        fields: { text: { indexing: "Search", storage: "Yes", termVector: "WithPositionsAndOffsets" } },
    });
    await store.maintenance.send(new PutIndexesOperation(index));
}

test("found words are marked in pieces of the text", async () => {
    const session = store.openSession();
    let marked;
    const found = await session.query(Book).waitForNonStaleResults()
        .highlight({ fieldName: "text", fragmentLength: 30, fragmentCount: 2 }, it => { marked = it; })
        .search("text", "whale squ*").all();
    assert.deepEqual(found.map(it => it.name).sort(), ["squid", "whale"]);
    const fragments = marked.getFragments("books/whale");
    assert.equal(fragments.length, 2);
    for (const fragment of fragments) {
        assert.match(fragment, /<b style="background:yellow">whale<\/b>/);
    }
    assert.match(marked.getFragments("books/squid")[0], /giant <b style="background:yellow">squid<\/b>/);
    const options = { fieldName: "text", fragmentLength: 200, fragmentCount: 1, groupKey: "name", preTags: ["["], postTags: ["]"] };
    await session.query({ indexName: "Texts", documentType: Book })
        .highlight(options, it => { marked = it; }).search("text", "captain").all();
    assert.deepEqual(marked.getFragments("whale"), [
        "A [captain] hunts a white whale over all the seas; the whale hunts the [captain].",
    ]);
});

test("documents like another are found by its telling words", async () => {
    const session = store.openSession();
    const options = { minimumTermFrequency: 2, minimumDocumentFrequency: 1, fields: ["text"] };
    const like = await session.query({ indexName: "Texts", documentType: Book }).waitForNonStaleResults()
        .moreLikeThis(it => it.usingDocument(inner => inner.whereEquals("id()", "books/whale")).withOptions(options)).all();
    assert.deepEqual(like.map(it => it.name), ["squid"]);
    const typed = JSON.stringify({ text: "fish and fish, sharks and sharks" });
    const likeTyped = await session.query({ indexName: "Texts", documentType: Book })
        .moreLikeThis(it => it.usingDocument(typed).withOptions(options)).all();
    assert.deepEqual(likeTyped.map(it => it.name), ["sea"]);
    const stop = store.openSession();
    await stop.store({ stopWords: ["captain", "seas"] }, "stopWords/1");
    await stop.saveChanges();
    const none = await session.query({ indexName: "Texts", documentType: Book })
        .moreLikeThis(it => it.usingDocument(inner => inner.whereEquals("id()", "books/whale"))
            .withOptions({ ...options, stopWordsDocumentId: "stopWords/1" })).all();
    assert.deepEqual(none, []);
});

test("it is said why a document was found, and how long that took", async () => {
    const session = store.openSession();
    let why, timings;
    const found = await session.query(Book).waitForNonStaleResults()
        .includeExplanations(it => { why = it; }).timings(it => { timings = it; })
        .search("text", "whale").andAlso().whereGreaterThan("year", 1800).all();
    assert.equal(found.length, 1);
    const [line] = why.explanations["books/whale"];
    assert.match(line, /^[\d.]+ = score of all conditions\n {2}[\d.]+ = score of search\(text, 'whale'\)\n {2}matches year > '1800'$/);
    assert.ok(timings.durationInMs >= 0);
    assert.deepEqual(Object.keys(timings.timings), ["index", "query"]);
});

test("a filter looks at each document that was found, and at no more than it may", async () => {
    const session = store.openSession();
    let statistics;
    const old = await session.query(Book).statistics(it => { statistics = it; })
        .filter(it => it.lessThan("year", 1852)).orderBy("year").waitForNonStaleResults().all();
    assert.deepEqual(old.map(it => it.name), ["moors", "whale"]);
    assert.equal(statistics.scannedResults, 4);
    assert.equal(statistics.totalResults, 2);
    const few = await session.query(Book).filter(it => it.greaterThan("year", 1850), 2).all();
    assert.deepEqual(few.map(it => it.name), ["whale", "sea"]);
});

test("ids have ranges, and results show what they load", async () => {
    const session = store.openSession();
    const raw = async (text, parameters = {}) => {
        const query = session.advanced.rawQuery(text).waitForNonStaleResults();
        for (const [name, value] of Object.entries(parameters)) {
            query.addParameter(name, value);
        }
        return query.all();
    };
    assert.deepEqual((await raw("from Books where id() > $id", { id: "BOOKS/sea" })).map(it => it.name), ["squid", "whale"]);
    assert.deepEqual((await raw("from Books where id() between 'books/n' and 'books/squid'")).map(it => it.name), ["sea", "squid"]);
    const shown = await raw("from Books as b where b.year = 1851 select { name: b.name, author: load(b.author).name, none: load('authors/9') }");
    assert.deepEqual(shown.map(it => [it.name, it.author, it.none]), [["whale", "H. Melville", null]]);
    const cut = await raw(
        "declare function show(b, length) { let text = ''; for (const c of b.text) { if (text.length === length) break; text += c; } return { cut: text, by: load(b.author)?.name ?? $none }; } "
            + "from Books as b where b.year in (1851, 1847) order by b.year select show(b, 5)",
        { none: "nobody" },
    );
    assert.deepEqual(cut.map(it => [it.cut, it.by]), [["Two h", "nobody"], ["A cap", "H. Melville"]]);
    const scripted = await raw("from Books as b where b.year > $year select { first: [...b.name].filter((_, at) => at % 2 === 0).join(''), after: b.year - $year }", { year: 1900 });
    assert.deepEqual(scripted.map(it => [it.first, it.after]), [["sa", 52]]);
    await assert.rejects(raw("declare function f(b) { throw new Error('not ' + b.name) } from Books as b where b.year = 1847 select f(b)"), /not moors/);
    const groups = await raw("from Books group by author where min(year) < 1900 order by max(year) desc select key() as author, avg(year) as year");
    assert.deepEqual(groups.map(it => [it.author, it.year]), [["authors/3", 1870], ["authors/1", 1851], ["authors/4", 1847]]);
});
