// Addresses of the page (behind "#") and of the server.

/** `#/databases/Shop/ids?prefix=a` as its parts and its parameters. */
export function readAddress() {
    const [route, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
    const parts = route.split("/").filter(part => part !== "").map(decodeURIComponent);
    return { parts, parameters: new URLSearchParams(query) };
}

function addressOf(parts, parameters = {}) {
    const given = Object.entries(parameters).filter(([, value]) => value !== 0 && value !== "" && value !== undefined);
    const query = new URLSearchParams(given).toString();
    return `#/${parts.map(encodeURIComponent).join("/")}${query && `?${query}`}`;
}

export const databaseAddress = name => addressOf(["databases", name]);
export const collectionAddress = (database, name, start = 0) => addressOf(["databases", database, "collections", name], { start });
export const allAddress = (database, start = 0) => addressOf(["databases", database, "all"], { start });
export const binAddress = (database, start = 0) => addressOf(["databases", database, "deleted"], { start });
export const idsAddress = (database, prefix, start = 0) => addressOf(["databases", database, "ids"], { prefix, start });
export const queryAddress = (database, rql = "") => addressOf(["databases", database, "query"], { rql });
export const documentAddress = (database, id) => addressOf(["databases", database, "documents", id]);
/** The history of a document, comparing the revisions with the change vectors `from` and `to`. */
export const historyAddress = (database, id, { start = 0, from, to } = {}) =>
    addressOf(["databases", database, "history", id], { start, from, to });
export const revisionAddress = (database, id, vector) => addressOf(["databases", database, "revisions", id], { vector });

/** The path of `database` on the server, with `parameters` as its query. */
export function requestPath(database, route, parameters = {}) {
    const query = new URLSearchParams(parameters).toString();
    return `/databases/${encodeURIComponent(database)}/${route}${query && `?${query}`}`;
}
