//! Revisions are made, kept, found, restored and reverted to.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use bytes::Bytes;
use pinyon_core::commands::{BatchCommand, CommandOutcome, Configure};
use pinyon_core::document::DocumentId;
use pinyon_core::host::{TimeSpan, Timestamp};
use pinyon_core::revisions::{
    CollectionRevisions, EnforceRevisions, ForceRevision, RevertDatabase, RevertDocument,
    RevertTarget, RevisionsConfiguration,
};
use pinyon_core::version::Etag;
use pinyon_core::{Database, ErrorKind};
use story::{Story, TestStore, delete, json, put, write_one, written};

fn id(text: &str) -> DocumentId {
    DocumentId::new(text, 512).unwrap()
}

async fn keep(database: &Database<TestStore>, kept: CollectionRevisions) {
    let configuration = RevisionsConfiguration {
        default: Some(kept),
        ..RevisionsConfiguration::default()
    };
    database
        .configure(Configure::Revisions(configuration))
        .await
        .unwrap();
}

async fn bodies(database: &Database<TestStore>, id: &str) -> Vec<String> {
    let read = database.read().await.unwrap();
    let revisions = read.revisions(id, 0, 100).await.unwrap();
    assert_eq!(
        read.revision_count(id).await.unwrap(),
        revisions.len() as u64
    );
    revisions
        .iter()
        .map(|it| format!("{} {}", it.flags().to_text(), it.body()))
        .collect()
}

#[test]
fn two_blind_writes_leave_two_revisions() {
    Story::new().run(async |database| {
        keep(&database, CollectionRevisions::default()).await;
        let first = written(&database, put("a", r#"{"by":1}"#)).await;
        written(&database, put("a", r#"{"by":2}"#)).await;
        let expected = [
            r#"HasRevisions, Revision {"by":2}"#,
            r#"HasRevisions, Revision {"by":1}"#,
        ];
        assert_eq!(bodies(&database, "A").await, expected);
        let read = database.read().await.unwrap();
        let vectors = [first.change_vector.as_str(), "A:99-AAAAAAAAAAAAAAAAAAAAAA"];
        let found = read.revisions_by_vector(&vectors).await.unwrap();
        assert_eq!(found[0].as_ref().unwrap().body(), r#"{"by":1}"#);
        assert!(found[1].is_none());
        assert!(read.revisions_by_vector(&["nonsense"]).await.is_err());
        assert_eq!(read.statistics().await.unwrap().revision_count, 2);
    });
}

#[test]
fn nothing_is_kept_unless_configured_and_the_last_version_before_is() {
    Story::new().run(async |database| {
        written(&database, put("a", r#"{"n":1}"#)).await;
        assert!(bodies(&database, "a").await.is_empty());
        keep(&database, CollectionRevisions::default()).await;
        written(&database, put("a", r#"{"n":2}"#)).await;
        assert_eq!(
            bodies(&database, "a").await.len(),
            2,
            "the version before is kept too"
        );
        written(&database, put("a", r#"{"n":2}"#)).await;
        assert_eq!(bodies(&database, "a").await.len(), 2, "nothing changed");
        keep(
            &database,
            CollectionRevisions {
                disabled: true,
                ..Default::default()
            },
        )
        .await;
        written(&database, put("a", r#"{"n":3}"#)).await;
        assert_eq!(bodies(&database, "a").await.len(), 2);
    });
}

#[test]
fn counts_and_ages_bound_what_is_kept() {
    let story = Story::new();
    story.run(async |database| {
        let count = CollectionRevisions {
            minimum_revisions_to_keep: Some(3),
            ..CollectionRevisions::default()
        };
        keep(&database, count.clone()).await;
        for n in 0..10 {
            written(&database, put("count", &format!(r#"{{"n":{n}}}"#))).await;
        }
        assert_eq!(bodies(&database, "count").await.len(), 3);
        let age = Some(TimeSpan::from_seconds(60));
        let both = CollectionRevisions {
            minimum_revision_age_to_keep: age,
            ..count
        };
        keep(&database, both).await;
        for n in 0..5 {
            written(&database, put("both", &format!(r#"{{"n":{n}}}"#))).await;
        }
        assert_eq!(
            bodies(&database, "both").await.len(),
            5,
            "all are too young to go"
        );
        story.clock.advance_ms(61_000);
        written(&database, put("both", r#"{"n":5}"#)).await;
        assert_eq!(bodies(&database, "both").await.len(), 3);
        let by_age = CollectionRevisions {
            minimum_revision_age_to_keep: age,
            maximum_revisions_to_delete_upon_document_update: Some(2),
            ..CollectionRevisions::default()
        };
        keep(&database, by_age).await;
        story.clock.advance_ms(61_000);
        written(&database, put("both", r#"{"n":6}"#)).await;
        assert_eq!(
            bodies(&database, "both").await.len(),
            2,
            "four, of which two may go"
        );
        keep(
            &database,
            CollectionRevisions {
                minimum_revisions_to_keep: Some(0),
                ..Default::default()
            },
        )
        .await;
        written(&database, put("none", r#"{"n":1}"#)).await;
        let shown = json(&database, "none").await.unwrap();
        assert!(shown["@metadata"].get("@flags").is_none(), "{shown}");
    });
}

#[test]
fn a_deleted_document_is_in_the_bin_until_it_is_restored() {
    Story::new().run(async |database| {
        keep(&database, CollectionRevisions::default()).await;
        written(&database, put("Users/1", r#"{"n":1}"#)).await;
        write_one(&database, delete("users/1")).await.unwrap();
        let bin = async || {
            let read = database.read().await.unwrap();
            let found = read.revision_bin(Etag::ZERO, 0, 10).await.unwrap();
            found
                .iter()
                .map(|it| it.id().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(bin().await, ["Users/1"]);
        let expected = [
            "HasRevisions, DeleteRevision {}",
            r#"HasRevisions, Revision {"n":1}"#,
        ];
        assert_eq!(bodies(&database, "users/1").await, expected);
        let restore = RevertDocument {
            id: id("users/1"),
            target: RevertTarget::LastLive,
        };
        write_one(&database, BatchCommand::RevertDocument(restore))
            .await
            .unwrap();
        assert!(bin().await.is_empty());
        let restored = json(&database, "users/1").await.unwrap();
        assert_eq!(restored["n"], 1);
        assert_eq!(restored["@metadata"]["@id"], "Users/1");
        assert_eq!(restored["@metadata"]["@flags"], "HasRevisions, Reverted");
        assert_eq!(bodies(&database, "users/1").await.len(), 3);
    });
}

#[test]
fn purging_on_delete_leaves_nothing() {
    Story::new().run(async |database| {
        keep(
            &database,
            CollectionRevisions {
                purge_on_delete: true,
                ..Default::default()
            },
        )
        .await;
        written(&database, put("a", r#"{"n":1}"#)).await;
        written(&database, put("a", r#"{"n":2}"#)).await;
        write_one(&database, delete("a")).await.unwrap();
        assert!(bodies(&database, "a").await.is_empty());
        let read = database.read().await.unwrap();
        assert!(
            read.revision_bin(Etag::ZERO, 0, 10)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(read.statistics().await.unwrap().revision_count, 0);
    });
}

#[test]
fn a_document_is_read_and_reverted_as_of_a_time() {
    let story = Story::new();
    story.run(async |database| {
        keep(&database, CollectionRevisions::default()).await;
        let at = |seconds: i64| {
            Timestamp::parse("2026-01-01T00:00:00Z")
                .unwrap()
                .plus_ms(seconds * 1000)
        };
        for n in 0..4 {
            story.clock.set(at(n * 10));
            written(&database, put("contract", &format!(r#"{{"rate":{n}}}"#))).await;
        }
        story.clock.set(at(35));
        written(&database, put("later", "{}")).await;
        story.clock.set(at(50));
        let read = database.read().await.unwrap();
        let then = read
            .revision_before("contract", at(15))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(then.body(), r#"{"rate":1}"#);
        assert!(
            read.revision_before("contract", at(-1))
                .await
                .unwrap()
                .is_none()
        );
        let mut step = RevertDatabase {
            to: at(15),
            collections: vec![],
            after: Bytes::new(),
            limit: 1,
        };
        let mut reverted = 0;
        loop {
            let done = database.revert_step(step.clone()).await.unwrap();
            reverted += done.reverted;
            match done.next {
                Some(next) => step.after = next,
                None => break,
            }
        }
        assert_eq!(reverted, 2);
        assert_eq!(json(&database, "contract").await.unwrap()["rate"], 1);
        assert!(
            json(&database, "later").await.is_none(),
            "it was made after the moment"
        );
        assert_eq!(
            bodies(&database, "contract").await.len(),
            5,
            "nothing of the history is lost"
        );
    });
}

#[test]
fn reverting_to_a_vector_needs_that_documents_own() {
    Story::new().run(async |database| {
        keep(&database, CollectionRevisions::default()).await;
        let first = written(&database, put("a", r#"{"n":1}"#)).await;
        written(&database, put("a", r#"{"n":2}"#)).await;
        written(&database, put("b", "{}")).await;
        let target = RevertTarget::ChangeVector(first.change_vector);
        let wrong = RevertDocument {
            id: id("b"),
            target: target.clone(),
        };
        let error = write_one(&database, BatchCommand::RevertDocument(wrong))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let right = RevertDocument {
            id: id("a"),
            target,
        };
        write_one(&database, BatchCommand::RevertDocument(right))
            .await
            .unwrap();
        assert_eq!(json(&database, "a").await.unwrap()["n"], 1);
    });
}

#[test]
fn a_revision_can_be_forced_once_for_each_version() {
    Story::new().run(async |database| {
        written(&database, put("a", "{}")).await;
        let force = |of: &str, must_exist| {
            BatchCommand::ForceRevision(ForceRevision {
                id: id(of),
                must_exist,
            })
        };
        let forced = async |command| match write_one(&database, command).await.unwrap() {
            CommandOutcome::ForcedRevision(forced) => forced,
            other => panic!("{other:?}"),
        };
        let first = forced(force("a", true)).await;
        assert!(first.is_new);
        let shown = first.document.unwrap();
        assert_eq!(
            (shown.id.as_str(), shown.flags.to_text()),
            ("a", "HasRevisions".to_owned())
        );
        assert!(!forced(force("a", true)).await.is_new);
        let flags = &json(&database, "a").await.unwrap()["@metadata"]["@flags"];
        assert_eq!(flags, "HasRevisions");
        assert!(write_one(&database, force("nope", true)).await.is_err());
        assert_eq!(forced(force("nope", false)).await, Default::default());
        write_one(&database, delete("a")).await.unwrap();
        assert_eq!(
            bodies(&database, "a").await.len(),
            2,
            "a deletion joins what is there"
        );
    });
}

#[test]
fn enforcing_removes_what_no_configuration_covers() {
    Story::new().run(async |database| {
        keep(&database, CollectionRevisions::default()).await;
        for n in 0..5 {
            for name in ["a", "b", "c"] {
                written(&database, put(name, &format!(r#"{{"n":{n}}}"#))).await;
            }
        }
        let enforce = async || {
            let mut step = EnforceRevisions {
                after: Bytes::new(),
                limit: 2,
                collections: vec![],
            };
            let mut removed = 0;
            loop {
                let done = database.enforce_revisions_step(step.clone()).await.unwrap();
                removed += done.removed;
                match done.next {
                    Some(next) => step.after = next,
                    None => return removed,
                }
            }
        };
        let two = CollectionRevisions {
            minimum_revisions_to_keep: Some(2),
            ..Default::default()
        };
        keep(&database, two).await;
        assert_eq!(enforce().await, 9);
        keep(
            &database,
            CollectionRevisions {
                disabled: true,
                ..Default::default()
            },
        )
        .await;
        assert_eq!(enforce().await, 6);
        let shown = json(&database, "a").await.unwrap();
        assert!(shown["@metadata"].get("@flags").is_none());
        assert_eq!(
            database
                .read()
                .await
                .unwrap()
                .statistics()
                .await
                .unwrap()
                .revision_count,
            0
        );
    });
}

#[test]
fn configurations_are_checked() {
    for bad in [
        "[]",
        r#"{"Default":{"MinimumRevisionAgeToKeep":"soon"}}"#,
        r#"{"Collections":{"A":{},"a":{}}}"#,
        r#"{"Default":{"MaximumRevisionsToDeleteUponDocumentUpdate":0}}"#,
        r#"{"Default":{"MinimumRevisionsToKeep":-1}}"#,
    ] {
        assert!(RevisionsConfiguration::parse(bad).is_err(), "{bad}");
    }
    let text = r#"{"Default":null,"Collections":{"Users":{"PurgeOnDelete":true}}}"#;
    let configuration = RevisionsConfiguration::parse(text).unwrap();
    assert!(
        configuration
            .of_collection("users")
            .unwrap()
            .purge_on_delete
    );
    assert!(configuration.of_collection("orders").is_none());
}
