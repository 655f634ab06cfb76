// Makes dist/ from js/. `cargo xtask package` has put the WebAssembly module into dist/wasm before.
import { execFileSync } from 'node:child_process';
import { build } from 'esbuild';

const shared = {
    bundle: true,
    target: 'es2022',
    minify: process.argv.includes('--minify'),
    sourcemap: process.argv.includes('--minify') ? false : 'linked',
    logLevel: 'warning',
    // Lies beside the module it loads, wherever the package is put.
    external: ['./wasm/pinyon.js', './local.js', 'node:*', 'react'],
};

await build({
    ...shared,
    entryPoints: { index: 'js/index.ts', worker: 'js/worker.ts', local: 'js/local.ts' },
    outdir: 'dist',
    format: 'esm',
    platform: 'browser',
});
await build({ ...shared, entryPoints: { node: 'js/node.ts' }, outdir: 'dist', format: 'esm', platform: 'node' });
await build({ ...shared, entryPoints: { react: 'js/react.ts' }, outdir: 'dist', format: 'esm', platform: 'neutral' });
// For pages without modules: a script has no import.meta, so it remembers where it came from.
await build({
    ...shared,
    entryPoints: { 'pinyon.global': 'js/index.ts' },
    outdir: 'dist',
    format: 'iife',
    globalName: 'pinyon',
    platform: 'browser',
    define: { 'import.meta.url': 'PINYON_SCRIPT_URL' },
    banner: { js: 'var PINYON_SCRIPT_URL = document.currentScript ? document.currentScript.src : location.href;' },
});
execFileSync('node_modules/.bin/tsc', ['-p', '.'], { stdio: 'inherit' });
