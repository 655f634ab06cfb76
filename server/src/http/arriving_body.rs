//! The bytes of a request's body as the connection gives them.
//!
//! A request may be answered before its body is read: the document of an attachment is missing, or
//! the body too large. Were the connection closed then, what the sender still sends would meet a
//! reset, and most senders report that instead of the answer. So the rest is taken off the
//! connection for a while and thrown away.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use pinyon_core::{Error, ErrorKind, Result};
use tokio::time::{Instant, timeout_at};

/// How long the rest of a body is taken that nobody reads.
const LINGER: Duration = Duration::from_secs(30);
/// How long nothing of it may come.
const SILENCE: Duration = Duration::from_secs(5);

/// A body on its way in.
pub(super) struct ArrivingBody {
    incoming: Option<Incoming>,
}

impl From<Incoming> for ArrivingBody {
    fn from(incoming: Incoming) -> Self {
        let incoming = Some(incoming).filter(|it| !it.is_end_stream());
        Self { incoming }
    }
}

impl ArrivingBody {
    /// How many bytes are to come, if that was said.
    pub(super) fn announced(&self) -> Option<u64> {
        match &self.incoming {
            Some(incoming) => incoming.size_hint().exact(),
            None => Some(0),
        }
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// `TimedOut` when they do not come before the deadline, `InvalidRequest` when the body breaks
    /// off. Nothing comes after an error.
    pub(super) async fn next(&mut self, deadline: Instant) -> Result<Option<Bytes>> {
        let Some(incoming) = &mut self.incoming else {
            return Ok(None);
        };
        let piece = next_piece(incoming, deadline).await;
        if !matches!(piece, Ok(Some(_))) {
            self.incoming = None;
        }
        piece
    }
}

impl Drop for ArrivingBody {
    fn drop(&mut self) {
        let Some(mut rest) = self.incoming.take().filter(|it| !it.is_end_stream()) else {
            return;
        };
        // Without a runtime there is no connection left either.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let end = Instant::now() + LINGER;
            let until = || end.min(Instant::now() + SILENCE);
            while let Ok(Some(_)) = next_piece(&mut rest, until()).await {}
        });
    }
}

async fn next_piece(incoming: &mut Incoming, deadline: Instant) -> Result<Option<Bytes>> {
    loop {
        let frame = match timeout_at(deadline, incoming.frame()).await {
            Err(_) => {
                return Err(Error::new(
                    ErrorKind::TimedOut,
                    "the request's body came too slowly",
                ));
            }
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => frame.map_err(|reason| {
                Error::invalid(format!("the request's body broke off: {reason}"))
            })?,
        };
        // Trailers mean nothing here.
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
}
