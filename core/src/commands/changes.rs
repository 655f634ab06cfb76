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

    /// Records a put. Answers what was recorded for the key before, if anything.
    pub fn put(&mut self, space: KeySpace, key: Bytes, value: Bytes) -> Option<Option<Bytes>> {
        self.byte_count += key.len() + value.len();
        let changed = self.spaces.entry(space).or_default();
        changed.insert(key, Some(value))
    }

    /// Records a delete. Answers as [`Self::put`].
    pub fn delete(&mut self, space: KeySpace, key: Bytes) -> Option<Option<Bytes>> {
        self.byte_count += key.len();
        self.spaces.entry(space).or_default().insert(key, None)
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
        let count = self.spaces.values().map(BTreeMap::len).sum();
        let mut batch = WriteBatch::with_capacity(count);
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

/// The way back to what changes were when an operation began.
#[derive(Debug, Default)]
pub struct UndoLog {
    /// What was recorded for each key before, the last one last.
    replaced: Vec<(KeySpace, Bytes, Option<Option<Bytes>>)>,
    byte_count: usize,
}

impl UndoLog {
    /// From here on.
    pub fn begin(&mut self, changes: &Changes) {
        self.replaced.clear();
        // One huge operation must not keep its memory.
        self.replaced.shrink_to(1024);
        self.byte_count = changes.byte_count;
    }

    /// As [`Changes::put`], to be undone if need be.
    pub fn put(&mut self, changes: &mut Changes, space: KeySpace, key: Bytes, value: Bytes) {
        let before = changes.put(space, key.clone(), value);
        self.replaced.push((space, key, before));
    }

    /// As [`Changes::delete`], to be undone if need be.
    pub fn delete(&mut self, changes: &mut Changes, space: KeySpace, key: Bytes) {
        let before = changes.delete(space, key.clone());
        self.replaced.push((space, key, before));
    }

    /// Takes back what was done since it began.
    pub fn undo(&mut self, changes: &mut Changes) {
        while let Some((space, key, before)) = self.replaced.pop() {
            let changed = changes.spaces.entry(space).or_default();
            match before {
                Some(before) => drop(changed.insert(key, before)),
                None => drop(changed.remove(&key)),
            }
            if changed.is_empty() {
                changes.spaces.remove(&space);
            }
        }
        changes.byte_count = self.byte_count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operation_changed_is_taken_back() {
        let [one, other] = [KeySpace::new(1), KeySpace::new(2)];
        let [a, b] = [b"a", b"b"].map(|key| Bytes::from_static(key));
        let value = |text: &'static str| Bytes::from_static(text.as_bytes());
        let mut changes = Changes::default();
        changes.put(one, a.clone(), value("1"));
        changes.delete(one, b.clone());
        let before = changes.clone();
        let mut undo = UndoLog::default();
        undo.begin(&changes);
        undo.put(&mut changes, one, a.clone(), value("2"));
        undo.delete(&mut changes, one, a.clone());
        undo.put(&mut changes, one, b, value("3"));
        undo.put(&mut changes, other, a.clone(), value("4"));
        undo.delete(&mut changes, other, a);
        assert_ne!(changes, before);
        undo.undo(&mut changes);
        assert_eq!(changes, before);

        let mut changes = Changes::default();
        undo.begin(&changes);
        undo.delete(&mut changes, one, Bytes::new());
        undo.undo(&mut changes);
        assert!(changes.is_empty());
    }
}
