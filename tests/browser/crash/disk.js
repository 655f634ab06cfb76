// A place for one profile, and how its machine goes down.
import { execFileSync } from 'node:child_process';
import { openSync, closeSync, fdatasyncSync, ftruncateSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const POWER_CUT = fileURLToPath(new URL('../../crash/power_cut.py', import.meta.url));
const IMAGE_BYTES = 1 << 30;

/** What a living browser may have removed since it was seen. */
function unlessGone(look) {
    try {
        return look();
    } catch (error) {
        if (error.code === 'ENOENT') return undefined;
        throw error;
    }
}

function filesIn(folder) {
    const entries = unlessGone(() => readdirSync(folder, { withFileTypes: true })) ?? [];
    return entries.flatMap((entry) => {
        const name = path.join(folder, entry.name);
        if (entry.isDirectory()) return filesIn(name);
        return entry.isFile() ? [name] : [];
    });
}

export class Disk {
    /** `fault` is `power-cut`, which needs root and loop devices, or `kill`; `copied` is a disk to begin with. */
    constructor(fault, copied) {
        this.fault = fault;
        this.folder = mkdtempSync(path.join(tmpdir(), 'pinyon-browser-crash-'));
        this.point = path.join(this.folder, 'disk');
        mkdirSync(this.point);
        if (fault !== 'power-cut') return;
        this.image = path.join(this.folder, 'disk.ext4');
        if (copied) {
            execFileSync('cp', ['--sparse=always', copied.image, this.image]);
        } else {
            const image = openSync(this.image, 'wx');
            ftruncateSync(image, IMAGE_BYTES);
            closeSync(image);
            execFileSync('mkfs.ext4', ['-q', '-F', this.image]);
        }
        this.mount();
    }

    get profile() {
        return path.join(this.point, 'profile');
    }

    mount() {
        execFileSync('mount', ['-o', 'loop', this.image, this.point]);
        this.isMounted = true;
    }

    /** All that was not synced is gone, and nothing more gets onto the disk. */
    cutPower() {
        if (this.image) execFileSync('python3', [POWER_CUT, this.point]);
    }

    /** What an operating system does at any time: writes down a part of what it was given. */
    writeSome(chance) {
        if (!this.image) return;
        for (const file of filesIn(this.profile)) {
            if (!chance()) continue;
            unlessGone(() => {
                const handle = openSync(file, 'r');
                fdatasyncSync(handle);
                closeSync(handle);
            });
        }
    }

    /** After the browser is dead: what a restarted machine finds. */
    restart() {
        if (!this.image) return;
        this.unmount();
        this.mount();
    }

    unmount() {
        // The last threads of what was killed hold it for a moment.
        for (let tries = 1; this.isMounted; tries += 1) {
            try {
                execFileSync('umount', [this.point], { stdio: 'pipe' });
                this.isMounted = false;
            } catch (error) {
                if (tries === 100) throw error;
                Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
            }
        }
    }

    remove() {
        if (this.isMounted) this.unmount();
        rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    }
}
