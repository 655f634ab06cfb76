// What scripts of 'select' find beside their row.
(() => {
  let known;
  let needs;
  const isObject = (value) => typeof value === "object" && value !== null;

  // A document that is not at hand counts as missing; the row is made again when it is there.
  const load = (id) => {
    if (Array.isArray(id)) return id.map((one) => load(one));
    if (typeof id !== "string" || id === "") return null;
    if (Object.hasOwn(known, id)) return known[id];
    needs.add(id);
    return null;
  };

  // The value at the end of a path: names, positions, and null for each item of a list.
  const valueAt = (value, [step, ...rest]) => {
    if (step === undefined || value === null || value === undefined) return step === undefined ? value : null;
    if (typeof step === "number") return Array.isArray(value) ? valueAt(value[step], rest) : null;
    if (!Array.isArray(value)) return step === null || !isObject(value) ? null : valueAt(value[step], rest);
    const below = step === null ? rest : [step, ...rest];
    const leadsOn = below.includes(null);
    const found = value.map((item) => valueAt(item, below)).filter((it) => it !== undefined && it !== null);
    return leadsOn ? found.flat() : found;
  };

  Object.assign(globalThis, {
    load: (id) => load(id),
    noTracking: Object.freeze({ load: (id) => load(id) }),
    id: (document) => (isObject(document) ? document["@metadata"]?.["@id"] ?? null : null),
    lastModified: (document) => {
      const text = isObject(document) ? document["@metadata"]?.["@last-modified"] : null;
      return text ? Date.parse(text.replace(/(\.\d{3})\d+/, "$1")) : null;
    },
    getMetadata: (document) => (isObject(document) ? document["@metadata"] ?? {} : {}),
    valueAt,
    makeRows: (row) => (text) => {
      const input = JSON.parse(text);
      known = input.known;
      needs = new Set();
      // Parameters are seen everywhere: `$name`.
      for (const name of Object.keys(input.parameters)) globalThis["$" + name] = input.parameters[name];
      let result;
      try {
        result = row(input.row);
      } catch (error) {
        if (needs.size === 0) throw error;
      }
      if (needs.size > 0) return JSON.stringify({ needs: [...needs] });
      if (!isObject(result) || Array.isArray(result)) throw new TypeError("'select' must make objects");
      // A member without a value is null, as in formulas.
      return JSON.stringify({ result: JSON.stringify(result, (_, value) => value ?? null) });
    },
  });
})();
