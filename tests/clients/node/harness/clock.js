// Moments between writes, and waiting without a stopwatch: stories ask for a state, never for
// how long it took.

import { setTimeout as pause } from "node:timers/promises";

/** A moment after everything written so far and before everything written from now on. */
export async function moment() {
    const start = Date.now();
    // A date holds whole milliseconds; the next write must fall into a later one.
    const next = async after => {
        while (Date.now() <= after) {
            await pause(1);
        }
        return Date.now();
    };
    const between = await next(start);
    await next(between);
    return new Date(between);
}

/** Asks again until `look` answers something other than false, null or undefined. */
export async function until(look) {
    for (;;) {
        const seen = await look();
        if (seen !== false && seen !== null && seen !== undefined) {
            return seen;
        }
        await pause(50);
    }
}
