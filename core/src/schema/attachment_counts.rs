//! The counts of attachments in `DATABASE`; missing while there are none.
//!
//! Key: `attachment counts`. Value: format 1, attachments, contents, bytes of the contents.

use super::{Decoder, Encoder};
use crate::Result;

const FORMAT: u8 = 1;

/// The key of the record.
pub const ATTACHMENT_COUNTS_KEY: &[u8] = b"attachment counts";

/// How many attachments and contents a database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttachmentStatistics {
    /// Attachments of live documents.
    pub attachment_count: u64,
    /// Different contents, those of revisions included.
    pub content_count: u64,
    /// The bytes of the contents.
    pub content_bytes: u64,
}

/// The stored form.
pub fn encode(counts: &AttachmentStatistics) -> Vec<u8> {
    let mut encoder = Encoder::with_capacity(16);
    encoder.byte(FORMAT);
    encoder.varint(counts.attachment_count);
    encoder.varint(counts.content_count);
    encoder.varint(counts.content_bytes);
    encoder.finish()
}

/// Reads the stored form.
///
/// # Errors
/// `Corrupted` when it does not fit.
pub fn decode(value: &[u8]) -> Result<AttachmentStatistics> {
    let mut decoder = Decoder::new("attachment counts", value);
    decoder.format(FORMAT)?;
    let counts = AttachmentStatistics {
        attachment_count: decoder.varint()?,
        content_count: decoder.varint()?,
        content_bytes: decoder.varint()?,
    };
    decoder.end()?;
    Ok(counts)
}
