//! One request from head to head: limits on time, the endpoint, errors, headers, figures, log.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONNECTION, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Request, Response};
use pinyon_core::{Error, ErrorKind, Result};

use super::compression::{accepts_gzip, compress};
use super::head::{check_head, find_route, no_route};
use super::origin::check_origin;
use super::{Body, Call, QueryString};
use crate::http_error;
use crate::routes::{self, Endpoint};
use crate::server::{PROTOCOL_VERSION, Server};

const SERVER_VERSION: HeaderName = HeaderName::from_static("raven-server-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_REQUEST_ID: usize = 128;

/// Answers one request.
pub async fn serve_request(
    server: Arc<Server>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let started = Instant::now();
    let checked = check_head(request.version(), request.headers());
    let is_upgrade = checked.is_ok() && routes::sync::is_upgrade(&request);
    let upgraded = is_upgrade.then(|| routes::sync::upgrade(&server, &mut request));
    let (parts, incoming) = request.into_parts();
    let request_id = request_id(&parts);
    let path = parts.uri.path();
    let route = find_route(&parts.method, path);
    let endpoint = route.as_ref().map(|route| route.endpoint);
    let mut allowed = String::new();
    let result = match (checked, upgraded, route) {
        (Err(error), _, _) => Err(error),
        (Ok(()), Some(upgraded), _) => upgraded,
        (Ok(()), None, Some(route)) => {
            let mut call = Call {
                server: &server,
                database: route.database,
                tail: route.tail,
                query: QueryString::new(parts.uri.query().unwrap_or("")),
                headers: &parts.headers,
                body: incoming.into(),
            };
            match check_origin(&server, &parts.headers) {
                Ok(()) => run_in_time(&server, route.endpoint, &mut call).await,
                Err(error) => Err(error),
            }
        }
        (Ok(()), None, None) => {
            let (error, methods) = no_route(&parts.method, path);
            allowed = methods;
            Err(error)
        }
    };
    let mut response = match result {
        Ok(response) => response,
        Err(error) => {
            log_failure(&error, &parts, &request_id);
            http_error::to_response(&error, &parts.uri)
        }
    };
    if accepts_gzip(&parts.headers) {
        response = compress(response, server.config.compress_from_bytes).await;
    }
    let mut response = response.map(Body::for_wire);
    add_headers(response.headers_mut(), &parts, request_id, &allowed);
    let took = started.elapsed();
    server.metrics.record(endpoint, response.status(), took);
    tracing::debug!(
        request_id = response
            .headers()
            .get(&REQUEST_ID)
            .and_then(|it| it.to_str().ok()),
        method = parts.method.as_str(),
        path,
        status = response.status().as_u16(),
        took_us = took.as_micros(),
        "request"
    );
    Ok(response)
}

/// Adds what every response has, and the methods that are `allowed` instead of the request's.
fn add_headers(headers: &mut HeaderMap, parts: &Parts, request_id: HeaderValue, allowed: &str) {
    headers.insert(SERVER_VERSION, HeaderValue::from_static(PROTOCOL_VERSION));
    headers.insert(REQUEST_ID, request_id);
    // A request that also had a Content-Length, which hyper then drops, may have been cut another
    // way by a proxy before us; what follows on its connection cannot be trusted.
    if parts.headers.contains_key(TRANSFER_ENCODING) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Ok(allowed) = HeaderValue::from_str(allowed)
        && !allowed.is_empty()
    {
        headers.insert(ALLOW, allowed);
    }
}

async fn run_in_time(
    server: &Server,
    endpoint: Endpoint,
    call: &mut Call<'_>,
) -> Result<Response<Body>> {
    let limit = Duration::from_millis(server.config.request_timeout_ms);
    if routes::is_long(endpoint, call.headers) {
        // Its body may take hours; how slowly it may come is limited.
        return routes::run(endpoint, call).await;
    }
    let mut running = std::pin::pin!(routes::run(endpoint, call));
    // Reads are done at once and need no timer.
    if let Poll::Ready(result) = futures_util::poll!(running.as_mut()) {
        return result;
    }
    match tokio::time::timeout(limit, running).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(
            ErrorKind::TimedOut,
            format!(
                "the request took longer than {} ms; a write may still take effect",
                limit.as_millis()
            ),
        )),
    }
}

/// The client's name for the request if it is fit for a log, else one of our own.
fn request_id(parts: &Parts) -> HeaderValue {
    static LAST: AtomicU64 = AtomicU64::new(0);
    if let Some(given) = parts.headers.get(&REQUEST_ID)
        && given.len() <= LONGEST_REQUEST_ID
        && given.to_str().is_ok()
    {
        return given.clone();
    }
    let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    let mut text = [b'0'; 16];
    for (place, digit) in text.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (place * 4)) as usize & 0xf];
    }
    HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&text))
        .unwrap_or_else(|_| HeaderValue::from_static("0"))
}

fn log_failure(error: &Error, parts: &Parts, request_id: &HeaderValue) {
    let request_id = request_id.to_str().unwrap_or_default();
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    match error.kind() {
        // Clients ask again and again: that must not fill the log.
        _ if http_error::is_database_disabled(error) => {
            tracing::debug!(request_id, method, path, "the database is disabled");
        }
        ErrorKind::Internal | ErrorKind::Corrupted | ErrorKind::StorageFull | ErrorKind::Closed => {
            tracing::error!(request_id, method, path, ?error, "request failed");
        }
        ErrorKind::Unavailable | ErrorKind::TimedOut => {
            tracing::warn!(request_id, method, path, ?error, "request refused");
        }
        _ => tracing::debug!(request_id, method, path, ?error, "request refused"),
    }
}
