// One real pinyon server process over its own temporary data directory.

import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const REPOSITORY = resolve(dirname(fileURLToPath(import.meta.url)), "../../../..");
// Only a guard against a server that never starts; no story depends on its length.
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 60_000;

/** PINYON_BIN, else the newer of the release and the debug build. */
export function findBinary() {
    if (process.env.PINYON_BIN) {
        return resolve(process.env.PINYON_BIN);
    }
    const target = process.env.CARGO_TARGET_DIR ?? join(REPOSITORY, "target");
    const built = ["release", "debug"]
        .map(profile => join(target, profile, "pinyon"))
        .filter(existsSync)
        .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
    if (built.length === 0) {
        throw new Error("no pinyon binary: run `cargo build -p pinyon-server` or set PINYON_BIN");
    }
    return built[0];
}

export class Server {
    /** The base URL, without a trailing slash. */
    url;
    dataDir;
    #process;
    #stderr = "";

    /** Starts a server on a new data directory and a free port. */
    static async start() {
        const server = new Server();
        server.dataDir = await mkdtemp(join(tmpdir(), "pinyon-stories-"));
        await server.#launch("127.0.0.1:0");
        return server;
    }

    /** Stops gracefully and starts again on the same data directory and port. */
    async restart() {
        const { host } = new URL(this.url);
        await this.terminate();
        await this.#launch(host);
    }

    /** Kills without warning (SIGKILL) and starts again. */
    async crash() {
        const { host } = new URL(this.url);
        await this.#end("SIGKILL");
        await this.#launch(host);
    }

    /** Asks for a graceful stop and checks that it was one. */
    async terminate() {
        const { code, signal } = await this.#end("SIGTERM");
        if (code !== 0) {
            throw new Error(`the server ended with code ${code}, signal ${signal}\n${this.#stderr}`);
        }
    }

    /** Terminates and removes the data directory. */
    async stop() {
        try {
            await this.terminate();
        } finally {
            await rm(this.dataDir, { recursive: true, force: true });
        }
    }

    async #launch(listen) {
        const child = spawn(findBinary(), ["serve", "--data-dir", this.dataDir, "--listen", listen], {
            stdio: ["ignore", "pipe", "pipe"],
        });
        this.#process = child;
        child.stderr.setEncoding("utf8").on("data", text => { this.#stderr = (this.#stderr + text).slice(-20_000); });
        this.url = await new Promise((resolveUrl, reject) => {
            const limit = setTimeout(() => {
                child.kill("SIGKILL");
                reject(new Error(`the server did not get ready\n${this.#stderr}`));
            }, START_LIMIT_MS);
            let seen = "";
            child.stdout.setEncoding("utf8").on("data", text => {
                seen += text;
                const ready = /^listening on (http:\/\/\S+)$/m.exec(seen);
                if (ready) {
                    clearTimeout(limit);
                    resolveUrl(ready[1].replace(/\/$/, ""));
                }
            });
            child.once("error", reject);
            child.once("exit", code => {
                clearTimeout(limit);
                reject(new Error(`the server ended with code ${code} before it was ready\n${this.#stderr}`));
            });
        });
    }

    #end(signal) {
        const child = this.#process;
        if (child.exitCode !== null || child.signalCode !== null) {
            return Promise.resolve({ code: child.exitCode, signal: child.signalCode });
        }
        return new Promise(resolveEnd => {
            const limit = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
            child.once("exit", (code, endSignal) => {
                clearTimeout(limit);
                resolveEnd({ code, signal: endSignal });
            });
            child.kill(signal);
        });
    }
}
