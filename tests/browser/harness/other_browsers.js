// Firefox and WebKit, for what Chromium alone cannot show: that the package needs nothing of its own.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import puppeteer from 'puppeteer-core';

const FIREFOX = process.env.FIREFOX_BIN ?? '/usr/bin/firefox-esr';
const DRIVER = process.env.WEBKIT_DRIVER_BIN ?? '/usr/bin/WebKitWebDriver';
const DISPLAY_SERVER = '/usr/bin/Xvfb';
const POLL_MS = 5;

const missing = (...programs) => {
    const absent = programs.filter((it) => !existsSync(it));
    return absent.length > 0 && `${absent.join(', ')} missing: apt-get install firefox-esr webkit2gtk-driver xvfb`;
};

/** What there is; `skip` says what one of them lacks on this machine. */
export const otherBrowsers = [
    { name: 'Firefox', start: startFirefox, skip: missing(FIREFOX) },
    { name: 'WebKit', start: startWebKit, skip: missing(DRIVER, DISPLAY_SERVER) },
];

async function startFirefox() {
    const browser = await puppeteer.launch({ browser: 'firefox', executablePath: FIREFOX, headless: true });
    return {
        async open(url) {
            const page = await browser.newPage();
            await page.goto(url);
            return page;
        },
        close: () => browser.close(),
    };
}

/** A screen for a browser that needs one; answers its name. */
async function startScreen() {
    const screen = spawn(DISPLAY_SERVER, ['-displayfd', '3', '-screen', '0', '1280x1024x24'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    const [number] = await once(createInterface({ input: screen.stdio[3] }), 'line');
    return { screen, display: `:${number}` };
}

/** WebKitGTK, the engine of Safari, through its WebDriver: one command after the other, for all windows. */
async function startWebKit() {
    const { screen, display } = await startScreen();
    const port = 20_000 + (process.pid % 20_000);
    const driver = spawn(DRIVER, ['-p', String(port)], {
        stdio: 'ignore',
        // Containers have no user namespaces.
        env: { ...process.env, DISPLAY: display, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' },
    });
    const send = async (method, way, body) => {
        const response = await fetch(`http://127.0.0.1:${port}${way}`, { method, body: body && JSON.stringify(body) });
        const { value } = await response.json();
        if (value?.error) throw new Error(`${value.error}: ${value.message}`);
        return value;
    };
    const deadline = Date.now() + 20_000;
    while (!(await send('GET', '/status').catch(() => undefined))) {
        if (Date.now() > deadline) throw new Error('WebKitWebDriver does not answer');
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const options = { 'webkitgtk:browserOptions': { args: ['--automation'] } };
    const { sessionId } = await send('POST', '/session', { capabilities: { alwaysMatch: options } });
    const windows = webDriverWindows((method, way, body) => send(method, `/session/${sessionId}${way}`, body));
    return {
        open: windows.open,
        async close() {
            await send('DELETE', `/session/${sessionId}`);
            driver.kill();
            screen.kill();
        },
    };
}

/** The windows of a session, each as a page. */
function webDriverWindows(send) {
    let queue = Promise.resolve();
    const alone = (step) => {
        const done = queue.then(step);
        queue = done.catch(() => undefined);
        return done;
    };
    // With the last window the session would go: this one stays.
    const first = send('GET', '/window');
    const inWindow = (handle, method, way, body = {}) => alone(async () => {
        await send('POST', '/window', { handle: await handle });
        return send(method, way, body);
    });
    const open = async (url) => {
        const { handle } = await inWindow(first, 'POST', '/window/new', { type: 'tab' });
        const run = (script, args = []) => inWindow(handle, 'POST', '/execute/sync', { script, args });
        await inWindow(handle, 'POST', '/url', { url });
        return webDriverPage(run, () => inWindow(handle, 'DELETE', '/window', undefined));
    };
    return { open };
}

/** What `evaluate` runs goes on while other windows have their turn: its result is asked for. */
function webDriverPage(run, close) {
    let last = 0;
    const page = {
        async evaluate(work, argument = null) {
            last += 1;
            await run(`
                const results = (globalThis.testResults ??= {});
                Promise.resolve().then(() => (${work})(arguments[0])).then(
                    (value) => { results[${last}] = { value: value ?? null }; },
                    (error) => { results[${last}] = { error: error?.name + ': ' + error?.message + '\\n' + error?.stack }; },
                );`, [argument]);
            for (;;) {
                const found = await run(`return globalThis.testResults[${last}] ?? null;`);
                if (found?.error) throw new Error(found.error);
                if (found) return found.value;
                await new Promise((resolve) => setTimeout(resolve, POLL_MS));
            }
        },
        async waitForFunction(look) {
            while (!(await page.evaluate(look))) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        },
        close,
    };
    return page;
}
