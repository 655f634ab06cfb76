// A kindergarten, a forum, a company and a shop ask what a textbook asks: siblings, grandchildren,
// a comment deep in its tree, everybody below a department, and how many orders a customer has.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { IndexDefinition, PutIndexesOperation } from "ravendb";
import { Server } from "../harness/server.js";
import { closeStore, createStore } from "../harness/store.js";

let server, store;
before(async () => {
    server = await Server.start();
    store = await createStore(server.url);
    await write({
        "parents/1923-A": of("Parents", { Name: "Ada" }),
        "parents/1924-A": of("Parents", { Name: "Bo" }),
        "children/1-A": of("Children", { Name: "Nea", MotherId: "parents/1923-A", Grandparents: ["parents/1924-A"] }),
        "children/2-A": of("Children", { Name: "Ole", MotherId: "parents/1923-A", Grandparents: ["parents/1924-A", "parents/1923-A"] }),
        "children/3-A": of("Children", { Name: "Pia", MotherId: "parents/1924-A", Grandparents: [] }),
    });
});
after(async () => {
    await closeStore(store);
    await server.stop();
});

const of = (collection, content) => ({ ...content, "@metadata": { "@collection": collection } });

async function write(documents) {
    const session = store.openSession();
    for (const [id, document] of Object.entries(documents)) {
        await session.store(document, id);
    }
    await session.saveChanges();
}

const ask = (text, session = store.openSession()) =>
    session.advanced.rawQuery(text).waitForNonStaleResults().all();
const names = found => found.map(it => it.Name).sort();

async function define(name, map, fields = {}) {
    const definition = Object.assign(new IndexDefinition(), fields);
    definition.name = name;
    definition.maps = new Set([map]);
    await store.maintenance.send(new PutIndexesOperation(definition));
}

test("siblings are the children of one mother", async () => {
    assert.deepEqual(names(await ask("from Children where MotherId = 'parents/1923-A'")), ["Nea", "Ole"]);
});

test("grandchildren are found by an item of their list, and the list's documents come along", async () => {
    const session = store.openSession();
    const found = await ask("from Children where Grandparents[] in ('parents/1923-A') include Grandparents", session);
    assert.deepEqual(names(found), ["Ole"]);
    const before = session.advanced.requestExecutor ? session.advanced.numberOfRequests : 0;
    const grandparents = await session.load(found[0].Grandparents);
    assert.deepEqual(names(Object.values(grandparents)), ["Ada", "Bo"]);
    assert.equal(session.advanced.numberOfRequests, before);
});

test("a comment twenty answers deep is found", async () => {
    let comments = [];
    for (let depth = 20; depth > 0; depth--) {
        comments = [{ Author: `author ${depth}`, Comments: comments }];
    }
    await write({ "posts/1-A": of("Posts", { Author: "author 0", Comments: comments }) });
    await define(
        "Posts/ByCommentAuthor",
        "from post in docs.Posts from comment in this.Recurse(post, (Func<dynamic, dynamic>)(x => x.Comments)) select new { Author = comment.Author }",
    );
    for (const [author, count] of [["author 20", 1], ["author 7", 1], ["author 21", 0]]) {
        const found = await ask(`from index 'Posts/ByCommentAuthor' where Author = '${author}'`);
        assert.equal(found.length, count, author);
    }
    const session = store.openSession();
    const post = await session.load("posts/1-A");
    post.Comments = [];
    await session.saveChanges();
    assert.equal((await ask("from index 'Posts/ByCommentAuthor' where Author = 'author 20'")).length, 0);
});

test("all departments below one are found, and a move takes its departments along", async () => {
    const department = (Name, ParentId) => of("Departments", { Name, ParentId });
    await write({
        "departments/1-A": department("All", null),
        "departments/2-A": department("Research", "departments/1-A"),
        "departments/3-A": department("Lasers", "departments/2-A"),
        "departments/4-A": department("Lenses", "departments/3-A"),
        "departments/5-A": department("Sales", "departments/1-A"),
    });
    await define("Departments/Below", `from d in docs.Departments
        select new { Above = Recurse(d, x => LoadDocument(x.ParentId, "Departments")).Select(x => Id(x)) }`);
    const below = async id =>
        names(await ask(`from index 'Departments/Below' where Above = '${id}' and id() != '${id}'`));
    assert.deepEqual(await below("departments/2-A"), ["Lasers", "Lenses"]);
    assert.deepEqual(await below("departments/5-A"), []);
    const session = store.openSession();
    (await session.load("departments/3-A")).ParentId = "departments/5-A";
    await session.saveChanges();
    assert.deepEqual(await below("departments/2-A"), []);
    assert.deepEqual(await below("departments/5-A"), ["Lasers", "Lenses"]);
    assert.deepEqual(await below("departments/1-A"), ["Lasers", "Lenses", "Research", "Sales"]);
});

test("a customer's orders are counted without being looked at", async () => {
    const orders = Object.fromEntries([1, 2, 3].map(at => [`orders/${at}-A`, of("Orders", { Company: "companies/1-A" })]));
    await write({ ...orders, "orders/4-A": of("Orders", { Company: "companies/2-A" }) });
    await define(
        "Orders/ByCompany",
        "from o in docs.Orders select new { o.Company, NumberOfOrders = 1 }",
        { reduce: "from r in results group r by r.Company into g select new { Company = g.Key, NumberOfOrders = g.Sum(x => x.NumberOfOrders) }" },
    );
    const count = async () => {
        const [fixed] = await ask("from index 'Orders/ByCompany' where Company = 'companies/1-A'");
        const [dynamic] = await ask("from Orders group by Company where Company = 'companies/1-A' select key() as Company, count() as NumberOfOrders");
        assert.equal(fixed?.NumberOfOrders, dynamic?.NumberOfOrders);
        return fixed?.NumberOfOrders;
    };
    assert.equal(await count(), 3);
    await write({ "orders/5-A": of("Orders", { Company: "companies/1-A" }) });
    assert.equal(await count(), 4);
    const session = store.openSession();
    for (const at of [1, 2, 3, 5]) {
        await session.delete(`orders/${at}-A`);
    }
    await session.saveChanges();
    assert.equal(await count(), undefined);
});
