// Small parts that pages are made of.

import { element } from "./elements.js";

const UPDATE_MS = 10_000;

export const heading = text => element("th", { scope: "col" }, text);
export const link = (href, text, properties = {}) => element("a", { href, ...properties }, text);
export const quiet = (...children) => element("p", { className: "quiet" }, ...children);
export const code = text => element("code", {}, text);
export const count = number => (number === undefined || number === null ? "" : number.toLocaleString());
export const vector = text => element("span", { className: "vector" }, text);

export function button(text, onClick, properties = {}) {
    const made = element("button", { type: "button", ...properties }, text);
    made.addEventListener("click", onClick);
    return made;
}

export function facts(pairs) {
    const given = pairs.filter(([, value]) => value);
    return element("dl", { className: "facts" },
        ...given.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

const TO_THE_SECOND = { dateStyle: "medium", timeStyle: "medium" };
const PRECISE = { year: "numeric", month: "short", day: "numeric", hour: "numeric", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 };

/** A time without an offset is one of UTC, as the server reads it. */
export const moment = (text) => new Date(/T[^zZ+-]*$/.test(text) ? `${text}Z` : text);

export function readableTime(text, isPrecise = false) {
    const date = moment(text);
    return Number.isNaN(date.valueOf()) ? text : date.toLocaleString(undefined, isPrecise ? PRECISE : TO_THE_SECOND);
}

export const time = (text, isPrecise) => element("time", { dateTime: text, title: text }, readableTime(text, isPrecise));

/** A moment to come with the time that is left until then, which is kept up to date. */
export function countdown(signal, text, { due, off }) {
    const left = element("span", { className: "left" });
    const shown = element("span", {}, time(text), " ", left);
    const update = () => {
        const ms = moment(text) - Date.now();
        left.textContent = off ? `(${off})` : ms <= 0 ? `(${due})` : `(${timeLeft(ms)})`;
    };
    update();
    const timer = setInterval(update, UPDATE_MS);
    signal.addEventListener("abort", () => clearInterval(timer), { once: true });
    return shown;
}

/** `in 3 days` */
export function timeLeft(ms) {
    const units = [["year", 31_557_600_000], ["month", 2_629_800_000], ["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000]];
    const [unit, length] = units.find(([, unitMs]) => ms >= unitMs) ?? ["second", 1000];
    return new Intl.RelativeTimeFormat(undefined, { numeric: "always" }).format(Math.floor(ms / length), unit);
}

/** `3.2 MB` */
export function readableSize(bytes) {
    if (bytes < 1000) {
        return `${bytes} ${bytes === 1 ? "byte" : "bytes"}`;
    }
    const units = ["kB", "MB", "GB", "TB"];
    let size = bytes / 1000;
    let unit = 0;
    while (size >= 999.5 && unit < units.length - 1) {
        size /= 1000;
        unit += 1;
    }
    return `${size.toLocaleString(undefined, { maximumFractionDigits: size < 10 ? 1 : 0 })} ${units[unit]}`;
}

export function viewSwitch(views) {
    const buttons = views.map(([name, view], index) => button(name, () => views.forEach(([, other], at) => {
        other.hidden = other !== view;
        buttons[at].ariaPressed = String(other === view);
    }), { ariaPressed: String(index === 0) }));
    return element("div", { className: "views", role: "group", ariaLabel: "View" }, ...buttons);
}

/** Previous and next page of a list. */
export function pageLinks({ start, shown, total, more, pageSize, pageAddress }) {
    const last = start + shown;
    const range = `${(start + 1).toLocaleString()}–${last.toLocaleString()}`;
    return element("nav", { className: "pages", ariaLabel: "Pages" },
        start > 0 && link(pageAddress(Math.max(0, start - pageSize)), "Previous", { rel: "prev" }),
        element("span", {}, total === undefined ? range : `${range} of ${total.toLocaleString()}`),
        (more ?? last < total) && link(pageAddress(last), "Next", { rel: "next" }));
}

/** Asks before something is done; answers whether to go on. Escape means no. */
export function ask(question, explanation, yes) {
    return new Promise(resolve => {
        const title = element("h2", { id: "question" }, question);
        const dialog = element("dialog", {}, title, element("p", {}, explanation),
            element("div", { className: "choices" },
                button("Cancel", () => dialog.close("no")),
                button(yes, () => dialog.close("yes"), { className: "main" })));
        dialog.setAttribute("aria-labelledby", title.id);
        dialog.addEventListener("close", () => {
            dialog.remove();
            resolve(dialog.returnValue === "yes");
        });
        document.body.append(dialog);
        dialog.showModal();
    });
}
