//! Files of pages that this server shows.

use bytes::Bytes;
use hyper::Response;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use pinyon_core::Result;

use super::{Body, Call, etag_value, not_modified};

/// A file at hand.
pub struct StaticFile {
    pub content: Bytes,
    pub content_type: HeaderValue,
    /// Changes when the content does.
    pub tag: String,
}

/// Answers a file, or that the client has it, under a content security policy. Nothing is shown
/// stale: browsers ask each time.
///
/// # Errors
/// `Internal` when the tag cannot stand in a header.
pub fn serve_file(
    call: &Call<'_>,
    file: &StaticFile,
    policy: &'static str,
) -> Result<Response<Body>> {
    let etag = etag_value(&file.tag)?;
    if call.has_already(&file.tag) {
        return Ok(not_modified(etag));
    }
    let mut response = Response::new(Body::Whole(file.content.clone().into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, file.content_type.clone());
    headers.insert(ETAG, etag);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
