//! Of which documents entries are, as far as that was asked for lately.
//!
//! An entry keeps its document while it lives, and its number is never given to another one. So
//! nothing in here is ever wrong, whatever state of the index asks. An index that begins anew has a
//! new store, and with it a new cache.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::blocks;
use super::index::Index;
use super::tables::{ENTRIES, Entry, entry_key};
use crate::storage::Store;
use crate::{Error, Result};

/// After so many new ones the older ones go, but those asked for since: at most about 2 MB.
const MOST_RECENT: usize = 8_192;

/// Keys of documents by the number of their entry.
#[derive(Default)]
pub(super) struct SourceCache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    recent: Sources,
    former: Sources,
}

type Sources = HashMap<u64, Bytes, BuildHasherDefault<NumberHasher>>;

/// Spreads numbers that are given out one after the other; nobody outside chooses them.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

impl Kept {
    fn get(&mut self, number: u64) -> Option<Bytes> {
        if let Some(source) = self.recent.get(&number) {
            return Some(source.clone());
        }
        let source = self.former.remove(&number)?;
        self.put(number, source.clone());
        Some(source)
    }

    fn put(&mut self, number: u64, source: Bytes) {
        if self.recent.len() >= MOST_RECENT {
            self.former = std::mem::take(&mut self.recent);
        }
        self.recent.insert(number, source);
    }
}

impl SourceCache {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store> Index<S> {
    /// The keys of the documents of entries.
    ///
    /// # Errors
    /// `Corrupted` when there is no such entry; whatever the store reports.
    pub(crate) async fn sources_of(
        &self,
        snapshot: &S::Snapshot,
        numbers: &[u64],
    ) -> Result<Vec<Bytes>> {
        let (mut sources, mut missing) = (Vec::with_capacity(numbers.len()), Vec::new());
        {
            let mut kept = self.sources.kept();
            for (place, number) in numbers.iter().enumerate() {
                let source = kept.get(*number);
                if source.is_none() {
                    missing.push(place);
                }
                sources.push(source.unwrap_or_default());
            }
        }
        if missing.is_empty() {
            return Ok(sources);
        }
        let keys: Vec<Bytes> = missing.iter().map(|it| entry_key(numbers[*it])).collect();
        let entries = blocks::get_many(snapshot, ENTRIES, &keys).await?;
        let mut kept = self.sources.kept();
        for (place, entry) in missing.into_iter().zip(entries) {
            let entry = entry.ok_or_else(|| Error::corrupted("an index entry is missing"))?;
            // A copy: what was read would keep its whole block in memory.
            let source = Bytes::copy_from_slice(&Entry::source_of(&entry)?);
            kept.put(numbers[place], source.clone());
            sources[place] = source;
        }
        Ok(sources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_there_are_not_too_many() {
        let mut kept = Kept::default();
        for number in 0..10 * MOST_RECENT as u64 {
            kept.put(number, entry_key(number));
            assert_eq!(kept.get(0), Some(entry_key(0)));
            assert!(kept.recent.len() + kept.former.len() <= 2 * MOST_RECENT);
        }
        assert_eq!(kept.get(1), None);
    }
}
