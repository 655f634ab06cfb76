// The same components, rendered without a browser.
export { createElement } from 'react';
export { renderToString } from 'react-dom/server';
export { App } from './components.js';
