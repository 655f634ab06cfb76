// What the official client has and a page does not: it says so, by name.

import { PinyonError } from './errors.js';

/** @internal */
export function refuse(what: string, why: string): never {
    throw new PinyonError('Unsupported', `${what} is not there in pages: ${why}`);
}

/** @internal The same for what is read, not called. */
export function refuseReading(prototype: object, names: Record<string, string>): void {
    for (const [all, why] of Object.entries(names)) {
        for (const name of all.split(' ')) {
            Object.defineProperty(prototype, name, { get: () => refuse(name, why), configurable: true });
        }
    }
}

/**
 * @internal Lets the names of a class that are not there say so when they are called. They are in
 * no types: what is compiled is refused before.
 */
export function refuseAll(prototype: object, names: Record<string, string>): void {
    for (const [all, why] of Object.entries(names)) {
        for (const name of all.split(' ')) {
            Object.defineProperty(prototype, name, { value: () => refuse(`${name}()`, why), configurable: true, writable: true });
        }
    }
}
