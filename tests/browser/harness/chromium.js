// A real Chromium with a profile on disk, and pages that report what goes wrong in them.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

const PROGRAM = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';

/** A browser over `profile`, or over a new one that goes with it. */
export async function startBrowser(profile) {
    const folder = profile ?? (await mkdtemp(path.join(tmpdir(), 'pinyon-chromium-')));
    // A new page of an ordinary browser object would be a private one, without storage on disk.
    const context = await chromium.launchPersistentContext(folder, {
        executablePath: PROGRAM,
        headless: true,
        // Containers have no user namespaces, and a small /dev/shm.
        args: ['--no-sandbox', '--disable-dev-shm-usage'],
    });
    return {
        context,
        profile: folder,
        /** Opens a page; `page.failures` collects errors that nobody caught. */
        async open(url) {
            const page = await context.newPage();
            page.failures = [];
            page.on('pageerror', (error) => page.failures.push(String(error)));
            page.on('console', (message) => {
                if (message.type() === 'error') page.failures.push(message.text());
            });
            await page.goto(url);
            return page;
        },
        /** The DevTools protocol of a page. */
        protocol: (page) => context.newCDPSession(page),
        /** Closes it and keeps the profile. */
        stop: () => context.close(),
        async close() {
            await context.close();
            await rm(folder, { recursive: true, force: true, maxRetries: 5 });
        },
    };
}
