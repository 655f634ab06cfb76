// Runs scripts of patches: text that the application passes, in the engine of its own page.
//
// A strict content security policy forbids that, and then they are refused. What scripts can reach is
// what the language has; they are the application's own, so this keeps order, it is no prison.

import { PinyonError } from './errors.js';

type Main = (input: string) => string;

interface Program {
    main: Main;
    setNow(ms: number): void;
}

/** Programs kept compiled: a patch by query runs one on many documents. */
const KEPT = 8;

const NAMES = [
    'Array', 'BigInt', 'Boolean', 'Error', 'EvalError', 'Infinity', 'JSON', 'Map', 'Math', 'NaN', 'Number', 'Object',
    'RangeError', 'ReferenceError', 'Reflect', 'RegExp', 'Set', 'String', 'Symbol', 'SyntaxError', 'TypeError',
    'URIError', 'WeakMap', 'WeakSet', 'decodeURI', 'decodeURIComponent', 'encodeURI', 'encodeURIComponent',
    'isFinite', 'isNaN', 'parseFloat', 'parseInt', 'undefined',
];

/** The dates of a program, for which the time stands still. */
function makeDate(now: () => number): DateConstructor {
    class ScriptDate extends Date {
        constructor(...values: unknown[]) {
            super(...((values.length === 0 ? [now()] : values) as [number]));
        }

        static override now(): number {
            return now();
        }
    }
    return ScriptDate as unknown as DateConstructor;
}

function compile(text: string): Program {
    let nowMs = 0;
    const globals: Record<string, unknown> = { Date: makeDate(() => nowMs) };
    for (const name of NAMES) globals[name] = (globalThis as Record<string, unknown>)[name];
    globals.globalThis = globals;
    const scope = new Proxy({}, {
        has: () => true,
        get: (_, name) => {
            if (name === Symbol.unscopables) return undefined;
            if (!(name in globals)) throw new ReferenceError(`${String(name)} is not defined`);
            return globals[name as string];
        },
    });
    let define: (scope: object) => void;
    try {
        // The inner function is strict, in which `with` could not stand.
        define = new Function('$scope', `with ($scope) { (function () { "use strict";\n${text}\n})(); }`) as typeof define;
    } catch (reason) {
        if (!(reason instanceof EvalError)) throw reason;
        throw new PinyonError(
            'Unsupported',
            "the page's content security policy lets no text run as a script: patch by a function, or by fields",
        );
    }
    define(scope);
    return { main: globals.main as Main, setNow: (ms) => { nowMs = ms; } };
}

/** What the database calls to run a program. */
export function scriptEngine(): (text: string, input: string, nowMs: number) => string {
    const programs = new Map<string, Program>();
    return (text, input, nowMs) => {
        const program = programs.get(text) ?? compile(text);
        programs.delete(text);
        programs.set(text, program);
        if (programs.size > KEPT) programs.delete(programs.keys().next().value as string);
        program.setNow(nowMs);
        return program.main(input);
    };
}
