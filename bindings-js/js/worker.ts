// The worker that a page starts: it owns the database, or talks to the tab that does.

import { together } from './connection.js';
import { HostOpener } from './open_host.js';
import type { PageMessage, WorkerMessage } from './protocol.js';
import { TabGroup } from './tab_group.js';

let group: TabGroup | undefined;

let resolveModule: (module: WebAssembly.Module | undefined) => void = () => undefined;
const compiled = new Promise<WebAssembly.Module | undefined>((resolve) => { resolveModule = resolve; });
const outgoing = together((messages: WorkerMessage[]) => globalThis.postMessage(messages));

globalThis.onmessage = ({ data }: MessageEvent<PageMessage[]>) => {
    for (const message of data) {
        if (message.type === 'open') {
            const { options } = message;
            group = new TabGroup(options, new HostOpener(options, compiled), outgoing.add);
        } else if (message.type === 'module') {
            resolveModule(message.module);
        } else {
            group?.receive(message);
        }
    }
};

// A panic in the module ends a task of its own, and shows only here.
globalThis.addEventListener('error', ({ error, message }) => {
    group?.stop(error ?? new Error(message));
    // Before the page hears of the error itself, which says less.
    outgoing.flush();
});
