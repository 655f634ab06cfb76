// Serves folders of the project to pages, over http on this machine.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
// Where `cargo xtask` puts what it builds.
export const TARGET = process.env.PINYON_TARGET ?? path.join(PROJECT, 'target');

const FOLDERS = {
    '/storage/': path.join(TARGET, 'browser/storage-tests/'),
    '/pinyon/': path.join(PROJECT, 'bindings-js/dist/'),
    '/pages/': path.join(PROJECT, 'tests/browser/pages/'),
    '/packaged/': path.join(TARGET, 'browser/packaged/'),
};

const MEDIA_TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.mjs': 'text/javascript; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.json': 'application/json',
    '.wasm': 'application/wasm',
};

/** Strict: no inline script, no eval, WebAssembly only. */
export const STRICT_POLICY =
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src 'self'; style-src 'self'";

/** The address of a server in the page's query may be connected to. A worker has the policy of its own script. */
function strictPolicy({ url, headers }) {
    const page = new URL(headers.referer ?? url, 'http://localhost');
    const server = new URL(url, 'http://localhost').searchParams.get('server') ?? page.searchParams.get('server');
    return server ? STRICT_POLICY.replace("connect-src 'self'", `connect-src 'self' ${server}`) : STRICT_POLICY;
}

function fileOf(url) {
    const { pathname } = new URL(url, 'http://localhost');
    for (const [prefix, folder] of Object.entries(FOLDERS)) {
        if (pathname.startsWith(prefix)) {
            const file = path.join(folder, decodeURIComponent(pathname.slice(prefix.length)));
            return file.startsWith(folder) ? file : undefined;
        }
    }
    return undefined;
}

/** Starts a server on a free port; pages below /pages/strict/ get the strict policy. */
export async function startServer() {
    const server = createServer(async (request, response) => {
        if (request.url === '/favicon.ico') {
            response.writeHead(204).end();
            return;
        }
        const file = fileOf(request.url);
        const found = file && (await stat(file).catch(() => undefined));
        if (!found?.isFile()) {
            response.writeHead(404, { 'content-type': 'text/plain' }).end(`not here: ${request.url}`);
            return;
        }
        const headers = { 'content-type': MEDIA_TYPES[path.extname(file)] ?? 'application/octet-stream', 'cache-control': 'no-store', 'access-control-allow-origin': '*' };
        if (request.url.startsWith('/pages/strict/') || request.headers.referer?.includes('/pages/strict/')) {
            headers['content-security-policy'] = strictPolicy(request);
        }
        response.writeHead(200, headers);
        createReadStream(file).pipe(response);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return {
        url: `http://localhost:${server.address().port}`,
        close: () => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); }),
    };
}
