//! Databases are made, listed, switched off and on, deleted, closed when idle; data survives.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::PathBuf;

use serde_json::{Value, json};
use support::TestServer;

fn names(server: &TestServer) -> Value {
    server.get("/databases?namesOnly=true").json()["Databases"].clone()
}

#[test]
fn a_database_is_made_once_whatever_the_case_of_its_name() {
    let server = TestServer::start();
    let create = |name: &str| server.put(&format!("/admin/databases?name={name}"), "{}");
    let created = create("Shop");
    assert_eq!(created.status, 201);
    assert_eq!(created.json()["Topology"]["Members"], json!(["A"]));
    let again = create("SHOP");
    assert_eq!(
        (again.status, again.exception().as_str()),
        (409, "ConcurrencyException")
    );
    assert_eq!(names(&server), json!(["Shop"]));
    assert_eq!(server.put("/databases/sHOP/docs?id=a", "{}").status, 201);
    let topology = server.get("/topology?name=shop").json();
    assert_eq!(topology["Nodes"][0]["Database"], "Shop");
    assert_eq!(
        topology["Nodes"][0]["Url"],
        format!("http://{}", server.address())
    );
    let record = server.get("/admin/databases?name=shop").json();
    assert_eq!(record["DatabaseName"], "Shop");
    assert_eq!(record["Topology"]["Members"], json!(["A"]));
    assert_eq!(server.get("/admin/databases?name=none").status, 404);
}

#[test]
fn what_is_not_asked_for_by_name_is_not_done() {
    let server = TestServer::with_database(&[]);
    for (path, method) in [
        ("/admin/databases", "DELETE"),
        ("/admin/databases/disable", "POST"),
    ] {
        let answer = server.send(method, path, &[], br#"[["Test"],true]"#);
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
    }
    server.store("a", "{}");
}

#[test]
fn names_are_checked_and_never_paths() {
    let server = TestServer::start();
    let long = "x".repeat(231);
    let bad = [
        "..",
        "a%2Fb",
        "..%2F..%2Fx",
        "a%00b",
        "%2e",
        "a%20b",
        "a:b",
        "%252e",
        &long,
        "%ff",
    ];
    for name in bad {
        let answer = server.put(&format!("/admin/databases?name={name}"), "{}");
        assert_eq!(answer.status, 400, "{name} {answer:?}");
    }
    for name in ["Gr%C3%B6%C3%9Fe", "a.b-c_d", &"y".repeat(230)] {
        let answer = server.put(&format!("/admin/databases?name={name}"), "{}");
        assert_eq!(answer.status, 201, "{name} {answer:?}");
        assert_eq!(
            server
                .put(&format!("/databases/{name}/docs?id=a"), "{}")
                .status,
            201
        );
    }
    let encrypted = server.put("/admin/databases?name=e", r#"{"Encrypted":true}"#);
    assert_eq!(encrypted.status, 501);
    assert_eq!(
        server
            .put("/admin/databases?name=e&replicationFactor=3", "{}")
            .status,
        400
    );
}

#[test]
fn a_missing_database_is_said_to_be_missing() {
    let server = TestServer::start();
    let topology = server.get("/topology?name=Nope");
    assert_eq!(
        (topology.status, topology.header("Database-Missing")),
        (503, Some("Nope"))
    );
    for (method, path) in [
        ("GET", "docs?id=a"),
        ("PUT", "docs?id=a"),
        ("GET", "stats"),
        ("POST", "bulk_docs"),
    ] {
        let answer = server.send(method, &format!("/databases/Nope/{path}"), &[], b"{}");
        assert_eq!(
            (answer.status, answer.exception().as_str()),
            (500, "DatabaseDoesNotExistException")
        );
    }
    let unknown = server.get("/databases/Nope/no/such/route");
    assert_eq!(
        (unknown.status, unknown.exception().as_str()),
        (400, "RouteNotFoundException")
    );
}

#[test]
fn a_request_that_is_repeated_is_done_once() {
    let server = TestServer::start();
    let create = || server.put("/admin/databases?name=Once&?raft-request-id=one", "{}");
    let (first, second) = (create(), create());
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(
        first.json()["RaftCommandIndex"],
        second.json()["RaftCommandIndex"]
    );
    let body = r#"{"DatabaseNames":["Once"],"HardDelete":true}"#;
    let delete = |id: &str| server.delete(&format!("/admin/databases?raft-request-id={id}"), body);
    let (first, second) = (delete("two"), delete("two"));
    assert_eq!((first.status, second.status), (200, 200));
    assert_eq!(first.json(), second.json());
    assert_eq!(delete("three").exception(), "DatabaseDoesNotExistException");
}

#[test]
fn a_disabled_database_answers_nobody_until_it_is_enabled() {
    let mut server = TestServer::with_database(&[]);
    server.store("a", r#"{"n":1}"#);
    let body = r#"{"DatabaseNames":["Test","None"]}"#;
    let status = server.post("/admin/databases/disable", body).json()["Status"].clone();
    assert_eq!(status[0]["Success"], true);
    assert_eq!(status[0]["Disabled"], true);
    assert_eq!(status[1]["Success"], false);
    server.restart();
    let answer = server.get("/databases/Test/docs?id=a");
    assert_eq!(
        (answer.status, answer.exception().as_str()),
        (503, "DatabaseDisabledException")
    );
    assert_eq!(
        server.get("/databases").json()["Databases"][0]["Disabled"],
        true
    );
    server.post("/admin/databases/enable", body);
    assert_eq!(server.load("a")["n"], 1);
}

#[test]
fn deleting_hard_forgets_the_documents_and_softly_keeps_them() {
    let mut server = TestServer::with_database(&[]);
    let delete = |server: &TestServer, hard: bool| {
        let body = json!({ "DatabaseNames": ["Test"], "HardDelete": hard }).to_string();
        assert_eq!(server.delete("/admin/databases", &body).status, 200);
        assert_eq!(names(server), json!([]));
        assert_eq!(server.get("/databases/Test/docs?id=a").status, 500);
        assert_eq!(server.put("/admin/databases?name=Test", "{}").status, 201);
    };
    server.store("a", r#"{"n":1}"#);
    delete(&server, false);
    assert_eq!(server.load("a")["n"], 1);
    delete(&server, true);
    assert_eq!(server.load("a"), Value::Null);
    server.restart();
    assert_eq!(names(&server), json!(["Test"]));
    assert_eq!(server.load("a"), Value::Null);
    let stores = std::fs::read_dir(server.directory.path().join("data/stores")).unwrap();
    assert_eq!(stores.count(), 2, "the catalog and one database");
}

#[test]
fn data_survives_a_graceful_end_and_a_kill() {
    let mut server = TestServer::with_database(&[]);
    let first = server.store("a", r#"{"n":1}"#);
    server.restart();
    assert_eq!(
        server.load("a")["@metadata"]["@change-vector"],
        first.as_str()
    );
    let second = server.store("a", r#"{"n":2}"#);
    server.kill_and_restart();
    assert_eq!(
        server.load("a")["@metadata"]["@change-vector"],
        second.as_str()
    );
    let ids = |vector: &str| vector.split_once('-').unwrap().1.to_owned();
    assert_eq!(ids(&first), ids(&second));
}

#[test]
fn an_idle_database_is_closed_and_opened_again_when_asked_for() {
    let server = TestServer::with_database(&["--idle-database-timeout-s", "1"]);
    server.store("a", r#"{"n":1}"#);
    // The list of databases does not open them.
    while server.get("/databases").json()["Databases"][0]["IsLoaded"] == true {
        std::thread::yield_now();
    }
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(server.load("a")["n"], 1));
        }
    });
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = TestServer::start();
    let mut command = TestServer::command(&server.directory.path().join("data"));
    let output = command.args(["--listen", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("in use"));
}

#[test]
fn a_lost_catalog_is_noticed_before_anything_is_swept() {
    let mut server = TestServer::with_database(&[]);
    server.store("a", "{}");
    server.stop();
    let stores = server.directory.path().join("data/stores");
    let mut paths = std::fs::read_dir(&stores)
        .unwrap()
        .map(|it| it.unwrap().path());
    let is_catalog = |path: &PathBuf| {
        let name = std::fs::read(path.join("name")).unwrap();
        String::from_utf8_lossy(&name).contains("catalog")
    };
    let catalog = paths.find(is_catalog).expect("a catalog");
    std::fs::remove_dir_all(catalog).unwrap();
    let mut command = TestServer::command(&server.directory.path().join("data"));
    let output = command.args(["--listen", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let left = std::fs::read_dir(&stores).unwrap().count();
    assert!(left >= 1, "the database's store is still there");
}

#[test]
fn an_index_whose_store_has_lost_its_name_is_built_again() {
    let mut server = TestServer::with_database(&[]);
    let find = |server: &TestServer, query: &str| {
        let body = json!({ "Query": query, "WaitForNonStaleResults": true });
        let answer = server.post("/databases/Test/queries", &body.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["TotalResults"].clone()
    };
    let person = r#"{"Name":"Ann","Age":7,"@metadata":{"@collection":"People"}}"#;
    server.store("people/1", person);
    assert_eq!(find(&server, "from People where Name = 'Ann'"), 1);
    server.stop();
    let stores = std::fs::read_dir(server.directory.path().join("data/stores")).unwrap();
    let names = stores.map(|it| it.unwrap().path().join("name"));
    let is_index = |name: &PathBuf| {
        let content = std::fs::read(name).unwrap();
        String::from_utf8_lossy(&content).contains("index-")
    };
    let lost: Vec<PathBuf> = names.filter(is_index).collect();
    let [lost] = &lost[..] else {
        panic!("{lost:?}");
    };
    std::fs::write(lost, "").unwrap();
    std::fs::write(lost.with_file_name("name-2"), "").unwrap();
    for _ in 0..2 {
        server.restart_stopped();
        assert_eq!(server.load("people/1")["Name"], "Ann");
        assert_eq!(find(&server, "from People where Name = 'Ann'"), 1);
        // Another one does not depend on what that store was called.
        assert_eq!(find(&server, "from People where Age = 7"), 1);
        server.stop();
    }
    assert_eq!(server.log().matches("it is built again").count(), 1);
}

#[test]
fn what_a_record_asks_for_is_done_or_refused() {
    let server = TestServer::start();
    let create = |name: &str, record: &str| {
        server
            .put(&format!("/admin/databases?name={name}"), record)
            .status
    };
    assert_eq!(create("One", r#"{"DatabaseName":"Two"}"#), 400);
    assert_eq!(create("One", r#"{"DatabaseName":"one"}"#), 201);
    assert_eq!(create("Two", r#"{"Sharding":{"Shards":null}}"#), 201);
    for record in [
        r#"{"Sharding":{"Shards":{"0":{"Members":["A"]}}}}"#,
        r#"{"Indexes":{"A":{"Name":"A","Maps":["from d in docs select new { d.a }"]}}}"#,
        r#"{"PeriodicBackups":[{"TaskId":1}]}"#,
    ] {
        assert_eq!(create("Three", record), 501, "{record}");
        assert_eq!(server.get("/admin/databases?name=Three").status, 404);
    }
    let all_empty =
        r#"{"Indexes":{},"AutoIndexes":null,"PeriodicBackups":[],"Settings":{"a":"b"}}"#;
    assert_eq!(create("Three", all_empty), 201);
}

#[test]
fn databases_are_deleted_together_or_not_at_all() {
    let server = TestServer::start();
    for name in ["One", "Two"] {
        let path = format!("/admin/databases?name={name}");
        assert_eq!(server.put(&path, "{}").status, 201);
    }
    let delete = |names: &str| {
        let body = format!(r#"{{"HardDelete":true,"DatabaseNames":{names}}}"#);
        server.delete("/admin/databases?raft-request-id=both", &body)
    };
    let refused = delete(r#"["One","Missing","Two"]"#);
    assert_eq!(refused.exception(), "DatabaseDoesNotExistException");
    assert_eq!(server.get("/admin/databases?name=One").status, 200);
    let done = delete(r#"["One","Two"]"#);
    assert_eq!(done.status, 200);
    // A client that saw no answer asks again.
    let again = delete(r#"["One","Two"]"#);
    assert_eq!((again.status, again.json()), (200, done.json()));
}
