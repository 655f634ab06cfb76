// Asking a database with RQL: the question stays in the address, so it can be kept and sent on.

import { documentAddress, queryAddress, requestPath } from "./addresses.js";
import { element, replace } from "./elements.js";
import { peek, showTree } from "./json_tree.js";
import { button, code, count, facts, heading, link, quiet } from "./pieces.js";
import { isAbort, post } from "./server.js";

const SHOWN_RESULTS = 50;

/** The page with a question, and its answer if there is one already. */
export async function showQuery({ signal, database, text, collections }) {
    const question = text || exampleQuery(collections);
    const input = element("textarea", {
        id: "rql", name: "rql", value: question, rows: Math.min(12, question.split("\n").length + 2),
        spellcheck: false, autocapitalize: "off", autocomplete: "off",
    });
    input.setAttribute("aria-describedby", "rql-help");
    const form = element("form", { className: "query" },
        element("label", { htmlFor: "rql" }, "Query"),
        input,
        element("div", { className: "choices" },
            element("button", { type: "submit", className: "main" }, "Run"),
            element("span", { id: "rql-help", className: "quiet" }, "RQL; Ctrl+Enter runs it.")));
    const answer = element("section", { className: "answer", ariaLive: "polite", ariaLabel: "Answer" });
    const run = () => {
        const address = queryAddress(database, input.value);
        if (location.hash === address) {
            showAnswer(signal, database, input.value, answer);
        } else {
            location.hash = address;
        }
    };
    form.addEventListener("submit", event => {
        event.preventDefault();
        run();
    });
    input.addEventListener("keydown", event => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            run();
        }
    });
    if (text) {
        await showAnswer(signal, database, text, answer);
    }
    return { title: "Query", body: [form, answer] };
}

/** Something that works on the data that is there. */
function exampleQuery(collections) {
    const [name] = Object.entries(collections)
        .filter(([name]) => !name.startsWith("@"))
        .sort(([, a], [, b]) => a - b)[0] ?? ["@all_docs"];
    return /^[\p{L}_@][\p{L}\p{N}_@]*$/u.test(name) ? `from ${name}\n` : `from '${name.replaceAll("'", "\\'")}'\n`;
}

async function showAnswer(signal, database, text, answer) {
    answer.ariaBusy = "true";
    const began = performance.now();
    try {
        const { json } = await post(requestPath(database, "queries"), { Query: text, PageSize: SHOWN_RESULTS }, signal);
        const tookMs = performance.now() - began;
        replace(answer, ...answerParts(signal, database, text, json, tookMs, answer));
    } catch (error) {
        if (isAbort(error)) {
            throw error;
        }
        // What is wrong with a query is told with lines and columns.
        replace(answer, element("div", { className: "trouble", role: "alert" },
            element("strong", {}, error.name), element("pre", {}, error.message)));
    } finally {
        answer.ariaBusy = "false";
    }
}

function answerParts(signal, database, text, json, tookMs, answer) {
    const results = json.Results ?? [];
    const inMs = `${tookMs.toLocaleString(undefined, { maximumFractionDigits: 1 })} ms here, ${json.DurationInMs} ms in the server`;
    return [
        facts([
            ["Results", count(json.TotalResults)],
            ["Answered from", json.IndexName && code(json.IndexName)],
            ["Time", inMs],
        ]),
        json.IsStale && element("p", { className: "notice", role: "note" },
            "The index has not caught up with the latest changes. ",
            button("Ask again", () => showAnswer(signal, database, text, answer))),
        results.length === 0 ? quiet("Nothing matches.") : resultTable(database, results),
        results.length < json.TotalResults && quiet(
            `The first ${count(results.length)} are shown. Narrow the query, or add `, code("limit 50, 50"), " for the next."),
        includedPart(database, json.Includes),
    ];
}

function resultTable(database, results) {
    const rows = results.map((result, index) => {
        const { "@metadata": metadata, ...body } = result;
        const id = metadata?.["@id"];
        const isProjection = metadata?.["@projection"] === true;
        const name = id ? link(documentAddress(database, id), id) : `${index + 1}`;
        return element("tr", {},
            element("th", { scope: "row" }, name),
            element("td", { className: "peek" }, isProjection || !id ? showTree(body) : peek(body)));
    });
    return element("table", { className: "documents results" },
        element("thead", {}, element("tr", {}, ...["Id", "Content"].map(heading))),
        element("tbody", {}, ...rows));
}

function includedPart(database, includes) {
    const ids = Object.keys(includes ?? {});
    return ids.length > 0 && element("p", {}, "Included: ",
        ...ids.flatMap((id, index) => [index > 0 && ", ", link(documentAddress(database, id), id)]).filter(Boolean));
}
