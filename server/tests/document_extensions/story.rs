//! A server with one database, and the requests that stories send to it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pinyon_server_process::ServerProcess;
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

/// An answer, whatever its status.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|reason| panic!("{reason}: {}", String::from_utf8_lossy(&self.bytes)))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The body, which must come with `status`.
    pub fn expect(self, status: u16) -> Self {
        let text = String::from_utf8_lossy(&self.bytes);
        assert_eq!(self.status, status, "{text:.500}");
        self
    }
}

/// One story.
pub struct Story {
    server: Option<ServerProcess>,
    agent: Agent,
    directory: TempDir,
}

impl Drop for Story {
    fn drop(&mut self) {
        let files = self.directory.path().with_extension("files");
        // Most stories have none.
        let _ = std::fs::remove_dir_all(files);
    }
}

/// The body of a request.
pub enum Sent<'a> {
    Nothing,
    Json(Value),
    Bytes(&'a [u8]),
}

impl Story {
    /// A new server with an empty database `db`.
    pub fn new(options: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let server = start(directory.path(), options);
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent();
        let story = Self {
            server: Some(server),
            agent,
            directory,
        };
        let record = Sent::Json(json!({ "DatabaseName": "db" }));
        let created = story.ask("PUT", "/admin/databases?name=db", &[], record);
        created.expect(201);
        story
    }

    /// Stops the server as its owner would, and starts it anew.
    pub fn restart(&mut self, options: &[&str]) {
        self.server.take().unwrap().stop().unwrap();
        self.server = Some(start(self.directory.path(), options));
    }

    pub fn server(&self) -> &ServerProcess {
        self.server.as_ref().unwrap()
    }

    /// A file beside the data directory.
    pub fn path(&self, name: &str) -> String {
        let files = self.directory.path().with_extension("files");
        std::fs::create_dir_all(&files).unwrap();
        files.join(name).display().to_string()
    }

    /// Sends a request outside the database.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], sent: Sent) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server().url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match sent {
            Sent::Nothing => self.agent.run(request.body(()).unwrap()),
            Sent::Json(value) => {
                let body = serde_json::to_vec(&value).unwrap();
                self.run(request.body(body).unwrap())
            }
            Sent::Bytes(bytes) => self.run(request.body(bytes.to_vec()).unwrap()),
        };
        let mut response = response.unwrap();
        let bytes = response.body_mut().with_config().limit(1 << 32);
        Answer {
            bytes: bytes.read_to_vec().unwrap(),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
        }
    }

    /// The protocol has requests with a body where HTTP's usual ones have none.
    fn run(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let request = self.agent.configure_request(request);
        let request = request.allow_non_standard_methods(true);
        self.agent.run(request.build())
    }

    /// Sends a request within the database.
    pub fn send(&self, method: &str, path: &str, sent: Sent) -> Answer {
        self.ask(method, &format!("/databases/db/{path}"), &[], sent)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Sent::Nothing)
    }

    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, Sent::Json(body))
    }

    /// Stores a document; answers its change vector.
    pub fn put(&self, id: &str, document: Value) -> String {
        let answer = self.send("PUT", &format!("docs?id={id}"), Sent::Json(document));
        let answer = answer.expect(201).json();
        answer["ChangeVector"].as_str().unwrap().to_owned()
    }

    /// The document, or `None`.
    pub fn load(&self, id: &str) -> Option<Value> {
        let answer = self.get(&format!("docs?id={id}"));
        match answer.status {
            404 => None,
            _ => Some(answer.expect(200).json()["Results"][0].take()),
        }
    }

    /// Sends a batch as the clients do that have attachments in it.
    pub fn batch(&self, commands: Value, contents: &[&[u8]]) -> Answer {
        let body = form(&json!({ "Commands": commands }).to_string(), contents);
        self.form("POST", "bulk_docs", &body)
    }

    /// Sends a form.
    pub fn form(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let headers = [("Content-Type", "multipart/form-data; boundary=\"line\"")];
        let path = format!("/databases/db/{path}");
        self.ask(method, &path, &headers, Sent::Bytes(body))
    }

    /// Waits until `wanted` holds. Nothing is judged by how long that takes.
    pub fn wait_until(&self, what: &str, mut wanted: impl FnMut(&Self) -> bool) {
        for _ in 0..6000 {
            if wanted(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("waited for nothing: {what}");
    }

    /// Follows an operation to its end.
    pub fn finish(&self, started: Answer) -> Value {
        let id = started.expect(200).json()["OperationId"].as_u64().unwrap();
        let path = format!("operations/state?id={id}");
        let state = || self.get(&path).expect(200).json();
        self.wait_until("the end of an operation", |_| {
            state()["Status"] != "InProgress"
        });
        state()
    }
}

/// A multipart body whose first part is `main`.
pub fn form(main: &str, contents: &[&[u8]]) -> Vec<u8> {
    let mut body =
        format!("--line\r\nContent-Disposition: form-data; name=\"main\"\r\n\r\n{main}\r\n")
            .into_bytes();
    for (index, content) in contents.iter().enumerate() {
        let head = format!(
            "--line\r\nContent-Disposition: form-data; name=\"attachment_{index}\"; \
             filename=\"blob\"\r\nCommand-Type: AttachmentStream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--line--\r\n");
    body
}

fn start(data_dir: &Path, options: &[&str]) -> ServerProcess {
    let log = data_dir.with_extension("log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinyon"));
    command.arg("serve").arg("--data-dir").arg(data_dir);
    command.args(["--listen", "127.0.0.1:0"]).args(options);
    let mut server = ServerProcess::spawn_command(command, &log).unwrap();
    server.wait_until_listening().unwrap();
    server
}
