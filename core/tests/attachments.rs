//! Attachments come and go with their documents, once for each content.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use pinyon_core::attachments::{
    AttachmentName, AttachmentStatistics, CopyAttachment, DeleteAttachment, PutAttachment,
    hash_text, parse_hash,
};
use pinyon_core::commands::{
    BatchCommand, CommandOutcome, Configure, DeleteByPrefix, ExpectedVersion,
};
use pinyon_core::document::DocumentId;
use pinyon_core::host::Clock;
use pinyon_core::revisions::{
    CollectionRevisions, RevertDocument, RevertTarget, RevisionsConfiguration,
};
use pinyon_core::schema::blobs::CHUNK_BYTES;
use pinyon_core::{Database, ErrorKind};
use story::{Story, TestStore, delete, json, put, put_expecting, write_one, written};

fn id(text: &str) -> DocumentId {
    DocumentId::new(text, 512).unwrap()
}

fn name(text: &str) -> AttachmentName {
    AttachmentName::new(text).unwrap()
}

async fn attach(
    database: &Database<TestStore>,
    to: &str,
    as_name: &str,
    bytes: &[u8],
) -> BatchCommand {
    let mut upload = database.begin_upload().unwrap();
    for piece in bytes.chunks(100_000) {
        upload.write(piece).await.unwrap();
    }
    BatchCommand::PutAttachment(PutAttachment {
        id: id(to),
        name: name(as_name),
        content_type: "text/plain".to_owned(),
        content: upload.finish().await.unwrap(),
        expected: ExpectedVersion::Any,
    })
}

async fn content(database: &Database<TestStore>, of: &str, named: &str) -> Option<Vec<u8>> {
    let read = database.read().await.unwrap();
    let attachment = read.attachment(of, named).await.unwrap()?;
    let content = read.content(&attachment.hash).await.unwrap().unwrap();
    assert_eq!(content.size, attachment.size);
    let mut bytes = Vec::new();
    loop {
        let piece = read.content_at(&content, bytes.len() as u64).await.unwrap();
        if piece.is_empty() {
            return Some(bytes);
        }
        bytes.extend_from_slice(&piece);
    }
}

async fn counts(database: &Database<TestStore>) -> (u64, u64) {
    let read = database.read().await.unwrap();
    let kept = read.attachment_statistics().await.unwrap();
    assert_eq!(kept, read.count_attachments().await.unwrap());
    let AttachmentStatistics {
        attachment_count,
        content_count,
        ..
    } = kept;
    (attachment_count, content_count)
}

/// Sweeps everything loose; answers whether the store then holds no piece that is not referred to.
async fn sweep(database: &Database<TestStore>, story: &Story) -> usize {
    let mut swept = 0;
    loop {
        let now = story.clock.now().plus_ms(1);
        match database.sweep_loose_contents_step(now, 7).await.unwrap() {
            0 => return swept,
            count => swept += count,
        }
    }
}

#[test]
fn contents_of_any_size_come_back_whole() {
    Story::new().run(async |database| {
        written(&database, put("a", "{}")).await;
        for size in [
            0,
            1,
            40_000,
            CHUNK_BYTES - 1,
            CHUNK_BYTES,
            3 * CHUNK_BYTES + 5,
            20 * CHUNK_BYTES,
        ] {
            let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let attach = attach(&database, "a", "file", &bytes).await;
            write_one(&database, attach).await.unwrap();
            assert!(
                content(&database, "A", "FILE").await.unwrap() == bytes,
                "{size}"
            );
        }
        assert_eq!(
            counts(&database).await,
            (1, 1),
            "each replaced the one before"
        );
    });
}

#[test]
fn the_hash_is_the_protocols() {
    Story::new().run(async |database| {
        written(
            &database,
            put("a", r#"{"n":1,"@metadata":{"@collection":"C"}}"#),
        )
        .await;
        let attach = attach(&database, "a", "A.txt", b"hello attachment").await;
        let CommandOutcome::WrittenAttachment(attached) =
            write_one(&database, attach).await.unwrap()
        else {
            panic!("not an attachment")
        };
        let expected = "eLWgy4X4MphOJVfXMjVnPCd1IkMns7pKDjEIzzE6v3o=";
        assert_eq!(hash_text(&attached.hash), expected);
        assert_eq!(parse_hash(expected).unwrap(), attached.hash);
        let shown = json(&database, "a").await.unwrap();
        let metadata = &shown["@metadata"];
        assert_eq!(metadata["@change-vector"], attached.document_change_vector);
        assert_eq!(metadata["@flags"], "HasAttachments");
        assert_eq!(metadata["@attachments"][0]["Name"], "A.txt");
        assert_eq!(metadata["@attachments"][0]["Hash"], expected);
        assert_eq!(metadata["@attachments"][0]["Size"], 16);
        // A put of what was read keeps them, whatever it says of them.
        let forged = r#"{"n":2,"@metadata":{"@collection":"C","@attachments":[],"@flags":""}}"#;
        written(&database, put("a", forged)).await;
        let shown = json(&database, "a").await.unwrap();
        assert_eq!(shown["@metadata"]["@attachments"][0]["Name"], "A.txt");
    });
}

#[test]
fn a_document_and_its_attachment_are_one_transaction() {
    Story::new().run(async |database| {
        let scan = attach(&database, "leases/1", "scan", &[7; 100_000]).await;
        let stale = ExpectedVersion::Exactly("A:9-x".to_owned());
        let failing = vec![
            put("leases/1", "{}"),
            scan.clone(),
            put_expecting("leases/1", "{}", stale),
        ];
        assert!(database.write_batch(failing).await.is_err());
        assert!(json(&database, "leases/1").await.is_none());
        assert!(content(&database, "leases/1", "scan").await.is_none());
        database
            .write_batch(vec![put("leases/1", "{}"), scan])
            .await
            .unwrap();
        assert_eq!(
            content(&database, "leases/1", "scan").await.unwrap().len(),
            100_000
        );
        let homeless = attach(&database, "nope", "scan", b"x").await;
        assert_eq!(
            write_one(&database, homeless).await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
    });
}

#[test]
fn contents_are_shared_and_go_with_the_last_reference() {
    let story = Story::new();
    story.run(async |database| {
        let bytes = vec![9; 2 * CHUNK_BYTES];
        for doc in ["a", "b"] {
            written(&database, put(doc, "{}")).await;
            let attach = attach(&database, doc, "x", &bytes).await;
            write_one(&database, attach).await.unwrap();
        }
        assert_eq!(counts(&database).await, (2, 1));
        assert_eq!(
            sweep(&database, &story).await,
            3,
            "the second copy: two pieces and itself"
        );
        write_one(&database, delete("a")).await.unwrap();
        assert_eq!(content(&database, "b", "x").await.unwrap(), bytes);
        assert_eq!(sweep(&database, &story).await, 0);
        let remove = DeleteAttachment {
            id: id("b"),
            name: name("X"),
            expected: ExpectedVersion::Any,
        };
        let removed = write_one(&database, BatchCommand::DeleteAttachment(remove.clone())).await;
        assert!(matches!(
            removed.unwrap(),
            CommandOutcome::DeletedAttachment(Some(_))
        ));
        let again = write_one(&database, BatchCommand::DeleteAttachment(remove))
            .await
            .unwrap();
        assert_eq!(again, CommandOutcome::DeletedAttachment(None));
        let flags = json(&database, "b").await.unwrap()["@metadata"]
            .get("@flags")
            .cloned();
        assert_eq!(flags, None);
        assert_eq!(counts(&database).await, (0, 0));
        assert_eq!(sweep(&database, &story).await, 3);
    });
}

#[test]
fn broken_uploads_are_swept_and_cannot_be_used_afterwards() {
    let story = Story::new();
    story.run(async |database| {
        written(&database, put("a", "{}")).await;
        let mut broken = database.begin_upload().unwrap();
        broken.write(&vec![1; 30 * CHUNK_BYTES]).await.unwrap();
        drop(broken);
        let late = attach(&database, "a", "late", &vec![2; CHUNK_BYTES]).await;
        assert!(sweep(&database, &story).await > 20);
        assert_eq!(
            write_one(&database, late).await.unwrap_err().kind(),
            ErrorKind::TimedOut
        );
    });
}

#[test]
fn a_content_that_is_half_swept_is_never_used() {
    let story = Story::new();
    story.run(async |database| {
        written(&database, put("a", "{}")).await;
        let half_sweep = async || {
            let now = story.clock.now().plus_ms(1);
            let swept = database.sweep_loose_contents_step(now, 1).await.unwrap();
            assert!((1..32).contains(&swept), "{swept}");
        };
        let mut going_on = database.begin_upload().unwrap();
        going_on.write(&vec![1; 32 * CHUNK_BYTES]).await.unwrap();
        half_sweep().await;
        let more = going_on.write(&vec![1; 16 * CHUNK_BYTES]).await;
        assert_eq!(more.unwrap_err().kind(), ErrorKind::TimedOut);
        sweep(&database, &story).await;
        let done = attach(&database, "a", "done", &vec![2; 32 * CHUNK_BYTES]).await;
        half_sweep().await;
        let used = write_one(&database, done).await;
        assert_eq!(used.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(sweep(&database, &story).await > 0);
        assert_eq!(counts(&database).await, (0, 0));
    });
}

#[test]
fn old_contents_go_however_many_young_ones_there_are() {
    let story = Story::new();
    story.run(async |database| {
        let come_and_go = async |from: usize, to: usize| {
            let mut batch = Vec::new();
            for n in from..to {
                let id = format!("d/{n}");
                batch.push(put(&id, "{}"));
                batch.push(attach(&database, &id, "a", id.as_bytes()).await);
            }
            let prefix = "d/".to_owned();
            batch.push(BatchCommand::DeleteByPrefix(DeleteByPrefix { prefix }));
            database.write_batch(batch).await.unwrap();
        };
        come_and_go(0, 20).await;
        let then = story.clock.now().plus_ms(1);
        story.clock.advance_ms(1000);
        for batch in 1..=25 {
            come_and_go(200 * batch, 200 * (batch + 1)).await;
        }
        let mut swept = 0;
        for _ in 0..100 {
            swept += database.sweep_loose_contents_step(then, 7).await.unwrap();
        }
        assert_eq!(swept, 40, "twenty contents of one piece each");
    });
}

#[test]
fn attachments_are_copied_moved_and_renamed() {
    Story::new().run(async |database| {
        for doc in ["a", "b"] {
            written(&database, put(doc, "{}")).await;
        }
        let put_x = attach(&database, "a", "x", b"content").await;
        write_one(&database, put_x).await.unwrap();
        let copy = |from: (&str, &str), to: (&str, &str), is_move| {
            BatchCommand::CopyAttachment(CopyAttachment {
                id: id(from.0),
                name: name(from.1),
                destination_id: id(to.0),
                destination_name: name(to.1),
                expected: ExpectedVersion::Any,
                is_move,
            })
        };
        write_one(&database, copy(("a", "x"), ("b", "y"), false))
            .await
            .unwrap();
        assert_eq!(counts(&database).await, (2, 1));
        write_one(&database, copy(("a", "x"), ("a", "renamed"), true))
            .await
            .unwrap();
        assert!(content(&database, "a", "x").await.is_none());
        write_one(&database, copy(("a", "renamed"), ("b", "Y"), true))
            .await
            .unwrap();
        assert_eq!(counts(&database).await, (1, 1), "it replaced b's y");
        write_one(&database, copy(("b", "y"), ("b", "YY"), true))
            .await
            .unwrap();
        assert_eq!(content(&database, "b", "yy").await.unwrap(), b"content");
        assert!(
            write_one(&database, copy(("a", "x"), ("b", "z"), false))
                .await
                .is_err()
        );
        assert!(
            write_one(&database, copy(("b", "YY"), ("b", "YY"), false))
                .await
                .is_err()
        );
        let shown = json(&database, "a").await.unwrap();
        assert!(shown["@metadata"].get("@attachments").is_none());
    });
}

#[test]
fn expected_versions_of_attachments_are_checked() {
    Story::new().run(async |database| {
        written(&database, put("a", "{}")).await;
        let with = async |expected: ExpectedVersion| {
            let BatchCommand::PutAttachment(put) = attach(&database, "a", "x", b"1").await else {
                panic!("not a put")
            };
            let command = BatchCommand::PutAttachment(PutAttachment { expected, ..put });
            write_one(&database, command).await
        };
        let CommandOutcome::WrittenAttachment(first) =
            with(ExpectedVersion::Missing).await.unwrap()
        else {
            panic!("not an attachment")
        };
        let refused = with(ExpectedVersion::Missing).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConcurrencyConflict);
        with(ExpectedVersion::Exactly(first.change_vector.clone()))
            .await
            .unwrap();
        assert!(
            with(ExpectedVersion::Exactly(first.change_vector))
                .await
                .is_err()
        );
    });
}

#[test]
fn revisions_keep_contents_and_reverting_brings_them_back() {
    let story = Story::new();
    story.run(async |database| {
        let configuration = RevisionsConfiguration {
            default: Some(CollectionRevisions::default()),
            ..RevisionsConfiguration::default()
        };
        database
            .configure(Configure::Revisions(configuration))
            .await
            .unwrap();
        written(&database, put("a", "{}")).await;
        let old = attach(&database, "a", "x", &[1; 50_000]).await;
        let CommandOutcome::WrittenAttachment(with_old) = write_one(&database, old).await.unwrap()
        else {
            panic!("not an attachment")
        };
        let new = attach(&database, "a", "x", &[2; 50_000]).await;
        write_one(&database, new).await.unwrap();
        write_one(&database, delete("a")).await.unwrap();
        assert_eq!(
            sweep(&database, &story).await,
            0,
            "revisions hold both contents"
        );
        assert_eq!(counts(&database).await, (0, 2));
        let target = RevertTarget::ChangeVector(with_old.document_change_vector);
        let revert = RevertDocument {
            id: id("a"),
            target,
        };
        write_one(&database, BatchCommand::RevertDocument(revert))
            .await
            .unwrap();
        assert_eq!(content(&database, "a", "x").await.unwrap(), [1; 50_000]);
        let purge = CollectionRevisions {
            purge_on_delete: true,
            ..Default::default()
        };
        let configuration = RevisionsConfiguration {
            default: Some(purge),
            ..RevisionsConfiguration::default()
        };
        database
            .configure(Configure::Revisions(configuration))
            .await
            .unwrap();
        write_one(&database, delete("a")).await.unwrap();
        assert_eq!(counts(&database).await, (0, 0));
        assert_eq!(sweep(&database, &story).await, 4);
    });
}

#[test]
fn the_last_version_before_revisions_keeps_what_the_next_one_replaces() {
    Story::new().run(async |database| {
        for id in ["put", "deleted", "moved", "reverted"] {
            written(&database, put(id, r#"{"n":1}"#)).await;
            // Nothing else refers to this content.
            let attached = attach(&database, id, "scan", id.as_bytes()).await;
            write_one(&database, attached).await.unwrap();
        }
        let configuration = RevisionsConfiguration {
            default: Some(CollectionRevisions::default()),
            ..RevisionsConfiguration::default()
        };
        let configure = Configure::Revisions(configuration);
        database.configure(configure).await.unwrap();
        let replace = attach(&database, "put", "scan", b"another").await;
        write_one(&database, replace).await.unwrap();
        let delete = DeleteAttachment {
            id: id("deleted"),
            name: name("scan"),
            expected: ExpectedVersion::Any,
        };
        let delete = BatchCommand::DeleteAttachment(delete);
        write_one(&database, delete).await.unwrap();
        let rename = CopyAttachment {
            id: id("put"),
            name: name("scan"),
            destination_id: id("moved"),
            destination_name: name("scan"),
            expected: ExpectedVersion::Any,
            is_move: true,
        };
        let rename = BatchCommand::CopyAttachment(rename);
        write_one(&database, rename).await.unwrap();
        let read = database.read().await.unwrap();
        for id in ["put", "deleted", "moved"] {
            let revisions = read.revisions(id, 0, 10).await.unwrap();
            let before = revisions.last().unwrap();
            let hash = serde_json::from_str::<serde_json::Value>(before.attachments()).unwrap();
            let hash = parse_hash(hash[0]["Hash"].as_str().unwrap()).unwrap();
            let content = read.content(&hash).await.unwrap().unwrap();
            let bytes = read.content_at(&content, 0).await.unwrap();
            assert_eq!(bytes, id.as_bytes(), "{id}");
        }
    });
}
