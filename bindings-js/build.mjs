// Makes dist/ from js/. `cargo xtask package` has put the WebAssembly modules into dist/wasm (the
// small one, which pages load first) and dist/whole before.
import { execFileSync } from 'node:child_process';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { build, transform } from 'esbuild';

const shared = {
    bundle: true,
    target: 'es2022',
    minify: process.argv.includes('--minify'),
    sourcemap: process.argv.includes('--minify') ? false : 'linked',
    logLevel: 'warning',
    // Lie beside the modules they load, wherever the package is put.
    external: ['./wasm/pinyon.js', './whole/pinyon.js', './local.js', 'node:*', 'react'],
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
if (shared.minify) {
    for (const glue of ['dist/wasm/pinyon.js', 'dist/whole/pinyon.js']) {
        const { code } = await transform(await readFile(glue, 'utf8'), { minify: true, format: 'esm', target: shared.target });
        await writeFile(glue, code);
    }
}
// Whoever gets the package gets the licences.
for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) await copyFile(`../${licence}`, licence);
