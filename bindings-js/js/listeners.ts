// Listeners of the application, told one after the other.

/** Tells all of them. One that throws keeps nobody else from being told: its error is nobody's, as in events of the DOM. */
export function tellAll<T>(listeners: Iterable<(value: T) => void>, value: T): void {
    // Some of them leave, or bring others.
    for (const listener of [...listeners]) {
        try {
            listener(value);
        } catch (reason) {
            if (typeof reportError === 'function') reportError(reason);
            else queueMicrotask(() => { throw reason; });
        }
    }
}
