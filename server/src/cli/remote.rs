//! A database on a running server, reached over HTTP.

use std::io::{Cursor, Read};
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzEncoder;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pinyon_core::commands::{BatchCommand, Configure, ExpectedVersion, PutDocument};
use pinyon_core::document::{DocumentId, IdRequest};
use pinyon_core::indexes::PortableIndex;
use pinyon_core::smuggler::{ExistingDocument, ImportTarget};
use pinyon_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::http::{Method, StatusCode};

use crate::routes::smuggler::Options;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For one batch; a server under load may need a while.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);
/// Between two looks at an operation.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Ids in one request line.
const IDS_AT_ONCE: usize = 64;

/// A database of a server.
#[derive(Clone)]
pub struct Remote {
    server: Arc<str>,
    database: Arc<str>,
    agent: ureq::Agent,
}

impl Remote {
    /// A database by the server's URL and its name. Nothing is sent yet.
    ///
    /// # Errors
    /// `InvalidRequest` for anything but an `http://` URL.
    pub fn new(url: &str, database: &str) -> Result<Self> {
        if !url.starts_with("http://") {
            return Err(Error::invalid(format!(
                "--url {url}: a URL like http://127.0.0.1:8080 is needed (https is not there yet)"
            )));
        }
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(REQUEST_TIMEOUT))
            .http_status_as_error(false)
            .build();
        Ok(Self {
            server: url.trim_end_matches('/').into(),
            database: utf8_percent_encode(database, NON_ALPHANUMERIC)
                .to_string()
                .into(),
            agent: config.into(),
        })
    }

    /// Creates the database unless it is there.
    ///
    /// # Errors
    /// What the server answers, or that it does not.
    pub async fn create(&self) -> Result<()> {
        let url = format!(
            "{}/admin/databases?name={}&replicationFactor=1",
            self.server, self.database
        );
        match self.send(Method::PUT, url, Some(b"{}".to_vec())).await {
            // It exists.
            Err(error) if error.kind() == ErrorKind::ConcurrencyConflict => Ok(()),
            result => result.map(drop),
        }
    }

    /// All documents of the database, as a JSON object with the array `Results`.
    ///
    /// # Errors
    /// What the server answers, or that it does not.
    pub fn stream_documents(&self) -> Result<impl Read + Send + use<>> {
        let url = self.url("/streams/docs");
        // However long the stream is: only standing still is limited.
        let request = self.agent.get(&url).config().timeout_global(None).build();
        let response = request.call().map_err(|reason| no_answer(&url, &reason))?;
        let status = response.status();
        let mut body = response.into_body();
        if !status.is_success() {
            let text = body.read_to_string().unwrap_or_default();
            return Err(refused(status, &text));
        }
        Ok(body.into_reader())
    }

    /// A number for an operation of the database.
    ///
    /// # Errors
    /// What the server answers, or that it does not.
    pub async fn next_operation_id(&self) -> Result<u64> {
        let url = self.url("/operations/next-operation-id");
        let text = self.send(Method::GET, url, None).await?;
        let answer: NextOperationId = parse(&text)?;
        Ok(answer.id)
    }

    /// What came of an operation that has ended, or is about to.
    ///
    /// # Errors
    /// What the operation failed with; what the server answers, or that it does not.
    pub async fn result_of_operation(&self, id: u64) -> Result<Value> {
        loop {
            let url = self.url(&format!("/operations/state?id={id}"));
            let text = self.send(Method::GET, url, None).await?;
            let state: OperationState = parse(&text)?;
            match state.status.as_str() {
                "InProgress" => tokio::time::sleep(POLL_INTERVAL).await,
                "Completed" => return Ok(state.result),
                "Canceled" => return Err(Error::new(ErrorKind::Closed, "it was cancelled")),
                _ => {
                    let status = state.result.get("StatusCode").and_then(Value::as_u64);
                    let status = status.and_then(|code| u16::try_from(code).ok());
                    let status = status.and_then(|code| StatusCode::from_u16(code).ok());
                    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    return Err(refused(status, &state.result.to_string()));
                }
            }
        }
    }

    /// A whole dump, compressed by gzip, as the operation `id`.
    ///
    /// # Errors
    /// What the server answers, or that it does not.
    pub fn export(&self, id: u64, options: &Options) -> Result<impl Read + Send + use<>> {
        let url = self.url(&format!("/smuggler/export?operationId={id}"));
        let body = serde_json::to_vec(options).expect("options are plain data");
        // However long the dump is: only standing still is limited.
        let request = self.agent.post(&url).config().timeout_global(None).build();
        let request = request.content_type("application/json");
        let response = request.send(body);
        let response = response.map_err(|reason| no_answer(&url, &reason))?;
        let status = response.status();
        let mut body = response.into_body();
        if !status.is_success() {
            let text = body.read_to_string().unwrap_or_default();
            return Err(refused(status, &text));
        }
        Ok(body.into_reader())
    }

    /// Sends a whole dump as the operation `id`; answers what came of it.
    ///
    /// # Errors
    /// What the server answers, or that it does not.
    pub async fn import(
        &self,
        id: u64,
        options: &Options,
        dump: impl Read + Send + 'static,
    ) -> Result<Value> {
        const BOUNDARY: &str = "the-end-of-this-part";
        let url = self.url(&format!("/smuggler/import?operationId={id}"));
        let options = serde_json::to_string(options).expect("options are plain data");
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"importOptions\"\r\n\r\n\
             {options}\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; \
             filename=\"dump\"\r\n\r\n"
        );
        let tail = format!("\r\n--{BOUNDARY}--\r\n");
        let body = Cursor::new(head)
            .chain(GzEncoder::new(dump, Compression::fast()))
            .chain(Cursor::new(tail));
        let request = self.agent.post(&url).config().timeout_global(None).build();
        let request = request.content_type(format!("multipart/form-data; boundary={BOUNDARY}"));
        let sending = tokio::task::spawn_blocking(move || {
            let response = request.send(ureq::SendBody::from_owned_reader(body));
            let response = response.map_err(|reason| no_answer(&url, &reason))?;
            let status = response.status();
            let mut body = response.into_body();
            let text = body.with_config().limit(u64::MAX).read_to_string();
            let text = text.map_err(|reason| no_answer(&url, &reason))?;
            if !status.is_success() {
                return Err(refused(status, &text));
            }
            parse(&text)
        });
        sending.await.map_err(broke_off)?
    }

    fn url(&self, path_and_query: &str) -> String {
        format!(
            "{}/databases/{}{path_and_query}",
            self.server, self.database
        )
    }

    /// One request; the answer's text if it is a good one.
    async fn send(&self, method: Method, url: String, body: Option<Vec<u8>>) -> Result<String> {
        let (status, text) = self.exchange(method, url, body).await?;
        if status.is_success() {
            return Ok(text);
        }
        Err(refused(status, &text))
    }

    /// One request, on a thread that may block.
    async fn exchange(
        &self,
        method: Method,
        url: String,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, String)> {
        let agent = self.agent.clone();
        let sending = tokio::task::spawn_blocking(move || {
            let request = ureq::http::Request::builder()
                .method(method)
                .uri(&url)
                .header("Content-Type", "application/json");
            let request = request
                .body(body.unwrap_or_default())
                .map_err(|reason| Error::invalid(format!("{url}: {reason}")))?;
            let response = agent
                .run(request)
                .map_err(|reason| no_answer(&url, &reason))?;
            let status = response.status();
            let mut body = response.into_body();
            let text = body.with_config().limit(u64::MAX).read_to_string();
            Ok((status, text.map_err(|reason| no_answer(&url, &reason))?))
        });
        sending.await.map_err(broke_off)?
    }
}

#[derive(Deserialize)]
struct NextOperationId {
    #[serde(rename = "Id")]
    id: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OperationState {
    status: String,
    result: Value,
}

fn broke_off(reason: tokio::task::JoinError) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("a request broke off: {reason}"),
    )
}

fn no_answer(url: &str, reason: &ureq::Error) -> Error {
    Error::new(
        ErrorKind::TimedOut,
        format!("no answer from {url}: {reason}"),
    )
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(rename = "Message", default)]
    message: String,
    #[serde(rename = "Type", default)]
    exception: String,
}

/// The error in an answer, with the kind that its status stands for.
fn refused(status: StatusCode, text: &str) -> Error {
    let message = match serde_json::from_str::<ErrorBody>(text) {
        Ok(body) if body.exception.ends_with(".DatabaseDoesNotExistException") => {
            return Error::new(ErrorKind::NotFound, body.message);
        }
        Ok(body) if !body.message.is_empty() => body.message,
        _ => text.chars().take(300).collect(),
    };
    let kind = match status.as_u16() {
        409 => ErrorKind::ConcurrencyConflict,
        400 => ErrorKind::InvalidRequest,
        413 => ErrorKind::LimitExceeded,
        401 | 403 => ErrorKind::Unauthorized,
        507 => ErrorKind::StorageFull,
        // Not `Unavailable`, which stands for a data directory in use.
        _ => ErrorKind::Internal,
    };
    Error::new(kind, format!("the server answers {status}: {message}"))
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|reason| {
        Error::new(
            ErrorKind::Internal,
            format!("the server's answer is not understood: {reason}"),
        )
    })
}

#[derive(Deserialize)]
struct Documents<'a> {
    #[serde(rename = "Results", borrow)]
    results: Vec<Option<&'a RawValue>>,
}

#[derive(Deserialize)]
struct WithMetadata {
    #[serde(rename = "@metadata")]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "@change-vector")]
    change_vector: String,
}

/// Dumps are imported by the server itself.
fn only_in_dumps(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("only dumps hold {what}"))
}

/// Takes documents.
impl ImportTarget for Remote {
    type Upload = std::convert::Infallible;

    fn begin_upload(&self) -> Result<Self::Upload> {
        Err(only_in_dumps("attachments"))
    }

    async fn configure(&self, _: Configure) -> Result<()> {
        Err(only_in_dumps("configurations"))
    }

    async fn define_index(&self, _: PortableIndex) -> Result<()> {
        Err(only_in_dumps("indexes"))
    }

    async fn write(&self, commands: Arc<[BatchCommand]>) -> Result<()> {
        let body = bulk_docs_body(&commands)?;
        drop(commands);
        self.send(Method::POST, self.url("/bulk_docs"), Some(body))
            .await
            .map(drop)
    }

    async fn existing(&self, ids: &[DocumentId]) -> Result<Vec<Option<ExistingDocument>>> {
        let mut existing = Vec::with_capacity(ids.len());
        for ids in ids.chunks(IDS_AT_ONCE) {
            let query: Vec<String> = ids
                .iter()
                .map(|id| format!("id={}", utf8_percent_encode(id.as_str(), NON_ALPHANUMERIC)))
                .collect();
            let url = self.url(&format!("/docs?{}", query.join("&")));
            let (status, text) = self.exchange(Method::GET, url, None).await?;
            // A single missing document is answered so.
            if status == StatusCode::NOT_FOUND && text.is_empty() {
                existing.extend(ids.iter().map(|_| None));
                continue;
            }
            if !status.is_success() {
                return Err(refused(status, &text));
            }
            let documents: Documents<'_> = parse(&text)?;
            if documents.results.len() != ids.len() {
                return Err(Error::new(
                    ErrorKind::Internal,
                    "the server answers with another number of documents than was asked for",
                ));
            }
            for document in documents.results {
                existing.push(match document {
                    None => None,
                    Some(text) => {
                        let parsed: WithMetadata = parse(text.get())?;
                        Some(ExistingDocument {
                            change_vector: parsed.metadata.change_vector,
                            text: text.get().to_owned(),
                        })
                    }
                });
            }
        }
        Ok(existing)
    }

    async fn raise_identity(&self, name: &str, value: i64) -> Result<()> {
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
        let url = self.url(&format!("/identity/seed?name={name}&value={value}"));
        self.send(Method::POST, url, None).await.map(drop)
    }
}

/// The body of `POST bulk_docs`.
fn bulk_docs_body(commands: &[BatchCommand]) -> Result<Vec<u8>> {
    let mut body = b"{\"Commands\":[".to_vec();
    for (index, command) in commands.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        match command {
            BatchCommand::Put(put) => write_put(put, &mut body),
            BatchCommand::Delete(delete) => {
                body.extend_from_slice(b"{\"Type\":\"DELETE\",\"Id\":");
                write_text(delete.id.as_str(), &mut body);
                write_expected(&delete.expected, &mut body);
                body.push(b'}');
            }
            other => {
                return Err(Error::new(
                    ErrorKind::Internal,
                    format!("an import does not send {other:?}"),
                ));
            }
        }
    }
    body.extend_from_slice(b"]}");
    Ok(body)
}

fn write_put(put: &PutDocument, body: &mut Vec<u8>) {
    let id = match &put.id {
        IdRequest::Random => "",
        IdRequest::ServerSide(prefix) | IdRequest::Identity(prefix) => prefix,
        IdRequest::Semantic(id) => id.as_str(),
    };
    body.extend_from_slice(b"{\"Type\":\"PUT\",\"Id\":");
    write_text(id, body);
    write_expected(&put.expected, body);
    body.extend_from_slice(b",\"Document\":");
    let open = &put.document.body[..put.document.body.len() - 1];
    body.extend_from_slice(open.as_bytes());
    if open.len() > 1 {
        body.push(b',');
    }
    body.extend_from_slice(b"\"@metadata\":{");
    body.extend_from_slice(put.document.metadata.as_bytes());
    body.extend_from_slice(b"}}}");
}

fn write_expected(expected: &ExpectedVersion, body: &mut Vec<u8>) {
    let text = match expected {
        ExpectedVersion::Any => return,
        ExpectedVersion::Missing => "",
        ExpectedVersion::Exactly(text) => text,
    };
    body.extend_from_slice(b",\"ChangeVector\":");
    write_text(text, body);
}

fn write_text(text: &str, body: &mut Vec<u8>) {
    serde_json::to_writer(body, text).expect("a Vec takes any text");
}
