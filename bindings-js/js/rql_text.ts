// Names in the text of queries.

import { PinyonError } from './errors.js';

/** A text between quotes. */
export function quoted(name: string): string {
    return `'${name.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** Names that mean something else where a field may stand. */
const RESERVED = new Set(
    `all and as asc between boost by declare desc distinct exact exists false filter filter_limit from group in include
    index intersect limit load not null offset or order search select true update where with`.split(/\s+/),
);

/** A field's path: names that are no words, or words of the language, are quoted. */
export function path(field: string): string {
    if (typeof field !== 'string' || field === '') throw new PinyonError('InvalidRequest', `a field has a name, not '${String(field)}'`);
    if (field === 'id' || field === 'id()') return 'id()';
    const isWord = (name: string): boolean => /^[@\w]+(\[\d*\])*$/.test(name) && !RESERVED.has(name.toLowerCase());
    return field.split('.').map((name) => (isWord(name) ? name : quoted(name))).join('.');
}
