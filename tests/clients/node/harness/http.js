// Plain HTTP requests, for what the wire must look like below any client.

import http from "node:http";

/**
 * Sends one request and reads its answer. `path` is sent as given and no header is
 * added besides Host and Content-Length.
 */
export function send(url, method, path, { body, headers = {} } = {}) {
    const { hostname, port } = new URL(url);
    const payload = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
        const sent = { ...headers };
        if (payload !== undefined) {
            sent["Content-Type"] ??= "application/json; charset=utf-8";
            sent["Content-Length"] = Buffer.byteLength(payload);
        }
        const request = http.request({ hostname, port, method, path, headers: sent }, response => {
            const chunks = [];
            response.on("data", chunk => chunks.push(chunk));
            response.on("error", reject);
            response.on("end", () => resolve(new Answer(response, Buffer.concat(chunks))));
        });
        request.on("error", reject);
        request.end(payload);
    });
}

class Answer {
    constructor(response, body) {
        this.status = response.statusCode;
        this.headers = response.headers;
        this.body = body;
    }

    get text() {
        return this.body.toString("utf8");
    }

    get json() {
        return JSON.parse(this.text);
    }
}
