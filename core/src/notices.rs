//! Notices: things the owner of a database may want to know, with no effect of their own.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::host::Timestamp;

/// One thing to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: NoticeKind,
}

/// What a notice is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoticeKind {
    /// A document of at least the configured size was stored.
    LargeDocument {
        /// Its id.
        id: String,
        /// Its size, body and metadata.
        byte_count: usize,
    },
}

/// The newest notices of a database, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    newest: Mutex<VecDeque<Notice>>,
}

impl Notices {
    const KEPT: usize = 256;

    pub(crate) fn extend(&self, notices: Vec<Notice>) {
        if notices.is_empty() {
            return;
        }
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.extend(notices);
        let excess = newest.len().saturating_sub(Self::KEPT);
        newest.drain(..excess);
    }

    pub(crate) fn list(&self) -> Vec<Notice> {
        self.newest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}
