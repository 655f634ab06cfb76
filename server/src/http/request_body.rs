//! The body of a request: read whole, under limits on size, memory and pace.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::header::CONTENT_ENCODING;
use pinyon_core::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::arriving_body::ArrivingBody;
use crate::server::Server;

/// Bodies up to this size are not worth counting against the room for all.
const SMALL_BYTES: usize = 64 << 10;

/// A body that is still to be read, or is at hand.
pub struct RequestBody {
    source: Source,
    /// Given back when the request is answered.
    room: Vec<OwnedSemaphorePermit>,
}

pub(super) enum Source {
    Arriving(ArrivingBody),
    AtHand(Bytes),
}

impl From<Incoming> for RequestBody {
    fn from(body: Incoming) -> Self {
        Self {
            source: Source::Arriving(body.into()),
            room: Vec::new(),
        }
    }
}

impl From<Bytes> for RequestBody {
    fn from(body: Bytes) -> Self {
        Self {
            source: Source::AtHand(body),
            room: Vec::new(),
        }
    }
}

impl RequestBody {
    /// The whole body, decompressed.
    ///
    /// # Errors
    /// `LimitExceeded` when it is too large, `TimedOut` when it comes too slowly, `InvalidRequest`
    /// when it breaks off or does not decompress.
    pub async fn read(&mut self, server: &Server, headers: &HeaderMap) -> Result<Bytes> {
        let sent = match self.take_source() {
            Source::AtHand(bytes) => return Ok(bytes),
            Source::Arriving(body) => self.receive(server, body).await?,
        };
        let Some(encoding) = headers.get(CONTENT_ENCODING) else {
            return Ok(sent);
        };
        let Some(encoding) = Encoding::parse(encoding.as_bytes())? else {
            return Ok(sent);
        };
        let inflating = Inflating {
            encoding,
            limit: server.config.max_request_bytes,
            all_room: Arc::clone(&server.body_room),
        };
        let (inflated, room) = if sent.len() <= SMALL_BYTES / 8 {
            inflating.run(&sent)?
        } else {
            let running = tokio::task::spawn_blocking(move || inflating.run(&sent));
            running.await.map_err(|reason| {
                Error::new(
                    ErrorKind::Internal,
                    format!("decompression broke off: {reason}"),
                )
            })??
        };
        // The compressed form is gone, and its room with it.
        self.room = room;
        Ok(inflated)
    }

    pub(super) fn take_source(&mut self) -> Source {
        std::mem::replace(&mut self.source, Source::AtHand(Bytes::new()))
    }

    async fn receive(&mut self, server: &Server, mut body: ArrivingBody) -> Result<Bytes> {
        let limit = server.config.max_request_bytes;
        let announced = body.announced();
        if announced.is_some_and(|announced| announced > limit as u64) {
            return Err(too_large(limit));
        }
        let announced = announced.and_then(|announced| usize::try_from(announced).ok());
        let mut pace = Pace::start(server);
        if let Some(announced) = announced {
            self.take_room(server, announced, pace.deadline()).await?;
        }
        let mut received = BytesMut::new();
        let mut counted = announced.unwrap_or(SMALL_BYTES);
        while let Some(chunk) = body.next(pace.deadline()).await? {
            // Most bodies come whole, and then need no copy.
            if received.is_empty() && Some(chunk.len()) == announced {
                return Ok(chunk);
            }
            if received.len() + chunk.len() > limit {
                return Err(too_large(limit));
            }
            if received.len() + chunk.len() > counted {
                let step = counted.max(SMALL_BYTES).min(limit);
                self.take_room(server, step, pace.deadline()).await?;
                counted += step;
            }
            if received.is_empty() {
                received.reserve(announced.unwrap_or(chunk.len()).min(1 << 20));
            }
            received.extend_from_slice(&chunk);
            pace.count(chunk.len());
        }
        Ok(received.freeze())
    }

    /// Takes room for `bytes` more that are held until the request is answered.
    ///
    /// # Errors
    /// `Unavailable` when the bodies of other requests take it all.
    pub async fn reserve(&mut self, server: &Server, bytes: usize) -> Result<()> {
        self.take_room(server, bytes, stall_deadline(server)).await
    }

    async fn take_room(&mut self, server: &Server, bytes: usize, until: Instant) -> Result<()> {
        if bytes <= SMALL_BYTES {
            return Ok(());
        }
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        let taking = server.body_room.clone().acquire_many_owned(kib);
        match timeout_at(until, taking).await {
            Ok(Ok(permit)) => {
                self.room.push(permit);
                Ok(())
            }
            Ok(Err(_)) | Err(_) => Err(no_room()),
        }
    }
}

/// The allowed pace: a stall's time at first, then time for what has come.
pub(super) struct Pace {
    deadline: Instant,
    per_byte: Duration,
}

impl Pace {
    pub(super) fn start(server: &Server) -> Self {
        let rate = server.config.min_body_bytes_per_second;
        let per_byte = if rate == 0 {
            Duration::from_secs(1)
        } else {
            Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX)
        };
        Self {
            deadline: stall_deadline(server),
            per_byte,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn count(&mut self, bytes: usize) {
        self.deadline += self.per_byte * u32::try_from(bytes).unwrap_or(u32::MAX);
    }
}

fn stall_deadline(server: &Server) -> Instant {
    Instant::now() + server.config.stall_timeout()
}

fn no_room() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the server has no memory left for this request's body; try again later",
    )
}

fn too_large(limit: usize) -> Error {
    Error::new(
        ErrorKind::LimitExceeded,
        format!("the request's body is larger than {limit} bytes"),
    )
}

#[derive(Clone, Copy)]
enum Encoding {
    Gzip,
    Deflate,
}

impl Encoding {
    fn parse(text: &[u8]) -> Result<Option<Self>> {
        match text.to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Ok(None),
            b"gzip" | b"x-gzip" => Ok(Some(Self::Gzip)),
            b"deflate" => Ok(Some(Self::Deflate)),
            other => Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the content encoding '{}' is not known; use gzip or deflate",
                    String::from_utf8_lossy(other)
                ),
            )),
        }
    }
}

/// One decompression, in steps that are counted against the room for all.
struct Inflating {
    encoding: Encoding,
    limit: usize,
    all_room: Arc<Semaphore>,
}

impl Inflating {
    const STEP_BYTES: usize = 1 << 20;

    fn run(&self, sent: &[u8]) -> Result<(Bytes, Vec<OwnedSemaphorePermit>)> {
        match self.encoding {
            Encoding::Gzip => self.read(MultiGzDecoder::new(sent)),
            // HTTP's deflate is zlib's form; some send the bare one.
            Encoding::Deflate if is_zlib(sent) => self.read(ZlibDecoder::new(sent)),
            Encoding::Deflate => self.read(DeflateDecoder::new(sent)),
        }
    }

    fn read(&self, mut source: impl Read) -> Result<(Bytes, Vec<OwnedSemaphorePermit>)> {
        let mut inflated = Vec::new();
        let mut room = Vec::new();
        loop {
            let before = inflated.len();
            let mut step = source.by_ref().take(Self::STEP_BYTES as u64);
            step.read_to_end(&mut inflated).map_err(|reason| {
                Error::invalid(format!("the request's body does not decompress: {reason}"))
            })?;
            if inflated.len() > self.limit {
                return Err(too_large(self.limit));
            }
            if inflated.len() - before < Self::STEP_BYTES {
                return Ok((inflated.into(), room));
            }
            let kib = u32::try_from(Self::STEP_BYTES >> 10).unwrap_or(u32::MAX);
            let permit = Arc::clone(&self.all_room).try_acquire_many_owned(kib);
            room.push(permit.map_err(|_| no_room())?);
        }
    }
}

fn is_zlib(sent: &[u8]) -> bool {
    matches!(sent, [first, second, ..]
        if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0)
}
