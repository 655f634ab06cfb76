//! `ETAGS`: everything that has an etag, in etag order.
//!
//! Key: etag, 8 bytes big-endian. Value: kind byte, then the item's key in its own table. Between
//! them, when the kind byte has its high bit set: how far the etag is behind the first one of its
//! operation (varint), so that replication never splits what was written together.

use bytes::Bytes;

use super::{Decoder, Encoder};
use crate::version::Etag;
use crate::{Error, Result};

/// What an etag belongs to. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ItemKind {
    /// A live document.
    Document = 1,
    /// A deleted document.
    Tombstone = 2,
    /// A revision of a document.
    Revision = 3,
    /// A fact of the ledger of edges' writes.
    Fact = 4,
}

impl ItemKind {
    /// The kind a stored byte stands for.
    ///
    /// # Errors
    /// `Corrupted` for an unknown byte.
    pub fn from_byte(byte: u8) -> Result<Self> {
        match byte {
            1 => Ok(Self::Document),
            2 => Ok(Self::Tombstone),
            3 => Ok(Self::Revision),
            4 => Ok(Self::Fact),
            other => Err(Error::corrupted(format!(
                "an entry of 'etags' has unknown kind {other}"
            ))),
        }
    }
}

/// The key of `etag`.
pub fn key(etag: Etag) -> Bytes {
    Bytes::copy_from_slice(&etag.to_key())
}

const HAS_OFFSET: u8 = 0x80;

/// The value for an item, the first of its operation.
pub fn value(kind: ItemKind, item_key: &[u8]) -> Bytes {
    value_at(kind, item_key, 0)
}

/// The value for an item whose etag is `offset` behind the first of its operation.
pub fn value_at(kind: ItemKind, item_key: &[u8], offset: u64) -> Bytes {
    let mut encoder = Encoder::with_capacity(4 + item_key.len());
    if offset == 0 {
        encoder.byte(kind as u8);
    } else {
        encoder.byte(kind as u8 | HAS_OFFSET);
        encoder.varint(offset);
    }
    encoder.raw(item_key);
    encoder.finish().into()
}

/// Reads a key back.
///
/// # Errors
/// `Corrupted` when it is not eight bytes.
pub fn decode_key(key: &[u8]) -> Result<Etag> {
    let bytes = key
        .try_into()
        .map_err(|_| Error::corrupted("a key of 'etags' does not have eight bytes"))?;
    Ok(Etag::new(u64::from_be_bytes(bytes)))
}

/// Reads a value back.
///
/// # Errors
/// `Corrupted` when it is empty or of unknown kind.
pub fn decode_value(value: &Bytes) -> Result<(ItemKind, Bytes)> {
    decode_value_at(value).map(|(kind, key, _)| (kind, key))
}

/// As [`decode_value`], with the offset in its operation.
///
/// # Errors
/// `Corrupted` when it is empty, breaks off, or is of unknown kind.
pub fn decode_value_at(value: &Bytes) -> Result<(ItemKind, Bytes, u64)> {
    let mut decoder = Decoder::new("etags", value);
    let kind = decoder.byte()?;
    let offset = match kind & HAS_OFFSET {
        0 => 0,
        _ => decoder.varint()?,
    };
    let key = value.slice(decoder.position()..);
    Ok((ItemKind::from_byte(kind & !HAS_OFFSET)?, key, offset))
}

/// The value without the offset in its operation; one that does not fit stays as it is.
pub fn without_offset(stored: Bytes) -> Bytes {
    match decode_value_at(&stored) {
        Ok((kind, key, 1..)) => value(kind, &key),
        _ => stored,
    }
}
