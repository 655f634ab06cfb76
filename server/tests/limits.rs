//! What is too large, too deep, too slow or malformed is refused, and the server goes on.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use pinyon_server_process::ServerProcess;
use serde_json::{Value, json};
use support::{TestServer, parse_answer, read_answer};

const DOC: &str = "/databases/Test/docs?id=a";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn bodies_have_a_limit_however_they_come() {
    let server = TestServer::with_database(&["--max-request-bytes", "100000"]);
    let fits = json!({ "t": "x".repeat(90_000) }).to_string();
    let large = json!({ "t": "x".repeat(110_000) }).to_string();
    assert_eq!(server.put(DOC, &fits).status, 201);
    let answer = server.put(DOC, &large);
    assert_eq!(answer.status, 413, "{answer:?}");
    let mut socket = server.connect();
    let head =
        format!("PUT {DOC} HTTP/1.1\r\nHost: localhost:1\r\nTransfer-Encoding: chunked\r\n\r\n");
    socket.write_all(head.as_bytes()).unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 60_000, "x".repeat(60_000));
    for _ in 0..2 {
        let _ = socket.write_all(chunk.as_bytes());
    }
    assert_eq!(read_answer(&mut socket).status, 413);
    assert_eq!(server.load("a")["t"].as_str().unwrap().len(), 90_000);
}

#[test]
fn compressed_bodies_are_read_and_bombs_are_not() {
    let server = TestServer::with_database(&["--max-request-bytes", "3000000"]);
    let put = |encoding: &str, body: &[u8]| {
        server
            .send("PUT", DOC, &[("Content-Encoding", encoding)], body)
            .status
    };
    let text = json!({ "t": "x".repeat(2_000_000) }).to_string();
    assert_eq!(put("gzip", &gzip(text.as_bytes())), 201);
    assert_eq!(server.load("a")["t"].as_str().unwrap().len(), 2_000_000);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(br#"{"z":1}"#).unwrap();
    assert_eq!(put("deflate", &zlib.finish().unwrap()), 201);
    assert_eq!(server.load("a")["z"], 1);
    let bomb = gzip(&vec![b' '; 60_000_000]);
    assert!(bomb.len() < 100_000);
    assert_eq!(put("gzip", &bomb), 413);
    assert_eq!(put("gzip", b"this is no gzip"), 400);
    let whole = gzip(text.as_bytes());
    assert_eq!(put("gzip", &whole[..whole.len() / 2]), 400);
    assert_eq!(put("br", b"x"), 501);
    assert_eq!(server.load("a")["z"], 1);
}

#[test]
fn responses_are_compressed_for_those_who_take_it() {
    let server = TestServer::with_database(&["--compress-from-bytes", "1000"]);
    server.store("a", &json!({ "t": "x".repeat(5000) }).to_string());
    server.store("b", &json!({ "t": "x" }).to_string());
    let accept = [("Accept-Encoding", "gzip, deflate")];
    for path in [DOC, "/databases/Test/streams/docs?startsWith=a"] {
        let answer = server.send("GET", path, &accept, b"");
        assert_eq!(answer.header("Content-Encoding"), Some("gzip"), "{path}");
        let mut text = String::new();
        flate2::read::GzDecoder::new(&answer.body[..])
            .read_to_string(&mut text)
            .unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["Results"][0]["t"].as_str().unwrap().len(), 5000);
        assert_eq!(server.get(path).header("Content-Encoding"), None);
    }
    let small = server.send("GET", "/databases/Test/docs?id=b", &accept, b"");
    assert_eq!(small.header("Content-Encoding"), None);
}

#[test]
fn hostile_json_is_refused() {
    let server = TestServer::with_database(&[]);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies = [
        "",
        "{\"a\":",
        "[]",
        "1",
        "null",
        "{} {}",
        r#"{"a":1,"a":2}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":NaN}"#,
        r#"{"a":01}"#,
        r#"{"@metadata":1}"#,
        r#"{"@metadata":{"@collection":1}}"#,
        &deep,
    ];
    for body in bodies {
        let answer = server.put(DOC, body);
        assert_eq!(answer.status, 400, "{}", &body[..body.len().min(40)]);
        assert_eq!(answer.exception(), "BadRequestException");
    }
    let answer = server.send("PUT", DOC, &[], b"{\"a\":\"\xff\"}");
    assert_eq!(answer.status, 400);
    let nested = format!(r#"{{"Commands":[{{"Type":"PUT","Id":"a","Document":{deep}}}]}}"#);
    assert_eq!(
        server.post("/databases/Test/bulk_docs", &nested).status,
        400
    );
    assert_eq!(server.load("a"), Value::Null);
}

#[test]
fn documents_and_responses_have_limits() {
    let flags = [
        "--max-document-bytes",
        "20000",
        "--max-response-bytes",
        "50000",
    ];
    let server = TestServer::with_database(&flags);
    let answer = server.put(DOC, &json!({ "t": "x".repeat(21_000) }).to_string());
    assert_eq!(answer.status, 413);
    let message = answer.json()["Message"].to_string();
    assert!(message.contains("': the document has 210"), "{message}");
    for n in 0..4 {
        server.store(
            &format!("b/{n}"),
            &json!({ "t": "x".repeat(19_000) }).to_string(),
        );
    }
    for path in [
        "docs?startsWith=b/",
        "docs?pageSize=10",
        "docs?id=b/0&id=b/1&id=b/2",
    ] {
        let answer = server.get(&format!("/databases/Test/{path}"));
        assert_eq!(answer.status, 413, "{path}");
    }
    assert_eq!(
        server
            .get("/databases/Test/docs?startsWith=b/&pageSize=2")
            .status,
        200
    );
    let stream = server
        .get("/databases/Test/streams/docs?startsWith=b/")
        .json();
    assert_eq!(stream["Results"].as_array().unwrap().len(), 4);
}

#[test]
fn large_documents_raise_a_notice_and_nothing_else() {
    let server = TestServer::with_database(&["--large-document-bytes", "1000"]);
    server.store("small", "{}");
    server.store("large", &json!({ "t": "x".repeat(2000) }).to_string());
    let notices = server.get("/databases/Test/notices").json()["Results"].clone();
    assert_eq!(notices.as_array().unwrap().len(), 1);
    assert_eq!(notices[0]["Id"], "large");
    while !server.log().contains("a large document was stored") {
        std::thread::yield_now();
    }
}

#[test]
fn heads_have_limits() {
    let server = TestServer::with_database(&["--max-head-bytes", "8192", "--max-headers", "20"]);
    let long = "x".repeat(10_000);
    assert_eq!(
        server
            .send("GET", "/build/version", &[("X-Long", &long)], b"")
            .status,
        431
    );
    let names: Vec<String> = (0..30).map(|n| format!("X-{n}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(server.send("GET", "/build/version", &many, b"").status, 431);
    assert_eq!(server.get("/build/version").status, 200);
}

#[test]
fn slow_senders_are_cut_off() {
    let flags = ["--head-timeout-ms", "300", "--stall-timeout-ms", "300"];
    let server = TestServer::with_database(&flags);
    let mut silent = server.connect();
    let mut half_head = server.connect();
    half_head
        .write_all(b"GET /build/version HTTP/1.1\r\nHost:")
        .unwrap();
    let mut half_body = server.connect();
    let head = format!("PUT {DOC} HTTP/1.1\r\nHost: localhost:1\r\nContent-Length: 100\r\n\r\n{{");
    half_body.write_all(head.as_bytes()).unwrap();
    // Each ends without anything more being sent.
    let mut received = Vec::new();
    silent.read_to_end(&mut received).unwrap();
    assert!(received.is_empty());
    half_head.read_to_end(&mut received).unwrap();
    assert_eq!(read_answer(&mut half_body).status, 408);
    assert_eq!(server.get("/build/version").status, 200);
}

#[test]
fn a_reader_that_stops_does_not_hold_the_server() {
    let server =
        TestServer::with_database(&["--stall-timeout-ms", "300", "--compress-from-bytes", "0"]);
    let filler = "x".repeat(500_000);
    let put = |n| json!({ "Type": "PUT", "Id": format!("s/{n}"), "Document": { "f": filler } });
    let commands: Vec<Value> = (0..40).map(put).collect();
    assert_eq!(server.batch(&Value::Array(commands)).status, 201);
    let mut socket = server.connect();
    let request = "GET /databases/Test/streams/docs HTTP/1.1\r\nHost: localhost:1\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let mut begun = [0; 12];
    socket.read_exact(&mut begun).unwrap();
    // The question itself comes on the only connection left.
    let is_alone = || {
        server
            .get("/metrics")
            .text()
            .contains("pinyon_open_connections 1\n")
    };
    while !is_alone() {
        std::thread::yield_now();
    }
    // What is left to read ends early.
    let mut received = Vec::new();
    let _ = socket.read_to_end(&mut received);
    assert!(received.len() < 40 * filler.len());
}

#[test]
fn connections_wait_their_turn() {
    let server = TestServer::with_database(&["--max-connections", "2"]);
    let first = server.connect();
    let second = server.connect();
    let mut third = server.connect();
    let request = "GET /build/version HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n\r\n";
    third.write_all(request.as_bytes()).unwrap();
    third.set_nonblocking(true).unwrap();
    let mut buffer = [0; 16];
    assert!(third.read(&mut buffer).is_err(), "nobody serves it yet");
    third.set_nonblocking(false).unwrap();
    drop((first, second));
    assert_eq!(read_answer(&mut third).status, 200);
}

#[test]
fn idle_connections_leave_files_for_databases() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_pinyon");
    command.args(["-c", "ulimit -n 128; exec \"$0\" \"$@\"", program, "serve"]);
    command.args(["--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(directory.path().join("data"));
    let log = directory.path().join("log");
    let mut server = ServerProcess::spawn_command(command, &log).unwrap();
    server.wait_until_listening().unwrap();
    let address = server.url().strip_prefix("http://").unwrap().to_owned();
    let connect = || TcpStream::connect(&address).unwrap();
    let mut ready: Vec<_> = (0..3).map(|_| connect()).collect();
    // More than there are files.
    let idle: Vec<_> = (0..200).map(|_| connect()).collect();
    let document = format!("{{\"t\":\"{}\"}}", "x".repeat(1 << 20));
    for (path, body) in [
        ("/admin/databases?name=Test", "{}"),
        ("/databases/Test/docs?id=a", &document),
    ] {
        let mut socket = ready.remove(0);
        let length = body.len();
        let request = format!(
            "PUT {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        socket.write_all(request.as_bytes()).unwrap();
        assert_eq!(read_answer(&mut socket).status, 201, "{path}");
    }
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("fewer connections than configured"), "{text}");
    assert!(!text.contains("Too many open files"), "{text}");
    drop(idle);
}

/// The files this process, and one it starts, may hold open.
fn open_files_limit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    line.unwrap()
        .split_whitespace()
        .nth(3)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn waiting_requests_take_no_threads() {
    // As many as this machine lets one process hold open, so that it says the same everywhere.
    let waiting = (open_files_limit() - 500).min(10_000);
    let maximum = (waiting + 100).to_string();
    // The first ones wait while the last ones are made.
    let patient = [
        "--stall-timeout-ms",
        "600000",
        "--request-timeout-ms",
        "600000",
    ];
    let server =
        TestServer::with_database(&[&["--max-connections", &maximum], &patient[..]].concat());
    server.store("w/1", "{}");
    let mut sockets: Vec<_> = (0..waiting)
        .map(|_| {
            let mut socket = server.connect();
            let head = format!(
                "PUT /databases/Test/docs?id=w/2 HTTP/1.1\r\nConnection: close\r\nHost: {}\r\nContent-Length: 2\r\n\r\n{{",
                server.address()
            );
            socket.write_all(head.as_bytes()).unwrap();
            socket
        })
        .collect();
    assert_ne!(server.load("w/1"), Value::Null);
    let threads = server.thread_count();
    assert!(
        threads < 100,
        "{waiting} requests wait in {threads} threads"
    );
    for socket in sockets.iter_mut().step_by(100) {
        socket.write_all(b"}").unwrap();
        assert_eq!(read_answer(socket).status, 201);
    }
}

#[test]
fn an_ambiguous_request_cannot_smuggle_another() {
    let server = TestServer::with_database(&[]);
    let smuggled = "DELETE /databases/Test/docs?id=victim HTTP/1.1\r\nHost: localhost:1\r\n\r\n";
    let heads = [
        format!(
            "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
            5 + smuggled.len()
        ),
        format!("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{smuggled}"),
        format!(
            "Content-Length: 0\r\nContent-Length: {}\r\n\r\n{smuggled}",
            smuggled.len()
        ),
        format!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Content-Length: +0\r\n\r\n{smuggled}"),
        format!("Content-Length: 0x0\r\n\r\n{smuggled}"),
        format!("X: a\r\n folded\r\n\r\n{smuggled}"),
    ];
    server.store("victim", "{}");
    for head in heads {
        let mut socket = server.connect();
        let request = format!("POST /databases/Test/docs HTTP/1.1\r\nHost: localhost:1\r\n{head}");
        socket.write_all(request.as_bytes()).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let mut received = Vec::new();
        let _ = socket.read_to_end(&mut received);
        let text = String::from_utf8_lossy(&received);
        assert!(text.matches("HTTP/1.1 ").count() <= 1, "{head}: {text}");
        assert!(parse_answer(&received).status >= 400, "{head}: {text}");
        assert_ne!(server.load("victim"), Value::Null, "{head}");
    }
}

#[test]
fn heads_that_can_be_read_in_two_ways_are_refused() {
    let server = TestServer::with_database(&[]);
    let put = "PUT /databases/Test/docs?id=two-ways HTTP/1.1\r\n";
    let own = format!("Host: {}\r\n", server.address());
    for (headers, status) in [
        (String::new(), 400),
        (format!("{own}{own}"), 400),
        (format!("{own}Host: evil.example\r\n"), 400),
        ("Host: \u{e9}\r\n".to_owned(), 400),
        (format!("{own}Transfer-Encoding: gzip, chunked\r\n"), 501),
        (
            format!("{own}Transfer-Encoding: identity, chunked\r\n"),
            501,
        ),
        (format!("{own}Transfer-Encoding: chunked\r\n"), 201),
    ] {
        let body = match headers.contains("Transfer-Encoding") {
            true => "\r\n2\r\n{}\r\n0\r\n\r\n",
            false => "Content-Length: 2\r\n\r\n{}",
        };
        let mut socket = server.connect();
        let request = format!("{put}{headers}Connection: close\r\n{body}");
        socket.write_all(request.as_bytes()).unwrap();
        let answer = read_answer(&mut socket);
        assert_eq!(answer.status, status, "{headers}");
        if status != 201 {
            assert_eq!(server.load("two-ways"), Value::Null, "{headers}");
            assert!(answer.json()["Message"].is_string(), "{headers}");
        }
    }
}

#[test]
fn pages_of_other_sites_cannot_act() {
    let server = TestServer::with_database(&[]);
    let body = br#"{"Commands":[{"Type":"PUT","Id":"evil","Document":{}}]}"#;
    let path = "/databases/Test/bulk_docs";
    let own = format!("http://{}", server.address());
    let refused: [&[(&str, &str)]; 4] = [
        &[("Origin", "http://evil.example")],
        &[("Origin", "null")],
        &[("Host", "evil.example:8080")],
        &[
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Mode", "no-cors"),
        ],
    ];
    for headers in refused {
        let answer = server.send("POST", path, headers, body);
        assert_eq!(
            (answer.status, answer.exception().as_str()),
            (403, "AuthorizationException")
        );
    }
    assert_eq!(server.load("evil"), Value::Null);
    let allowed: [&[(&str, &str)]; 2] = [
        &[("Origin", &own), ("Sec-Fetch-Site", "same-origin")],
        &[("Host", "localhost:8080")],
    ];
    for headers in allowed {
        assert_eq!(server.send("POST", path, headers, body).status, 201);
    }
    assert_eq!(
        server
            .get("/build/version")
            .header("Access-Control-Allow-Origin"),
        None
    );
}
