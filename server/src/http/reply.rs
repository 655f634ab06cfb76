//! Building responses.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, ETAG, HeaderValue};
use hyper::{Response, StatusCode};
use pinyon_core::{Error, ErrorKind, Result};
use serde::Serialize;

use super::body::Chunks;
use super::{Body, Pieces};

/// What an endpoint answers.
pub type Reply = Result<Response<Body>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A status and nothing else.
pub fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// JSON that is written already.
pub fn json_bytes(status: StatusCode, json: impl Into<Pieces>) -> Response<Body> {
    let mut response = Response::new(Body::Whole(json.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// As [`json_bytes`] with status 200 and an entity tag for the client's cache.
pub fn json_with_etag(json: impl Into<Pieces>, etag: HeaderValue) -> Response<Body> {
    let mut response = json_bytes(StatusCode::OK, json);
    response.headers_mut().insert(ETAG, etag);
    response
}

/// A value as JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let json = serde_json::to_vec(value).expect("the protocol's values have text keys");
    json_bytes(status, json)
}

/// Text of some other type.
pub fn plain(content_type: &'static str, text: impl Into<Pieces>) -> Response<Body> {
    let mut response = Response::new(Body::Whole(text.into()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A body of unknown length.
pub fn stream(content_type: &'static str, chunks: Chunks) -> Response<Body> {
    let mut response = Response::new(Body::Chunks(chunks));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// 304 for what the client has already.
pub fn not_modified(etag: HeaderValue) -> Response<Body> {
    let mut response = empty(StatusCode::NOT_MODIFIED);
    response.headers_mut().insert(ETAG, etag);
    response
}

/// `tag` in quotes, as a header.
///
/// # Errors
/// `Internal` when it cannot stand in a header; change vectors always can.
pub fn etag_value(tag: &str) -> Result<HeaderValue> {
    let mut quoted = Vec::with_capacity(tag.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(tag.as_bytes());
    quoted.push(b'"');
    HeaderValue::from_maybe_shared(Bytes::from(quoted)).map_err(|reason| {
        Error::new(
            ErrorKind::Internal,
            format!("'{tag}' cannot be an entity tag"),
        )
        .with_source(reason)
    })
}
