//! Patches under concurrency: whatever happens between a script's run and its commit, its effect
//! is that of a run over what was really there.
//!
//! The engine here is Rust that answers as a script would, so that a test decides when things
//! happen; the real one is tested where it lives, and by the clients' stories.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use pinyon_core::commands::{
    BatchCommand, CommandOutcome, ExpectedVersion, JsonPatchDocument, PatchDocument,
};
use pinyon_core::document::{
    DocumentId, JsonPatch, PatchScript, PatchStatus, PatchedDocument, parse_document,
};
use pinyon_core::host::{ScriptCall, ScriptEngine, ScriptFailure, ScriptFailureKind, ScriptFuture};
use pinyon_core::{Database, ErrorKind, Limits, Result};
use serde_json::{Value, json};
use story::{Story, TestStore, json as read, put};

/// Answers as the prelude would. Its scripts are single words.
#[derive(Default)]
struct Scripted {
    runs: AtomicUsize,
    /// Written once, in the middle of the first run.
    meanwhile: Option<(Database<TestStore>, &'static str, &'static str)>,
}

impl Scripted {
    fn runs(&self) -> usize {
        self.runs.load(Ordering::Relaxed)
    }

    async fn answer(&self, call: ScriptCall) -> Result<String> {
        if self.runs.fetch_add(1, Ordering::Relaxed) == 0
            && let Some((database, id, text)) = &self.meanwhile
        {
            database.write_batch(vec![put(id, text)]).await?;
        }
        let input: Value = serde_json::from_str(&call.input).unwrap();
        let text = &call.program.parts.last().unwrap().text;
        let word = text.lines().nth(1).unwrap();
        let mut document = input["document"].clone();
        if document.is_null() {
            document = json!({});
        }
        let n = document["n"].as_i64().unwrap_or(0);
        let mut actions = json!([]);
        match word {
            "increment" => document["n"] = json!(n + 1),
            "nothing" => {}
            // JavaScript has these digits for 9007199254740993 and -9223372036854775807.
            "move_big" => {
                let moved = r#"{"x":1.5,"L":[9007199254740992,5],"n":1,"far":-9223372036854776000,"sum":9007199254740996}"#;
                let copy = json!({ "kind": "put", "id": "copy", "document": moved });
                return Ok(json!({ "document": moved, "actions": [copy] }).to_string());
            }
            "add_other" => match input["known"].get("other") {
                None => return Ok(json!({ "needs": ["other"] }).to_string()),
                Some(other) => {
                    document["n"] = json!(n + other["n"].as_i64().unwrap_or(0));
                    let log = json!({ "was": n, "@metadata": { "@collection": "Logs" } });
                    actions = json!([
                        { "kind": "put", "id": "log", "document": log.to_string() },
                        { "kind": "delete", "id": "other" },
                    ]);
                }
            },
            _ => {
                return Err(ScriptFailure {
                    kind: ScriptFailureKind::Thrown,
                    message: word.to_owned(),
                    place: Some((1, 1)),
                }
                .into_error());
            }
        }
        let document = document.to_string();
        Ok(json!({ "document": document, "actions": actions, "output": ["done"] }).to_string())
    }
}

impl ScriptEngine for Scripted {
    fn call(&self, call: ScriptCall) -> ScriptFuture<'_> {
        Box::pin(self.answer(call))
    }
}

fn script(word: &str) -> PatchScript {
    PatchScript::new(word, "{}").unwrap()
}

fn patch_of(id: &str, word: &str) -> PatchDocument {
    PatchDocument::new(DocumentId::new(id, 512).unwrap(), script(word))
}

fn patch(id: &str, word: &str) -> BatchCommand {
    BatchCommand::Patch(Box::new(patch_of(id, word)))
}

async fn run(
    database: &Database<TestStore>,
    engine: &Scripted,
    commands: Vec<BatchCommand>,
) -> Result<Vec<PatchedDocument>> {
    let outcomes = database.write_batch_with_scripts(engine, commands).await?;
    let patched = outcomes.into_iter().filter_map(|it| match it {
        CommandOutcome::Patched(patched) => Some(patched),
        _ => None,
    });
    Ok(patched.collect())
}

async fn n_of(database: &Database<TestStore>, id: &str) -> i64 {
    read(database, id).await.unwrap()["n"].as_i64().unwrap()
}

#[test]
fn concurrent_patches_of_one_document_all_count() {
    Story::new().run(async |database| {
        let engine = Scripted::default();
        database
            .write_batch(vec![put("a", r#"{"n":0}"#)])
            .await
            .unwrap();
        let patches = (0..100).map(|_| run(&database, &engine, vec![patch("A", "increment")]));
        for outcome in join_all(patches).await {
            assert_eq!(outcome.unwrap()[0].status, PatchStatus::Patched);
        }
        assert_eq!(n_of(&database, "a").await, 100);
        assert_eq!(engine.runs(), 100, "they take turns");
    });
}

#[test]
fn a_patch_runs_again_when_its_document_changed_under_it() {
    Story::new().run(async |database| {
        database
            .write_batch(vec![put("a", r#"{"n":1}"#)])
            .await
            .unwrap();
        let engine = Scripted {
            meanwhile: Some((database.clone(), "a", r#"{"n":10,"kept":true}"#)),
            ..Scripted::default()
        };
        run(&database, &engine, vec![patch("a", "increment")])
            .await
            .unwrap();
        assert_eq!(n_of(&database, "a").await, 11);
        assert_eq!(read(&database, "a").await.unwrap()["kept"], true);
        assert_eq!(engine.runs(), 2);
    });
}

#[test]
fn a_patch_runs_again_when_what_it_loaded_changed_under_it() {
    Story::new().run(async |database| {
        let before = vec![put("a", r#"{"n":1}"#), put("other", r#"{"n":5}"#)];
        database.write_batch(before).await.unwrap();
        let engine = Scripted::default();
        run(&database, &engine, vec![patch("a", "add_other")])
            .await
            .unwrap();
        assert_eq!(
            engine.runs(),
            2,
            "the second with the document it asked for"
        );
        assert_eq!(n_of(&database, "a").await, 6);
        assert_eq!(read(&database, "log").await.unwrap()["was"], 1);
        assert!(read(&database, "other").await.is_none());

        database
            .write_batch(vec![put("other", r#"{"n":5}"#)])
            .await
            .unwrap();
        let engine = Scripted {
            meanwhile: Some((database.clone(), "other", r#"{"n":100}"#)),
            ..Scripted::default()
        };
        run(&database, &engine, vec![patch("a", "add_other")])
            .await
            .unwrap();
        assert_eq!(n_of(&database, "a").await, 106);
    });
}

#[test]
fn commands_of_a_batch_see_those_before_them() {
    Story::new().run(async |database| {
        let engine = Scripted::default();
        let commands = vec![
            put("a", r#"{"n":40}"#),
            patch("a", "increment"),
            patch("b", "increment"),
            patch("a", "increment"),
        ];
        let patched = run(&database, &engine, commands).await.unwrap();
        let statuses: Vec<PatchStatus> = patched.iter().map(|it| it.status).collect();
        let missing = PatchStatus::DocumentDoesNotExist;
        assert_eq!(
            statuses,
            [PatchStatus::Patched, missing, PatchStatus::Patched]
        );
        assert_eq!(n_of(&database, "a").await, 42);
        assert!(read(&database, "b").await.is_none());
    });
}

#[test]
fn whole_numbers_that_a_script_moves_keep_their_digits() {
    Story::new().run(async |database| {
        let engine = Scripted::default();
        let before = r#"{"x":1.50,"big":9007199254740993,"n":1.0}"#;
        database.write_batch(vec![put("a", before)]).await.unwrap();
        let script = PatchScript::new("move_big", r#"{"far":-9223372036854775807}"#).unwrap();
        let patch = PatchDocument::new(DocumentId::new("a", 512).unwrap(), script);
        run(&database, &engine, vec![BatchCommand::Patch(Box::new(patch))])
            .await
            .unwrap();
        let read = database.read().await.unwrap();
        let patched = read.document("a").await.unwrap().unwrap();
        assert_eq!(
            patched.body(),
            r#"{"x":1.50,"L":[9007199254740993,5],"n":1.0,"far":-9223372036854775807,"sum":9007199254740996}"#
        );
        let copy = read.document("copy").await.unwrap().unwrap();
        assert_eq!(
            copy.body(),
            r#"{"x":1.5,"L":[9007199254740993,5],"n":1,"far":-9223372036854775807,"sum":9007199254740996}"#
        );
    });
}

#[test]
fn a_script_that_fails_takes_its_batch_along() {
    Story::new().run(async |database| {
        let engine = Scripted::default();
        database
            .write_batch(vec![put("a", r#"{"n":1}"#)])
            .await
            .unwrap();
        let commands = vec![put("b", "{}"), patch("a", "increment"), patch("a", "boom")];
        let error = run(&database, &engine, commands).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(
            error.message().contains("'a': 1:1") && error.message().contains("boom"),
            "{error}"
        );
        assert_eq!(
            error.details::<ScriptFailure>().unwrap().kind,
            ScriptFailureKind::Thrown
        );
        assert_eq!(n_of(&database, "a").await, 1);
        assert!(read(&database, "b").await.is_none());
    });
}

#[test]
fn what_is_missing_or_unexpected_is_told_apart() {
    Story::new().run(async |database| {
        let engine = Scripted::default();
        let with = |change: &dyn Fn(&mut PatchDocument)| {
            let mut patch = patch_of("a", "increment");
            change(&mut patch);
            vec![BatchCommand::Patch(Box::new(patch))]
        };
        let nothing = run(&database, &engine, with(&|_| {})).await.unwrap();
        assert_eq!(nothing[0].status, PatchStatus::DocumentDoesNotExist);
        assert_eq!(engine.runs(), 0);
        let document = parse_document(r#"{"n":7}"#, &Limits::default()).unwrap();
        let create = with(&|it| it.create_if_missing = Some(document.clone()));
        assert_eq!(
            run(&database, &engine, create).await.unwrap()[0].status,
            PatchStatus::Created
        );
        assert_eq!(n_of(&database, "a").await, 7);
        let wrong = ExpectedVersion::Exactly("A:99-x".to_owned());
        let refused = with(&|it| it.expected = wrong.clone());
        let error = run(&database, &engine, refused).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConcurrencyConflict);
        let skipped = with(&|it| {
            it.expected = wrong.clone();
            it.skip_if_unexpected = true;
        });
        let skipped = run(&database, &engine, skipped).await.unwrap();
        assert_eq!(skipped[0].status, PatchStatus::Skipped);
        assert_eq!(n_of(&database, "a").await, 7);
        let mut made = patch_of("new", "boom");
        made.if_missing = Some(script("increment"));
        let made = vec![BatchCommand::Patch(Box::new(made))];
        assert_eq!(
            run(&database, &engine, made).await.unwrap()[0].status,
            PatchStatus::Created
        );
        let unchanged = run(&database, &engine, vec![patch("a", "nothing")])
            .await
            .unwrap();
        assert_eq!(unchanged[0].status, PatchStatus::NotModified);
        assert_eq!(unchanged[0].output, ["done"]);
    });
}

#[test]
fn a_test_run_commits_nothing() {
    Story::new().run(async |database| {
        let engine = Scripted::default();
        database
            .write_batch(vec![put("a", r#"{"n":1.50}"#)])
            .await
            .unwrap();
        let tested = database
            .test_patch(&engine, patch_of("a", "increment"))
            .await
            .unwrap();
        assert_eq!(tested.status, PatchStatus::Patched);
        assert!(tested.document.unwrap().starts_with(r#"{"n":1,"#));
        assert!(tested.original.unwrap().starts_with(r#"{"n":1.50,"#));
        assert_eq!(read(&database, "a").await.unwrap()["n"], 1.5);
    });
}

#[test]
fn a_json_patch_is_applied_whole_or_not_at_all() {
    Story::new().run(async |database| {
        database
            .write_batch(vec![put("a", r#"{"n":1.50,"l":[1.0]}"#)])
            .await
            .unwrap();
        let command = |operations: &str| {
            vec![BatchCommand::JsonPatch(JsonPatchDocument {
                id: DocumentId::new("a", 512).unwrap(),
                expected: ExpectedVersion::Any,
                patch: JsonPatch::parse(operations).unwrap(),
                create_if_missing: None,
            })]
        };
        let engine = Scripted::default();
        let add = command(
            r#"[{"op":"add","path":"/l/-","value":2},{"op":"move","from":"/n","path":"/m"}]"#,
        );
        let patched = run(&database, &engine, add).await.unwrap();
        assert_eq!(patched[0].status, PatchStatus::Patched);
        let text = database
            .read()
            .await
            .unwrap()
            .document("a")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(text.body(), r#"{"l":[1.0,2],"m":1.5}"#);
        let failing =
            command(r#"[{"op":"remove","path":"/m"},{"op":"test","path":"/l/0","value":9}]"#);
        assert!(run(&database, &engine, failing).await.is_err());
        assert_eq!(read(&database, "a").await.unwrap()["m"], 1.5);
        assert!(JsonPatch::parse(r#"[{"op":"jump","path":"/a"}]"#).is_err());
    });
}
