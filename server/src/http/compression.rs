//! gzip for larger responses, where the client takes it.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use hyper::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, VARY,
};
use hyper::{HeaderMap as Headers, Response};
use pinyon_core::Error;

use super::body::Chunks;
use super::{Body, Pieces};

/// Above this, compression would keep other requests of the thread waiting.
const INLINE_BYTES: usize = 256 << 10;

/// Whether a client takes gzip.
pub fn accepts_gzip(headers: &Headers) -> bool {
    headers.get_all(ACCEPT_ENCODING).iter().any(|value| {
        value.to_str().is_ok_and(|text| {
            text.split(',').any(|item| {
                let (coding, quality) = item.split_once(';').unwrap_or((item, ""));
                let quality = quality.trim().strip_prefix("q=").unwrap_or("1");
                let is_gzip = matches!(coding.trim(), "gzip" | "x-gzip" | "*");
                is_gzip && quality.trim().parse::<f32>().is_ok_and(|q| q > 0.0)
            })
        })
    })
}

/// Compresses the body, if it is worth it.
pub async fn compress(response: Response<Body>, from_bytes: usize) -> Response<Body> {
    if from_bytes == 0 || !is_compressible(response.headers()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = match body {
        Body::Whole(bytes) if bytes.len() < from_bytes => {
            return Response::from_parts(parts, Body::Whole(bytes));
        }
        Body::Whole(bytes) => {
            let compressed = if bytes.len() <= INLINE_BYTES {
                gzip(&bytes)
            } else {
                let original = bytes.clone();
                tokio::task::spawn_blocking(move || gzip(&original))
                    .await
                    .unwrap_or(None)
            };
            // Nothing can fail in memory; if it did, the plain bytes are as good.
            match compressed {
                Some(compressed) => Body::Whole(compressed.into()),
                None => return Response::from_parts(parts, Body::Whole(bytes)),
            }
        }
        Body::Chunks(chunks) => Body::Chunks(gzip_chunks(chunks)),
        other @ Body::Unmeasured(_) => return Response::from_parts(parts, other),
    };
    parts
        .headers
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts
        .headers
        .insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    Response::from_parts(parts, body)
}

fn is_compressible(headers: &HeaderMap) -> bool {
    let is_text = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value.starts_with("application/json")
                || value.starts_with("application/x-ndjson")
                || value.starts_with("text/")
                || value.starts_with("application/javascript")
        });
    // Ranges count the bytes as they are stored.
    is_text && !headers.contains_key(CONTENT_ENCODING) && !headers.contains_key(ACCEPT_RANGES)
}

fn gzip(bytes: &Pieces) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    for piece in bytes.iter() {
        encoder.write_all(piece).ok()?;
    }
    Some(encoder.finish().ok()?.into())
}

/// Each chunk goes out compressed at once, so that a slow source is still a stream.
fn gzip_chunks(chunks: Chunks) -> Chunks {
    let encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let state = Some((chunks, encoder));
    Box::pin(stream::unfold(state, |state| async move {
        use futures_util::StreamExt as _;
        let (mut chunks, mut encoder) = state?;
        match chunks.next().await {
            Some(Ok(chunk)) => {
                let written = encoder.write_all(&chunk).and_then(|()| encoder.flush());
                if let Err(reason) = written {
                    return Some((Err(broken(&reason)), None));
                }
                let compressed = std::mem::take(encoder.get_mut());
                Some((Ok(compressed.into()), Some((chunks, encoder))))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None => {
                let rest = encoder.finish().map_err(|reason| broken(&reason));
                Some((rest.map(Bytes::from), None))
            }
        }
    }))
}

fn broken(reason: &std::io::Error) -> Error {
    Error::new(
        pinyon_core::ErrorKind::Internal,
        format!("compression failed: {reason}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(text: &'static str) -> bool {
        let mut headers = Headers::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(text));
        accepts_gzip(&headers)
    }

    #[test]
    fn accept_encoding_is_read() {
        assert!(accepts("gzip, deflate"));
        assert!(accepts("br;q=1.0, gzip;q=0.5"));
        assert!(accepts("*"));
        assert!(!accepts("gzip;q=0"));
        assert!(!accepts("identity"));
        assert!(!accepts_gzip(&Headers::new()));
    }
}
