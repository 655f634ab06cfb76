//! What the latest batches of an index had to do and how long they took, for people who ask.
//!
//! It is kept in memory: what happened before the index was opened is not known.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::host::Timestamp;

/// How many batches are remembered.
const MOST_RECORDS: usize = 64;

/// One batch: all that was committed at once, or in several commits of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRecord {
    /// The number of the batch among those of the index.
    pub number: u64,
    /// Documents and deletions dealt with.
    pub inputs: u64,
    /// Entries, or what the maps handed to the reduce.
    pub outputs: u64,
    /// Documents that a map failed on, and groups that the reduce failed on.
    pub failures: u64,
    /// Runs of the reduce.
    pub reduces: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When everything was mapped.
    pub mapped_at: Timestamp,
    /// When it was reduced and committed.
    pub completed_at: Timestamp,
}

/// The latest batches.
#[derive(Default)]
pub(super) struct BatchRecords(Mutex<VecDeque<BatchRecord>>);

impl BatchRecords {
    pub(super) fn add(&self, record: BatchRecord) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() == MOST_RECORDS {
            records.pop_front();
        }
        records.push_back(record);
    }

    pub(super) fn all(&self) -> Vec<BatchRecord> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().cloned().collect()
    }
}
