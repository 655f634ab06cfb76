//! Origins: who wrote a version that came from an edge.
//!
//! An edge owns no entries in change vectors. What it writes is named by its origin, which stands
//! beside the version and has always the same size; its position it gets from the server that
//! accepts it.

use std::fmt;

use crate::host::Random;
use crate::{Error, Result};

/// The random identity of one life of an edge's database. A cleared, cloned or rolled-back one gets
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId([u8; 16]);

impl ReplicaId {
    /// A fresh identity.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn mint(random: &dyn Random) -> Result<Self> {
        let mut bytes = [0; 16];
        random.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The name of one write of an edge, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Whose write.
    pub replica: ReplicaId,
    /// Which of them, counted from 1.
    pub sequence: u64,
    /// A hash of what was written: two lives with one identity are told apart by it.
    pub hash: [u8; 8],
}

impl Origin {
    /// The length of [`Self::to_key`].
    pub const KEY_BYTES: usize = 32;

    /// Bytes that are sorted by replica, then sequence.
    pub fn to_key(&self) -> [u8; Self::KEY_BYTES] {
        let mut key = [0; Self::KEY_BYTES];
        key[..16].copy_from_slice(&self.replica.0);
        key[16..24].copy_from_slice(&self.sequence.to_be_bytes());
        key[24..].copy_from_slice(&self.hash);
        key
    }

    /// Reads [`Self::to_key`] back.
    ///
    /// # Errors
    /// `Corrupted` when the length is another.
    pub fn from_key(key: &[u8]) -> Result<Self> {
        let key: &[u8; Self::KEY_BYTES] = key
            .try_into()
            .map_err(|_| Error::corrupted("an origin does not have 32 bytes"))?;
        let (replica, rest) = key.split_first_chunk::<16>().expect("32 bytes");
        let (sequence, hash) = rest.split_first_chunk::<8>().expect("16 bytes");
        Ok(Self {
            replica: ReplicaId(*replica),
            sequence: u64::from_be_bytes(*sequence),
            hash: hash.try_into().expect("8 bytes"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip_and_sort_by_sequence() {
        let origin = |sequence| Origin {
            replica: ReplicaId::from_bytes([7; 16]),
            sequence,
            hash: [9; 8],
        };
        let key = origin(258).to_key();
        assert_eq!(Origin::from_key(&key).unwrap(), origin(258));
        assert!(origin(3).to_key() < key);
        assert!(Origin::from_key(&key[1..]).is_err());
    }
}
