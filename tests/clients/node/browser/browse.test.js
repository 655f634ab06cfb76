// A newcomer opens the browse page in a real browser and walks from the databases to a
// document, along a reference to another, back, and finds one by its id.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
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
        await page.locator("h1", { hasText: text }).waitFor();
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
            for (const address of ["#/", "#/databases/Atlas", "#/databases/Atlas/collections/Cities", "#/databases/Atlas/documents/countries%2FSWE"]) {
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
