// What scripts of 'select' find beside their row.
(() => {
  let known;
  let needs;
  const isObject = (value) => typeof value === "object" && value !== null;

  // A document that is not at hand counts as missing; the row is made again when it is there.
  const load = (id) => {
    if (id === null || id === undefined) return null;
    if (Array.isArray(id)) return id.map(load);
    const text = String(id);
    if (Object.hasOwn(known, text)) return known[text];
    needs.add(text);
    return null;
  };

  Object.assign(globalThis, {
    load,
    id: (document) => (isObject(document) ? document["@metadata"]?.["@id"] ?? null : null),
    lastModified: (document) => {
      const text = isObject(document) ? document["@metadata"]?.["@last-modified"] : null;
      return text ? Date.parse(text.replace(/(\.\d{3})\d+/, "$1")) : null;
    },
    getMetadata: (document) => (isObject(document) ? document["@metadata"] ?? {} : {}),
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
