//! The check of revisions, schedules, attachments and configurations: each damage is named.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use bytes::Bytes;
use pinyon_core::attachments::{AttachmentName, PutAttachment, hash_text};
use pinyon_core::commands::{BatchCommand, Configure, ExpectedVersion};
use pinyon_core::document::DocumentId;
use pinyon_core::expiration::ExpirationConfiguration;
use pinyon_core::host::Timestamp;
use pinyon_core::revisions::{
    CollectionRevisions, RevertDocument, RevertTarget, RevisionsConfiguration,
};
use pinyon_core::schema::blobs::{self, AttachmentRecord, BlobRecord, CHUNK_BYTES};
use pinyon_core::schema::collections::CollectionStatistics;
use pinyon_core::schema::configuration::REVISIONS_KEY;
use pinyon_core::schema::database_state::STATE_KEY;
use pinyon_core::schema::documents::{DocumentFlags, DocumentParts, DocumentRecord};
use pinyon_core::schema::{
    ATTACHMENTS, BLOBS, CHUNKS, COLLECTIONS, DATABASE, DOCUMENTS, ETAGS, EXPIRATIONS,
    LOOSE_CONTENTS, REFRESHES, REVISION_BIN, REVISION_RECORDS, REVISION_VECTORS, REVISIONS, etags,
    revisions, schedules,
};
use pinyon_core::storage::{
    Direction, Durability, Environment, Fault, KeyRange, KeySpace, PageLimits, Snapshot, Store,
    StoreName, WriteBatch,
};
use pinyon_core::verify::{VerifyReport, verify};
use pinyon_core::version::Etag;
use pinyon_core::{Database, ErrorKind};
use story::{Story, TestStore, delete, put, write_one};

async fn attach(database: &Database<TestStore>, to: &str, name: &str, bytes: &[u8]) {
    let mut upload = database.begin_upload().unwrap();
    upload.write(bytes).await.unwrap();
    let put = PutAttachment {
        id: DocumentId::new(to, 512).unwrap(),
        name: AttachmentName::new(name).unwrap(),
        content_type: "text/plain".to_owned(),
        content: upload.finish().await.unwrap(),
        expected: ExpectedVersion::Any,
    };
    write_one(database, BatchCommand::PutAttachment(put))
        .await
        .unwrap();
}

/// `notes/1` was deleted twice; `notes/2` has a small and a large attachment, which its revisions
/// share, and expires; `plain` is refreshed some time. One upload never came to an end.
fn filled() -> Story {
    let story = Story::new();
    story.run(async |database| {
        let notes = CollectionRevisions::default();
        let configuration = RevisionsConfiguration {
            collections: [("Notes".to_owned(), notes)].into(),
            ..Default::default()
        };
        database
            .configure(Configure::Revisions(configuration))
            .await
            .unwrap();
        database
            .configure(Configure::Expiration(ExpirationConfiguration::default()))
            .await
            .unwrap();
        let note = r#"{"n":1,"@metadata":{"@collection":"Notes"}}"#;
        for _ in 0..2 {
            write_one(&database, put("notes/1", note)).await.unwrap();
            write_one(&database, delete("notes/1")).await.unwrap();
        }
        let expiring = r#"{"@metadata":{"@collection":"Notes","@expires":"2030-01-01T00:00:00Z"}}"#;
        write_one(&database, put("Notes/2", expiring))
            .await
            .unwrap();
        attach(&database, "notes/2", "Small", b"few bytes").await;
        attach(&database, "notes/2", "large", &vec![7; 2 * CHUNK_BYTES + 1]).await;
        let due = r#"{"@metadata":{"@refresh":"2031-01-01T00:00:00Z"}}"#;
        write_one(&database, put("plain", due)).await.unwrap();
        let mut upload = database.begin_upload().unwrap();
        upload.write(&vec![1; 8 * CHUNK_BYTES]).await.unwrap();
    });
    story
}

async fn open(story: &Story) -> TestStore {
    let name = StoreName::new("documents").unwrap();
    story.environment.open(&name).await.unwrap()
}

async fn all(store: &TestStore, space: KeySpace) -> Vec<(Bytes, Bytes)> {
    let snapshot = store.snapshot().await.unwrap();
    let limits = PageLimits {
        bytes: usize::MAX,
        ..PageLimits::default()
    };
    let everything = KeyRange::all();
    let scan = snapshot.scan(space, &everything, Direction::Forward, limits);
    scan.await.unwrap().entries
}

async fn check(store: &TestStore) -> VerifyReport {
    verify(&store.snapshot().await.unwrap(), |_| {}).await
}

fn problems_after(damage: impl AsyncFnOnce(&TestStore, &mut WriteBatch)) -> Vec<String> {
    let story = filled();
    futures_executor::block_on(async {
        let store = open(&story).await;
        assert_eq!(check(&store).await.problems, []);
        let mut batch = WriteBatch::default();
        damage(&store, &mut batch).await;
        store.commit(batch, Durability::Durable).await.unwrap();
        let report = check(&store).await;
        assert_eq!(report.is_sound(), report.problems.is_empty());
        report.problems.iter().map(ToString::to_string).collect()
    })
}

/// Writes the record under `key` again, changed.
fn rewrite(
    batch: &mut WriteBatch,
    space: KeySpace,
    (key, value): &(Bytes, Bytes),
    id_key: &[u8],
    change: impl FnOnce(&mut DocumentParts<'_>),
) {
    let record = DocumentRecord::decode(value.clone()).unwrap();
    let mut parts = DocumentParts::of_record(&record, id_key);
    change(&mut parts);
    batch.put(space, key.clone(), parts.encode());
}

/// The first revision; before it stands the count of its document's.
async fn first_revision(store: &TestStore) -> (Bytes, Bytes) {
    all(store, REVISIONS).await.remove(1)
}

/// Where the record of the first revision stands, and the record.
async fn first_record(store: &TestStore) -> (Bytes, Bytes) {
    all(store, REVISION_RECORDS).await.remove(0)
}

#[test]
fn everything_is_seen() {
    let story = filled();
    let report = futures_executor::block_on(async { check(&open(&story).await).await });
    assert_eq!(report.problems, []);
    assert_eq!((report.documents, report.tombstones), (2, 1));
    assert_eq!((report.revisions, report.attachments), (7, 2));
    assert_eq!((report.contents, report.loose_contents), (2, 1));
}

#[test]
fn lost_entries_of_revisions_are_named() {
    for (space, table) in [
        (REVISION_VECTORS, "revision vectors"),
        (REVISION_BIN, "revision bin"),
    ] {
        let mut shown = String::new();
        let problems = problems_after(async |store, batch| {
            let (key, value) = all(store, space).await.remove(0);
            let (id, etag) = revisions::decode_key(&value).unwrap();
            shown = format!("{} {etag}", String::from_utf8_lossy(&id));
            batch.delete(space, key);
        });
        let of_revision = problems
            .iter()
            .any(|it| it.starts_with(&format!("revisions '{shown}")) && it.ends_with("is missing"));
        assert!(
            of_revision && problems.iter().all(|it| it.contains(table)),
            "{problems:?}"
        );
    }
    let problems = problems_after(async |store, batch| {
        let (key, _) = first_revision(store).await;
        let (_, etag) = revisions::decode_key(&key).unwrap();
        batch.delete(ETAGS, etags::key(etag));
    });
    assert_eq!(
        problems,
        [
            "revisions 'notes/1 2': its entry '2' in etags is missing",
            "revision records '2': no revision is known by this etag",
        ]
    );
}

#[test]
fn a_wrong_count_of_revisions_is_named() {
    let key = revisions::count_key(b"notes/1");
    let lost = problems_after(async |_, batch| batch.delete(REVISIONS, key.clone()));
    assert_eq!(
        lost,
        [
            "tombstones 'notes/1': its entry 'notes/1 (count)' in revisions is missing",
            "revisions 'notes/1 (count)': the count of its revisions is missing",
        ]
    );
    let wrong = revisions::encode_count(9);
    let wrong = problems_after(async |_, batch| batch.put(REVISIONS, key.clone(), wrong.clone()));
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(
        wrong[0].starts_with("revisions 'notes/1 (count)': it counts 9 revisions, but there are "),
        "{wrong:?}"
    );
    let stray = revisions::count_key(b"nobody");
    let stray = problems_after(async |_, batch| {
        batch.put(REVISIONS, stray.clone(), revisions::encode_count(9))
    });
    assert_eq!(
        stray,
        ["revisions 'nobody (count)': it counts 9 revisions, but there are 0"]
    );
}

#[test]
fn a_lost_revision_is_named_by_all_that_name_it() {
    let problems = problems_after(async |store, batch| {
        let (key, _) = first_revision(store).await;
        batch.delete(REVISIONS, key);
    });
    assert_eq!(problems.len(), 5, "{problems:?}");
    for (problem, expected) in problems.iter().zip([
        "revisions 'notes/1 (count)': it counts ",
        "revision vectors '",
        "revision records '2': no revision is known by this etag",
        "etags '2': it names the revision 'notes/1 2', which is missing",
        "collections 'notes': it counts 7 revisions; there are 6",
    ]) {
        assert!(problem.starts_with(expected), "{problems:?}");
    }
}

#[test]
fn a_revision_that_does_not_fit_is_named() {
    let problems = problems_after(async |store, batch| {
        let stored = first_record(store).await;
        rewrite(batch, REVISION_RECORDS, &stored, b"notes/1", |parts| {
            parts.body = "[";
            parts.flags = parts.flags.without(DocumentFlags::REVISION);
        });
    });
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("revisions 'notes/1 2': its body: "));
    assert_eq!(
        problems[1],
        "revisions 'notes/1 2': its flags are not those of a revision"
    );
    let problems = problems_after(async |store, batch| {
        let (key, value) = first_record(store).await;
        batch.put(REVISION_RECORDS, key, value.slice(..5));
    });
    assert!(problems[0].starts_with("revisions 'notes/1 2': a record of 'documents'"));
    let problems = problems_after(async |_, batch| {
        batch.put(REVISIONS, &b"\x20x"[..], Bytes::new());
    });
    assert!(
        problems
            .iter()
            .any(|it| it.ends_with("its key does not fit")),
        "{problems:?}"
    );
}

#[test]
fn a_record_without_its_revision_and_the_other_way_round_are_named() {
    let problems = problems_after(async |store, batch| {
        let (key, _) = first_record(store).await;
        batch.delete(REVISION_RECORDS, key);
    });
    assert_eq!(
        problems[0], "revisions 'notes/1 2': its record is missing",
        "{problems:?}"
    );
    let problems = problems_after(async |store, batch| {
        let (_, record) = first_record(store).await;
        batch.put(REVISION_RECORDS, etags::key(99.into_etag()), record);
    });
    assert_eq!(
        problems,
        ["revision records '99': no revision is known by this etag"]
    );
}

/// Databases of format 2 had the records of revisions beside their keys.
#[test]
fn records_where_they_stood_before_are_found() {
    async fn history(database: &Database<TestStore>) -> Vec<(String, String)> {
        let read = database.read().await.unwrap();
        let all = read.revisions("notes/1", 0, 100).await.unwrap();
        let shown = all.iter().map(|it| {
            let vector = it.change_vector().to_owned();
            (vector, it.body().to_owned())
        });
        shown.collect()
    }
    let story = filled();
    let mut before = Vec::new();
    story.run(async |database| before = history(&database).await);
    assert_eq!(before.len(), 4);
    futures_executor::block_on(async {
        let store = open(&story).await;
        let mut batch = WriteBatch::default();
        for (etag, record) in all(&store, REVISION_RECORDS).await {
            let listed = all(&store, REVISIONS).await.into_iter();
            let mut of_revisions = listed.filter(|(_, value)| value.is_empty());
            let (key, _) = of_revisions
                .find(|(key, _)| revisions::record_key(key).unwrap() == etag)
                .unwrap();
            batch.put(REVISIONS, key, record);
            batch.delete(REVISION_RECORDS, etag);
        }
        let (key, state) = all(&store, DATABASE).await.pop().unwrap();
        assert_eq!((&key[..], state[0]), (STATE_KEY, 3));
        let state: Vec<u8> = std::iter::once(2).chain(state[1..].to_vec()).collect();
        batch.put(DATABASE, key, state);
        store.commit(batch, Durability::Durable).await.unwrap();
        let report = check(&store).await;
        assert_eq!((report.problems, report.revisions), (vec![], 7));
    });
    story.run(async |database| {
        assert_eq!(history(&database).await, before);
        let read = database.read().await.unwrap();
        let vectors: Vec<&str> = before.iter().map(|(vector, _)| &vector[..]).collect();
        let found = read.revisions_by_vector(&vectors).await.unwrap();
        assert!(found.iter().all(Option::is_some));
        let newest = read.revision_before("notes/1", Timestamp::from_ticks(i64::MAX));
        assert_eq!(newest.await.unwrap().unwrap().change_vector(), before[0].0);
        assert_eq!(read.revision_bin(Etag::ZERO, 0, 9).await.unwrap().len(), 1);
        let restore = RevertDocument {
            id: DocumentId::new("notes/1", 512).unwrap(),
            target: RevertTarget::LastLive,
        };
        write_one(&database, BatchCommand::RevertDocument(restore))
            .await
            .unwrap();
        let before = history(&database).await;
        let note = r#"{"n":2,"@metadata":{"@collection":"Notes"}}"#;
        write_one(&database, put("notes/1", note)).await.unwrap();
        assert_eq!(history(&database).await[1..], before);
        write_one(&database, delete("notes/2")).await.unwrap();
    });
    futures_executor::block_on(async {
        let store = open(&story).await;
        assert_eq!(check(&store).await.problems, []);
        let state = all(&store, DATABASE).await.pop().unwrap().1;
        assert_eq!(
            state[0], 3,
            "it is of the newer format from its first write on"
        );
    });
}

#[test]
fn a_bin_that_holds_others_is_named() {
    // The older of the two deletions does not belong there.
    let problems = problems_after(async |store, batch| {
        let older = all(store, REVISION_RECORDS)
            .await
            .into_iter()
            .find_map(|(etag, record)| {
                let flags = DocumentRecord::decode(record).unwrap().flags;
                flags
                    .contains(DocumentFlags::DELETE_REVISION)
                    .then_some(etag)
            });
        let older = etags::decode_key(&older.unwrap()).unwrap();
        let key = revisions::key(b"notes/1", older);
        batch.put(REVISION_BIN, etags::key(older), key);
    });
    assert_eq!(
        problems,
        ["revisions 'notes/1 4': it must not be in revision bin too"]
    );
    let problems = problems_after(async |store, batch| {
        let (key, _) = first_revision(store).await;
        batch.put(REVISION_BIN, etags::key(2.into_etag()), key);
        batch.put(
            REVISION_BIN,
            etags::key(99.into_etag()),
            &b"\x01x\0\0\0\0\0\0\0\x63"[..],
        );
    });
    assert_eq!(
        problems,
        [
            "revision bin '2': it names the revision 'notes/1 2', which is no deletion",
            "revision bin '99': it names the revision 'x 99', which is missing",
        ]
    );
}

trait IntoEtag {
    fn into_etag(self) -> pinyon_core::version::Etag;
}

impl IntoEtag for u64 {
    fn into_etag(self) -> pinyon_core::version::Etag {
        pinyon_core::version::Etag::new(self)
    }
}

#[test]
fn flags_that_lie_are_named() {
    for (flag, expected) in [
        (
            DocumentFlags::HAS_REVISIONS,
            "documents 'notes/2': it has revisions, but is not flagged so",
        ),
        (
            DocumentFlags::HAS_ATTACHMENTS,
            "documents 'notes/2': it lists attachments, but is not flagged to have some",
        ),
        (
            DocumentFlags::SCHEDULED,
            "documents 'notes/2': it says when it is due, but is not flagged so",
        ),
    ] {
        let problems = problems_after(async |store, batch| {
            let stored = all(store, DOCUMENTS).await.remove(0);
            let before = stored.1.len() as u64;
            let record = DocumentRecord::decode(stored.1.clone()).unwrap();
            let mut parts = DocumentParts::of_record(&record, b"notes/2");
            parts.flags = parts.flags.without(flag);
            let value = parts.encode();
            let mut row =
                CollectionStatistics::decode(&all(store, COLLECTIONS).await[1].1).unwrap();
            row.document_bytes = row.document_bytes - before + value.len() as u64;
            batch.put(COLLECTIONS, &b"notes"[..], row.encode());
            batch.put(DOCUMENTS, stored.0, value);
        });
        assert_eq!(problems, [expected]);
    }
    let problems = problems_after(async |store, batch| {
        let stored = all(store, DOCUMENTS).await.remove(1);
        rewrite(batch, DOCUMENTS, &stored, b"plain", |parts| {
            parts.flags = parts
                .flags
                .with(DocumentFlags::HAS_REVISIONS)
                .with(DocumentFlags::HAS_ATTACHMENTS);
        });
    });
    assert_eq!(
        problems,
        [
            "documents 'plain': it is flagged to have attachments, but lists none",
            "documents 'plain': its entry 'plain (count)' in revisions is missing",
        ]
    );
}

#[test]
fn schedules_are_compared_both_ways() {
    for (space, id, year, table) in [
        (EXPIRATIONS, "notes/2", 2030, "expirations"),
        (REFRESHES, "plain", 2031, "refreshes"),
    ] {
        let time = format!("{year}-01-01T00:00:00.0000000Z");
        let problems = problems_after(async |store, batch| {
            let (key, _) = all(store, space).await.remove(0);
            batch.delete(space, key);
        });
        assert_eq!(
            problems,
            [format!(
                "documents '{id}': its entry '{id} {time}' in {table} is missing"
            )]
        );
        let problems = problems_after(async |_, batch| {
            let later = Timestamp::parse("2040-01-01T00:00:00Z").unwrap();
            batch.put(space, schedules::key(later, id.as_bytes()), Bytes::new());
            batch.put(space, schedules::key(later, b"nobody"), Bytes::new());
            batch.put(space, &b"short"[..], Bytes::new());
        });
        assert_eq!(
            problems,
            [
                format!("{table} 'short': a key of a schedule is shorter than its time"),
                format!("{table} 'nobody 2040-01-01T00:00:00.0000000Z': its document is missing"),
                format!(
                    "{table} '{id} 2040-01-01T00:00:00.0000000Z': its document is not due then"
                ),
            ]
        );
    }
}

#[test]
fn attachments_are_compared_both_ways() {
    let problems = problems_after(async |store, batch| {
        let (key, _) = all(store, ATTACHMENTS).await.remove(0);
        batch.delete(ATTACHMENTS, key);
    });
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert_eq!(
        problems[0],
        "documents 'notes/2': the attachment 'large' is missing"
    );
    assert!(problems[1].ends_with("it counts 2 references; there are 1"));
    assert!(problems[2].starts_with("database 'attachment counts': it counts 2 attachments"));

    let problems = problems_after(async |store, batch| {
        let (key, value) = all(store, ATTACHMENTS).await.remove(0);
        let mut row = AttachmentRecord::decode(&value).unwrap();
        row.content_type = "image/png".to_owned();
        row.etag = 1000.into_etag();
        batch.put(ATTACHMENTS, key, row.encode());
    });
    assert_eq!(
        problems,
        [
            "documents 'notes/2': the attachment 'large' differs from what it lists",
            "attachments 'notes/2: large': its etag 1000 is beyond the database's last",
        ]
    );

    let problems = problems_after(async |store, batch| {
        let (_, value) = all(store, ATTACHMENTS).await.remove(0);
        batch.put(
            ATTACHMENTS,
            blobs::attachment_key(b"plain", "large"),
            value.clone(),
        );
        batch.put(
            ATTACHMENTS,
            blobs::attachment_key(b"nobody", "other"),
            value,
        );
    });
    assert_eq!(problems.len(), 5, "{problems:?}");
    assert_eq!(
        problems[..3],
        [
            "attachments 'nobody: other': its name 'large' belongs to another key",
            "attachments 'plain: large': its document does not list it",
            "attachments 'nobody: other': its document is missing",
        ]
    );
    assert!(problems[3].ends_with("it counts 2 references; there are 4"));
}

/// The large content: its row, its record and its key.
async fn large(store: &TestStore) -> (Bytes, BlobRecord) {
    let rows = all(store, BLOBS).await.into_iter();
    let mut rows = rows.map(|(key, value)| (key, BlobRecord::decode(&value).unwrap()));
    rows.find(|(_, blob)| blob.size > 1000).unwrap()
}

#[test]
fn contents_are_checked_piece_by_piece() {
    type Damage = fn(&BlobRecord, &mut WriteBatch);
    let cases: [(Damage, &str); 4] = [
        (
            |blob, batch| batch.delete(CHUNKS, blobs::chunk_key(&blob.content, 1)),
            "its piece 1 is missing",
        ),
        (
            |blob, batch| batch.delete(CHUNKS, blobs::chunk_key(&blob.content, 2)),
            "its pieces have 516096 bytes instead of 516097",
        ),
        (
            |blob, batch| batch.put(CHUNKS, blobs::chunk_key(&blob.content, 2), &b"77"[..]),
            "its piece 2 has 2 bytes instead of 1",
        ),
        (
            |blob, batch| batch.put(CHUNKS, blobs::chunk_key(&blob.content, 2), &b"8"[..]),
            "its content has another hash",
        ),
    ];
    for (damage, expected) in cases {
        let mut shown = String::new();
        let problems = problems_after(async |store, batch| {
            let (key, blob) = large(store).await;
            shown = hash_text(&key[..].try_into().unwrap());
            damage(&blob, batch);
        });
        assert_eq!(problems, [format!("blobs '{shown}': {expected}")]);
    }
}

#[test]
fn wrong_references_are_named() {
    for (references, problem_count) in [(1, 1), (3, 1), (0, 2)] {
        let problems = problems_after(async |store, batch| {
            let (key, blob) = large(store).await;
            batch.put(BLOBS, key, BlobRecord { references, ..blob }.encode());
        });
        assert_eq!(problems.len(), problem_count, "{problems:?}");
        let expected = format!("it counts {references} references; there are 2");
        assert!(
            problems.last().unwrap().ends_with(&expected),
            "{problems:?}"
        );
    }
    let problems = problems_after(async |store, batch| {
        let (key, _) = large(store).await;
        batch.delete(BLOBS, key);
    });
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert_eq!(
        problems[0],
        "documents 'notes/2': the content of its 'large' is missing"
    );
    assert!(problems[1].starts_with("revisions 'notes/2 "));
    assert!(problems[2].contains("it counts 2 attachments and 2 contents"));
    assert!(problems[3].ends_with("it belongs to no content"));
}

#[test]
fn loose_contents_are_disjoint_from_others() {
    let problems = problems_after(async |store, batch| {
        let (_, blob) = large(store).await;
        let since = blobs::encode_loose(Timestamp::default());
        batch.put(LOOSE_CONTENTS, blob.content.to_vec(), since);
    });
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].ends_with("it must not be in loose contents too"));
    let problems = problems_after(async |store, batch| {
        let (key, _) = all(store, LOOSE_CONTENTS).await.remove(0);
        batch.delete(LOOSE_CONTENTS, key);
    });
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].ends_with(" 0': it belongs to no content"));
    let problems = problems_after(async |_, batch| {
        batch.put(LOOSE_CONTENTS, &b"x"[..], &b"1"[..]);
        batch.put(CHUNKS, &b"y"[..], &b"1"[..]);
    });
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn configurations_must_parse() {
    let problems = problems_after(async |_, batch| {
        batch.put(DATABASE, REVISIONS_KEY, &b"{\"Default\":5}"[..]);
    });
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with(
        "database 'configuration/revisions': the revisions configuration does not fit"
    ));
}

#[test]
fn reads_that_fail_are_named_and_never_end_the_check() {
    let story = filled();
    futures_executor::block_on(async {
        let store = open(&story).await;
        let snapshot = store.snapshot().await.unwrap();
        let calls_before = story.plan.calls();
        assert!(verify(&snapshot, |_| {}).await.is_sound());
        let call_count = story.plan.calls() - calls_before;
        for call in 1..=call_count {
            story.plan.fail_at(call, Fault::Error(ErrorKind::Corrupted));
            let report = verify(&snapshot, |_| {}).await;
            let mut problems = report.problems.iter();
            let is_told = problems.any(|it| it.what.contains("injected"));
            assert!(is_told, "read {call} failed unnoticed");
        }
    });
}
