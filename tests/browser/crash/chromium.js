// A Chromium that can be killed with all of its processes.
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const PROGRAM = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';
const ARGUMENTS = [
    '--headless', '--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--no-first-run',
    '--disable-crash-reporter', '--disable-breakpad', '--disable-background-networking', '--disable-component-update',
    '--remote-debugging-port=0',
];

/** Starts one over `profile`. */
export async function startChromium(profile) {
    const child = spawn(PROGRAM, [...ARGUMENTS, `--user-data-dir=${profile}`], { detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = new Promise((resolve) => { child.once('exit', resolve); });
    const log = [];
    const address = await new Promise((resolve, reject) => {
        createInterface({ input: child.stderr }).on('line', (line) => {
            log.push(line);
            const [, found] = /^DevTools listening on (ws:.*)$/.exec(line) ?? [];
            if (found) resolve(found);
        });
        child.once('exit', (code) => reject(new Error(`Chromium ended with ${code}:\n${log.join('\n')}`)));
    });
    const browser = await chromium.connectOverCDP(address);
    return {
        newPage: () => browser.contexts()[0].newPage(),
        /** Kills all of its processes, and waits until none is left. */
        async kill() {
            for (;;) {
                const left = processesOf(profile);
                if (!left.length) break;
                for (const pid of left) {
                    try {
                        process.kill(pid, 'SIGKILL');
                    } catch (error) {
                        if (error.code !== 'ESRCH') throw error;
                    }
                }
                await new Promise((resolve) => setTimeout(resolve, 5));
            }
            await ended;
            await browser.close();
        },
        /** Ends it as its user does. */
        async stop() {
            const protocol = await browser.newBrowserCDPSession();
            await protocol.send('Browser.close').catch(() => 'it has gone before it could answer');
            await ended;
            while (processesOf(profile).length) await new Promise((resolve) => setTimeout(resolve, 5));
        },
    };
}

/** The processes that name this profile: of a browser all do, or are children of those. */
function processesOf(profile) {
    const parents = new Map();
    const found = new Set();
    for (const entry of readdirSync('/proc')) {
        if (!/^\d+$/.test(entry)) continue;
        try {
            const [state, parent] = readFileSync(`/proc/${entry}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
            if (state === 'Z') continue;
            parents.set(Number(entry), Number(parent));
            if (readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes(`--user-data-dir=${profile}`)) found.add(Number(entry));
        } catch (error) {
            // It ended while we looked.
            if (!['ENOENT', 'ESRCH'].includes(error.code)) throw error;
        }
    }
    for (let size = -1; size !== found.size;) {
        size = found.size;
        for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
    }
    return [...found];
}
