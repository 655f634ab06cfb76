// Gives the package to the test that drives the page.
import * as pinyon from '/pinyon/index.js';

globalThis.pinyon = pinyon;
globalThis.open = (options) => {
    globalThis.store = new pinyon.DocumentStore(options).initialize();
    return globalThis.store.opened;
};
globalThis.isReady = true;
