//! The few requests of the protocol that the writers and the checks need, each sent once.

mod attachments;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use ureq::http::Request;
use ureq::http::request::Builder;
use ureq::{Agent, AsSendBody};

pub use attachments::{Downloaded, form};

use crate::content::revisions_configuration;

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

    fn request(&self, method: &str, path: &str) -> Builder {
        let url = format!("{}{path}", self.server);
        Request::builder().method(method).uri(url)
    }

    fn send(&self, method: &str, path: &str, if_match: Option<&str>, body: &str) -> Result<Answer> {
        let mut request = self.request(method, path);
        if let Some(vector) = if_match {
            request = request.header("If-Match", format!("\"{vector}\""));
        }
        if body.is_empty() {
            return self.run(request.body(())?);
        }
        let request = request.header("Content-Type", "application/json");
        self.run(request.body(body.as_bytes())?)
    }

    fn run(&self, request: Request<impl AsSendBody>) -> Result<Answer> {
        let what = format!("{} {}", request.method(), request.uri());
        let mut response = self.agent.run(request).with_context(|| what.clone())?;
        let text = response
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_string()
            .with_context(|| format!("read the answer to {what}"))?;
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)
                .with_context(|| format!("{what} answered what is no JSON: {text:.200}"))?
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

    /// Has the database keep the revisions it shall keep, and sweep every second.
    ///
    /// # Errors
    /// The server does not answer 200.
    pub fn configure(&self) -> Result<()> {
        let revisions = revisions_configuration().to_string();
        let path = format!("/databases/{DATABASE}/admin/revisions/config");
        self.expect("POST", &path, &revisions, 200)?;
        let expiration = json!({ "Disabled": false, "DeleteFrequencyInSec": 1 }).to_string();
        let path = format!("/databases/{DATABASE}/admin/expiration/config");
        self.expect("POST", &path, &expiration, 200)?;
        let refresh = json!({ "Disabled": false, "RefreshFrequencyInSec": 1 }).to_string();
        let path = format!("/databases/{DATABASE}/admin/refresh/config");
        self.expect("POST", &path, &refresh, 200).map(drop)
    }

    /// Deletes all revisions of a document.
    ///
    /// # Errors
    /// No whole answer came.
    pub fn delete_revisions(&self, id: &str) -> Result<Answer> {
        let path = format!("/databases/{DATABASE}/admin/revisions");
        let body = json!({ "DocumentIds": [id] }).to_string();
        self.send("DELETE", &path, None, &body)
    }

    /// All revisions of a document, the newest first.
    ///
    /// # Errors
    /// The server does not answer 200 with all there are.
    pub fn revisions(&self, id: &str) -> Result<Vec<Value>> {
        const MOST: usize = 4096;
        let path = format!("/databases/{DATABASE}/revisions?id={id}&start=0&pageSize={MOST}");
        let mut body = self.expect("GET", &path, "", 200)?;
        let total = body["TotalResults"].as_u64();
        match body.get_mut("Results").map(Value::take) {
            Some(Value::Array(results)) if total == Some(results.len() as u64) => Ok(results),
            _ => bail!("GET {path} answered no list of all {total:?} revisions"),
        }
    }

    /// How many revisions a document has.
    ///
    /// # Errors
    /// The server does not answer 200.
    pub fn revision_count(&self, id: &str) -> Result<u64> {
        let path = format!("/databases/{DATABASE}/revisions/count?id={id}");
        let body = self.expect("GET", &path, "", 200)?;
        body["RevisionsCount"]
            .as_u64()
            .with_context(|| format!("GET {path} answered {body}"))
    }

    /// The database's statistics.
    ///
    /// # Errors
    /// The server does not answer 200.
    pub fn statistics(&self) -> Result<Value> {
        self.expect("GET", &format!("/databases/{DATABASE}/stats"), "", 200)
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
