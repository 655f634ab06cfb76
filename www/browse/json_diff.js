// What differs between two JSON values, property by property.
//
// Items of arrays are matched by what they are, not by where they stand: an item put in front
// is one addition, not a change of all that follow.

import { NumberText } from "./server.js";

// Matching costs the product of both lengths; longer arrays are compared place by place.
const MATCHED_CELLS = 250_000;

const isLeaf = value => value === null || typeof value !== "object" || value instanceof NumberText;

/** The text by which values are the same, whatever the order of their properties. */
export function textOf(value) {
    if (value instanceof NumberText) {
        return value.source;
    }
    if (isLeaf(value)) {
        return JSON.stringify(value);
    }
    if (Array.isArray(value)) {
        return `[${value.map(textOf).join(",")}]`;
    }
    const names = Object.keys(value).sort();
    return `{${names.map(name => `${JSON.stringify(name)}:${textOf(value[name])}`).join(",")}}`;
}

/** `[{ path, kind: "added" | "removed" | "changed", before, after }]` in the order of `after`. */
export function differences(before, after) {
    const found = [];
    compare(before, after, "", found);
    return found;
}

function compare(before, after, path, found) {
    if (textOf(before) === textOf(after)) {
        return;
    }
    if (isLeaf(before) || isLeaf(after) || Array.isArray(before) !== Array.isArray(after)) {
        found.push({ path: path || "(everything)", kind: "changed", before, after });
    } else if (Array.isArray(after)) {
        compareItems(before, after, path, found);
    } else {
        for (const [name, value] of Object.entries(after)) {
            const inner = joined(path, name);
            if (Object.hasOwn(before, name)) {
                compare(before[name], value, inner, found);
            } else {
                found.push({ path: inner, kind: "added", after: value });
            }
        }
        for (const [name, value] of Object.entries(before)) {
            if (!Object.hasOwn(after, name)) {
                found.push({ path: joined(path, name), kind: "removed", before: value });
            }
        }
    }
}

/** `address.street`, or `prices["per night"]` for names that need it. */
function joined(path, name) {
    if (!/^[\p{L}_$@][\p{L}\p{N}_$@-]*$/u.test(name)) {
        return `${path}[${JSON.stringify(name)}]`;
    }
    return path === "" ? name : `${path}.${name}`;
}

function compareItems(before, after, path, found) {
    let at = 0;
    let from = 0;
    const gap = (beforeEnd, afterEnd) => {
        const changed = Math.min(beforeEnd - from, afterEnd - at);
        for (let index = 0; index < changed; index++) {
            compare(before[from + index], after[at + index], `${path}[${at + index}]`, found);
        }
        for (let index = at + changed; index < afterEnd; index++) {
            found.push({ path: `${path}[${index}]`, kind: "added", after: after[index] });
        }
        for (let index = from + changed; index < beforeEnd; index++) {
            found.push({ path: `${path}[${index}]`, kind: "removed", before: before[index] });
        }
    };
    for (const [beforeIndex, afterIndex] of matches(before, after)) {
        gap(beforeIndex, afterIndex);
        from = beforeIndex + 1;
        at = afterIndex + 1;
    }
    gap(before.length, after.length);
}

/** Pairs of indexes of equal items, both rising: a longest common subsequence. */
function matches(before, after) {
    const a = before.map(textOf);
    const b = after.map(textOf);
    if (a.length * b.length > MATCHED_CELLS) {
        return [];
    }
    const width = b.length + 1;
    const lengths = new Uint32Array((a.length + 1) * width);
    for (let i = a.length - 1; i >= 0; i--) {
        for (let j = b.length - 1; j >= 0; j--) {
            lengths[i * width + j] = a[i] === b[j] ? lengths[(i + 1) * width + j + 1] + 1
                : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
        }
    }
    const pairs = [];
    for (let i = 0, j = 0; i < a.length && j < b.length;) {
        if (a[i] === b[j]) {
            pairs.push([i++, j++]);
        } else if (lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) {
            i++;
        } else {
            j++;
        }
    }
    return pairs;
}
