//! `EXPIRATIONS` and `REFRESHES`: documents that something is due for, in the order of time.
//!
//! Key: ticks as 8 bytes big-endian with the sign bit flipped, then the lower-cased id. Value:
//! empty.

use bytes::Bytes;

use crate::host::Timestamp;
use crate::storage::KeyRange;
use crate::{Error, Result};

/// The key of a document that is due at `at`.
pub fn key(at: Timestamp, id_key: &[u8]) -> Bytes {
    let mut key = Vec::with_capacity(8 + id_key.len());
    key.extend_from_slice(&ordered(at));
    key.extend_from_slice(id_key);
    key.into()
}

fn ordered(at: Timestamp) -> [u8; 8] {
    (at.ticks() as u64 ^ (1 << 63)).to_be_bytes()
}

/// Everything due at `now` or before.
pub fn due(now: Timestamp) -> KeyRange {
    let after_now = Timestamp::from_ticks(now.ticks().saturating_add(1));
    KeyRange::all().before(Bytes::copy_from_slice(&ordered(after_now)))
}

/// Reads a key back: when, and which document.
///
/// # Errors
/// `Corrupted` when it is too short.
pub fn decode_key(key: &Bytes) -> Result<(Timestamp, Bytes)> {
    let at = key
        .first_chunk::<8>()
        .ok_or_else(|| Error::corrupted("a key of a schedule is shorter than its time"))?;
    let ticks = (u64::from_be_bytes(*at) ^ (1 << 63)) as i64;
    Ok((Timestamp::from_ticks(ticks), key.slice(8..)))
}
