// Ids of documents as applications give them.

import { PinyonError } from './errors.js';

// With `u` whole pairs are one character: what matches is a half.
const HALF_CHARACTER = /\p{Surrogate}/u;

/** `id`, if it is a text that can be stored. */
export function checkedId(id: unknown): string {
    if (typeof id !== 'string') throw new PinyonError('InvalidRequest', `an id is a text, not '${String(id)}'`);
    if (HALF_CHARACTER.test(id)) throw new PinyonError('InvalidRequest', `the id '${id}' has half a character, which no text may have`);
    return id;
}

/** Ids without those that are missing: `null` is nobody's id. */
export function givenIds(ids: string | string[]): string[] {
    const given: unknown[] = Array.isArray(ids) ? ids : [ids];
    return given.filter((id) => id !== null && id !== undefined).map(checkedId);
}
