// The difference between two versions, as the browse page shows it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { differences } from "../../../../www/browse/json_diff.js";
import { parseJson } from "../../../../www/browse/server.js";

const between = (before, after) => differences(parseJson(before), parseJson(after))
    .map(({ path, kind, before: old, after: now }) => [kind, path, ...[old, now].filter(value => value !== undefined).map(value => JSON.stringify(value))]);

test("what is the same is not told, whatever its order", () => {
    assert.deepEqual(between('{"a":1,"b":{"c":[1,{"d":2}]}}', '{"b":{"c":[1,{"d":2}]},"a":1}'), []);
});

test("each property that differs is told by its path", () => {
    assert.deepEqual(
        between('{"name":"A","address":{"city":"Lund","zip":1},"old":null}', '{"name":"B","address":{"city":"Malmö","zip":1},"new name":[]}'),
        [["changed", "name", '"A"', '"B"'], ["changed", "address.city", '"Lund"', '"Malmö"'],
            ["added", '["new name"]', "[]"], ["removed", "old", "null"]]);
});

test("items are matched by what they are", () => {
    assert.deepEqual(between('[1,2,3]', '[0,1,2,3]'), [["added", "[0]", "0"]]);
    assert.deepEqual(between('[1,2,3]', '[1,3]'), [["removed", "[1]", "2"]]);
    assert.deepEqual(between('[{"id":1,"n":1},{"id":2}]', '[{"id":1,"n":2},{"id":2}]'), [["changed", "[0].n", "1", "2"]]);
    assert.deepEqual(between('{"a":[[1],[2]]}', '{"a":[[2],[1]]}').length, 2);
});

test("a value of another kind is a change as a whole", () => {
    assert.deepEqual(between('{"a":{"b":1}}', '{"a":[1]}'), [["changed", "a", '{"b":1}', "[1]"]]);
    assert.deepEqual(between('{"a":null}', '{"a":{}}'), [["changed", "a", "null", "{}"]]);
    assert.deepEqual(between('{"a":"1"}', '{"a":1}'), [["changed", "a", '"1"', "1"]]);
});

test("names that objects have anyway are names like others", () => {
    assert.deepEqual(between('{}', '{"constructor":1,"toString":2}').map(([kind, path]) => `${kind} ${path}`),
        ["added constructor", "added toString"]);
});

test("very long arrays are compared place by place", () => {
    const long = Array.from({ length: 2000 }, (_, n) => n);
    const found = differences(long, [...long.slice(0, 1000), "x", ...long.slice(1001)]);
    assert.deepEqual(found, [{ path: "[1000]", kind: "changed", before: 1000, after: "x" }]);
});
