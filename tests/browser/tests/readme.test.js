// The examples of the package's README run, and print what they say.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import { until } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startServer } from '../harness/server.js';

const server = await startServer();
const browser = await startBrowser();

after(async () => {
    await browser.close();
    await server.close();
});

test('the examples of the README print what they say', async () => {
    const readme = await readFile(new URL('../../../bindings-js/README.md', import.meta.url), 'utf8');
    const blocks = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);
    assert.ok(blocks.length >= 5);
    const expected = blocks.flatMap((code) => [...code.matchAll(/\/\/ prints: (.*)/g)].map(([, text]) => text));
    assert.ok(expected.length >= 10);
    const page = await browser.open(`${server.url}/pages/empty.html`);
    const printed = [];
    page.on('console', (message) => printed.push(message.text()));
    // The loop over changes waits for a visit.
    const visit = "setTimeout(async () => { const s = store.openSession(); await s.store({}, 'visits/2', 'Visit'); await s.saveChanges(); }, 100);";
    const code = blocks.join('\n').replaceAll("'pinyon'", "'/pinyon/index.js'").replace('for await (const change', `${visit}\n$&`);
    await page.addScriptTag({ type: 'module', content: `${code}\nglobalThis.isDone = true;` });
    await until(async () => page.failures.length > 0 || page.evaluate(() => globalThis.isDone), 'the end of the examples');
    assert.deepEqual(page.failures, []);
    assert.deepEqual(printed.sort(), [...expected].sort());
});
