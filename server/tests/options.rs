//! Options that cannot work are refused by name before anything is served, and the others do what
//! they say.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use serde_json::json;
use support::TestServer;
use tungstenite::HandshakeError;
use tungstenite::client::IntoClientRequest as _;

/// What `pinyon serve` says about options that it must refuse.
fn refusal(flags: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let mut process = TestServer::command(directory.path())
        .args(["--listen", "127.0.0.1:0"])
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    output.read_line(&mut said).unwrap();
    if !said.is_empty() {
        process.kill().unwrap();
    }
    let code = process.wait().unwrap().code();
    let mut message = String::new();
    let mut errors = process.stderr.take().unwrap();
    errors.read_to_string(&mut message).unwrap();
    assert_eq!(said, "", "{flags:?}");
    assert_eq!(code, Some(2), "{flags:?}: {message}");
    message
}

#[test]
fn numbers_have_bounds_that_are_named() {
    let most = u64::MAX.to_string();
    let most = most.as_str();
    for (flag, value, bound) in [
        ("--max-headers", most, "10000"),
        ("--max-queued-operations", most, "65536"),
        ("--worker-threads", "100000", "1024"),
        ("--tombstone-cleanup-interval-s", most, "3153600000"),
        ("--loose-content-sweep-interval-s", most, "3153600000"),
        ("--idle-database-timeout-s", most, "3153600000"),
        ("--request-timeout-ms", most, "3153600000000"),
        ("--max-connections", most, "1000000"),
        ("--max-document-bytes", most, "1073741824"),
        ("--max-sync-batch", "0", "1"),
        ("--max-head-bytes", "100", "8192"),
        ("--max-script-memory-bytes", "1", "1048576"),
    ] {
        let message = refusal(&[flag, value]);
        for part in [flag, value, bound] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}

#[test]
fn a_server_with_the_largest_numbers_works() {
    let server = TestServer::with_database(&[
        "--worker-threads",
        "1024",
        "--max-connections",
        "1000000",
        "--max-head-bytes",
        "16777216",
        "--max-headers",
        "10000",
        "--max-document-bytes",
        "1073741824",
        "--max-id-bytes",
        "65536",
        "--max-queued-operations",
        "65536",
        "--head-timeout-ms",
        "3153600000000",
        "--stall-timeout-ms",
        "3153600000000",
        "--request-timeout-ms",
        "3153600000000",
        "--script-timeout-ms",
        "3153600000000",
        "--idle-database-timeout-s",
        "3153600000",
        "--tombstone-cleanup-interval-s",
        "3153600000",
        "--loose-content-sweep-interval-s",
        "3153600000",
        "--loose-content-retention-s",
        "3153600000",
        "--tombstone-retention-h",
        "876000",
    ]);
    let names: Vec<String> = (0..9_000).map(|number| format!("x-{number}")).collect();
    let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    let answer = server.send("GET", "/databases/Test/stats", &headers, b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    let id = "x".repeat(60_000);
    let put = json!([{ "Type": "PUT", "Id": id, "Document": { "A": 1 } }]);
    let answer = server.batch(&put);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(server.load(&id)["A"], 1);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn a_log_filter_that_lets_nothing_through_is_refused() {
    for filter in ["garbage", "garbage=info", "info,debgu"] {
        let message = refusal(&["--log", filter]);
        assert!(message.contains("--log"), "{message}");
    }
}

#[test]
fn what_is_no_origin_and_what_is_no_url_is_refused() {
    for origin in [
        "*",
        "app.example",
        "https://app.example/x",
        "https://ok.example,*",
    ] {
        let message = refusal(&["--sync-origin", origin]);
        assert!(message.contains("--sync-origin"), "{message}");
    }
    for url in ["http://", "https://data example", "ftp://data.example"] {
        let message = refusal(&["--public-url", url]);
        assert!(message.contains("--public-url"), "{message}");
    }
}

#[test]
fn clients_are_told_the_url_of_a_proxy_that_speaks_tls() {
    let server = TestServer::with_database(&["--public-url", "https://data.example/"]);
    let host = [("Host", "data.example")];
    let topology = server.send("GET", "/topology?name=Test", &host, b"").json();
    assert_eq!(topology["Nodes"][0]["Url"], "https://data.example");
}

#[test]
fn pages_sync_through_a_proxy() {
    let server = TestServer::with_database(&[
        "--public-url",
        "https://data.example",
        "--sync-origin",
        " https://app.example/ , capacitor://localhost",
    ]);
    let status = |host: &str, origin: &str| {
        let url = format!("ws://{host}/databases/Test/sync");
        let mut request = url.into_client_request().unwrap();
        let origin = origin.parse().unwrap();
        request.headers_mut().insert("Origin", origin);
        match tungstenite::client(request, server.connect()) {
            Ok((_, answer)) => answer.status().as_u16(),
            Err(HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                answer.status().as_u16()
            }
            Err(reason) => panic!("{reason}"),
        }
    };
    assert_eq!(status("data.example", "https://app.example"), 101);
    assert_eq!(status("data.example", "capacitor://localhost"), 101);
    assert_eq!(status("data.example", "https://data.example"), 101);
    assert_eq!(status("data.example", "https://evil.example"), 403);
    assert_eq!(status("evil.example", "https://evil.example"), 403);
}

/// Each flag has a variable, as the README says.
#[test]
fn the_variables_are_called_like_the_flags() {
    let output = Command::new(env!("CARGO_BIN_EXE_pinyon"))
        .args(["serve", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let options = help.split("\n      --").skip(1);
    let mut count = 0;
    for option in options {
        let flag = option.split([' ', '\n']).next().unwrap();
        let variable = flag.to_uppercase().replace('-', "_");
        let is_there =
            [']', '='].map(|end| option.contains(&format!("[env: PINYON_{variable}{end}")));
        assert!(is_there.contains(&true), "{option}");
        count += 1;
    }
    assert!(count > 40, "{help}");
}
