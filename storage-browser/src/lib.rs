//! IndexedDB behind the storage port (`pinyon_core::storage`).
//!
//! IndexedDB costs per record and per transaction, not per byte, so both are few: a commit is one
//! record of a log, and a compaction now and then writes the log's changes into sorted pages
//! (docs/decisions/0007-indexeddb-format.md). In a worker the log is a journal in files
//! (docs/decisions/0012-browser-journal.md).
//!
//! Invariants:
//! - one tab owns an environment at a time, by a Web Lock held while it is open;
//! - a page is never overwritten, and goes only when no snapshot can read it any more;
//! - every page, log record and root is checked against a checksum over its place and its bytes.

mod checksum;
mod engine;
mod environment;
mod fields;
mod indexed_db;
mod journal;
mod log_record;
mod options;
mod page;
mod page_cache;
mod page_index;
mod tables;

pub use environment::{BrowserEnvironment, BrowserSnapshot, BrowserStore, StorageKind};
pub use options::BrowserOptions;
