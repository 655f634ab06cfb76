// Pages about what documents were: the history of one, with the difference between any two of
// its revisions and the way back; one revision; and the documents that were deleted.

import { attachmentSection } from "./attachments.js";
import { binAddress, documentAddress, historyAddress, requestPath, revisionAddress } from "./addresses.js";
import { element, replace } from "./elements.js";
import { differences, textOf } from "./json_diff.js";
import { showTree } from "./json_tree.js";
import {
    ask, button, count, facts, heading, link, pageLinks, quiet, readableSize, readableTime, time, vector, viewSwitch,
    moment,
} from "./pieces.js";
import { get, isAbort, post } from "./server.js";

const PAGE_SIZE = 25;
const VALUE_LENGTH = 600;

const metadataOf = revision => revision["@metadata"];
const vectorOf = revision => metadataOf(revision)["@change-vector"];
const flagsOf = revision => (metadataOf(revision)["@flags"] ?? "").split(", ");
const isDeletion = revision => flagsOf(revision).includes("DeleteRevision");

/** What happened, in words. */
function whatHappened(revision) {
    const flags = flagsOf(revision);
    if (flags.includes("DeleteRevision")) {
        return "Deleted";
    }
    return [
        flags.includes("Reverted") ? "Brought back" : "Written",
        flags.includes("ForceCreated") && "kept on request",
        flags.includes("Conflicted") && "in conflict",
        flags.includes("Resolved") && "settled a conflict",
    ].filter(Boolean).join(", ");
}

const timeOf = (revision, isPrecise) => readableTime(metadataOf(revision)["@last-modified"], isPrecise);
const nameOf = (revision, isPrecise) => `${timeOf(revision, isPrecise)} · ${whatHappened(revision)}`;

/** Whether seconds are too coarse to tell the revisions apart. */
const needPrecision = revisions => new Set(revisions.map(revision => timeOf(revision))).size < revisions.length;

/** The metadata of the document as it is now, if there is one. */
async function readPresent(signal, database, id) {
    // Of the ids that begin like this, its own is the first.
    const { json } = await get(requestPath(database, "docs", { startsWith: id, pageSize: 1, metadataOnly: true }), signal);
    const first = json.Results[0]?.["@metadata"];
    return first?.["@id"].toLowerCase() === id.toLowerCase() ? first : undefined;
}

/** `then(notice)` shows the document with a notice after it was brought back. */
export function revertButton(database, id, revision, text, then, onTrouble) {
    const when = readableTime(metadataOf(revision)["@last-modified"]);
    const label = `${text}: version of ${when}`;
    return button(text, async () => {
        const isOver = moment(metadataOf(revision)["@expires"]) <= Date.now();
        const explanation = `“${id}” becomes what it was on ${when}. That is a new version; while revisions are kept, the present one stays in its history.`
            + (isOver ? " Its @expires has passed: where documents expire, the next sweep deletes it again." : "");
        if (!await ask(`${text}?`, explanation, text)) {
            return;
        }
        try {
            await post(requestPath(database, "revisions/revert/docs"), { IdToChangeVector: { [id]: vectorOf(revision) } });
            then(`It is again what it was on ${when}.`);
        } catch (error) {
            onTrouble(error);
        }
    }, { ariaLabel: label });
}

export async function showHistory({ signal, database, id, start, from, to, actions }) {
    const path = requestPath(database, "revisions", { id, start, pageSize: PAGE_SIZE });
    const [{ json }, present] = await Promise.all([get(path, signal), readPresent(signal, database, id)]);
    const revisions = json.Results;
    const total = json.TotalResults;
    if (revisions.length === 0) {
        const nothing = total > 0 ? quiet("There are no older ones. ", link(historyAddress(database, id), "To the newest"))
            : quiet("No revisions of this document are kept. ", link(documentAddress(database, id), "To the document"));
        return { title: `History of ${id}`, crumb: "History", body: [nothing] };
    }
    const shownId = metadataOf(revisions[0])["@id"];
    const list = revisionTable(database, shownId, revisions, present, actions);
    return {
        title: `History of ${shownId}`,
        crumb: "History",
        collection: present?.["@collection"],
        documentId: shownId,
        body: [
            comparison({ signal, database, id: shownId, revisions, start, from, to }),
            element("h2", {}, `${count(total)} ${total === 1 ? "revision" : "revisions"}, the newest first`),
            list,
            pageLinks({ start, shown: revisions.length, total, pageSize: PAGE_SIZE,
                pageAddress: newStart => historyAddress(database, shownId, { start: newStart }) }),
        ],
    };
}

function revisionTable(database, id, revisions, present, { notify, trouble }) {
    const isPrecise = needPrecision(revisions);
    const rows = revisions.map((revision, index) => {
        const isPresent = present !== undefined && vectorOf(revision) === present["@change-vector"];
        const older = revisions[index + 1];
        const changes = older && !isDeletion(revision) && !isDeletion(older) && summary(differences(comparable(older), comparable(revision)));
        return element("tr", { className: isDeletion(revision) ? "deleted" : "" },
            element("th", { scope: "row" }, isDeletion(revision) ? time(metadataOf(revision)["@last-modified"], isPrecise)
                : linkedTime(revisionAddress(database, id, vectorOf(revision)), revision, isPrecise)),
            element("td", {}, whatHappened(revision), isPresent && element("span", { className: "badge" }, "present"),
                changes && element("span", { className: "note" }, ` ${changes}`)),
            element("td", {}, element("div", { className: "actions" },
                older && link(historyAddress(database, id, { from: vectorOf(older), to: vectorOf(revision) }), "Changes",
                    { ariaLabel: `Changes of ${nameOf(revision, isPrecise)}` }),
                !isPresent && !isDeletion(revision)
                    && revertButton(database, id, revision, present === undefined ? "Restore" : "Revert", notify, trouble))));
    });
    return element("table", { className: "revisions" },
        element("thead", {}, element("tr", {}, ...["When", "What happened", "Actions"].map(heading))),
        element("tbody", {}, ...rows));
}

function linkedTime(href, revision, isPrecise) {
    const anchor = link(href, "");
    anchor.append(time(metadataOf(revision)["@last-modified"], isPrecise));
    return anchor;
}

// ---- The difference between two ----

/** Two lists to choose from, and what differs. The address follows, so that it can be passed on. */
function comparison({ signal, database, id, revisions, start, from, to }) {
    const isPrecise = needPrecision(revisions);
    const known = new Map(revisions.map(revision => [vectorOf(revision), revision]));
    const result = element("div", { className: "difference" });
    result.setAttribute("aria-live", "polite");
    const pick = (name, chosen) => {
        const select = element("select", { id: `compare-${name}` });
        const options = revisions.map(revision => [vectorOf(revision), nameOf(revision, isPrecise)]);
        if (!known.has(chosen)) {
            options.unshift([chosen, "another version"]);
        }
        select.append(...options.map(([value, text]) => element("option", { value }, text)));
        select.value = chosen;
        select.addEventListener("change", show);
        return select;
    };
    const newest = vectorOf(revisions[0]);
    const older = pick("from", from ?? vectorOf(revisions[1] ?? revisions[0]));
    const newer = pick("to", to ?? newest);
    let showing = 0;
    async function show() {
        const turn = ++showing;
        history.replaceState(null, "", historyAddress(database, id, { start, from: older.value, to: newer.value }));
        try {
            const pair = await Promise.all([older.value, newer.value].map(wanted => known.get(wanted) ?? load(wanted)));
            if (turn === showing) {
                replace(result, ...shownDifference(...pair));
            }
        } catch (error) {
            if (!isAbort(error)) {
                replace(result, element("p", { className: "trouble", role: "alert" }, element("strong", {}, error.name), " ", error.message));
            }
        }
    }
    async function load(changeVector) {
        const answer = await get(requestPath(database, "revisions", { changeVector }), signal, { missingIsNull: true });
        const revision = answer?.json.Results[0];
        if (!revision || metadataOf(revision)["@id"].toLowerCase() !== id.toLowerCase()) {
            const error = new Error("This version of the document is not kept any more.");
            error.name = "Not found";
            throw error;
        }
        known.set(changeVector, revision);
        return revision;
    }
    const swap = button("Swap", () => {
        const value = older.value;
        // Either list may lack what the other had from the address.
        for (const [select, wanted] of [[older, newer.value], [newer, value]]) {
            if (![...select.options].some(option => option.value === wanted)) {
                select.append(element("option", { value: wanted }, "another version"));
            }
            select.value = wanted;
        }
        show();
    });
    if (from === undefined && to === undefined) {
        replace(result, ...shownDifference(known.get(older.value), known.get(newer.value)));
    } else {
        show();
    }
    if (revisions.length === 1 && from === undefined) {
        return false;
    }
    return element("section", { className: "comparison", ariaLabel: "Compare two revisions" },
        element("div", { className: "pair" },
            element("label", { htmlFor: older.id }, "From"), older,
            element("label", { htmlFor: newer.id }, "To"), newer, swap),
        result);
}

/** What of a revision is compared: its content, and what users keep in the metadata. */
function comparable(revision) {
    const { "@metadata": metadata, ...body } = revision;
    const computed = ["@id", "@change-vector", "@last-modified", "@flags"];
    const kept = Object.fromEntries(Object.entries(metadata).filter(([name]) => !computed.includes(name)));
    if (kept["@attachments"]) {
        kept["@attachments"] = Object.fromEntries(kept["@attachments"].map(({ Name, ContentType, Size, Hash }) =>
            [Name, `${ContentType || "unknown type"}, ${readableSize(Size)}, content ${Hash.slice(0, 8)}…`]));
    }
    // What no collection was named for.
    if (kept["@collection"] === "@empty") {
        delete kept["@collection"];
    }
    return { ...(isDeletion(revision) ? {} : body), "@metadata": kept };
}

function summary(found) {
    const kinds = ["changed", "added", "removed"].map(kind => [kind, found.filter(each => each.kind === kind).length]);
    return kinds.filter(([, number]) => number > 0).map(([kind, number]) => `${number} ${kind}`).join(", ");
}

function shownDifference(before, after) {
    const found = differences(comparable(before), comparable(after));
    if (found.length === 0) {
        return [quiet("These two do not differ.")];
    }
    const rows = found.map(({ path, kind, before: old, after: now }) => element("tr", { className: kind },
        element("th", { scope: "row" }, element("span", { className: "kind" }, kind), element("span", { className: "path" }, path)),
        element("td", { className: "old" }, kind !== "added" && shownValue(old, "was")),
        element("td", { className: "new" }, kind !== "removed" && shownValue(now, "is"))));
    return [
        element("p", { className: "summary" }, summary(found)),
        element("table", { className: "changes" },
            element("thead", {}, element("tr", {}, ...["Property", "Before", "After"].map(heading))),
            element("tbody", {}, ...rows)),
    ];
}

/** Short values as they are, long ones to open. */
function shownValue(value, label) {
    const isPlain = value === null || typeof value !== "object" || value.source !== undefined;
    if (isPlain || Object.keys(value).length === 0) {
        const text = textOf(value);
        const shown = element(label === "was" ? "del" : "ins", {}, text.slice(0, VALUE_LENGTH));
        return text.length <= VALUE_LENGTH ? shown
            : element("details", {}, element("summary", {}, shown, "…"), element("span", {}, text.slice(VALUE_LENGTH)));
    }
    return showTree(value);
}

// ---- One revision ----

export async function showRevision({ signal, database, id, changeVector, actions }) {
    const [answer, present] = await Promise.all([
        get(requestPath(database, "revisions", { changeVector }), signal, { missingIsNull: true }),
        readPresent(signal, database, id),
    ]);
    const revision = answer?.json.Results[0];
    if (!revision) {
        return { title: `A version of ${id}`, crumb: "Version", body: [
            quiet("This version is not kept any more. ", link(historyAddress(database, id), "To the history"))] };
    }
    const { "@metadata": metadata, ...body } = revision;
    const shownId = metadata["@id"];
    const isPresent = present?.["@change-vector"] === changeVector;
    const tree = showTree(body);
    const text = element("pre", { hidden: true, tabIndex: 0 }, answer.text);
    return {
        title: `${shownId}, version of ${readableTime(metadata["@last-modified"])}`,
        crumb: "Version",
        collection: metadata["@collection"],
        documentId: shownId,
        body: [
            facts([
                ["Written", time(metadata["@last-modified"])],
                ["Change vector", vector(changeVector)],
                ["What happened", whatHappened(revision)],
                ["History", link(historyAddress(database, shownId), "All versions")],
            ]),
            isPresent ? quiet("This is the present version.")
                : !isDeletion(revision) && element("p", {}, revertButton(database, shownId, revision,
                    present === undefined ? "Restore" : "Revert", actions.notify, actions.trouble)),
            viewSwitch([["Tree", tree], ["As sent", text]]),
            tree,
            text,
            ...attachmentSection(database, shownId, metadata, { changeVector, onTrouble: actions.trouble }),
        ],
    };
}

// ---- Deleted documents ----

export async function showBin({ signal, database, start }) {
    const { json } = await get(requestPath(database, "revisions/bin", { start, pageSize: PAGE_SIZE + 1 }), signal);
    const deletions = json.Results.slice(0, PAGE_SIZE);
    if (deletions.length === 0) {
        return { title: "Deleted documents", body: [quiet(start > 0 ? "There are no more. "
            : "No deleted document can be restored. Those of collections that keep revisions are found here.")] };
    }
    const rows = deletions.map(revision => element("tr", {},
        element("th", { scope: "row" }, link(historyAddress(database, metadataOf(revision)["@id"]), metadataOf(revision)["@id"])),
        element("td", { className: "peek" }, metadataOf(revision)["@collection"]),
        element("td", { className: "when" }, time(metadataOf(revision)["@last-modified"]))));
    return {
        title: "Deleted documents",
        body: [
            element("table", { className: "documents" },
                element("thead", {}, element("tr", {}, ...["Id", "Collection", "Deleted"].map(heading))),
                element("tbody", {}, ...rows)),
            pageLinks({ start, shown: deletions.length, more: json.Results.length > PAGE_SIZE, pageSize: PAGE_SIZE,
                pageAddress: newStart => binAddress(database, newStart) }),
        ],
    };
}
