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

use support::TestServer;
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
    let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
    let line = metrics
        .lines()
        .find_map(|it| it.strip_prefix("pinyon_open_connections "));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn strangers_count_as_connections_until_they_are_gone() {
    let server = TestServer::with_database(&["--max-connections", "8"]);
    let before = open_connections(&server);
    let strangers: Vec<_> = (0..4).map(|_| connect(&server)).collect();
    assert_eq!(open_connections(&server), before + 4);
    drop(strangers);
    let begun = Instant::now();
    while open_connections(&server) > before {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
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
