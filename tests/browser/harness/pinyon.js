// The real server, as a process of its own.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { createHmac } from 'node:crypto';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { TARGET } from './server.js';

/** PINYON_BIN, else the newer of the release and the debug build. */
function findProgram() {
    if (process.env.PINYON_BIN) return process.env.PINYON_BIN;
    const [newest] = ['release', 'debug']
        .map((profile) => path.join(TARGET, profile, 'pinyon'))
        .filter((file) => existsSync(file))
        .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
    if (!newest) throw new Error('there is no server: cargo build -p pinyon-server, or set PINYON_BIN');
    return newest;
}

const PROGRAM = findProgram();

async function spawnServer(options, listen) {
    const child = spawn(PROGRAM, ['serve', '--listen', listen, ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
    const log = [];
    createInterface({ input: child.stderr }).on('line', (line) => log.push(line));
    const lines = createInterface({ input: child.stdout });
    const url = await new Promise((resolve, reject) => {
        lines.once('line', (line) => resolve(line.replace('listening on ', '')));
        child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${log.join('\n')}`)));
    });
    return { child, url };
}

/** A server over a new data folder, with keys for tokens, a database, and `more` options. */
export async function startPinyon(database, origin, more = []) {
    const folder = await mkdtemp(path.join(tmpdir(), 'pinyon-server-'));
    const keys = path.join(folder, 'keys.json');
    execFileSync(PROGRAM, ['edge-token', '--new-keys', keys]);
    const options = ['--data-dir', path.join(folder, 'data'), '--sync-keys', keys, ...more];
    if (origin) options.push('--sync-origin', origin);
    let { child, url } = await spawnServer(options, '127.0.0.1:0');
    const end = async () => {
        const ended = new Promise((resolve) => { child.once('exit', resolve); });
        child.kill('SIGKILL');
        await ended;
    };
    const pinyon = {
        url,
        request: (way, init) => fetch(`${url}${way}`, init),
        async document(id) {
            const response = await fetch(`${url}/databases/${database}/docs?id=${encodeURIComponent(id)}`);
            if (response.status === 404) return null;
            const body = await response.json();
            return response.status === 200 ? body.Results[0] : { status: response.status, ...body };
        },
        /** A token of a user; `more` says what it allows. */
        token: (user, ...more) =>
            execFileSync(PROGRAM, ['edge-token', '--keys', keys, '--user', user, '--database', database, ...more])
                .toString()
                .trim(),
        /** A token that is good for some seconds only: one of the program's, signed anew. */
        async shortToken(user, seconds) {
            const [header, claims] = this.token(user).split('.');
            const { keys: [key] } = JSON.parse(await readFile(keys, 'utf8'));
            const exp = Math.floor(Date.now() / 1000) + seconds;
            const changed = { ...JSON.parse(Buffer.from(claims, 'base64url')), exp };
            const signed = `${header}.${Buffer.from(JSON.stringify(changed)).toString('base64url')}`;
            return `${signed}.${createHmac('sha256', Buffer.from(key.k, 'base64url')).update(signed).digest('base64url')}`;
        },
        /** Kills it, as a power cut would. */
        kill: end,
        /** Starts it again where it was. */
        async restart() {
            ({ child } = await spawnServer(options, new URL(url).host));
        },
        /** Copies its files; it does not run. */
        backUp: () => cp(path.join(folder, 'data'), path.join(folder, 'backup'), { recursive: true }),
        /** Puts the copy in the place of its files; it does not run. */
        async putBack() {
            await rm(path.join(folder, 'data'), { recursive: true });
            await cp(path.join(folder, 'backup'), path.join(folder, 'data'), { recursive: true });
        },
        async close() {
            await end();
            await rm(folder, { recursive: true, force: true, maxRetries: 5 });
        },
    };
    const created = await pinyon.request('/admin/databases', {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ DatabaseName: database }),
    });
    if (!created.ok) throw new Error(`creating the database: ${created.status} ${await created.text()}`);
    return pinyon;
}
