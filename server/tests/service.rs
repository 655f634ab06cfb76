//! What surrounds the documents: identities, ranges, the studio, starting and stopping.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};
use support::TestServer;

#[test]
fn ranges_do_not_overlap_and_unused_ends_come_back() {
    let server = TestServer::with_database(&[]);
    let next = |more: &str| {
        let path = format!("/databases/Test/hilo/next?tag=users&identityPartsSeparator=%2F{more}");
        let answer = server.get(&path);
        assert_eq!(answer.status, 201);
        answer.json()
    };
    let first = next("&lastBatchSize=0&lastRangeAt=&lastMax=0");
    assert_eq!((&first["Low"], &first["High"]), (&json!(1), &json!(32)));
    assert_eq!(
        (&first["Prefix"], &first["ServerTag"]),
        (&json!("users/"), &json!("A"))
    );
    let back = server.put("/databases/Test/hilo/return?tag=users&end=32&last=5", "");
    assert_eq!(back.status, 204);
    let at = first["LastRangeAt"].as_str().unwrap();
    let second = next(&format!("&lastBatchSize=32&lastRangeAt={at}&lastMax=5"));
    assert_eq!(
        (&second["Low"], &second["High"]),
        (&json!(6), &json!(69)),
        "twice as many, at once"
    );
    assert_eq!(server.load("Raven/Hilo/users")["Max"], 69);
    // What the Python client sends for "none".
    assert_eq!(
        next("&lastBatchSize=None&lastRangeAt=None&lastMax=None")["Low"],
        70
    );
    assert_eq!(server.get("/databases/Test/hilo/next?tag=").status, 400);
}

#[test]
fn identities_count_and_are_seeded_upwards() {
    let server = TestServer::with_database(&[]);
    let next = || {
        server
            .post("/databases/Test/identity/next?name=users%7C", "")
            .json()["NewIdentityValue"]
            .clone()
    };
    assert_eq!((next(), next()), (json!(1), json!(2)));
    let seed = |query: &str| {
        server
            .post(
                &format!("/databases/Test/identity/seed?name=users%7C&{query}"),
                "",
            )
            .json()["NewSeedValue"]
            .clone()
    };
    assert_eq!(seed("value=100"), 100);
    assert_eq!(seed("value=50"), 100);
    assert_eq!(seed("value=50&force=true"), 50);
    assert_eq!(next(), 51);
    assert_eq!(
        server.get("/databases/Test/debug/identities").json(),
        json!({ "users|": 51 })
    );
}

#[test]
fn the_studio_is_served_under_a_strict_policy() {
    let server = TestServer::start();
    let root = server.get("/");
    assert_eq!(
        (root.status, root.header("Location")),
        (302, Some("/studio/"))
    );
    let page = server.get("/studio/");
    assert_eq!(
        (page.status, page.header("Content-Type")),
        (200, Some("text/html"))
    );
    assert!(
        page.header("Content-Security-Policy")
            .unwrap()
            .starts_with("default-src 'none'")
    );
    assert_eq!(page.header("X-Content-Type-Options"), Some("nosniff"));
    let tag = page.header("ETag").unwrap();
    assert_eq!(server.get_if_none_match("/studio/", tag).status, 304);
    for path in [
        "/studio/../Cargo.toml",
        "/studio/%2e%2e/Cargo.toml",
        "/studio//etc/passwd",
        "/studio/none",
    ] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.exception().as_str()),
            (400, "RouteNotFoundException")
        );
    }
}

#[test]
fn the_kindergarten_is_served_from_its_folder_and_gives_tokens_only_when_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("pages");
    std::fs::create_dir_all(pages.join("wasm")).unwrap();
    std::fs::write(pages.join("index.html"), "<!doctype html>").unwrap();
    std::fs::write(pages.join("wasm/a.wasm"), b"\0asm").unwrap();
    std::fs::write(folder.path().join("secret"), "secret").unwrap();
    let keys = folder.path().join("keys.json");
    let mut make = std::process::Command::new(env!("CARGO_BIN_EXE_pinyon"));
    make.args(["edge-token", "--new-keys"]).arg(&keys);
    assert!(make.status().unwrap().success());
    let (pages, keys) = (pages.to_str().unwrap(), keys.to_str().unwrap());
    let none = TestServer::start();
    assert_eq!(none.get("/kindergarten/").status, 400);
    let shown = &none.get("/studio/applications").json()["Applications"];
    assert_eq!(*shown, json!([]));

    let quiet = TestServer::start_with(&["--kindergarten-dir", pages, "--sync-keys", keys]);
    assert_eq!(quiet.get("/kindergarten/token?user=eva").status, 404);
    let page = quiet.get("/kindergarten/");
    assert_eq!(
        (page.status, page.body.as_slice()),
        (200, &b"<!doctype html>"[..])
    );
    let policy = page.header("Content-Security-Policy").unwrap();
    assert!(policy.contains("'wasm-unsafe-eval'") && !policy.contains("'unsafe-"));
    let module = quiet.get("/kindergarten/wasm/a.wasm");
    assert_eq!(module.header("Content-Type"), Some("application/wasm"));
    for path in [
        "../secret",
        "%2e%2e/secret",
        "wasm/../../secret",
        "wasm",
        "none",
    ] {
        let answer = quiet.get(&format!("/kindergarten/{path}"));
        assert_eq!((path, answer.status), (path, 400));
    }
    let shown = &quiet.get("/studio/applications").json()["Applications"][0];
    assert_eq!(shown["Path"], "/kindergarten/");

    const GIVE: &str = "--unsafe-give-tokens-to-kindergarten-pages";
    let flags = ["--kindergarten-dir", pages, "--sync-keys", keys, GIVE];
    let giving = TestServer::start_with(&flags);
    let answer = giving.get("/kindergarten/token?user=eva");
    let token = String::from_utf8(answer.body.clone()).unwrap();
    assert_eq!((answer.status, token.split('.').count()), (200, 3));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert_eq!(giving.get("/kindergarten/token").status, 400);
    // Not for a page that another site shows under this server's address.
    let rebound = [("Host", "evil.example")];
    let answer = giving.send("GET", "/kindergarten/token?user=eva", &rebound, b"");
    assert_ne!(answer.status, 200);

    let refused = |more: &[&str]| {
        let mut command = TestServer::command(folder.path());
        let output = command.args(more).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let beyond = [
        "--listen",
        "0.0.0.0:0",
        "--unsafe-allow-unauthenticated-network",
    ];
    let message = refused(&[&flags[..], &beyond[..]].concat());
    assert!(message.contains(GIVE), "{message}");
    let message = refused(&["--kindergarten-dir", folder.path().to_str().unwrap()]);
    assert!(message.contains("index.html"), "{message}");
    assert!(refused(&[GIVE]).contains("--sync-keys"));
}

#[test]
fn a_path_answers_the_methods_it_has_and_names_them_for_others() {
    let server = TestServer::with_database(&[]);
    let get = server.get("/build/version");
    let head = server.send("HEAD", "/build/version", &[], b"");
    assert_eq!((head.status, head.text()), (200, ""));
    let length = head.header("Content-Length").unwrap();
    assert_eq!(length, get.text().len().to_string());
    assert_eq!(head.header("Content-Type"), get.header("Content-Type"));
    assert_eq!(
        server
            .send("HEAD", "/databases/Test/stats", &[], b"")
            .status,
        200
    );
    for (method, path, allowed) in [
        ("OPTIONS", "/build/version", "GET, HEAD"),
        ("POST", "/build/version", "GET, HEAD"),
        ("TRACE", "/databases/Test/bulk_docs", "POST"),
        ("HEAD", "/databases/Test/hilo/next?tag=x", "GET"),
    ] {
        let answer = server.send(method, path, &[], b"");
        assert_eq!(answer.status, 405, "{method} {path}");
        assert_eq!(answer.header("Allow"), Some(allowed), "{method} {path}");
        if method != "HEAD" {
            assert_eq!(answer.exception(), "RouteNotFoundException");
        }
    }
}

#[test]
fn requests_carry_ids_and_the_protocol_s_version() {
    let server = TestServer::start();
    let given = server.send("GET", "/build/version", &[("X-Request-Id", "my-id")], b"");
    assert_eq!(given.header("X-Request-Id"), Some("my-id"));
    let (first, second) = (server.get("/build/version"), server.get("/nowhere"));
    assert!(first.header("X-Request-Id") < second.header("X-Request-Id"));
    for answer in [first, second] {
        assert!(
            answer
                .header("Raven-Server-Version")
                .unwrap()
                .starts_with("7.2.")
        );
    }
}

#[test]
fn stopping_lets_running_requests_finish() {
    let mut server = TestServer::with_database(&[]);
    let mut socket = server.connect();
    let document = format!("{{\"t\":\"{}\"}}", "x".repeat(100));
    let head = format!(
        "PUT /databases/Test/docs?id=last HTTP/1.1\r\nHost: localhost:1\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        document.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    // The server has begun the request once it asks for the body.
    let mut wanted = [0; 25];
    socket.read_exact(&mut wanted).unwrap();
    assert!(wanted.starts_with(b"HTTP/1.1 100"));
    std::thread::scope(|scope| {
        let address = server.address().to_owned();
        let stopping = scope.spawn(move || {
            server.stop();
            server
        });
        // No new connection is served from here on.
        while std::net::TcpStream::connect(&address).is_ok() {
            std::thread::yield_now();
        }
        socket.write_all(document.as_bytes()).unwrap();
        assert_eq!(support::read_answer(&mut socket).status, 201);
        let mut server = stopping.join().unwrap();
        server.restart_stopped();
        assert_eq!(server.load("last")["t"].as_str().unwrap().len(), 100);
    });
}

#[test]
fn it_does_not_listen_beyond_this_machine_unasked() {
    let directory = tempfile::tempdir().unwrap();
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let mut command = TestServer::command(directory.path());
        let output = command.args(["--listen", listen]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{listen}");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            message.contains("--unsafe-allow-unauthenticated-network"),
            "{message}"
        );
        assert!(output.stdout.is_empty());
    }
    let open = TestServer::start_with(&[
        "--listen",
        "0.0.0.0:0",
        "--unsafe-allow-unauthenticated-network",
    ]);
    assert!(open.log().contains("anybody who reaches this port"));
}

#[test]
fn wrong_options_are_named() {
    let directory = tempfile::tempdir().unwrap();
    for flags in [
        ["--max-json-depth", "0"],
        ["--node-tag", "lower"],
        ["--log", "=="],
        ["--public-url", "ftp://x"],
        ["--max-document-bytes", "0"],
        ["--max-batch-commands", "0"],
        ["--max-queued-bytes", "0"],
        ["--request-timeout-ms", "0"],
    ] {
        let mut command = TestServer::command(directory.path());
        let output = command
            .args(["--listen", "127.0.0.1:0"])
            .args(flags)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        let word = flags[0].rsplit('-').next().unwrap();
        assert!(message.contains(word), "{message}");
    }
    // A file is no directory, and nobody has it open.
    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let output = TestServer::command(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

/// With threads of low priority and without, which a crowd of documents is followed on and those
/// who wait are not.
#[test]
fn an_index_follows_crowds_and_tells_what_it_did() {
    for niceness in ["0", "19"] {
        let server = TestServer::with_database(&["--indexing-niceness", niceness]);
        let definition = json!({ "Indexes": [{
            "Name": "Numbers", "Type": "JavaScriptMap", "Maps": ["map('Items', i => ({ N: i.N }))"],
        }] });
        let path = "/databases/Test/admin/indexes";
        assert_eq!(server.put(path, &definition.to_string()).status, 201);
        for round in 1..=5 {
            let commands: Vec<Value> = (0..40)
                .map(|number| {
                    let metadata = json!({ "@collection": "Items" });
                    json!({
                        "Type": "PUT", "Id": format!("items/{round}-{number}"),
                        "Document": { "N": number, "@metadata": metadata },
                    })
                })
                .collect();
            assert_eq!(server.batch(&json!(commands)).status, 201);
            if round % 2 == 0 {
                continue;
            }
            let query = json!({
                "Query": "from index 'Numbers' where N >= 0 limit 1", "WaitForNonStaleResults": true,
            });
            let answer = server.post("/databases/Test/queries", &query.to_string());
            let answer = answer.json();
            assert_eq!(
                (&answer["IsStale"], &answer["TotalResults"]),
                (&json!(false), &json!(40 * round))
            );
        }
        let path = "/databases/Test/indexes/performance?name=numbers";
        // What is committed is found a moment before it is told of.
        let (inputs, batches) = (0..1000)
            .map(|_| {
                let told = server.get(path).json()["Results"][0]["Performance"].clone();
                let batches = told.as_array().unwrap().clone();
                let inputs = batches.iter().map(|it| it["InputCount"].as_u64().unwrap());
                (inputs.sum::<u64>(), batches)
            })
            .find(|it| it.0 == 200)
            .unwrap();
        let outputs = batches.iter().map(|it| it["OutputCount"].as_u64().unwrap());
        assert_eq!((inputs, outputs.sum::<u64>()), (200, 200));
        assert!(batches[0]["DurationInMs"].as_f64().unwrap() > 0.0);
        assert_eq!(batches[0]["FailedCount"], 0);
        let unknown = server.get("/databases/Test/indexes/performance?name=nothing");
        assert_eq!(unknown.status, 404);
    }
}
