//! The real server process on a directory of its own, and a client that can send anything.

#![allow(dead_code, reason = "each test uses a part")]

pub mod edge;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use pinyon_server_process::ServerProcess;
use serde_json::Value;
use tempfile::TempDir;

/// A running server.
pub struct TestServer {
    pub directory: TempDir,
    flags: Vec<String>,
    address: String,
    // Behind a mutex only so that threads of a test can share the server.
    process: Mutex<Option<ServerProcess>>,
}

/// An answer, its chunks joined.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl TestServer {
    /// Starts with a new data directory.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts with more flags.
    pub fn start_with(flags: &[&str]) -> Self {
        let mut server = Self {
            directory: tempfile::tempdir().unwrap(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            address: String::new(),
            process: Mutex::new(None),
        };
        server.start_process();
        server
    }

    /// Starts with the database `Test`.
    pub fn with_database(flags: &[&str]) -> Self {
        let server = Self::start_with(flags);
        assert_eq!(server.put("/admin/databases?name=Test", "{}").status, 201);
        server
    }

    pub fn command(directory: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinyon"));
        command.arg("serve").arg("--data-dir").arg(directory);
        command
    }

    fn start_process(&mut self) {
        let mut command = Self::command(&self.directory.path().join("data"));
        if !self.flags.iter().any(|flag| flag == "--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(&self.flags);
        let log = self.directory.path().join("log");
        let mut process = ServerProcess::spawn_command(command, &log).unwrap();
        process.wait_until_listening().unwrap();
        self.address = process.url().strip_prefix("http://").unwrap().to_owned();
        self.process = Mutex::new(Some(process));
    }

    /// SIGTERM, then a new process on the same data.
    pub fn restart(&mut self) {
        self.stop();
        self.start_process();
    }

    /// A new process after [`Self::stop`].
    pub fn restart_stopped(&mut self) {
        self.start_process();
    }

    /// SIGTERM; the end must be a good one.
    pub fn stop(&mut self) {
        self.process
            .get_mut()
            .unwrap()
            .take()
            .unwrap()
            .stop()
            .unwrap();
    }

    /// SIGKILL, then a new process on the same data.
    pub fn kill_and_restart(&mut self) {
        self.process
            .get_mut()
            .unwrap()
            .take()
            .unwrap()
            .kill()
            .unwrap();
        self.start_process();
    }

    /// The memory that the process has in use.
    pub fn memory_kib(&self) -> u64 {
        let id = self.process.lock().unwrap().as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// The threads of the server's process.
    pub fn thread_count(&self) -> usize {
        let process = self.process.lock().unwrap();
        let id = process.as_ref().unwrap().id();
        std::fs::read_dir(format!("/proc/{id}/task"))
            .unwrap()
            .count()
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).unwrap()
    }

    /// Sends one request on a connection of its own.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.address());
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        let mut socket = self.connect();
        socket.write_all(head.as_bytes()).unwrap();
        // A server that refuses a body may close before it has come whole.
        let _ = socket.write_all(body);
        read_answer(&mut socket)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub fn get_if_none_match(&self, path: &str, tag: &str) -> Answer {
        self.send("GET", path, &[("If-None-Match", tag)], b"")
    }

    pub fn put(&self, path: &str, body: &str) -> Answer {
        self.send("PUT", path, &[], body.as_bytes())
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[], body.as_bytes())
    }

    pub fn delete(&self, path: &str, body: &str) -> Answer {
        self.send("DELETE", path, &[], body.as_bytes())
    }

    /// Stores a document in the database `Test`; answers its change vector.
    pub fn store(&self, id: &str, document: &str) -> String {
        let answer = self.put(&format!("/databases/Test/docs?id={id}"), document);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["ChangeVector"].as_str().unwrap().to_owned()
    }

    /// A document of the database `Test`, or null.
    pub fn load(&self, id: &str) -> Value {
        let answer = self.get(&format!("/databases/Test/docs?id={id}"));
        match answer.status {
            200 => answer.json()["Results"][0].clone(),
            404 => Value::Null,
            _ => panic!("{answer:?}"),
        }
    }

    /// Sends a batch to the database `Test`.
    pub fn batch(&self, commands: &Value) -> Answer {
        let body = serde_json::json!({ "Commands": commands }).to_string();
        self.post("/databases/Test/bulk_docs", &body)
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The error's type, without its namespace.
    pub fn exception(&self) -> String {
        let json = self.json();
        let name = json["Type"].as_str().unwrap();
        for field in ["Url", "Message", "Error"] {
            assert!(json[field].is_string(), "{field}: {json}");
        }
        name.rsplit('.').next().unwrap().to_owned()
    }
}

/// Reads until the server closes.
pub fn read_answer(socket: &mut TcpStream) -> Answer {
    let mut received = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = socket.read_to_end(&mut received);
    parse_answer(&received)
}

/// Takes the first answer in `received` apart.
pub fn parse_answer(received: &[u8]) -> Answer {
    let end = received
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(received)));
    let head = String::from_utf8(received[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer {
        status,
        head,
        body: received[end + 4..].to_vec(),
    };
    if answer.header("Transfer-Encoding") == Some("chunked") {
        answer.body = join_chunks(&answer.body);
    }
    answer
}

/// The content of a chunked body; it must be complete.
fn join_chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut joined = Vec::new();
    loop {
        let end = rest
            .windows(2)
            .position(|it| it == b"\r\n")
            .expect("a chunk's size");
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return joined;
        }
        joined.extend_from_slice(&rest[end + 2..][..size]);
        rest = &rest[end + 2 + size + 2..];
    }
}
