//! What is committed and not yet in redb: durable in the journal, readable here.
//!
//! redb copies every page that a transaction changes, so many commits in one of its transactions
//! cost a fraction of what they cost one by one. Until the next checkpoint puts them there, in
//! key order, they are read from here.
//!
//! Invariants:
//! - a value stands under the number of the commit that wrote it; a snapshot of commit n sees the
//!   newest of those up to n, and what redb holds where there is none;
//! - the checkpoint that brings an overlay into redb is its end: from its beginning a new one lies
//!   over it, then only the new one is left, and snapshots that still read the old one find it
//!   unchanged.

use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::vec_deque::VecDeque;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use pinyon_core::storage::{Direction, KeyRange, KeySpace, Write, WriteBatch};

/// How many entries a cursor takes under one lock, at first and at most.
const FEW: usize = 32;
const MANY: usize = 1_024;

/// What a commit did to a key; `None` inside: it was deleted.
pub(crate) type Change = Option<Bytes>;

/// The commits since the last checkpoint.
#[derive(Default)]
pub(crate) struct Overlay {
    spaces: [RwLock<Space>; KeySpace::COUNT as usize],
}

type Space = BTreeMap<Bytes, Versions>;

struct Version {
    commit: u64,
    change: Change,
}

/// What became of a key. Most are written once between two checkpoints.
struct Versions {
    newest: Version,
    /// Ascending.
    former: Vec<Version>,
}

impl Versions {
    fn put(&mut self, version: Version) {
        if self.newest.commit == version.commit {
            self.newest = version;
        } else {
            let former = std::mem::replace(&mut self.newest, version);
            self.former.push(former);
        }
    }

    fn at(&self, commit: u64) -> Option<&Change> {
        let all = std::iter::once(&self.newest).chain(self.former.iter().rev());
        let mut seen = all.filter(|version| version.commit <= commit);
        seen.next().map(|version| &version.change)
    }
}

impl Overlay {
    // Nothing panics while it holds a lock with a half-made change, so a poisoned one is good.
    fn read(&self, space: KeySpace) -> RwLockReadGuard<'_, Space> {
        let space = self.spaces[usize::from(space.number())].read();
        space.unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, space: KeySpace) -> RwLockWriteGuard<'_, Space> {
        let space = self.spaces[usize::from(space.number())].write();
        space.unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the writes of commit `commit`, which is the newest; no snapshot asks for it yet.
    pub(crate) fn add(&self, commit: u64, batch: &WriteBatch) {
        let mut held: Option<(KeySpace, RwLockWriteGuard<'_, Space>)> = None;
        for write in batch.writes() {
            let (space, key, change) = match write {
                Write::Put { space, key, value } => (*space, key, Some(value.clone())),
                Write::Delete { space, key } => (*space, key, None),
            };
            if held.as_ref().is_none_or(|(held, _)| *held != space) {
                // One lock at a time.
                drop(held.take());
            }
            let (_, entries) = held.get_or_insert_with(|| (space, self.write(space)));
            let version = Version { commit, change };
            match entries.entry(key.clone()) {
                Entry::Occupied(mut known) => known.get_mut().put(version),
                Entry::Vacant(place) => {
                    let former = Vec::new();
                    place.insert(Versions {
                        newest: version,
                        former,
                    });
                }
            }
        }
    }

    /// What became of `key` up to `commit`; `None` where redb has the answer.
    pub(crate) fn get(&self, space: KeySpace, key: &[u8], commit: u64) -> Option<Change> {
        self.read(space).get(key)?.at(commit).cloned()
    }

    /// What became of each of `keys` up to `commit`; `None` where redb has the answer.
    pub(crate) fn get_many(
        &self,
        space: KeySpace,
        keys: &[Bytes],
        commit: u64,
    ) -> Vec<Option<Change>> {
        let entries = self.read(space);
        if entries.is_empty() {
            return vec![None; keys.len()];
        }
        let changes = keys.iter().map(|key| entries.get(key)?.at(commit).cloned());
        changes.collect()
    }

    /// Calls `read` with what became of each key in the end, ascending.
    pub(crate) fn with_newest<T>(
        &self,
        space: KeySpace,
        read: impl FnOnce(&[(&Bytes, Option<&Bytes>)]) -> T,
    ) -> T {
        let entries = self.read(space);
        let newest = entries
            .iter()
            .map(|(key, versions)| (key, versions.newest.change.as_ref()));
        read(&newest.collect::<Vec<_>>())
    }

    /// Calls `visit` with each key that it knows.
    pub(crate) fn visit_keys(&self, visit: &mut dyn FnMut(KeySpace, &[u8])) {
        for space in KeySpace::all() {
            for key in self.read(space).keys() {
                visit(space, key);
            }
        }
    }

    /// What became of the keys in `range` up to `commit`, one after the other.
    pub(crate) fn cursor<'a>(
        &'a self,
        space: KeySpace,
        range: &KeyRange,
        direction: Direction,
        commit: u64,
    ) -> Cursor<'a> {
        Cursor {
            overlay: self,
            space,
            rest: range.clone(),
            direction,
            commit,
            taken: VecDeque::new(),
            next_count: FEW,
            is_done: false,
        }
    }
}

/// Goes through a range of an overlay in pieces, so that no lock is held over a scan.
pub(crate) struct Cursor<'a> {
    overlay: &'a Overlay,
    space: KeySpace,
    rest: KeyRange,
    direction: Direction,
    commit: u64,
    taken: VecDeque<(Bytes, Change)>,
    next_count: usize,
    is_done: bool,
}

impl Cursor<'_> {
    /// Takes no more than these at first, since no more are likely to be asked for.
    pub(crate) fn expecting(mut self, count: usize) -> Self {
        self.next_count = self.next_count.min(count.max(1));
        self
    }

    /// The next key with what became of it.
    pub(crate) fn peek(&mut self) -> Option<&(Bytes, Change)> {
        if self.taken.is_empty() && !self.is_done {
            self.take_more();
        }
        self.taken.front()
    }

    /// As [`Cursor::peek`], and goes on.
    pub(crate) fn take(&mut self) -> Option<(Bytes, Change)> {
        self.peek()?;
        self.taken.pop_front()
    }

    fn take_more(&mut self) {
        // An inverted range panics below.
        if self.rest.is_empty() {
            self.is_done = true;
            return;
        }
        let entries = self.overlay.read(self.space);
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = self.rest.bounds();
        let found = entries.range::<[u8], _>(bounds);
        let seen = |(key, versions): (&Bytes, &Versions)| {
            Some((key.clone(), versions.at(self.commit)?.clone()))
        };
        match self.direction {
            Direction::Forward => {
                let found = found.filter_map(seen);
                self.taken.extend(found.take(self.next_count));
            }
            Direction::Backward => {
                let found = found.rev().filter_map(seen);
                self.taken.extend(found.take(self.next_count));
            }
        }
        drop(entries);
        self.is_done = self.taken.len() < self.next_count;
        self.next_count = MANY;
        if let Some((last, _)) = self.taken.back() {
            let behind = Bound::Excluded(last.clone());
            match self.direction {
                Direction::Forward => self.rest.start = behind,
                Direction::Backward => self.rest.end = behind,
            }
        }
    }
}
