//! Import and export against a database: what goes in comes out, and what cannot go in is named.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use futures_util::stream;
use pinyon_core::attachments::AttachmentUpload;
use pinyon_core::commands::{BatchCommand, Configure};
use pinyon_core::conflicts::ConflictsConfiguration;
use pinyon_core::document::{CollectionName, DocumentId};
use pinyon_core::indexes::{LockMode, PortableIndex, Priority};
use pinyon_core::smuggler::{
    DatabaseTarget, ExistingDocument, ExportFormat, Exporter, Format, ImportOptions, ImportReport,
    ImportTarget, import,
};
use pinyon_core::storage::Durability;
use pinyon_core::validation::ValidationConfiguration;
use pinyon_core::{Database, ErrorKind, Result};
use serde_json::Value;
use story::{Story, TestStore, delete, indexes, json, put, write_one};

async fn import_text(
    database: &Database<TestStore>,
    text: &[u8],
    options: &ImportOptions,
) -> (Result<()>, ImportReport) {
    let target = DatabaseTarget {
        database: database.clone(),
        durability: Durability::Durable,
    };
    let chunks: Vec<Result<Bytes>> = text
        .chunks(100)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    let mut report = ImportReport::default();
    let chunks = stream::iter(chunks);
    let result = import(&target, chunks, options, &mut report, |_| {}).await;
    (result, report)
}

async fn export_text(database: &Database<TestStore>, format: ExportFormat) -> Vec<u8> {
    let mut exporter = Exporter::new(database.read().await.unwrap(), format);
    let mut text = Vec::new();
    while exporter.write_next(&mut text).await.unwrap() {}
    text
}

const DUMP: ExportFormat = ExportFormat::Dump {
    build_version: 72051,
};

/// Everything of a database that an export keeps.
async fn contents(database: &Database<TestStore>) -> Vec<(String, String, String)> {
    let read = database.read().await.unwrap();
    let everything = pinyon_core::PrefixQuery {
        page_size: 1_000_000,
        ..Default::default()
    };
    let documents = read.documents_by_prefix(&everything).await.unwrap();
    let parts = documents.iter().map(|it| {
        (
            it.id().to_owned(),
            it.stored_metadata().to_owned(),
            it.body().to_owned(),
        )
    });
    parts.collect()
}

async fn fill(database: &Database<TestStore>) {
    for number in 0..300 {
        let text = format!(
            r#"{{"No":{number},"Text":"{}","@metadata":{{"@collection":"Things","My":1.50}}}}"#,
            "x\\n\u{e9}".repeat(number)
        );
        let id = format!("Things/{number}");
        write_one(database, put(&id, &text)).await.unwrap();
    }
    write_one(database, put("plain", "{}")).await.unwrap();
    write_one(database, delete("things/7")).await.unwrap();
    for _ in 0..3 {
        database.next_identity("users|").await.unwrap();
    }
}

#[test]
fn a_dump_goes_out_and_comes_in_unchanged() {
    let (dump, expected) = Story::new().run(async |database| {
        fill(&database).await;
        (
            export_text(&database, DUMP).await,
            contents(&database).await,
        )
    });
    assert_eq!(expected.len(), 300);
    assert_eq!(Format::detect(&dump), Format::Dump);
    let parsed: serde_json::Value = serde_json::from_slice(&dump).expect("a dump is JSON");
    assert_eq!(parsed["BuildVersion"], 72051);
    let first = &parsed["Docs"][0]["@metadata"];
    assert_eq!(first["@id"], "Things/0");
    assert!(first["@change-vector"].is_string() && first["@last-modified"].is_string());
    assert_eq!(parsed["Tombstones"][0]["Key"], "things/7");
    assert_eq!(parsed["Identities"][0]["Value"], "3");
    Story::new().run(async |database| {
        // The tombstone of the dump deletes what stands under its id here.
        write_one(&database, put("things/7", r#"{"old":true}"#))
            .await
            .unwrap();
        let options = ImportOptions::new(Format::Dump);
        let (result, report) = import_text(&database, &dump, &options).await;
        result.unwrap();
        assert_eq!(contents(&database).await, expected);
        let counts = (report.documents, report.deleted, report.identities);
        assert_eq!(counts, (300, 1, 1));
        assert_eq!(report.bytes_read, dump.len() as u64);
        assert_eq!(report.left_out(), Vec::<String>::new());
        assert_eq!(database.next_identity("users").await.unwrap(), 4);
    });
}

#[test]
fn lines_go_out_and_come_in_unchanged() {
    let (lines, expected) = Story::new().run(async |database| {
        fill(&database).await;
        let lines = export_text(&database, ExportFormat::JsonLines).await;
        (lines, contents(&database).await)
    });
    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 300);
    Story::new().run(async |database| {
        let options = ImportOptions::new(Format::detect(&lines));
        import_text(&database, &lines, &options).await.0.unwrap();
        assert_eq!(contents(&database).await, expected);
    });
}

#[test]
fn exports_keep_etag_order() {
    Story::new().run(async |database| {
        for id in ["z", "a", "m", "z"] {
            write_one(&database, put(id, "{}")).await.unwrap();
        }
        let lines = export_text(&database, ExportFormat::JsonLines).await;
        let ids: Vec<String> = String::from_utf8(lines)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|document| document["@metadata"]["@id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids, ["a", "m", "z"]);
    });
}

#[test]
fn the_first_bad_item_ends_an_import_by_its_place() {
    Story::new().run(async |database| {
        write_one(
            &database,
            put("b", r#"{"@metadata":{"@collection":"Others"}}"#),
        )
        .await
        .unwrap();
        let options = ImportOptions::new(Format::JsonLines);
        for (second, expected) in [
            (
                r#"{"a":1,"a":2}"#,
                "Docs item 2 (line 2, byte 30): the JSON is not valid: the property 'a' stands \
                 twice at line 1 column 10",
            ),
            (
                "[]",
                "Docs item 2 (line 2, byte 30): a document must be a JSON object: the JSON is \
                    not valid: invalid type: sequence, expected an object at line 1 column 0",
            ),
            // Only the database can tell that this one is in another collection.
            (
                r#"{"@metadata":{"@id":"b","@collection":"Things"}}"#,
                "Docs item 2 (line 2, byte 30): The document b is in the collection Others; a put \
                 cannot move it to Things. Delete it first, then store it anew.",
            ),
        ] {
            let text = format!("{}\n{second}\n", r#"{"@metadata":{"@id":"first"}}"#);
            let (result, _) = import_text(&database, text.as_bytes(), &options).await;
            let error = result.expect_err(second);
            assert_eq!(error.message(), expected);
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        }
    });
}

#[test]
fn bad_items_are_left_out_and_reported_when_asked() {
    Story::new().run(async |database| {
        write_one(
            &database,
            put("d/77", r#"{"@metadata":{"@collection":"Others"}}"#),
        )
        .await
        .unwrap();
        let mut text = String::new();
        for number in 0..200 {
            text += &match number {
                50 => "{\"broken\":\n".to_owned(),
                60 => "{\"@metadata\":{\"@id\":\"ends/\"}}\n".to_owned(),
                number => format!(
                    "{{\"No\":{number},\"@metadata\":{{\"@id\":\"d/{number}\",\"@collection\":\"D\"}}}}\n"
                ),
            };
        }
        let options = ImportOptions {
            skip_errors: true,
            batch_commands: 64,
            ..ImportOptions::new(Format::JsonLines)
        };
        let (result, report) = import_text(&database, text.as_bytes(), &options).await;
        result.unwrap();
        assert_eq!((report.documents, report.bad_item_count), (197, 3));
        let mut numbers: Vec<u64> = report.bad_items.iter().map(|it| it.place.number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [51, 61, 78]);
        assert_eq!(json(&database, "d/199").await.unwrap()["No"], 199);
        assert!(json(&database, "d/77").await.unwrap()["No"].is_null());
    });
}

#[test]
fn a_document_beyond_the_limit_is_left_out_like_any_bad_item() {
    let text = format!(
        "[{{\"@metadata\":{{\"@id\":\"a\"}}}},{{\"t\":\"{}\"}},{{\"@metadata\":{{\"@id\":\"b\"}}}}]",
        "x".repeat(5000)
    );
    let mut options = ImportOptions::new(Format::Json);
    options.rules.limits.max_document_bytes = 2000;
    Story::new().run(async |database| {
        let (result, _) = import_text(&database, text.as_bytes(), &options).await;
        let error = result.expect_err("an item is too long");
        let expected = "Docs item 2 (line 1, byte 27): it is longer than 2000 bytes";
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::LimitExceeded, expected)
        );
        options.skip_errors = true;
        let (result, report) = import_text(&database, text.as_bytes(), &options).await;
        result.unwrap();
        assert_eq!((report.documents, report.bad_item_count), (2, 1));
        assert_eq!(report.bad_items[0].message, "it is longer than 2000 bytes");
        assert!(json(&database, "b").await.is_some());
    });
}

#[test]
fn a_target_that_fails_ends_the_import_and_the_report_tells_how_far_it_came() {
    let story = Story::new();
    story.run(async |database| {
        let options = ImportOptions {
            skip_errors: true,
            batch_commands: 10,
            batches_in_flight: 1,
            ..ImportOptions::new(Format::JsonLines)
        };
        database.close().await.unwrap();
        let text = "{}\n".repeat(35);
        let (result, report) = import_text(&database, text.as_bytes(), &options).await;
        assert_eq!(result.expect_err("closed").kind(), ErrorKind::Closed);
        assert_eq!((report.documents, report.bad_item_count), (0, 0));
    });
}

#[test]
fn hilo_documents_only_grow() {
    Story::new().run(async |database| {
        let hilo = |max: i64| {
            format!(
                r#"{{"BuildVersion":60000,"Docs":[{{"Max":{max},"@metadata":{{"@id":"Raven/Hilo/users","@collection":"@hilo"}}}}]}}"#
            )
        };
        let options = ImportOptions::new(Format::Dump);
        for (max, expected, kept) in [(64, 64, 0), (32, 64, 1), (128, 128, 0)] {
            let (result, report) = import_text(&database, hilo(max).as_bytes(), &options).await;
            result.unwrap();
            assert_eq!(report.kept_hilo, kept);
            let stored = json(&database, "raven/hilo/users").await.unwrap();
            assert_eq!(stored["Max"], expected);
        }
    });
}

#[test]
fn what_is_not_imported_is_told() {
    Story::new().run(async |database| {
        let options = ImportOptions::new(Format::Dump);
        let text = br#"{"BuildVersion":60000,"Docs":[{"@metadata":{"@export-type":"Attachment"},
            "Size":2}ab],"Indexes":[{},{}],"Tombstones":[{"Key":"gone","Type":"Document"},
            {"Key":"x","Type":"Attachment"}],"Subscriptions":[]}"#;
        let (result, report) = import_text(&database, text, &options).await;
        result.unwrap();
        assert_eq!(
            report.left_out(),
            [
                "1 contents that no attachment has (2 bytes)",
                "Indexes item 1 (line 2, byte 110): the index has no Type",
                "Indexes item 2 (line 2, byte 113): the index has no Type",
            ]
        );
        assert_eq!((report.deleted, report.needless_tombstones), (0, 2));
        assert_eq!(report.build_version, Some(60000));

        let old = br#"{"BuildVersion":35288,"Docs":[]}"#;
        let (result, _) = import_text(&database, old, &options).await;
        assert_eq!(result.expect_err("too old").kind(), ErrorKind::Unsupported);
        let no_id = br#"{"BuildVersion":60000,"Docs":[{"a":1}]}"#;
        let (result, _) = import_text(&database, no_id, &options).await;
        let error = result.expect_err("no id");
        assert_eq!(
            error.message(),
            "Docs item 1 (line 1, byte 30): @metadata.@id is missing"
        );
    });
}

#[test]
fn arrays_get_ids_and_a_collection() {
    Story::new().run(async |database| {
        let mut options = ImportOptions::new(Format::Json);
        options.rules.collection = Some(CollectionName::new("Countries").unwrap());
        options.rules.id_property = Some("Code".to_owned());
        options.rules.id_prefix = Some("countries/".to_owned());
        let text = r#"[{"Code":"AUT","Borders":["CHE"]},{"Code":"CHE"}]"#;
        let (result, report) = import_text(&database, text.as_bytes(), &options).await;
        result.unwrap();
        assert_eq!(report.documents, 2);
        let austria = json(&database, "countries/AUT").await.unwrap();
        assert_eq!(austria["@metadata"]["@collection"], "Countries");
        let collections = database.read().await.unwrap().collections().await.unwrap();
        assert_eq!(collections[0].document_count, 2);
    });
}

/// Hands over every other batch late, as the connections to a server may.
struct LateTarget {
    inner: DatabaseTarget<TestStore>,
    writes: AtomicUsize,
}

impl ImportTarget for LateTarget {
    type Upload = AttachmentUpload<TestStore>;

    fn begin_upload(&self) -> Result<Self::Upload> {
        self.inner.begin_upload()
    }

    async fn configure(&self, configure: Configure) -> Result<()> {
        self.inner.configure(configure).await
    }

    async fn define_index(&self, index: PortableIndex) -> Result<()> {
        self.inner.define_index(index).await
    }

    async fn write(&self, commands: Arc<[BatchCommand]>) -> Result<()> {
        if self
            .writes
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(2)
        {
            for _ in 0..100 {
                yield_once().await;
            }
        }
        self.inner.write(commands).await
    }

    async fn existing(&self, ids: &[DocumentId]) -> Result<Vec<Option<ExistingDocument>>> {
        self.inner.existing(ids).await
    }

    async fn raise_identity(&self, name: &str, value: i64) -> Result<()> {
        self.inner.raise_identity(name, value).await
    }
}

async fn yield_once() {
    let mut is_done = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut is_done, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn of_an_id_that_stands_twice_the_last_document_remains() {
    Story::new().run(async |database| {
        let mut text = Vec::new();
        for round in 0..6 {
            for number in 0..10 {
                let line = format!(r#"{{"round":{round},"@metadata":{{"@id":"Twice/{number}"}}}}"#);
                // The ids differ in case only.
                text.extend(match round % 2 {
                    0 => line.to_ascii_lowercase().into_bytes(),
                    _ => line.into_bytes(),
                });
                text.push(b'\n');
            }
        }
        let target = LateTarget {
            inner: DatabaseTarget {
                database: database.clone(),
                durability: Durability::Durable,
            },
            writes: AtomicUsize::new(0),
        };
        let options = ImportOptions {
            batch_commands: 10,
            ..ImportOptions::new(Format::JsonLines)
        };
        let mut report = ImportReport::default();
        let chunks = stream::iter([Ok(Bytes::from(text))]);
        import(&target, chunks, &options, &mut report, |_| {})
            .await
            .unwrap();
        assert_eq!(report.documents, 60);
        let stored = contents(&database).await;
        assert_eq!(stored.len(), 10);
        for (id, _, body) in stored {
            assert_eq!(body, r#"{"round":5}"#, "{id}");
        }
    });
}

#[test]
fn indexes_go_along_and_what_they_made_does_not() {
    let definition = r#"{"Name":"Totals","Maps":["map('Orders', o => ({ Of: o.Of, N: 1 }))"],
        "Reduce":"groupBy(x => x.Of).aggregate(g => ({ Of: g.key, N: g.values.reduce((s, x) => s + x.N, 0) }))",
        "OutputReduceToCollection":"Totals","Priority":"High","LockMode":"LockedIgnore"}"#;
    let grouped = "from Orders group by Of select key() as Of, count() as C";
    let as_dump = ImportOptions::new(Format::Dump);
    let source = Story::new();
    let dump = source.run(async |database| {
        let indexes = indexes::open(&source, &database).await;
        indexes::define(&indexes, definition).await.unwrap();
        let text = r#"{"Of":"a","@metadata":{"@collection":"Orders"}}"#;
        indexes::write(
            &database,
            vec![put("orders/1", text), put("orders/2", text)],
        )
        .await;
        indexes::ask(&indexes, grouped).await.unwrap();
        let stored = contents(&database).await;
        assert_eq!(stored.len(), 3, "two orders and a total");
        indexes.close().await.unwrap();
        export_text(&database, DUMP).await
    });
    let parsed: Value = serde_json::from_slice(&dump).unwrap();
    assert_eq!(parsed["Docs"].as_array().unwrap().len(), 2);
    let types: Vec<&Value> = parsed["Indexes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["Type"])
        .collect();
    assert_eq!(types, ["AutoMapReduce", "JavaScriptMapReduce"]);
    assert_eq!(parsed["Indexes"][1]["IndexDefinition"]["Priority"], "High");
    let target = Story::new();
    target.run(async |database| {
        let (result, report) = import_text(&database, &dump, &as_dump).await;
        result.unwrap();
        assert_eq!((report.documents, report.indexes), (2, 2));
        assert!(report.left_out().is_empty(), "{:?}", report.left_out());
        let indexes = indexes::open(&target, &database).await;
        let names: Vec<String> = indexes.list().iter().map(|it| it.name()).collect();
        assert_eq!(names, ["Auto/Orders/ByCountReducedByOf", "Totals"]);
        let (groups, ..) = indexes::ask(&indexes, grouped).await.unwrap();
        assert_eq!(groups[0]["C"], 2);
        assert_eq!(indexes.list().len(), 2, "the query found its index there");
        assert_eq!(
            contents(&database).await.len(),
            3,
            "the total was made anew"
        );
        let record = indexes.get("totals").unwrap().record();
        assert_eq!(
            (record.priority, record.lock_mode),
            (Priority::High, LockMode::LockedIgnore)
        );
        // The same once more changes nothing.
        let (result, report) = import_text(&database, &dump, &as_dump).await;
        result.unwrap();
        assert_eq!(report.indexes, 2);
        indexes.close().await.unwrap();
        // What is not understood is told, and the rest is there.
        let odd = String::from_utf8(dump.clone()).unwrap();
        let odd = odd.replace(r#""Type":"AutoMapReduce""#, r#""Type":"AutoVector""#);
        let (result, report) = import_text(&database, odd.as_bytes(), &as_dump).await;
        result.unwrap();
        assert_eq!(report.indexes, 1);
        assert!(
            report.left_out()[0].contains("'AutoVector'"),
            "{:?}",
            report.left_out()
        );
    });
}

#[test]
fn a_dump_carries_the_configurations() {
    let conflicts =
        r#"{"ResolveToLatest":true,"ResolveByCollection":{"Things":{"Script":"return docs[0];"}}}"#;
    let validation = r#"{"Collections":{"Things":{"Script":"throw 'no';","Disabled":true}}}"#;
    let conflicts = ConflictsConfiguration::parse(conflicts).unwrap();
    let validation = ValidationConfiguration::parse(validation).unwrap();
    let dump = Story::new().run(async |database| {
        for configure in [
            Configure::Conflicts(conflicts.clone()),
            Configure::Validation(validation.clone()),
        ] {
            database.configure(configure).await.unwrap();
        }
        export_text(&database, DUMP).await
    });
    Story::new().run(async |database| {
        let (result, report) =
            import_text(&database, &dump, &ImportOptions::new(Format::Dump)).await;
        result.unwrap();
        assert_eq!(report.configurations, 2);
        let read = database.read().await.unwrap();
        assert_eq!(
            read.conflicts_configuration().await.unwrap(),
            Some(conflicts)
        );
        assert_eq!(
            read.validation_configuration().await.unwrap(),
            Some(validation)
        );
    });
}
