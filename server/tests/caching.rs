//! Clients keep what they read and ask whether it changed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::json;
use support::TestServer;

fn tag(server: &TestServer, path: &str) -> String {
    let answer = server.get(path);
    assert_eq!(answer.status, 200);
    answer.header("ETag").unwrap().to_owned()
}

#[test]
fn unchanged_reads_are_304_until_they_change() {
    let server = TestServer::with_database(&[]);
    server.store("a/1", r#"{"Ref":"b/1"}"#);
    server.store("a/2", "{}");
    server.store("b/1", "{}");
    let paths = [
        "/databases/Test/docs?id=a/1",
        "/databases/Test/docs?id=a/1&id=a/2",
        "/databases/Test/docs?id=a/1&include=Ref",
        "/databases/Test/docs?startsWith=a/",
        "/databases/Test/docs?pageSize=2",
        "/databases/Test/stats",
        "/databases/Test/collections/stats",
    ];
    for path in paths {
        let tag = tag(&server, path);
        for form in [
            tag.clone(),
            tag.trim_matches('"').to_owned(),
            format!("W/{tag}"),
        ] {
            let again = server.get_if_none_match(path, &form);
            assert_eq!((again.status, again.body.len()), (304, 0), "{path} {form}");
        }
        assert_eq!(server.get_if_none_match(path, "\"other\"").status, 200);
    }
    let before: Vec<String> = paths.iter().map(|path| tag(&server, path)).collect();
    server.store("a/1", r#"{"Ref":"b/1","n":1}"#);
    for (path, before) in paths.iter().zip(before) {
        assert_eq!(
            server.get_if_none_match(path, &before).status,
            200,
            "{path}"
        );
    }
}

#[test]
fn a_load_with_includes_changes_with_what_it_includes() {
    let server = TestServer::with_database(&[]);
    server.store("a/1", r#"{"Ref":"b/1"}"#);
    let path = "/databases/Test/docs?id=a/1&include=Ref";
    let missing = tag(&server, path);
    server.store("b/1", "{}");
    let there = tag(&server, path);
    assert_ne!(missing, there);
    server.store("elsewhere", "{}");
    assert_eq!(server.get_if_none_match(path, &there).status, 304);
}

#[test]
fn requests_in_a_request_are_cached_one_by_one() {
    let server = TestServer::with_database(&[]);
    let vector = server.store("a/1", "{}");
    let quoted = format!("\"{vector}\"");
    let docs = "/databases/Test/docs";
    let body = json!({ "Requests": [
        { "Url": docs, "Query": "?id=a/1", "Method": "GET", "Headers": { "If-None-Match": quoted } },
        { "Url": docs, "Query": "?id=a/1", "Headers": { "if-none-match": null } },
        { "Url": docs, "Query": "?id=none" },
        { "Url": docs, "Method": "POST", "Content": r#"{"Ids":["a/1","none"]}"# },
        { "Url": docs, "Method": "POST", "Content": { "Ids": ["a/1"] } },
        { "Url": "/databases/Nope/docs", "Query": "?id=a/1" },
        { "Url": "/databases/Test/no/such/route" },
        { "Url": "/databases/Test/multi_get", "Method": "POST", "Content": { "Requests": [] } },
        { "Url": "/databases/Test/stats" },
    ] });
    let answer = server.post("/databases/Test/multi_get", &body.to_string());
    assert_eq!(answer.status, 200);
    let results = answer.json()["Results"].clone();
    let statuses: Vec<u64> = (0..9)
        .map(|n| results[n]["StatusCode"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [304, 200, 404, 200, 200, 500, 400, 400, 200]);
    assert_eq!(results[0]["Headers"]["ETag"], quoted.as_str());
    assert_eq!(results[1]["Headers"]["ETag"], quoted.as_str());
    assert_eq!(results[2]["Result"]["Results"], json!([null]));
    assert_eq!(results[3]["Result"]["Results"][1], json!(null));
    let exception = results[5]["Result"]["Type"].as_str().unwrap();
    assert!(exception.ends_with("DatabaseDoesNotExistException"));
    assert_eq!(results[8]["Result"]["CountOfDocuments"], 1);
}

#[test]
fn not_modified_is_counted() {
    let server = TestServer::with_database(&[]);
    let vector = server.store("a/1", "{}");
    for _ in 0..3 {
        server.get_if_none_match("/databases/Test/docs?id=a/1", &vector);
    }
    let metrics = server.get("/metrics");
    let line = r#"pinyon_requests_total{route="GET docs",status="304"} 3"#;
    assert!(
        metrics.text().lines().any(|found| found == line),
        "{}",
        metrics.text()
    );
    assert!(
        metrics
            .text()
            .contains(r#"pinyon_documents{database="Test"} 1"#)
    );
    // Connections that were just closed may still be counted beside the one that asks.
    let open = metrics
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("pinyon_open_connections "));
    let open: u32 = open.unwrap().parse().unwrap();
    assert!(open >= 1);
}

#[test]
fn figures_change_when_no_document_does() {
    let flags = [
        "--tombstone-retention-h",
        "0",
        "--tombstone-cleanup-interval-s",
        "1",
    ];
    let server = TestServer::with_database(&flags);
    let detailed = "/databases/Test/stats/detailed";
    server.store("a/1", "{}");
    let before = tag(&server, detailed);
    let asked = server.post("/databases/Test/identity/next?name=n|", "");
    assert_eq!(asked.status, 200);
    let after = server.get_if_none_match(detailed, &before);
    assert_eq!(
        (after.status, &after.json()["CountOfIdentities"]),
        (200, &json!(1))
    );
    assert_eq!(server.delete("/databases/Test/docs?id=a/1", "").status, 204);
    let paths = ["/databases/Test/stats", "/databases/Test/collections/stats"];
    let first: Vec<_> = paths.iter().map(|path| server.get(path)).collect();
    for (path, first) in paths.iter().zip(first) {
        while server.get(path).json()["CountOfTombstones"] != 0 {
            std::thread::yield_now();
        }
        if first.json()["CountOfTombstones"] != 0 {
            let known = first.header("ETag").unwrap();
            assert_eq!(server.get_if_none_match(path, known).status, 200, "{path}");
        }
    }
}
