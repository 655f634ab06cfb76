//! Reads: what is committed since the last checkpoint, on top of one redb read transaction that
//! all snapshots share until the next one.
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
use crate::layers::{Layers, LayersCursor};
use crate::value_cache::StoreValues;
use crate::{table, value};

/// Scans of at most so many entries are pages that somebody looks at, maybe again.
const PAGE_ENTRIES: usize = 256;
/// Values of scans from this size on are cheaper to find among those that were read before than to
/// check and copy.
const LARGE_BYTES: usize = 2 << 10;

type OpenTable = ReadOnlyTable<&'static [u8], &'static [u8]>;
type StoredEntry = (
    redb::AccessGuard<'static, &'static [u8]>,
    redb::AccessGuard<'static, &'static [u8]>,
);

/// What redb held at a checkpoint, with the tables opened so far.
pub(crate) struct Base {
    store: StoreName,
    transaction: ReadTransaction,
    blocks: Arc<BlockFile>,
    /// `None` inside: the space was never written.
    tables: [OnceLock<Option<OpenTable>>; KeySpace::COUNT as usize],
    /// What was read of it, while it is the newest.
    values: Arc<StoreValues>,
    /// Its number there.
    number: u64,
}

impl Base {
    pub(crate) fn new(
        store: StoreName,
        transaction: ReadTransaction,
        blocks: Arc<BlockFile>,
        values: &Arc<StoreValues>,
    ) -> Self {
        Self {
            store,
            transaction,
            blocks,
            tables: std::array::from_fn(|_| OnceLock::new()),
            values: Arc::clone(values),
            number: values.state(),
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
    fn len(&self, space: KeySpace) -> Result<u64> {
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

    fn get(&self, space: KeySpace, key: &[u8]) -> Result<Option<Bytes>> {
        let Some(table) = self.table(space)? else {
            return Ok(None);
        };
        let place = self.values.place(space, key);
        if let Some(value) = self.values.get(self.number, place, space, key) {
            return Ok(Some(value));
        }
        let found =
            ReadableTable::get(table, key).map_err(|reason| self.failed("read a value", reason))?;
        let Some(stored) = found else {
            return Ok(None);
        };
        let value = self.decode(space, key, stored.value())?;
        self.values.offer(self.number, place, space, key, &value);
        Ok(Some(value))
    }

    /// The value of an entry that a scan came to.
    fn scanned(&self, space: KeySpace, key: &[u8], stored: &[u8], is_kept: bool) -> Result<Bytes> {
        if !is_kept || stored.len() < LARGE_BYTES {
            return self.decode(space, key, stored);
        }
        let place = self.values.place(space, key);
        if let Some(value) = self.values.get(self.number, place, space, key) {
            return Ok(value);
        }
        let value = self.decode(space, key, stored)?;
        self.values.offer(self.number, place, space, key, &value);
        Ok(value)
    }

    fn has(&self, space: KeySpace, key: &[u8]) -> Result<bool> {
        let Some(table) = self.table(space)? else {
            return Ok(false);
        };
        let found =
            ReadableTable::get(table, key).map_err(|reason| self.failed("read a value", reason))?;
        Ok(found.is_some())
    }
}

/// One committed state.
pub(crate) struct State {
    base: Arc<Base>,
    layers: Layers,
    /// The last commit in it.
    commit: u64,
}

impl State {
    pub(crate) fn new(base: Arc<Base>, layers: Layers, commit: u64) -> Self {
        Self {
            base,
            layers,
            commit,
        }
    }

    /// The number of entries in `space`.
    pub(crate) fn len(&self, space: KeySpace) -> Result<u64> {
        let mut len = self.base.len(space)?;
        let (everything, forward) = (KeyRange::all(), Direction::Forward);
        let mut changes =
            (self.layers).cursor(space, &everything, forward, self.commit, usize::MAX);
        while let Some((key, change)) = changes.take() {
            match (self.base.has(space, &key)?, change.is_some()) {
                (false, true) => len += 1,
                (true, false) => len -= 1,
                _ => {}
            }
        }
        Ok(len)
    }

    pub(crate) fn get_many(&self, space: KeySpace, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>> {
        if let [key] = keys {
            // Most reads are of one document: nothing is gathered for them.
            let value = match self.layers.get(space, key, self.commit) {
                Some(change) => change,
                None => self.base.get(space, key)?,
            };
            return Ok(vec![value]);
        }
        let changes = self.layers.get_many(space, keys, self.commit);
        let values = keys.iter().zip(changes).map(|(key, change)| match change {
            Some(value) => Ok(value),
            None => self.base.get(space, key),
        });
        values.collect()
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
        let stored = match self.base.table(space)? {
            Some(table) => {
                let bounds: (Bound<&[u8]>, Bound<&[u8]>) = range.bounds();
                let found = table.range::<&[u8]>(bounds);
                Some(found.map_err(|reason| self.base.failed("scan", reason))?)
            }
            None => None,
        };
        let stored = stored.into_iter().flatten();
        // And one that says whether there are more.
        let count = limits.entries.saturating_add(1);
        let changes = (self.layers).cursor(space, range, direction, self.commit, count);
        let merged = Merged {
            base: &self.base,
            space,
            direction,
            changes,
            limits,
        };
        match direction {
            Direction::Forward => merged.collect_page(stored),
            Direction::Backward => merged.collect_page(stored.rev()),
        }
    }
}

/// A scan over what redb holds and what changed since.
struct Merged<'a> {
    base: &'a Base,
    space: KeySpace,
    direction: Direction,
    changes: LayersCursor<'a>,
    limits: PageLimits,
}

impl Merged<'_> {
    fn collect_page(
        mut self,
        stored: impl Iterator<Item = Result<StoredEntry, redb::StorageError>>,
    ) -> Result<Page> {
        let mut stored = stored.peekable();
        let direction = self.direction;
        let mut page = Page::default();
        let mut byte_count = 0;
        loop {
            let (is_changed, is_stored) = match (self.changes.peek(), stored.peek()) {
                (None, None) => break,
                (None, Some(_)) | (Some(_), Some(Err(_))) => (false, true),
                (Some(_), None) => (true, false),
                (Some((key, _)), Some(Ok((stored_key, _)))) => {
                    let order = match direction {
                        Direction::Forward => key[..].cmp(stored_key.value()),
                        Direction::Backward => stored_key.value().cmp(&key[..]),
                    };
                    (order.is_le(), order.is_ge())
                }
            };
            let entry = match is_stored {
                true => stored.next().transpose(),
                false => Ok(None),
            };
            let entry = entry.map_err(|reason| self.base.failed("scan", reason))?;
            let change = match is_changed {
                true => self.changes.take(),
                false => None,
            };
            if let Some((_, None)) = change {
                continue;
            }
            if page.entries.len() >= self.limits.entries.max(1)
                || byte_count >= self.limits.bytes.max(1)
            {
                page.has_more = true;
                break;
            }
            let (key, value) = match (change, entry) {
                (Some((key, Some(value))), _) => (key, value),
                (_, Some((key, stored))) => {
                    let is_kept = self.limits.entries <= PAGE_ENTRIES;
                    let (space, key_bytes) = (self.space, key.value());
                    let value = (self.base).scanned(space, key_bytes, stored.value(), is_kept)?;
                    (Bytes::copy_from_slice(key.value()), value)
                }
                (_, None) => continue,
            };
            byte_count += key.len() + value.len();
            page.entries.push((key, value));
        }
        Ok(page)
    }
}

/// A frozen state of a [`crate::NativeStore`]. It costs the writer nothing but the space of pages
/// replaced while it lives, and the memory of what was not in redb yet.
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
