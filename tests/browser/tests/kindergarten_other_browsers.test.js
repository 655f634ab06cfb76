// The demonstration in Firefox and in WebKit: a photograph is added, and the page is there without its server.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, test } from 'node:test';
import { until } from '../harness/application.js';
import { otherBrowsers } from '../harness/other_browsers.js';
import { startPinyon } from '../harness/pinyon.js';
import { TARGET } from '../harness/server.js';

const pinyon = await startPinyon('kindergarten', undefined, [
    '--kindergarten-dir', path.join(TARGET, 'browser/kindergarten'), '--unsafe-give-tokens-to-kindergarten-pages',
]);
after(() => pinyon.close());

const shows = (page, selector, words) => until(
    // While a page loads there is nowhere to look.
    () => page.evaluate(([selector, words]) => document.querySelector(selector)?.innerText.includes(words), [selector, words]).catch(() => false),
    `${words} in ${selector}`,
);
const go = (page, hash) => page.evaluate((hash) => { location.hash = hash; }, hash);

/** Fills the form in, with a photograph that the browser itself paints, and saves. */
const saveForm = (page, name) => page.evaluate(async (name) => {
    const tell = (control, event) => control.dispatchEvent(new Event(event, { bubbles: true }));
    for (const [field, value] of Object.entries({ name, birthday: '2022-03-04' })) {
        const control = document.querySelector(`[name="${field}"], #field-${field}`);
        control.value = value;
        tell(control, 'input');
        tell(control, 'change');
    }
    const canvas = Object.assign(document.createElement('canvas'), { width: 2000, height: 1000 });
    canvas.getContext('2d').fillRect(0, 0, 2000, 1000);
    const picture = await new Promise((resolve) => { canvas.toBlob(resolve, 'image/png'); });
    const files = new DataTransfer();
    files.items.add(new File([picture], 'photo.png', { type: 'image/png' }));
    const input = document.querySelector('#field-photo');
    input.files = files.files;
    tell(input, 'change');
    while (!document.querySelector('form img')) await new Promise((resolve) => { setTimeout(resolve, 20); });
    document.querySelector('form.edit .main').click();
}, name);

for (const { name: browserName, start, skip } of otherBrowsers) {
    test(browserName, { skip }, async () => {
        const browser = await start();
        try {
            const page = await browser.open(`${pinyon.url}/kindergarten/`);
            await shows(page, '.sync', 'Live');
            await go(page, '#/children/new');
            await until(() => page.evaluate(() => document.querySelector('#field-photo') !== null), 'the form');
            await saveForm(page, `Child of ${browserName}`);
            await shows(page, 'h1', `Child of ${browserName}`);
            const id = await page.evaluate(() => decodeURIComponent(location.hash.replace('#/', '')));
            const { photo, '@metadata': metadata } = await until(() => pinyon.document(id).catch(() => undefined), 'the child on the server');
            assert.deepEqual(metadata['@attachments'].map((it) => it.Name), [photo]);

            await until(() => page.evaluate(async () => (await navigator.serviceWorker.ready).active.state === 'activated'), 'the service worker');
            await pinyon.kill();
            await page.evaluate(() => {
                globalThis.isOld = true;
                // Behind the answer to this.
                setTimeout(() => { location.reload(); }, 500);
            });
            await until(() => page.evaluate(() => !globalThis.isOld).catch(() => false), 'the page, anew');
            await shows(page, '.sync', 'Offline');
            await shows(page, 'h1', `Child of ${browserName}`);
            assert.deepEqual(await until(() => page.evaluate(() => {
                const picture = document.querySelector('img.portrait');
                return picture?.complete && [picture.naturalWidth, picture.naturalHeight];
            }), 'the photograph'), [1280, 640]);
            await pinyon.restart();
            await shows(page, '.sync', 'Live');
            await page.close();
        } finally {
            await browser.close();
        }
    });
}
