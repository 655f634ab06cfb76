//! The stored form of a value: its bytes, then eight bytes of checksum.
//!
//! The checksum covers the key space and the key too, so a value that turns up under another key
//! (a misdirected write, a bug underneath) is not believed.

use bytes::Bytes;
use pinyon_core::storage::KeySpace;
use pinyon_core::{Error, Result};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes a stored value is longer than the value itself.
const CHECKSUM_BYTES: usize = 8;

fn checksum(space: KeySpace, key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let key_hash = xxh3_64_with_seed(key, u64::from(space.number()));
    xxh3_64_with_seed(value, key_hash).to_le_bytes()
}

/// The length of the stored form of `value`.
pub(crate) fn encoded_len(value: &[u8]) -> usize {
    value.len() + CHECKSUM_BYTES
}

/// Writes the stored form of `value` into `stored`, which has its length.
pub(crate) fn encode_into(stored: &mut [u8], space: KeySpace, key: &[u8], value: &[u8]) {
    stored[..value.len()].copy_from_slice(value);
    stored[value.len()..].copy_from_slice(&checksum(space, key, value));
}

/// Checks a stored form and returns the value in it.
///
/// # Errors
/// `Corrupted`, naming `store`, `space` and `key`.
pub(crate) fn decode(store: &str, space: KeySpace, key: &[u8], stored: &[u8]) -> Result<Bytes> {
    if let Some((value, expected)) = stored.split_last_chunk::<CHECKSUM_BYTES>()
        && checksum(space, key, value) == *expected
    {
        return Ok(Bytes::copy_from_slice(value));
    }
    Err(Error::corrupted(format!(
        "store '{store}': the value of key '{}' in key space {} fails its checksum",
        key.escape_ascii(),
        space.number()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_bit_or_place_is_noticed() {
        let (space, other) = (KeySpace::new(1), KeySpace::new(2));
        for value in [&b""[..], b"x", b"a longer value of some twenty bytes"] {
            let mut stored = vec![0; encoded_len(value)];
            encode_into(&mut stored, space, b"key", value);
            assert_eq!(decode("s", space, b"key", &stored).unwrap(), value);
            for (space, key) in [(other, &b"key"[..]), (space, b"kez"), (space, b"")] {
                let error = decode("s", space, key, &stored).unwrap_err();
                assert_eq!(error.kind(), pinyon_core::ErrorKind::Corrupted);
            }
            for bit in 0..stored.len() * 8 {
                stored[bit / 8] ^= 1 << (bit % 8);
                assert!(decode("s", space, b"key", &stored).is_err());
                stored[bit / 8] ^= 1 << (bit % 8);
            }
            assert!(decode("s", space, b"key", &stored[1..]).is_err());
        }
    }
}
