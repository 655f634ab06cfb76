// A newcomer opens the browse page in a real browser and walks from the databases to a
// document, along a reference to another, back, and finds one by its id.

import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import { after, before, beforeEach, afterEach, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { send } from "../harness/http.js";
import { Server } from "../harness/server.js";

const executablePath = process.env.CHROMIUM_BIN
    ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
// Named when it happens: a machine without a browser does not show whether the page works.
const skip = executablePath ? false : "no browser: apt-get install chromium, or set CHROMIUM_BIN";

let server, browser, context, page, complaints;

function country(id, name, borders) {
    return {
        Type: "PUT", Id: id,
        Document: {
            name: { common: name, native: { eng: { official: `The Land of ${name}` } } },
            area: 100.0, population: 12345678901234567890n, borders,
            "@metadata": { "@collection": "Countries", Source: "atlas" },
        },
    };
}

const asJson = body => JSON.stringify(body, (_, value) => (typeof value === "bigint" ? `#${value}` : value)).replace(/"#(\d+)"/g, "$1");

describe("the browse page", { skip }, () => {
    before(async () => {
        server = await Server.start();
        for (const name of ["Atlas", "Bare"]) {
            const created = await send(server.url, "PUT", `/admin/databases?name=${name}&replicationFactor=1`,
                { body: { DatabaseName: name, Settings: {} } });
            assert.equal(created.status, 201);
        }
        const stored = await send(server.url, "POST", "/databases/Atlas/bulk_docs", { body: asJson({ Commands: [
            country("countries/SWE", "Sweden", ["countries/NOR", "countries/FIN", "countries/404"]),
            country("countries/NOR", "Norway", ["countries/SWE"]),
            country("countries/FIN", "<b onclick=alert(1)>Finland</b>", ["countries/SWE"]),
            ...Array.from({ length: 60 }, (_, n) => ({
                Type: "PUT", Id: `cities/${String(n).padStart(3, "0")}`,
                Document: { name: `City ${n}`, country: "countries/SWE", "@metadata": { "@collection": "Cities" } },
            })),
        ] }) });
        assert.equal(stored.status, 201, stored.text);
        browser = await chromium.launch({
            executablePath,
            args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        });
    });
    after(async () => {
        await browser?.close();
        await server.stop();
    });

    beforeEach(async () => {
        complaints = [];
        context = await browser.newContext();
        page = await context.newPage();
        page.on("pageerror", error => complaints.push(String(error)));
        page.on("console", message => message.type() === "error" && complaints.push(message.text()));
        page.on("request", request => request.url().startsWith(server.url) || complaints.push(`a request to ${request.url()}`));
    });
    afterEach(() => context.close());

    const heading = () => page.locator("h1");
    const link = name => page.getByRole("link", { name, exact: true });

    async function expectHeading(text) {
        await page.getByRole("heading", { level: 1, name: text, exact: true }).waitFor();
        assert.equal(await heading().textContent(), text);
    }

    test("from the databases to a document, along a reference, and back", async () => {
        await page.goto(`${server.url}/`);
        assert.equal(new URL(page.url()).pathname, "/studio/");
        await expectHeading("Databases");
        await page.getByRole("row", { name: "Atlas 63" }).waitFor();
        await page.getByRole("row", { name: "Bare 0" }).waitFor();
        await link("Atlas").click();
        await expectHeading("Atlas");
        const rows = (await page.locator("tbody tr").allTextContents()).map(text => text.trim());
        assert.deepEqual(rows, ["All documents63", "Cities60", "Countries3"]);

        await link("Countries").click();
        await expectHeading("Countries");
        await link("countries/SWE").click();
        await expectHeading("countries/SWE");
        const tree = page.locator(".json").first();
        await tree.getByText("The Land of Sweden").waitFor();
        assert.match(await tree.textContent(), /area: 100(\D|$)/);
        assert.match(await tree.textContent(), /population: 12345678901234567890/);
        const facts = await page.locator("dl.facts").textContent();
        assert.match(facts, /Change vectorA:\d+-/);
        assert.match(facts, /Last modified\S/);
        assert.match(await page.locator(".json").nth(1).textContent(), /Source: "atlas"/);

        await link("countries/NOR").waitFor();
        assert.equal(await link("countries/404").count(), 0, "what does not exist is no link");
        await link("countries/NOR").click();
        await expectHeading("countries/NOR");
        assert.equal(new URL(page.url()).hash, "#/databases/Atlas/documents/countries%2FNOR");
        assert.match(await page.title(), /countries\/NOR/);
        await page.goBack();
        await expectHeading("countries/SWE");
        await page.getByRole("button", { name: "As sent" }).click();
        assert.match(await page.locator("pre").textContent(), /"area":100,"population":12345678901234567890/);
        assert.deepEqual(complaints, []);
    });

    test("a deep link opens a document, and its text stays text", async () => {
        await page.goto(`${server.url}/studio/#/databases/Atlas/documents/countries%2FFIN`);
        await expectHeading("countries/FIN");
        await page.locator(".json").getByText("\"<b onclick=alert(1)>Finland</b>\"").waitFor();
        assert.equal(await page.locator("b").count(), 0);
        assert.deepEqual(complaints, []);
    });

    test("a collection is read page by page", async () => {
        await page.goto(`${server.url}/studio/#/databases/Atlas/collections/Cities`);
        const shown = new Set();
        for (const range of ["1–25 of 60", "26–50 of 60", "51–60 of 60"]) {
            await page.getByText(range).waitFor();
            (await page.locator("tbody th").allTextContents()).forEach(id => shown.add(id));
            if (!range.startsWith("51")) {
                await link("Next").click();
            }
        }
        assert.equal(shown.size, 60);
        assert.equal(await link("Next").count(), 0);
        await link("Previous").click();
        await page.getByText("26–50 of 60").waitFor();
        assert.deepEqual(complaints, []);
    });

    test("ids are found by their beginning, with the keyboard alone", async () => {
        await page.goto(`${server.url}/studio/#/databases/Atlas`);
        await expectHeading("Atlas");
        await page.keyboard.press("/");
        await page.keyboard.type("CITIES/05");
        await page.keyboard.press("Enter");
        await expectHeading("Ids beginning with “CITIES/05”");
        assert.deepEqual(await page.locator("tbody th").allTextContents(),
            Array.from({ length: 10 }, (_, n) => `cities/05${n}`));
        // The heading has the focus now; the first link behind it is the first document.
        await page.keyboard.press("Tab");
        await page.keyboard.press("Enter");
        await expectHeading("cities/050");
        assert.deepEqual(complaints, []);
    });

    describe("what was", () => {
        // What a document was before, and what belongs to it.
        const db = "/databases/Leases";
        const put = (id, body) => send(server.url, "PUT", `${db}/docs?id=${encodeURIComponent(id)}`, { body });
        const attach = (name, type, bytes) => fetch(
            `${server.url}${db}/attachments?id=leases/1&name=${encodeURIComponent(name)}&contentType=${encodeURIComponent(type)}`,
            { method: "PUT", body: bytes });
        const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="teal"/>'
            + '<script>document.title = "taken over"</script></svg>';
        const tomorrow = new Date(Date.now() + 86_400_000 + 3_600_000).toISOString();
        const open = address => page.goto(`${server.url}/studio/#/databases/Leases/${address}`);
        const changes = async () => (await page.locator("table.changes tbody tr").allTextContents());

        before(async () => {
            const created = await send(server.url, "PUT", "/admin/databases?name=Leases&replicationFactor=1",
                { body: { DatabaseName: "Leases", Settings: {}, Revisions: { Default: {} },
                    Expiration: { Disabled: false, DeleteFrequencyInSec: 3600 } } });
            assert.equal(created.status, 201, created.text);
            const metadata = { "@collection": "Leases", "@expires": tomorrow, "@refresh": tomorrow };
            await put("leases/1", { tenant: "Mara", rent: 900, rooms: ["kitchen", "bath"], note: "<i>first</i>", "@metadata": metadata });
            assert.equal((await attach("plan.svg", "image/svg+xml", SVG)).status, 201);
            assert.equal((await attach("contract.pdf", "application/pdf", "%PDF " + "x".repeat(1_234_000))).status, 201);
            const { "@metadata": stored } = (await send(server.url, "GET", `${db}/docs?id=leases/1`)).json.Results[0];
            await put("leases/1", { tenant: "Mara", rent: 950, rooms: ["hall", "kitchen", "bath"], "@metadata": stored });
            await put("gone/1", { title: "the only one" });
            assert.equal((await send(server.url, "DELETE", `${db}/docs?id=gone/1`)).status, 204);
        });

        test("a document shows its attachments and when it goes", async () => {
            await open("documents/leases%2F1");
            await expectHeading("leases/1");
            const facts = await page.locator("dl.facts").textContent();
            assert.match(facts, /Expires.*\(in 1 day\)/);
            assert.match(facts, /Refreshes.*\(not while this is switched off for the database\)/);
            const picture = page.getByRole("img", { name: "Preview of plan.svg" });
            await picture.waitFor();
            assert.deepEqual(await picture.evaluate(async image => {
                await image.decode();
                return [image.naturalWidth, image.naturalHeight];
            }), [40, 20]);
            assert.equal(await page.title(), "leases/1 · Pinyon", "a script in a picture does not run");
            const contract = page.getByRole("listitem").filter({ hasText: "contract.pdf" });
            assert.match(await contract.textContent(), /application\/pdf · 1\.2 MB/);
            assert.equal(await contract.getByRole("img").count(), 0);
            const [download] = await Promise.all([
                page.waitForEvent("download"),
                page.getByRole("link", { name: "Download contract.pdf" }).click(),
            ]);
            assert.equal(download.suggestedFilename(), "contract.pdf");
            assert.equal(statSync(await download.path()).size, 1_234_005);
            assert.deepEqual(complaints, []);
        });

        test("any two versions are compared, and the address tells which", async () => {
            await open("documents/leases%2F1");
            await link("4 versions").click();
            await expectHeading("History of leases/1");
            assert.deepEqual(await changes(), ["changedrent900950", 'addedrooms[0]"hall"', 'removednote"<i>first</i>"']);
            await page.getByText("1 changed, 1 added, 1 removed").first().waitFor();
            const from = page.getByLabel("From", { exact: true });
            const oldest = await from.locator("option").last().getAttribute("value");
            await from.selectOption(oldest);
            await page.locator(".path", { hasText: '@metadata.@attachments' }).waitFor();
            assert.ok((await changes()).some(text => /added@metadata\.@attachments/.test(text)), await changes());
            const address = page.url();
            await page.goto("about:blank");
            await page.goto(address);
            await page.locator(".path", { hasText: '@metadata.@attachments' }).waitFor();
            await page.getByRole("button", { name: "Swap" }).click();
            await page.getByText("1 changed, 1 added, 2 removed").waitFor();
            const to = page.getByLabel("To", { exact: true });
            await from.selectOption(await to.inputValue());
            await page.getByText("These two do not differ.").waitFor();
            assert.deepEqual(complaints, []);
        });

        test("an earlier version is looked at and brought back, with the keyboard alone", async () => {
            await open("history/leases%2F1");
            await expectHeading("History of leases/1");
            const rows = page.locator("table.revisions tbody tr");
            assert.equal(await rows.count(), 4);
            assert.match(await rows.first().textContent(), /present/);
            assert.equal(await rows.first().getByRole("button").count(), 0);
            await rows.nth(1).getByRole("rowheader").getByRole("link").focus();
            await page.keyboard.press("Enter");
            await page.locator("h1", { hasText: "leases/1, version of" }).waitFor();
            await page.locator(".json").getByText("900").waitFor();
            const [download] = await Promise.all([
                page.waitForEvent("download"),
                page.getByRole("button", { name: "Download plan.svg" }).click(),
            ]);
            assert.equal(readFileSync(await download.path(), "utf8"), SVG);

            await page.getByRole("button", { name: /^Revert: version of/ }).focus();
            await page.keyboard.press("Enter");
            const dialog = page.getByRole("dialog", { name: "Revert?" });
            await dialog.waitFor();
            await page.keyboard.press("Escape");
            await dialog.waitFor({ state: "detached" });
            await page.locator("h1", { hasText: "version of" }).waitFor();
            await page.keyboard.press("Enter");
            await dialog.waitFor();
            await page.keyboard.press("Tab");
            await page.keyboard.press("Enter");
            await expectHeading("leases/1");
            await page.locator(".json").getByText("900").waitFor();
            await page.getByRole("status").getByText("It is again what it was on").waitFor();
            await link("5 versions").waitFor();
            assert.match(await page.locator("dl.facts").textContent(), /Reverted/);
            assert.deepEqual(complaints, []);
        });

        test("a deleted document is found and restored", async () => {
            await open("");
            await link("Deleted documents").click();
            await expectHeading("Deleted documents");
            await link("gone/1").click();
            await expectHeading("History of gone/1");
            assert.deepEqual(await changes(), ['removedtitle"the only one"']);
            await page.getByRole("button", { name: /^Restore: version of/ }).click();
            await page.getByRole("dialog").getByRole("button", { name: "Restore", exact: true }).click();
            await expectHeading("gone/1");
            await page.locator(".json").getByText('"the only one"').waitFor();
            await open("deleted");
            await page.getByText("No deleted document can be restored.").waitFor();
            assert.deepEqual(complaints, []);
        });

        test("a version that cannot be brought back says why", async () => {
            await put("pruned/1", { n: 1 });
            await put("pruned/1", { n: 2 });
            await open("history/pruned%2F1");
            await expectHeading("History of pruned/1");
            const pruned = await send(server.url, "DELETE", `${db}/admin/revisions`, { body: { DocumentIds: ["pruned/1"] } });
            assert.equal(pruned.status, 200, pruned.text);
            await page.getByRole("button", { name: /^Revert: version of/ }).click();
            await page.getByRole("dialog").getByRole("button", { name: "Revert", exact: true }).click();
            const alert = page.getByRole("alert");
            await alert.waitFor();
            assert.match(await alert.textContent(), /pruned\/1/);
            await page.getByRole("button", { name: "Try again" }).click();
            await page.getByText("No revisions of this document are kept.").waitFor();
        });

        test("on a phone it fits too", async () => {
            const phone = await browser.newContext({ viewport: { width: 390, height: 844 } });
            const small = await phone.newPage();
            for (const address of ["documents/leases%2F1", "history/leases%2F1", "deleted"]) {
                await small.goto(`${server.url}/studio/#/databases/Leases/${address}`);
                await small.locator("main[aria-busy=false] h1").waitFor();
                const overflow = await small.evaluate(() => document.documentElement.scrollWidth - innerWidth);
                assert.ok(overflow <= 0, `${address} is ${overflow} px too wide`);
            }
            await phone.close();
        });
    });

    test("nothing there is said plainly", async () => {
        await page.goto(`${server.url}/studio/#/databases/Bare`);
        await page.getByText("This database has no documents yet.").waitFor();
        await page.goto(`${server.url}/studio/#/databases/Atlas/ids?prefix=nothing`);
        await page.getByText("No id begins like this.").waitFor();
        await page.goto(`${server.url}/studio/#/databases/Atlas/documents/nope`);
        await page.getByText("There is no document with this id.").waitFor();
        await page.goto(`${server.url}/studio/#/elsewhere`);
        await page.getByText("This address leads nowhere.").waitFor();
    });

    test("a query is asked, its answer shown, and its mistakes named", async () => {
        await page.goto(`${server.url}/studio/#/databases/Atlas`);
        await link("Query this database").click();
        await expectHeading("Query");
        const input = page.getByRole("textbox", { name: "Query" });
        assert.equal(await input.inputValue(), "from Countries\n");
        await input.fill("from Cities where name = 'City 7' or name = 'City 8' include country");
        await page.keyboard.press("Control+Enter");
        await link("cities/007").waitFor();
        const shown = await page.locator(".results tbody th").allTextContents();
        assert.deepEqual(shown.sort(), ["cities/007", "cities/008"]);
        const facts = await page.locator(".answer dl.facts").textContent();
        assert.match(facts, /Results2Answered fromAuto\/Cities\/Byname/i);
        assert.match(facts, /ms in the server/);
        await page.getByText("Included:").getByRole("link", { name: "countries/SWE" }).waitFor();

        const address = page.url();
        await page.getByRole("textbox", { name: "Query" }).fill("from Cities where name ==== 1");
        await page.getByRole("button", { name: "Run" }).click();
        const alert = page.getByRole("alert");
        await alert.waitFor();
        assert.match(await alert.textContent(), /InvalidQueryException/);
        await page.goto(address);
        await link("cities/008").waitFor();
        await page.getByRole("textbox", { name: "Query" }).fill("from Cities group by country select country, count() as cities");
        await page.getByRole("button", { name: "Run" }).click();
        await page.locator(".results").getByText("60").waitFor();
        complaints = complaints.filter(complaint => !complaint.includes("status of 400"));
        assert.deepEqual(complaints, []);
    });

    test("an error is shown with a way to try again", async () => {
        await page.goto(`${server.url}/studio/#/databases/Nope`);
        const alert = page.getByRole("alert");
        await alert.waitFor();
        assert.match(await alert.textContent(), /DatabaseDoesNotExistException.*Nope/);
        const created = await send(server.url, "PUT", "/admin/databases?name=Nope&replicationFactor=1",
            { body: { DatabaseName: "Nope", Settings: {} } });
        assert.equal(created.status, 201);
        await page.getByRole("button", { name: "Try again" }).click();
        await page.getByText("This database has no documents yet.").waitFor();
    });

    test("on a phone nothing is wider than the screen, in light and in dark", async () => {
        for (const colorScheme of ["light", "dark"]) {
            const phone = await browser.newContext({ viewport: { width: 360, height: 640 }, colorScheme });
            const small = await phone.newPage();
            for (const address of ["#/", "#/databases/Atlas", "#/databases/Atlas/collections/Cities", "#/databases/Atlas/documents/countries%2FSWE", "#/databases/Atlas/query?rql=from+Cities"]) {
                await small.goto(`${server.url}/studio/${address}`);
                await small.locator("main[aria-busy=false] h1").waitFor();
                const overflow = await small.evaluate(() => document.documentElement.scrollWidth - innerWidth);
                assert.ok(overflow <= 0, `${address} is ${overflow} px too wide`);
            }
            const ground = await small.evaluate(() => getComputedStyle(document.body).backgroundColor);
            const brightness = ground.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
            assert.equal(brightness > 128, colorScheme === "light", ground);
            await phone.close();
        }
    });

    test("the page allows itself nothing but its own files", async () => {
        const answer = await send(server.url, "GET", "/studio/");
        assert.equal(answer.status, 200);
        assert.match(answer.headers["content-type"], /^text\/html/);
        const policy = answer.headers["content-security-policy"];
        assert.ok(policy, "there is a content security policy");
        assert.doesNotMatch(policy, /unsafe|\*|https?:/);
        assert.match(policy, /(default|script)-src '(self|none)'/);
    });
});
