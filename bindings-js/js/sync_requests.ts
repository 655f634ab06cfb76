// What the tabs of one database ask of its sync, made into what its one connection asks.
//
// A device has one set of documents, so filters are united: no tab loses what it asked for because
// another asks for less or for something else, as when a new version of an application is opened
// beside the old one. They never narrow under a tab that still syncs. Servers cannot be united.

import { PinyonError } from './errors.js';
import type { SyncFilter, SyncOptions } from './protocol.js';

/** What is asked of the server: all of it, so that it takes the place of another. */
export function filterOf({ prefixes = [], collections = [], attachments = 'withDocuments' }: SyncOptions): SyncFilter {
    return { prefixes, collections, attachments };
}

/** Which documents of which server, without what changes under way. */
function target({ url, database, prefixes, collections, attachments }: SyncOptions): string {
    return JSON.stringify([url, database, prefixes ?? [], collections ?? [], attachments === 'onDemand']);
}

/** Whether two ask for the same. */
export function isSameTarget(first: SyncOptions, second: SyncOptions): boolean {
    return target(first) === target(second);
}

/** All that either names; an empty list names everything. */
function unite(first: string[] = [], second: string[] = []): string[] {
    if (first.length === 0 || second.length === 0) return [];
    return [...first, ...second.filter((it) => !first.includes(it))];
}

/**
 * `asked`, with what `running` has for other tabs. Where one names prefixes and the other collections,
 * or both name both, the union has more than either: a filter has one list of each.
 */
export function join(running: SyncOptions, asked: SyncOptions): SyncOptions {
    if (running.url !== asked.url || running.database !== asked.database) {
        throw new PinyonError(
            'InvalidRequest',
            `another tab syncs this database with '${running.database}' on '${running.url}', `
                + `so it cannot sync with '${asked.database}' on '${asked.url}': close the other tab, or end its sync, first`,
        );
    }
    const comeWithDocuments = [running, asked].some(({ attachments }) => attachments !== 'onDemand');
    const token = asked.token ?? running.token;
    return {
        ...asked,
        ...(token !== undefined && { token }),
        // Whoever can renew it does so for all.
        canRenewToken: running.canRenewToken || asked.canRenewToken,
        prefixes: unite(running.prefixes, asked.prefixes),
        collections: unite(running.collections, asked.collections),
        attachments: comeWithDocuments ? 'withDocuments' : 'onDemand',
    };
}
