// An application with React, rendered with the group that the test wants.
import { createElement as h, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import * as pinyon from '/pinyon/index.js';
import { App, renders } from './components.js';

let root;
globalThis.pinyon = pinyon;
globalThis.renders = renders;
globalThis.open = (options) => {
    globalThis.store = new pinyon.DocumentStore(options).initialize();
    root = createRoot(document.getElementById('root'));
    return store.opened;
};
globalThis.render = (group, isStrict) => {
    const app = h(App, { store, group });
    root.render(isStrict ? h(StrictMode, null, app) : app);
};
globalThis.unmount = () => root.unmount();
globalThis.isReady = true;
