// Starts the worker of the database, wherever its script came to lie.

import { isCopied, placeOf } from './package_place.js';

type Script = [url: string | URL, options?: WorkerOptions];

/** The one place that names the script: bundlers make another file of it, and know it by this form. */
const construct = (): Worker => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });

/** Where the script is. In a bundle only what became of `construct` knows, so it is called with a listener. */
function findScript(): Script | undefined {
    const { Worker } = globalThis;
    let script: Script | undefined;
    const listener = class {
        constructor(...given: Script) {
            script = given;
        }
    };
    // Where globals cannot be replaced there is no second way.
    if (!Reflect.set(globalThis, 'Worker', listener)) return undefined;
    try {
        construct();
    } finally {
        globalThis.Worker = Worker;
    }
    return script;
}

/** A page may take scripts from another origin, but no worker: one of its own takes the script from there. */
function startFromElsewhere([url, options]: Script): Worker {
    const address = JSON.stringify(new URL(url, globalThis.location.href).href);
    const load = options?.type === 'module' ? `import ${address};` : `importScripts(${address});`;
    const script = new Blob([load], { type: 'text/javascript' });
    return new Worker(URL.createObjectURL(script), options);
}

/** Browsers refuse such a script, some by throwing and some only by an event that does not say why. */
const isElsewhere = ([url]: Script): boolean => {
    const { href, origin } = globalThis.location;
    return new URL(url, href).origin !== origin;
};

/**
 * The worker of the database.
 *
 * @throws What browsers throw of a worker that the page may not start.
 */
export function startWorker(): Worker {
    const script = findScript();
    if (script === undefined) return construct();
    if (isElsewhere(script)) return startFromElsewhere(script);
    if (!isCopied(import.meta.url)) return construct();
    const [url, options] = script;
    return new Worker(placeOf(new URL(url, globalThis.location.href)), options);
}
