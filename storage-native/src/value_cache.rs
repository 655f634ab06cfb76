//! Values that were read lately, and more than once, from what redb holds.
//!
//! A search in redb's tree touches a page for each of its levels, and what it finds is checked and
//! copied; a large value is often read from the file as well. A value in here is handed out as it
//! is. All stores of an environment share the memory.
//!
//! Invariants:
//! - what is in here of a store is what redb held of it at the last checkpoint. The keys that a
//!   checkpoint wrote are forgotten before anybody reads what it made, and readers of earlier
//!   states neither find anything nor leave anything from then on;
//! - it holds no more bytes than it was made for, and only what was asked for twice: who reads
//!   everything once does not drive out what others read again and again.

use std::collections::HashMap;
use std::collections::vec_deque::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pinyon_core::storage::KeySpace;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Threads that read at once shall not wait for each other.
const SHARDS: usize = 16;
/// No value shall drive out more than this part of a shard.
const LARGEST_PART: usize = 8;
/// What the map, the queue and the allocator take for an entry, about.
const ENTRY_BYTES: usize = 200;
/// How many keys of a shard that were asked for once are remembered, about.
const ASKED_ONCE: usize = 4_096;

/// Values of all stores of an environment.
pub(crate) struct ValueCache {
    shards: [Mutex<Shard>; SHARDS],
    shard_bytes: usize,
    last_store: AtomicU64,
}

#[derive(Default)]
struct Shard {
    /// By the hash of their key.
    values: HashMap<u64, Kept, BuildHasherDefault<IsHash>>,
    /// The hashes of all of them, each once, in the order in which they are looked at when there
    /// is no room.
    order: VecDeque<u64>,
    byte_count: usize,
    /// Of keys that were asked for once, a part of the hash.
    asked: Vec<u32>,
}

struct Kept {
    store: u64,
    space: KeySpace,
    key: Bytes,
    /// `None` once it was written anew; then the next reader leaves it again.
    value: Option<Bytes>,
    /// Whether it was asked for since it was last looked at.
    is_wanted: bool,
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
    /// Not from the bits that a map looks at first.
    fn shard(self) -> usize {
        (self.0 >> 32) as usize % SHARDS
    }

    fn asked(self) -> (usize, u32) {
        // A key is never remembered as 0, which stands for none.
        (
            (self.0 as usize % ASKED_ONCE) & !1,
            (self.0 >> 32) as u32 | 1,
        )
    }
}

impl Kept {
    fn is(&self, store: u64, space: KeySpace, key: &[u8]) -> bool {
        self.store == store && self.space == space && self.key == key
    }

    fn byte_count(&self) -> usize {
        let value = self.value.as_ref().map_or(0, Bytes::len);
        self.key.len() + value + ENTRY_BYTES
    }
}

impl Shard {
    fn get(&mut self, place: Place, store: u64, space: KeySpace, key: &[u8]) -> Option<Bytes> {
        let kept = self.values.get_mut(&place.0)?;
        if !kept.is(store, space, key) {
            return None;
        }
        kept.is_wanted = true;
        kept.value.clone()
    }

    fn insert(&mut self, place: Place, kept: Kept, most_bytes: usize) {
        self.byte_count += kept.byte_count();
        match self.values.insert(place.0, kept) {
            Some(replaced) => self.byte_count -= replaced.byte_count(),
            None => self.order.push_back(place.0),
        }
        while self.byte_count > most_bytes
            && let Some(oldest) = self.order.pop_front()
        {
            match self.values.get_mut(&oldest) {
                Some(kept) if kept.is_wanted && kept.value.is_some() => {
                    kept.is_wanted = false;
                    self.order.push_back(oldest);
                }
                _ => self.remove(oldest),
            }
        }
    }

    fn remove(&mut self, place: u64) {
        if let Some(removed) = self.values.remove(&place) {
            self.byte_count -= removed.byte_count();
        }
    }

    /// The value is another one now.
    fn forget(&mut self, place: Place, store: u64, space: KeySpace, key: &[u8]) {
        if let Some(kept) = self.values.get_mut(&place.0)
            && kept.is(store, space, key)
            && let Some(value) = kept.value.take()
        {
            self.byte_count -= value.len();
        }
    }

    fn forget_store(&mut self, store: u64) {
        let former = self.values.len();
        self.values.retain(|_, kept| kept.store != store);
        if self.values.len() < former {
            self.order.retain(|place| self.values.contains_key(place));
            self.byte_count = self.values.values().map(Kept::byte_count).sum();
            self.values.shrink_to_fit();
            self.order.shrink_to_fit();
        }
    }

    /// Whether the next reader of the key may leave its value: it was asked for before, as far as
    /// is remembered.
    fn was_asked(&mut self, place: Place) -> bool {
        if self.values.contains_key(&place.0) {
            return true;
        }
        if self.asked.is_empty() {
            self.asked = vec![0; ASKED_ONCE];
        }
        // Two keys that fall together do not make each other forgotten.
        let (at, part) = place.asked();
        let (newer, older) = (at, at ^ 1);
        let was_asked = [self.asked[newer], self.asked[older]].contains(&part);
        if !was_asked {
            self.asked[older] = std::mem::replace(&mut self.asked[newer], part);
        }
        was_asked
    }
}

impl ValueCache {
    /// An empty one that will hold at most about `most_bytes`.
    pub(crate) fn new(most_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            shard_bytes: most_bytes / SHARDS,
            last_store: AtomicU64::new(0),
        })
    }

    // Nothing panics while it holds a lock with a half-made change, so a poisoned one is good.
    fn shard(&self, place: Place) -> MutexGuard<'_, Shard> {
        let shard = self.shards[place.shard()].lock();
        shard.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the cache has of one open store; gone with it.
pub(crate) struct StoreValues {
    cache: Arc<ValueCache>,
    /// No other store that the cache ever served had this number.
    store: u64,
    /// Counts what redb came to hold.
    state: AtomicU64,
    /// Whether anybody may have left anything.
    is_used: AtomicBool,
}

impl StoreValues {
    /// For a store that was just opened.
    pub(crate) fn new(cache: &Arc<ValueCache>) -> Arc<Self> {
        Arc::new(Self {
            cache: Arc::clone(cache),
            store: cache.last_store.fetch_add(1, Ordering::Relaxed) + 1,
            state: AtomicU64::new(0),
            is_used: AtomicBool::new(false),
        })
    }

    /// The number of what redb holds now.
    pub(crate) fn state(&self) -> u64 {
        self.state.load(Ordering::SeqCst)
    }

    pub(crate) fn place(&self, space: KeySpace, key: &[u8]) -> Place {
        let seed = (self.store << 8) | u64::from(space.number());
        Place(xxh3_64_with_seed(key, seed))
    }

    /// The value of `key` in `state`, if it is here.
    pub(crate) fn get(
        &self,
        state: u64,
        place: Place,
        space: KeySpace,
        key: &[u8],
    ) -> Option<Bytes> {
        let mut shard = self.cache.shard(place);
        // Asked under the lock: what a later state left here was left before this.
        if self.state() != state {
            return None;
        }
        shard.get(place, self.store, space, key)
    }

    /// Keeps a value that was read from `state`, unless this is the first time.
    pub(crate) fn offer(
        &self,
        state: u64,
        place: Place,
        space: KeySpace,
        key: &[u8],
        value: &Bytes,
    ) {
        if value.len() > self.cache.shard_bytes / LARGEST_PART {
            return;
        }
        let mut shard = self.cache.shard(place);
        if !shard.was_asked(place) {
            return;
        }
        // In this order: either `advance` sees that there may be something to forget, or this sees
        // that it is too late.
        self.is_used.store(true, Ordering::SeqCst);
        if self.state() != state {
            return;
        }
        let kept = Kept {
            store: self.store,
            space,
            // A copy: the caller's key may be a piece of something large.
            key: Bytes::copy_from_slice(key),
            value: Some(value.clone()),
            is_wanted: false,
        };
        shard.insert(place, kept, self.cache.shard_bytes);
    }

    /// redb holds something else now: `changed` calls what it is given with each key that may have
    /// another value. To be called before the new state has readers.
    pub(crate) fn advance(&self, changed: impl FnOnce(&mut dyn FnMut(KeySpace, &[u8]))) {
        self.state.fetch_add(1, Ordering::SeqCst);
        if !self.is_used.load(Ordering::SeqCst) {
            return;
        }
        changed(&mut |space, key| {
            let place = self.place(space, key);
            self.cache
                .shard(place)
                .forget(place, self.store, space, key);
        });
    }
}

impl Drop for StoreValues {
    fn drop(&mut self) {
        if !*self.is_used.get_mut() {
            return;
        }
        for shard in &self.cache.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.forget_store(self.store);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: KeySpace = KeySpace::new(1);
    const BYTES: usize = 8 << 20;

    /// As readers of `state` do; whether it was there, after checking that it is `value`.
    fn ask_at(values: &StoreValues, state: u64, key: &str, value: &Bytes) -> bool {
        let place = values.place(SPACE, key.as_bytes());
        let found = values.get(state, place, SPACE, key.as_bytes());
        if let Some(found) = &found {
            assert_eq!(found, value);
        } else {
            values.offer(state, place, SPACE, key.as_bytes(), value);
        }
        found.is_some()
    }

    fn ask(values: &StoreValues, key: &str, value: &Bytes) -> bool {
        ask_at(values, values.state(), key, value)
    }

    fn byte_count(cache: &ValueCache) -> usize {
        let of = |shard: &Mutex<Shard>| {
            let shard = shard.lock().unwrap();
            let bytes: usize = shard.values.values().map(Kept::byte_count).sum();
            assert_eq!(bytes, shard.byte_count);
            assert_eq!(shard.order.len(), shard.values.len());
            bytes
        };
        cache.shards.iter().map(of).sum()
    }

    #[test]
    fn what_is_asked_for_twice_is_kept() {
        let cache = ValueCache::new(BYTES);
        let (values, other) = (StoreValues::new(&cache), StoreValues::new(&cache));
        let value = Bytes::from_static(b"value");
        assert!(!ask(&values, "a", &value));
        assert!(!ask(&values, "a", &value));
        assert!(ask(&values, "a", &value));
        let place = values.place(SPACE, b"a");
        assert_eq!(values.get(0, place, KeySpace::new(2), b"a"), None);
        assert_eq!(values.get(0, place, SPACE, b"b"), None);
        assert_eq!(other.get(0, place, SPACE, b"a"), None);
    }

    #[test]
    fn it_has_a_bound_and_keeps_what_is_asked_for() {
        let cache = ValueCache::new(BYTES);
        let (values, value) = (StoreValues::new(&cache), Bytes::from(vec![7; 1_000]));
        for _ in 0..3 {
            ask(&values, "hot", &value);
        }
        for number in 0..20_000 {
            let key = format!("key {number}");
            assert!(!ask(&values, &key, &value));
            ask(&values, &key, &value);
            assert!(ask(&values, "hot", &value));
        }
        let bytes = byte_count(&cache);
        assert!((BYTES * 9 / 10..=BYTES).contains(&bytes), "{bytes}");
        assert!(!ask(&values, "key 0", &value));
        // All that it is made for is of use: what fits stays, however often it is asked for.
        let cache = ValueCache::new(BYTES);
        let values = StoreValues::new(&cache);
        for round in 0..5 {
            let asked = (0..5_000).filter(|number| ask(&values, &format!("key {number}"), &value));
            let found = asked.count();
            assert!(
                if round > 1 {
                    found > 4_900
                } else {
                    found < 100
                },
                "{found}"
            );
        }
    }

    #[test]
    fn values_too_large_for_their_shard_are_left_out() {
        let cache = ValueCache::new(BYTES);
        let values = StoreValues::new(&cache);
        let most = BYTES / SHARDS / LARGEST_PART;
        let (large, larger) = (Bytes::from(vec![7; most]), Bytes::from(vec![7; most + 1]));
        for round in 0..3 {
            assert_eq!(ask(&values, "large", &large), round > 1);
            assert!(!ask(&values, "larger", &larger));
        }
        let cache = ValueCache::new(0);
        let values = StoreValues::new(&cache);
        for _ in 0..3 {
            assert!(!ask(&values, "a", &Bytes::from_static(b"a")));
        }
        assert_eq!(byte_count(&cache), 0);
    }

    #[test]
    fn what_changed_is_forgotten_and_earlier_states_leave_nothing() {
        let cache = ValueCache::new(BYTES);
        let values = StoreValues::new(&cache);
        let (old, new) = (Bytes::from_static(b"old"), Bytes::from_static(b"new"));
        for key in ["changed", "same"] {
            for round in 0..3 {
                assert_eq!(ask(&values, key, &old), round > 1);
            }
        }
        // A reader of the state before has just not found it, and goes on after the change.
        let late = values.place(SPACE, b"late");
        for _ in 0..2 {
            assert_eq!(values.get(0, late, SPACE, b"late"), None);
        }
        values.offer(0, late, SPACE, b"late", &old);
        values.advance(|forget| {
            forget(SPACE, b"changed");
            forget(SPACE, b"late");
        });
        values.offer(0, late, SPACE, b"late", &old);
        assert!(!ask(&values, "late", &new));
        assert!(ask(&values, "late", &new));
        // The new value is kept at once, for the old one was asked for.
        assert!(!ask(&values, "changed", &new));
        assert!(ask(&values, "changed", &new));
        assert!(ask(&values, "same", &old));
        // Readers of the state before find nothing, and least of all what came later.
        assert!(!ask_at(&values, 0, "changed", &old));
        assert!(!ask_at(&values, 0, "same", &old));
        assert!(ask(&values, "changed", &new));
        byte_count(&cache);
    }

    #[test]
    fn a_closed_store_leaves_nothing() {
        let cache = ValueCache::new(BYTES);
        let (values, other) = (StoreValues::new(&cache), StoreValues::new(&cache));
        let value = Bytes::from(vec![7; 1_000]);
        for values in [&values, &other] {
            for _ in 0..3 {
                ask(values, "a", &value);
            }
        }
        let both = byte_count(&cache);
        drop(values);
        assert_eq!(byte_count(&cache), both / 2);
        assert!(ask(&other, "a", &value));
        drop(other);
        assert_eq!(byte_count(&cache), 0);
    }
}
