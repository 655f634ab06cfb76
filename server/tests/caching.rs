//! Clients keep what they read and ask whether it changed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
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

/// Once what was written lies in the data file, not only in the journal.
fn write_to_the_file(server: &TestServer) {
    // Too large for the journal.
    let filler = "x".repeat(3 << 20);
    server.store("filler", &format!(r#"{{"filler":"{filler}"}}"#));
}

#[test]
fn large_documents_read_again_and_again_are_the_newest() {
    let server = TestServer::with_database(&[]);
    let path = "/databases/Test/docs?id=a/1";
    let paths = [
        path,
        "/databases/Test/docs?id=a/1&id=none",
        "/databases/Test/docs?startsWith=a/",
    ];
    let mut tags: Vec<String> = Vec::new();
    for round in 0..4 {
        let body = format!(
            r#"{{"round":{round},"text":"{}"}}"#,
            "ö\"".repeat(9_000).replace('"', "\\\"")
        );
        server.store("a/1", &body);
        let sent: Value = serde_json::from_str(&body).unwrap();
        for part in 0..2 {
            for path in paths.iter().cycle().take(12) {
                let answer = server.get(path);
                let mut found = answer.json()["Results"][0].clone();
                let metadata = found.as_object_mut().unwrap().remove("@metadata").unwrap();
                assert_eq!((answer.status, &found), (200, &sent), "{path}");
                assert_eq!(metadata["@id"], "a/1");
            }
            if part == 0 {
                write_to_the_file(&server);
            }
        }
        for former in &tags {
            assert_eq!(server.get_if_none_match(path, former).status, 200);
        }
        let newest = tag(&server, path);
        assert_eq!(server.get_if_none_match(path, &newest).status, 304);
        tags.push(newest);
        if round % 2 == 1 {
            assert_eq!(server.delete(path, "").status, 204);
            write_to_the_file(&server);
            for _ in 0..3 {
                assert_eq!(server.get(path).status, 404);
                assert_eq!(
                    server.get_if_none_match(path, tags.last().unwrap()).status,
                    404
                );
            }
        }
        if round == 2 {
            server.delete("/databases/Test/docs?id=filler", "");
        }
    }
}

#[test]
fn a_database_made_anew_shows_nothing_of_the_one_before() {
    let server = TestServer::with_database(&[]);
    let path = "/databases/Test/docs?id=a/1";
    server.store("a/1", &format!(r#"{{"text":"{}"}}"#, "x".repeat(20_000)));
    write_to_the_file(&server);
    for _ in 0..4 {
        assert_eq!(server.get(path).status, 200);
    }
    let body = r#"{"DatabaseNames":["Test"],"HardDelete":true}"#;
    assert_eq!(server.delete("/admin/databases", body).status, 200);
    let body = r#"{"DatabaseName":"Test"}"#;
    assert_eq!(server.put("/admin/databases", body).status, 201);
    for _ in 0..4 {
        assert_eq!(server.get(path).status, 404);
    }
}

/// What goes out in pieces is the same compressed, inside another answer, and with its length.
#[test]
fn large_documents_are_whole_however_they_are_sent() {
    let server = TestServer::with_database(&[]);
    for (id, count) in [("a/1", 10), ("a/2", 5_000), ("a/3", 9_000), ("a/4", 40_000)] {
        server.store(
            id,
            &format!(r#"{{"text":"{}","Ref":"a/1"}}"#, "x".repeat(count)),
        );
    }
    let ids = "id=a/1&id=a/2&id=none&id=a/3&id=a/4&include=Ref";
    let path = format!("/databases/Test/docs?{ids}");
    let plain = server.get(&path);
    let results = plain.json()["Results"].clone();
    let lengths: Vec<Option<usize>> = (0..5)
        .map(|n| results[n]["text"].as_str().map(str::len))
        .collect();
    assert_eq!(
        lengths,
        [Some(10), Some(5_000), None, Some(9_000), Some(40_000)]
    );
    let compressed = server.send("GET", &path, &[("Accept-Encoding", "gzip")], b"");
    assert_eq!(compressed.header("Content-Encoding"), Some("gzip"));
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut GzDecoder::new(&compressed.body[..]), &mut text).unwrap();
    assert!(text == plain.body);
    let body =
        json!({ "Requests": [{ "Url": "/databases/Test/docs", "Query": format!("?{ids}") }] });
    let many = server.post("/databases/Test/multi_get", &body.to_string());
    assert_eq!(many.json()["Results"][0]["Result"], plain.json());
    let metadata = server.get(&format!("{path}&metadataOnly=true")).json();
    assert_eq!(metadata["Results"][4]["@metadata"], results[4]["@metadata"]);
    assert_eq!(metadata["Results"][4].as_object().unwrap().len(), 1);
}
