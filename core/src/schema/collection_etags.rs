//! `COLLECTION_ETAGS`: the documents and the tombstones of one collection in etag order.
//!
//! Key: lower-cased collection, NUL (which no collection name holds), kind byte, etag big-endian.
//! Value: the lower-cased document id.

use bytes::Bytes;

use super::etags::ItemKind;
use crate::storage::KeyRange;
use crate::version::Etag;
use crate::{Error, Result};

/// The key of an item.
pub fn key(collection_key: &str, kind: ItemKind, etag: Etag) -> Bytes {
    let mut key = prefix(collection_key, kind);
    key.extend_from_slice(&etag.to_key());
    key.into()
}

/// All items of one kind in a collection.
pub fn range(collection_key: &str, kind: ItemKind) -> KeyRange {
    KeyRange::prefix(&prefix(collection_key, kind))
}

fn prefix(collection_key: &str, kind: ItemKind) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(collection_key.len() + 10);
    prefix.extend_from_slice(collection_key.as_bytes());
    prefix.push(0);
    prefix.push(kind as u8);
    prefix
}

/// Reads a key back: collection, kind, etag.
///
/// # Errors
/// `Corrupted` when it does not have that form.
pub fn decode_key(key: &[u8]) -> Result<(&str, ItemKind, Etag)> {
    let broken = || Error::corrupted("a key of 'collection etags' breaks off or does not fit");
    let split = key.len().checked_sub(10).ok_or_else(broken)?;
    let (collection, rest) = key.split_at(split);
    if rest[0] != 0 {
        return Err(broken());
    }
    let etag = super::etags::decode_key(&rest[2..])?;
    let collection = std::str::from_utf8(collection).map_err(|_| broken())?;
    Ok((collection, ItemKind::from_byte(rest[1])?, etag))
}
