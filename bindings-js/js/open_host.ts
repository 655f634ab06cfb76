// Loads the WebAssembly module, once, and opens a database in it.

import { DatabaseHost } from './host.js';
import type { HostOptions } from './protocol.js';

/** Loads the module from beside this script. */
export async function openHost(options: HostOptions): Promise<DatabaseHost> {
    // @ts-ignore The path is that of the built package.
    const wasm = (await import('./wasm/pinyon.js')) as typeof import('../dist/wasm/pinyon.js');
    await wasm.default();
    return DatabaseHost.open(wasm, options);
}
