//! Hostile scripts, against the real engine.

use std::sync::Arc;

use pinyon_core::host::{
    ScriptCall, ScriptEngine as _, ScriptFailure, ScriptFailureKind, ScriptPart, ScriptProgram,
    Timestamp,
};
use pinyon_core::{Error, ErrorKind};

use super::{DatabaseScripts, ScriptLimits, ScriptRuntime};

fn engine(timeout_ms: u64) -> DatabaseScripts {
    let limits = ScriptLimits {
        timeout_ms,
        max_memory_bytes: 16 << 20,
        max_output_bytes: 1 << 20,
        ..ScriptLimits::default()
    };
    DatabaseScripts::new(Arc::new(ScriptRuntime::new(limits)))
}

pub(super) fn program(text: &str) -> Arc<ScriptProgram> {
    Arc::new(ScriptProgram {
        parts: vec![ScriptPart {
            name: "script".to_owned(),
            text: format!("\n{text}"),
            lines_before: 1,
        }],
    })
}

async fn run(engine: &DatabaseScripts, text: &str, input: &str) -> Result<String, Error> {
    let call = ScriptCall {
        program: program(text),
        input: input.to_owned(),
        now: Timestamp::from_unix_ms(1_000_000_000_000),
    };
    engine.call(call).await
}

fn failure(error: &Error) -> &ScriptFailure {
    error
        .details::<ScriptFailure>()
        .unwrap_or_else(|| panic!("{error:?}"))
}

#[tokio::test]
async fn hostile_scripts_fail_alone() {
    // Only those that shall run out of time are short of it.
    let (hasty, patient) = (engine(300), engine(600_000));
    let hostile = [
        (ScriptFailureKind::Time, "while (true) {}"),
        (
            ScriptFailureKind::Time,
            "let i = 0; for (;;) { i = (i * 7 + 1) % 1000 }",
        ),
        (
            ScriptFailureKind::Time,
            "/^(a+)+$/.test('a'.repeat(60) + 'b')",
        ),
        (
            ScriptFailureKind::Time,
            "const p = () => { p2() }; const p2 = () => {}; while (1) p()",
        ),
        (
            ScriptFailureKind::Memory,
            "const a = []; while (true) a.push(new Array(10000).fill(1))",
        ),
        (
            ScriptFailureKind::Memory,
            "let s = 'x'; while (true) s += s + Math.random()",
        ),
        (
            ScriptFailureKind::Memory,
            "const m = new Map(); for (let i = 0; ; i++) m.set(i, {i})",
        ),
        (ScriptFailureKind::Memory, "new Uint8Array(1 << 30)"),
        (ScriptFailureKind::Stack, "const f = () => f() + 1; f()"),
        (
            ScriptFailureKind::Stack,
            "const o = {}; o.toJSON = () => JSON.stringify(o); JSON.stringify(o)",
        ),
        (
            ScriptFailureKind::Stack,
            "let a = []; for (let i = 0; i < 100000; i++) a = [a]; JSON.stringify(a)",
        ),
        (ScriptFailureKind::Thrown, "throw new Error('boom')"),
        (ScriptFailureKind::Thrown, "throw { message: 'no error' }"),
        (ScriptFailureKind::Thrown, "throw null"),
        (
            ScriptFailureKind::Thrown,
            "throw { get message() { throw 1 }, toString() { throw 2 } }",
        ),
        (ScriptFailureKind::Thrown, "undefined.x = 1"),
        (ScriptFailureKind::Thrown, "std.exit()"),
        (ScriptFailureKind::Thrown, "require('fs')"),
        (ScriptFailureKind::Output, "return 'x'.repeat(2000000)"),
    ];
    for (kind, text) in hostile {
        let text = format!("globalThis.main = () => {{ {text}; return '' }}");
        let engine = match kind {
            ScriptFailureKind::Time => &hasty,
            _ => &patient,
        };
        let error = run(engine, &text, "").await.expect_err(&text);
        assert_eq!(failure(&error).kind, kind, "{text}: {error}");
        let after = run(engine, "globalThis.main = (x) => x + 1", "a").await;
        assert_eq!(after.unwrap(), "a1", "after {text}");
    }
}

#[tokio::test]
async fn scripts_that_break_the_engines_own_parts_break_only_themselves() {
    let engine = engine(300);
    for text in [
        "Object.prototype.toString = null; String.prototype.concat = 1; globalThis.main = x => x",
        "Object.defineProperty(Error.prototype, 'message', { get() { while (true) {} } }); globalThis.main = () => { throw new Error() }",
        "globalThis.main = 5",
        "",
        "globalThis.main = () => 5",
        "globalThis.main = () => { const e = new Error('x'); e.stack = { toString() { throw 1 } }; throw e }",
        "globalThis.main = () => new Proxy({}, { get() { throw 1 } })",
    ] {
        // Whatever comes out, it comes out, and the engine works on.
        let _ = run(&engine, text, "x").await;
        let after = run(&engine, "globalThis.main = (x) => x + 1", "a").await;
        assert_eq!(after.unwrap(), "a1", "after {text}");
    }
}

#[tokio::test]
async fn a_member_of_nothing_is_nothing() {
    let engine = engine(300);
    let text = "globalThis.main = (text) => {
        const o = JSON.parse(text), i = 1, name = 'x';
        const read = [o.a.b.c, o['a'][name], o.n.x, o.n[i], o.a.map(it => it), o.n.x.y(1)(2),
            o.a?.b, [].concat(o.a.b)[0], o.list[5].x, (o.a || {}).b ?? null];
        const thrown = [() => o.n.x = 1, () => nothing, () => o.list(), () => undefined(),
            () => { for (const it of o.a) it }, () => { const { b } = o.n }].map((f) => {
            try { f(); return 'none' } catch (error) { return error.constructor.name }
        });
        return JSON.stringify([read, thrown]);
    }";
    let answer = run(&engine, text, r#"{"n":null,"list":[1]}"#).await;
    assert_eq!(
        answer.unwrap(),
        r#"[[null,null,null,null,null,null,null,null,null,null],["TypeError","ReferenceError","TypeError","TypeError","TypeError","TypeError"]]"#
    );
}

#[tokio::test]
async fn errors_name_the_authors_line() {
    let engine = engine(300);
    let error = run(&engine, "globalThis.main = () => {\n  null.x = 1\n}", "")
        .await
        .unwrap_err();
    assert_eq!(
        failure(&error).place.map(|(line, _)| line),
        Some(2),
        "{error}"
    );
    let error = run(&engine, "let a = 1;\nlet b = = 2", "")
        .await
        .unwrap_err();
    assert_eq!(failure(&error).kind, ScriptFailureKind::Syntax);
    assert_eq!(
        failure(&error).place.map(|(line, _)| line),
        Some(2),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn an_instance_serves_one_program_of_one_database() {
    let runtime = Arc::new(ScriptRuntime::new(ScriptLimits::default()));
    let (one, other) = (
        DatabaseScripts::new(Arc::clone(&runtime)),
        DatabaseScripts::new(runtime),
    );
    let counting = "let n = 0; globalThis.main = () => String(++n)";
    assert_eq!(run(&one, counting, "").await.unwrap(), "1");
    assert_eq!(run(&one, counting, "").await.unwrap(), "2", "it is kept");
    assert_eq!(run(&other, counting, "").await.unwrap(), "1");
    let looking = "globalThis.main = () => typeof n";
    assert_eq!(run(&one, looking, "").await.unwrap(), "undefined");
}

#[tokio::test]
async fn a_looping_script_lets_others_run() {
    let limits = ScriptLimits {
        timeout_ms: 60_000,
        ..ScriptLimits::default()
    };
    let engine = Arc::new(DatabaseScripts::new(Arc::new(ScriptRuntime::new(limits))));
    let looping = Arc::clone(&engine);
    // The test has one thread: without giving way, the second script would never start.
    let endless = tokio::spawn(async move {
        run(&looping, "globalThis.main = () => { while (true) {} }", "").await
    });
    let quick = run(
        &engine,
        "globalThis.main = (x) => new Date().toISOString() + x",
        "!",
    )
    .await;
    assert_eq!(quick.unwrap(), "2001-09-09T01:46:40.000Z!");
    endless.abort();
    assert!(endless.await.unwrap_err().is_cancelled());
}
