// Values that JSON does not have, dates, sets and maps: stored in the form of the official client, with
// their places in the metadata.
//
// Only the paths that the metadata names are looked at, and what is not of the form that is expected
// there stays as it is.

import type { Metadata } from './entity.js';
import { PinyonError } from './errors.js';

/** Metadata that says which values were what: `{"visits.0.at": "date"}`. */
export const NESTED_TYPES = '@nested-object-types';
const OURS = new Set<unknown>(['date', 'Set', 'Map']);

/** Paths and types. */
export type NestedTypes = [path: string, type: string][];

/** `2026-11-23T02:00:00.0000000Z`; a date that is none has no text, and throws. */
const textOf = (date: Date): string => `${date.toISOString().slice(0, -1)}0000Z`;

/** A value as it is stored. `types` gets what JSON would lose; what has nothing of it stays the same object. */
function stored(value: unknown, path: string, types: NestedTypes): unknown {
    if (typeof value === 'bigint') throw new PinyonError('InvalidRequest', `JSON has no BigInt as ${value}n: give a number or a text`);
    if (typeof value !== 'object' || value === null) return value;
    // They may come from another window, which has classes of its own.
    const kind = Object.prototype.toString.call(value).slice(8, -1);
    if (kind === 'Date') {
        types.push([path, 'date']);
        return textOf(value as Date);
    }
    if (kind === 'Set') {
        types.push([path, kind]);
        return [...(value as Set<unknown>)].map((it) => stored(it, `${path}$SET`, types));
    }
    if (kind === 'Map') {
        types.push([path, kind]);
        return [...(value as Map<unknown, unknown>)].map(([key, it]) => [stored(key, `${path}$MAPKEY`, types), stored(it, `${path}$MAP`, types)]);
    }
    const { toJSON } = value as { toJSON?: () => unknown };
    if (typeof toJSON === 'function') return stored(toJSON.call(value), path, types);
    const before = types.length;
    const inside = (name: string | number, it: unknown): unknown => stored(it, path === '' ? `${name}` : `${path}.${name}`, types);
    const copy: unknown = Array.isArray(value)
        ? value.map((it, at) => inside(at, it))
        : Object.fromEntries(Object.entries(value).map(([name, it]) => [name, inside(name, it)]));
    return types.length === before ? value : copy;
}

/** A value of a query or a patch in the form in which documents have it. */
export function asStored<T>(value: T): T {
    return stored(value, '', []) as T;
}

/** A document's body as text, and what of it JSON does not have. */
export function bodyText(body: Record<string, unknown>): { text: string | undefined; types: NestedTypes } {
    const text = JSON.stringify(body);
    const types: NestedTypes = [];
    // What they become in JSON, an invalid date `null`: other texts need not be looked through.
    if (!text || !['Z"', 'null', '{}'].some((it) => text.includes(it))) return { text, types };
    const plain = stored(body, '', types);
    return { text: types.length > 0 ? JSON.stringify(plain) : text, types };
}

/** Writes down what is where, and leaves what is said of classes. */
export function noteTypes(metadata: Metadata, types: NestedTypes): void {
    const given = (metadata[NESTED_TYPES] ?? {}) as Record<string, unknown>;
    const classes = Object.entries(given).filter(([, type]) => !OURS.has(type));
    const now: Record<string, unknown> = Object.fromEntries([...classes, ...types]);
    const isSame = Object.keys(now).length === Object.keys(given).length && Object.keys(now).every((path) => given[path] === now[path]);
    if (!isSame) metadata[NESTED_TYPES] = now;
}

function revived(value: unknown, type: string): unknown {
    if (type === 'date' && typeof value === 'string') {
        // Not every engine reads more digits than it knows. Without a zone a time is local: so the
        // official client writes it unless told.
        const date = new Date(value.replace(/(\.\d{3})\d+/, '$1'));
        return Number.isNaN(date.getTime()) ? value : date;
    }
    if (type === 'Set' && Array.isArray(value)) return new Set(value);
    if (type === 'Map' && Array.isArray(value) && value.every(Array.isArray)) return new Map(value as [unknown, unknown][]);
    return value;
}

/** Makes the value at a path what it was; names may have dots in them, and `[]` is every item. */
function revive(parent: unknown, path: string, type: string): boolean {
    if (typeof parent !== 'object' || parent === null) return false;
    const record = parent as Record<string, unknown>;
    if (path.startsWith('[]') && Array.isArray(parent)) {
        const rest = path.slice(path[2] === '.' ? 3 : 2);
        for (const at of parent.keys()) revive(rest === '' ? parent : parent[at], rest || `${at}`, type);
        return true;
    }
    if (Object.hasOwn(record, path)) {
        record[path] = revived(record[path], type);
        return true;
    }
    for (const { 0: end, index } of path.matchAll(/\.|(?=\[\])/g)) {
        const name = path.slice(0, index);
        if (Object.hasOwn(record, name) && revive(record[name], path.slice(index + end.length), type)) return true;
    }
    return false;
}

/** Makes of a loaded body what was stored. */
export function reviveTypes(body: Record<string, unknown>, metadata: Metadata): void {
    const types = metadata[NESTED_TYPES];
    if (typeof types !== 'object' || types === null) return;
    // While they are arrays still, the insides of sets and maps are items: so these come last.
    const ofArrays = (path: string): string => path.replaceAll('$SET', '[]').replaceAll('$MAPKEY', '[].0').replaceAll('$MAP', '[].1');
    const inside = Object.entries(types).filter((it): it is [string, string] => OURS.has(it[1])).sort((a, b) => b[0].length - a[0].length);
    for (const [path, type] of inside) revive(body, ofArrays(path), type);
}
