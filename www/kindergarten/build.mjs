// Puts the demonstration together in a folder that the server can serve:
// node build.mjs <folder> [<the package's dist>]
import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const [folder, dist = path.join(HERE, '../../bindings-js/dist')] = process.argv.slice(2);
if (!folder) throw new Error('usage: node build.mjs <folder> [<the package\'s dist>]');

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
for (const name of ['index.html', 'style.css', 'screens.css', 'icon.svg', 'manifest.webmanifest', 'src']) {
    await cp(path.join(HERE, name), path.join(folder, name), { recursive: true });
}
// What a page of the package loads, where it looks for it.
for (const name of ['index.js', 'worker.js', 'wasm/pinyon.js', 'wasm/pinyon_bg.wasm', 'whole/pinyon.js', 'whole/pinyon_bg.wasm']) {
    await cp(path.join(dist, name), path.join(folder, 'pinyon', name));
}
await build({
    stdin: {
        contents: "export * from 'htm/preact'; export * from 'preact/hooks'; export { Fragment } from 'preact';",
        resolveDir: HERE,
    },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    logLevel: 'warning',
    outfile: path.join(folder, 'vendor/preact.js'),
});

// The service worker keeps exactly these files; another version of any is another version of all.
const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((it) => it.isFile())
    .map((it) => path.relative(folder, path.join(it.parentPath ?? it.path, it.name)).replaceAll(path.sep, '/'))
    .sort();
const hash = createHash('sha256');
for (const file of files) hash.update(file).update('\0').update(await readFile(path.join(folder, file)));
const script = await readFile(path.join(HERE, 'service-worker.js'), 'utf8');
hash.update(script);
const version = hash.digest('hex').slice(0, 12);
const head = `const VERSION = '${version}';\nconst FILES = ${JSON.stringify(files, null, 4)};\n`;
await writeFile(path.join(folder, 'service-worker.js'), head + script);
