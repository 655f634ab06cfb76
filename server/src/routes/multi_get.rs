//! `POST multi_get`: several requests in one, each answered as if it had come alone.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use hyper::header::{ETAG, HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use pinyon_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Endpoint;
use crate::http::{Body, Call, JsonObject, QueryString, Reply, as_text, json_bytes};
use crate::http_error;

#[derive(Deserialize)]
struct Requests<'a> {
    #[serde(rename = "Requests", borrow)]
    requests: Vec<JsonObject<SubRequest<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SubRequest<'a> {
    url: String,
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    headers: Option<BTreeMap<String, Option<String>>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// `POST multi_get`.
pub async fn post(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let JsonObject(requests): JsonObject<Requests> = serde_json::from_str(as_text(&body)?)
        .map_err(|reason| Error::invalid(format!("the list of requests: {reason}")))?;
    let limit = call.server.config.max_multi_get_requests;
    if requests.requests.len() > limit {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!(
                "{} requests in one; the limit is {limit}",
                requests.requests.len()
            ),
        ));
    }
    let mut json = b"{\"Results\":[".to_vec();
    for (index, JsonObject(request)) in requests.requests.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        push_answer(call, request, &mut json).await;
        tokio::task::yield_now().await;
        call.server.check_response_bytes(json.len())?;
    }
    json.extend_from_slice(b"]}");
    Ok(json_bytes(StatusCode::OK, json))
}

/// Runs one request and appends what it answers, be it an error.
async fn push_answer(call: &Call<'_>, request: &SubRequest<'_>, json: &mut Vec<u8>) {
    let started = Instant::now();
    let (endpoint, result) = match run(call, request).await {
        Ok((endpoint, result)) => (Some(endpoint), result),
        Err(error) => (None, Err(error)),
    };
    let response = result.unwrap_or_else(|error| {
        let uri = request.url.parse::<Uri>().unwrap_or_default();
        http_error::to_response(&error, &uri)
    });
    let status = response.status();
    call.server
        .metrics
        .record(endpoint, status, started.elapsed());
    let (parts, body) = response.into_parts();
    json.extend_from_slice(b"{\"Result\":");
    match body {
        Body::Whole(bytes) if !bytes.is_empty() => {
            (bytes.iter()).for_each(|piece| json.extend_from_slice(piece));
        }
        // The Node client cannot read a missing document without a body here.
        Body::Whole(_) if status == StatusCode::NOT_FOUND && is_load(endpoint) => {
            json.extend_from_slice(b"{\"Results\":[null],\"Includes\":{}}");
        }
        _ => json.extend_from_slice(b"null"),
    }
    json.extend_from_slice(
        format!(",\"StatusCode\":{},\"Headers\":{{", status.as_u16()).as_bytes(),
    );
    if let Some(etag) = parts.headers.get(ETAG).and_then(|etag| etag.to_str().ok()) {
        json.extend_from_slice(b"\"ETag\":");
        serde_json::to_writer(&mut *json, etag).expect("a Vec takes any text");
    }
    json.extend_from_slice(b"}}");
}

async fn run(call: &Call<'_>, request: &SubRequest<'_>) -> Result<(Endpoint, Reply)> {
    let method = request
        .method
        .as_deref()
        .unwrap_or("GET")
        .to_ascii_uppercase();
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| Error::invalid(format!("'{method}' is not a method")))?;
    let (path, query_in_url) = request.url.split_once('?').unwrap_or((&request.url, ""));
    let query = request.query.as_deref().filter(|query| !query.is_empty());
    let route = super::find(&method, path)
        .ok_or_else(|| http_error::route_not_found(method.as_str(), path))?;
    if !is_allowed(route.endpoint) {
        return Err(Error::invalid(format!(
            "{method} {path} cannot be part of a multi_get"
        )));
    }
    let headers = headers(call, request)?;
    let mut inner = Call {
        server: call.server,
        database: route.database,
        tail: route.tail,
        query: QueryString::new(query.unwrap_or(query_in_url)),
        headers: &headers,
        body: content(request)?.into(),
    };
    Ok((
        route.endpoint,
        super::run_boxed(route.endpoint, &mut inner).await,
    ))
}

/// What answers JSON at hand; requests in requests would not end.
fn is_allowed(endpoint: Endpoint) -> bool {
    !matches!(
        endpoint,
        Endpoint::MultiGet
            | Endpoint::StreamDocs
            | Endpoint::GetAttachment
            | Endpoint::PostAttachment
            | Endpoint::PutAttachment
            | Endpoint::Export
            | Endpoint::Import
            | Endpoint::Metrics
            | Endpoint::Root
            | Endpoint::Studio
            | Endpoint::Kindergarten
    )
}

fn is_load(endpoint: Option<Endpoint>) -> bool {
    matches!(endpoint, Some(Endpoint::GetDocs | Endpoint::PostDocs))
}

fn headers(call: &Call<'_>, request: &SubRequest<'_>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    if let Some(host) = call.headers.get(HOST) {
        headers.insert(HOST, host.clone());
    }
    for (name, value) in request.headers.iter().flatten() {
        let Some(value) = value else { continue };
        let invalid = || Error::invalid(format!("the header '{name}' is not valid"));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
        let value = HeaderValue::from_str(value).map_err(|_| invalid())?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The body of a request: JSON, or a string that holds JSON.
fn content(request: &SubRequest<'_>) -> Result<Bytes> {
    let text = request.content.map_or("null", RawValue::get);
    if text == "null" {
        return Ok(Bytes::new());
    }
    if text.starts_with('"') {
        let inner: String = serde_json::from_str(text)
            .map_err(|reason| Error::invalid(format!("Content: {reason}")))?;
        return Ok(inner.into());
    }
    Ok(Bytes::copy_from_slice(text.as_bytes()))
}
