//! What somebody without a token can make the server hold.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and its threads wait for the server"
)]

mod support;

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pinyon_core::replication::RefusalCode;
use pinyon_core::replication::edge::EdgeEvent;
use support::TestServer;
use support::edge::TestEdge;
use tungstenite::WebSocket;
use tungstenite::client::IntoClientRequest;

/// A WebSocket to the sync of a database, of somebody who says nothing.
fn connect(server: &TestServer) -> WebSocket<TcpStream> {
    let url = format!("ws://{}/databases/Test/sync", server.address());
    let stream = TcpStream::connect(server.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let request = url.into_client_request().unwrap();
    tungstenite::client(request, stream).unwrap().0
}

/// Reads until the server ends the connection; answers how long that took.
fn ended_after(socket: &mut WebSocket<TcpStream>) -> Duration {
    let begun = Instant::now();
    loop {
        match socket.read() {
            Err(tungstenite::Error::Io(reason)) => {
                let kind = reason.kind();
                assert_ne!(kind, std::io::ErrorKind::WouldBlock, "it is still open");
                return begun.elapsed();
            }
            Err(_) => return begun.elapsed(),
            Ok(_) => {}
        }
    }
}

fn open_connections(server: &TestServer) -> u64 {
    gauge(server, "pinyon_open_connections ")
}

fn gauge(server: &TestServer, name: &str) -> u64 {
    let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
    let line = metrics.lines().find_map(|it| it.strip_prefix(name));
    line.unwrap().trim().parse().unwrap()
}

fn wait_until(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn strangers_count_as_connections_until_they_are_gone() {
    let server = TestServer::with_database(&["--max-connections", "8"]);
    // The one that asks; the one before it may be closing still.
    let before = 1;
    wait_until(|| open_connections(&server) == before);
    let strangers: Vec<_> = (0..4).map(|_| connect(&server)).collect();
    wait_until(|| open_connections(&server) == before + 4);
    // Of which those of edges are told apart; the one that asks is none of them.
    let sync_connections = || gauge(&server, "pinyon_open_sync_connections ");
    assert_eq!(sync_connections(), 4);
    drop(strangers);
    wait_until(|| open_connections(&server) == before && sync_connections() == 0);
}

#[test]
fn a_silent_stranger_is_sent_away_also_while_others_write() {
    let server = TestServer::with_database(&["--head-timeout-ms", "500"]);
    let mut stranger = connect(&server);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                let put = server.put("/databases/Test/docs?id=busy", "{}");
                assert_eq!(put.status, 201);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let took = ended_after(&mut stranger);
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(took >= Duration::from_millis(400), "{took:?}");
    });
}

#[test]
fn a_stranger_who_says_too_much_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("keys.json");
    let keys = keys.to_str().unwrap();
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_pinyon"))
        .args(["edge-token", "--new-keys", keys])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let server = TestServer::with_database(&["--sync-keys", keys, "--head-timeout-ms", "15000"]);
    let mut stranger = connect(&server);
    // A frame of 15 MiB, which the server would wait for, and one MiB of it.
    let mut frame = vec![0x82, 0xff];
    frame.extend((15_u64 << 20).to_be_bytes());
    frame.extend([0; 4]);
    frame.resize(1 << 20, 0);
    // The server may stop reading in the middle of it.
    let _ = stranger.get_mut().write_all(&frame);
    let took = ended_after(&mut stranger);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// What the server says to somebody who greets it, before it closes.
fn refusal(server: &TestServer, database: &str, token: &str) -> (RefusalCode, String) {
    let mut edge = TestEdge::new();
    edge.connect_to(server, database, token, None).unwrap();
    edge.run_until_refused();
    let closed = edge.events.into_iter().find_map(|event| match event {
        EdgeEvent::Closed { code, reason } => Some((code, reason)),
        _ => None,
    });
    closed.unwrap()
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let server = TestServer::with_database(&[]);
    let (code, reason) = refusal(&server, "Gone", "");
    assert_eq!(code, RefusalCode::NotFound);
    assert!(reason.contains("'Gone'"), "{reason}");
    // Also to an edge that is there when it goes.
    let mut edge = TestEdge::new();
    edge.connect(&server, "").unwrap();
    edge.sync_until(|_| true);
    let deletion = r#"{"DatabaseNames":["Test"],"HardDelete":true}"#;
    assert_eq!(server.delete("/admin/databases", deletion).status, 200);
    let begun = Instant::now();
    while edge.turn_with_tick() {
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
    let is_named = |it: &EdgeEvent| match it {
        EdgeEvent::Closed { code, reason } => {
            *code == RefusalCode::NotFound && reason.contains("'Test'")
        }
        _ => false,
    };
    assert!(edge.events.iter().any(is_named), "{:?}", edge.events);
}

#[test]
fn who_has_no_token_does_not_learn_which_databases_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("keys.json");
    let keys = keys.to_str().unwrap();
    let pinyon = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pinyon"));
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    pinyon(&["edge-token", "--new-keys", keys]);
    let server = TestServer::with_database(&["--sync-keys", keys, "--head-timeout-ms", "500"]);
    let token = |database: &str| {
        let user = ["edge-token", "--keys", keys, "--user", "eva", "--database"];
        pinyon(&[&user[..], &[database]].concat())
    };
    let there = refusal(&server, "Test", "a.b.c");
    let gone = refusal(&server, "Gone", "a.b.c");
    assert_eq!(there.0, RefusalCode::Unauthorized);
    assert_eq!(there, gone);
    let other = refusal(&server, "Gone", &token("Test"));
    assert_eq!(other.0, RefusalCode::Unauthorized);
    let own = refusal(&server, "Gone", &token("Gone"));
    assert_eq!(own.0, RefusalCode::NotFound);
    // Nor may somebody who says nothing wait there.
    let url = format!("ws://{}/databases/Gone/sync", server.address());
    let request = url.into_client_request().unwrap();
    let stream = TcpStream::connect(server.address()).unwrap();
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).unwrap();
    let mut silent = tungstenite::client(request, stream).unwrap().0;
    ended_after(&mut silent);
}
