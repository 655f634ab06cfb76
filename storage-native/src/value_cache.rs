//! Values that were read lately, and more than once, from what redb held at a checkpoint.
//!
//! A search in redb's tree touches a page for each of its levels, and what it finds is checked and
//! copied. A value in here is handed out as it is.
//!
//! Invariants:
//! - it belongs to one [`crate::snapshot::Base`], whose values never change, so nothing in it is
//!   ever wrong;
//! - it holds at most [`MOST_BYTES`], and only what was asked for twice: who reads everything once
//!   does not drive out what others read again and again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pinyon_core::storage::KeySpace;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// At most about so much memory for one store.
const MOST_BYTES: usize = 8 << 20;
/// Threads that read at once shall not wait for each other.
const SHARDS: usize = 8;
/// After so many bytes of new values the older ones go, but those asked for since.
const RECENT_BYTES: usize = MOST_BYTES / SHARDS / 2;
/// Larger values are seldom what costs.
const MOST_VALUE_BYTES: usize = 16 << 10;
/// What the map and the allocator take for an entry, about.
const ENTRY_BYTES: usize = 160;
/// How many keys of a shard that were asked for once are remembered, about.
const ASKED_ONCE: usize = 4_096;

/// Values by the hash of their key.
#[derive(Default)]
pub(crate) struct ValueCache {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    recent: Values,
    former: Values,
    recent_bytes: usize,
    /// Of keys that were asked for once, a part of the hash.
    asked: Vec<u32>,
}

type Values = HashMap<u64, Kept, BuildHasherDefault<IsHash>>;

struct Kept {
    space: KeySpace,
    key: Bytes,
    value: Bytes,
}

/// Hashes what is a hash already.
#[derive(Default)]
struct IsHash(u64);

impl Hasher for IsHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// A key's place in the cache.
#[derive(Clone, Copy)]
pub(crate) struct Place(u64);

impl Place {
    pub(crate) fn of(space: KeySpace, key: &[u8]) -> Self {
        Self(xxh3_64_with_seed(key, u64::from(space.number())))
    }

    /// Not from the bits that a map looks at first.
    fn shard(self) -> usize {
        (self.0 >> 32) as usize % SHARDS
    }

    fn asked(self) -> (usize, u32) {
        // A key is never remembered as 0, which stands for none.
        (self.0 as usize % ASKED_ONCE, (self.0 >> 32) as u32 | 1)
    }
}

impl Kept {
    fn byte_count(&self) -> usize {
        self.key.len() + self.value.len() + ENTRY_BYTES
    }
}

impl Shard {
    fn get(&mut self, place: Place, space: KeySpace, key: &[u8]) -> Option<Bytes> {
        let is_it = |kept: &&Kept| kept.space == space && kept.key == key;
        if let Some(kept) = self.recent.get(&place.0).filter(is_it) {
            return Some(kept.value.clone());
        }
        self.former.get(&place.0).filter(is_it)?;
        let kept = self.former.remove(&place.0)?;
        let value = kept.value.clone();
        self.insert(place, kept);
        Some(value)
    }

    fn insert(&mut self, place: Place, kept: Kept) {
        self.recent_bytes += kept.byte_count();
        if let Some(replaced) = self.recent.insert(place.0, kept) {
            self.recent_bytes -= replaced.byte_count();
        }
        if self.recent_bytes > RECENT_BYTES {
            self.former = std::mem::take(&mut self.recent);
            self.recent_bytes = 0;
        }
    }

    /// Whether a key was asked for before, as far as is remembered.
    fn was_asked(&mut self, place: Place) -> bool {
        if self.asked.is_empty() {
            self.asked = vec![0; ASKED_ONCE];
        }
        let (at, part) = place.asked();
        std::mem::replace(&mut self.asked[at], part) == part
    }
}

impl ValueCache {
    // Nothing panics while it holds a lock with a half-made change, so a poisoned one is good.
    fn shard(&self, place: Place) -> MutexGuard<'_, Shard> {
        let shard = self.shards[place.shard()].lock();
        shard.unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of `key`, if it is here.
    pub(crate) fn get(&self, place: Place, space: KeySpace, key: &[u8]) -> Option<Bytes> {
        self.shard(place).get(place, space, key)
    }

    /// Keeps a value that was read, unless this is the first time.
    pub(crate) fn offer(&self, place: Place, space: KeySpace, key: &[u8], value: &Bytes) {
        if value.len() > MOST_VALUE_BYTES {
            return;
        }
        let mut shard = self.shard(place);
        if shard.was_asked(place) {
            // A copy: the caller's key may be a piece of something large.
            let (key, value) = (Bytes::copy_from_slice(key), value.clone());
            shard.insert(place, Kept { space, key, value });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: KeySpace = KeySpace::new(1);

    fn ask(cache: &ValueCache, key: &str, value: &Bytes) -> bool {
        let place = Place::of(SPACE, key.as_bytes());
        let found = cache.get(place, SPACE, key.as_bytes());
        if let Some(found) = &found {
            assert_eq!(found, value);
        } else {
            cache.offer(place, SPACE, key.as_bytes(), value);
        }
        found.is_some()
    }

    #[test]
    fn what_is_asked_for_twice_is_kept() {
        let (cache, value) = (ValueCache::default(), Bytes::from_static(b"value"));
        assert!(!ask(&cache, "a", &value));
        assert!(!ask(&cache, "a", &value));
        assert!(ask(&cache, "a", &value));
        let place = Place::of(SPACE, b"a");
        assert_eq!(cache.get(place, KeySpace::new(2), b"a"), None);
        assert_eq!(cache.get(place, SPACE, b"b"), None);
    }

    #[test]
    fn it_has_a_bound_and_keeps_what_is_asked_for() {
        let (cache, value) = (ValueCache::default(), Bytes::from(vec![7; 1_000]));
        for _ in 0..3 {
            ask(&cache, "hot", &value);
        }
        for number in 0..20_000 {
            let key = format!("key {number}");
            assert!(!ask(&cache, &key, &value));
            ask(&cache, &key, &value);
            assert!(ask(&cache, "hot", &value));
        }
        let bytes = cache.shards.iter().map(|shard| {
            let shard = shard.lock().unwrap();
            let kept = shard.recent.values().chain(shard.former.values());
            kept.map(Kept::byte_count).sum::<usize>()
        });
        let bytes: usize = bytes.sum();
        assert!((MOST_BYTES / 4..=MOST_BYTES).contains(&bytes), "{bytes}");
        assert!(!ask(&cache, "key 0", &value));
    }

    #[test]
    fn large_values_are_left_out() {
        let (cache, value) = (
            ValueCache::default(),
            Bytes::from(vec![7; MOST_VALUE_BYTES + 1]),
        );
        for _ in 0..3 {
            assert!(!ask(&cache, "a", &value));
        }
    }
}
