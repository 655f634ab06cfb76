// What scripts of patches can call. It runs before the author's script, which defines $patch.
"use strict";
globalThis.main = (() => {
  const { parse, stringify } = JSON;
  const ids = new WeakMap();
  let call;

  const keyOf = (id) => id.toLowerCase();
  const isObject = (value) => typeof value === "object" && value !== null;

  const remember = (document, id) => {
    if (isObject(document)) ids.set(document, id);
    return document;
  };

  // A document that was not sent along: the result is void, and the call is made again with it.
  const ask = (id) => {
    if (!call.needs.includes(id)) call.needs.push(id);
  };

  class NeedsDocuments extends Error {}

  const stored = (id) => {
    const key = keyOf(id);
    if (call.changed.has(key)) return call.changed.get(key);
    if (!Object.hasOwn(call.known, key)) {
      ask(id);
      throw new NeedsDocuments(id);
    }
    return call.known[key];
  };

  const checkId = (id, what) => {
    if (typeof id !== "string" || id === "") throw new TypeError(`${what} needs an id, a string that is not empty`);
  };

  const loadOne = (id) => {
    if (id === null || id === undefined || id === "") return null;
    checkId(id, "load()");
    const found = stored(id);
    if (!found) return null;
    const document = parse(stringify(found));
    return remember(document, document["@metadata"]?.["@id"] ?? id);
  };

  const functions = {
    id: (document) => (isObject(document) ? ids.get(document) ?? document["@metadata"]?.["@id"] ?? null : null),
    load: (id, ...more) => {
      if (!Array.isArray(id)) return loadOne(id);
      for (const one of id) {
        if (typeof one === "string" && one && !Object.hasOwn(call.known, keyOf(one))) ask(one);
      }
      if (call.needs.length) throw new NeedsDocuments();
      return id.map(loadOne);
    },
    getMetadata: (document) => {
      if (!isObject(document)) throw new TypeError("getMetadata() needs a document");
      return (document["@metadata"] ??= {});
    },
    lastModified: (document) => {
      const text = document?.["@metadata"]?.["@last-modified"];
      return text ? Date.parse(text.replace(/(\.\d{3})\d+/, "$1")) : null;
    },
    put: (id, document, changeVector) => {
      checkId(id, "put()");
      if (!isObject(document) || Array.isArray(document)) throw new TypeError("put() needs a document");
      if (id.endsWith("|")) throw new TypeError("put() cannot take an identity's number");
      const text = stringify(document);
      if (id.endsWith("/")) {
        const prefix = id;
        // Another script, running at the same time, may have taken the number.
        do {
          id = `${prefix}${String(call.nextEtag++).padStart(19, "0")}-${call.idSuffix}`;
        } while (stored(id));
      }
      call.actions.push({ kind: "put", id, document: text, changeVector: changeVector ?? null });
      call.changed.set(keyOf(id), parse(text));
      remember(document, ids.get(document) ?? id);
      return id;
    },
    del: (id, changeVector) => {
      checkId(id, "del()");
      const exists = Boolean(stored(id));
      call.actions.push({ kind: "delete", id, document: null, changeVector: changeVector ?? null });
      call.changed.set(keyOf(id), null);
      return exists;
    },
    output: (value) => {
      call.output.push(typeof value === "string" ? value : stringify(value) ?? "undefined");
    },
    include: () => undefined,
    noTracking: Object.freeze({ load: (id) => functions.load(id) }),
  };
  functions.deleteDocument = functions.del;
  for (const name of ["counter", "counterRaw", "incrementCounter", "deleteCounter", "timeseries", "cmpxchg"]) {
    functions[name] = () => {
      throw new Error(`${name}() is not supported`);
    };
  }
  functions.archived = Object.freeze({
    archiveAt: () => {
      throw new Error("archived.archiveAt() is not supported");
    },
  });
  Object.assign(globalThis, functions);

  const run = (input) => {
    const document = input.document ?? {};
    remember(document, input.id);
    const values = input.names.map((name) => input.args[name]);
    try {
      globalThis.$patch.call(document, input.args, ...values);
    } catch (error) {
      if (!call.needs.length) throw error;
    }
    // Also when the script caught the exception.
    if (call.needs.length) return stringify({ needs: call.needs });
    const own = keyOf(input.id);
    return stringify({
      document: call.changed.has(own) ? null : stringify(document),
      actions: call.actions,
      output: call.output,
    });
  };

  let isFrozen = false;
  return (text) => {
    if (!isFrozen) {
      // One call leaves nothing behind for the next.
      Object.freeze(globalThis);
      isFrozen = true;
    }
    const input = parse(text);
    if (input.check) return "{}";
    call = {
      known: input.known,
      nextEtag: input.nextEtag,
      idSuffix: input.idSuffix,
      changed: new Map(),
      actions: [],
      needs: [],
      output: [],
    };
    return run(input);
  };
})();
