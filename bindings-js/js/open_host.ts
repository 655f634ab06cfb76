// Opens a database in the WebAssembly module, which lies beside this script.

// Not loaded on demand: some bundlers make one file of a worker, and refuse to split it.
// @ts-ignore The path is that of the built package.
import * as module from './wasm/pinyon.js';

import { DatabaseHost } from './host.js';
import type { HostOptions } from './protocol.js';

/** Loads the module, unless it is compiled already, and opens a database. */
export async function openHost(options: HostOptions, compiled?: Promise<WebAssembly.Module | undefined>): Promise<DatabaseHost> {
    const wasm = module as typeof import('../dist/wasm/pinyon.js');
    const given = await compiled;
    await wasm.default(given && { module_or_path: given });
    return DatabaseHost.open(wasm, options);
}
