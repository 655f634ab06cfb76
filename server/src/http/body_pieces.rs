//! The body of a request, read piece by piece, for what does not fit into memory.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;
use pinyon_core::{Error, ErrorKind, Result};
use tokio::time::Instant;

use super::request_body::{Pace, RequestBody, Source};
use crate::server::Server;

/// A body on its way in. A sender that stands still or is too slow is given up.
pub struct BodyPieces {
    source: Source,
    pace: Pace,
    stall: std::time::Duration,
}

impl RequestBody {
    /// The body to be read piece by piece; it can be taken once.
    ///
    /// # Errors
    /// `Unsupported` when it is compressed.
    pub fn take_pieces(&mut self, server: &Server, headers: &HeaderMap) -> Result<BodyPieces> {
        if let Some(encoding) = headers.get(CONTENT_ENCODING)
            && !encoding.is_empty()
            && encoding != "identity"
        {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "attachments are taken as they are; send the body without Content-Encoding",
            ));
        }
        Ok(BodyPieces {
            source: self.take_source(),
            pace: Pace::start(server),
            stall: server.config.stall_timeout(),
        })
    }
}

impl BodyPieces {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// `TimedOut` when they come too slowly, `InvalidRequest` when the body breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let until = self.pace.deadline().min(Instant::now() + self.stall);
        let piece = match &mut self.source {
            Source::Arriving(body) => body.next(until).await?,
            Source::AtHand(bytes) => {
                Some(std::mem::take(bytes)).filter(|bytes: &Bytes| !bytes.is_empty())
            }
        };
        if let Some(piece) = &piece {
            self.pace.count(piece.len());
        }
        Ok(piece)
    }
}
