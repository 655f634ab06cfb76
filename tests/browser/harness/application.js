// Pages with the package in them.

/** A page of the application, with a store over `options.database` open in it. */
export async function openApplication(browser, server, options, path = '/pages/app.html') {
    const page = await browser.open(server.url + path);
    await page.waitForFunction(() => globalThis.isReady);
    if (options) await page.evaluate((options) => globalThis.open(options), options);
    return page;
}

/** Waits until `look` answers with something truthy. */
export async function until(look, what) {
    const deadline = Date.now() + 30_000;
    for (;;) {
        const found = await look();
        if (found) return found;
        if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
}

/** Kills the page's process, as a crash does. */
export async function crash(browser, page) {
    const protocol = await browser.protocol(page);
    const crashed = new Promise((resolve) => { page.once('crash', resolve); });
    protocol.send('Page.crash').catch(() => 'it does not answer any more');
    await crashed;
}
