// Opens a database in a WebAssembly module, which lies beside this script: the small one, or the
// whole one.

// Not loaded on demand: some bundlers make one file of a worker, and refuse to split it. These are
// the scripts around the modules; a module itself is fetched when it is needed.
// @ts-ignore The path is that of the built package.
import * as small from './wasm/pinyon.js';
// @ts-ignore The path is that of the built package.
import * as whole from './whole/pinyon.js';

import { DatabaseHost } from './host.js';
import { startsWhole, triesWhole, type HostOptions } from './protocol.js';

type Wasm = typeof import('../dist/whole/pinyon.js');

/** Opens one database, with more loaded if need be. */
export class HostOpener {
    readonly #options: HostOptions;
    readonly #compiled: Promise<WebAssembly.Module | undefined> | undefined;

    /** `compiled` is the module that the options want first, if the page has compiled it. */
    constructor(options: HostOptions, compiled?: Promise<WebAssembly.Module | undefined>) {
        this.#options = options;
        this.#compiled = compiled;
    }

    async open(): Promise<DatabaseHost> {
        if (startsWhole(this.#options)) return this.openWhole();
        const isTryingWhole = triesWhole(this.#options);
        if (isTryingWhole && (await this.loadWhole().then(() => true, () => false))) return this.openWhole();
        // What the page compiled was the whole module, if it could.
        const given = isTryingWhole ? undefined : await this.#compiled;
        await (small as Wasm).default(given && { module_or_path: given });
        const host = await DatabaseHost.open(small as Wasm, this.#options);
        // What is in memory would be gone when more is loaded.
        if ((await host.status()).storage !== 'memory') return host;
        await host.close();
        return this.openWhole();
    }

    async openWhole(): Promise<DatabaseHost> {
        await this.loadWhole();
        return DatabaseHost.open(whole as Wasm, this.#options);
    }

    /** Fetches the whole module, unless that is done. */
    async loadWhole(): Promise<void> {
        const given = triesWhole(this.#options) ? await this.#compiled : undefined;
        await (whole as Wasm).default(given && { module_or_path: given });
    }
}
