// Pages for the benches: a site that serves them, and Chromium with profiles of their own.
import { createServer } from 'node:http';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const HERE = fileURLToPath(new URL('.', import.meta.url));
/** The package that is measured: another build's, to compare. */
export const PACKAGE = process.env.PINYON_PACKAGE ?? path.join(HERE, '../../../bindings-js/dist');
const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' };

/** Serves `output` and, below /package/, the package. */
export async function serve(output) {
    const server = createServer(async (request, response) => {
        const { pathname } = new URL(request.url, 'http://localhost');
        const file = pathname.startsWith('/package/') ? path.join(PACKAGE, pathname.slice('/package/'.length)) : path.join(output, pathname);
        const isolated = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
        try {
            const content = pathname === '/' ? '<!doctype html><script type="module" src="/page.js"></script>' : await readFile(file);
            response.writeHead(200, { 'content-type': TYPES[path.extname(pathname) || '.html'] ?? 'application/octet-stream', ...isolated }).end(content);
        } catch {
            response.writeHead(404).end();
        }
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { url: `http://localhost:${server.address().port}/`, close: () => { server.closeAllConnections(); server.close(); } };
}

/** Gives `work` a page over `profile`, and what loads it again. */
export async function withPage(profile, url, work) {
    const context = await chromium.launchPersistentContext(profile, {
        executablePath: process.env.CHROMIUM_BIN ?? '/usr/bin/chromium', headless: true, args: ['--no-sandbox', '--disable-dev-shm-usage'],
    });
    try {
        const page = await context.newPage();
        const load = async () => { await page.goto(url); await page.waitForFunction(() => globalThis.isReady); };
        await load();
        return await work(page, load);
    } finally {
        await context.close();
    }
}

/** The same in Firefox or WebKit, whose profiles go with them; what loads the page again gives another one. */
export async function withOtherPage(name, url, work) {
    const { otherBrowsers } = await import('../../browser/harness/other_browsers.js');
    const found = otherBrowsers.find((it) => it.name.toLowerCase() === name);
    if (!found) throw new Error(`--browser: ${name} is none of chromium, ${otherBrowsers.map((it) => it.name.toLowerCase()).join(', ')}`);
    if (found.skip) throw new Error(found.skip);
    const browser = await found.start();
    try {
        let page;
        const load = async () => {
            await page?.close();
            page = await browser.open(url);
            await page.waitForFunction(() => globalThis.isReady);
        };
        await load();
        return await work({ evaluate: (...given) => page.evaluate(...given) }, load);
    } finally {
        await browser.close();
    }
}

/** Gives `work` a folder that goes afterwards. */
export async function withFolder(work) {
    const folder = await mkdtemp(path.join(tmpdir(), 'pinyon-bench-'));
    try {
        return await work(folder);
    } finally {
        await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    }
}
