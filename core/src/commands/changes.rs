//! Changes not yet committed: the layers a transaction reads through.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::storage::{KeyRange, KeySpace, WriteBatch};

/// For each key space, the new value of each changed key; `None` means deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    spaces: BTreeMap<KeySpace, BTreeMap<Bytes, Option<Bytes>>>,
    byte_count: usize,
}

impl Changes {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.spaces.is_empty()
    }

    /// About how many bytes the changes take, counting overwritten ones too.
    pub fn byte_count(&self) -> usize {
        self.byte_count
    }

    /// What was done to `key`, if anything: the new value, or `None` inside when it was deleted.
    pub fn get(&self, space: KeySpace, key: &[u8]) -> Option<&Option<Bytes>> {
        self.spaces.get(&space)?.get(key)
    }

    /// Records a put.
    pub fn put(&mut self, space: KeySpace, key: Bytes, value: Bytes) {
        self.byte_count += key.len() + value.len();
        self.spaces
            .entry(space)
            .or_default()
            .insert(key, Some(value));
    }

    /// Records a delete.
    pub fn delete(&mut self, space: KeySpace, key: Bytes) {
        self.byte_count += key.len();
        self.spaces.entry(space).or_default().insert(key, None);
    }

    /// Puts `later` on top of these.
    pub fn absorb(&mut self, later: Changes) {
        self.byte_count += later.byte_count;
        for (space, changed) in later.spaces {
            let known = self.spaces.entry(space).or_default();
            if known.is_empty() {
                // An import's only operation is the whole batch.
                *known = changed;
            } else {
                // Not BTreeMap::append: it builds the whole map anew, and batches are large while
                // operations are small.
                known.extend(changed);
            }
        }
    }

    /// The changes whose keys lie in `range`, ascending.
    pub fn range<'a>(
        &'a self,
        space: KeySpace,
        range: &'a KeyRange,
    ) -> impl Iterator<Item = (&'a Bytes, &'a Option<Bytes>)> {
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = range.bounds();
        let changed = if range.is_empty() {
            None
        } else {
            self.spaces.get(&space)
        };
        changed
            .into_iter()
            .flat_map(move |map| map.range::<[u8], _>(bounds))
    }

    /// The batch that applies the changes.
    pub fn to_write_batch(&self) -> WriteBatch {
        let mut batch = WriteBatch::default();
        for (space, changed) in &self.spaces {
            for (key, value) in changed {
                match value {
                    Some(value) => batch.put(*space, key.clone(), value.clone()),
                    None => batch.delete(*space, key.clone()),
                }
            }
        }
        batch
    }
}
