// What a page remembers of a database from visit to visit: that its indexes need the whole module.
//
// Else each visit would load the small module, find that out, and load the other one too. It is only
// a hint: a page that can remember nothing (a worker, one that may not store) finds it out again.

/** After this the small module is tried again: what needed the whole one may be gone. */
const REMEMBERED_MS = 30 * 24 * 60 * 60 * 1000;

const keyOf = (database: string): string => `pinyon/${database}/needs-whole-since`;

export function isKnownToNeedWhole(database: string): boolean {
    try {
        const since = Number(globalThis.localStorage?.getItem(keyOf(database)));
        return Date.now() - since < REMEMBERED_MS;
    } catch {
        return false;
    }
}

export function rememberNeedOfWhole(database: string): void {
    try {
        globalThis.localStorage?.setItem(keyOf(database), String(Date.now()));
    } catch {
        // The storage is forbidden or full.
    }
}
