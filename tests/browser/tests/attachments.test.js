// Attachments that stay on the server until somebody reads them.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openApplication, until } from '../harness/application.js';
import { startBrowser } from '../harness/chromium.js';
import { startPinyon } from '../harness/pinyon.js';
import { startServer } from '../harness/server.js';
import { startSlowLine } from '../harness/slow_line.js';

const DATABASE = 'album';
const PHOTO_BYTES = 1_500_000;
const site = await startServer();
const pinyon = await startPinyon(DATABASE, site.url);
const line = await startSlowLine(pinyon.url, 0);
const browser = await startBrowser();

after(async () => {
    await browser.close();
    await line.close();
    await pinyon.close();
    await site.close();
});

/** A document on the server with a photograph, of which all bytes follow from `seed`. */
async function putOnServer(id, seed) {
    const json = { 'content-type': 'application/json' };
    const way = `/databases/${DATABASE}`;
    const key = encodeURIComponent(id);
    await pinyon.request(`${way}/docs?id=${key}`, { method: 'PUT', headers: json, body: JSON.stringify({ of: id }) });
    const bytes = new Uint8Array(PHOTO_BYTES).map((_, at) => (at * 7 + seed) % 251);
    const answer = await pinyon.request(`${way}/attachments?id=${key}&name=photo&contentType=image/x`, {
        method: 'PUT',
        body: bytes,
    });
    assert.equal(answer.status, 201);
}

const startSync = (page, more) => page.evaluate(async ([options]) => {
    globalThis.sync = store.sync(options);
    await sync.waitForSync();
}, [{ url: line.url, database: DATABASE, attachments: 'onDemand', ...more }]);

/** The length and hash of the photograph, or the error's code and message. */
const photo = (page, id) => page.evaluate(async (id) => {
    try {
        const { content, details } = await store.openSession().advanced.attachments.get(id, 'photo');
        const bytes = new Uint8Array(await content.arrayBuffer());
        return [bytes.length, (bytes[1] - bytes[0] + 251) % 251, bytes[0], details.size, content.type];
    } catch (error) {
        return [error.name, error.code, error.message];
    }
}, id);

const isLocal = (page, id) => page.evaluate((id) => store.openSession().advanced.attachments.isLocal(id, 'photo'), id);

test('a photograph stays on the server until it is looked at, and is here from then on', async () => {
    for (const seed of [1, 2, 3]) await putOnServer(`photos/${seed}`, seed);
    await putOnServer('secrets/1', 9);
    const before = line.answeredBytes();
    const page = await openApplication(browser, site, { database: 'album' });
    await startSync(page, { token: pinyon.token('eva', '--read-prefix', 'photos/', '--write-prefix', 'photos/') });
    const listed = await page.evaluate(async () => {
        const session = store.openSession();
        return session.advanced.attachments.getNames(await session.load('photos/1'));
    });
    assert.deepEqual([listed[0].name, listed[0].size, listed[0].contentType], ['photo', PHOTO_BYTES, 'image/x']);
    assert.ok(line.answeredBytes() - before < 20_000, `${line.answeredBytes() - before} bytes came`);
    assert.equal(await isLocal(page, 'photos/1'), false);

    // Once, however many ask for it, from whichever tab.
    const other = await openApplication(browser, site, { database: 'album' });
    const seen = await Promise.all([photo(page, 'photos/1'), photo(page, 'photos/1'), photo(other, 'photos/1')]);
    for (const it of seen) assert.deepEqual(it, [PHOTO_BYTES, 7, 1, PHOTO_BYTES, 'image/x']);
    const came = line.answeredBytes() - before;
    assert.ok(came > PHOTO_BYTES && came < PHOTO_BYTES * 1.2, `${came} bytes came`);
    assert.equal(await isLocal(other, 'photos/1'), true);
    // A dump would lack the others.
    const dump = () => page.evaluate(() => store.smuggler.export().then((blob) => blob.size, (error) => error.code));
    assert.equal(await dump(), 'NotLocal');

    // Offline.
    await page.evaluate(() => sync.pause());
    assert.equal((await photo(page, 'photos/1'))[0], PHOTO_BYTES);
    for (const tab of [page, other]) {
        const [name, code, message] = await photo(tab, 'photos/2');
        assert.deepEqual([name, code], ['PinyonError', 'NotLocal']);
        assert.match(message, /'photo' of 'photos\/2' is not on this device.*paused/);
    }
    await page.evaluate(() => sync.resume());
    await until(async () => (await photo(page, 'photos/2'))[0] === PHOTO_BYTES, 'the second photograph');
    // A server that goes away before it answers.
    await page.evaluate(() => sync.waitForSync());
    line.hold();
    const broken = photo(page, 'photos/3');
    await new Promise((resolve) => setTimeout(resolve, 300));
    line.cut();
    assert.equal((await broken)[1], 'NotLocal');
    await until(async () => (await photo(page, 'photos/3'))[0] === PHOTO_BYTES, 'the third photograph');
    assert.ok((await dump()) > 3 * PHOTO_BYTES);
    await page.evaluate(() => sync.stop());
    assert.equal((await photo(page, 'photos/1'))[0], PHOTO_BYTES);
    await page.close();
    await other.close();
});

test('who does not sync, or may not see the document, gets no content', async () => {
    const page = await openApplication(browser, site, { database: 'album of adam' });
    await startSync(page, { token: pinyon.token('adam', '--read-prefix', 'photos/', '--write-prefix', 'mine/') });
    assert.equal(await photo(page, 'secrets/1').then(([name]) => name), 'TypeError', 'there is no such attachment');
    // Who knows a hash gets nothing by it: not what no document here has, and what one has not as
    // a content of a document that may not be seen.
    await putOnServer('photos/9', 9);
    await putOnServer('photos/8', 8);
    await page.evaluate(() => sync.waitForSync());
    assert.equal(await isLocal(page, 'photos/9'), false);
    const details = async (id) => (await pinyon.document(id))['@metadata']['@attachments'][0];
    const content = (details, id) => page.evaluate(([details, id]) =>
        store.call('content', JSON.stringify(details), id).then((blob) => blob?.size, (error) => error.code), [details, id]);
    await putOnServer('secrets/7', 7);
    assert.equal(await content(await details('secrets/7'), 'secrets/7'), undefined);
    assert.equal(await content(await details('secrets/1'), 'secrets/1'), 'NotFound');
    assert.equal(await content(await details('photos/8'), 'photos/8'), PHOTO_BYTES);
    assert.equal(await isLocal(page, 'photos/9'), false);
    await page.evaluate(() => sync.stop());
    const [, code, message] = await photo(page, 'photos/9');
    assert.equal(code, 'NotLocal');
    assert.match(message, /does not sync/);
    const wrong = await page.evaluate(() => {
        try {
            store.sync({ url: 'http://localhost', database: 'x', attachments: 'later' });
        } catch (error) {
            return error.code;
        }
    });
    assert.equal(wrong, 'InvalidRequest');
    await page.close();
});
