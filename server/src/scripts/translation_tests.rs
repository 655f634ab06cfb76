//! What the core makes of JavaScript is what the engine makes of it.

use std::sync::Arc;

use pinyon_core::formula::{Formula, Value};
use pinyon_core::host::{ScriptCall, ScriptEngine as _, Timestamp, restore_texts};

use super::tests::program;
use super::{DatabaseScripts, ScriptLimits, ScriptRuntime};

/// One a line.
const EXPRESSIONS: &str = include_str!("expressions.txt");

const DOCUMENT: &str = r#"{"s":"héllo wörld","a":[3,1,2],"n":5,"neg":-7,"z":null,"f":2.5,
    "d":"2026-03-01T12:00:00.0000000Z","o":{"k":1,"j":null},"keys":{"b":1,"10":2,"a":3,"2":4},
    "b":true,"no":false,"e":"","num":"12","space":" 7 ","arr2":[{"x":1,"y":"b"},{"x":2,"y":"a"},{"y":null}],
    "mix":[1,"1",null,true,{"x":1},[2]],"empty":[],"none":{},"big":9007199254740993,"dec":12345678.9,
    "tags":["B","a","C"],"one":[5],"deep":[1,[2,[3,[4]]]],"tiny":1e-7,"huge":1e21,"smile":"a😀b"}"#;

/// What stands on both sides of operators and is given to functions.
const ATOMS: [&str; 34] = [
    "t.s",
    "t.a",
    "t.n",
    "t.neg",
    "t.z",
    "t.zz",
    "t.zz.q",
    "t.zz?.q",
    "t.z.q",
    "t.f",
    "t.o",
    "t.b",
    "t.no",
    "t.e",
    "t.num",
    "t.space",
    "t.empty",
    "t.none",
    "t.big",
    "t.one",
    "t.tiny",
    "t.huge",
    "0",
    "-1",
    "1.5",
    "'x'",
    "'3,1,2'",
    "''",
    "'0x1F'",
    "NaN",
    "null",
    "undefined",
    "[null, 1]",
    "({ a: 1 })",
];

const OPERATORS: [&str; 17] = [
    "+", "-", "*", "/", "%", "**", "==", "!=", "===", "!==", "<", "<=", ">", ">=", "&&", "||", "??",
];

/// `_` stands for what is tried.
const FUNCTIONS: [&str; 60] = [
    "-(_)",
    "+(_)",
    "!(_)",
    "typeof (_)",
    "`${_}`",
    "[_]",
    "({ ..._ })",
    "[..._]",
    "({ [_]: 1 })",
    "(_) ? 1 : 2",
    "Number(_)",
    "parseInt(_)",
    "parseFloat(_)",
    "String(_)",
    "Boolean(_)",
    "isNaN(_)",
    "Array.isArray(_)",
    "Object.keys(_)",
    "Object.values(_)",
    "Object.entries(_)",
    "Math.abs(_)",
    "Math.floor(_)",
    "Math.ceil(_)",
    "Math.round(_)",
    "Math.trunc(_)",
    "Math.sqrt(_)",
    "Math.pow(_, 2)",
    "Math.min(1, _)",
    "Math.max(1, _)",
    "(_).toString()",
    "(_).toFixed(2)",
    "(_).length",
    "(_)[0]",
    "(_)['1']",
    "(_)[t.num]",
    "(_).x",
    "t.o[_]",
    "t.s[_]",
    "t.a[_]",
    "(_).map(x => x)",
    "(_).filter(x => x)",
    "(_).reduce((s, x) => s + x, 0)",
    "(_).reduce((s, x) => s + x)",
    "(_).some(x => x)",
    "(_).every(x => x)",
    "(_).find(x => x)",
    "(_).flatMap(x => x)",
    "(_).flat()",
    "(_).join()",
    "(_).slice(1)",
    "(_).toLowerCase()",
    "(_).trim()",
    "(_).split('')",
    "(_).substring(1)",
    "(_).charAt(0)",
    "(_).concat(1)",
    "(_).map(({ x }) => x)",
    "(_)?.x",
    "(_)?.length + 1",
    "({ v: [{ w: _ }] })",
];

/// `_` stands for the argument.
const ARGUMENTS: [&str; 33] = [
    "t.s.indexOf(_)",
    "t.s.includes(_)",
    "t.s.startsWith(_)",
    "t.s.endsWith(_)",
    "t.s.split(_)",
    "t.s.slice(_)",
    "t.s.slice(1, _)",
    "t.s.substring(_)",
    "t.s.substring(2, _)",
    "t.s.charAt(_)",
    "t.s.concat(_)",
    "t.s.replace('l', _)",
    "t.s.replaceAll('l', _)",
    "t.s.replace(_, '-')",
    "t.mix.indexOf(_)",
    "t.mix.includes(_)",
    "t.a.join(_)",
    "t.a.concat(_)",
    "t.a.slice(_)",
    "t.a.slice(0, _)",
    "t.deep.flat(_)",
    "t.f.toFixed(_)",
    "t.a.reduce((s, x) => s + x, _)",
    "t.a.map(x => x * _)",
    "t.a.filter(x => x > _)",
    "t.a.map((x, i) => i + _)",
    "[t.n, _].includes(_)",
    "[t.n, _].indexOf(_)",
    "t.arr2.flatMap(q => [_, q.x])",
    "t.arr2.map(q => _)",
    "Math.pow(_, _)",
    "Math.min(_, t.f, '1')",
    "t.arr2.flatMap(q => _)",
];

/// Whole functions.
const FUNCTION_TEXTS: [&str; 16] = [
    "t => { const a = t.a; const n = a.length; return { v: [a == t.a, a === t.a, n, t.a.indexOf(a)] } }",
    "t => { const o = t.o; const k = o.k; return { v: [o == t.o, [o].includes(t.o), t.o == t.none] } }",
    "t => ({ v: t.arr2.map(q => [q.x, t.arr2.indexOf(q)]) })",
    "t => ({ v: t.arr2.filter((q, i) => t.arr2.find(p => p.x === q.x) === q && i < 2) })",
    "t => ({ v: [t.zz?.q.r.s, t.o?.j?.x, (t.zz?.q).r, t.zz?.q() === undefined, t.z?.x === undefined] })",
    "t => { var n = 1; var n = n + 1; return { v: n } }",
    "t => { if (t.zz.q === null) { const x = 1; return { v: x } } else return { v: 2 } }",
    "t => { if (!t.a.length) return; if (t.n > 3 && t.z > -1) return { v: [t.zz, t.zz.q, { w: t.zz }] } }",
    "function (t) { const { length } = t.a; return { v: length } }",
    "({ s, zz, o }) => ({ v: [s, zz, o.k, zz + 1] })",
    "t => { const f = 1.005; return { v: [f.toFixed(2), (1.45).toFixed(1), (8.345).toFixed(2), (2.5).toFixed(0), (-2.5).toFixed(0), (-0.4).toFixed(0), (1e21).toFixed(2), (0.1).toFixed(20), (0.1).toFixed(60), (123.456).toFixed(100), (0.5).toFixed(), (1.5).toFixed(0), NaN.toFixed(1), (5e-324).toFixed(3), (4.35).toFixed(1), (0.000001).toFixed(7), (1e20).toFixed(2)] } }",
    "t => ({ v: [t.big, t.big + 1, t.big == 9007199254740992, String(t.big), `${t.big}`, Math.floor(t.big), [t.big], -t.big, t.big * 1, t.big % 10, t.big - 1 < t.big] })",
    "t => ({ v: [1 / (0 * -5), 1 / -t.no, 1 / Math.round(-0.2), Math.max(-0, 0), 1 / (t.neg % 7) < 0, 0 / -3, -0 + ''] })",
    "t => ({ v: [parseInt('0x1f'), parseInt(' -12.9'), parseInt('99999999999999999999'), parseInt('-'), parseFloat('.5e-2x'), parseFloat('1e'), parseFloat('-Infinityx'), parseFloat('..1'), Number('1e3 '), Number('0b101'), Number('0o17'), Number('0x'), Number('1_0'), Number('+'), Number('-0x1'), Number('Infinity'), Number('infinity'), parseInt(1e21), Number('9007199254740993')] })",
    "t => ({ v: ['aXbX'.replace('X', '$&$&'), 'aXb'.replaceAll('X', \"$`$'$$$1$\"), 'ab'.replace('', '-'), 'ab'.replaceAll('', '-'), 'aa'.replace('b', '$'), 'a'.replaceAll('a', '$')] })",
    "t => ({ v: [Object.keys(t.keys), Object.entries(t.keys), t.smile.length, t.smile.split(''), t.smile.charAt(1), t.smile.slice(1, 3), t.smile.indexOf('b'), [...t.smile], t.smile[2]] })",
];

fn all() -> Vec<String> {
    let mut all: Vec<String> = EXPRESSIONS.lines().map(str::to_owned).collect();
    for atom in ATOMS {
        let forms = FUNCTIONS.iter().chain(&ARGUMENTS);
        all.extend(forms.map(|form| form.replace('_', atom)));
        for operator in OPERATORS {
            // A power's left side takes no sign.
            all.extend(ATOMS.map(|right| format!("({atom}) {operator} {right}")));
        }
    }
    all
}

#[tokio::test]
async fn translations_compute_what_the_engine_computes() {
    let all = all();
    let functions = all.iter().map(|it| format!("(t) => ({{ v: {it} }})"));
    let functions = functions.chain(FUNCTION_TEXTS.map(str::to_owned));
    let functions: Vec<String> = functions.collect();
    let text = format!(
        "const all = [{}]; globalThis.main = (text) => JSON.stringify(all.map((one) => {{
            try {{ return JSON.stringify(one(JSON.parse(text)), (_, value) => value ?? null) }}
            catch (error) {{ return 'fails' }}
        }}))",
        functions.join(",\n")
    );
    let limits = ScriptLimits {
        timeout_ms: 600_000,
        max_memory_bytes: 512 << 20,
        ..ScriptLimits::default()
    };
    let engine = DatabaseScripts::new(Arc::new(ScriptRuntime::new(limits)));
    let call = ScriptCall {
        program: program(&text),
        input: DOCUMENT.to_owned(),
        now: Timestamp::from_unix_ms(1_000_000_000_000),
    };
    let answer = engine.call(call).await.expect("all are scripts");
    let expected: Vec<String> = serde_json::from_str(&answer).expect("it is a list");
    let (mut translated, mut differing) = (0, Vec::new());
    for (function, expected) in functions.iter().zip(expected) {
        let Ok(formula) = Formula::from_javascript(function) else {
            continue;
        };
        translated += 1;
        let made = match formula.evaluate(Value::from_json(DOCUMENT)) {
            Ok(value) => value.to_json(),
            Err(_) => "fails".to_owned(),
        };
        if comparable(&made) != comparable(&expected) {
            differing.push(format!("{function}: {made}, in the engine {expected}"));
        }
    }
    assert!(
        differing.is_empty(),
        "{}:\n{}",
        differing.len(),
        differing.join("\n")
    );
    // Most of them are of the common kind.
    assert!(
        translated * 10 > all.len() * 9,
        "{translated} of {}",
        all.len()
    );
}

/// As rows and entries are made of it; the order of members means nothing.
fn comparable(json: &str) -> serde_json::Value {
    let json = restore_texts(DOCUMENT, json.to_owned());
    serde_json::from_str(&json).unwrap_or(serde_json::Value::String(json))
}
