//! Compaction: copies a store into a new file, in key order, and swaps the two.
//!
//! redb's own compaction moves pages inside the file and hardly shrinks it after scattered
//! deletes; on the copy, whose pages are full, it closes the gaps. Until the rename nothing of the old file is touched; what a crash leaves of the copy is
//! removed by the next open.

use std::sync::Arc;

use pinyon_core::host::Random;
use pinyon_core::storage::{KeySpace, StoreName};
use pinyon_core::{Error, Result};
use redb::Database;

use crate::block_file::BlockFile;
use crate::disk::Directory;
use crate::engine::{self, DATA_FILE, Engine};
use crate::error::{redb_error, store_error};
use crate::options::NativeOptions;
use crate::snapshot::Base;
use crate::table;
use crate::value_cache::ValueCache;
use crate::verify::{PROGRESS_ENTRIES, Progress};

/// The copy, until it takes the old file's place.
pub(crate) const COPY_FILE: &str = "data.unfinished";
/// Bytes copied in one transaction.
const TRANSACTION_BYTES: usize = 8 << 20;

/// What compacting a store gained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactReport {
    /// Bytes of disk its data took before.
    pub before_bytes: u64,
    /// Bytes it takes now.
    pub after_bytes: u64,
}

/// Compacts a store that nobody has open.
pub(crate) fn compact(
    name: &StoreName,
    directory: &Arc<dyn Directory>,
    options: &NativeOptions,
    random: &Arc<dyn Random>,
    progress: &mut dyn FnMut(Progress),
) -> Result<CompactReport> {
    let mut engine = Engine::open(
        name.clone(),
        Arc::clone(directory),
        options.clone(),
        Arc::clone(random),
        // Everything is read once.
        &ValueCache::new(0),
    )?;
    engine.checkpoint()?;
    let failed = |reason| store_error(name.as_str(), "compact", reason);
    let before_bytes = engine.blocks().allocated().map_err(failed)?;
    let copied = copy(name, &mut engine, directory, options, &**random, progress);
    if let Err(error) = copied {
        // The copy is of no use; the error matters more than a failure to remove it, which the
        // next open does anyway.
        let _ = directory.remove(COPY_FILE);
        return Err(error);
    }
    engine.close()?;
    directory.rename(COPY_FILE, DATA_FILE).map_err(failed)?;
    directory.sync().map_err(failed)?;
    let after_bytes = directory
        .open(DATA_FILE)
        .and_then(|file| file.allocated())
        .map_err(failed)?;
    Ok(CompactReport {
        before_bytes,
        after_bytes,
    })
}

fn copy(
    name: &StoreName,
    engine: &mut Engine,
    directory: &Arc<dyn Directory>,
    options: &NativeOptions,
    random: &dyn Random,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let blocks = engine::create_blocks(name, directory, COPY_FILE, random)?;
    let database = engine::open_redb(name, &blocks, options)?;
    let mut copy = Copy {
        name,
        base: engine.base()?,
        blocks,
        database,
        done: 0,
        progress,
    };
    for space in KeySpace::all() {
        copy.copy_space(space)?;
    }
    let total = copy.base.total()?;
    (copy.progress)(Progress {
        done: copy.done,
        total,
    });
    let failed = |reason| redb_error(name.as_str(), "compact", copy.blocks.damage(), reason);
    let mut last = copy.database.begin_write().map_err(|e| failed(e.into()))?;
    last.set_quick_repair(true);
    engine::write_notes(last, &engine.notes()).map_err(failed)?;
    // redb doubles its file when it needs room and leaves what it did not need in between.
    copy.database.compact().map_err(|e| failed(e.into()))?;
    check_room(name, &copy.blocks)?;
    copy.database.close().map_err(|e| failed(e.into()))
}

struct Copy<'a> {
    name: &'a StoreName,
    base: Arc<Base>,
    blocks: Arc<BlockFile>,
    database: Database,
    done: u64,
    progress: &'a mut dyn FnMut(Progress),
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

impl Copy<'_> {
    fn copy_space(&mut self, space: KeySpace) -> Result<()> {
        let total = self.base.total()?;
        let mut entries = Entries::new();
        let mut byte_count = 0;
        let (base, database, blocks, name) = (&self.base, &self.database, &self.blocks, self.name);
        let (done, progress) = (&mut self.done, &mut *self.progress);
        base.visit(space, |key, stored| {
            // A damaged value must not be carried over as if it were whole.
            base.decode(space, key, stored)?;
            byte_count += key.len() + stored.len();
            entries.push((key.to_vec(), stored.to_vec()));
            if byte_count >= TRANSACTION_BYTES {
                write(name, database, blocks, space, std::mem::take(&mut entries))?;
                byte_count = 0;
            }
            *done += 1;
            if done.is_multiple_of(PROGRESS_ENTRIES) {
                progress(Progress { done: *done, total });
            }
            Ok(())
        })?;
        write(name, database, blocks, space, entries)
    }
}

fn write(
    name: &StoreName,
    database: &Database,
    blocks: &BlockFile,
    space: KeySpace,
    entries: Entries,
) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let bytes: usize = entries
        .iter()
        .map(|(key, stored)| key.len() + stored.len())
        .sum();
    let room = 2 * bytes as u64 + (1 << 20);
    blocks
        .reserve(room, false)
        .map_err(|reason| store_error(name.as_str(), "compact", reason))?;
    let written = write_entries(database, space, entries);
    written.map_err(|reason| redb_error(name.as_str(), "compact", blocks.damage(), reason))?;
    blocks.settle(blocks.promised());
    check_room(name, blocks)
}

fn check_room(name: &StoreName, blocks: &BlockFile) -> Result<()> {
    if blocks.is_waiting() {
        return Err(Error::new(
            pinyon_core::ErrorKind::StorageFull,
            format!("store '{}': compact: the disk is full", name.as_str()),
        ));
    }
    Ok(())
}

fn write_entries(
    database: &Database,
    space: KeySpace,
    entries: Entries,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(table::table_of(space))?;
        for (key, stored) in entries {
            table.insert(&key[..], &stored[..])?;
        }
    }
    // Durable each time, which is nothing beside the copying, so that pages do not gather in
    // memory.
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests;
