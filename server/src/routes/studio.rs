//! `studio`: the page in which one looks at databases.
//!
//! Its files are part of the binary; they may load and ask this server only.

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, LOCATION,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Response, StatusCode};
use pinyon_core::Result;
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::http::{Body, Call, Reply, empty, not_modified};
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
        tail => tail.trim_start_matches('/'),
    };
    let Some(file) = Files::get(path) else {
        return Err(http_error::route_not_found(
            "GET",
            &format!("/studio/{path}"),
        ));
    };
    serve(call, file)
}

fn serve(call: &Call<'_>, file: EmbeddedFile) -> Result<Response<Body>> {
    let tag = file.metadata.sha256_hash()[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    let etag = crate::http::etag_value(&tag)?;
    if call.if_none_match() == Some(tag.as_str()) {
        return Ok(not_modified(etag));
    }
    let content_type = HeaderValue::from_str(file.metadata.mimetype())
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let bytes = match file.data {
        std::borrow::Cow::Borrowed(bytes) => bytes::Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => bytes.into(),
    };
    let mut response = Response::new(Body::Whole(bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(ETAG, etag);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
