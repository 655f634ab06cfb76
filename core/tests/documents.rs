//! Documents are stored, read, changed and deleted by id, one at a time and in batches.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use pinyon_core::commands::{BatchCommand, CommandOutcome, DeleteByPrefix, ExpectedVersion};
use pinyon_core::commands::{SeedIdentity, VerifyVersions};
use pinyon_core::document::{DocumentId, IncludePath};
use pinyon_core::host::Timestamp;
use pinyon_core::version::Etag;
use pinyon_core::{ConcurrencyViolation, ErrorKind, Item, NoticeKind, PrefixQuery};
use serde_json::json;
use story::written;
use story::{Story, delete, delete_expecting, json as read_json, put, put_expecting, write_one};

#[test]
fn a_document_comes_back_with_computed_metadata() {
    Story::new().run(async |database| {
        let text =
            r#"{"b":1.50,"a":2,"@metadata":{"@collection":"Users","My":"x","@id":"forged"}}"#;
        let stored = written(&database, put("Users/1-A", text)).await;
        assert_eq!(stored.etag, Etag::new(1));
        assert!(stored.change_vector.starts_with("A:1-"));
        let read = database.read().await.unwrap();
        let document = read.document("uSERS/1-a").await.unwrap().unwrap();
        let mut text = Vec::new();
        document.write_json(&mut text);
        let expected = format!(
            "{{\"b\":1.50,\"a\":2,\"@metadata\":{{\"@collection\":\"Users\",\"My\":\"x\",\
             \"@change-vector\":\"{}\",\"@id\":\"Users/1-A\",\
             \"@last-modified\":\"2026-01-01T00:00:00.0000000Z\"}}}}",
            stored.change_vector
        );
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    });
}

#[test]
fn an_empty_document_is_shown_whole() {
    Story::new().run(async |database| {
        written(&database, put("e", "{}")).await;
        let shown = read_json(&database, "e").await.unwrap();
        assert_eq!(shown["@metadata"]["@id"], "e");
        assert!(shown["@metadata"].get("@collection").is_none());
    });
}

#[test]
fn ids_are_chosen_by_the_four_rules() {
    Story::new().run(async |database| {
        let server_side = written(&database, put("people/", "{}")).await;
        assert_eq!(server_side.id, "people/0000000000000000001-A");
        written(&database, put("people/2", "{}")).await;
        assert_eq!(
            written(&database, put("people|", "{}")).await.id,
            "people/1"
        );
        let next = written(&database, put("People|", "{}")).await.id;
        assert_eq!(next, "People/3", "an identity never overwrites people/2");
        assert_eq!(written(&database, put("", "{}")).await.id.len(), 36);
        assert_eq!(database.next_identity("people").await.unwrap(), 4);
        let seed = |value, force| SeedIdentity {
            name: "people|".to_owned(),
            value,
            force,
        };
        assert_eq!(database.seed_identity(seed(2, false)).await.unwrap(), 4);
        assert_eq!(database.seed_identity(seed(100, false)).await.unwrap(), 100);
        assert_eq!(database.seed_identity(seed(7, true)).await.unwrap(), 7);
    });
}

#[test]
fn ids_that_are_made_here_never_meet_documents_that_came_from_elsewhere() {
    Story::new().run(async |database| {
        for at in [2, 3] {
            let id = format!("people/{at:019}-A");
            written(&database, put(&id, r#"{"from":"a dump"}"#)).await;
        }
        written(&database, put("people/1", "{}")).await;
        // The sixth etag is the next one.
        written(&database, put(&format!("People/{:019}-a", 6), "{}")).await;
        written(&database, put("other", "{}")).await;
        let made = written(&database, put("people/", "{}")).await;
        assert_eq!(
            (made.id, made.etag),
            ("people/0000000000000000007-A".to_owned(), Etag::new(7))
        );
        let dumped = read_json(&database, &format!("people/{:019}-A", 2)).await;
        assert_eq!(dumped.unwrap()["from"], "a dump");
        assert_eq!(database.next_identity("people").await.unwrap(), 2);
    });
}

#[test]
fn a_device_has_ids_of_its_own_before_it_ever_met_a_server() {
    let made = |seed| {
        let mut story = Story::new();
        story.options.is_device = true;
        let make = async |database| written(&database, put("visits/", "{}")).await.id;
        let first = story.run_seeded(seed, make);
        let again = story.run_seeded(seed + 100, make);
        let suffix = |id: &str| id.rsplit_once('-').unwrap().1.to_owned();
        assert_eq!(suffix(&first), suffix(&again), "its own since its founding");
        first
    };
    let (one, other) = (made(1), made(2));
    assert!(one.starts_with("visits/0000000000000000001-"), "{one}");
    assert!(other.starts_with("visits/0000000000000000001-"), "{other}");
    assert_ne!(one, other);
    assert_eq!(one.len(), "visits/".len() + 19 + 1 + 16);
}

#[test]
fn expected_versions_are_checked_and_named() {
    Story::new().run(async |database| {
        let first = written(&database, put("a", "{}")).await;
        let stale = ExpectedVersion::Exactly("A:99-AAAAAAAAAAAAAAAAAAAAAA".to_owned());
        for refused in [
            put_expecting("a", "{}", ExpectedVersion::Missing),
            put_expecting("a", "{}", stale.clone()),
            put_expecting("nope", "{}", stale.clone()),
            delete_expecting("a", stale.clone()),
            delete_expecting("nope", stale.clone()),
        ] {
            let error = write_one(&database, refused).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConcurrencyConflict);
            let violation: &ConcurrencyViolation = error.details().unwrap();
            assert_eq!(violation.actual.is_some(), violation.id == "a");
        }
        let current = ExpectedVersion::Exactly(first.change_vector);
        let second = written(&database, put_expecting("a", "{}", current)).await;
        assert_eq!(second.etag, Etag::new(2), "refused writes take no etag");
        let current = ExpectedVersion::Exactly(second.change_vector);
        write_one(&database, delete_expecting("a", current))
            .await
            .unwrap();
        assert!(read_json(&database, "a").await.is_none());
        written(
            &database,
            put_expecting("a", "{}", ExpectedVersion::Missing),
        )
        .await;
    });
}

#[test]
fn a_batch_is_all_or_nothing() {
    Story::new().run(async |database| {
        written(&database, put("kept", "{}")).await;
        let batch = vec![
            put("new", "{}"),
            delete("kept"),
            BatchCommand::DeleteByPrefix(DeleteByPrefix {
                prefix: "ke".to_owned(),
            }),
            put_expecting("kept", "{}", ExpectedVersion::Exactly("A:9-x".to_owned())),
        ];
        assert!(database.write_batch(batch).await.is_err());
        assert!(read_json(&database, "new").await.is_none());
        assert!(read_json(&database, "kept").await.is_some());
        let statistics = database.read().await.unwrap().statistics().await.unwrap();
        assert_eq!(
            (statistics.document_count, statistics.tombstone_count),
            (1, 0)
        );
        assert_eq!(statistics.last_etag, Etag::new(1));
    });
}

#[test]
fn a_batch_sees_its_own_changes() {
    Story::new().run(async |database| {
        let batch = vec![
            put("x/1", r#"{"n":1}"#),
            put("x/2", "{}"),
            delete("x/1"),
            put_expecting("x/1", r#"{"n":2}"#, ExpectedVersion::Missing),
            BatchCommand::DeleteByPrefix(DeleteByPrefix {
                prefix: "X/".to_owned(),
            }),
            put("x/3", "{}"),
        ];
        let outcomes = database.write_batch(batch).await.unwrap();
        assert!(matches!(&outcomes[4], CommandOutcome::DeletedByPrefix(it) if it.count == 2));
        assert!(read_json(&database, "x/1").await.is_none());
        assert!(read_json(&database, "x/3").await.is_some());
    });
}

#[test]
fn read_documents_can_be_verified_at_commit() {
    Story::new().run(async |database| {
        let read = written(&database, put("read", "{}")).await;
        let verify = |expected: ExpectedVersion| {
            BatchCommand::VerifyVersions(VerifyVersions {
                expected: vec![(DocumentId::new("read", 512).unwrap(), expected)],
            })
        };
        let current = ExpectedVersion::Exactly(read.change_vector);
        database
            .write_batch(vec![verify(current.clone()), put("w", "{}")])
            .await
            .unwrap();
        written(&database, put("read", "{}")).await;
        let error = database
            .write_batch(vec![put("w2", "{}"), verify(current)])
            .await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::ConcurrencyConflict);
        assert!(read_json(&database, "w2").await.is_none());
        assert!(
            write_one(&database, verify(ExpectedVersion::Missing))
                .await
                .is_err()
        );
    });
}

#[test]
fn a_put_cannot_change_the_collection() {
    Story::new().run(async |database| {
        let in_collection = |name| format!(r#"{{"@metadata":{{"@collection":"{name}"}}}}"#);
        written(&database, put("a", &in_collection("Users"))).await;
        written(&database, put("a", &in_collection("users"))).await;
        let error = write_one(&database, put("a", &in_collection("Orders")))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        write_one(&database, delete("a")).await.unwrap();
        written(&database, put("a", &in_collection("Orders"))).await;
        let collections = database.read().await.unwrap().collections().await.unwrap();
        let counts: Vec<_> = collections
            .iter()
            .map(|it| (it.name.as_str(), it.document_count))
            .collect();
        assert_eq!(counts, [("Orders", 1)]);
    });
}

#[test]
fn prefixes_globs_and_pages_find_what_they_say() {
    Story::new().run(async |database| {
        let batch = (1..=30).map(|n| put(&format!("A/{n:02}"), "{}")).collect();
        database.write_batch(batch).await.unwrap();
        written(&database, put("B/1", "{}")).await;
        let ids = async |query: PrefixQuery| {
            let read = database.read().await.unwrap();
            let found = read.documents_by_prefix(&query).await.unwrap();
            found
                .iter()
                .map(|it| it.id().to_owned())
                .collect::<Vec<_>>()
        };
        let query = PrefixQuery {
            prefix: "a/".to_owned(),
            page_size: 3,
            ..Default::default()
        };
        assert_eq!(ids(query.clone()).await, ["A/01", "A/02", "A/03"]);
        let later = PrefixQuery {
            start: 28,
            ..query.clone()
        };
        assert_eq!(ids(later).await, ["A/29", "A/30"]);
        let globbed = PrefixQuery {
            matches: "*7|1?".to_owned(),
            page_size: 100,
            ..query.clone()
        };
        assert_eq!(ids(globbed.clone()).await.len(), 12);
        let excluding = PrefixQuery {
            exclude: "*7".to_owned(),
            ..globbed
        };
        assert_eq!(ids(excluding).await.len(), 9);
        let after = PrefixQuery {
            start_after: "A/29".to_owned(),
            ..query.clone()
        };
        assert_eq!(ids(after).await, ["A/30"]);
        let none = PrefixQuery {
            page_size: 0,
            ..query
        };
        assert!(ids(none).await.is_empty());
    });
}

#[test]
fn patterns_over_ten_thousand_ids_find_what_a_look_at_each_finds() {
    Story::new().run(async |database| {
        let batch = (0..10_000).map(|n| put(&format!("a/{n}"), "{}")).collect();
        database.write_batch(batch).await.unwrap();
        written(&database, put("b/70", "{}")).await;
        let is_wanted = |n: &str| {
            let matches = n.starts_with('8') || (n.len() > 1 && n[..n.len() - 1].ends_with('7'));
            matches && !n.ends_with('5')
        };
        let mut wanted: Vec<String> = (0..10_000)
            .map(|n| n.to_string())
            .filter(|n| is_wanted(n))
            .map(|n| format!("a/{n}"))
            .collect();
        wanted.sort_unstable();
        let read = database.read().await.unwrap();
        let mut found: Vec<String> = Vec::new();
        loop {
            let query = PrefixQuery {
                prefix: "A/".to_owned(),
                matches: "*7?|8*".to_owned(),
                exclude: "*5".to_owned(),
                start_after: found.last().cloned().unwrap_or_default(),
                page_size: 97,
                ..Default::default()
            };
            let page = read.documents_by_prefix(&query).await.unwrap();
            if page.is_empty() {
                break;
            }
            found.extend(page.iter().map(|it| it.id().to_owned()));
        }
        assert_eq!(found, wanted);
        assert!(wanted.len() > 1_000);
    });
}

#[test]
fn includes_are_found_once_and_missing_ones_are_named() {
    Story::new().run(async |database| {
        let order = r#"{"Company":"c/1","Lines":[{"P":"p/1"},{"P":"P/1"},{"P":"p/2"}]}"#;
        database
            .write_batch(vec![put("o/1", order), put("c/1", "{}"), put("p/1", "{}")])
            .await
            .unwrap();
        let read = database.read().await.unwrap();
        let order = read.document("o/1").await.unwrap().unwrap();
        let paths = ["Company", "Lines[].P"].map(|path| IncludePath::parse(path).unwrap());
        let included = read.includes(&[&order], &paths).await.unwrap();
        let found: Vec<_> = included
            .iter()
            .map(|(id, it)| (id.as_str(), it.is_some()))
            .collect();
        assert_eq!(found, [("c/1", true), ("p/1", true), ("p/2", false)]);
    });
}

#[test]
fn etag_order_holds_documents_and_tombstones() {
    Story::new().run(async |database| {
        for command in [
            put("a", "{}"),
            put("b", "{}"),
            put("a", "{}"),
            delete("b"),
            delete("b"),
        ] {
            write_one(&database, command).await.unwrap();
        }
        let read = database.read().await.unwrap();
        let items = read.items_after(Etag::ZERO, 100).await.unwrap();
        let listed: Vec<_> = items
            .iter()
            .map(|item| match item {
                Item::Document(it) => (it.etag().number(), it.id().to_owned()),
                Item::Tombstone(it) => (it.etag.number(), format!("-{}", it.id)),
                Item::Revision(it) => (it.etag().number(), format!("={}", it.id())),
            })
            .collect();
        assert_eq!(listed, [(3, "a".to_owned()), (5, "-b".to_owned())]);
        let newest = read.newest_documents(0, 10).await.unwrap();
        assert_eq!(newest.len(), 1);
    });
}

#[test]
fn tombstones_are_cleaned_when_old_and_consumed() {
    let story = Story::new();
    story.run(async |database| {
        for id in ["a", "b", "c"] {
            written(&database, put(id, "{}")).await;
            write_one(&database, delete(id)).await.unwrap();
        }
        story.clock.advance_ms(1_000);
        written(&database, put("d", "{}")).await;
        write_one(&database, delete("d")).await.unwrap();
        let horizon = Timestamp::parse("2026-01-01T00:00:01Z").unwrap();
        let clean = |up_to, limit| database.clean_tombstones_step(Etag::new(up_to), horizon, limit);
        assert_eq!(clean(4, 1).await.unwrap(), 1);
        assert_eq!(clean(4, 10).await.unwrap(), 1, "c's tombstone has etag 6");
        assert_eq!(
            clean(100, 10).await.unwrap(),
            1,
            "d's tombstone is too young"
        );
        let statistics = database.read().await.unwrap().statistics().await.unwrap();
        assert_eq!(statistics.tombstone_count, 1);
    });
}

#[test]
fn a_large_document_raises_one_notice_and_nothing_else() {
    let mut story = Story::new();
    story.options.limits.large_document_bytes = 1_000;
    story.run(async |database| {
        written(&database, put("small", "{}")).await;
        let large = json!({ "text": "x".repeat(1_000) }).to_string();
        written(&database, put("large", &large)).await;
        let notices = database.notices();
        assert_eq!(notices.len(), 1);
        assert!(matches!(&notices[0].kind, NoticeKind::LargeDocument { id, .. } if id == "large"));
        assert!(read_json(&database, "large").await.is_some());
    });
}

#[test]
fn everything_survives_reopening_under_another_tag() {
    let mut story = Story::new();
    let first = story.run(async |database| written(&database, put("a", "{}")).await);
    story.options.node_tag = pinyon_core::version::NodeTag::new("B").unwrap();
    let second = story.run(async |database| written(&database, put("b/", "{}")).await);
    assert_eq!(second.id, "b/0000000000000000002-B");
    let id = |vector: &str| vector.split('-').next_back().unwrap().to_owned();
    assert_eq!(id(&first.change_vector), id(&second.change_vector));
}
