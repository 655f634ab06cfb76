//! Dumps with revisions, attachments and configurations: what goes out comes in the same.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use bytes::Bytes;
use futures_util::stream;
use pinyon_core::attachments::{AttachmentName, ListedAttachment, PutAttachment, parse_hash};
use pinyon_core::commands::{BatchCommand, Configure, ExpectedVersion};
use pinyon_core::document::DocumentId;
use pinyon_core::expiration::{ExpirationConfiguration, RefreshConfiguration};
use pinyon_core::revisions::{CollectionRevisions, RevisionsConfiguration};
use pinyon_core::schema::blobs::CHUNK_BYTES;
use pinyon_core::smuggler::{
    DatabaseTarget, ExportFormat, Exporter, Format, ImportOptions, ImportReport, import,
};
use pinyon_core::storage::Durability;
use pinyon_core::verify::verify;
use pinyon_core::version::Etag;
use pinyon_core::{Database, ErrorKind, PrefixQuery, Result};
use story::{Story, TestStore, delete, json, put, write_one};

const DUMP: ExportFormat = ExportFormat::Dump {
    build_version: 72051,
};

async fn import_text(
    database: &Database<TestStore>,
    text: &[u8],
    chunk_bytes: usize,
) -> (Result<()>, ImportReport) {
    let target = DatabaseTarget {
        database: database.clone(),
        durability: Durability::Durable,
    };
    let chunks: Vec<Result<Bytes>> = text
        .chunks(chunk_bytes)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    let mut report = ImportReport::default();
    let options = ImportOptions {
        batch_commands: 3,
        ..ImportOptions::new(Format::Dump)
    };
    let chunks = stream::iter(chunks);
    let result = import(&target, chunks, &options, &mut report, |_| {}).await;
    (result, report)
}

/// The whole dump, and the longest piece of it.
async fn export_text(database: &Database<TestStore>) -> (Vec<u8>, usize) {
    let mut exporter = Exporter::new(database.read().await.unwrap(), DUMP);
    let (mut text, mut piece, mut longest) = (Vec::new(), Vec::new(), 0);
    while exporter.write_next(&mut piece).await.unwrap() {
        longest = longest.max(piece.len());
        text.append(&mut piece);
    }
    (text, longest)
}

async fn attach(database: &Database<TestStore>, to: &str, name: &str, bytes: &[u8]) {
    let mut upload = database.begin_upload().unwrap();
    upload.write(bytes).await.unwrap();
    let put = PutAttachment {
        id: DocumentId::new(to, 512).unwrap(),
        name: AttachmentName::new(name).unwrap(),
        content_type: "image/png".to_owned(),
        content: upload.finish().await.unwrap(),
        expected: ExpectedVersion::Any,
    };
    write_one(database, BatchCommand::PutAttachment(put))
        .await
        .unwrap();
}

/// The contents of a list of attachments, by name.
async fn contents(database: &Database<TestStore>, list: &str) -> Vec<(ListedAttachment, Vec<u8>)> {
    let read = database.read().await.unwrap();
    let mut found = Vec::new();
    for listed in ListedAttachment::parse_list(list).unwrap() {
        let hash = parse_hash(&listed.hash).unwrap();
        let content = read.content(&hash).await.unwrap().unwrap();
        let mut bytes = Vec::new();
        while bytes.len() as u64 != content.size {
            let piece = read.content_at(&content, bytes.len() as u64).await.unwrap();
            assert!(!piece.is_empty());
            bytes.extend_from_slice(&piece);
        }
        found.push((listed, bytes));
    }
    found
}

type Attachments = Vec<(ListedAttachment, Vec<u8>)>;

/// A document without what an import gives it anew, its change vector: id, when it was written,
/// metadata, body, flags and attachments.
type Shown = (String, String, String, String, String, Attachments);

async fn documents(database: &Database<TestStore>) -> Vec<Shown> {
    let everything = PrefixQuery {
        page_size: 1000,
        ..PrefixQuery::default()
    };
    let read = database.read().await.unwrap();
    let mut found = Vec::new();
    for it in read.documents_by_prefix(&everything).await.unwrap() {
        found.push((
            it.id().to_owned(),
            it.last_modified().to_text(),
            it.stored_metadata().to_owned(),
            it.body().to_owned(),
            it.flags().to_text(),
            contents(database, it.attachments()).await,
        ));
    }
    found
}

/// Revisions as clients read them, newest first, with the contents of their attachments.
async fn revisions(database: &Database<TestStore>, id: &str) -> Vec<(String, Attachments)> {
    let read = database.read().await.unwrap();
    let mut found = Vec::new();
    for it in read.revisions(id, 0, 1000).await.unwrap() {
        let mut text = Vec::new();
        it.write_json(&mut text);
        let text = String::from_utf8(text).unwrap();
        found.push((text, contents(database, it.attachments()).await));
    }
    found
}

/// When revisions were written, newest first.
async fn times(database: &Database<TestStore>, id: &str) -> Vec<String> {
    let read = database.read().await.unwrap();
    let found = read.revisions(id, 0, 1000).await.unwrap();
    let times = found.iter().map(|it| it.last_modified().to_text());
    times.collect()
}

async fn bin(database: &Database<TestStore>) -> Vec<(String, String)> {
    let read = database.read().await.unwrap();
    let found = read.revision_bin(Etag::ZERO, 0, 100).await.unwrap();
    let found = found.iter();
    found
        .map(|it| (it.id().to_owned(), it.change_vector().to_owned()))
        .collect()
}

async fn assert_sound(database: &Database<TestStore>) {
    let read = database.read().await.unwrap();
    let report = verify(read.snapshot(), |_| {}).await;
    assert_eq!(report.problems, []);
}

const IDS: [&str; 6] = ["Notes/1", "notes/2", "notes/3", "notes/4", "plain", "late"];

async fn fill(database: &Database<TestStore>, story: &Story) {
    // It was there before revisions were.
    let note = |n: u32| format!(r#"{{"n":{n},"@metadata":{{"@collection":"Notes","My":1.50}}}}"#);
    write_one(database, put("late", &note(0))).await.unwrap();
    let configuration = RevisionsConfiguration {
        collections: [("Notes".to_owned(), CollectionRevisions::default())].into(),
        ..Default::default()
    };
    let expiration = ExpirationConfiguration {
        disabled: false,
        delete_frequency_in_sec: Some(7),
        max_items_to_process: None,
    };
    for configure in [
        Configure::Revisions(configuration),
        Configure::Expiration(expiration),
        Configure::Refresh(RefreshConfiguration::default()),
    ] {
        database.configure(configure).await.unwrap();
    }
    let large: Vec<u8> = (0..3 * CHUNK_BYTES).map(|n| (n % 253) as u8).collect();
    for n in 0..5 {
        story.clock.advance_ms(1000);
        write_one(database, put("Notes/1", &note(n))).await.unwrap();
        write_one(database, put("notes/2", &note(10 + n)))
            .await
            .unwrap();
        attach(
            database,
            "notes/2",
            &format!("File {}", n % 2),
            &large[n as usize..],
        )
        .await;
    }
    // Deleted twice, and one that lives again.
    for id in ["notes/3", "notes/3", "notes/4"] {
        write_one(database, put(id, &note(30))).await.unwrap();
        attach(database, id, "shared", &large).await;
        write_one(database, delete(id)).await.unwrap();
    }
    write_one(database, put("notes/4", &note(40)))
        .await
        .unwrap();
    let expiring = r#"{"@metadata":{"@expires":"2030-01-01T00:00:00Z"}}"#;
    write_one(database, put("plain", expiring)).await.unwrap();
    attach(database, "plain", "empty", b"").await;
    attach(
        database,
        "plain",
        "few }{\"]",
        b"few bytes, and \"quotes\" ]}",
    )
    .await;
    attach(database, "plain", "shared", &large).await;
}

#[test]
fn a_dump_with_histories_and_attachments_comes_in_unchanged() {
    let story = Story::new();
    let (dump, expected, histories, binned) = story.run(async |database| {
        fill(&database, &story).await;
        assert_sound(&database).await;
        let (dump, longest) = export_text(&database).await;
        assert!(longest < 3 << 20, "{longest}");
        let mut histories = Vec::new();
        for id in IDS {
            histories.push(revisions(&database, id).await);
        }
        (
            dump,
            documents(&database).await,
            histories,
            bin(&database).await,
        )
    });
    let counts: Vec<usize> = histories.iter().map(Vec::len).collect();
    assert_eq!((counts, binned.len()), (vec![5, 10, 6, 4, 0, 0], 1));
    // Each content stands there once.
    assert!(dump.len() < 6 * 3 * CHUNK_BYTES + 100_000, "{}", dump.len());
    for chunk_bytes in [1_000_000, 777] {
        let other = Story::new();
        other.clock.advance_ms(86_400_000);
        other.run_seeded(8, async |database| {
            let (result, report) = import_text(&database, &dump, chunk_bytes).await;
            result.unwrap();
            assert_eq!(report.left_out(), Vec::<String>::new());
            assert_eq!((report.revisions, report.configurations), (25, 3));
            assert_sound(&database).await;
            assert_eq!(documents(&database).await, expected);
            for (id, history) in IDS.iter().zip(&histories) {
                assert!(revisions(&database, id).await == *history, "{id}");
            }
            assert_eq!(bin(&database).await, binned);
            let read = database.read().await.unwrap();
            let expiration = read.expiration_configuration().await.unwrap().unwrap();
            assert_eq!(expiration.delete_frequency_in_sec, Some(7));
            let configured = read.revisions_configuration().await.unwrap().unwrap();
            assert!(configured.of_collection("notes").is_some());
            assert!(read.refresh_configuration().await.unwrap().is_some());
            // Revisions are found by the change vectors they always had.
            let vector = &binned[0].1;
            let found = read.revisions_by_vector(&[vector]).await.unwrap();
            assert_eq!(found[0].as_ref().unwrap().change_vector(), vector);
        });
        // The names of others are known after a restart as well.
        other.run_seeded(8, async |database| {
            assert!(revisions(&database, "notes/2").await == histories[1]);
            // History goes on: the imported version is kept by what it was.
            write_one(
                &database,
                put("notes/2", r#"{"@metadata":{"@collection":"Notes"}}"#),
            )
            .await
            .unwrap();
            assert_eq!(revisions(&database, "notes/2").await.len(), 11);
            write_one(
                &database,
                put("late", r#"{"@metadata":{"@collection":"Notes"}}"#),
            )
            .await
            .unwrap();
            // The revision of an imported version has the time of that version.
            let (then, now) = (
                "2026-01-01T00:00:00.0000000Z",
                "2026-01-02T00:00:00.0000000Z",
            );
            assert_eq!(times(&database, "late").await, [now, then]);
            assert_sound(&database).await;
        });
    }
}

#[test]
fn importing_again_adds_no_revision_twice() {
    let story = Story::new();
    story.run(async |database| {
        fill(&database, &story).await;
        let (dump, _) = export_text(&database).await;
        let before = revisions(&database, "notes/3").await;
        let (result, report) = import_text(&database, &dump, 5000).await;
        result.unwrap();
        assert_eq!(report.revisions, 25);
        assert!(revisions(&database, "notes/3").await == before);
        assert_sound(&database).await;
    });
}

#[test]
fn damaged_contents_are_named_by_their_place() {
    Story::new().run(async |database| {
        let text = br#"{"BuildVersion":60000,"Docs":[
            {"@metadata":{"@export-type":"Attachment"},"Hash":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","Size":2,"Tag":"x"}ab,
            {"@metadata":{"@id":"a"}}]}"#;
        let (error, _) = import_text(&database, text, 10).await;
        let error = error.expect_err("another hash");
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        let expected = "Docs item 1 (line 2, byte 43): the attachment's content has the hash ";
        assert!(error.message().starts_with(expected), "{error}");

        let text = br#"{"BuildVersion":60000,"Docs":[{"@metadata":{"@id":"a","@attachments":[{"Name":"n",
            "Hash":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","ContentType":"","Size":2}]}}]}"#;
        let (error, _) = import_text(&database, text, 10).await;
        let error = error.expect_err("no content");
        assert!(error.message().ends_with("is not here"), "{error}");
        assert!(json(&database, "a").await.is_none());
    });
}

#[test]
fn documents_say_when_they_were_written_not_when_they_were_imported() {
    let story = Story::new();
    story.run(async |database| {
        let text = br#"{"BuildVersion":60000,"Docs":[
            {"@metadata":{"@id":"old","@last-modified":"2018-07-27T12:11:53.0447651Z"}},
            {"@metadata":{"@id":"raven/hilo/x","@collection":"@hilo","@last-modified":"2018-07-27T12:11:53.0447651Z"},"Max":32},
            {"@metadata":{"@id":"null","@last-modified":null}},
            {"@metadata":{"@id":"none"}}]}"#;
        let (result, _) = import_text(&database, text, 100).await;
        result.unwrap();
        let shown = documents(&database).await;
        let times: Vec<_> = shown.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
        let (old, now) = ("2018-07-27T12:11:53.0447651Z", "2026-01-01T00:00:00.0000000Z");
        assert_eq!(times, [("none", now), ("null", now), ("old", old), ("raven/hilo/x", old)]);
        // Over one that is there, too; what is written afterwards has the time of the write.
        write_one(&database, put("none", "{}")).await.unwrap();
        let text = br#"{"BuildVersion":60000,"Docs":[
            {"@metadata":{"@id":"none","@last-modified":"2019-01-01T00:00:00.0000000Z"}}]}"#;
        import_text(&database, text, 100).await.0.unwrap();
        write_one(&database, put("old", "{}")).await.unwrap();
        let shown = documents(&database).await;
        assert_eq!((shown[0].1.as_str(), shown[2].1.as_str()), ("2019-01-01T00:00:00.0000000Z", now));
        for bad in ["7", r#""yesterday""#] {
            let text = format!(r#"{{"BuildVersion":60000,"Docs":[{{"@metadata":{{"@id":"a","@last-modified":{bad}}}}}]}}"#);
            let error = import_text(&database, text.as_bytes(), 100).await.0.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            let expected = "Docs item 1 (line 1, byte 30): @metadata.@last-modified";
            assert!(error.message().starts_with(expected), "{error}");
        }
        assert_sound(&database).await;
    });
}

#[test]
fn revisions_of_ravendb_come_in() {
    Story::new().run(async |database| {
        let text = br#"{"BuildVersion":60000,"DatabaseRecord":{"DatabaseName":"x","Revisions":{"Default":{"Disabled":false}},"Expiration":null},
            "Docs":[{"a":2,"@metadata":{"@collection":"C","@id":"c/1","@flags":"HasRevisions","@change-vector":"A:2-AAAAAAAAAAAAAAAAAAAAAA"}}],
            "RevisionDocuments":[
            {"a":1,"@metadata":{"@collection":"C","@id":"c/1","@flags":"HasRevisions, Revision, FromClusterTransaction","@last-modified":"2020-01-01T00:00:00.0000000Z","@change-vector":"A:1-AAAAAAAAAAAAAAAAAAAAAA"}},
            {"a":2,"@metadata":{"@collection":"C","@id":"c/1","@flags":"HasRevisions, Revision","@change-vector":"A:2-AAAAAAAAAAAAAAAAAAAAAA, RAFT:7-AAAAAAAAAAAAAAAAAAAAAA"}},
            {"@metadata":{"@collection":"C","@id":"c/2","@flags":"HasRevisions, DeleteRevision","@change-vector":"A:3-AAAAAAAAAAAAAAAAAAAAAA"}}]}"#;
        let (result, report) = import_text(&database, text, 64).await;
        result.unwrap();
        assert_eq!((report.documents, report.revisions, report.configurations), (1, 3, 1));
        let read = database.read().await.unwrap();
        let found = read.revisions("c/1", 0, 10).await.unwrap();
        assert_eq!(found[1].change_vector(), "A:1-AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(found[1].last_modified().to_text(), "2020-01-01T00:00:00.0000000Z");
        let own = database.incarnation().id.to_string();
        assert!(found[0].change_vector().ends_with(&own), "{}", found[0].change_vector());
        assert_eq!(bin(&database).await.len(), 1);
        assert_sound(&database).await;
    });
}

#[test]
fn a_revision_that_would_hide_a_later_write_is_refused() {
    Story::new().run(async |database| {
        let own = database.incarnation().id;
        let text = format!(
            r#"{{"BuildVersion":60000,"RevisionDocuments":[{{"@metadata":{{"@id":"a","@flags":"Revision","@change-vector":"A:9-{own}"}}}}]}}"#
        );
        let (error, _) = import_text(&database, text.as_bytes(), 100).await;
        let error = error.expect_err("beyond");
        assert!(error.message().contains("names write 9 of this database"), "{error}");
        assert!(database.read().await.unwrap().revisions("a", 0, 1).await.unwrap().is_empty());
    });
}
