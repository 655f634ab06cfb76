//! `attachments`: contents beside documents, streamed both ways.
//!
//! A stored content may be a page or a picture with scripts in it. It is never shown as part of
//! this site: it goes out as a download, its type is not guessed, and it may run nothing.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::try_unfold;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pinyon_core::attachments::{
    AttachmentName, DeleteAttachment, ListedAttachment, PutAttachment, hash_text, parse_hash,
};
use pinyon_core::commands::{BatchCommand, CommandOutcome, ExpectedVersion};
use pinyon_core::document::{DocumentId, to_id_key};
use pinyon_core::schema::blobs::{BlobRecord, ContentHash};
use pinyon_core::{Error, ErrorKind, ReadTransaction, Result};
use pinyon_storage_native::NativeSnapshot;
use serde::Deserialize;
use serde_json::json;

use super::uploads::{upload_body, upload_part};
use crate::databases::OpenDatabase;
use crate::http::byte_range::{ByteRange, Selected};
use crate::http::{self, Body, Call, JsonObject, Reply, as_text, empty, etag_value, not_modified};
use crate::http_error;
use crate::multipart::{self, Multipart};

const ATTACHMENT_HASH: HeaderName = HeaderName::from_static("attachment-hash");
const ATTACHMENT_SIZE: HeaderName = HeaderName::from_static("attachment-size");
/// What stands unescaped in an extended header value (RFC 8187).
const UNESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'~');

/// `PUT attachments?id=&name=&contentType=`.
pub async fn put(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let (id, name) = subject(call, &database)?;
    let content_type = call.query.get("contentType")?.unwrap_or_default();
    let content_type = content_type.into_owned();
    let expected = ExpectedVersion::from_wire(call.if_match()?);
    // Nobody should send gigabytes to learn this afterwards.
    if database
        .read()
        .await?
        .document(id.as_str())
        .await?
        .is_none()
    {
        return Err(http_error::missing_in_write(Error::new(
            ErrorKind::NotFound,
            format!(
                "'{}' can have no attachment: there is no such document",
                id.as_str()
            ),
        )));
    }
    let of_it = |error: Error| error.of(&format!("{}/{}", id.as_str(), name.as_str()));
    let content = match multipart::boundary(call.headers)? {
        None => upload_body(call, &database).await.map_err(of_it)?,
        // The Python client wraps bytes into a form with one part.
        Some(boundary) => {
            let pieces = call.body.take_pieces(call.server, call.headers)?;
            let mut parts = Multipart::new(pieces, &boundary);
            let part = parts.next().await?;
            let part = part.ok_or_else(|| Error::invalid("the form has no part"))?;
            let content = upload_part(&database, part).await.map_err(of_it)?;
            if parts.next().await?.is_some() {
                return Err(Error::invalid(
                    "the form has several parts; an attachment is one",
                ));
            }
            content
        }
    };
    let command = BatchCommand::PutAttachment(PutAttachment {
        id,
        name,
        content_type,
        content,
        expected,
    });
    match run(&database, command).await? {
        CommandOutcome::WrittenAttachment(written) => Ok(http::json(
            StatusCode::CREATED,
            &json!({
                "ChangeVector": written.change_vector,
                "Name": written.name,
                "DocumentId": written.id,
                "ContentType": written.content_type,
                "Hash": hash_text(&written.hash),
                "Size": written.size,
                "RemoteParameters": null,
            }),
        )),
        other => Err(unexpected(&other)),
    }
}

/// `DELETE attachments?id=&name=`.
pub async fn delete(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let (id, name) = subject(call, &database)?;
    let expected = ExpectedVersion::from_wire(call.if_match()?);
    let delete = DeleteAttachment { id, name, expected };
    run(&database, BatchCommand::DeleteAttachment(delete)).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    attachments: Vec<JsonObject<Named>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    document_id: String,
    name: String,
}

/// `DELETE attachments/bulk`: several at once, all or none.
pub async fn delete_many(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let body = call.read_body().await?;
    let listed: JsonObject<Listed> = serde_json::from_str(as_text(&body)?)
        .map_err(|reason| Error::invalid(format!("the list of attachments: {reason}")))?;
    let max_id_bytes = database.documents.limits().max_id_bytes;
    let commands = listed.0.attachments.into_iter().map(|JsonObject(it)| {
        Ok(BatchCommand::DeleteAttachment(DeleteAttachment {
            id: DocumentId::new(it.document_id, max_id_bytes)?,
            name: AttachmentName::new(it.name)?,
            expected: ExpectedVersion::Any,
        }))
    });
    database.write(commands.collect::<Result<_>>()?).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn subject(call: &Call<'_>, database: &OpenDatabase) -> Result<(DocumentId, AttachmentName)> {
    let limits = database.documents.limits();
    let id = DocumentId::new(call.query.require("id")?, limits.max_id_bytes)?;
    Ok((id, AttachmentName::new(call.query.require("name")?)?))
}

async fn run(database: &OpenDatabase, command: BatchCommand) -> Result<CommandOutcome> {
    let outcomes = database.write(vec![command]).await;
    let outcome = outcomes.map_err(http_error::missing_in_write)?.pop();
    outcome.ok_or_else(|| Error::new(ErrorKind::Internal, "a batch of one answered nothing"))
}

fn unexpected(outcome: &CommandOutcome) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("a put of an attachment answered with {outcome:?}"),
    )
}

/// An attachment to be shown, of a live document or of a revision.
struct Found {
    name: String,
    content_type: String,
    hash: ContentHash,
    size: u64,
    tag: String,
}

/// Whose attachment is meant.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Source {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    change_vector: Option<String>,
}

/// `GET attachments?id=&name=`.
pub async fn get(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let transaction = database.read().await?;
    match find_live(call, &transaction).await? {
        Some(found) => show(call, Method::GET, database, transaction, found).await,
        None => Ok(empty(StatusCode::NOT_FOUND)),
    }
}

/// `HEAD attachments?id=&name=`.
pub async fn head(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let transaction = database.read().await?;
    match find_live(call, &transaction).await? {
        Some(found) => show(call, Method::HEAD, database, transaction, found).await,
        None => Ok(empty(StatusCode::NOT_FOUND)),
    }
}

/// `POST attachments?id=&name=` with `{"Type":"Revision","ChangeVector":…}`.
pub async fn post(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let JsonObject(source): JsonObject<Source> = serde_json::from_str(as_text(&body)?)
        .map_err(|reason| Error::invalid(format!("whose attachment to show: {reason}")))?;
    let database = call.open_database().await?;
    let transaction = database.read().await?;
    let found = match (source.kind.as_str(), &source.change_vector) {
        ("Document", _) => find_live(call, &transaction).await?,
        ("Revision", Some(change_vector)) => {
            find_in_revision(call, &transaction, change_vector).await?
        }
        ("Revision", None) => return Err(Error::invalid("a revision needs its ChangeVector")),
        (other, _) => {
            return Err(Error::invalid(format!(
                "the Type must be 'Document' or 'Revision', not '{other}'"
            )));
        }
    };
    match found {
        Some(found) => show(call, Method::GET, database, transaction, found).await,
        None => Ok(empty(StatusCode::NOT_FOUND)),
    }
}

async fn find_live(
    call: &Call<'_>,
    transaction: &ReadTransaction<NativeSnapshot>,
) -> Result<Option<Found>> {
    let (id, name) = (call.query.require("id")?, call.query.require("name")?);
    let Some(record) = transaction.attachment(&id, &name).await? else {
        return Ok(None);
    };
    Ok(Some(Found {
        tag: transaction.attachment_change_vector(&record)?,
        name: record.name,
        content_type: record.content_type,
        hash: record.hash,
        size: record.size,
    }))
}

async fn find_in_revision(
    call: &Call<'_>,
    transaction: &ReadTransaction<NativeSnapshot>,
    change_vector: &str,
) -> Result<Option<Found>> {
    let (id, name) = (call.query.require("id")?, call.query.require("name")?);
    let name = AttachmentName::new(name)?;
    let mut revisions = super::revisions::by_vector(transaction, &[change_vector]).await?;
    let revision = revisions.pop().flatten();
    let Some(revision) = revision.filter(|it| *it.key() == to_id_key(&id)) else {
        return Ok(None);
    };
    for listed in ListedAttachment::parse_list(revision.attachments())? {
        let listed_name = AttachmentName::new(listed.name)?;
        if listed_name.key() == name.key() {
            return Ok(Some(Found {
                name: listed_name.as_str().to_owned(),
                content_type: listed.content_type,
                hash: parse_hash(&listed.hash)?,
                size: listed.size,
                tag: revision.change_vector().to_owned(),
            }));
        }
    }
    Ok(None)
}

async fn show(
    call: &Call<'_>,
    method: Method,
    database: Arc<OpenDatabase>,
    transaction: ReadTransaction<NativeSnapshot>,
    found: Found,
) -> Reply {
    let etag = etag_value(&found.tag)?;
    if call.has_already(&found.tag) {
        return Ok(not_modified(etag));
    }
    let content = transaction.content(&found.hash).await?;
    let content = content.ok_or_else(|| {
        Error::corrupted(format!(
            "the content {} of an attachment is missing",
            hash_text(&found.hash)
        ))
    })?;
    let selected = select(call, &method, &found);
    let (status, range) = match selected {
        Selected::All => (StatusCode::OK, ByteRange::all(found.size)),
        Selected::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Selected::Nothing => return unsatisfiable(found.size),
    };
    let body = if method == Method::HEAD || range.is_empty() {
        Body::empty()
    } else {
        Body::Chunks(Box::pin(read(database, transaction, content, range)))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if status == StatusCode::PARTIAL_CONTENT {
        headers.insert(CONTENT_RANGE, header(&range.to_content_range(found.size))?);
    }
    headers.insert(CONTENT_LENGTH, range.byte_count().into());
    headers.insert(CONTENT_TYPE, content_type(&found.content_type));
    headers.insert(CONTENT_DISPOSITION, header(&disposition(&found.name))?);
    headers.insert(ETAG, etag);
    headers.insert(ATTACHMENT_HASH, header(&hash_text(&found.hash))?);
    headers.insert(ATTACHMENT_SIZE, found.size.into());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'"),
    );
    Ok(response)
}

fn select(call: &Call<'_>, method: &Method, found: &Found) -> Selected {
    // A part of another version than the client has is of no use to it.
    let is_same = call.headers.get(IF_RANGE).is_none_or(|tag| {
        let tag = tag.to_str().unwrap_or_default();
        tag.trim_matches('"') == found.tag
    });
    let range = call.headers.get(RANGE).and_then(|it| it.to_str().ok());
    match range {
        Some(text) if is_same && *method == Method::GET => ByteRange::select(text, found.size),
        _ => Selected::All,
    }
}

fn unsatisfiable(size: u64) -> Reply {
    let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
    let headers = response.headers_mut();
    headers.insert(CONTENT_RANGE, header(&format!("bytes */{size}"))?);
    Ok(response)
}

/// The bytes of a range, a piece at a time, as fast as the receiver takes them.
fn read(
    database: Arc<OpenDatabase>,
    transaction: ReadTransaction<NativeSnapshot>,
    content: BlobRecord,
    range: ByteRange,
) -> impl futures_util::Stream<Item = Result<Bytes>> {
    // The database stays open while it is read.
    let state = (database, transaction, range.start);
    try_unfold(state, move |(database, transaction, at)| {
        let content = content.clone();
        async move {
            if at >= range.end {
                return Ok(None);
            }
            let mut piece = transaction.content_at(&content, at).await?;
            if piece.is_empty() {
                return Err(Error::corrupted("a content ends before its length"));
            }
            let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
            piece.truncate(left);
            let next = at + piece.len() as u64;
            Ok(Some((piece, (database, transaction, next))))
        }
    })
}

fn header(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|reason| {
        Error::new(ErrorKind::Internal, format!("'{text}' cannot be a header")).with_source(reason)
    })
}

fn content_type(text: &str) -> HeaderValue {
    const UNKNOWN: HeaderValue = HeaderValue::from_static("application/octet-stream");
    match text.trim() {
        "" => UNKNOWN,
        text => HeaderValue::from_str(text).unwrap_or(UNKNOWN),
    }
}

/// Both forms of the name: for old readers what ASCII there is, for all others the whole.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '/' | '%' => '_',
            c if c.is_ascii_graphic() || c == ' ' => c,
            _ => '_',
        })
        .collect();
    let whole = utf8_percent_encode(name, UNESCAPED);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_headers() {
        assert_eq!(
            disposition("a.txt"),
            "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt"
        );
        assert_eq!(
            disposition("ä\"; x=/b"),
            "attachment; filename=\"__; x=_b\"; filename*=UTF-8''%C3%A4%22%3B%20x%3D%2Fb"
        );
    }

    #[test]
    fn impossible_types_are_unknown_ones() {
        assert_eq!(content_type("image/png"), "image/png");
        assert_eq!(content_type(""), "application/octet-stream");
        assert_eq!(content_type("a\r\nb"), "application/octet-stream");
    }
}
