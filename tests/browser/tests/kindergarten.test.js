// The demonstration, clicked through: two people, two browsers, and a server that comes and goes.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
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
const stored = await pinyon.request('/databases/kindergarten/bulk_docs', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ Commands: sample.map((it) => ({ Type: 'PUT', Id: it['@metadata']['@id'], ChangeVector: null, Document: it })) }),
});
assert.equal(stored.status, 201);
const [laptop, tablet] = await Promise.all([startBrowser(), startBrowser()]);

after(async () => {
    await Promise.all([laptop.close(), tablet.close()]);
    await pinyon.close();
});

const ALICE = 'children/alice-liddell';
// What cannot be reached while the server is stopped; anything else is a fault of the page.
const IS_NETWORK = /ERR_CONNECTION_REFUSED|WebSocket connection to/;
const faultsOf = (page) => page.failures.filter((it) => !IS_NETWORK.test(it));

async function openKindergarten(browser, way = '') {
    const page = await browser.open(`${pinyon.url}/kindergarten/${way}`);
    await page.locator('h1').waitFor();
    return page;
}

async function introduce(page, name) {
    await page.getByLabel('Your name').fill(name);
    await page.getByRole('button', { name: 'Set' }).click();
    await page.getByLabel('Your name').waitFor({ state: 'detached' });
}

const phase = (page, words) => page.locator('.sync', { hasText: words }).waitFor();
const button = (page, name) => page.getByRole('button', { name, exact: true });
const link = (page, name) => page.getByRole('link', { name, exact: true });
/** The value of a fact on a document's screen. */
const fact = (page, label) => page.locator('.facts div', { has: page.getByText(label, { exact: true }) }).locator('dd').innerText();
const hasFact = (page, label, value) => until(async () => (await fact(page, label)) === value, `${label}: ${value}`);

/** Chooses a photograph in a form: one that the browser itself paints. */
async function choosePhoto(page, color, [width, height]) {
    const picture = await page.evaluate(([color, width, height]) => {
        const canvas = Object.assign(document.createElement('canvas'), { width, height });
        Object.assign(canvas.getContext('2d'), { fillStyle: color }).fillRect(0, 0, width, height);
        return canvas.toDataURL('image/png').split(',')[1];
    }, [color, width, height]);
    const file = { name: 'photo.png', mimeType: 'image/png', buffer: Buffer.from(picture, 'base64') };
    await page.locator('#field-photo').setInputFiles(file);
    await page.getByAltText('The new photograph').waitFor();
}

/** The sizes of pictures, once they are there. */
const sizesOf = (pictures) => until(async () => {
    const sizes = await pictures.evaluateAll((them) => them.map((it) => it.complete && [it.naturalWidth, it.naturalHeight]));
    return sizes.length > 0 && sizes.every(Boolean) && sizes;
}, 'the photographs');

async function edit(page, values, photo) {
    await link(page, 'Edit').click();
    if (photo) await choosePhoto(page, ...photo);
    for (const [label, value] of Object.entries(values)) await page.getByLabel(label, { exact: true }).fill(value);
    await button(page, 'Save').click();
    await link(page, 'Edit').waitFor();
}

let anna, ben;

test('a child with a photograph is added, and shows in another tab and in another browser', async () => {
    [anna, ben] = await Promise.all([openKindergarten(laptop), openKindergarten(tablet)]);
    await introduce(anna, 'Anna');
    await introduce(ben, 'Ben');
    await phase(anna, 'Live');
    const secondTab = await openKindergarten(laptop);

    await link(anna, 'Add a child').click();
    await button(anna, 'Save').click();
    await anna.getByText('2 fields need a look.').waitFor();
    await until(() => anna.evaluate(() => document.activeElement.id === 'field-name'), 'the focus on what is wrong');
    assert.equal(await anna.getByLabel('Name (needed)').getAttribute('aria-invalid'), 'true');
    await anna.getByLabel('Name (needed)').fill('Mats Ek');
    await anna.getByLabel('Birthday (needed)').fill('2999-01-01');
    await button(anna, 'Save').click();
    await anna.getByText('This day is still to come.').waitFor();
    await anna.getByLabel('Birthday (needed)').fill('2022-03-04');
    // Larger than what is kept.
    await choosePhoto(anna, 'navy', [2000, 1000]);
    await button(anna, 'Save').click();
    await anna.getByRole('heading', { name: 'Mats Ek' }).waitFor();

    for (const page of [secondTab, ben]) {
        await link(page, /Mats Ek/).click();
        assert.deepEqual(await sizesOf(page.getByAltText('Photograph of Mats Ek')), [[1280, 640]]);
    }
    const id = decodeURIComponent(new URL(anna.url()).hash.replace('#/', ''));
    const onServer = await pinyon.document(id);
    assert.equal(onServer.name, 'Mats Ek');
    assert.deepEqual(onServer['@metadata']['@attachments'].map((it) => it.Name), [onServer.photo]);
    // An edit in the other browser shows where the child is looked at.
    await edit(ben, { Allergies: 'Kiwi' });
    for (const page of [anna, secondTab]) await hasFact(page, 'Allergies', 'Kiwi');
    await secondTab.close();

    await link(anna, 'Children').first().click();
    await anna.getByLabel('Find children by name').fill('ek ma');
    await until(async () => (await anna.locator('.card').count()) === 1, 'the one child that fits');
    assert.match(await anna.locator('.card').innerText(), /Mats Ek/);
});

test('without a server the page loads and takes edits; two that contradict each other are decided side by side', async () => {
    await pinyon.kill();
    for (const page of [anna, ben]) {
        await phase(page, 'Offline');
        await page.goto(`${pinyon.url}/kindergarten/#/${ALICE}`);
        await page.reload();
        await page.getByRole('heading', { name: 'Alice Liddell' }).waitFor();
    }
    await edit(anna, { Allergies: 'Nuts, milk', Notes: 'Reads to the others.' }, ['teal', [30, 20]]);
    await edit(ben, { Notes: 'Has a cat called Dinah.' });
    // A second edit begins with one that no server has.
    await edit(ben, { Notes: 'Has a cat called Dinah. Asks good questions.' }, ['olive', [20, 30]]);
    for (const page of [anna, ben]) await phase(page, '1 change waiting');
    await button(anna, /Offline/).click();
    const dialog = anna.getByRole('dialog', { name: 'Offline' });
    await dialog.getByText('Alice Liddell').waitFor();
    await anna.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });

    await pinyon.restart();
    for (const page of [anna, ben]) await page.getByRole('heading', { name: 'Two versions' }).waitFor();
    await phase(anna, 'Live');
    await link(ben, 'Compare and decide').click();
    const differences = ben.locator('fieldset.difference');
    await differences.first().waitFor();
    assert.deepEqual(await differences.locator('> legend').allInnerTexts(), ['Allergies', 'Notes', 'Photograph']);
    assert.match(await differences.first().innerText(), /Before: Nuts\s.*only Anna changed it/);
    // What one person changed is chosen already; what both did must be.
    assert.equal(await ben.getByRole('radio', { name: 'Anna: Nuts, milk' }).isChecked(), true);
    // Both photographs are here, side by side.
    assert.deepEqual((await sizesOf(ben.locator('[data-field=photo] img'))).sort(), [[20, 30], [30, 20]]);
    await ben.locator('[data-field=photo]').getByRole('radio', { name: /^Anna: / }).check();
    await button(ben, 'Save what is chosen').click();
    await ben.getByText('Choose one of these.').waitFor();
    await ben.getByRole('radio', { name: /^Or: / }).nth(1).check();
    const written = ben.getByLabel('Notes, as it shall be');
    assert.equal((await written.inputValue()).split('\n').length, 2);
    await written.fill('Reads to Dinah, her cat.');
    await button(ben, 'Save what is chosen').click();
    for (const page of [anna, ben]) {
        await hasFact(page, 'Notes', 'Reads to Dinah, her cat.');
        await hasFact(page, 'Allergies', 'Nuts, milk');
        assert.deepEqual(await sizesOf(page.getByAltText('Photograph of Alice Liddell')), [[30, 20]]);
    }
    const settled = await until(async () => {
        const found = await pinyon.document(ALICE);
        return found['@metadata']?.['@attachments']?.length === 1 && found;
    }, 'the decision on the server');
    assert.equal(settled['@metadata']['@attachments'][0].Name, settled.photo);
    assert.deepEqual([settled.notes, settled.allergies, settled.name], ['Reads to Dinah, her cat.', 'Nuts, milk', 'Alice Liddell']);
    assert.equal(settled['@metadata']['Edited-By'], 'Ben');
});

test('who saves a form that is out of date chooses, and nothing of the other is lost', async () => {
    await link(anna, 'Edit').click();
    await anna.getByLabel('Notes', { exact: true }).fill('Left-handed.');
    await edit(ben, { Allergies: 'Nuts', Notes: 'Right-handed.' });
    await until(async () => (await pinyon.document(ALICE)).notes === 'Right-handed.', 'the first save');
    await phase(anna, 'Live');
    const look = () => anna.evaluate(async (id) => {
        const { openReading } = await import('./src/database.js');
        return (await openReading().load(id)).notes;
    }, ALICE);
    await until(async () => (await look()) === 'Right-handed.', 'the first save in the other browser');
    await button(anna, 'Save').click();
    await anna.getByRole('heading', { name: 'Changed meanwhile' }).waitFor();
    assert.equal(await anna.getByRole('radio', { name: 'Ben: Nuts' }).isChecked(), true);
    await anna.getByRole('radio', { name: 'Yours: Left-handed.' }).check();
    await button(anna, 'Save what is chosen').click();
    for (const page of [anna, ben]) await hasFact(page, 'Notes', 'Left-handed.');
    assert.equal(await fact(anna, 'Allergies'), 'Nuts');
});

test('with the keyboard alone: whoever thinks again in a dialog is back where it was opened', async () => {
    await anna.goto(`${pinyon.url}/kindergarten/#/${ALICE}`);
    const remove = button(anna, 'Delete');
    for (const key of ['Enter', 'Escape']) {
        await remove.focus();
        await anna.keyboard.press('Enter');
        const keep = anna.getByRole('dialog').getByRole('button', { name: 'Keep' });
        await keep.waitFor();
        assert.equal(await keep.evaluate((it) => it === document.activeElement), true);
        await anna.keyboard.press(key);
        await anna.getByRole('dialog').waitFor({ state: 'detached' });
        assert.equal(await anna.evaluate(() => document.activeElement.innerText), 'Delete', key);
    }
});

test('with the keyboard alone: whoever presses a button that goes with it is not nowhere', async () => {
    const hasFocus = (selector) => until(() => ben.evaluate((it) => document.activeElement.matches(it), selector), `the focus on ${selector}`);
    const press = async (found) => {
        await found.focus();
        await ben.keyboard.press('Enter');
    };
    await ben.goto(`${pinyon.url}/kindergarten/#/${ALICE}/edit`);
    await choosePhoto(ben, 'teal', [20, 20]);
    await press(button(ben, 'Remove the photograph'));
    await hasFocus('#field-photo');
    await press(ben.getByRole('button', { name: /^Remove / }).first());
    await hasFocus('#field-parents');

    await press(link(ben, 'Back without saving'));
    await hasFocus('h1');
    await press(ben.locator('.sync'));
    await press(ben.getByRole('dialog').getByRole('button', { name: 'Pause' }));
    await phase(ben, 'Paused');
    assert.equal(await ben.evaluate(() => document.querySelector('dialog').contains(document.activeElement)), true);
    await press(ben.getByRole('dialog').getByRole('button', { name: 'Go on' }));
    await ben.keyboard.press('Escape');
    await hasFocus('.sync');

    const name = await ben.evaluate(() => {
        const former = localStorage.getItem('kindergarten/person');
        localStorage.removeItem('kindergarten/person');
        return former;
    });
    assert.ok(name);
    await ben.goto(`${pinyon.url}/kindergarten/#/children`);
    await ben.reload();
    await ben.getByLabel('Your name').fill('Ben');
    await ben.keyboard.press('Enter');
    await ben.getByLabel('Your name').waitFor({ state: 'detached' });
    await hasFocus('h1');
});

test('on a small screen nothing is cut off, and assistive technology finds everything', async () => {
    const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    await anna.setViewportSize({ width: 320, height: 640 });
    const screens = ['children', ALICE, `${ALICE}/edit`, 'groups', 'parents', 'registrations', 'registrations/new'];
    for (const colorScheme of ['light', 'dark']) {
        await anna.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        for (const screen of colorScheme === 'light' ? screens : screens.slice(0, 3)) {
            await anna.goto(`${pinyon.url}/kindergarten/#/${screen}`);
            await anna.locator('main :is(.card, .facts, form.edit)').first().waitFor();
            assert.equal(await anna.evaluate(() => document.documentElement.scrollWidth), 320, screen);
            const small = await anna.evaluate(() => [...document.querySelectorAll('button, .button, nav a, .card, select, input:not(.file, [type=checkbox]), label.day')]
                .filter((it) => it.checkVisibility() && it.getBoundingClientRect().height < 44)
                .map((it) => `${it.tagName} ${it.innerText}`));
            assert.deepEqual(small, [], screen);
            await anna.evaluate(axe);
            const { violations } = await anna.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
            assert.deepEqual(violations.map((it) => `${it.id}: ${it.nodes.map((node) => node.html)}`), [], `${screen}, ${colorScheme}`);
        }
    }
    assert.deepEqual([...faultsOf(anna), ...faultsOf(ben)], []);
});
