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

for (const [title, isSmall, hasFiles] of [
    ['with the default sizes', false, true],
    ['with small pages and a short log', true, true],
    ['with the default sizes and no files', false, false],
    ['with small pages, a short log and no files', true, false],
]) {
    describe(title, () => {
        for (const name of names) {
            test(name, async () => {
                const outcome = await page.evaluate((it) => globalThis.runCase(...it), [name, isSmall, hasFiles]);
                assert.equal(outcome, 'passed');
            });
        }
    });
}

after(async () => {
    await browser.close();
    await server.close();
});
