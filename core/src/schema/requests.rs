//! `REQUESTS`: writes that were done for callers who may ask again because they missed the answer.
//!
//! Key: the caller's name, a zero byte, the request's number in big-endian order. Value: when.

use bytes::Bytes;

use crate::host::Timestamp;
use crate::storage::KeyRange;
use crate::{Error, Result};

/// The key of a request.
pub fn key(caller: &str, number: u64) -> Bytes {
    let mut key = prefix(caller);
    key.extend_from_slice(&number.to_be_bytes());
    key.into()
}

/// All requests of a caller.
pub fn range(caller: &str) -> KeyRange {
    KeyRange::prefix(&prefix(caller))
}

fn prefix(caller: &str) -> Vec<u8> {
    let mut prefix = caller.as_bytes().to_vec();
    prefix.push(0);
    prefix
}

/// The stored form of a time.
pub fn encode(at: Timestamp) -> Bytes {
    Bytes::copy_from_slice(&at.ticks().to_le_bytes())
}

/// Reads the stored form.
///
/// # Errors
/// `Corrupted` when it does not fit.
pub fn decode(value: &[u8]) -> Result<Timestamp> {
    let ticks = value
        .try_into()
        .map_err(|_| Error::corrupted("a record of 'requests' does not fit"))?;
    Ok(Timestamp::from_ticks(i64::from_le_bytes(ticks)))
}
