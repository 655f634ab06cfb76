//! `DEPARTURES`: documents that left a collection without a tombstone in it: their collection
//! changed, or they were deleted and came back elsewhere. Indexes over the old collection follow it.
//!
//! Key: lower-cased collection, NUL, etag of the write big-endian. Value: the lower-cased id.

use bytes::Bytes;

use crate::storage::KeyRange;
use crate::version::Etag;
use crate::{Error, Result};

/// The key of a departure.
pub fn key(collection_key: &str, etag: Etag) -> Bytes {
    let mut key = prefix(collection_key);
    key.extend_from_slice(&etag.to_key());
    key.into()
}

/// All departures from a collection.
pub fn range(collection_key: &str) -> KeyRange {
    KeyRange::prefix(&prefix(collection_key))
}

fn prefix(collection_key: &str) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(collection_key.len() + 9);
    prefix.extend_from_slice(collection_key.as_bytes());
    prefix.push(0);
    prefix
}

/// The etag in a key.
///
/// # Errors
/// `Corrupted` when it does not have that form.
pub fn decode_etag(key: &[u8]) -> Result<Etag> {
    let broken = || Error::corrupted("a key of 'departures' breaks off or does not fit");
    let split = key.len().checked_sub(9).ok_or_else(broken)?;
    if key[split] != 0 {
        return Err(broken());
    }
    super::etags::decode_key(&key[split + 1..])
}
