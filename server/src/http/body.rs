//! The body of a response: bytes at hand, or a stream of them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Frame, SizeHint};
use pinyon_core::Error;

use super::Pieces;

/// Chunks as they come; an error breaks the connection, so that nobody takes a part for the whole.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// A response body.
pub enum Body {
    /// All of it; empty once it is sent.
    Whole(Pieces),
    /// All of it, sent without its length beforehand; see [`Body::for_wire`].
    Unmeasured(Pieces),
    /// What comes, when it comes.
    Chunks(Chunks),
}

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self::Whole(Pieces::default())
    }

    /// Larger bodies go chunked, as RavenDB sends everything. Node's HTTP client breaks when a
    /// connection closes in the moment in which a body of known length has come whole but its
    /// reader is still behind; a chunked one has its end marker left to read then.
    pub fn for_wire(self) -> Self {
        const FROM_BYTES: usize = 16 << 10;
        match self {
            Self::Whole(bytes) if bytes.len() >= FROM_BYTES => Self::Unmeasured(bytes),
            other => other,
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Pieces;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Pieces>, Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) | Self::Unmeasured(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) | Self::Unmeasured(bytes) => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
            Self::Chunks(chunks) => chunks
                .as_mut()
                .poll_next(context)
                .map(|next| next.map(|chunk| chunk.map(|bytes| Frame::data(bytes.into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) | Self::Unmeasured(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Unmeasured(_) | Self::Chunks(_) => SizeHint::default(),
        }
    }
}
