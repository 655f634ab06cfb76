//! Edges over real sockets against the real server.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use pinyon_core::replication::edge::EdgeEvent;
use serde_json::{Value, json};
use support::TestServer;
use support::edge::TestEdge;

/// The change vector of a document on the server.
fn vector(server: &TestServer, id: &str) -> String {
    let document = server.load(id);
    document["@metadata"]["@change-vector"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn pinyon(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pinyon"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn two_edges_and_a_client_see_what_each_other_writes() {
    let server = TestServer::with_database(&[]);
    let (mut eva, mut adam) = (TestEdge::new(), TestEdge::new());
    eva.put(
        "children/1",
        r#"{"Name":"Mia","@metadata":{"@collection":"Children"}}"#,
    );
    eva.connect(&server, "").unwrap();
    eva.sync_until(|_| true);
    assert_eq!(server.load("children/1")["Name"], "Mia");
    adam.connect(&server, "").unwrap();
    adam.sync_until(|edge| edge.load("children/1").is_some());
    // What a client of the server writes reaches edges that wait.
    assert_eq!(
        server
            .put("/databases/Test/docs?id=children/2", r#"{"Name":"Ben"}"#)
            .status,
        201
    );
    for edge in [&mut eva, &mut adam] {
        edge.sync_until(|edge| edge.load("children/2").is_some());
        assert_eq!(
            edge.load("children/1").unwrap().1,
            vector(&server, "children/1")
        );
    }
    adam.put(
        "children/1",
        r#"{"Name":"Mia B.","@metadata":{"@collection":"Children"}}"#,
    );
    adam.sync_until(|_| true);
    eva.sync_until(|edge| edge.load("children/1").unwrap().0.contains("Mia B."));
    assert_eq!(eva.load("children/1"), adam.load("children/1"));
}

#[test]
fn a_server_killed_in_between_loses_and_doubles_nothing() {
    let mut server = TestServer::with_database(&[]);
    let mut eva = TestEdge::new();
    for round in 0..5 {
        for number in 0..40 {
            eva.put(&format!("notes/{round}-{number}"), r#"{"Text":"x"}"#);
        }
        eva.connect(&server, "").unwrap();
        // Somewhere in the middle of it.
        for _ in 0..=round * 2 {
            eva.turn();
        }
        server.kill_and_restart();
        eva.disconnect();
    }
    eva.connect(&server, "").unwrap();
    eva.sync_until(|_| true);
    let stats: Value = serde_json::from_slice(&server.get("/databases/Test/stats").body).unwrap();
    assert_eq!(stats["CountOfDocuments"], 200);
    assert_eq!(stats["CountOfDocumentsConflicts"].as_u64().unwrap_or(0), 0);
    for number in 0..40 {
        let id = format!("notes/4-{number}");
        assert_eq!(eva.load(&id).unwrap().1, vector(&server, &id));
    }
}

#[test]
fn a_conflict_is_told_to_clients_and_settled_by_one() {
    let server = TestServer::with_database(&[]);
    let (mut eva, mut adam) = (TestEdge::new(), TestEdge::new());
    for (edge, name) in [(&mut eva, "Eva"), (&mut adam, "Adam")] {
        edge.put("groups/1", &format!(r#"{{"Name":"{name}"}}"#));
        edge.connect(&server, "").unwrap();
        edge.sync_until(|_| true);
    }
    let loaded = server.get("/databases/Test/docs?id=groups/1");
    assert_eq!(loaded.status, 409);
    let error: Value = serde_json::from_slice(&loaded.body).unwrap();
    assert!(
        error["Type"]
            .as_str()
            .unwrap()
            .ends_with("DocumentConflictException")
    );
    assert_eq!(error["DocId"], "groups/1");
    let listed = server.get("/databases/Test/replication/conflicts?docId=groups/1");
    let listed: Value = serde_json::from_slice(&listed.body).unwrap();
    assert_eq!(listed["TotalResults"], 2, "{listed}");
    let mut names: Vec<_> = listed["Results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["Doc"]["Name"].clone())
        .collect();
    names.sort_by_key(|it| it.to_string());
    assert_eq!(names, ["Adam", "Eva"]);
    assert_eq!(
        server
            .put("/databases/Test/docs?id=groups/1", r#"{"Name":"Both"}"#)
            .status,
        201
    );
    for edge in [&mut eva, &mut adam] {
        edge.sync_until(|edge| {
            let settled = |(text, _): (String, String)| text.contains("Both");
            edge.conflict("groups/1") == 0 && edge.load("groups/1").is_some_and(settled)
        });
    }
    let revisions = server.get("/databases/Test/revisions?id=groups/1");
    let text = String::from_utf8(revisions.body).unwrap();
    assert!(text.contains("Adam") && text.contains("Eva"), "{text}");
}

/// Why each write that waits on an edge was refused, by document.
fn refusals(edge: &mut TestEdge) -> Vec<(String, String, String)> {
    let refused = edge.events.iter().filter_map(|event| match event {
        EdgeEvent::Refused { id, refusal } => {
            Some((id.clone(), refusal.code.clone(), refusal.reason.clone()))
        }
        _ => None,
    });
    refused.collect()
}

fn configure(server: &TestServer, path: &str, configuration: &Value) {
    let answer = server.post(
        &format!("/databases/Test/{path}"),
        &configuration.to_string(),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn note(text: &str) -> String {
    format!(r#"{{"Text":"{text}","@metadata":{{"@collection":"Notes"}}}}"#)
}

fn token_of_an_author(keys: &str) -> String {
    pinyon(&[
        "edge-token",
        "--keys",
        keys,
        "--user",
        "eva",
        "--database",
        "Test",
        "--claim",
        "roles=[\"author\"]",
    ])
}

fn check_refusals(refused: &[(String, String, String)], expected: &[(&str, &str, &str)]) {
    for (id, code, why) in expected {
        let of_id = refused.iter().find(|it| it.0 == *id);
        let (_, actual, reason) = of_id.unwrap_or_else(|| panic!("{id}: {refused:?}"));
        assert!(
            actual == code && reason.contains(why),
            "{id}: {actual} {reason}"
        );
    }
}

#[test]
fn functions_refuse_documents_one_by_one_and_say_why() {
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("keys.json");
    let keys = keys.to_str().unwrap();
    pinyon(&["edge-token", "--new-keys", keys]);
    let server = TestServer::with_database(&["--sync-keys", keys, "--script-timeout-ms", "300"]);
    let broken = json!({ "Collections": { "Notes": { "Script": "if (" } } });
    let answer = server.post(
        "/databases/Test/admin/validation/config",
        &broken.to_string(),
    );
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("'Notes'"), "{}", answer.text());
    let function = "
        if (doc && doc.Text === 'loop') while (true) {}
        if (doc && doc.Text === 'bug') noSuchThing();
        if (old && old.Owner !== user.sub) throw `${id} is ${old.Owner}'s`;
        if (!doc) throw new Error('notes are not deleted');
        if (!doc.Text || !user.roles.includes('author')) throw 'a note has a text';";
    let configuration = json!({ "Collections": { "Notes": { "Script": function } } });
    configure(&server, "admin/validation/config", &configuration);
    let stored = server.get("/databases/Test/validation/config").json();
    assert_eq!(stored["Collections"]["Notes"]["Script"], function);
    let of_adam = r#"{"Owner":"adam","Text":"1","@metadata":{"@collection":"Notes"}}"#;
    // Who speaks the client's protocol is not asked.
    let put = server.put("/databases/Test/docs?id=notes/adam", of_adam);
    assert_eq!(put.status, 201);
    let mut eva = TestEdge::new();
    let token = token_of_an_author(keys);
    eva.connect(&server, &token).unwrap();
    eva.sync_until(|edge| edge.load("notes/adam").is_some());
    eva.disconnect();
    eva.put("notes/1", &note("fine"));
    eva.put("notes/2", &note("loop"));
    eva.put("notes/3", &note(""));
    eva.put("notes/4", &note("bug"));
    eva.put("notes/adam", &note("taken over"));
    eva.put("others/1", r#"{"Text":"loop"}"#);
    eva.put("notes/5", &note("fine too"));
    eva.connect(&server, &token).unwrap();
    let expected = [
        ("notes/2", "ValidatorFailed", "longer than 300 ms"),
        ("notes/3", "ValidationFailed", "a note has a text"),
        ("notes/4", "ValidatorFailed", "ReferenceError"),
        ("notes/adam", "ValidationFailed", "notes/adam is adam's"),
    ];
    while refusals(&mut eva).len() < expected.len() || eva.pending() > expected.len() {
        assert!(eva.turn_with_tick());
    }
    check_refusals(&refusals(&mut eva), &expected);
    for id in ["notes/1", "notes/5", "others/1"] {
        assert!(server.load(id)["Text"].is_string(), "{id}");
    }
    assert_eq!(server.load("notes/adam")["Text"], "1");
    assert!(
        server
            .log()
            .contains("the validation function of 'Notes' failed")
    );
    // It stays with its author, who can mend it.
    eva.put("notes/3", &note("now with text"));
    while server.get("/databases/Test/docs?id=notes/3").status == 404 {
        assert!(eva.turn());
    }
}

const ADD_UP: &str = "
    if (docs.some((it) => it.Title === 'broken')) return noSuchThing();
    if (docs.some((it) => it.Title === 'leave')) return;
    if (hasTombstone) return resolveToTombstone();
    const merged = { ...docs[0] };
    merged.Count = docs.reduce((sum, it) => sum + it.Count - base.Count, base.Count);
    return merged;";

#[test]
fn a_script_resolves_conflicts_with_what_was_there_before() {
    let mut server = TestServer::with_database(&[]);
    let revisions = json!({ "Default": { "Disabled": false } });
    configure(&server, "admin/revisions/config", &revisions);
    let solver = json!({ "ResolveByCollection": { "Tallies": { "Script": ADD_UP } } });
    let broken = json!({ "ResolveByCollection": { "Tallies": { "Script": "return (" } } });
    let answer = server.post(
        "/databases/Test/admin/replication/conflicts/solver",
        &broken.to_string(),
    );
    assert_eq!(answer.status, 400, "{}", answer.text());
    configure(&server, "admin/replication/conflicts/solver", &solver);
    let tally = |title: &str, count: &str| {
        format!(r#"{{"Title":"{title}","Count":{count},"@metadata":{{"@collection":"Tallies"}}}}"#)
    };
    let (mut eva, mut adam) = (TestEdge::new(), TestEdge::new());
    let ids = ["tallies/1", "tallies/2", "tallies/3", "tallies/4"];
    for id in ids {
        server.put(&format!("/databases/Test/docs?id={id}"), &tally("x", "10"));
    }
    for edge in [&mut eva, &mut adam] {
        edge.connect(&server, "").unwrap();
        edge.sync_until(|edge| edge.load("tallies/4").is_some());
        edge.disconnect();
    }
    eva.put("tallies/1", &tally("x", "13"));
    adam.put("tallies/1", &tally("x", "15"));
    eva.put("tallies/2", &tally("broken", "1"));
    adam.put("tallies/2", &tally("y", "2"));
    eva.delete("tallies/3");
    adam.put("tallies/3", &tally("x", "11"));
    eva.put("tallies/4", &tally("leave", "11"));
    adam.put("tallies/4", &tally("y", "12"));
    for edge in [&mut eva, &mut adam] {
        edge.connect(&server, "").unwrap();
        edge.sync_until(|_| true);
    }
    assert_eq!(server.load("tallies/1")["Count"], 18);
    let flags = server.load("tallies/1")["@metadata"]["@flags"].to_string();
    assert!(flags.contains("Resolved"), "{flags}");
    let revisions = server.get("/databases/Test/revisions?id=tallies/1");
    let text = revisions.text();
    assert!(
        text.contains("\"Count\":13") && text.contains("\"Count\":15"),
        "{text}"
    );
    assert_eq!(server.get("/databases/Test/docs?id=tallies/3").status, 404);
    // The script that failed, and the one that wanted nothing done, left all as it was.
    for id in ["tallies/2", "tallies/4"] {
        assert_eq!(
            server.get(&format!("/databases/Test/docs?id={id}")).status,
            409
        );
    }
    assert!(server.log().contains("'tallies/2' stays in conflict"));
    for edge in [&mut eva, &mut adam] {
        edge.sync_until(|edge| {
            let has_all = |(text, _): (String, String)| text.contains("18");
            edge.conflict("tallies/1") == 0 && edge.load("tallies/1").is_some_and(has_all)
        });
    }
    // Another script is tried on what is in conflict already, also after a restart.
    let keeps_first =
        json!({ "ResolveByCollection": { "tallies": { "Script": "return docs[0]" } } });
    configure(&server, "admin/replication/conflicts/solver", &keeps_first);
    while server.get("/databases/Test/docs?id=tallies/2").status == 409 {}
    server.kill_and_restart();
    while server.get("/databases/Test/docs?id=tallies/4").status == 409 {}
}

/// A token, but over for an hour.
fn expired(keys: &str, token: &str) -> String {
    let keys: Value = serde_json::from_str(&std::fs::read_to_string(keys).unwrap()).unwrap();
    let secret = keys["keys"][0]["k"].as_str().unwrap();
    let secret = EncodingKey::from_secret(&URL_SAFE_NO_PAD.decode(secret).unwrap());
    let [header, claims] = [0, 1].map(|part| {
        let part = token.split('.').nth(part).unwrap();
        let json = URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice::<Value>(&json).unwrap()
    });
    let mut claims = claims;
    claims["exp"] = json!(claims["exp"].as_u64().unwrap() - 13 * 3600);
    let header: Header = serde_json::from_value(header).unwrap();
    jsonwebtoken::encode(&header, &claims, &secret).unwrap()
}

#[test]
fn tokens_say_who_sees_and_writes_what() {
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("keys.json");
    let keys = keys.to_str().unwrap();
    pinyon(&["edge-token", "--new-keys", keys]);
    let server =
        TestServer::with_database(&["--sync-keys", keys, "--max-sync-connections-of-user", "2"]);
    let token = |more: &[&str]| {
        let base = ["edge-token", "--keys", keys, "--user", "eva"];
        pinyon(&[&base[..], more].concat())
    };
    assert_eq!(
        server
            .put("/databases/Test/docs?id=users/adam/1", "{}")
            .status,
        201
    );
    assert_eq!(
        server.put("/databases/Test/docs?id=groups/1", "{}").status,
        201
    );
    let mut eva = TestEdge::new();
    eva.put("users/eva/1", r#"{"Mine":true}"#);
    eva.put("users/adam/2", r#"{"Mine":false}"#);
    let allowed = token(&[
        "--database",
        "test",
        "--read-prefix",
        "groups/",
        "--write-prefix",
        "users/eva/",
    ]);
    eva.connect(&server, &allowed).unwrap();
    // The one that is refused stays pending, so there is never rest; it is enough that the rest is
    // there.
    while eva.load("groups/1").is_none() || eva.pending() > 1 {
        assert!(eva.turn());
    }
    assert!(eva.load("users/adam/1").is_none());
    assert_eq!(
        server.get("/databases/Test/docs?id=users/adam/2").status,
        404
    );
    for (token, why) in [
        (String::new(), "missing"),
        ("a.b.c".to_owned(), "no JSON Web Token"),
        (token(&["--database", "other"]), "not for the database"),
        (expired(keys, &allowed), "has expired"),
    ] {
        let mut stranger = TestEdge::new();
        stranger.connect(&server, &token).unwrap();
        let reason = stranger.run_until_refused();
        assert!(reason.contains(why), "{reason}");
    }
    // Two at once, not three.
    let mut second = TestEdge::new();
    second.connect(&server, &allowed).unwrap();
    second.sync_until(|_| true);
    let mut third = TestEdge::new();
    third.connect(&server, &allowed).unwrap();
    assert!(third.run_until_refused().contains("already"));
}

#[test]
fn documents_that_are_too_large_are_refused_alone() {
    let flags = [
        "--max-sync-frame-bytes",
        "20000",
        "--max-document-bytes",
        "5000",
    ];
    let server = TestServer::with_database(&flags);
    let mut eva = TestEdge::new();
    let sized = |bytes: usize| format!(r#"{{"Text":"{}"}}"#, "x".repeat(bytes));
    for (id, bytes) in [
        ("a/1", 100),
        ("too/1", 8_000),
        ("a/2", 4_000),
        ("too/2", 30_000),
        ("a/3", 4_000),
        ("a/4", 4_000),
        ("a/5", 4_000),
        ("a/6", 4_000),
    ] {
        eva.put(id, &sized(bytes));
    }
    eva.connect(&server, "").unwrap();
    while refusals(&mut eva).len() < 2 || eva.pending() > 2 {
        assert!(eva.turn(), "{:?}", eva.events);
    }
    let mut refused = refusals(&mut eva);
    refused.sort();
    let ids: Vec<&str> = refused.iter().map(|it| &*it.0).collect();
    assert_eq!(ids, ["too/1", "too/2"], "{refused:?}");
    assert!(
        refused.iter().all(|it| it.1 == "LimitExceeded"),
        "{refused:?}"
    );
    for number in 1..=6 {
        assert!(server.load(&format!("a/{number}"))["Text"].is_string());
    }
    // Made smaller, it goes.
    eva.put("too/2", &sized(10));
    while server.get("/databases/Test/docs?id=too/2").status == 404 {
        assert!(eva.turn());
    }
}

#[test]
fn an_edge_keeps_to_the_batches_that_a_server_takes() {
    let server = TestServer::with_database(&["--max-sync-batch", "3"]);
    let mut eva = TestEdge::new();
    for number in 1..=20 {
        eva.put(&format!("a/{number}"), r#"{"Text":"x"}"#);
    }
    eva.connect(&server, "").unwrap();
    while eva.pending() > 0 {
        assert!(eva.turn(), "{:?}", eva.events);
    }
    for number in 1..=20 {
        assert_eq!(server.load(&format!("a/{number}"))["Text"], "x");
    }
}

#[test]
fn an_edge_hears_that_its_database_is_disabled() {
    let server = TestServer::with_database(&[]);
    let body = r#"{"DatabaseNames":["Test"]}"#;
    assert_eq!(server.post("/admin/databases/disable", body).status, 200);
    let mut eva = TestEdge::new();
    eva.connect(&server, "").unwrap();
    let reason = eva.run_until_refused();
    assert!(reason.contains("is disabled"), "{reason}");
    server.post("/admin/databases/enable", body);
    eva.put("a", "{}");
    eva.connect(&server, "").unwrap();
    eva.sync_until(|edge| edge.pending() == 0);
    assert!(server.load("a").is_object());
}

#[test]
fn pages_of_other_origins_cannot_sync() {
    let server = TestServer::with_database(&["--sync-origin", "https://app.example"]);
    let mut edge = TestEdge::new();
    let foreign = edge.connect_from(&server, "", Some("https://evil.example"));
    assert_eq!(foreign, Err(403));
    edge.connect_from(&server, "", Some("https://app.example"))
        .unwrap();
    edge.sync_until(|_| true);
    assert_eq!(server.get("/databases/Test/sync").status, 400);
}

/// `cargo test -p pinyon-server --test sync -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes; prints figures"]
fn a_thousand_edges() {
    const EDGES: usize = 1000;
    let server = TestServer::with_database(&[]);
    let mut edges: Vec<TestEdge> = (0..EDGES).map(|_| TestEdge::new()).collect();
    for (number, edge) in edges.iter_mut().enumerate() {
        edge.put(
            &format!("mine/{number}"),
            &format!(r#"{{"Number":{number}}}"#),
        );
        edge.connect(&server, "").unwrap();
        // One after the other writes the same document, having seen the others' writes.
        edge.sync_until(|_| true);
        edge.put("shared/1", &format!(r#"{{"Last":{number}}}"#));
        edge.sync_until(|_| true);
    }
    let vector = vector(&server, "shared/1");
    assert_eq!(vector.split(", ").count(), 1, "{vector}");
    println!("vector after {EDGES} writers: {vector}");
    println!(
        "server with {EDGES} connections: {} KiB",
        server.memory_kib()
    );
    for edge in edges.iter_mut().step_by(100) {
        edge.sync_until(|edge| edge.load("shared/1").is_some_and(|it| it.1 == vector));
    }
}
