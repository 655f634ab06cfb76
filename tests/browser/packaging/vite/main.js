import { DocumentStore } from 'pinyon';

globalThis.open = (options) => {
    globalThis.store = new DocumentStore(options).initialize();
    return globalThis.store.opened;
};
globalThis.isReady = true;
