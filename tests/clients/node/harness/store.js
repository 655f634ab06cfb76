// Document stores of the official client, made the way its documentation shows.

import { once } from "node:events";
import { CreateDatabaseOperation, DocumentStore } from "ravendb";

let databaseCount = 0;

/** A database name no other story of this process uses. */
export function newDatabaseName() {
    databaseCount += 1;
    return `Story${databaseCount}`;
}

export function openStore(url, database, conventions = {}) {
    const store = new DocumentStore(url, database);
    Object.assign(store.conventions, conventions);
    store.initialize();
    return store;
}

/** A store for a database that this creates. */
export async function createStore(url, conventions = {}) {
    const store = openStore(url, newDatabaseName(), conventions);
    await store.maintenance.server.send(new CreateDatabaseOperation({ databaseName: store.database }));
    return store;
}

/**
 * A store that stays with the address it was given, so that a counting proxy there
 * sees every request: the topology names the server's own address.
 */
export function openCountedStore(proxy, database) {
    return openStore(proxy.url, database, { disableTopologyUpdates: true });
}

/** Disposes and waits until unused id ranges are given back. */
export async function closeStore(store) {
    const disposed = once(store, "executorsDisposed");
    store.dispose();
    await disposed;
}
