//! A checkpoint: brings an overlay that nothing is added to any more into redb, durably.
//!
//! It is made by whoever comes first: the thread that was started for it, or the writer that
//! cannot go on without it. Commits go on beside it, into the next overlay and the other journal.
//!
//! Invariants:
//! - it runs once; what it came to is taken once;
//! - redb has one transaction that writes, so there is one checkpoint of a store at a time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use pinyon_core::storage::{KeySpace, WriteBatch};
use redb::Database;

use super::files::Notes;
use super::{files, merge};
use crate::overlay::Overlay;

/// What a checkpoint works on.
pub(super) struct Work {
    pub(super) database: Arc<Database>,
    pub(super) overlay: Arc<Overlay>,
    /// What redb notes with it.
    pub(super) notes: Notes,
}

impl Work {
    /// Writes the overlay, and `batch` behind it as the last commit of the notes.
    pub(super) fn write(self, batch: Option<&WriteBatch>) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_quick_repair(true);
        for space in KeySpace::all() {
            merge::merge_overlay(&transaction, &self.overlay, space)?;
        }
        if let Some(batch) = batch {
            merge::write_batch(&transaction, batch)?;
        }
        files::write_notes(transaction, &self.notes)
    }
}

/// A checkpoint that has begun; clones of the `Arc` around it are its handles.
pub(crate) struct Checkpoint {
    /// The last commit that it makes durable.
    sequence: u64,
    /// Bytes of disk promised to what it writes.
    promised: u64,
    progress: Mutex<Progress>,
    done: Condvar,
}

enum Progress {
    Waiting(Work),
    Running,
    /// `None` after the result was taken.
    Done(Option<Result<(), redb::Error>>),
}

impl Checkpoint {
    pub(super) fn new(work: Work, promised: u64) -> Self {
        Self {
            sequence: work.notes.applied,
            promised,
            progress: Mutex::new(Progress::Waiting(work)),
            done: Condvar::new(),
        }
    }

    /// The last commit that it makes durable.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Bytes of disk promised to what it writes.
    pub(super) fn promised(&self) -> u64 {
        self.promised
    }

    // Progress is changed in one step each time, so a poisoned lock is good.
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the work, unless somebody else does or did.
    pub(crate) fn run(&self) {
        let mut progress = self.progress();
        let work = match std::mem::replace(&mut *progress, Progress::Running) {
            Progress::Waiting(work) => work,
            other => return *progress = other,
        };
        drop(progress);
        // Whoever waits must hear of a panic in here as well.
        let mut outcome = Outcome {
            checkpoint: self,
            result: Some(Err(redb::Error::PreviousIo)),
        };
        outcome.result = Some(work.write(None));
    }

    /// Whether the work is done.
    pub(super) fn is_done(&self) -> bool {
        matches!(*self.progress(), Progress::Done(_))
    }

    /// Does the work or waits for it, and takes its result; the caller is the only one who does.
    pub(super) fn finish(&self) -> Result<(), redb::Error> {
        self.run();
        let mut progress = self.progress();
        loop {
            if let Progress::Done(result) = &mut *progress {
                return result.take().unwrap_or(Err(redb::Error::PreviousIo));
            }
            progress = self
                .done
                .wait(progress)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

struct Outcome<'a> {
    checkpoint: &'a Checkpoint,
    result: Option<Result<(), redb::Error>>,
}

impl Drop for Outcome<'_> {
    fn drop(&mut self) {
        *self.checkpoint.progress() = Progress::Done(self.result.take());
        self.checkpoint.done.notify_all();
    }
}
