//! `studio`: the page in which one looks at databases.
//!
//! Its files are part of the binary; they may load and ask this server only.

use hyper::header::{HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};
use serde_json::json;

use crate::http::{Body, Call, Reply, StaticFile, empty, json, serve_file};
use crate::http_error;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../www/browse"]
struct Files;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// `GET /`.
pub async fn root(_: &mut Call<'_>) -> Reply {
    Ok(redirect())
}

fn redirect() -> Response<Body> {
    let mut response = empty(StatusCode::FOUND);
    let location = HeaderValue::from_static("/studio/");
    response.headers_mut().insert(LOCATION, location);
    response
}

/// `GET studio/…`.
pub async fn file(call: &mut Call<'_>) -> Reply {
    let path = match call.tail {
        "" => return Ok(redirect()),
        "/" => "index.html",
        "/applications" => return Ok(applications(call)),
        tail => tail.trim_start_matches('/'),
    };
    let Some(file) = Files::get(path) else {
        return Err(http_error::route_not_found(
            "GET",
            &format!("/studio/{path}"),
        ));
    };
    serve_file(call, &static_file(file), POLICY)
}

/// What else this server shows, for the first page to point at.
fn applications(call: &Call<'_>) -> Response<Body> {
    let mut shown = Vec::new();
    if call.server.kindergarten.is_some() {
        shown.push(json!({ "Name": "Kindergarten", "Path": "/kindergarten/" }));
    }
    json(StatusCode::OK, &json!({ "Applications": shown }))
}

fn static_file(file: EmbeddedFile) -> StaticFile {
    let tag = file.metadata.sha256_hash()[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    StaticFile {
        tag,
        content_type: HeaderValue::from_str(file.metadata.mimetype())
            .unwrap_or(HeaderValue::from_static("application/octet-stream")),
        content: match file.data {
            std::borrow::Cow::Borrowed(bytes) => bytes::Bytes::from_static(bytes),
            std::borrow::Cow::Owned(bytes) => bytes.into(),
        },
    }
}
