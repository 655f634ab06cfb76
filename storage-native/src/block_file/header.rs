//! The header of a block file: redb's own header, in two copies that are written by turns.

use xxhash_rust::xxh3::xxh3_64;

use super::layout::BLOCK;

const MAGIC: [u8; 8] = *b"pinyon\x00B";
/// Where redb's header begins in a copy: after magic, file id, sequence, high water and length.
const CONTENT: usize = 40;
/// The longest header of redb that fits.
pub(super) const MOST_CONTENT: usize = BLOCK - 8 - CONTENT;

/// redb's header with what this file needs to know.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) sequence: u64,
    /// The highest physical offset ever written: what lies below has disk blocks.
    pub(super) high_water: u64,
    pub(super) content: Vec<u8>,
    /// Which copy holds the durable header.
    pub(super) durable_copy: u64,
    pub(super) dirty: bool,
}

impl Header {
    /// One copy, a block long.
    pub(super) fn encode(&self, file_id: u64) -> Vec<u8> {
        let mut copy = vec![0; BLOCK];
        copy[..8].copy_from_slice(&MAGIC);
        copy[8..16].copy_from_slice(&file_id.to_le_bytes());
        copy[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        copy[24..32].copy_from_slice(&self.high_water.to_le_bytes());
        copy[32..40].copy_from_slice(&(self.content.len() as u64).to_le_bytes());
        copy[CONTENT..CONTENT + self.content.len()].copy_from_slice(&self.content);
        let checksum = xxh3_64(&copy[..BLOCK - 8]);
        copy[BLOCK - 8..].copy_from_slice(&checksum.to_le_bytes());
        copy
    }

    /// Reads the copy of this `number`, if it is intact, and the file's id.
    pub(super) fn decode(copy: &[u8], number: u64) -> Option<(u64, Self)> {
        let word = |at: usize| {
            let bytes = copy.get(at..at + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        if copy.get(..8)? != MAGIC || word(BLOCK - 8)? != xxh3_64(&copy[..BLOCK - 8]) {
            return None;
        }
        let len = usize::try_from(word(32)?).ok()?;
        let header = Self {
            sequence: word(16)?,
            high_water: word(24)?,
            content: copy.get(CONTENT..CONTENT.checked_add(len)?)?.to_vec(),
            durable_copy: number,
            dirty: false,
        };
        Some((word(8)?, header))
    }
}
