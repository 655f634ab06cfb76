//! A request whose answer got lost is asked for again, and happens once.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use pinyon_core::ErrorKind;
use pinyon_core::commands::{BatchCommand, DoneAlready, RememberRequest};
use pinyon_core::schema::REQUESTS;
use pinyon_core::storage::{Direction, KeyRange, PageLimits, Snapshot};
use story::{Story, TestStore, delete, put};

type Database = pinyon_core::Database<TestStore>;

fn request(caller: &str, number: u64, answered_before: u64) -> BatchCommand {
    BatchCommand::RememberRequest(RememberRequest {
        caller: caller.to_owned(),
        number,
        answered_before,
    })
}

async fn remembered(database: &Database) -> usize {
    let read = database.read().await.unwrap();
    let (all, limits) = (KeyRange::all(), PageLimits::default());
    let page = read
        .snapshot()
        .scan(REQUESTS, &all, Direction::Forward, limits);
    page.await.unwrap().entries.len()
}

#[test]
fn the_second_time_is_recognised_and_changes_nothing() {
    let story = Story::new();
    let batch = || vec![put("a", r#"{"n":1}"#), request("tab", 0, 0)];
    story.run(async |database| {
        database.write_batch(batch()).await.unwrap();
    });
    // Another owner of the store gets the same request.
    story.run(async |database| {
        let before = database
            .read()
            .await
            .unwrap()
            .change_vector()
            .await
            .unwrap();
        let refused = database.write_batch(batch()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConcurrencyConflict);
        assert!(refused.details::<DoneAlready>().is_some());
        let after = database
            .read()
            .await
            .unwrap()
            .change_vector()
            .await
            .unwrap();
        assert_eq!(before, after);
        // The same number of somebody else is another request.
        let other = vec![delete("a"), request("tab 2", 0, 0)];
        database.write_batch(other).await.unwrap();
    });
}

#[test]
fn a_failed_request_may_be_asked_again() {
    Story::new().run(async |database| {
        let twice = vec![request("tab", 0, 0), request("tab", 0, 0)];
        assert!(database.write_batch(twice).await.is_err());
        assert_eq!(remembered(&database).await, 0);
        let once = vec![put("a", "{}"), request("tab", 0, 0)];
        database.write_batch(once).await.unwrap();
    });
}

#[test]
fn what_is_answered_or_old_is_forgotten() {
    let story = Story::new();
    story.run(async |database| {
        for number in 0..10 {
            let batch = vec![put("a", "{}"), request("tab", number, number)];
            database.write_batch(batch).await.unwrap();
        }
        assert_eq!(remembered(&database).await, 1);
        story.clock.advance_ms(25 * 60 * 60 * 1000);
        let batch = vec![put("a", "{}"), request("new tab", 0, 0)];
        database.write_batch(batch).await.unwrap();
        assert_eq!(remembered(&database).await, 1, "the dead tab's is gone");
        let nameless = vec![request("", 0, 0)];
        let refused = database.write_batch(nameless).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidRequest);
    });
}
