//! Change vectors: the causal past of a document, one entry for each incarnation in it.
//!
//! Invariant: entries are sorted by index, unique, and above zero (a missing entry means zero).

use super::{Etag, IncarnationIndex};

/// One entry of a vector, and also the name of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// Whose writes.
    pub incarnation: IncarnationIndex,
    /// All of them up to here; for a dot, exactly this one.
    pub etag: Etag,
}

/// A dot: the name of one write, for ever.
pub type Dot = Entry;

/// How a remote vector stands to a local one (semantics.md §1, "Compare").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorOrder {
    /// The local version has seen all of the remote one: ignore it.
    AlreadyMerged,
    /// The remote version has seen all of the local one: take it.
    Update,
    /// Each has seen something the other has not.
    Conflict,
}

/// A set of seen writes, one prefix for each incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct ChangeVector {
    entries: Vec<Entry>,
}

impl ChangeVector {
    /// The vector that has seen nothing.
    pub const fn empty() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Whether it has seen nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries by index.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What it has seen of `incarnation`.
    pub fn get(&self, incarnation: IncarnationIndex) -> Etag {
        match self.position(incarnation) {
            Ok(at) => self.entries[at].etag,
            Err(_) => Etag::ZERO,
        }
    }

    /// Adds everything up to `entry`.
    pub fn include(&mut self, entry: Entry) {
        if entry.etag == Etag::ZERO {
            return;
        }
        match self.position(entry.incarnation) {
            Ok(at) => self.entries[at].etag = self.entries[at].etag.max(entry.etag),
            Err(at) => self.entries.insert(at, entry),
        }
    }

    /// Adds everything `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        for entry in &other.entries {
            self.include(*entry);
        }
    }

    /// Whether it has seen the write `dot`.
    pub fn contains(&self, dot: Dot) -> bool {
        self.get(dot.incarnation) >= dot.etag
    }

    /// How this vector, as the remote one, stands to `local`.
    pub fn compare_to(&self, local: &Self) -> VectorOrder {
        let remote_is_ahead = self.entries.iter().any(|entry| !local.contains(*entry));
        let local_is_ahead = local.entries.iter().any(|entry| !self.contains(*entry));
        match (remote_is_ahead, local_is_ahead) {
            (false, _) => VectorOrder::AlreadyMerged,
            (true, false) => VectorOrder::Update,
            (true, true) => VectorOrder::Conflict,
        }
    }

    fn position(&self, incarnation: IncarnationIndex) -> Result<usize, usize> {
        self.entries
            .binary_search_by_key(&incarnation, |entry| entry.incarnation)
    }
}

impl FromIterator<Entry> for ChangeVector {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut vector = Self::empty();
        for entry in entries {
            vector.include(entry);
        }
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_vector() -> impl Strategy<Value = ChangeVector> {
        proptest::collection::vec((0u32..4, 0u64..5), 0..6).prop_map(|entries| {
            entries
                .into_iter()
                .map(|(index, etag)| Entry {
                    incarnation: IncarnationIndex(index),
                    etag: Etag::new(etag),
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn merge_dominates_both_and_is_commutative(a in any_vector(), b in any_vector()) {
            let mut ab = a.clone();
            ab.merge(&b);
            let mut ba = b.clone();
            ba.merge(&a);
            prop_assert_eq!(&ab, &ba);
            prop_assert_eq!(a.compare_to(&ab), VectorOrder::AlreadyMerged);
            prop_assert_eq!(b.compare_to(&ab), VectorOrder::AlreadyMerged);
        }

        #[test]
        fn comparing_is_antisymmetric(a in any_vector(), b in any_vector()) {
            let conflict = a.compare_to(&b) == VectorOrder::Conflict;
            prop_assert_eq!(conflict, b.compare_to(&a) == VectorOrder::Conflict);
            if a.compare_to(&b) == VectorOrder::Update {
                prop_assert_eq!(b.compare_to(&a), VectorOrder::AlreadyMerged);
            }
            if a == b {
                prop_assert_eq!(a.compare_to(&b), VectorOrder::AlreadyMerged);
            }
        }
    }
}
