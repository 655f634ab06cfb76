// Waiting with an end.

import { PinyonError } from './errors.js';

/** What comes of `promise`, if it comes in time. */
export async function withinTime<T>(promise: Promise<T>, milliseconds: number, what: string): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new PinyonError('TimedOut', `${what} took more than ${milliseconds} ms`)), milliseconds);
    });
    try {
        return await Promise.race([promise, end]);
    } finally {
        clearTimeout(timer);
    }
}
