// A proxy that passes every request on unchanged and keeps a log of them, so that a
// story can say how many requests reached the server and how each was answered.

import http from "node:http";
import { once } from "node:events";

export class CountingProxy {
    /** The base URL clients should use instead of the server's. */
    url;
    /** `{ method, path, headers, status }` in order of completion. */
    log = [];
    #server;
    #agent = new http.Agent({ keepAlive: true });

    static async start(target) {
        const proxy = new CountingProxy();
        proxy.#server = http.createServer((request, response) => proxy.#forward(target, request, response));
        proxy.#server.listen(0, "127.0.0.1");
        await once(proxy.#server, "listening");
        proxy.url = `http://127.0.0.1:${proxy.#server.address().port}`;
        return proxy;
    }

    /** The logged requests whose path contains `part`; all of them without one. */
    requests(part = "") {
        return this.log.filter(entry => entry.path.includes(part));
    }

    clear() {
        this.log.length = 0;
    }

    async stop() {
        this.#agent.destroy();
        this.#server.closeAllConnections();
        this.#server.close();
        await once(this.#server, "close");
    }

    #forward(target, request, response) {
        const { method, url: path, headers } = request;
        const onward = http.request(target + path, { method, headers, agent: this.#agent }, answer => {
            this.log.push({ method, path, headers, status: answer.statusCode });
            response.writeHead(answer.statusCode, answer.headers);
            answer.pipe(response);
        });
        onward.on("error", error => {
            this.log.push({ method, path, headers, status: 0 });
            response.destroy(error);
        });
        request.pipe(onward);
    }
}
