//! The few requests of the protocol that the writers and the checks need, each sent once.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Request;

/// The database all writers share.
pub const DATABASE: &str = "Crash";

/// Only a guard against a server that hangs; nothing is judged by it.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// An answer of the server, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body as JSON; null if there is none.
    pub body: Value,
}

/// One connection to the server.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    server: String,
}

impl Client {
    /// A client of the server at `url`.
    pub fn new(url: &str) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_LIMIT))
            .build()
            .new_agent();
        Self {
            agent,
            server: url.to_owned(),
        }
    }

    fn send(&self, method: &str, path: &str, if_match: Option<&str>, body: &str) -> Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server));
        if let Some(vector) = if_match {
            request = request.header("If-Match", format!("\"{vector}\""));
        }
        let mut response = if body.is_empty() {
            self.agent.run(request.body(())?)
        } else {
            let request = request.header("Content-Type", "application/json");
            self.agent.run(request.body(body)?)
        }
        .with_context(|| format!("{method} {path}"))?;
        let text = response
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_string()
            .with_context(|| format!("read the answer to {method} {path}"))?;
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)
                .with_context(|| format!("{method} {path} answered what is no JSON: {text:.200}"))?
        };
        Ok(Answer {
            status: response.status().as_u16(),
            body,
        })
    }

    fn expect(&self, method: &str, path: &str, body: &str, status: u16) -> Result<Value> {
        let answer = self.send(method, path, None, body)?;
        if answer.status != status {
            bail!(
                "{method} {path} answered {}: {}",
                answer.status,
                answer.body
            );
        }
        Ok(answer.body)
    }

    /// Creates the database.
    ///
    /// # Errors
    /// The server does not answer 201.
    pub fn create_database(&self) -> Result<()> {
        let body = json!({ "DatabaseName": DATABASE }).to_string();
        let path = format!("/admin/databases?name={DATABASE}");
        self.expect("PUT", &path, &body, 201).map(drop)
    }

    /// Has the database keep a revision of every version of every document.
    ///
    /// # Errors
    /// The server does not answer 200.
    pub fn keep_revisions(&self) -> Result<()> {
        let body = json!({ "Default": { "Disabled": false } }).to_string();
        let path = format!("/databases/{DATABASE}/admin/revisions/config");
        self.expect("POST", &path, &body, 200).map(drop)
    }

    /// The newest revision of a document; null if it has none.
    ///
    /// # Errors
    /// The server does not answer 200.
    pub fn newest_revision(&self, id: &str) -> Result<Value> {
        let path = format!("/databases/{DATABASE}/revisions?id={id}&start=0&pageSize=1");
        let mut body = self.expect("GET", &path, "", 200)?;
        Ok(body["Results"][0].take())
    }

    /// Stores one document, if it still has the version `if_match` where one is given.
    ///
    /// # Errors
    /// No whole answer came.
    pub fn put(&self, id: &str, document: &Value, if_match: Option<&str>) -> Result<Answer> {
        let path = format!("/databases/{DATABASE}/docs?id={id}");
        self.send("PUT", &path, if_match, &document.to_string())
    }

    /// Deletes one document.
    ///
    /// # Errors
    /// No whole answer came.
    pub fn delete(&self, id: &str) -> Result<Answer> {
        let path = format!("/databases/{DATABASE}/docs?id={id}");
        self.send("DELETE", &path, None, "")
    }

    /// Sends the commands of one batch.
    ///
    /// # Errors
    /// No whole answer came.
    pub fn bulk(&self, commands: &[Value]) -> Result<Answer> {
        let body = json!({ "Commands": commands }).to_string();
        let path = format!("/databases/{DATABASE}/bulk_docs");
        self.send("POST", &path, None, &body)
    }

    /// Reads one document.
    ///
    /// # Errors
    /// No whole answer came.
    pub fn get(&self, id: &str) -> Result<Answer> {
        let path = format!("/databases/{DATABASE}/docs?id={id}");
        self.send("GET", &path, None, "")
    }

    /// All documents whose ids begin with `prefix`, in the order of their ids.
    ///
    /// # Errors
    /// The server does not answer with pages of documents.
    pub fn read_prefix(&self, prefix: &str) -> Result<Vec<Value>> {
        let mut documents: Vec<Value> = Vec::new();
        loop {
            let after = match documents.last() {
                Some(last) => format!("&startAfter={}", document_id(last)?),
                None => String::new(),
            };
            let path = format!(
                "/databases/{DATABASE}/docs?startsWith={prefix}&start=0&pageSize={PAGE}{after}"
            );
            let page = self.read_results(&path)?;
            let ended = page.len() < PAGE;
            documents.extend(page);
            if ended {
                return Ok(documents);
            }
        }
    }

    /// All documents of the database, the newest first.
    ///
    /// # Errors
    /// The server does not answer with pages of documents.
    pub fn read_newest_first(&self) -> Result<Vec<Value>> {
        let mut documents: Vec<Value> = Vec::new();
        loop {
            let start = documents.len();
            let path = format!("/databases/{DATABASE}/docs?start={start}&pageSize={PAGE}");
            let page = self.read_results(&path)?;
            let ended = page.len() < PAGE;
            documents.extend(page);
            if ended {
                return Ok(documents);
            }
        }
    }

    fn read_results(&self, path: &str) -> Result<Vec<Value>> {
        let mut body = self.expect("GET", path, "", 200)?;
        match body.get_mut("Results").map(Value::take) {
            Some(Value::Array(results)) if results.len() <= PAGE => Ok(results),
            _ => bail!("GET {path} answered no page of Results"),
        }
    }

    /// The counts the server keeps.
    ///
    /// # Errors
    /// The server does not answer 200.
    pub fn collection_counts(&self) -> Result<Value> {
        let path = format!("/databases/{DATABASE}/collections/stats");
        self.expect("GET", &path, "", 200)
    }
}

const PAGE: usize = 512;

/// The id a document carries in its metadata.
///
/// # Errors
/// It carries none.
pub fn document_id(document: &Value) -> Result<&str> {
    document["@metadata"]["@id"]
        .as_str()
        .with_context(|| format!("a document without @id: {document:.200}"))
}

/// The etag in the change vector of a document or of a result of a batch.
///
/// # Errors
/// `vector` is not of the form `A:12-…`.
pub fn etag_of(vector: &Value) -> Result<u64> {
    vector
        .as_str()
        .and_then(|text| text.strip_prefix("A:"))
        .and_then(|text| text.split_once('-'))
        .and_then(|(etag, _)| etag.parse().ok())
        .with_context(|| format!("a change vector of one node expected, not {vector}"))
}
