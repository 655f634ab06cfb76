//! Which entries have terms of a range, as far as it was asked lately of one state of an index.
//!
//! A state never changes, so nothing in here is ever wrong; with the next state it begins anew.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use roaring::RoaringTreemap;

use crate::storage::KeyRange;

/// After so many bytes of new sets the older ones go, but those asked for since: about 2 MB in all.
const RECENT_BYTES: usize = 1 << 20;
/// One set takes no more than a part of that.
const MOST_SET_BYTES: usize = RECENT_BYTES / 8;
/// What a set takes beyond its numbers and its range, about.
const SET_BYTES: usize = 256;

/// Sets of entries by range of postings.
#[derive(Default)]
pub struct FoundSets(Mutex<Kept>);

type Range = (Bound<Bytes>, Bound<Bytes>);

#[derive(Default)]
struct Kept {
    recent: HashMap<Range, RoaringTreemap>,
    former: HashMap<Range, RoaringTreemap>,
    recent_bytes: usize,
}

fn key_of(range: &KeyRange) -> Range {
    (range.start.clone(), range.end.clone())
}

impl Kept {
    fn get(&mut self, range: &KeyRange) -> Option<RoaringTreemap> {
        let key = key_of(range);
        if let Some(set) = self.recent.get(&key) {
            return Some(set.clone());
        }
        let set = self.former.remove(&key)?;
        self.put(key, set.clone());
        Some(set)
    }

    fn put(&mut self, key: Range, set: RoaringTreemap) {
        let bytes = byte_count(&key, &set);
        if bytes > MOST_SET_BYTES {
            return;
        }
        if self.recent.insert(key, set).is_none() {
            self.recent_bytes += bytes;
        }
        if self.recent_bytes > RECENT_BYTES {
            self.former = std::mem::take(&mut self.recent);
            self.recent_bytes = 0;
        }
    }
}

fn byte_count((start, end): &Range, set: &RoaringTreemap) -> usize {
    let length = |bound: &Bound<Bytes>| match bound {
        Bound::Included(key) | Bound::Excluded(key) => key.len(),
        Bound::Unbounded => 0,
    };
    set.serialized_size() + length(start) + length(end) + SET_BYTES
}

impl FoundSets {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entries of a range, if they were found lately.
    pub(crate) fn get(&self, range: &KeyRange) -> Option<RoaringTreemap> {
        self.kept().get(range)
    }

    /// Remembers what was found.
    pub(crate) fn put(&self, range: &KeyRange, set: &RoaringTreemap) {
        self.kept().put(key_of(range), set.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(number: u64) -> KeyRange {
        KeyRange::prefix(&number.to_be_bytes())
    }

    #[test]
    fn what_is_asked_for_stays_and_there_is_not_too_much() {
        let sets = FoundSets::default();
        let set = |number: u64| (0..1_000).map(|it| it * number).collect::<RoaringTreemap>();
        for number in 0..2_000 {
            sets.put(&range(number), &set(number));
            assert_eq!(sets.get(&range(0)), Some(set(0)));
            let kept = sets.kept();
            let all = kept.recent.iter().chain(&kept.former);
            let bytes: usize = all.map(|(key, set)| byte_count(key, set)).sum();
            assert!(bytes <= 2 * RECENT_BYTES + MOST_SET_BYTES, "{bytes}");
        }
        assert_eq!(sets.get(&range(1)), None);
        assert_eq!(sets.get(&range(1_999)), Some(set(1_999)));
    }

    #[test]
    fn huge_sets_are_left_out() {
        let sets = FoundSets::default();
        let huge: RoaringTreemap = (0..200_000).map(|it| it * 11).collect();
        sets.put(&range(1), &huge);
        assert_eq!(sets.get(&range(1)), None);
    }
}
