//! Documents and databases go back to what they were.

use pinyon_core::revisions::RevisionPage;
use pinyon_core::schema::documents::DocumentFlags;

use super::*;

/// A moment so long after the stories begin.
fn at(seconds: i64) -> Timestamp {
    let beginning = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    beginning.plus_ms(seconds * 1000)
}

#[test]
fn a_document_is_read_and_reverted_as_of_a_time() {
    let story = Story::new();
    story.run(async |database| {
        keep(&database, CollectionRevisions::default()).await;
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
            window: None,
            changed_until: None,
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
fn ids_that_were_given_out_are_not_given_out_again_after_a_revert() {
    let story = Story::new();
    story.run(async |database| {
        let range = async || {
            let next = NextHiloRange {
                tag: "users".to_owned(),
                ..Default::default()
            };
            database.next_hilo_range(next).await.unwrap()
        };
        let revert = async |to| {
            let step = RevertDatabase {
                to,
                window: None,
                changed_until: None,
                collections: Vec::new(),
                after: Bytes::new(),
                limit: 10,
            };
            database.revert_step(step).await.unwrap()
        };
        let beginning = story.clock.now();
        story.clock.advance_ms(1000);
        keep(&database, CollectionRevisions::default()).await;
        range().await;
        assert!(bodies(&database, "Raven/Hilo/users").await.is_empty());
        // Who wants revisions of them has them, but does not get ids again either.
        let explicit = RevisionsConfiguration {
            default: None,
            collections: [("@hilo".to_owned(), CollectionRevisions::default())].into(),
        };
        let configure = Configure::Revisions(explicit);
        database.configure(configure).await.unwrap();
        let before = range().await;
        assert_eq!(bodies(&database, "Raven/Hilo/users").await.len(), 2);
        story.clock.advance_ms(1000);
        let moment = story.clock.now();
        story.clock.advance_ms(1000);
        let given = range().await;
        assert!(given.low > before.high);
        for to in [moment, beginning] {
            assert_eq!(revert(to).await.reverted, 0);
            assert!(range().await.low > given.high);
        }
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
fn a_revert_looks_back_as_far_as_its_window_and_leaves_later_writers_alone() {
    let story = Story::new();
    story.run(async |database| {
        keep(&database, CollectionRevisions::default()).await;
        let start = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let at = |seconds: i64| start.plus_ms(seconds * 1000);
        // The clock jumped back before the third write.
        for (n, second) in [0, 40, 30, 60].into_iter().enumerate() {
            story.clock.set(at(second));
            written(&database, put("a", &format!(r#"{{"n":{n}}}"#))).await;
        }
        let until = database
            .read()
            .await
            .unwrap()
            .statistics()
            .await
            .unwrap()
            .last_etag;
        story.clock.set(at(70));
        written(&database, put("busy", r#"{"n":1}"#)).await;
        written(&database, put("busy", r#"{"n":2}"#)).await;
        let revert = async |window, changed_until| {
            let step = RevertDatabase {
                to: at(50),
                window,
                changed_until,
                collections: vec![],
                after: Bytes::new(),
                limit: 10,
            };
            database.revert_step(step).await.unwrap()
        };
        let n = async || json(&database, "a").await.unwrap()["n"].clone();
        let done = revert(None, Some(until)).await;
        assert_eq!(
            (done.reverted, n().await),
            (1, 2.into()),
            "what came here last"
        );
        assert_eq!(done.left_alone, ["busy"]);
        revert(Some(TimeSpan::from_seconds(25)), None).await;
        assert_eq!(n().await, 1, "what has the latest time within the window");
        assert!(json(&database, "busy").await.is_none());
        let narrow = revert(Some(TimeSpan::from_seconds(1)), None).await;
        assert_eq!(
            (narrow.reverted, n().await),
            (1, 2.into()),
            "before the window the first one"
        );
    });
}

#[test]
fn histories_that_come_later_do_not_hide_what_is_newer_nor_bring_back_the_deleted() {
    let story = Story::new();
    story.run(async |database| {
        keep(&database, CollectionRevisions::default()).await;
        story.clock.set(at(100));
        written(&database, put("lives", r#"{"n":9}"#)).await;
        let imported = async |id: &str, n: u64, seconds: i64, flags: DocumentFlags| {
            let text = format!(r#"{{"n":{n}}}"#);
            let import = ImportRevision {
                id: DocumentId::new(id, 512).unwrap(),
                document: parse_document(&text, &pinyon_core::Limits::default()).unwrap(),
                change_vector: None,
                last_modified: Some(at(seconds)),
                flags,
                attachments: vec![],
            };
            write_one(&database, BatchCommand::ImportRevision(import))
                .await
                .unwrap();
        };
        for id in ["lives", "gone"] {
            imported(id, 1, 10, DocumentFlags::REVISION).await;
            imported(id, 1, 20, DocumentFlags::DELETE_REVISION).await;
        }
        let read = database.read().await.unwrap();
        let now = read.revision_before("lives", at(200)).await.unwrap();
        assert_eq!(now.unwrap().body(), r#"{"n":9}"#);
        let before = read.revision_before("lives", at(15)).await.unwrap();
        assert_eq!(before.unwrap().body(), r#"{"n":1}"#);

        story.clock.set(at(300));
        let step = RevertDatabase {
            to: at(5),
            window: None,
            changed_until: None,
            collections: vec![],
            after: Bytes::new(),
            limit: 10,
        };
        database.revert_step(step).await.unwrap();
        assert!(
            json(&database, "gone").await.is_none(),
            "nothing says that it existed then"
        );
    });
}

#[test]
fn a_revert_where_revisions_are_off_by_now_loses_nothing() {
    let story = Story::new();
    story.run(async |database| {
        keep(&database, CollectionRevisions::default()).await;
        written(&database, put("contract", r#"{"rate":1}"#)).await;
        let off = CollectionRevisions {
            disabled: true,
            ..CollectionRevisions::default()
        };
        keep(&database, off).await;
        written(&database, put("contract", r#"{"rate":2}"#)).await;
        let read = database.read().await.unwrap();
        let first = read.revisions("contract", 0, 10).await.unwrap().remove(0);
        let revert = RevertDocument {
            id: id("contract"),
            target: RevertTarget::ChangeVector(first.change_vector().to_owned()),
        };
        write_one(&database, BatchCommand::RevertDocument(revert))
            .await
            .unwrap();
        let bodies = bodies(&database, "contract").await;
        assert_eq!(
            bodies,
            [
                r#"HasRevisions, Reverted, Revision {"rate":1}"#,
                r#"HasRevisions, Revision {"rate":2}"#,
                r#"HasRevisions, Revision {"rate":1}"#,
            ]
        );
        verify(&database).await;
    });
}

#[test]
fn long_histories_are_read_up_to_a_number_of_bytes() {
    let story = Story::new();
    story.run(async |database| {
        keep(&database, CollectionRevisions::default()).await;
        for n in 0..40 {
            let text = format!(r#"{{"n":{n},"text":"{}"}}"#, "x".repeat(1000));
            written(&database, put("long", &text)).await;
        }
        let mut page = RevisionPage {
            start: 1,
            size: 100,
            max_bytes: 10_000,
            metadata_only: false,
        };
        let read = database.read().await.unwrap();
        let found = read.revision_page("long", &page).await.unwrap().len();
        assert!((10..39).contains(&found), "{found}");
        page.metadata_only = true;
        let found = read.revision_page("long", &page).await.unwrap();
        assert_eq!(found.len(), 39);
        assert!(found.iter().all(|it| it.body() == "{}"));
        assert!(found.iter().all(|it| !it.change_vector().is_empty()));
    });
}
