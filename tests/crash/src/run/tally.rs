//! What a run has seen.

use std::fmt;
use std::sync::atomic::Ordering;

use crate::check::Checked;
use crate::history::History;
use crate::writer::Shared;

/// What a run has seen, all of it checked.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// All crashes.
    pub crashes: u64,
    /// Those of them that struck while the server started.
    pub crashes_at_start: u64,
    /// Graceful stops under load, besides the crashes.
    pub stops: u64,
    /// Data directories.
    pub directories: u64,
    /// Acknowledged operations of the writers.
    pub acknowledged: u64,
    /// Acknowledged increments of the shared counter.
    pub increments: u64,
    /// Open operations that turned out to have been done.
    pub open_done: u64,
    /// Uploads that were broken off on purpose.
    pub abandoned: u64,
    /// Uploads that were refused because what they had sent was swept.
    pub swept: u64,
    /// Sweeps that gave contents back.
    pub content_sweeps: u64,
    /// Documents that were found gone by themselves, after their time.
    pub expired: u64,
    /// Documents that the server wrote anew, after their time.
    pub refreshed: u64,
    /// Documents read back and compared in full.
    pub documents_compared: u64,
    /// Revisions read back and compared in full.
    pub revisions_compared: u64,
    /// Attachments read back and compared in full, or found to be gone with their documents.
    pub attachments_compared: u64,
}

impl Tally {
    /// Adds what a check found and what the writers did before it.
    pub(super) fn add(&mut self, checked: &Checked, histories: &mut [History], shared: &Shared) {
        for history in histories {
            self.acknowledged += std::mem::take(&mut history.acknowledged);
        }
        self.abandoned += shared.abandoned.load(Ordering::Relaxed);
        self.swept += shared.swept.load(Ordering::Relaxed);
        self.open_done += checked.open_done;
        self.expired += checked.expired;
        self.refreshed += checked.refreshed;
        self.documents_compared += checked.documents;
        self.revisions_compared += checked.revisions;
        self.attachments_compared += checked.attachments;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} crashes ({} while starting) and {} stops of {} data directories, {} acknowledged \
             operations and {} increments, {} operations done and not acknowledged, {} uploads \
             broken off and {} too late, {} sweeps of contents, {} documents expired, {} \
             refreshed; compared {} documents, {} revisions, {} attachments",
            self.crashes,
            self.crashes_at_start,
            self.stops,
            self.directories,
            self.acknowledged,
            self.increments,
            self.open_done,
            self.abandoned,
            self.swept,
            self.content_sweeps,
            self.expired,
            self.refreshed,
            self.documents_compared,
            self.revisions_compared,
            self.attachments_compared
        )
    }
}
