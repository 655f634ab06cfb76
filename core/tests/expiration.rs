//! Documents expire and are refreshed when their time has come, and never before.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use pinyon_core::ErrorKind;
use pinyon_core::document::parse_document;
use pinyon_core::host::Clock;
use story::{Story, delete, json, put, write_one, written};

fn due(name: &str, at: &str) -> String {
    format!(r#"{{"a":1,"@metadata":{{"@collection":"Carts","{name}":"{at}"}}}}"#)
}

#[test]
fn an_expired_document_goes_with_the_next_sweep_and_not_before() {
    let story = Story::new();
    story.run(async |database| {
        written(
            &database,
            put("a", &due("@expires", "2026-01-01T00:01:00.0000000Z")),
        )
        .await;
        written(
            &database,
            put("b", &due("@expires", "2026-01-01T00:02:00Z")),
        )
        .await;
        story.clock.advance_ms(59_999);
        assert_eq!(database.sweep_expired_step(10).await.unwrap(), 0);
        story.clock.advance_ms(1);
        assert!(
            json(&database, "a").await.is_some(),
            "it is soft until the sweep"
        );
        assert_eq!(database.sweep_expired_step(10).await.unwrap(), 1);
        assert!(json(&database, "a").await.is_none());
        assert!(json(&database, "b").await.is_some());
        assert_eq!(database.sweep_expired_step(10).await.unwrap(), 0);
        assert_eq!(
            database
                .read()
                .await
                .unwrap()
                .statistics()
                .await
                .unwrap()
                .tombstone_count,
            1
        );
    });
}

#[test]
fn what_the_document_says_now_decides() {
    let story = Story::new();
    story.run(async |database| {
        let soon = due("@expires", "2026-01-01T00:01:00Z");
        for id in ["moved", "cleared", "deleted", "kept"] {
            written(&database, put(id, &soon)).await;
        }
        written(
            &database,
            put("moved", &due("@expires", "2026-01-01T01:00:00Z")),
        )
        .await;
        let cleared = r#"{"@metadata":{"@collection":"Carts","@expires":null}}"#;
        written(&database, put("cleared", cleared)).await;
        write_one(&database, delete("deleted")).await.unwrap();
        story.clock.advance_ms(120_000);
        assert_eq!(database.sweep_expired_step(10).await.unwrap(), 1);
        assert!(json(&database, "kept").await.is_none());
        assert!(json(&database, "moved").await.is_some());
        assert!(json(&database, "cleared").await.is_some());
    });
}

#[test]
fn sweeps_are_bounded_and_survive_long_downtime_and_clock_jumps() {
    let story = Story::new();
    story.run(async |database| {
        for n in 0..25 {
            let at = format!("2026-01-01T00:{n:02}:00Z");
            written(&database, put(&format!("c/{n}"), &due("@expires", &at))).await;
        }
    });
    story.clock.advance_ms(400 * 86_400_000);
    story.run(async |database| {
        let mut swept = vec![];
        loop {
            match database.sweep_expired_step(10).await.unwrap() {
                0 => break,
                count => swept.push(count),
            }
        }
        assert_eq!(swept, [10, 10, 5]);
        let now = story.clock.now();
        story.clock.set(now.plus_ms(-800 * 86_400_000));
        written(
            &database,
            put("back", &due("@expires", "2026-01-01T00:00:00Z")),
        )
        .await;
        assert_eq!(
            database.sweep_expired_step(10).await.unwrap(),
            0,
            "late, not early"
        );
        story.clock.set(now);
        assert_eq!(database.sweep_expired_step(10).await.unwrap(), 1);
    });
}

#[test]
fn a_refreshed_document_is_written_anew_without_the_time() {
    let story = Story::new();
    story.run(async |database| {
        let before = written(
            &database,
            put("a", &due("@refresh", "2026-01-01T00:01:00Z")),
        )
        .await;
        story.clock.advance_ms(61_000);
        assert_eq!(database.sweep_refreshes_step(10).await.unwrap(), 1);
        let after = json(&database, "a").await.unwrap();
        assert!(after["@metadata"].get("@refresh").is_none());
        assert_eq!(after["@metadata"]["@collection"], "Carts");
        assert_ne!(after["@metadata"]["@change-vector"], before.change_vector);
        assert_eq!(database.sweep_refreshes_step(10).await.unwrap(), 0);
    });
}

#[test]
fn a_malformed_time_is_refused() {
    let limits = pinyon_core::Limits::default();
    for bad in ["nonsense", "2026-13-01T00:00:00Z", ""] {
        let error = parse_document(&due("@expires", bad), &limits).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.message().contains("@expires"), "{error}");
    }
}
