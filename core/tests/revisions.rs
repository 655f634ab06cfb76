//! Revisions are made, kept, found, restored and reverted to.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "revisions/reverts.rs"]
mod reverts;
mod story;

use bytes::Bytes;
use pinyon_core::commands::{BatchCommand, CommandOutcome, Configure, NextHiloRange};
use pinyon_core::document::{DocumentId, parse_document};
use pinyon_core::host::{Clock as _, TimeSpan, Timestamp};
use pinyon_core::revisions::{
    AdoptRevisions, CollectionRevisions, DeleteRevisions, EnforceRevisions, ForceRevision,
    ImportRevision, RevertDatabase, RevertDocument, RevertTarget, RevisionBinConfiguration,
    RevisionSelection, RevisionsConfiguration, SweepRevisionBin,
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
        written(&database, put("a", r#"{"n":1}"#)).await;
        assert!(bodies(&database, "a").await.is_empty(), "nothing changed");
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
fn a_version_of_the_time_without_revisions_is_not_lost_to_the_next_write_or_the_bin() {
    Story::new().run(async |database| {
        let off = CollectionRevisions {
            disabled: true,
            ..Default::default()
        };
        for document in ["written", "deleted", "deleted later"] {
            keep(&database, CollectionRevisions::default()).await;
            written(&database, put(document, r#"{"n":1}"#)).await;
            keep(&database, off.clone()).await;
            written(&database, put(document, r#"{"n":2}"#)).await;
            written(&database, put(document, r#"{"n":3}"#)).await;
            assert_eq!(bodies(&database, document).await.len(), 1);
        }
        write_one(&database, delete("deleted later")).await.unwrap();
        keep(&database, CollectionRevisions::default()).await;
        written(&database, put("written", r#"{"n":4}"#)).await;
        let expected = [
            r#"HasRevisions, Revision {"n":4}"#,
            r#"HasRevisions, Revision {"n":3}"#,
            r#"HasRevisions, Revision {"n":1}"#,
        ];
        assert_eq!(bodies(&database, "written").await, expected);
        written(&database, put("written", r#"{"n":5}"#)).await;
        assert_eq!(bodies(&database, "written").await.len(), 4, "and only once");

        write_one(&database, delete("deleted")).await.unwrap();
        for document in ["deleted", "deleted later"] {
            let restore = RevertDocument {
                id: id(document),
                target: RevertTarget::LastLive,
            };
            write_one(&database, BatchCommand::RevertDocument(restore))
                .await
                .unwrap();
            assert_eq!(json(&database, document).await.unwrap()["n"], 3);
        }
        verify(&database).await;
    });
}

#[test]
fn a_version_forced_while_revisions_were_off_is_recorded_once() {
    Story::new().run(async |database| {
        written(&database, put("a", r#"{"n":1}"#)).await;
        let force = ForceRevision {
            id: id("a"),
            must_exist: true,
        };
        let force = BatchCommand::ForceRevision(force);
        write_one(&database, force.clone()).await.unwrap();
        written(&database, put("a", r#"{"n":2}"#)).await;
        written(&database, put("a", r#"{"n":3}"#)).await;
        write_one(&database, force).await.unwrap();
        keep(&database, CollectionRevisions::default()).await;
        written(&database, put("a", r#"{"n":3}"#)).await;
        let expected = [
            r#"HasRevisions, Revision, ForceCreated {"n":3}"#,
            r#"HasRevisions, Revision, ForceCreated {"n":1}"#,
        ];
        assert_eq!(bodies(&database, "a").await, expected, "nothing changed");
        verify(&database).await;
    });
}

#[test]
fn a_version_whose_revision_was_removed_is_recorded_before_it_goes() {
    Story::new().run(async |database| {
        let force = BatchCommand::ForceRevision(ForceRevision {
            id: id("a"),
            must_exist: true,
        });
        written(&database, put("a", r#"{"n":1}"#)).await;
        write_one(&database, force).await.unwrap();
        keep(&database, CollectionRevisions::default()).await;
        written(&database, put("a", r#"{"n":2}"#)).await;
        let off = CollectionRevisions {
            disabled: true,
            ..Default::default()
        };
        keep(&database, off).await;
        let step = EnforceRevisions {
            after: Bytes::new(),
            limit: 10,
            collections: Vec::new(),
            includes_forced: false,
        };
        let done = database.enforce_revisions_step(step).await.unwrap();
        assert_eq!(done.removed, 1);
        let forced = r#"HasRevisions, Revision, ForceCreated {"n":1}"#;
        assert_eq!(bodies(&database, "a").await, [forced]);
        keep(&database, CollectionRevisions::default()).await;
        written(&database, put("a", r#"{"n":3}"#)).await;
        let expected = [
            r#"HasRevisions, Revision {"n":3}"#,
            r#"HasRevisions, Revision {"n":2}"#,
            forced,
        ];
        assert_eq!(bodies(&database, "a").await, expected);
        verify(&database).await;
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
                includes_forced: false,
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

async fn bin(database: &Database<TestStore>) -> Vec<String> {
    let read = database.read().await.unwrap();
    let found = read.revision_bin(Etag::ZERO, 0, 100).await.unwrap();
    found.iter().map(|it| it.id().to_owned()).collect()
}

/// Everything in the store fits together.
async fn verify(database: &Database<TestStore>) {
    let read = database.read().await.unwrap();
    let report = pinyon_core::verify::verify(read.snapshot(), |_| {}).await;
    assert!(report.is_sound(), "{:?}", report.problems);
}

async fn delete_revisions(
    database: &Database<TestStore>,
    of: &str,
    selection: RevisionSelection,
    includes_forced: bool,
) -> pinyon_core::Result<u64> {
    let delete = DeleteRevisions {
        id: id(of),
        selection,
        includes_forced,
        limit: 1000,
    };
    match write_one(database, BatchCommand::DeleteRevisions(delete)).await? {
        CommandOutcome::DeletedRevisions(count) => Ok(count),
        other => panic!("{other:?}"),
    }
}

const ALL: RevisionSelection = RevisionSelection::Between(None, None);

#[test]
fn revisions_are_deleted_by_time_by_vector_and_all() {
    let story = Story::new();
    story.run(async |database| {
        keep(&database, CollectionRevisions::default()).await;
        let start = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let at = |seconds: i64| start.plus_ms(seconds * 1000);
        let mut vectors = Vec::new();
        for n in 0..6 {
            story.clock.set(at(n));
            let put = put("a", &format!(r#"{{"n":{n}}}"#));
            vectors.push(written(&database, put).await.change_vector);
        }
        let other = written(&database, put("b", "{}")).await.change_vector;
        let between = RevisionSelection::Between(Some(at(1)), Some(at(2)));
        assert_eq!(
            delete_revisions(&database, "A", between, false)
                .await
                .unwrap(),
            2
        );
        let named = vec![vectors[0].clone(), vectors[1].clone()];
        let named = RevisionSelection::ChangeVectors(named);
        let gone = delete_revisions(&database, "a", named, false)
            .await
            .unwrap();
        assert_eq!(gone, 1, "one was gone before");
        let of_another = RevisionSelection::ChangeVectors(vec![vectors[5].clone(), other]);
        let refused = delete_revisions(&database, "a", of_another, false).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidRequest);
        assert_eq!(bodies(&database, "a").await.len(), 3, "all or none");
        let nonsense = RevisionSelection::ChangeVectors(vec!["nonsense".to_owned()]);
        assert!(
            delete_revisions(&database, "a", nonsense, false)
                .await
                .is_err()
        );
        assert_eq!(
            delete_revisions(&database, "a", ALL, false).await.unwrap(),
            3
        );
        assert_eq!(
            delete_revisions(&database, "a", ALL, false).await.unwrap(),
            0
        );
        let shown = json(&database, "a").await.unwrap();
        assert_eq!(shown["n"], 5, "the document stays");
        assert!(shown["@metadata"].get("@flags").is_none(), "{shown}");
        verify(&database).await;
    });
}

#[test]
fn the_bin_follows_what_is_deleted_of_a_history() {
    Story::new().run(async |database| {
        keep(&database, CollectionRevisions::default()).await;
        let deletion = async || {
            write_one(&database, delete("a")).await.unwrap();
            let read = database.read().await.unwrap();
            let newest = read.revisions("a", 0, 1).await.unwrap();
            newest[0].change_vector().to_owned()
        };
        written(&database, put("a", r#"{"n":1}"#)).await;
        deletion().await;
        written(&database, put("a", r#"{"n":2}"#)).await;
        let second = deletion().await;
        assert_eq!(bin(&database).await, ["a"]);
        let newest = RevisionSelection::ChangeVectors(vec![second]);
        assert_eq!(
            delete_revisions(&database, "a", newest, false)
                .await
                .unwrap(),
            1
        );
        assert_eq!(bin(&database).await, ["a"], "by its former deletion");
        verify(&database).await;
        assert_eq!(
            delete_revisions(&database, "a", ALL, false).await.unwrap(),
            3
        );
        assert!(bin(&database).await.is_empty());
        verify(&database).await;
    });
}

#[test]
fn what_was_made_on_request_goes_on_request() {
    Story::new().run(async |database| {
        written(&database, put("a", r#"{"n":1}"#)).await;
        let force = ForceRevision {
            id: id("a"),
            must_exist: true,
        };
        write_one(&database, BatchCommand::ForceRevision(force))
            .await
            .unwrap();
        let forced = r#"HasRevisions, Revision, ForceCreated {"n":1}"#;
        assert_eq!(bodies(&database, "a").await, [forced]);
        let shown = json(&database, "a").await.unwrap();
        assert_eq!(
            shown["@metadata"]["@flags"], "HasRevisions",
            "the document was not"
        );
        let enforce = async |includes_forced| {
            let step = EnforceRevisions {
                after: Bytes::new(),
                limit: 10,
                collections: vec![],
                includes_forced,
            };
            database.enforce_revisions_step(step).await.unwrap().removed
        };
        assert_eq!(enforce(false).await, 0);
        assert_eq!(
            delete_revisions(&database, "a", ALL, false).await.unwrap(),
            0
        );
        assert_eq!(bodies(&database, "a").await.len(), 1);
        assert_eq!(enforce(true).await, 1);
        assert!(bodies(&database, "a").await.is_empty());
        verify(&database).await;
    });
}

#[test]
fn the_bin_is_emptied_by_age_also_after_the_clock_jumped() {
    let story = Story::new();
    story.run(async |database| {
        keep(&database, CollectionRevisions::default()).await;
        let start = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        for (name, hour) in [("ahead", 90), ("old", 0), ("young", 30), ("lives", 0)] {
            story.clock.set(start.plus_ms(hour * 3_600_000));
            written(&database, put(name, "{}")).await;
            write_one(&database, delete(name)).await.unwrap();
        }
        written(&database, put("lives", "{}")).await;
        let configuration = RevisionBinConfiguration::parse(
            r#"{"Disabled":false,"MinimumEntriesAgeToKeepInMin":600,"CleanerFrequencyInSec":5}"#,
        )
        .unwrap();
        let now = start.plus_ms(31 * 3_600_000);
        story.clock.set(now);
        let mut step = SweepRevisionBin {
            older_than: configuration.horizon(now).unwrap(),
            after: Bytes::new(),
            limit: 1,
        };
        let mut removed = 0;
        loop {
            let done = database
                .sweep_revision_bin_step(step.clone())
                .await
                .unwrap();
            removed += done.removed;
            match done.next {
                Some(next) => step.after = next,
                None => break,
            }
        }
        assert_eq!(removed, 2, "the old one's, with its deletion");
        assert_eq!(bin(&database).await, ["young", "ahead"]);
        assert!(bodies(&database, "old").await.is_empty());
        assert_eq!(bodies(&database, "lives").await.len(), 3);
        verify(&database).await;
        let off = RevisionBinConfiguration::default();
        assert_eq!(off.horizon(now), None);
        for bad in [
            "[]",
            r#"{"CleanerFrequencyInSec":0}"#,
            r#"{"MinimumEntriesAgeToKeepInMin":-1}"#,
        ] {
            assert!(RevisionBinConfiguration::parse(bad).is_err(), "{bad}");
        }
        let endless = RevisionBinConfiguration {
            disabled: false,
            minimum_entries_age_to_keep_in_min: u64::MAX,
            ..off
        };
        assert_eq!(endless.horizon(now), None);
    });
}

#[test]
fn revisions_of_nobody_are_adopted_into_the_bin() {
    Story::new().run(async |database| {
        written(&database, put("lives", "{}")).await;
        for name in ["lives", "nobody"] {
            let import = ImportRevision {
                id: id(name),
                document: parse_document(
                    r#"{"n":1,"@metadata":{"@collection":"Ns"}}"#,
                    &pinyon_core::Limits::default(),
                )
                .unwrap(),
                change_vector: None,
                last_modified: None,
                flags: pinyon_core::schema::documents::DocumentFlags::NONE,
                attachments: vec![],
            };
            write_one(&database, BatchCommand::ImportRevision(import))
                .await
                .unwrap();
        }
        let adopt = async |collection: &str| {
            let step = AdoptRevisions {
                after: Bytes::new(),
                limit: 10,
                collections: vec![collection.to_owned()],
            };
            database.adopt_revisions_step(step).await.unwrap().adopted
        };
        assert!(bin(&database).await.is_empty());
        assert_eq!(adopt("others").await, 0);
        assert_eq!(adopt("ns").await, 1);
        assert_eq!(adopt("ns").await, 0);
        assert_eq!(bin(&database).await, ["nobody"]);
        verify(&database).await;
        let restore = RevertDocument {
            id: id("nobody"),
            target: RevertTarget::LastLive,
        };
        write_one(&database, BatchCommand::RevertDocument(restore))
            .await
            .unwrap();
        assert_eq!(json(&database, "nobody").await.unwrap()["n"], 1);
        verify(&database).await;
    });
}
