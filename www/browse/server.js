// Requests to the server this page came from.

/** A number whose text JavaScript would change (1.0, or more digits than it can hold). */
export class NumberText {
    constructor(source) {
        this.source = source;
    }

    toString() {
        return this.source;
    }

    toJSON() {
        return Number(this.source);
    }
}

/** Parses JSON and keeps the text of numbers where the browser tells it. */
export function parseJson(text) {
    return JSON.parse(text, (_, value, context) => (
        typeof value === "number" && context?.source !== undefined && context.source !== String(value)
            ? new NumberText(context.source)
            : value));
}

export const isAbort = error => error.name === "AbortError";

export function get(path, signal, options) {
    return request(path, { signal }, options);
}

export function post(path, body, signal) {
    const headers = { "Content-Type": "application/json" };
    return request(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/** What a request with `body` answers, as bytes. */
export async function fetchBlob(path, body) {
    const [response, blob] = await exchange(path, { method: "POST", body: JSON.stringify(body) }, response => response.blob());
    if (!response.ok) {
        throw answerError(response, await blob.text());
    }
    return blob;
}

async function exchange(path, init, read) {
    try {
        // The server answers 304 to what the browser has; nothing is shown stale.
        const response = await fetch(path, { cache: "no-cache", credentials: "same-origin", ...init });
        return [response, await read(response)];
    } catch (error) {
        if (isAbort(error)) {
            throw error;
        }
        throw named("No answer", "The server cannot be reached. It may be stopped or restarting.", error);
    }
}

async function request(path, init, { missingIsNull = false } = {}) {
    const [response, text] = await exchange(path, init, response => response.text());
    if (response.status === 404 && missingIsNull) {
        return null;
    }
    if (!response.ok) {
        throw answerError(response, text);
    }
    try {
        // Some requests have nothing to answer.
        return { text, json: text === "" ? null : parseJson(text) };
    } catch (error) {
        throw named("Unreadable answer", `The answer to ${path} is not JSON: ${error.message}`, error);
    }
}

function answerError(response, text) {
    try {
        const { Type, Message } = JSON.parse(text);
        return named(Type.split(".").at(-1), Message);
    } catch {
        return named(`Answer ${response.status}`, text.slice(0, 500) || response.statusText);
    }
}

function named(name, message, cause) {
    const error = new Error(message, { cause });
    error.name = name;
    return error;
}
