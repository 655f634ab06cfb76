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
    const browser = await connect(address, child);
    return {
        newPage: () => browser.contexts()[0].newPage(),
        /** Kills all of its processes, and waits until none is left. */
        async kill() {
            for (;;) {
                const left = processesOf(child.pid);
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
            while (processesOf(child.pid).length) await new Promise((resolve) => setTimeout(resolve, 5));
        },
    };
}

/** A browser that starts after a crash sometimes answers the first one to ask never. */
async function connect(address, child) {
    for (let tries = 1; ; tries += 1) {
        try {
            return await chromium.connectOverCDP(address, { timeout: 15_000 });
        } catch (error) {
            if (tries === 3) {
                process.kill(-child.pid, 'SIGKILL');
                throw error;
            }
        }
    }
}

/** The living processes of the group that `leader` leads or led. */
function processesOf(leader) {
    return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).map(Number).filter((pid) => {
        try {
            const [state, , group] = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
            return Number(group) === leader && state !== 'Z';
        } catch (error) {
            // It ended while we looked.
            if (['ENOENT', 'ESRCH'].includes(error.code)) return false;
            throw error;
        }
    });
}
