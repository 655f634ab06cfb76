// Dates in documents: texts in the form of the official clients, and in the metadata where they are.
//
// What is not a `Date` is never made one: only the paths that the metadata names are looked at, and a
// text there that is no date stays as it is.

import type { Metadata } from './entity.js';

/** Metadata that says which values were what: `{"visits.0.at": "date"}`. */
export const NESTED_TYPES = '@nested-object-types';

const isDate = (value: object): value is Date => Object.prototype.toString.call(value) === '[object Date]';

/** `2026-11-23T02:00:00.0000000Z`; a date that is none has no text, and throws. */
const textOf = (date: Date): string => `${date.toISOString().slice(0, -1)}0000Z`;

/** A value as it is stored. `paths` gets where its dates are; what has none stays the same object. */
function stored(value: unknown, path: string, paths: string[]): unknown {
    if (typeof value !== 'object' || value === null) return value;
    if (isDate(value)) {
        paths.push(path);
        return textOf(value);
    }
    const { toJSON } = value as { toJSON?: () => unknown };
    if (typeof toJSON === 'function') return stored(toJSON.call(value), path, paths);
    const before = paths.length;
    const inside = (name: string | number, it: unknown): unknown => stored(it, path === '' ? `${name}` : `${path}.${name}`, paths);
    const copy: unknown = Array.isArray(value)
        ? value.map((it, at) => inside(at, it))
        : Object.fromEntries(Object.entries(value).map(([name, it]) => [name, inside(name, it)]));
    return paths.length === before ? value : copy;
}

/** A value of a query or a patch with its dates as documents have them. */
export function withoutDates<T>(value: T): T {
    return stored(value, '', []) as T;
}

/** A document's body as text, and where its dates are. */
export function bodyText(body: Record<string, unknown>): { text: string | undefined; dates: string[] } {
    const text = JSON.stringify(body);
    const dates: string[] = [];
    // Only a text with one of these can have come from a date: the others need not be looked through.
    if (!text?.includes('Z"') && !text?.includes('null')) return { text, dates };
    const plain = stored(body, '', dates);
    return { text: dates.length > 0 ? JSON.stringify(plain) : text, dates };
}

/** Writes down where dates are, and leaves what is said of other types. */
export function noteDates(metadata: Metadata, dates: string[]): void {
    const given = (metadata[NESTED_TYPES] ?? {}) as Record<string, unknown>;
    // Those inside of sets and maps are of the official client, which made arrays of them.
    const others = Object.entries(given).filter(([path, type]) => type !== 'date' || /\$(SET|MAP)/.test(path));
    const now = Object.fromEntries([...others, ...dates.map((path) => [path, 'date'])]);
    const isSame = Object.keys(now).length === Object.keys(given).length && Object.keys(now).every((path) => given[path] === now[path]);
    if (!isSame) metadata[NESTED_TYPES] = now;
}

/** The date of a text; without a zone it is local, as the official client writes it unless told. */
function dateOf(text: unknown): unknown {
    if (typeof text !== 'string') return text;
    // Not every engine reads more digits than it knows.
    const date = new Date(text.replace(/(\.\d{3})\d+/, '$1'));
    return Number.isNaN(date.getTime()) ? text : date;
}

/** Makes the text at a path a date; names may have dots in them, and `[]` is every item. */
function revive(parent: unknown, path: string): boolean {
    if (typeof parent !== 'object' || parent === null) return false;
    const record = parent as Record<string, unknown>;
    if (path.startsWith('[]') && Array.isArray(parent)) {
        const rest = path.slice(path[2] === '.' ? 3 : 2);
        for (const at of parent.keys()) revive(rest === '' ? parent : parent[at], rest || `${at}`);
        return true;
    }
    if (Object.hasOwn(record, path)) {
        record[path] = dateOf(record[path]);
        return true;
    }
    for (const { 0: end, index } of path.matchAll(/\.|(?=\[\])/g)) {
        const name = path.slice(0, index);
        if (Object.hasOwn(record, name) && revive(record[name], path.slice(index + end.length))) return true;
    }
    return false;
}

/** Makes a loaded body's dates dates again. */
export function reviveDates(body: Record<string, unknown>, metadata: Metadata): void {
    const types = metadata[NESTED_TYPES];
    if (typeof types !== 'object' || types === null) return;
    for (const [path, type] of Object.entries(types)) if (type === 'date') revive(body, path);
}
