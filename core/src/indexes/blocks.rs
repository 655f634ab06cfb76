//! Small records in sorted blocks: what a store is slow at is records, not bytes.
//!
//! A block is one record of the store. Its key is the first key in it; its value holds every record
//! up to the next block: how much the key has in common with the one before, the rest of the key,
//! and the value.
//!
//! Invariants:
//! - a record stands in the last block whose key is not behind its own;
//! - no block is empty, and keys stand in order, each once.

mod changes;
mod merge;
mod walk;

use std::ops::Range;

use bytes::Bytes;

pub use changes::Changes;
pub use merge::merge;
pub use walk::Walk;

use crate::storage::{Direction, KeyRange, KeySpace, PageLimits, Snapshot};
use crate::{Error, Result};

/// Bytes of a key that are copied as one piece: most keys differ from the one before in fewer.
const PIECE: usize = 16;

/// Reads the records of one block.
pub struct BlockReader<'b> {
    bytes: &'b [u8],
    at: usize,
    /// The key, and behind it whatever stood there before.
    key: Vec<u8>,
    key_length: usize,
    shared: usize,
    value: Range<usize>,
}

#[cold]
fn broken() -> Error {
    Error::corrupted("a block of an index breaks off or does not fit")
}

impl<'b> BlockReader<'b> {
    /// A reader in front of the first record.
    pub fn new(bytes: &'b [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            key: Vec::new(),
            key_length: 0,
            shared: 0,
            value: 0..0,
        }
    }

    /// Goes to the next record; whether there is one.
    ///
    /// # Errors
    /// `Corrupted` when the block does not fit.
    #[inline]
    pub fn advance(&mut self) -> Result<bool> {
        if self.at >= self.bytes.len() {
            return Ok(false);
        }
        let (shared, rest) = (self.length()?, self.length()?);
        if shared > self.key_length {
            return Err(broken());
        }
        self.read_key(shared, rest)?;
        let length = self.length()?;
        let end = self.at.checked_add(length).ok_or_else(broken)?;
        if end > self.bytes.len() {
            return Err(broken());
        }
        self.value = self.at..end;
        self.at = end;
        Ok(true)
    }

    #[inline]
    fn read_key(&mut self, shared: usize, rest: usize) -> Result<()> {
        let left = self.bytes.get(self.at..).ok_or_else(broken)?;
        if rest > left.len() {
            return Err(broken());
        }
        let length = shared + rest;
        if self.key.len() < length + PIECE {
            self.key.resize(2 * (length + PIECE), 0);
        }
        let place = &mut self.key[shared..];
        match (left.first_chunk::<PIECE>(), place.first_chunk_mut()) {
            (Some(piece), Some(place)) if rest <= PIECE => *place = *piece,
            _ => place[..rest].copy_from_slice(&left[..rest]),
        }
        self.key_length = length;
        self.shared = shared;
        self.at += rest;
        Ok(())
    }

    #[inline]
    fn length(&mut self) -> Result<usize> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(usize::from(*byte))
            }
            _ => self.long_length(),
        }
    }

    fn long_length(&mut self) -> Result<usize> {
        let mut number = 0usize;
        for shift in (0..32).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or_else(broken)?;
            self.at += 1;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(broken())
    }

    /// The key of the record.
    #[inline]
    pub fn key(&self) -> &[u8] {
        &self.key[..self.key_length]
    }

    /// How many bytes of the key are those of the key before.
    pub fn shared(&self) -> usize {
        self.shared
    }

    /// The value of the record.
    pub fn value(&self) -> &'b [u8] {
        &self.bytes[self.value.clone()]
    }

    /// Where the value stands in the block.
    fn value_range(&self) -> Range<usize> {
        self.value.clone()
    }
}

/// The block that would hold `key`.
async fn covering<S: Snapshot>(
    snapshot: &S,
    space: KeySpace,
    key: &Bytes,
) -> Result<Option<(Bytes, Bytes)>> {
    let range = KeyRange {
        start: std::ops::Bound::Unbounded,
        end: std::ops::Bound::Included(key.clone()),
    };
    let page = snapshot
        .scan(space, &range, Direction::Backward, limits(1))
        .await?;
    Ok(page.entries.into_iter().next())
}

fn limits(entries: usize) -> PageLimits {
    PageLimits {
        entries,
        ..PageLimits::default()
    }
}

/// The values of `keys`, in their order; `None` for a missing key.
///
/// # Errors
/// Whatever the store reports; `Corrupted` when a block does not fit.
pub async fn get_many<S: Snapshot>(
    snapshot: &S,
    space: KeySpace,
    keys: &[Bytes],
) -> Result<Vec<Option<Bytes>>> {
    let mut found = vec![None; keys.len()];
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|a, b| keys[*a].cmp(&keys[*b]));
    let mut at = 0;
    while let Some(&first) = order.get(at) {
        let Some((block_key, block)) = covering(snapshot, space, &keys[first]).await? else {
            at += 1;
            continue;
        };
        let before = at;
        let mut records = BlockReader::new(&block);
        let mut is_inside = records.advance()?;
        while let Some(&number) = order.get(at) {
            while is_inside && records.key() < &keys[number][..] {
                is_inside = records.advance()?;
            }
            if !is_inside {
                break;
            }
            if records.key() == &keys[number][..] {
                found[number] = Some(block.slice(records.value_range()));
            }
            at += 1;
        }
        if at == before {
            // Behind the last record of the block that would have it.
            at += 1;
            if at < order.len() && is_last(snapshot, space, block_key).await? {
                break;
            }
        }
    }
    Ok(found)
}

async fn is_last<S: Snapshot>(snapshot: &S, space: KeySpace, key: Bytes) -> Result<bool> {
    let range = KeyRange::all().after(key);
    let page = snapshot
        .scan(space, &range, Direction::Forward, limits(1))
        .await?;
    Ok(page.entries.is_empty())
}

#[cfg(test)]
mod tests;
