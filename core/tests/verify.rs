//! The check of whole databases: a sound one has no problems, each damage is named.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use bytes::Bytes;
use pinyon_core::ErrorKind;
use pinyon_core::document::to_id_key;
use pinyon_core::host::Timestamp;
use pinyon_core::schema::collections::CollectionStatistics;
use pinyon_core::schema::database_state::{DatabaseState, STATE_KEY};
use pinyon_core::schema::documents::{DocumentFlags, DocumentParts, DocumentRecord};
use pinyon_core::schema::etags::{self, ItemKind};
use pinyon_core::schema::tombstones::Tombstone;
use pinyon_core::schema::{
    COLLECTION_ETAGS, COLLECTIONS, DATABASE, DOCUMENTS, ETAGS, IDENTITIES, TOMBSTONES,
    collection_etags,
};
use pinyon_core::storage::{
    Durability, Environment, Fault, KeySpace, Snapshot, Store, StoreName, WriteBatch,
};
use pinyon_core::verify::{VerifyReport, verify};
use pinyon_core::version::{ChangeVector, Entry, Etag};
use story::{Story, TestStore, delete, put, write_one};

/// A database with documents (etags 1, 2 and 5), a tombstone (4, of what was 3), two collections
/// and an identity.
fn filled() -> Story {
    let story = Story::new();
    story.run(async |database| {
        for (id, text) in [
            (
                "Users/1",
                r#"{"Name":"Eva","@metadata":{"@collection":"Users"}}"#,
            ),
            ("plain", "{}"),
            ("Users/2", r#"{"@metadata":{"@collection":"Users"}}"#),
        ] {
            write_one(&database, put(id, text)).await.unwrap();
        }
        write_one(&database, delete("users/2")).await.unwrap();
        write_one(
            &database,
            put(
                "Users/3",
                r#"{"a":[1.50],"@metadata":{"@collection":"users"}}"#,
            ),
        )
        .await
        .unwrap();
        database.next_identity("users|").await.unwrap();
    });
    story
}

async fn open(story: &Story) -> TestStore {
    let name = StoreName::new("documents").unwrap();
    story.environment.open(&name).await.unwrap()
}

async fn read(store: &TestStore, space: KeySpace, key: &[u8]) -> Bytes {
    let key = Bytes::copy_from_slice(key);
    let snapshot = store.snapshot().await.unwrap();
    let mut values = snapshot.get_many(space, &[key]).await.unwrap();
    values.remove(0).expect("it is stored")
}

async fn check(store: &TestStore) -> VerifyReport {
    verify(&store.snapshot().await.unwrap(), |_| {}).await
}

/// What a check says after `damage` was done to a sound database.
fn problems_after(damage: impl AsyncFnOnce(&TestStore, &mut WriteBatch)) -> Vec<String> {
    let story = filled();
    futures_executor::block_on(async {
        let store = open(&story).await;
        let mut batch = WriteBatch::default();
        damage(&store, &mut batch).await;
        store.commit(batch, Durability::Durable).await.unwrap();
        let report = check(&store).await;
        let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
        assert_eq!(report.problem_count, problems.len() as u64);
        assert_eq!(report.is_sound(), problems.is_empty());
        problems
    })
}

/// Replaces the record of `users/1` by one with other parts.
async fn rewrite(
    store: &TestStore,
    batch: &mut WriteBatch,
    change: impl FnOnce(&mut DocumentParts<'_>),
) {
    let stored = DocumentRecord::decode(read(store, DOCUMENTS, b"users/1").await).unwrap();
    let mut parts = DocumentParts {
        etag: stored.etag,
        last_modified: stored.last_modified,
        flags: DocumentFlags::NONE,
        context: &stored.context,
        dot: stored.dot,
        origin: stored.origin,
        id: stored.id(),
        key: b"users/1",
        collection: stored.collection(),
        attachments: "",
        metadata: stored.metadata(),
        body: stored.body(),
    };
    change(&mut parts);
    batch.put(DOCUMENTS, &b"users/1"[..], parts.encode());
    // The size is part of the counts; only the named damage shall show.
    let stored_row = read(store, COLLECTIONS, b"users").await;
    let mut row = CollectionStatistics::decode(&stored_row).unwrap();
    row.document_bytes += parts.encode().len() as u64;
    row.document_bytes -= stored.byte_count() as u64;
    batch.put(COLLECTIONS, &b"users"[..], row.encode());
}

#[test]
fn a_sound_database_has_no_problems() {
    let story = filled();
    let report = futures_executor::block_on(async {
        let store = open(&story).await;
        check(&store).await
    });
    assert_eq!(report.problems, []);
    let seen = (report.documents, report.tombstones, report.collections);
    assert_eq!((seen, report.identities), ((3, 1, 2), 1));
    assert!(report.bytes > 100);
}

#[test]
fn broken_texts_are_named() {
    type Change = fn(&mut DocumentParts<'_>);
    let cases: [(Change, &str); 7] = [
        (
            |parts| parts.body = r#"{"a":1,"a":2}"#,
            "its body: the JSON is not valid: the property 'a' stands twice at line 1 column 10",
        ),
        (|parts| parts.body = "[]", "its body is no JSON object"),
        (
            |parts| parts.body = r#"{"@metadata":{}}"#,
            "its body holds @metadata",
        ),
        (
            |parts| parts.metadata = "x",
            "its metadata: the JSON is not valid: key must be a string at line 1 column 2",
        ),
        (
            |parts| parts.metadata = r#""@collection":"Others""#,
            "its metadata says collection 'Others', its record 'Users'",
        ),
        (
            |parts| parts.id = "users/9",
            "its id 'users/9' belongs to another key",
        ),
        (
            |parts| parts.body = "{\"a\":",
            "its body: the JSON is not valid: EOF while parsing a value at line 1 column 5",
        ),
    ];
    for (change, expected) in cases {
        let problems = problems_after(async |store, batch| rewrite(store, batch, change).await);
        assert_eq!(problems, [format!("documents 'users/1': {expected}")]);
    }
}

#[test]
fn broken_versions_are_named() {
    let problems = problems_after(async |store, batch| {
        let own = read(store, DATABASE, STATE_KEY).await;
        let own = DatabaseState::decode(&own).unwrap().incarnations.own();
        let beyond = Entry {
            incarnation: own,
            etag: Etag::new(77),
        };
        let context: ChangeVector = [beyond].into_iter().collect();
        let context: &'static ChangeVector = Box::leak(Box::new(context));
        rewrite(store, batch, |parts| parts.context = context).await;
    });
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("documents 'users/1': it has seen 77 of "));
    assert!(problems[0].ends_with("of which the database has seen 5"));

    let empty: &'static ChangeVector = Box::leak(Box::new(ChangeVector::empty()));
    let problems = problems_after(async |store, batch| {
        rewrite(store, batch, |parts| parts.context = empty).await;
    });
    assert_eq!(
        problems,
        ["documents 'users/1': its change vector lacks its own write 1 of incarnation 0"]
    );
}

#[test]
fn a_record_that_does_not_decode_is_named() {
    for (space, key, table) in [
        (DOCUMENTS, &b"users/1"[..], "documents"),
        (TOMBSTONES, b"users/2", "tombstones"),
        (COLLECTIONS, b"users", "collections"),
        (IDENTITIES, b"users|", "identities"),
        (DATABASE, STATE_KEY, "database"),
    ] {
        let problems = problems_after(async |store, batch| {
            let stored = read(store, space, key).await;
            // Cut before a body could make any length a good one.
            batch.put(space, key.to_vec(), stored.slice(..5));
        });
        assert_eq!(problems.len(), 1, "{problems:?}");
        let start = format!("{table} '{}': a record of", key.escape_ascii());
        assert!(problems[0].starts_with(&start), "{problems:?}");
    }
}

#[test]
fn lost_and_stray_etags_are_named() {
    let problems = problems_after(async |_, batch| batch.delete(ETAGS, etags::key(Etag::new(1))));
    assert_eq!(
        problems,
        ["documents 'users/1': its entry '1' in etags is missing"]
    );
    let problems = problems_after(async |_, batch| {
        let key = collection_etags::key("users", ItemKind::Tombstone, Etag::new(4));
        batch.delete(COLLECTION_ETAGS, key);
    });
    assert_eq!(
        problems,
        ["tombstones 'users/2': its entry 'users: Tombstone 4' in collection etags is missing"]
    );
    let problems = problems_after(async |_, batch| {
        let stray = etags::value(ItemKind::Document, b"gone");
        batch.put(ETAGS, etags::key(Etag::new(3)), stray);
    });
    assert_eq!(
        problems,
        ["etags '3': it names the document 'gone', which is missing"]
    );
    let problems = problems_after(async |_, batch| {
        let stray = etags::value(ItemKind::Document, b"users/1");
        batch.put(ETAGS, etags::key(Etag::new(3)), stray);
    });
    assert_eq!(
        problems,
        ["etags '3': it names 'users/1', which has etag 1"]
    );
    let problems = problems_after(async |_, batch| {
        let key = collection_etags::key("others", ItemKind::Document, Etag::new(1));
        batch.put(COLLECTION_ETAGS, key, &b"users/1"[..]);
    });
    assert_eq!(
        problems,
        ["collection etags 'others: Document 1': it names 'users/1', which is in 'users'"]
    );
}

#[test]
fn an_exchanged_etag_is_named_from_both_sides() {
    let problems = problems_after(async |_, batch| {
        let other = etags::value(ItemKind::Document, b"plain");
        batch.put(ETAGS, etags::key(Etag::new(1)), other);
    });
    assert_eq!(
        problems,
        [
            "documents 'users/1': its entry '1' in etags belongs to something else",
            "etags '1': it names 'plain', which has etag 2",
        ]
    );
}

#[test]
fn malformed_etag_entries_are_named() {
    let problems = problems_after(async |_, batch| batch.put(ETAGS, &b"short"[..], &b"\x01x"[..]));
    assert_eq!(
        problems,
        ["etags 'short': a key of 'etags' does not have eight bytes"]
    );
    let problems = problems_after(async |_, batch| {
        batch.put(ETAGS, etags::key(Etag::new(3)), &b"\x07x"[..]);
    });
    assert_eq!(
        problems,
        ["etags '3': an entry of 'etags' has unknown kind 7"]
    );
    let problems = problems_after(async |_, batch| {
        batch.put(COLLECTION_ETAGS, &b"x"[..], &b"users/1"[..]);
    });
    assert_eq!(
        problems,
        ["collection etags 'x': a key of 'collection etags' breaks off or does not fit"]
    );
}

#[test]
fn wrong_counts_are_named() {
    let problems = problems_after(async |store, batch| {
        let stored = read(store, COLLECTIONS, b"users").await;
        let mut row = CollectionStatistics::decode(&stored).unwrap();
        row.document_count += 1;
        row.tombstone_count -= 1;
        row.document_bytes = 1;
        row.last_document_etag = Etag::new(4);
        batch.put(COLLECTIONS, &b"users"[..], row.encode());
    });
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert_eq!(
        problems[0],
        "collections 'users': it counts 3 documents; there are 2"
    );
    assert_eq!(
        problems[1],
        "collections 'users': it counts 0 tombstones; there are 1"
    );
    assert!(problems[2].starts_with("collections 'users': it counts 1 bytes; there are "));
    assert_eq!(
        problems[3],
        "collections 'users': its last document etag is 4; there is one with 5"
    );
    let problems = problems_after(async |_, batch| batch.delete(COLLECTIONS, &b"@empty"[..]));
    assert_eq!(
        problems,
        ["collections '@empty': it is missing; there are 1 documents and 0 tombstones of it"]
    );
    let problems = problems_after(async |_, batch| {
        let row = CollectionStatistics {
            name: "Ghosts".to_owned(),
            document_count: 2,
            ..CollectionStatistics::default()
        };
        batch.put(COLLECTIONS, &b"ghosts"[..], row.encode());
        batch.put(
            COLLECTIONS,
            &b"other"[..],
            CollectionStatistics {
                document_count: 0,
                ..row
            }
            .encode(),
        );
    });
    assert_eq!(
        problems,
        [
            "collections 'ghosts': it counts 2 documents; there are 0",
            "collections 'other': its name 'Ghosts' belongs to another key",
        ]
    );
}

#[test]
fn a_document_with_a_tombstone_is_named() {
    let problems = problems_after(async |store, batch| {
        let stored = Tombstone::decode(&read(store, TOMBSTONES, b"users/2").await).unwrap();
        let tombstone = Tombstone {
            id: "plain".to_owned(),
            ..stored
        };
        batch.delete(TOMBSTONES, &b"users/2"[..]);
        batch.put(TOMBSTONES, &b"plain"[..], tombstone.encode());
        let entry = etags::value(ItemKind::Tombstone, b"plain");
        batch.put(ETAGS, etags::key(Etag::new(4)), entry);
        let key = collection_etags::key("users", ItemKind::Tombstone, Etag::new(4));
        batch.put(COLLECTION_ETAGS, key, &b"plain"[..]);
    });
    assert_eq!(
        problems,
        ["documents 'plain': it must not be in tombstones too"]
    );
}

#[test]
fn a_state_behind_its_records_is_named() {
    let problems = problems_after(async |store, batch| {
        let stored = read(store, DATABASE, STATE_KEY).await;
        let mut state = DatabaseState::decode(&stored).unwrap();
        state.last_etag = Etag::new(4);
        batch.put(DATABASE, STATE_KEY, state.encode());
    });
    assert_eq!(
        problems,
        [
            "database 'state': it has seen 5 of its own writes, but its last etag is 4",
            "documents 'users/3': its etag 5 is beyond the database's last, 4",
            "etags '5': it is beyond the database's last etag, 4",
            "collection etags 'users: Document 5': it is beyond the database's last etag, 4",
        ]
    );
    let problems = problems_after(async |_, batch| batch.delete(DATABASE, STATE_KEY));
    assert_eq!(problems, ["database 'state': it is missing"]);
}

#[test]
fn what_does_not_belong_there_is_named() {
    let problems = problems_after(async |_, batch| {
        batch.put(DATABASE, &b"other"[..], &b"1"[..]);
        batch.put(KeySpace::new(30), &b"k"[..], &b"1"[..]);
        let identity = pinyon_core::schema::identities::Identity {
            name: "People|".to_owned(),
            value: 1,
        };
        batch.put(IDENTITIES, to_id_key("others|"), identity.encode());
    });
    assert_eq!(
        problems,
        [
            "database 'other': this version knows no such record",
            "identities 'others|': its name 'People|' belongs to another key",
            "unknown table 'k': table 30 is not of this version",
        ]
    );
}

#[test]
fn tombstones_are_checked_by_themselves() {
    let problems = problems_after(async |store, batch| {
        let stored = Tombstone::decode(&read(store, TOMBSTONES, b"users/2").await).unwrap();
        let tombstone = Tombstone {
            deleted_etag: Etag::new(4),
            last_modified: Timestamp::default(),
            id: "users/".to_owned(),
            ..stored
        };
        batch.put(TOMBSTONES, &b"users/2"[..], tombstone.encode());
    });
    assert_eq!(
        problems,
        [
            "tombstones 'users/2': its id 'users/' belongs to another key",
            "tombstones 'users/2': it deletes etag 4, which is not before its own, 4",
        ]
    );
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
        assert!(call_count > 10);
        for call in 1..=call_count {
            let fault = Fault::Error(ErrorKind::Corrupted);
            story.plan.fail_at(call, fault);
            let report = verify(&snapshot, |_| {}).await;
            let told = report
                .problems
                .iter()
                .any(|it| it.what.contains("injected"));
            assert!(told, "read {call} failed unnoticed");
        }
    });
}
