//! Expiration and refresh on the server's schedule, and what wakes a sleeping database.

use pinyon_core::host::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::story::{Sent, Story};

fn expiring(at: &str) -> Value {
    json!({ "@metadata": { "@collection": "As", "@expires": at } })
}

fn in_seconds(seconds: i64) -> String {
    SystemClock.now().plus_ms(seconds * 1000).to_text()
}

fn configure(story: &Story, disabled: bool, frequency_s: u64) {
    let body = json!({ "Disabled": disabled, "DeleteFrequencyInSec": frequency_s });
    let answer = story.post("admin/expiration/config", body).expect(200);
    assert!(answer.json()["RaftCommandIndex"].as_u64().unwrap() > 0);
}

#[test]
fn configurations_are_kept() {
    let story = Story::new(&[]);
    story.get("expiration/config").expect(404);
    story.get("refresh/config").expect(404);
    configure(&story, false, 129_600);
    let kept =
        json!({ "Disabled": false, "DeleteFrequencyInSec": 129_600, "MaxItemsToProcess": null });
    assert_eq!(story.get("expiration/config").json(), kept);
    let refresh = json!({ "Disabled": false, "RefreshFrequencyInSec": 5 });
    story.post("admin/refresh/config", refresh).expect(200);
    assert_eq!(
        story.get("refresh/config").json()["RefreshFrequencyInSec"],
        5
    );
    story
        .post(
            "admin/expiration/config",
            json!({ "DeleteFrequencyInSec": 0 }),
        )
        .expect(400);
    story.post("admin/expiration/config", json!([])).expect(400);
}

#[test]
fn a_document_expires_and_not_before() {
    let story = Story::new(&[]);
    configure(&story, false, 1);
    let at = in_seconds(3);
    story.put("soon", expiring(&at));
    story.put("later", expiring("2999-01-01T00:00:00.0000000Z"));
    story.put("past", expiring("2020-01-01T00:00:00.0000000Z"));
    story.wait_until("the one that is past", |story| story.load("past").is_none());
    story.wait_until("the one that is due", |story| {
        // Read before the answer, so that it is a lower bound of when it was seen to be gone.
        let is_there = story.load("soon").is_some();
        let now = SystemClock.now().to_text();
        assert!(is_there || now > at, "gone at {now}, due at {at}");
        !is_there
    });
    assert!(story.load("later").is_some());
}

#[test]
fn nothing_expires_while_it_is_off() {
    let story = Story::new(&[]);
    configure(&story, true, 1);
    story.put("past", expiring("2020-01-01T00:00:00.0000000Z"));
    // Refresh runs in the same rounds: when it has done its work, expiration had its chance.
    story
        .post(
            "admin/refresh/config",
            json!({ "Disabled": false, "RefreshFrequencyInSec": 1 }),
        )
        .expect(200);
    let due = json!({ "n": 1, "@metadata": { "@refresh": "2020-01-01T00:00:00.0000000Z" } });
    let before = story.put("fresh", due);
    story.wait_until("the refresh", |story| {
        story.load("fresh").unwrap()["@metadata"]["@change-vector"] != before.as_str()
    });
    let fresh = story.load("fresh").unwrap();
    assert_eq!(
        (&fresh["n"], &fresh["@metadata"]["@refresh"]),
        (&json!(1), &Value::Null)
    );
    assert!(story.load("past").is_some());
    // Switched on, it does not wait for a round of the old frequency.
    configure(&story, false, 100_000);
    story.wait_until("the sweep", |story| story.load("past").is_none());
}

#[test]
fn a_sweep_takes_as_many_as_it_may() {
    let story = Story::new(&[]);
    for n in 0..20 {
        story.put(&format!("a/{n}"), expiring("2020-01-01T00:00:00.0000000Z"));
    }
    let body =
        json!({ "Disabled": false, "DeleteFrequencyInSec": 100_000, "MaxItemsToProcess": 15 });
    story.post("admin/expiration/config", body).expect(200);
    let count = |story: &Story| story.get("stats").json()["CountOfDocuments"].clone();
    story.wait_until("the sweep", |story| count(story) != 20);
    assert_eq!(count(&story), 5);
}

#[test]
fn a_sleeping_database_is_woken_for_what_is_due() {
    let asleep = ["--idle-database-timeout-s", "1"];
    let mut story = Story::new(&asleep);
    configure(&story, false, 1);
    story.put("soon", expiring(&in_seconds(8)));
    story.wait_until("sleep", |story| {
        story.server().log_end().contains("it is idle")
    });
    // Also when the process learns of it only by its records.
    story.restart(&asleep);
    story.wait_until("the sweep of a database nobody asked for", |story| {
        story.server().log_end().contains("swept")
    });
    assert!(story.load("soon").is_none());
}

#[test]
fn a_record_may_bring_its_configurations() {
    let story = Story::new(&[]);
    let record = json!({
        "DatabaseName": "made",
        "Expiration": { "Disabled": false, "DeleteFrequencyInSec": 1 },
        "Revisions": { "Default": { "Disabled": false } },
    });
    let made = story.ask("PUT", "/admin/databases?name=made", &[], Sent::Json(record));
    made.expect(201);
    let ask = |path: &str| {
        story.ask(
            "GET",
            &format!("/databases/made/{path}"),
            &[],
            Sent::Nothing,
        )
    };
    assert_eq!(
        ask("expiration/config").expect(200).json()["DeleteFrequencyInSec"],
        1
    );
    assert_eq!(
        ask("revisions/config").expect(200).json()["Default"]["Disabled"],
        false
    );
    let broken = json!({ "DatabaseName": "broken", "Expiration": { "DeleteFrequencyInSec": 0 } });
    let made = story.ask(
        "PUT",
        "/admin/databases?name=broken",
        &[],
        Sent::Json(broken),
    );
    made.expect(400);
    story
        .ask("GET", "/databases/broken/stats", &[], Sent::Nothing)
        .expect(500);
}
