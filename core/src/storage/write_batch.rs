//! A write batch: everything one commit changes.

use bytes::Bytes;

use super::KeySpace;

/// One change of a [`WriteBatch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Sets `key` to `value`, whether or not it exists.
    Put {
        /// The map to change.
        space: KeySpace,
        /// The key, of any bytes.
        key: Bytes,
        /// The value, of any bytes, possibly empty.
        value: Bytes,
    },
    /// Removes `key`; removing a missing key succeeds.
    Delete {
        /// The map to change.
        space: KeySpace,
        /// The key to remove.
        key: Bytes,
    },
}

/// The changes of one commit, applied in order, all or none.
///
/// ```
/// use pinyon_core::storage::{KeySpace, WriteBatch};
/// const DOCUMENTS: KeySpace = KeySpace::new(1);
/// let mut batch = WriteBatch::default();
/// batch.put(DOCUMENTS, "users/1-a", "{}");
/// batch.delete(DOCUMENTS, "users/2-a");
/// assert_eq!(batch.len(), 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteBatch {
    writes: Vec<Write>,
    byte_count: usize,
}

impl WriteBatch {
    /// An empty batch with room for `count` changes.
    pub fn with_capacity(count: usize) -> Self {
        Self {
            writes: Vec::with_capacity(count),
            byte_count: 0,
        }
    }

    /// Adds a put.
    pub fn put(&mut self, space: KeySpace, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        let (key, value) = (key.into(), value.into());
        self.byte_count += key.len() + value.len();
        self.writes.push(Write::Put { space, key, value });
    }

    /// Adds a delete.
    pub fn delete(&mut self, space: KeySpace, key: impl Into<Bytes>) {
        let key = key.into();
        self.byte_count += key.len();
        self.writes.push(Write::Delete { space, key });
    }

    /// The changes in the order they are applied.
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// Takes the changes out, in order.
    pub fn into_writes(self) -> Vec<Write> {
        self.writes
    }

    /// The number of changes.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether the batch changes nothing; committing it is still a (void) commit.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The bytes of all keys and values.
    pub fn byte_count(&self) -> usize {
        self.byte_count
    }
}
