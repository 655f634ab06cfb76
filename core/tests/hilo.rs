//! HiLo ranges: never overlapping, sized by demand, given back when unused.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use std::collections::HashSet;

use pinyon_core::commands::{NextHiloRange, ReturnHiloRange};
use pinyon_core::host::Clock;
use pinyon_core::version::NodeTag;
use story::{Story, json, put, written};

fn next(last_size: u64, last_range_at: Option<pinyon_core::host::Timestamp>) -> NextHiloRange {
    NextHiloRange {
        tag: "Users".to_owned(),
        last_size,
        last_range_at,
        ..Default::default()
    }
}

#[test]
fn ranges_grow_when_asked_for_often_and_shrink_when_not() {
    let story = Story::new();
    story.run(async |database| {
        let first = database.next_hilo_range(next(0, None)).await.unwrap();
        assert_eq!((first.low, first.high, first.size), (1, 32, 32));
        assert_eq!(
            (first.prefix.as_str(), first.server_tag.as_str()),
            ("Users/", "A")
        );
        let soon = database
            .next_hilo_range(next(32, Some(first.leased_at)))
            .await
            .unwrap();
        assert_eq!((soon.low, soon.high), (33, 96));
        story.clock.advance_ms(45_000);
        let later = database
            .next_hilo_range(next(64, Some(soon.leased_at)))
            .await
            .unwrap();
        assert_eq!(later.size, 64);
        story.clock.advance_ms(61_000);
        let much_later = database
            .next_hilo_range(next(64, Some(later.leased_at)))
            .await
            .unwrap();
        assert_eq!(much_later.size, 32);
        story.clock.advance_ms(-10_000_000);
        let now = story.clock.now();
        assert!(now < later.leased_at);
        let huge = database
            .next_hilo_range(next(u64::MAX, Some(later.leased_at)))
            .await
            .unwrap();
        assert_eq!(huge.size, 1 << 20);
        let max = json(&database, "Raven/Hilo/Users").await.unwrap();
        assert_eq!(max["Max"], huge.high);
        assert_eq!(max["@metadata"]["@collection"], "@hilo");
    });
}

#[test]
fn only_the_last_range_can_be_given_back() {
    Story::new().run(async |database| {
        let back = |end, last| ReturnHiloRange {
            tag: "Users".to_owned(),
            end,
            last,
        };
        database.return_hilo_range(back(32, 1)).await.unwrap();
        assert!(
            json(&database, "Raven/Hilo/Users").await.is_none(),
            "nothing to give back"
        );
        database.next_hilo_range(next(0, None)).await.unwrap();
        database.return_hilo_range(back(32, 7)).await.unwrap();
        assert_eq!(
            database.next_hilo_range(next(0, None)).await.unwrap().low,
            8
        );
        database.return_hilo_range(back(32, 9)).await.unwrap();
        assert_eq!(
            database.next_hilo_range(next(0, None)).await.unwrap().low,
            40
        );
    });
}

#[test]
fn a_spoilt_state_document_is_refused_not_overwritten() {
    Story::new().run(async |database| {
        let text = r#"{"Max":"many","@metadata":{"@collection":"@hilo"}}"#;
        written(&database, put("Raven/Hilo/Users", text)).await;
        assert!(database.next_hilo_range(next(0, None)).await.is_err());
        let no_tag = NextHiloRange::default();
        assert!(database.next_hilo_range(no_tag).await.is_err());
    });
}

#[test]
fn nodes_that_do_not_hear_of_each_other_never_give_out_the_same_id() {
    let mut ids = HashSet::new();
    for tag in ["A", "B"] {
        let mut story = Story::new();
        story.options.node_tag = NodeTag::new(tag).unwrap();
        story.run(async |database| {
            for _ in 0..500 {
                // As the server makes it …
                let made = written(&database, put("users/", "{}")).await;
                assert!(ids.insert(made.id.to_ascii_lowercase()), "{}", made.id);
            }
            let mut count = 0;
            while count < 500 {
                // … and as clients put it together.
                let range = database.next_hilo_range(next(0, None)).await.unwrap();
                for number in range.low..=range.high {
                    let id = format!("{}{number}-{}", range.prefix, range.server_tag);
                    assert!(ids.insert(id.to_ascii_lowercase()), "{id}");
                    count += 1;
                }
            }
        });
    }
    assert!(ids.len() >= 2_000);
}

#[test]
fn one_character_stands_between_tag_and_number() {
    Story::new().run(async |database| {
        for (separator, fits) in [
            ("", true),
            ("-", true),
            ("é", true),
            ("|", false),
            ("ab", false),
        ] {
            let asked = NextHiloRange {
                separator: separator.to_owned(),
                ..next(0, None)
            };
            let answer = database.next_hilo_range(asked).await;
            assert_eq!(answer.is_ok(), fits, "{separator}");
        }
        let range = database.next_hilo_range(NextHiloRange {
            separator: "-".to_owned(),
            ..next(0, None)
        });
        assert_eq!(range.await.unwrap().prefix, "Users-");
    });
}
