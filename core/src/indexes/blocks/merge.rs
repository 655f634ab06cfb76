//! Changing records in blocks: each block that is concerned is read once and written once.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::Bound;

use bytes::Bytes;

use super::super::step::yield_once;
use super::{BlockReader, Changes, covering, limits};
use crate::Result;
use crate::storage::{Direction, KeyRange, KeySpace, Snapshot, WriteBatch};

/// A block of so many bytes takes no more at its end.
const FULL_BYTES: usize = 1_400;
/// A block that grew in its middle is cut beyond this.
const MOST_BYTES: usize = 2 * FULL_BYTES;
/// The widest look ahead, in blocks.
const MOST_AHEAD: usize = 64;
/// Records after which others on the host's thread go first.
const RECORDS_AT_A_TIME: usize = 4_096;

/// Adds to `batch` what brings the blocks of `space`, as `snapshot` has them, in line with `changes`.
///
/// # Errors
/// Whatever the store reports; `Corrupted` when a block does not fit.
pub async fn merge<S: Snapshot>(
    snapshot: &S,
    space: KeySpace,
    changes: &mut Changes,
    batch: &mut WriteBatch,
) -> Result<()> {
    changes.sort();
    let mut cursor = Cursor::new(space);
    let (mut at, mut since_yield) = (0, 0);
    while at < changes.len() {
        cursor.seek(snapshot, changes.key(at)).await?;
        let old = cursor.blocks.front();
        let end = cursor.blocks.get(1).map(|it| &it.0[..]);
        let behind = changes.first_behind(at, end);
        let mut packer = Packer::default();
        let taken = old.map_or(Ok(None), |old| packer.begin(old, changes, at, behind))?;
        let mut rest = taken.as_ref().map(|it| BlockReader::new(it));
        let mut has_old = match &mut rest {
            Some(records) => records.advance()?,
            None => false,
        };
        while at < behind || has_old {
            let order = match &rest {
                Some(records) if has_old && at < behind => records.key().cmp(changes.key(at)),
                _ if has_old => Ordering::Less,
                _ => Ordering::Greater,
            };
            if let (Ordering::Less, Some(records)) = (order, &rest) {
                packer.push(records.key(), records.value());
            } else {
                if let Some(value) = changes.value(at) {
                    packer.push(changes.key(at), value);
                }
                at += 1;
            }
            if let (Ordering::Less | Ordering::Equal, Some(records)) = (order, &mut rest) {
                has_old = records.advance()?;
            }
            since_yield += 1;
            if since_yield >= RECORDS_AT_A_TIME {
                since_yield = 0;
                yield_once().await;
            }
        }
        packer.finish(space, old.map(|it| &it.0), batch);
    }
    Ok(())
}

/// Makes blocks of records that come in order.
#[derive(Default)]
struct Packer {
    first: Bytes,
    last: Vec<u8>,
    bytes: Vec<u8>,
    full_bytes: usize,
    blocks: Vec<(Bytes, Vec<u8>)>,
    keeps_old: bool,
}

impl Packer {
    /// Decides what happens to a block to which the changes from `at` to `behind` belong; answers the
    /// records that are to be merged with them.
    fn begin(
        &mut self,
        old: &(Bytes, Bytes),
        changes: &Changes,
        at: usize,
        behind: usize,
    ) -> Result<Option<Bytes>> {
        let mut records = BlockReader::new(&old.1);
        while records.advance()? {}
        if records.key() < changes.key(at) {
            // Where keys only grow, full blocks stay as they are.
            if old.1.len() >= FULL_BYTES {
                self.keeps_old = true;
            } else {
                self.first = old.0.clone();
                self.last = records.key().to_vec();
                self.bytes = old.1.to_vec();
            }
            return Ok(None);
        }
        let added: usize = (at..behind)
            .filter_map(|it| changes.value(it))
            .map(|value| value.len() + 6)
            .sum();
        let total = old.1.len() + added;
        self.full_bytes = if total <= MOST_BYTES {
            // Long keys were counted as short ones.
            2 * MOST_BYTES
        } else {
            total / total.div_ceil(FULL_BYTES)
        };
        Ok(Some(old.1.clone()))
    }

    fn push(&mut self, key: &[u8], value: &[u8]) {
        let full = match self.full_bytes {
            0 => FULL_BYTES,
            bytes => bytes,
        };
        if self.bytes.len() >= full {
            self.flush();
        }
        let shared = if self.bytes.is_empty() {
            self.first = Bytes::copy_from_slice(key);
            0
        } else {
            let pairs = self.last.iter().zip(key);
            pairs.take_while(|(a, b)| a == b).count()
        };
        let rest = &key[shared..];
        for length in [shared, rest.len()] {
            push_length(&mut self.bytes, length);
        }
        self.bytes.extend_from_slice(rest);
        push_length(&mut self.bytes, value.len());
        self.bytes.extend_from_slice(value);
        self.last.truncate(shared);
        self.last.extend_from_slice(rest);
    }

    fn flush(&mut self) {
        if !self.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            self.blocks.push((std::mem::take(&mut self.first), bytes));
        }
    }

    fn finish(mut self, space: KeySpace, old: Option<&Bytes>, batch: &mut WriteBatch) {
        self.flush();
        if let Some(old) = old
            && !self.keeps_old
            && self.blocks.iter().all(|(key, _)| key != old)
        {
            batch.delete(space, old.clone());
        }
        for (key, bytes) in self.blocks {
            batch.put(space, key, bytes);
        }
    }
}

fn push_length(bytes: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push((length & 0x7f) as u8);
}

/// Finds the blocks of ascending keys, several at a time where they are close together.
struct Cursor {
    space: KeySpace,
    /// The first covers the key that was asked for last; the second is known, or there is none.
    blocks: VecDeque<(Bytes, Bytes)>,
    is_complete: bool,
    ahead: usize,
}

impl Cursor {
    fn new(space: KeySpace) -> Self {
        Self {
            space,
            blocks: VecDeque::new(),
            is_complete: false,
            ahead: 1,
        }
    }

    async fn seek<S: Snapshot>(&mut self, snapshot: &S, key: &[u8]) -> Result<()> {
        while self.blocks.get(1).is_some_and(|it| it.0[..] <= *key) {
            self.blocks.pop_front();
        }
        if self.is_complete || self.blocks.len() > 1 {
            return Ok(());
        }
        let wanted = Bytes::copy_from_slice(key);
        let cover = covering(snapshot, self.space, &wanted).await?;
        // Whether the way led through all that was read ahead.
        let is_dense = matches!((&cover, self.blocks.front()), (Some(a), Some(b)) if a.0 == b.0);
        self.ahead = if is_dense {
            (self.ahead * 2).min(MOST_AHEAD)
        } else {
            2
        };
        let range = KeyRange {
            start: cover.map_or(Bound::Unbounded, |it| Bound::Included(it.0)),
            end: Bound::Unbounded,
        };
        let page = snapshot
            .scan(self.space, &range, Direction::Forward, limits(self.ahead))
            .await?;
        self.is_complete = !page.has_more;
        self.blocks = page.entries.into();
        if let (false, [(only, _)]) = (self.is_complete, self.blocks.make_contiguous()) {
            let range = KeyRange::all().after(only.clone());
            let page = snapshot
                .scan(self.space, &range, Direction::Forward, limits(1))
                .await?;
            self.is_complete = page.entries.is_empty();
            self.blocks.extend(page.entries);
        }
        Ok(())
    }
}
