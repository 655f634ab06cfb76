// Calls a validation function. It runs before the author's script, which defines $validate.
"use strict";
globalThis.main = (() => {
  const { parse, stringify } = JSON;
  const { getPrototypeOf, freeze } = Object;
  const PlainError = Error.prototype;

  // A text, or an Error that is no kind of its own, is a reason; anything else is a mistake of the
  // function, and is thrown on.
  const reasonOf = (thrown) => {
    if (typeof thrown === "string") return thrown;
    if (typeof thrown === "object" && thrown !== null && getPrototypeOf(thrown) === PlainError) {
      return `${thrown.message}`;
    }
    throw thrown;
  };

  let isFrozen = false;
  return (text) => {
    if (!isFrozen) {
      // One call leaves nothing behind for the next.
      freeze(globalThis);
      isFrozen = true;
    }
    const { check, olds } = parse(text);
    if (check) return "{}";
    for (let at = 0; at < olds.length; at++) {
      // What the function changes is not seen by its next call.
      const input = parse(text);
      try {
        globalThis.$validate(input.doc, input.olds[at], input.id, input.user);
      } catch (thrown) {
        return stringify({ reason: reasonOf(thrown) });
      }
    }
    return "{}";
  };
})();
