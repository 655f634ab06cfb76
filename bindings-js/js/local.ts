// For pages (and workers) that run the database themselves, without a worker of its own.

import type { Connection } from './connection.js';
import { connect } from './connection.js';
import type { DocumentCache } from './document_cache.js';
import { HostOpener } from './open_host.js';
import type { HostOptions, PageMessage, WorkerMessage } from './protocol.js';
import { TabGroup } from './tab_group.js';

/** A connection to a database on this thread. */
export function connectLocally(options: HostOptions, documents: DocumentCache): Connection {
    let hear: (message: WorkerMessage) => void = () => undefined;
    const group = new TabGroup(options, new HostOpener(options), (message) => hear(message));
    return connect({
        send: (message: PageMessage) => { if (message.type !== 'open') group.receive(message); },
        listen: (listener) => { hear = listener; },
        // With the group go its locks.
        end: () => { void group.close(); },
    }, documents);
}
