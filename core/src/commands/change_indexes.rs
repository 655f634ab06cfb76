//! Keeping the definitions of indexes.

use bytes::Bytes;

use super::Transaction;
use crate::schema::INDEXES;
use crate::storage::Snapshot;

/// Replaces or removes records of indexes, by lower-cased name.
#[derive(Debug, Clone)]
pub struct ChangeIndexes {
    /// Name and record; `None` to remove it.
    pub records: Vec<(Bytes, Option<Bytes>)>,
}

impl ChangeIndexes {
    pub(crate) fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) {
        for (key, record) in &self.records {
            match record {
                Some(record) => tx.put(INDEXES, key.clone(), record.clone()),
                None => tx.delete(INDEXES, key.clone()),
            }
        }
    }
}
