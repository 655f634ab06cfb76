//! Multipart bodies, read part by part as they come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream::try_unfold;
use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;
use pinyon_core::{Error, ErrorKind, Result};

use crate::http::BodyPieces;

/// The most bytes between two parts: boundary and headers.
const MOST_BETWEEN: usize = 256 << 10;

/// The boundary, if the body is multipart.
///
/// # Errors
/// `InvalidRequest` when it is multipart without a boundary.
pub fn boundary(headers: &HeaderMap) -> Result<Option<String>> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let Some(content_type) = content_type else {
        return Ok(None);
    };
    let is_multipart = content_type
        .trim_start()
        .get(..10)
        .is_some_and(|start| start.eq_ignore_ascii_case("multipart/"));
    if !is_multipart {
        return Ok(None);
    }
    multer::parse_boundary(content_type)
        .map(Some)
        .map_err(|reason| Error::invalid(format!("the content type '{content_type}': {reason}")))
}

/// A multipart body.
pub struct Multipart {
    parts: multer::Multipart<'static>,
    /// Bytes taken from the body since something came out of it.
    unread: Arc<AtomicUsize>,
}

/// One part, to be read before the next one is asked for.
pub struct Part {
    field: multer::Field<'static>,
    unread: Arc<AtomicUsize>,
}

impl Multipart {
    /// Reads the parts of `body`.
    pub fn new(body: BodyPieces, boundary: &str) -> Self {
        let unread = Arc::new(AtomicUsize::new(0));
        let state = (body, Arc::clone(&unread));
        let pieces = try_unfold(state, |(mut body, unread)| async move {
            // The parser looks for the end of a part's headers however long they are.
            if unread.load(Ordering::Relaxed) > MOST_BETWEEN {
                return Err(Error::new(
                    ErrorKind::LimitExceeded,
                    format!("the headers of a part are longer than {MOST_BETWEEN} bytes"),
                ));
            }
            let piece = body.next().await?;
            Ok(piece.map(|piece| {
                unread.fetch_add(piece.len(), Ordering::Relaxed);
                (piece, (body, unread))
            }))
        });
        Self {
            parts: multer::Multipart::new(pieces, boundary),
            unread,
        }
    }

    /// The next part; `None` after the last.
    ///
    /// # Errors
    /// Those of the body; `InvalidRequest` when it is no multipart body.
    pub async fn next(&mut self) -> Result<Option<Part>> {
        let field = self.parts.next_field().await.map_err(to_error)?;
        self.unread.store(0, Ordering::Relaxed);
        Ok(field.map(|field| Part {
            field,
            unread: Arc::clone(&self.unread),
        }))
    }
}

impl Part {
    /// The part's name.
    pub fn name(&self) -> &str {
        self.field.name().unwrap_or_default()
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// As [`Multipart::next`].
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let chunk = self.field.chunk().await.map_err(to_error)?;
        self.unread.store(0, Ordering::Relaxed);
        Ok(chunk)
    }
}

fn to_error(reason: multer::Error) -> Error {
    let text = reason.to_string();
    if let multer::Error::StreamReadFailed(inner) = reason {
        return match inner.downcast::<Error>() {
            Ok(error) => *error,
            Err(other) => Error::invalid(format!("the request's body broke off: {other}")),
        };
    }
    Error::invalid(format!("the multipart body is not valid: {text}"))
}
