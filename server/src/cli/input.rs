//! The input of an import: a file or standard input, plain or compressed, in chunks.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use futures_util::stream::{self, Stream};
use pinyon_core::smuggler::Format;
use pinyon_core::{Error, ErrorKind, Result};
use ruzstd::decoding::StreamingDecoder;
use tokio::sync::mpsc;

const CHUNK_BYTES: usize = 256 << 10;
/// Chunks read ahead while earlier ones are imported.
const CHUNKS_AHEAD: usize = 4;

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

/// Looks at the first bytes and takes the compression off.
fn decompress(source: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    const ZSTANDARD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
    let mut source = BufReader::with_capacity(CHUNK_BYTES, source);
    // A pipe may give less than four bytes at once; such a beginning is that of no compression.
    let beginning = source.fill_buf()?;
    if beginning.starts_with(GZIP) {
        return Ok(Box::new(MultiGzDecoder::new(source)));
    }
    if beginning.starts_with(ZSTANDARD) {
        return Ok(Box::new(ZstandardFrames {
            source: Some(source),
            frame: None,
        }));
    }
    Ok(Box::new(source))
}

/// One Zstandard frame after the other, as a stream may hold several.
struct ZstandardFrames<R: BufRead> {
    source: Option<R>,
    frame: Option<Box<StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>>,
}

impl<R: BufRead> Read for ZstandardFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let length = frame.read(buffer)?;
                if length > 0 {
                    return Ok(length);
                }
            }
            if let Some(frame) = self.frame.take() {
                let told = frame.decoder.get_checksum_from_data();
                if told.is_some() && told != frame.decoder.get_calculated_checksum() {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the checksum of a Zstandard frame does not fit",
                    ));
                }
                self.source = Some(frame.into_inner());
            }
            let Some(mut source) = self.source.take() else {
                return Ok(0);
            };
            if source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            let frame = StreamingDecoder::new(source).map_err(io::Error::other)?;
            self.frame = Some(Box::new(frame));
        }
    }
}

fn send_chunks(plain: &mut dyn Read, sender: &mpsc::Sender<Result<Bytes>>) -> io::Result<()> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        // Full chunks, so that the first one is enough to tell the format.
        plain.take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
        if chunk.is_empty() || sender.blocking_send(Ok(chunk.into())).is_err() {
            return Ok(());
        }
    }
}
