//! Reads: one redb read transaction, shared by all snapshots of the same state.
//!
//! Reads run where they are called: redb answers from its cache or the file, so the futures are
//! ready at once.

use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use pinyon_core::Result;
use pinyon_core::storage::{Direction, KeyRange, KeySpace, Page, PageLimits, Snapshot, StoreName};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, TableError};

use crate::block_file::BlockFile;
use crate::error::redb_error;
use crate::{table, value};

type OpenTable = ReadOnlyTable<&'static [u8], &'static [u8]>;
type StoredEntry = (
    redb::AccessGuard<'static, &'static [u8]>,
    redb::AccessGuard<'static, &'static [u8]>,
);

/// One committed state, with the tables opened so far.
pub(crate) struct State {
    store: StoreName,
    transaction: ReadTransaction,
    blocks: Arc<BlockFile>,
    /// `None` inside: the space was never written.
    tables: [OnceLock<Option<OpenTable>>; KeySpace::COUNT as usize],
}

impl State {
    pub(crate) fn new(
        store: StoreName,
        transaction: ReadTransaction,
        blocks: Arc<BlockFile>,
    ) -> Self {
        Self {
            store,
            transaction,
            blocks,
            tables: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    fn table(&self, space: KeySpace) -> Result<Option<&OpenTable>> {
        let slot = &self.tables[usize::from(space.number())];
        if let Some(table) = slot.get() {
            return Ok(table.as_ref());
        }
        let opened = match self.transaction.open_table(table::table_of(space)) {
            Ok(table) => Some(table),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(reason) => return Err(self.failed("open a table", reason)),
        };
        Ok(slot.get_or_init(|| opened).as_ref())
    }

    fn failed(&self, doing: &str, reason: impl Into<redb::Error>) -> pinyon_core::Error {
        redb_error(self.store.as_str(), doing, self.blocks.damage(), reason)
    }

    /// The number of entries in `space`.
    pub(crate) fn len(&self, space: KeySpace) -> Result<u64> {
        match self.table(space)? {
            Some(table) => table
                .len()
                .map_err(|reason| self.failed("count entries", reason)),
            None => Ok(0),
        }
    }

    /// The number of entries in all spaces.
    pub(crate) fn total(&self) -> Result<u64> {
        KeySpace::all().map(|space| self.len(space)).sum()
    }

    /// Calls `entry` with each key of `space`, ascending, and the stored form of its value.
    pub(crate) fn visit(
        &self,
        space: KeySpace,
        mut entry: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let Some(table) = self.table(space)? else {
            return Ok(());
        };
        let entries = table.iter().map_err(|reason| self.failed("scan", reason))?;
        for item in entries {
            let (key, stored) = item.map_err(|reason| self.failed("scan", reason))?;
            entry(key.value(), stored.value())?;
        }
        Ok(())
    }

    /// What to say of a key that does not follow the one before it.
    pub(crate) fn out_of_order(&self, space: KeySpace, key: &[u8]) -> pinyon_core::Error {
        pinyon_core::Error::corrupted(format!(
            "store '{}': key '{}' in key space {} is out of order",
            self.store.as_str(),
            key.escape_ascii(),
            space.number()
        ))
    }

    pub(crate) fn decode(&self, space: KeySpace, key: &[u8], stored: &[u8]) -> Result<Bytes> {
        value::decode(self.store.as_str(), space, key, stored)
    }

    pub(crate) fn get_many(&self, space: KeySpace, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>> {
        let Some(table) = self.table(space)? else {
            return Ok(vec![None; keys.len()]);
        };
        keys.iter()
            .map(|key| {
                match ReadableTable::get(table, &key[..])
                    .map_err(|reason| self.failed("read a value", reason))?
                {
                    Some(stored) => self.decode(space, key, stored.value()).map(Some),
                    None => Ok(None),
                }
            })
            .collect()
    }

    pub(crate) fn scan(
        &self,
        space: KeySpace,
        range: &KeyRange,
        direction: Direction,
        limits: PageLimits,
    ) -> Result<Page> {
        // redb panics on inverted bounds.
        if range.is_empty() {
            return Ok(Page::default());
        }
        let Some(table) = self.table(space)? else {
            return Ok(Page::default());
        };
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = range.bounds();
        let entries = table
            .range::<&[u8]>(bounds)
            .map_err(|reason| self.failed("scan", reason))?;
        match direction {
            Direction::Forward => self.collect_page(space, entries, limits),
            Direction::Backward => self.collect_page(space, entries.rev(), limits),
        }
    }

    fn collect_page(
        &self,
        space: KeySpace,
        entries: impl Iterator<Item = Result<StoredEntry, redb::StorageError>>,
        limits: PageLimits,
    ) -> Result<Page> {
        let mut page = Page::default();
        let mut byte_count = 0;
        for entry in entries {
            let (key, stored) = entry.map_err(|reason| self.failed("scan", reason))?;
            if page.entries.len() >= limits.entries.max(1) || byte_count >= limits.bytes.max(1) {
                page.has_more = true;
                break;
            }
            let value = self.decode(space, key.value(), stored.value())?;
            byte_count += key.value().len() + value.len();
            page.entries
                .push((Bytes::copy_from_slice(key.value()), value));
        }
        Ok(page)
    }
}

/// A frozen state of a [`crate::NativeStore`]. It costs the writer nothing but the space of pages
/// replaced while it lives.
#[derive(Clone)]
pub struct NativeSnapshot(pub(crate) Arc<State>);

impl Snapshot for NativeSnapshot {
    async fn get_many(&self, space: KeySpace, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>> {
        self.0.get_many(space, keys)
    }

    async fn scan(
        &self,
        space: KeySpace,
        range: &KeyRange,
        direction: Direction,
        limits: PageLimits,
    ) -> Result<Page> {
        self.0.scan(space, range, direction, limits)
    }
}
