// Calls a conflict script. It runs before the author's script, which defines $resolve.
"use strict";
globalThis.main = (() => {
  const { parse, stringify } = JSON;
  const isArray = Array.isArray;
  // Some return it, some call it and return that.
  const resolveToTombstone = () => resolveToTombstone;

  let isFrozen = false;
  return (text) => {
    if (!isFrozen) {
      // One call leaves nothing behind for the next.
      Object.freeze(globalThis);
      isFrozen = true;
    }
    const input = parse(text);
    if (input.check) return "{}";
    const { docs, hasTombstone, base, collection } = input;
    const result = globalThis.$resolve(docs, hasTombstone, resolveToTombstone, base);
    if (result === resolveToTombstone) return '{"tombstone":true}';
    if (result === null || result === undefined) return "{}";
    if (typeof result !== "object" || isArray(result)) {
      throw new TypeError("the script returns a document, resolveToTombstone or nothing");
    }
    const metadata = (result["@metadata"] ??= {});
    metadata["@collection"] ??= collection;
    return stringify({ document: stringify(result) });
  };
})();
