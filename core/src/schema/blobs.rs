//! `ATTACHMENTS` and the tables that hold their contents.
//!
//! `ATTACHMENTS`: key: length of the lower-cased document id (varint), the id, the lower-cased
//! name; value: an [`AttachmentRecord`]. `BLOBS`: key: BLAKE2b-256 of a content; value: a
//! [`BlobRecord`]. `CHUNKS`: key: the content's random id, then the piece's index big-endian;
//! value: its bytes, [`CHUNK_BYTES`] of them in all pieces but the last. `LOOSE_CONTENTS`: key: a
//! content's id; value: when it was last touched. A content is loose while nothing refers to it:
//! during its upload, and after its last reference went. A blob with the content id [`ABSENT`] has
//! no pieces: an edge knows of it and counts its references, but left it on the server.

use bytes::Bytes;

use super::{Decoder, Encoder};
use crate::Result;
use crate::host::Timestamp;
use crate::storage::KeyRange;
use crate::version::{ChangeVector, Etag};

const FORMAT: u8 = 1;

/// The bytes of a piece: a little under a power of two, with room for the store's own fields
/// (peers.md §3: a value of exactly 64 KiB wastes half of its pages).
pub const CHUNK_BYTES: usize = (256 << 10) - 4096;

/// When a loose content was last touched that must not be used any more: some of its pieces may be
/// gone already.
pub const SWEPT: Timestamp = Timestamp::from_ticks(i64::MIN);

/// BLAKE2b-256 of a content.
pub type ContentHash = [u8; 32];
/// The random id under which a content's pieces are kept.
pub type ContentId = [u8; 16];

/// The content id of what is not on this device; only edges have such blobs.
pub const ABSENT: ContentId = [0; 16];

/// One attachment of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentRecord {
    /// Its name, cased as written.
    pub name: String,
    /// The media type the writer gave.
    pub content_type: String,
    /// What its content hashes to.
    pub hash: ContentHash,
    /// The length of its content in bytes.
    pub size: u64,
    /// Its local etag.
    pub etag: Etag,
    /// Its own change vector.
    pub context: ChangeVector,
}

/// One stored content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRecord {
    /// Where its pieces are; [`ABSENT`] when they are not here.
    pub content: ContentId,
    /// Its length in bytes.
    pub size: u64,
    /// How many attachments and revisions refer to it; never zero.
    pub references: u64,
}

/// The key of an attachment.
pub fn attachment_key(id_key: &[u8], name_key: &str) -> Bytes {
    let mut key = attachment_prefix(id_key);
    key.extend_from_slice(name_key.as_bytes());
    key.into()
}

/// All attachments of a document, by name.
pub fn attachment_range(id_key: &[u8]) -> KeyRange {
    KeyRange::prefix(&attachment_prefix(id_key))
}

fn attachment_prefix(id_key: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::with_capacity(id_key.len() + 32);
    encoder.varint(id_key.len() as u64);
    encoder.raw(id_key);
    encoder.finish()
}

/// Reads an attachment's key back: the document's key, the lower-cased name.
///
/// # Errors
/// `Corrupted` when it does not have that form.
pub fn decode_attachment_key(key: &Bytes) -> Result<(Bytes, Bytes)> {
    let mut decoder = Decoder::new("attachments", key);
    let length = decoder.length()?;
    let start = decoder.position();
    decoder.raw(length)?;
    Ok((
        key.slice(start..start + length),
        key.slice(start + length..),
    ))
}

/// Reads a piece's key back: the content, the index.
///
/// # Errors
/// `Corrupted` when it does not have that form.
pub fn decode_chunk_key(key: &[u8]) -> Result<(ContentId, u32)> {
    let mut decoder = Decoder::new("chunks", key);
    let content = decoder.raw(16)?.try_into().expect("raw(16) gives 16 bytes");
    let index = decoder.raw(4)?.try_into().expect("raw(4) gives 4 bytes");
    decoder.end()?;
    Ok((content, u32::from_be_bytes(index)))
}

/// The key of a piece.
pub fn chunk_key(content: &ContentId, index: u32) -> Bytes {
    let mut key = Vec::with_capacity(20);
    key.extend_from_slice(content);
    key.extend_from_slice(&index.to_be_bytes());
    key.into()
}

/// All pieces of a content, in order.
pub fn chunk_range(content: &ContentId) -> KeyRange {
    KeyRange::prefix(content)
}

/// The value of `LOOSE_CONTENTS`.
pub fn encode_loose(since: Timestamp) -> Bytes {
    Bytes::copy_from_slice(&since.ticks().to_le_bytes())
}

/// Reads a value of `LOOSE_CONTENTS`.
///
/// # Errors
/// `Corrupted` when it does not fit.
pub fn decode_loose(value: &[u8]) -> Result<Timestamp> {
    let mut decoder = Decoder::new("loose contents", value);
    let since = Timestamp::from_ticks(decoder.fixed_i64()?);
    decoder.end()?;
    Ok(since)
}

impl AttachmentRecord {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(96);
        encoder.byte(FORMAT);
        encoder.text(&self.name);
        encoder.text(&self.content_type);
        encoder.raw(&self.hash);
        encoder.varint(self.size);
        encoder.etag(self.etag);
        encoder.vector(&self.context);
        encoder.finish()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut decoder = Decoder::new("attachments", bytes);
        decoder.format(FORMAT)?;
        let record = Self {
            name: decoder.text()?.to_owned(),
            content_type: decoder.text()?.to_owned(),
            hash: decoder.raw(32)?.try_into().expect("raw(32) gives 32 bytes"),
            size: decoder.varint()?,
            etag: decoder.etag()?,
            context: decoder.vector()?,
        };
        decoder.end()?;
        Ok(record)
    }
}

impl BlobRecord {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(32);
        encoder.byte(FORMAT);
        encoder.raw(&self.content);
        encoder.varint(self.size);
        encoder.varint(self.references);
        encoder.finish()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut decoder = Decoder::new("blobs", bytes);
        decoder.format(FORMAT)?;
        let record = Self {
            content: decoder.raw(16)?.try_into().expect("raw(16) gives 16 bytes"),
            size: decoder.varint()?,
            references: decoder.varint()?,
        };
        decoder.end()?;
        Ok(record)
    }

    /// Whether its pieces are on this device.
    pub fn is_here(&self) -> bool {
        self.content != ABSENT
    }

    /// How many pieces the content has.
    pub fn chunk_count(&self) -> u32 {
        u32::try_from(self.size.div_ceil(CHUNK_BYTES as u64)).unwrap_or(u32::MAX)
    }
}
