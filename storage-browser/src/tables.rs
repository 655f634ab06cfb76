//! What the engine asks of IndexedDB: tables of records with numbers for keys, read by several
//! keys at once and changed by one transaction.
//!
//! Invariants of an implementation:
//! - `apply` is all or nothing, also when its future is dropped after the first poll;
//! - transactions on a table take effect in the order in which they were first polled.

use std::future::Future;
use std::ops::RangeInclusive;

use bytes::Bytes;
use futures_util::future::{BoxFuture, Shared};
use pinyon_core::Result;
use pinyon_core::storage::Durability;

use crate::journal::JournalFile;

/// Work that goes on whether or not somebody waits for it.
pub(crate) type Work = Shared<BoxFuture<'static, Result<()>>>;

/// A table: an object store of IndexedDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// The names and numbers of the stores; one record.
    Catalog,
    /// For each store, where its log begins and which pages it has.
    Roots,
    /// The commits since the last compaction, each of one record or several.
    Log,
    /// Sorted pages.
    Pages,
}

impl Table {
    pub(crate) const ALL: [Self; 4] = [Self::Catalog, Self::Roots, Self::Log, Self::Pages];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Roots => "roots",
            Self::Log => "log",
            Self::Pages => "pages",
        }
    }

    /// Part of the stored checksums.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Catalog => 0,
            Self::Roots => 1,
            Self::Log => 2,
            Self::Pages => 3,
        }
    }
}

/// A record's key: the store's number and the record's, in one number that JavaScript holds
/// exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TableKey(u64);

impl TableKey {
    const RECORD_BITS: u32 = 36;
    /// The highest number of a record.
    pub(crate) const MAX_RECORD: u64 = (1 << Self::RECORD_BITS) - 1;
    /// The highest number of a store: both fit into the 53 bits of a JavaScript number.
    pub(crate) const MAX_STORE: u64 = (1 << (53 - Self::RECORD_BITS)) - 1;

    /// # Panics
    /// When a number is above its maximum, which callers check where numbers are given out.
    pub(crate) fn new(store: u64, record: u64) -> Self {
        assert!(store <= Self::MAX_STORE && record <= Self::MAX_RECORD);
        Self(store << Self::RECORD_BITS | record)
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// The keys of all records of `store` from `record` on.
    pub(crate) fn from_record(store: u64, record: u64) -> RangeInclusive<Self> {
        Self::new(store, record)..=Self::new(store, Self::MAX_RECORD)
    }
}

/// One change of a transaction.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Put(Table, TableKey, Vec<u8>),
    Delete(Table, RangeInclusive<TableKey>),
}

impl Change {
    pub(crate) fn table(&self) -> Table {
        match self {
            Self::Put(table, ..) | Self::Delete(table, _) => *table,
        }
    }
}

/// The tables of one environment, and the files beside them.
pub(crate) trait Tables: Clone + Send + Sync + 'static {
    /// A file of the journal.
    type File: JournalFile;

    /// The records of `keys`, in their order.
    fn get_many(
        &self,
        table: Table,
        keys: &[TableKey],
    ) -> impl Future<Output = Result<Vec<Option<Bytes>>>> + Send;

    /// The first `limit` records in a range of keys, ascending.
    fn get_range(
        &self,
        table: Table,
        range: RangeInclusive<TableKey>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Bytes>>> + Send;

    /// Applies `changes` in order, all or nothing.
    ///
    /// # Errors
    /// `StorageFull` when nothing was applied; `Closed` when nothing is known about it.
    fn apply(
        &self,
        changes: Vec<Change>,
        durability: Durability,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Opens the files of the journal, which nobody else has open then; `None` where a page cannot
    /// have any.
    fn open_files(&self) -> impl Future<Output = Result<Option<[Self::File; 2]>>> + Send;

    /// What is in the files of the journal, where they cannot be opened.
    fn read_files(&self) -> impl Future<Output = Result<[Vec<u8>; 2]>> + Send;

    /// The time, by a clock that may be set.
    fn now_ms(&self) -> u64;

    /// Sees to it that `work` goes on by itself.
    fn drive(&self, work: Work);

    /// Resolves after some time.
    fn sleep(&self, ms: u32) -> impl Future<Output = ()> + Send + use<Self>;
}
