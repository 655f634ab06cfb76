// The browse page: reads the address after "#", asks the server and shows the answer.
// Everything the server says is put into the page as text, never as markup.

import {
    allAddress, binAddress, collectionAddress, databaseAddress, documentAddress, historyAddress, idsAddress, queryAddress, readAddress, requestPath,
} from "./addresses.js";
import { attachmentSection } from "./attachments.js";
import { element, replace } from "./elements.js";
import { showBin, showHistory, showRevision } from "./history.js";
import { followReferences, peek, showTree } from "./json_tree.js";
import { button, code, count, countdown, facts, heading, link, pageLinks, quiet, time, vector, viewSwitch } from "./pieces.js";
import { showQuery } from "./query.js";
import { get, isAbort, post } from "./server.js";

const PAGE_SIZE = 25;
// A document may hold more strings than it is sensible to ask about at once.
const REFERENCE_LIMIT = 500;
const REFERENCE_LENGTH_LIMIT = 512;
// Opening every database of a server with thousands only to count would be rude.
const CLOSED_LIMIT = 20;
const SUGGESTION_COUNT = 10;
const SUGGESTION_DELAY_MS = 150;

const page = document.querySelector("#page");
const path = document.querySelector("#path");
const status = document.querySelector("#status");
const find = document.querySelector("#find");
const prefixInput = document.querySelector("#prefix");
const found = document.querySelector("#found");

// ---- Pages ----

async function showDatabases(signal) {
    const [{ json }, also] = await Promise.all([get("/databases", signal), get("/studio/applications", signal)]);
    const databases = json.Databases;
    const applications = also.json.Applications.map(({ Name, Path }) => (
        element("p", {}, link(Path, `${Name}: an application that works offline`))));
    if (databases.length === 0) {
        return { title: "Databases", body: [...applications, quiet("There are no databases yet. One is created with any RavenDB client, or with ", code("pinyon import"), ".")] };
    }
    const rows = databases.map(database => row(
        database.Disabled ? `${database.Name} (disabled)` : link(databaseAddress(database.Name), database.Name),
        database.LoadError ? `cannot be opened: ${database.LoadError}` : count(database.DocumentsCount)));
    countClosed(signal, databases, rows);
    return { title: "Databases", body: [table(["Database", "Documents"], rows), ...applications] };
}

/** The server knows the counts of open databases only; asking the others opens them. */
async function countClosed(signal, databases, rows) {
    const closed = databases.map((database, index) => ({ database, cell: rows[index].lastChild }))
        .filter(({ database }) => !database.Disabled && !database.LoadError && (database.DocumentsCount ?? null) === null);
    for (const { database, cell } of closed.slice(0, CLOSED_LIMIT)) {
        try {
            const { json } = await get(requestPath(database.Name, "collections/stats"), signal);
            cell.textContent = count(json.CountOfDocuments);
        } catch (error) {
            if (isAbort(error)) {
                return;
            }
            cell.textContent = error.name;
        }
    }
}

async function showDatabase(signal, database) {
    const { json } = await get(requestPath(database, "collections/stats"), signal);
    const names = Object.keys(json.Collections).sort(byName);
    const ask = element("p", {}, link(queryAddress(database), "Query this database"));
    const deleted = quiet(link(binAddress(database), "Deleted documents"));
    if (names.length === 0) {
        return { title: database, body: [quiet("This database has no documents yet."), deleted] };
    }
    const rows = [
        row(link(allAddress(database), "All documents"), count(json.CountOfDocuments)),
        ...names.map(name => row(link(collectionAddress(database, name), name), count(json.Collections[name]))),
    ];
    return { title: database, body: [ask, table(["Collection", "Documents"], rows), deleted] };
}

async function showQueries(signal, database, text) {
    const { json } = await get(requestPath(database, "collections/stats"), signal);
    return showQuery({ signal, database, text, collections: json.Collections });
}

async function showCollection(signal, database, name, start) {
    const [documents, statistics] = await Promise.all([
        get(requestPath(database, "collections/docs", { name, start, pageSize: PAGE_SIZE }), signal),
        get(requestPath(database, "collections/stats"), signal),
    ]);
    const total = statistics.json.Collections[name] ?? 0;
    return {
        title: name,
        body: documentList(database, documents.json.Results, {
            start, total, empty: "There are no documents in this collection.",
            pageAddress: newStart => collectionAddress(database, name, newStart),
        }),
    };
}

async function showAll(signal, database, start) {
    const [documents, statistics] = await Promise.all([
        get(requestPath(database, "docs", { start, pageSize: PAGE_SIZE }), signal),
        get(requestPath(database, "collections/stats"), signal),
    ]);
    return {
        title: "All documents",
        body: documentList(database, documents.json.Results, {
            start, total: statistics.json.CountOfDocuments, empty: "There are no documents here.",
            pageAddress: newStart => allAddress(database, newStart),
        }),
    };
}

async function showIds(signal, database, prefix, start) {
    prefixInput.value = prefix;
    // One more than a page tells whether another follows.
    const { json } = await get(requestPath(database, "docs", { startsWith: prefix, start, pageSize: PAGE_SIZE + 1 }), signal);
    const documents = json.Results.slice(0, PAGE_SIZE);
    return {
        title: `Ids beginning with “${prefix}”`,
        crumb: "Ids",
        body: documentList(database, documents, {
            start, more: json.Results.length > PAGE_SIZE, empty: "No id begins like this.",
            pageAddress: newStart => idsAddress(database, prefix, newStart),
        }),
    };
}

async function showDocument(signal, database, id) {
    const answer = await get(requestPath(database, "docs", { id }), signal, { missingIsNull: true });
    const content = answer?.json.Results[0];
    if (!content) {
        return showMissing(signal, database, id);
    }
    const { "@metadata": metadata, ...body } = content;
    const tree = showTree(body);
    const text = element("pre", { hidden: true, tabIndex: 0 }, answer.text);
    const collection = metadata["@collection"];
    const shown = {
        title: metadata["@id"],
        collection,
        body: [
            facts([
                ["Collection", collection && link(collectionAddress(database, collection), collection)],
                ["Last modified", metadata["@last-modified"] && time(metadata["@last-modified"])],
                ["Change vector", metadata["@change-vector"] && vector(metadata["@change-vector"])],
                ["Flags", metadata["@flags"]],
                ...await schedules(signal, database, metadata),
                await revisionCount(signal, database, metadata),
            ]),
            viewSwitch([["Tree", tree], ["As sent", text]]),
            tree,
            text,
            ...attachmentSection(database, metadata["@id"], metadata),
            ...ownMetadata(metadata),
        ],
    };
    // The document is readable before it is known which of its strings are ids.
    linkReferences(signal, database, metadata["@id"], body, tree);
    return shown;
}

/** When something happens to a document by itself, and whether it will. */
async function schedules(signal, database, metadata) {
    const kinds = [
        ["Expires", "@expires", "Expiration", "due, it goes with the next sweep"],
        ["Refreshes", "@refresh", "Refresh", "due with the next sweep"],
    ].filter(([, property]) => metadata[property]);
    if (kinds.length === 0) {
        return [];
    }
    const { json: record } = await get(requestPath(database, "admin/record"), signal);
    return kinds.map(([name, property, configuration, due]) => {
        const isOff = record[configuration]?.Disabled ?? true;
        return [name, countdown(signal, metadata[property], { due, off: isOff && "not while this is switched off for the database" })];
    });
}

async function revisionCount(signal, database, metadata) {
    if (!(metadata["@flags"] ?? "").split(", ").includes("HasRevisions")) {
        return ["Revisions", undefined];
    }
    const id = metadata["@id"];
    const { json } = await get(requestPath(database, "revisions/count", { id }), signal);
    const number = json.RevisionsCount;
    return ["Revisions", link(historyAddress(database, id), `${count(number)} ${number === 1 ? "version" : "versions"}`)];
}

async function showMissing(signal, database, id) {
    const { json } = await get(requestPath(database, "revisions", { id, pageSize: 1, metadataOnly: true }), signal);
    const last = json.Results[0]?.["@metadata"];
    const body = last === undefined
        ? [quiet("There is no document with this id. "), link(idsAddress(database, id), "Look for ids that begin like it.")]
        : [quiet("This document was deleted on ", time(last["@last-modified"]), "."),
            element("p", {}, link(historyAddress(database, id), "See what it was, and restore it"))];
    return { title: last?.["@id"] ?? id, body };
}

async function linkReferences(signal, database, id, body, tree) {
    const candidates = referenceCandidates(body);
    if (candidates.length === 0) {
        return;
    }
    try {
        // Asked for one document that is not there, the server answers 404; the document itself is.
        const { json } = await post(requestPath(database, "docs", { metadataOnly: true }), { Ids: [id, ...candidates] }, signal);
        const existing = new Map(json.Results.filter(result => result !== null)
            .map(result => [result["@metadata"]["@id"].toLowerCase(), result["@metadata"]["@id"]]));
        followReferences(tree, string => {
            const id = existing.get(string.toLowerCase());
            return id === undefined ? null : documentAddress(database, id);
        });
    } catch (error) {
        if (!isAbort(error)) {
            status.textContent = `References could not be looked up: ${error.message}`;
        }
    }
}

/** The strings in `value` that could be ids, each once. */
function referenceCandidates(value) {
    const candidates = new Set();
    const pending = [value];
    while (pending.length > 0 && candidates.size < REFERENCE_LIMIT) {
        const next = pending.pop();
        if (typeof next === "string") {
            if (next !== "" && next.length <= REFERENCE_LENGTH_LIMIT && !/[\p{Cc}]|[/|]$/u.test(next)) {
                candidates.add(next);
            }
        } else if (next !== null && typeof next === "object") {
            pending.push(...Object.values(next).slice(0, REFERENCE_LIMIT));
        }
    }
    return [...candidates];
}

// ---- Pieces ----

function documentList(database, documents, { start, total, more, empty, pageAddress }) {
    if (documents.length === 0) {
        return [quiet(start > 0 ? "There are no more documents. " : empty), start > 0 && link(pageAddress(0), "To the first page")];
    }
    const rows = documents.map(content => {
        const { "@metadata": metadata, ...body } = content;
        return element("tr", {},
            element("th", { scope: "row" }, link(documentAddress(database, metadata["@id"]), metadata["@id"])),
            element("td", { className: "peek" }, peek(body)),
            element("td", { className: "when" }, metadata["@last-modified"] && time(metadata["@last-modified"])));
    });
    const list = element("table", { className: "documents" },
        element("thead", {}, element("tr", {}, ...["Id", "Content", "Last modified"].map(heading))),
        element("tbody", {}, ...rows));
    const pages = pageLinks({ start, shown: documents.length, total, more, pageSize: PAGE_SIZE, pageAddress });
    return [list, pages];
}

/** What users themselves keep in the metadata; the server's part is shown above. */
function ownMetadata(metadata) {
    const shown = ["@id", "@collection", "@change-vector", "@last-modified", "@flags", "@attachments", "@expires", "@refresh"];
    const own = Object.fromEntries(Object.entries(metadata).filter(([name]) => !shown.includes(name)));
    return Object.keys(own).length === 0 ? [] : [element("h2", {}, "Metadata"), showTree(own)];
}

function row(name, number) {
    return element("tr", {}, element("th", { scope: "row" }, name), element("td", { className: "count" }, number));
}

function table([name, number], rows) {
    return element("table", {},
        element("thead", {}, element("tr", {}, heading(name), element("th", { scope: "col", className: "count" }, number))),
        element("tbody", {}, ...rows));
}

/** Names with a leading @ are the database's own and come last. */
function byName(a, b) {
    return a.startsWith("@") - b.startsWith("@") || a.localeCompare(b);
}

// ---- Showing one page after another ----

function pickPage({ parts, parameters }) {
    const start = Math.max(0, Number.parseInt(parameters.get("start") ?? "0", 10) || 0);
    const [root, database, kind, name] = parts;
    if (root === undefined) {
        return signal => showDatabases(signal);
    }
    if (root === "databases" && database !== undefined) {
        switch (kind) {
            case undefined: return signal => showDatabase(signal, database);
            case "all": return signal => showAll(signal, database, start);
            case "query": return signal => showQueries(signal, database, parameters.get("rql") ?? "");
            case "ids": return signal => showIds(signal, database, parameters.get("prefix") ?? "", start);
            case "collections": return name !== undefined && (signal => showCollection(signal, database, name, start));
            case "deleted": return signal => showBin({ signal, database, start });
            case "documents": return name !== undefined && (signal => showDocument(signal, database, name));
            case "history": return name !== undefined && (signal => showHistory({
                signal, database, id: name, start, actions: actionsOn(database, name),
                from: parameters.get("from") ?? undefined, to: parameters.get("to") ?? undefined,
            }));
            case "revisions": return name !== undefined && (signal => showRevision({
                signal, database, id: name, changeVector: parameters.get("vector") ?? "", actions: actionsOn(database, name),
            }));
        }
    }
    return undefined;
}

let running = new AbortController();
let moved = false;
// What the next page says beside what it shows.
let notice = "";

/** What pages do after they changed a document, or could not. */
function actionsOn(database, id) {
    return {
        notify(text) {
            notice = text;
            const address = documentAddress(database, id);
            if (location.hash === address) {
                showPage();
            } else {
                location.hash = address;
            }
        },
        trouble(error) {
            page.querySelector(":scope > .trouble")?.remove();
            const alert = trouble(error);
            page.querySelector("h1").after(alert);
            alert.scrollIntoView({ block: "nearest" });
        },
    };
}

async function showPage() {
    running.abort();
    running = new AbortController();
    const { signal } = running;
    let address;
    try {
        address = readAddress();
    } catch {
        address = { parts: ["unreadable"], parameters: new URLSearchParams() };
    }
    const [, database] = address.parts;
    find.hidden = database === undefined;
    if (address.parts[2] !== "ids") {
        prefixInput.value = "";
    }
    page.ariaBusy = "true";
    status.textContent = "Loading…";
    const pick = pickPage(address);
    try {
        const shown = pick ? await pick(signal)
            : { title: "Not found", body: [quiet("This address leads nowhere. "), link("#/", "To the databases")] };
        if (signal.aborted) {
            return;
        }
        status.textContent = notice;
        notice = "";
        present(shown, address.parts);
    } catch (error) {
        if (isAbort(error)) {
            return;
        }
        status.textContent = "";
        present({ title: "That did not work", crumb: "Error", body: [trouble(error)] }, address.parts);
    }
}

function present({ title, crumb = title, collection, documentId, body }, parts) {
    const first = element("h1", { tabIndex: -1 }, title);
    replace(page, first, ...body);
    page.ariaBusy = "false";
    const [, database] = parts;
    const crumbs = [link("#/", "Pinyon")];
    if (database !== undefined) {
        crumbs.push(link(databaseAddress(database), database));
        if (collection) {
            crumbs.push(link(collectionAddress(database, collection), collection));
        }
        if (documentId !== undefined) {
            crumbs.push(link(documentAddress(database, documentId), documentId));
        }
        if (parts.length > 2) {
            crumbs.push(element("span", { ariaCurrent: "page" }, crumb));
        }
    }
    replace(path, element("ol", {}, ...crumbs.map(entry => element("li", {}, entry))));
    document.title = database === undefined ? "Pinyon" : `${title} · Pinyon`;
    // Not on the first page: there the reader has not moved yet.
    if (moved) {
        first.focus({ preventScroll: true });
        scrollTo(0, 0);
    }
    moved = true;
}

function trouble(error) {
    return element("div", { className: "trouble", role: "alert" },
        element("p", {}, element("strong", {}, error.name), " ", error.message), button("Try again", showPage));
}

// ---- Finding by id ----

let suggesting = new AbortController();
let suggestionTimer;

prefixInput.addEventListener("input", () => {
    clearTimeout(suggestionTimer);
    suggesting.abort();
    suggestionTimer = setTimeout(suggest, SUGGESTION_DELAY_MS);
});

async function suggest() {
    const [, database] = readAddress().parts;
    const startsWith = prefixInput.value;
    if (database === undefined || startsWith === "") {
        replace(found);
        return;
    }
    suggesting = new AbortController();
    try {
        const { json } = await get(
            requestPath(database, "docs", { startsWith, pageSize: SUGGESTION_COUNT, metadataOnly: true }), suggesting.signal);
        replace(found, ...json.Results.map(result => element("option", { value: result["@metadata"]["@id"] })));
    } catch (error) {
        // Suggestions are an extra; a real failure shows as soon as the form is sent.
        replace(found);
        if (!isAbort(error)) {
            status.textContent = `Suggestions could not be read: ${error.message}`;
        }
    }
}

find.addEventListener("submit", event => {
    event.preventDefault();
    const [, database] = readAddress().parts;
    const id = prefixInput.value;
    if (id === "") {
        prefixInput.focus();
        return;
    }
    const suggested = [...found.options].some(option => option.value === id);
    location.hash = suggested ? documentAddress(database, id) : idsAddress(database, id);
});

document.addEventListener("keydown", event => {
    const typing = event.target.closest("input, textarea, select");
    if (event.key === "/" && !typing && !find.hidden && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        prefixInput.focus();
    }
});

document.querySelector(".skip").addEventListener("click", event => {
    event.preventDefault();
    page.focus();
});

addEventListener("hashchange", showPage);
showPage();
