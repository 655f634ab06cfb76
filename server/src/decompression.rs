//! Inputs of imports, plain or compressed by gzip or Zstandard, in chunks.

use std::io::{self, BufRead, BufReader, Read};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use pinyon_core::Result;
use ruzstd::decoding::StreamingDecoder;
use tokio::sync::mpsc;

const CHUNK_BYTES: usize = 256 << 10;
/// Chunks read ahead while earlier ones are imported.
pub const CHUNKS_AHEAD: usize = 4;

/// Looks at the first bytes and takes the compression off.
///
/// # Errors
/// What reading reports.
pub fn decompress(source: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
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

/// Sends everything in chunks, full ones but for the last, until nobody takes them any more.
///
/// # Errors
/// What reading reports.
pub fn send_chunks(plain: &mut dyn Read, sender: &mpsc::Sender<Result<Bytes>>) -> io::Result<()> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        // Full chunks, so that the first one is enough to tell the format.
        plain.take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
        if chunk.is_empty() || sender.blocking_send(Ok(chunk.into())).is_err() {
            return Ok(());
        }
    }
}
