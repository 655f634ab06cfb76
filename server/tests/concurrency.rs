//! Writers say what they believe is stored; a wrong belief changes nothing.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::{Value, json};
use support::TestServer;

#[test]
fn a_stale_vector_is_refused_and_named() {
    let server = TestServer::with_database(&[]);
    let first = server.store("a/1", r#"{"n":1}"#);
    let second = server.store("a/1", r#"{"n":2}"#);
    let quoted = format!("\"{first}\"");
    let put = |tag: &str| {
        server.send(
            "PUT",
            "/databases/Test/docs?id=a/1",
            &[("If-Match", tag)],
            br#"{"n":3}"#,
        )
    };
    let answer = put(&quoted);
    assert_eq!(
        (answer.status, answer.exception().as_str()),
        (409, "ConcurrencyException")
    );
    let json = answer.json();
    assert_eq!(json["Id"], "a/1");
    assert_eq!(json["ExpectedChangeVector"], first.as_str());
    assert_eq!(json["ActualChangeVector"], second.as_str());
    let delete = server.send(
        "DELETE",
        "/databases/Test/docs?id=a/1",
        &[("If-Match", &quoted)],
        b"",
    );
    assert_eq!(delete.status, 409);
    assert_eq!(server.load("a/1")["n"], 2);
    // With and without quotes.
    assert_eq!(put(&second).status, 201);
    assert_eq!(server.load("a/1")["n"], 3);
}

#[test]
fn a_batch_is_all_or_nothing() {
    let server = TestServer::with_database(&[]);
    let vector = server.store("b/1", r#"{"n":1}"#);
    let answer = server.batch(&json!([
        { "Type": "PUT", "Id": "b/2", "Document": { "n": 2 } },
        { "Type": "DELETE", "Id": "b/1", "ChangeVector": null },
        { "Type": "PUT", "Id": "b/3", "ChangeVector": "A:999-wrongwrongwrongwrongww", "Document": {} },
    ]));
    assert_eq!(
        (answer.status, answer.exception().as_str()),
        (409, "ConcurrencyException")
    );
    assert_eq!(server.load("b/2"), Value::Null);
    assert_eq!(
        server.load("b/1")["@metadata"]["@change-vector"],
        vector.as_str()
    );
}

#[test]
fn a_batch_answers_each_command() {
    let server = TestServer::with_database(&[]);
    server.store("c/1", "{}");
    server.store("z/1", "{}");
    server.store("z/2", "{}");
    let answer = server.batch(&json!([
        { "Type": "PUT", "Id": "c/", "ChangeVector": null,
          "Document": { "@metadata": { "@collection": "Cs" } } },
        { "Type": "DELETE", "Id": "c/1", "ChangeVector": null },
        { "Type": "DELETE", "Id": "z/", "IdPrefixed": true },
        { "Type": "DELETE", "Id": "none/", "IdPrefixed": true },
        { "Type": "DELETE", "Id": "c/404", "ChangeVector": null },
    ]));
    assert_eq!(answer.status, 201);
    let results = answer.json()["Results"].clone();
    assert_eq!(results[0]["Type"], "PUT");
    assert_eq!(results[0]["@id"], "c/0000000000000000004-A");
    assert_eq!(results[0]["@collection"], "Cs");
    assert!(
        results[0]["@change-vector"]
            .as_str()
            .unwrap()
            .starts_with("A:4-")
    );
    assert!(
        results[0]["@last-modified"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    assert_eq!(
        results[1],
        json!({ "Id": "c/1", "Type": "DELETE", "Deleted": true, "ChangeVector": null })
    );
    assert_eq!(
        results[2],
        json!({ "Id": "z/", "Type": "DELETE", "Deleted": true })
    );
    assert_eq!(
        results[3],
        json!({ "Id": "none/", "Type": "DELETE", "Deleted": false })
    );
    assert_eq!(results[4]["Deleted"], false);
    assert_eq!(server.load("z/2"), Value::Null);
}

#[test]
fn what_was_only_read_can_be_checked() {
    let server = TestServer::with_database(&[]);
    let read = server.store("r/1", "{}");
    let track = |vector: &str| {
        server.batch(&json!([
            { "Type": "PUT", "Id": "r/2", "Document": {} },
            { "Type": "BatchTrackChanges", "TrackedEntities": { "r/1": vector, "r/404": "" } },
        ]))
    };
    assert_eq!(track(&read).status, 201);
    server.store("r/1", r#"{"changed":true}"#);
    assert_eq!(track(&read).status, 409);
}

#[test]
fn what_is_not_there_yet_is_said_with_its_place() {
    let server = TestServer::with_database(&[]);
    let counters = json!([
        { "Type": "PUT", "Id": "p/1", "Document": {} },
        { "Type": "Counters", "Id": "p/1", "Counters": { "DocumentId": "p/1", "Operations": [] } },
    ]);
    let answer = server.batch(&counters);
    assert_eq!(
        (answer.status, answer.exception().as_str()),
        (501, "NotSupportedException")
    );
    let message = answer.json()["Message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("Counters") && message.contains('1'),
        "{message}"
    );
    assert_eq!(server.load("p/1"), Value::Null);
    let twice = r#"{"Commands":[{"Type":"PUT","Id":"p/1","Id":"p/2","Document":{}}]}"#;
    assert_eq!(server.post("/databases/Test/bulk_docs", twice).status, 400);
    for body in [
        "",
        "[]",
        "{}",
        r#"{"Commands":[{}]}"#,
        r#"{"Commands":[{"Type":"PUT","Id":"p/1"}]}"#,
    ] {
        assert_eq!(
            server.post("/databases/Test/bulk_docs", body).status,
            400,
            "{body}"
        );
    }
}

#[test]
fn what_no_node_can_promise_is_refused_before_it_is_stored() {
    let server = TestServer::with_database(&[]);
    let send = |query: &str| {
        let body = r#"{"Commands":[{"Type":"PUT","Id":"w/1","Document":{}}]}"#;
        let path = format!("/databases/Test/bulk_docs?waitForReplicasTimeout=00:00:01{query}");
        server.post(&path, body).status
    };
    assert_eq!(send("&numberOfReplicasToWaitFor=1"), 501);
    assert_eq!(server.load("w/1"), Value::Null);
    assert_eq!(send("&throwOnTimeoutInWaitForReplicas=false"), 201);
}

#[test]
fn a_condition_that_cannot_be_read_is_not_passed_over() {
    let server = TestServer::with_database(&[]);
    let vector = server.store("m/1", "{}");
    let path = "/databases/Test/docs?id=m/1";
    for method in ["PUT", "DELETE"] {
        let answer = server.send(method, path, &[("If-Match", "\"é\"")], b"{}");
        assert_eq!(answer.status, 400, "{method}: {answer:?}");
    }
    assert_eq!(server.load("m/1")["@metadata"]["@change-vector"], *vector);
}

#[test]
fn a_hundred_increments_by_ten_writers_are_a_hundred() {
    let server = TestServer::with_database(&[]);
    server.store("counter", r#"{"n":0}"#);
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let mut done = 0;
                while done < 10 {
                    let current = server.load("counter");
                    let vector = current["@metadata"]["@change-vector"].as_str().unwrap();
                    let next = json!({ "n": current["n"].as_u64().unwrap() + 1 }).to_string();
                    let path = "/databases/Test/docs?id=counter";
                    let answer = server.send("PUT", path, &[("If-Match", vector)], next.as_bytes());
                    done += usize::from(answer.status == 201);
                }
            });
        }
    });
    assert_eq!(server.load("counter")["n"], 100);
}
