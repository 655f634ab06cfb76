// The worker that a page starts: it owns the database, or talks to the tab that does.

import { openHost } from './open_host.js';
import type { PageMessage, WorkerMessage } from './protocol.js';
import { TabGroup } from './tab_group.js';

let group: TabGroup | undefined;

globalThis.onmessage = ({ data }: MessageEvent<PageMessage>) => {
    if (data.type === 'open') {
        const { options } = data;
        group = new TabGroup(options, () => openHost(options), (message: WorkerMessage) => globalThis.postMessage(message));
    } else {
        group?.receive(data);
    }
};

// A panic in the module ends a task of its own, and shows only here.
globalThis.addEventListener('error', ({ error, message }) => group?.stop(error ?? new Error(message)));
