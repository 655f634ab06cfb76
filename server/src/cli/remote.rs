//! A database on a running server, reached over HTTP.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pinyon_core::attachments::ListedAttachment;
use pinyon_core::commands::{BatchCommand, Configure, ExpectedVersion, PutDocument};
use pinyon_core::document::{DocumentId, IdRequest};
use pinyon_core::smuggler::{ExistingDocument, ImportTarget};
use pinyon_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use ureq::http::{Method, StatusCode};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For one batch; a server under load may need a while.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);
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

    /// The content of an attachment.
    ///
    /// # Errors
    /// What the server answers, or that it does not; `NotFound` when its content is not the one
    /// with `hash` any more.
    pub fn stream_attachment(
        &self,
        id: &str,
        attachment: &ListedAttachment,
    ) -> Result<impl Read + Send + use<>> {
        let escaped = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let name = &attachment.name;
        let (id_escaped, name_escaped) = (escaped(id), escaped(name));
        let url = self.url(&format!("/attachments?id={id_escaped}&name={name_escaped}"));
        let request = self.agent.get(&url).config().timeout_global(None).build();
        let response = request.call().map_err(|reason| no_answer(&url, &reason))?;
        let status = response.status();
        let hash = response.headers().get("Attachment-Hash").cloned();
        let mut body = response.into_body();
        if !status.is_success() && status != StatusCode::NOT_FOUND {
            let text = body.read_to_string().unwrap_or_default();
            return Err(refused(status, &text));
        }
        if hash.is_none_or(|hash| hash.as_bytes() != attachment.hash.as_bytes()) {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("the attachment '{name}' of '{id}' was changed meanwhile; export again"),
            ));
        }
        Ok(body.into_reader().take(attachment.size))
    }

    /// Every identity with its last number.
    ///
    /// # Errors
    /// What the server answers, or that it does not.
    pub async fn identities(&self) -> Result<Vec<(String, i64)>> {
        let text = self
            .send(Method::GET, self.url("/debug/identities"), None)
            .await?;
        let map: serde_json::Map<String, serde_json::Value> = parse(&text)?;
        let identities = map.into_iter().map(|(name, value)| {
            let value = value.as_i64().unwrap_or_default();
            (name, value)
        });
        Ok(identities.collect())
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
        sending.await.map_err(|reason| {
            Error::new(
                ErrorKind::Internal,
                format!("a request broke off: {reason}"),
            )
        })?
    }
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
}

/// The error in an answer, with the kind that its status stands for.
fn refused(status: StatusCode, text: &str) -> Error {
    let message = match serde_json::from_str::<ErrorBody>(text) {
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

impl ImportTarget for Remote {
    type Upload = std::convert::Infallible;

    /// The protocol has no request that stores a revision as it was.
    fn takes_histories(&self) -> bool {
        false
    }

    fn begin_upload(&self) -> Result<Self::Upload> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "attachments are imported into data directories only",
        ))
    }

    async fn configure(&self, _: Configure) -> Result<()> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "configurations are imported into data directories only",
        ))
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
