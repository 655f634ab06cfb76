//! Modules of indexes: the documented example, and those that would do harm.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinyon_core::Result;
use pinyon_core::host::Timestamp;

use super::super::{ScriptLimits, ScriptRuntime};
use super::IndexModule;

const NOW: Timestamp = Timestamp::from_ticks(0);

fn runtime() -> ScriptRuntime {
    ScriptRuntime::new(ScriptLimits {
        timeout_ms: 200,
        max_memory_bytes: 4 << 20,
        max_stack_bytes: 64 << 10,
        max_output_bytes: 1 << 20,
    })
}

/// The module in the documentation.
fn example() -> Vec<u8> {
    let text = include_str!("../../../../docs/webassembly-maps.md");
    let (_, text) = text.split_once("```wat\n").unwrap();
    let (text, _) = text.split_once("```").unwrap();
    wat::parse_str(text).unwrap()
}

/// A module whose map does `body`.
fn module(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module (memory (export "memory") 1)
        (func (export "allocate") (param i32) (result i32) (i32.const 8))
        (func $self (export "map") (param i32 i32) (result i64) {body}))"#
    );
    wat::parse_str(text).unwrap()
}

async fn map(bytes: &[u8], input: &str) -> Result<String> {
    let runtime = runtime();
    let module = IndexModule::new(&runtime, bytes, &["map"]).await?;
    module.call(&runtime, "map", input, NOW).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_example_works() {
    let runtime = runtime();
    let functions = ["map", "key", "reduce"];
    let module = IndexModule::new(&runtime, &example(), &functions)
        .await
        .unwrap();
    let call =
        async |function, input: &str| module.call(&runtime, function, input, NOW).await.unwrap();
    let document = r#"{"Name":"Eva","Home":{"Town":"Bonn"}}"#;
    assert_eq!(call("map", document).await, document);
    assert_eq!(call("key", document).await, r#""all""#);
    let group = format!(r#"{{"key":"all","values":[{document},{{"Name":"Max"}}]}}"#);
    assert_eq!(call("reduce", &group).await, document);
    // More than the memory that it begins with.
    let long = format!(r#"{{"Text":"{}"}}"#, "x".repeat(300_000));
    assert_eq!(call("map", &long).await, long);
    // What the story of the official client defines is this very module.
    let story = include_str!("../../../../tests/clients/node/stories/index-modules.test.js");
    assert!(
        story.contains(&STANDARD.encode(example())),
        "{}",
        STANDARD.encode(example())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_module_does_wrong_is_told() {
    for (body, what) in [
        (
            "(loop $again (br $again)) unreachable",
            "longer than 200 ms",
        ),
        ("(call $self (local.get 0) (local.get 1))", "nested deeper"),
        ("unreachable", "unreachable"),
        ("(i64.const 0x7fffffff00000010)", "outside the memory"),
        ("(i64.const 0x0000000000200000)", "the limit is 1048576"),
        (
            "(i32.store8 (i32.const 0) (i32.const 255)) (i64.const 1)",
            "not UTF-8",
        ),
        (
            "(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable)) (i64.const 0)",
            "unreachable",
        ),
    ] {
        let error = map(&module(body), "{}").await.unwrap_err();
        assert!(error.message().contains(what), "{body}: {error}");
    }
    let long = "x".repeat(100_000);
    let error = map(&module("(i64.const 0)"), &long).await.unwrap_err();
    assert!(error.message().contains("outside the memory"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_that_do_not_fit_are_refused() {
    let assembled = |text: &str| wat::parse_str(text).unwrap();
    for (bytes, what) in [
        (b"no module".to_vec(), "not valid"),
        (example()[..40].to_vec(), "not valid"),
        (vec![0; (4 << 20) + 1], "at most 4194304"),
        (assembled("(module)"), "does not export 'memory'"),
        (
            assembled(r#"(module (import "env" "clock" (func)))"#),
            "imports 'clock' of 'env'",
        ),
        (
            assembled(r#"(module (memory (export "memory") 1))"#),
            "'allocate' from (i32) to i32",
        ),
        (
            assembled(
                r#"(module (memory (export "memory") 1)
                (func (export "allocate") (param i32) (result i32) (i32.const 0))
                (func (export "map") (param i32) (result i32) (i32.const 0)))"#,
            ),
            "'map' from (i32, i32) to i64",
        ),
    ] {
        let error = map(&bytes, "{}").await.unwrap_err();
        assert!(error.message().contains(what), "{what}: {error}");
    }
}
