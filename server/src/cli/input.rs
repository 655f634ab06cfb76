//! The input of an import: a file or standard input, plain or compressed, in chunks.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf as _, Bytes};
use futures_util::stream::{self, Stream};
use pinyon_core::smuggler::Format;
use pinyon_core::{Error, ErrorKind, Result};
use tokio::sync::mpsc;

use crate::decompression::{CHUNKS_AHEAD, decompress, send_chunks};

/// An input that is being read on a thread of its own.
pub struct Input {
    /// The file's name for people.
    pub name: String,
    /// The file's size, if it is a file.
    pub total_bytes: Option<u64>,
    /// How much of it has been read, before decompression.
    pub bytes_read: Arc<AtomicU64>,
    first: Bytes,
    rest: mpsc::Receiver<Result<Bytes>>,
}

impl Input {
    /// Opens `path`, or standard input for `-`, and reads the first chunk.
    ///
    /// # Errors
    /// `NotFound` or `Internal` when it cannot be read; `InvalidRequest` when its compression is
    /// broken.
    pub async fn open(path: &Path) -> Result<Self> {
        let is_standard_input = path == Path::new("-");
        let name = if is_standard_input {
            "standard input".to_owned()
        } else {
            path.display().to_string()
        };
        let (source, total_bytes): (Box<dyn Read + Send>, _) = if is_standard_input {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path).map_err(|reason| cannot_read(&name, &reason))?;
            let metadata = file.metadata();
            let metadata = metadata.map_err(|reason| cannot_read(&name, &reason))?;
            (Box::new(file), metadata.is_file().then_some(metadata.len()))
        };
        let bytes_read = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            inner: source,
            count: Arc::clone(&bytes_read),
        };
        let (sender, mut rest) = mpsc::channel(CHUNKS_AHEAD);
        let name_there = name.clone();
        // A plain thread: the runtime would wait for one of its own at the end, even when it hangs
        // in a read from a terminal or pipe that nobody closes.
        std::thread::spawn(move || {
            let sent = decompress(counted).and_then(|mut plain| send_chunks(&mut *plain, &sender));
            if let Err(reason) = sent {
                // Nobody listens any more when the import has failed already.
                let _ = sender.blocking_send(Err(cannot_read(&name_there, &reason)));
            }
        });
        let first = rest.recv().await.transpose()?.unwrap_or_default();
        Ok(Self {
            name,
            total_bytes,
            bytes_read,
            first,
            rest,
        })
    }

    /// What the input looks like.
    pub fn detect_format(&self) -> Format {
        let length = self.first.len().min(Format::DETECTION_BYTES);
        Format::detect(&self.first[..length])
    }

    /// The input after decompression, and where to find what broke it off.
    pub fn into_reader(self) -> (impl Read + Send + 'static, Failure) {
        let failure = Failure::default();
        let reader = ChunkReader {
            current: self.first,
            rest: self.rest,
            failure: failure.clone(),
        };
        (reader, failure)
    }

    /// The input after decompression.
    pub fn into_chunks(self) -> impl Stream<Item = Result<Bytes>> {
        stream::unfold((Some(self.first), self.rest), |(first, mut rest)| async {
            match first {
                Some(first) => Some((Ok(first), (None, rest))),
                None => rest.recv().await.map(|chunk| (chunk, (None, rest))),
            }
        })
    }
}

/// Why an input could not be read to its end, for whoever hands it on to something that reads.
#[derive(Clone, Default)]
pub struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    /// The reason, if there is one.
    pub fn take(&self) -> Option<Error> {
        self.slot().take()
    }

    fn slot(&self) -> MutexGuard<'_, Option<Error>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An input after decompression, for threads that may block.
struct ChunkReader {
    current: Bytes,
    rest: mpsc::Receiver<Result<Bytes>>,
    failure: Failure,
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.rest.blocking_recv() {
                Some(Ok(chunk)) => self.current = chunk,
                Some(Err(reason)) => {
                    let text = reason.to_string();
                    *self.failure.slot() = Some(reason);
                    return Err(io::Error::other(text));
                }
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

fn cannot_read(name: &str, reason: &io::Error) -> Error {
    let kind = match reason.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            ErrorKind::InvalidRequest
        }
        _ => ErrorKind::Internal,
    };
    Error::new(kind, format!("cannot read {name}: {reason}"))
}

/// Counts the bytes that come through.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.count.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}
