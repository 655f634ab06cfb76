// The demonstration for those who do not point, do not see, or read large letters.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { until } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startPinyon } from '../harness/pinyon.js';
import { TARGET } from '../harness/server.js';

const pinyon = await startPinyon('kindergarten', undefined, [
    '--kindergarten-dir', path.join(TARGET, 'browser/kindergarten'), '--unsafe-give-tokens-to-kindergarten-pages',
]);
const sample = JSON.parse(await readFile(new URL('../../../www/kindergarten/sample.json', import.meta.url), 'utf8'));
const send = (way, method, body) => pinyon.request(`/databases/kindergarten/${way}`, {
    method, headers: { 'content-type': 'application/json' }, body: body && JSON.stringify(body),
});
const stored = await send('bulk_docs', 'POST', { Commands: sample.map((it) => ({ Type: 'PUT', Id: it['@metadata']['@id'], ChangeVector: null, Document: it })) });
assert.equal(stored.status, 201);
const browser = await startBrowser();
after(async () => {
    await browser.close();
    await pinyon.close();
});

const page = await browser.open(`${pinyon.url}/kindergarten/`);
await page.setViewportSize({ width: 360, height: 640 });
await page.locator('.card').first().waitFor();
const focused = () => page.evaluate(() => `${document.activeElement.tagName} ${document.activeElement.innerText.replaceAll(/\s+/g, ' ')}`);
const hasFocus = (words) => until(async () => words.test(await focused()), `the focus on ${words}`);
const putChild = (id, name) => send(`docs?id=${encodeURIComponent(id)}`, 'PUT', { name, birthday: '2021-01-01', '@metadata': { '@collection': 'Children' } });
const card = (name) => page.getByRole('link', { name });

test('what others change does not take the keyboard\'s place away', async () => {
    await putChild('children/aaa', 'Aaa Early');
    await card(/Aaa Early/).focus();
    await putChild('children/aaa', 'Zzz Late');
    await page.locator('.cards li:last-child', { hasText: 'Zzz Late' }).waitFor();
    await hasFocus(/^A .*Zzz Late/);

    await putChild('children/aab', 'Aab Early');
    await card(/Aab Early/).focus();
    await send('docs?id=children/aab', 'DELETE');
    await card(/Aab Early/).waitFor({ state: 'detached' });
    await hasFocus(/^A .*Ada Okafor/);

    await page.getByLabel('Find children by name').fill('Zzz');
    await page.getByText('1 child', { exact: true }).waitFor();
    await card(/Zzz Late/).focus();
    await send('docs?id=children/aaa', 'DELETE');
    await card(/Zzz Late/).waitFor({ state: 'detached' });
    await hasFocus(/^H1 Children/);
    await page.getByLabel('Find children by name').fill('');
});

test('what has the focus is not behind the navigation', async () => {
    await page.getByText('13 children').waitFor();
    await page.getByLabel('Group').focus();
    for (let at = 0; at < 13; at++) {
        await page.keyboard.press('Tab');
        const [bottom, top] = await page.evaluate(() => [
            document.activeElement.getBoundingClientRect().bottom, document.querySelector('nav').getBoundingClientRect().top]);
        assert.ok(bottom <= top, `${await focused()}: ${bottom} is below ${top}`);
    }
});

test('a dialog says what changes in it, and what is wrong', async () => {
    await page.getByRole('button', { name: /^Sync: / }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Pause' }).press('Enter');
    await dialog.getByRole('status').filter({ hasText: 'You paused it.' }).waitFor();
    await dialog.getByRole('button', { name: 'Go on' }).press('Enter');
    await dialog.getByLabel('Your name').fill('');
    await dialog.getByRole('button', { name: 'Set' }).press('Enter');
    await dialog.getByRole('alert').filter({ hasText: 'A name has' }).waitFor();
    await dialog.getByLabel('Your name').fill('Nora');
    await page.keyboard.press('Enter');
    await dialog.getByRole('status').filter({ hasText: 'Your name is set.' }).waitFor();
    await page.keyboard.press('Escape');
    await hasFocus(/^BUTTON Sync/);
});

test('what is wrong beside a choice gets the focus, and says why', async () => {
    await putChild('children/aac', 'Aac');
    await card(/^.*Aac/).waitFor();
    await page.goto(`${pinyon.url}/kindergarten/#/children/aac/edit`);
    await page.getByLabel('Name (needed)').fill('Aac of mine');
    await putChild('children/aac', 'Aac of theirs');
    // Another tab of the same browser has seen it once this one's database has it.
    const tab = await browser.open(`${pinyon.url}/kindergarten/#/children`);
    await tab.getByRole('link', { name: /Aac of theirs/ }).waitFor();
    await tab.close();
    await page.getByRole('button', { name: 'Save', exact: true }).press('Enter');
    await page.getByRole('heading', { name: 'Changed meanwhile' }).waitFor();
    await page.getByRole('button', { name: 'Save what is chosen' }).press('Enter');
    await until(() => page.evaluate(() => document.getElementById(document.activeElement.getAttribute('aria-describedby'))?.innerText.includes('Choose one of these.')), 'why');
    await page.getByRole('radio', { name: /^Or/ }).press(' ');
    await page.getByLabel('Name, as it shall be').fill('');
    await page.getByRole('button', { name: 'Save what is chosen' }).press('Enter');
    await until(() => page.evaluate(() => document.activeElement.matches('input[type=text][aria-invalid=true][aria-describedby]')), 'the focus on what was written');
    await page.goto(`${pinyon.url}/kindergarten/#/children`);
});

/** Presses Tab until what has the focus, with the group it is in, is called so. */
async function tabTo(target, words) {
    const called = () => target.evaluate(() => {
        const { activeElement: it } = document;
        const name = it.getAttribute('aria-label') ?? it.labels?.[0]?.innerText ?? it.innerText;
        return [it.closest('fieldset')?.querySelector('legend')?.innerText, name].filter(Boolean).join(', ').replaceAll(/\s+/g, ' ').trim();
    });
    const met = [];
    for (let at = 0; at < 60; at++) {
        await target.keyboard.press('Tab');
        met.push(await called());
        if (words.test(met.at(-1))) return;
    }
    assert.fail(`${words} is not among ${met.join(' | ')}`);
}

test('with the keyboard alone: a photograph is chosen, and two versions are decided on', async () => {
    const elsewhere = await startBrowser();
    try {
        const other = await elsewhere.open(`${pinyon.url}/kindergarten/#/children`);
        await putChild('children/aad', 'Aad');
        for (const it of [page, other]) {
            await it.goto(`${pinyon.url}/kindergarten/#/children`);
            await it.getByRole('link', { name: /Aad/ }).waitFor();
        }
        // From now on: a key can overtake what makes the browser tell of choosers instead of showing them.
        const choosers = new Map([page, other].map((it) => [it, it.waitForEvent('filechooser', { timeout: 120_000 })]));
        await pinyon.kill();
        for (const [it, color, note] of [[page, 'teal', 'From the one.'], [other, 'olive', 'From the other.']]) {
            await it.locator('.sync', { hasText: 'Offline' }).waitFor();
            await tabTo(it, /Aad/);
            await it.keyboard.press('Enter');
            await it.getByRole('heading', { name: 'Aad' }).waitFor();
            await tabTo(it, /^Edit$/);
            await it.keyboard.press('Enter');
            await it.getByLabel('Name (needed)').waitFor();
            await tabTo(it, /^Notes/);
            await it.keyboard.type(note);
            const buffer = Buffer.from(await it.evaluate((color) => {
                const canvas = Object.assign(document.createElement('canvas'), { width: 30, height: 20 });
                Object.assign(canvas.getContext('2d'), { fillStyle: color }).fillRect(0, 0, 30, 20);
                return canvas.toDataURL('image/png').split(',')[1];
            }, color), 'base64');
            await it.evaluate(() => document.activeElement.blur());
            await tabTo(it, /photograph/i);
            await it.keyboard.press('Enter');
            await (await choosers.get(it)).setFiles({ name: 'photo.png', mimeType: 'image/png', buffer });
            await it.getByAltText('The new photograph').waitFor();
            await tabTo(it, /^Save$/);
            await it.keyboard.press('Enter');
            await it.getByRole('heading', { name: 'Aad' }).waitFor();
        }
        await pinyon.restart();
        await other.getByRole('heading', { name: 'Two versions' }).waitFor();
        await tabTo(other, /^Compare and decide$/);
        await other.keyboard.press('Enter');
        await other.locator('fieldset.difference').first().waitFor();
        // Of each field the first version, which may be of either.
        await tabTo(other, /^Notes, .*From the o/);
        await other.keyboard.press(' ');
        await tabTo(other, /^Photograph, /);
        await other.keyboard.press(' ');
        await tabTo(other, /^Save what is chosen$/);
        await other.keyboard.press('Enter');
        const settled = await until(async () => {
            const found = await pinyon.document('children/aad');
            return found['@metadata']?.['@attachments']?.length === 1 && found;
        }, 'the decision on the server');
        assert.match(settled.notes, /^From the o(ne|ther)\.$/);
        assert.equal(settled['@metadata']['@attachments'][0].Name, settled.photo);
        for (const it of [page, other]) await it.locator('.facts', { hasText: settled.notes }).waitFor();
    } finally {
        await elsewhere.close();
    }
});

test('letters of twice the size fit a small screen', async () => {
    const protocol = await browser.protocol(page);
    for (const [size, width] of [[16, 320], [32, 360], [32, 320]]) {
        await protocol.send('Page.setFontSizes', { fontSizes: { standard: size, fixed: size } });
        await page.setViewportSize({ width, height: 640 });
        for (const screen of ['children', 'children/alice-liddell', 'children/alice-liddell/edit', 'registrations/new']) {
            await page.goto(`${pinyon.url}/kindergarten/#/${screen}`);
            await page.locator('main :is(.card, .facts, form.edit)').first().waitFor();
            assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).fontSize), `${size}px`);
            assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, `${screen}, ${size} in ${width}`);
            const cut = await page.evaluate(() => [...document.querySelectorAll('nav a > span')].filter((it) => it.scrollWidth > it.clientWidth).map((it) => it.innerText));
            assert.deepEqual(cut, [], `${screen}, ${size} in ${width}`);
        }
    }
    assert.deepEqual(page.failures, []);
});
