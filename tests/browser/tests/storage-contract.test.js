// The storage contract that memory and files keep, over a real IndexedDB.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startBrowser } from '../harness/chromium.js';
import { startServer } from '../harness/server.js';

const server = await startServer();
const browser = await startBrowser();
const page = await browser.open(`${server.url}/pages/storage.html`);
await page.waitForFunction(() => globalThis.isReady);
const names = await page.evaluate(() => globalThis.caseNames());

before(() => assert.ok(names.length >= 39, `${names.length} cases`));

for (const isSmall of [false, true]) {
    describe(isSmall ? 'with small pages and a short log' : 'with the default sizes', () => {
        for (const name of names) {
            test(name, async () => {
                const outcome = await page.evaluate(([name, isSmall]) => globalThis.runCase(name, isSmall), [name, isSmall]);
                assert.equal(outcome, 'passed');
            });
        }
    });
}

after(async () => {
    await browser.close();
    await server.close();
});
