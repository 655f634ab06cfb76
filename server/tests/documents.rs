//! Documents are stored, read back as they were, listed in pages and streamed, and deleted.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::{Value, json};
use support::TestServer;

#[test]
fn a_document_comes_back_as_it_went_in() {
    let server = TestServer::with_database(&[]);
    let text = r#"{ "b": 1.50, "a": 1e+02, "é": "\u00e9", "@metadata": {"@collection": "Odd", "My-Key": [1]}}"#;
    let vector = server.store("odd/1", text);
    let answer = server.get("/databases/Test/docs?id=ODD/1");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("ETag"),
        Some(format!("\"{vector}\"").as_str())
    );
    assert!(answer.text().starts_with(
        r#"{"Results":[{"b":1.50,"a":1e+02,"é":"\u00e9","@metadata":{"@collection":"Odd","My-Key":[1],"#
    ));
    let metadata = &answer.json()["Results"][0]["@metadata"];
    assert_eq!(metadata["@id"], "odd/1");
    assert_eq!(metadata["@change-vector"], vector.as_str());
}

#[test]
fn the_four_kinds_of_ids() {
    let server = TestServer::with_database(&[]);
    let put = |id: &str| server.put(&format!("/databases/Test/docs?id={id}"), "{}");
    assert_eq!(put("people/").json()["Id"], "people/0000000000000000001-A");
    assert_eq!(put("people%7C").json()["Id"], "people/1");
    assert_eq!(put("people%2F2-A").json()["Id"], "people/2-A");
    let answer = server.put("/databases/Test/docs", "{}");
    assert_eq!(
        (answer.status, answer.exception().as_str()),
        (400, "BadRequestException")
    );
    let batch = server.batch(&json!([{ "Type": "PUT", "Id": null, "Document": {} }]));
    let id = batch.json()["Results"][0]["@id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(id.len(), 36, "{id}");
    assert_eq!(put(&"x".repeat(513)).status, 413);
    assert_eq!(put("%FF").status, 400);
    assert_eq!(put("%7C").status, 400);
}

#[test]
fn several_are_loaded_from_one_snapshot_with_what_they_refer_to() {
    let server = TestServer::with_database(&[]);
    server.store("companies/1", r#"{"Name":"Acme"}"#);
    server.store(
        "orders/1",
        r#"{"Company":"companies/1","Lines":[{"P":"p/1"},{"P":"p/2"}]}"#,
    );
    server.store("p/1", r#"{"N":1}"#);
    let answer = server.get(
        "/databases/Test/docs?id=orders/1&id=nope&id=ORDERS/1&include=Company&include=Lines[].P",
    );
    let json = answer.json();
    assert_eq!(json["Results"].as_array().unwrap().len(), 2);
    assert_eq!(json["Results"][1], Value::Null);
    assert_eq!(json["Includes"]["companies/1"]["Name"], "Acme");
    assert_eq!(json["Includes"]["p/1"]["N"], 1);
    assert_eq!(json["Includes"]["p/2"], Value::Null);
    let posted = server.post("/databases/Test/docs", r#"{"Ids":["p/1","companies/1"]}"#);
    assert_eq!(posted.json()["Results"][1]["Name"], "Acme");
    let bad = server.get("/databases/Test/docs?id=orders/1&include=a..b");
    assert_eq!(bad.status, 400);
    let later = server.get("/databases/Test/docs?id=orders/1&counter=likes");
    assert_eq!(
        (later.status, later.exception().as_str()),
        (501, "NotSupportedException")
    );
}

#[test]
fn names_in_queries_have_any_case_and_bodies_are_objects() {
    let server = TestServer::with_database(&[]);
    server.store("n/1", r#"{"Ref":"n/2"}"#);
    server.store("n/2", "{}");
    let wanted = server.get("/databases/Test/docs?id=n/1&include=Ref&metadataOnly=true");
    let answer = server.get("/databases/Test/docs?ID=n/1&Include=Ref&METADATAONLY=true");
    assert_eq!((answer.status, answer.json()), (200, wanted.json()));
    assert_eq!(answer.json()["Includes"].as_object().unwrap().len(), 1);
    assert_eq!(
        server
            .post("/databases/Test/docs", r#"{"Ids":["n/1"]}"#)
            .status,
        200
    );
    assert_eq!(
        server.post("/databases/Test/docs", r#"[["n/1"]]"#).status,
        400
    );
}

#[test]
fn pages_by_prefix_and_by_age() {
    let server = TestServer::with_database(&[]);
    for n in 1..=9 {
        let document = json!({ "n": n, "@metadata": { "@collection": "Items" } });
        server.store(&format!("items/{n}"), &document.to_string());
    }
    let numbers = |path: &str| -> Vec<u64> {
        let json = server.get(&format!("/databases/Test/{path}")).json();
        let results = json["Results"].as_array().unwrap().clone();
        results.iter().map(|it| it["n"].as_u64().unwrap()).collect()
    };
    assert_eq!(
        numbers("docs?startsWith=ITEMS/&start=1&pageSize=3"),
        [2, 3, 4]
    );
    assert_eq!(
        numbers("docs?startsWith=items/&matches=1|3|7&exclude=3"),
        [1, 7]
    );
    assert_eq!(numbers("docs?startsWith=items/&startAfter=items/7"), [8, 9]);
    assert_eq!(numbers("docs?start=1&pageSize=2"), [8, 7]);
    assert_eq!(numbers("collections/docs?name=items&start=7"), [2, 1]);
    assert_eq!(numbers("docs?startsWith=none/"), [0; 0]);
    // As large as any language's largest number.
    let all = "docs?startsWith=items/&start=0&pageSize=18446744073709551615";
    assert_eq!(numbers(all).len(), 9);
    let far = "docs?start=18446744073709551615&pageSize=18446744073709551615";
    assert_eq!(numbers(far), [0; 0]);
    assert_eq!(server.get("/databases/Test/docs?pageSize=-1").status, 400);
    let metadata = server.get("/databases/Test/docs?startsWith=items/1&metadataOnly=true");
    assert_eq!(metadata.json()["Results"][0].as_object().unwrap().len(), 1);
}

#[test]
fn a_stream_has_every_document_once() {
    let server = TestServer::with_database(&[]);
    let filler = "x".repeat(3000);
    let commands: Vec<Value> = (0..700)
        .map(|n| json!({ "Type": "PUT", "Id": format!("s/{n:04}"), "Document": { "n": n, "f": filler } }))
        .collect();
    assert_eq!(server.batch(&Value::Array(commands)).status, 201);
    let numbers = |results: Vec<Value>| -> Vec<u64> {
        results.iter().map(|it| it["n"].as_u64().unwrap()).collect()
    };
    let lines = |path: &str| -> Vec<u64> {
        let answer = server.get(&format!("/databases/Test/{path}"));
        assert_eq!(answer.header("Transfer-Encoding"), Some("chunked"));
        let parsed = answer
            .text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        numbers(parsed.collect())
    };
    let forward: Vec<u64> = (0..700).collect();
    let backward: Vec<u64> = (0..700).rev().collect();
    assert_eq!(lines("streams/docs?format=jsonl&startsWith=s/"), forward);
    assert_eq!(lines("streams/docs?format=jsonl"), backward);
    assert_eq!(
        lines("streams/docs?format=jsonl&start=690"),
        backward[690..]
    );
    assert_eq!(
        lines("streams/docs?format=jsonl&startsWith=s/&start=5&pageSize=400"),
        forward[5..405]
    );
    assert_eq!(
        lines("streams/docs?format=jsonl&startsWith=s/&matches=*7").len(),
        70
    );
    let json = server
        .get("/databases/Test/streams/docs?startsWith=s/")
        .json();
    assert_eq!(
        numbers(json["Results"].as_array().unwrap().clone()),
        forward
    );
    let none = server.get("/databases/Test/streams/docs?startsWith=none");
    assert_eq!(none.text(), r#"{"Results":[]}"#);
}

#[test]
fn existence_is_asked_by_head_and_deleting_is_repeatable() {
    let server = TestServer::with_database(&[]);
    let vector = server.store("d/1", "{}");
    let head = |id: &str, headers: &[(&str, &str)]| {
        server.send(
            "HEAD",
            &format!("/databases/Test/docs?id={id}"),
            headers,
            b"",
        )
    };
    let answer = head("d/1", &[]);
    assert_eq!(
        (answer.status, answer.header("ETag")),
        (200, Some(format!("\"{vector}\"").as_str()))
    );
    assert_eq!(head("d/1", &[("If-None-Match", &vector)]).status, 304);
    assert_eq!(head("d/2", &[]).status, 404);
    for _ in 0..2 {
        assert_eq!(server.delete("/databases/Test/docs?id=d/1", "").status, 204);
    }
    assert_eq!(server.load("d/1"), Value::Null);
}

#[test]
fn a_batch_says_which_transaction_it_wants() {
    let server = TestServer::with_database(&[]);
    let send = |mode: &str| {
        let commands = json!([{ "Type": "PUT", "Id": "a", "Document": {} }]);
        let batch = json!({ "Commands": commands, "TransactionMode": mode });
        server
            .post("/databases/Test/bulk_docs", &batch.to_string())
            .status
    };
    assert_eq!(send("SingleNode"), 201);
    assert_eq!(send("ClusterWide"), 501);
    assert_eq!(send("Other"), 400);
}
