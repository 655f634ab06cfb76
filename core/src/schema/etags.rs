//! `ETAGS`: everything that has an etag, in etag order.
//!
//! Key: etag, 8 bytes big-endian. Value: kind byte, then the item's key in its own table.

use bytes::Bytes;

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

/// The value for an item.
pub fn value(kind: ItemKind, item_key: &[u8]) -> Bytes {
    let mut value = Vec::with_capacity(1 + item_key.len());
    value.push(kind as u8);
    value.extend_from_slice(item_key);
    value.into()
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
    let kind = value
        .first()
        .ok_or_else(|| Error::corrupted("an entry of 'etags' is empty"))?;
    Ok((ItemKind::from_byte(*kind)?, value.slice(1..)))
}
