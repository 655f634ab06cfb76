// What a browser stores of a database, to be deleted without opening it.

import { PinyonError } from './errors.js';

/** The folder of journals in the origin's private files, as `storage-browser` calls it. */
const JOURNALS = 'pinyon-journals';
/** How long a tab may take to let go of its connection. */
const LET_GO_MS = 10_000;

/**
 * Deletes everything of the database called `name`. Nobody may have it open. The journals go last: a
 * database without its journal would be a damaged one, a journal without a database is nothing.
 */
export async function deleteStored(name: string): Promise<void> {
    const stored = `pinyon/${name}`;
    await deleteTables(stored);
    await deleteJournals(encodeURIComponent(stored));
}

function deleteTables(stored: string): Promise<void> {
    return new Promise((resolve, reject) => {
        const request = indexedDB.deleteDatabase(stored);
        let timer: ReturnType<typeof setTimeout> | undefined;
        request.onblocked = () => {
            timer = setTimeout(() => reject(new PinyonError(
                'Unavailable', `another tab still has '${stored}' open: it is deleted when that one closes`,
            )), LET_GO_MS);
        };
        request.onsuccess = () => {
            clearTimeout(timer);
            resolve();
        };
        request.onerror = () => {
            clearTimeout(timer);
            reject(new PinyonError('Unavailable', `the browser did not delete '${stored}': ${request.error?.message}`));
        };
    });
}

async function deleteJournals(stored: string): Promise<void> {
    const manager = (navigator as Partial<Navigator>).storage;
    if (!manager?.getDirectory) return;
    try {
        const root = await manager.getDirectory();
        const folder = await root.getDirectoryHandle(JOURNALS);
        for (const file of [`${stored}.0`, `${stored}.1`]) {
            await folder.removeEntry(file).catch(unlessMissing);
        }
    } catch (reason) {
        unlessMissing(reason);
    }
}

/** A browser that has no such files, or gives none here, has no journals either. */
function unlessMissing(reason: unknown): void {
    const { name, message } = reason as DOMException;
    if (name === 'NotFoundError' || name === 'SecurityError') return;
    throw new PinyonError('Unavailable', `the browser did not delete the journal: ${message}`);
}
