// What functions of indexes can call. It runs before the definition's own texts, which call map()
// and groupBy().
"use strict";
globalThis.main = (() => {
  const { parse, stringify } = JSON;
  const { keys } = Object;
  const ids = new WeakMap();
  const maps = [];
  let text = null;
  let reduce = null;
  let call = null;
  // Whether entries have members that are objects.
  let hasObjects = false;
  // A member without a value is null, as in formulas.
  const fill = (_, value) => value ?? null;

  const isObject = (value) => typeof value === "object" && value !== null;
  const keyOf = (id) => id.toLowerCase();
  class NeedsDocuments extends Error {}

  const created = new WeakMap();
  const createField = (name, value, options) => {
    const field = Object.freeze({});
    created.set(field, { name: String(name), value: value ?? null, options: options ?? {} });
    return field;
  };

  const load = (id, collection, isTracked) => {
    if (Array.isArray(id)) return id.map((one) => load(one, collection, isTracked));
    if (typeof id !== "string" || id === "") return null;
    if (isTracked) call.references.push({ id, collection: collection ?? null });
    const key = keyOf(id);
    if (!Object.hasOwn(call.known, key)) {
      call.needs.push(id);
      throw new NeedsDocuments(id);
    }
    const found = call.known[key];
    if (!found) return null;
    ids.set(found, found["@metadata"]?.["@id"] ?? id);
    return found;
  };

  const map = (collection, transform) => {
    checkFunction("map", transform);
    maps.push({ text, collection, transform });
  };
  // What a function that answers at once inherits from.
  const plain = Object.getPrototypeOf(map);
  const checkFunction = (name, it) => {
    if (typeof it !== "function") throw new TypeError(`${name}() takes ${name === "map" ? "a collection and " : ""}a function`);
    if (Object.getPrototypeOf(it) !== plain) throw new TypeError(`${name}() takes a function that answers at once, no async function and no generator`);
  };

  Object.assign(globalThis, {
    // The host calls it before each text of a map.
    beginMap: (number) => {
      text = number;
    },
    map,
    groupBy: (key) => {
      checkFunction("groupBy", key);
      return {
        aggregate: (aggregate) => {
          checkFunction("aggregate", aggregate);
          if (reduce) throw new Error("groupBy(…).aggregate(…) is called more than once");
          reduce = { key, aggregate };
        },
      };
    },
    id: (document) => (isObject(document) ? ids.get(document) ?? document["@metadata"]?.["@id"] ?? null : null),
    getMetadata: (document) => (isObject(document) ? document["@metadata"] ?? {} : {}),
    load: (id, collection) => load(id, collection, true),
    noTracking: Object.freeze({ load: (id, collection) => load(id, collection, false) }),
    createField,
    // The mark by which the core knows shapes.
    createSpatialField: (...place) => ({
      "@spatial": place.length < 2 ? place[0] ?? null : [place[0] ?? null, place[1] ?? null],
    }),
  });
  for (const name of ["cmpxchg", "attachmentsFor", "loadAttachment", "loadAttachments", "counterNamesFor", "timeSeriesNamesFor", "createVector", "loadVector"]) {
    globalThis[name] = () => {
      throw new Error(`${name}() is not supported`);
    };
  }

  const entry = (value) => {
    if (!isObject(value)) throw new TypeError("a map must make objects");
    const made = {};
    const names = keys(value);
    if (!names.length && Object.getPrototypeOf(value) !== Object.prototype) throw new TypeError("a map must make plain objects");
    for (const name of names) {
      const member = value[name];
      if (isObject(member)) return entryOfObjects(value);
      made[name] = member ?? null;
    }
    return made;
  };

  // Fields that createField made stand under their own names.
  const entryOfObjects = (value) => {
    const made = {};
    // By name: what was created of a field.
    const fields = new Map();
    const isCreated = (it) => isObject(it) && created.has(it);
    const add = (name, member) => {
      if (isCreated(member)) {
        const { name, value, options } = created.get(member);
        if (isCreated(value)) return add(name, value);
        const storage = options.storage ?? options.Storage;
        const isStored = typeof storage === "string" ? storage === "Yes" : storage;
        const indexing = options.indexing ?? options.Indexing;
        const field = fields.get(name) ?? { values: name in made ? [made[name]].flat() : [] };
        field.values.push(value);
        field.isStored = isStored ?? field.isStored;
        field.indexing = indexing ?? field.indexing;
        fields.set(name, field);
        made[name] = null;
        hasObjects ||= isObject(value);
      } else if (Array.isArray(member) && member.some(isCreated)) {
        for (const it of member) add(name, it);
      } else {
        hasObjects ||= isObject(member);
        made[name] = member ?? null;
      }
    };
    for (const name of keys(value)) add(name, value[name]);
    for (const [name, { values, isStored, indexing }] of fields) {
      const all = values.length === 1 ? values[0] : values;
      const hasOptions = isStored !== undefined || indexing !== undefined;
      // The mark by which the core knows options.
      made[name] = hasOptions ? { "@field": [all, isStored ?? null, indexing ?? null] } : all;
    }
    return made;
  };
  const entries = (value) => {
    if (value === undefined || value === null) return [];
    return Array.isArray(value) ? value.flatMap(entries) : [entry(value)];
  };

  const keyOfEntry = (entry) => {
    const key = reduce.key(entry) ?? null;
    hasObjects ||= isObject(key);
    return key;
  };

  const operations = {
    describe: () => ({ collections: maps.map((it) => [it.text ?? -1, it.collection ?? null]), reduces: reduce !== null }),
    map: (input) => {
      call = { known: input.known, needs: [], references: [] };
      let made = [];
      try {
        made = entries(maps[input.map].transform(input.document));
      } catch (error) {
        if (!call.needs.length) throw error;
      }
      return { entries: made, needs: call.needs, references: call.references };
    },
    // Several at once; null for what is to be asked for alone, where errors are told.
    maps: (input) =>
      input.documents.map((document) => {
        try {
          const { entries, needs, references } = operations.map({ map: input.map, document, known: {} });
          return needs.length || references.length ? null : entries;
        } catch {
          return null;
        }
      }),
    key: (input) => keyOfEntry(input.entry),
    keys: (input) =>
      input.entries.map((entry) => {
        try {
          return { key: keyOfEntry(entry) };
        } catch {
          return null;
        }
      }),
    reduce: (input) => {
      const made = entries(reduce.aggregate({ key: input.key, values: input.values }));
      if (made.length !== 1) throw new TypeError("a reduce must make one object of a group");
      return made[0];
    },
  };

  let isFrozen = false;
  return (text) => {
    if (!isFrozen) {
      Object.freeze(globalThis);
      isFrozen = true;
    }
    const input = parse(text);
    hasObjects = false;
    const answer = operations[input.operation](input);
    return hasObjects ? stringify(answer, fill) : stringify(answer);
  };
})();
