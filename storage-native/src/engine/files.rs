//! The files of a store as the engine finds them: creating them, and redb inside them.

use std::io;
use std::sync::Arc;

use pinyon_core::Result;
use pinyon_core::host::Random;
use pinyon_core::storage::StoreName;
use redb::{Database, ReadableDatabase, StorageBackend, TableDefinition, TableError};

use super::CHECKPOINT_BYTES;
use crate::block_file::BlockFile;
use crate::disk::Directory;
use crate::error::{redb_error, store_error};
use crate::options::NativeOptions;

/// The B-tree file inside a store's directory.
pub(crate) const DATA_FILE: &str = "data";
/// The engine's own notes in redb, beside the key spaces.
const NOTES: TableDefinition<'static, &'static str, u64> = TableDefinition::new("notes");
/// The last commit that redb holds durably.
const APPLIED: &str = "applied";
/// Lets redb share the block file with the engine.
#[derive(Debug)]
struct Backend(Arc<BlockFile>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

/// Opens redb inside `blocks`, new or not.
pub(crate) fn open_redb(
    name: &StoreName,
    blocks: &Arc<BlockFile>,
    options: &NativeOptions,
) -> Result<Database> {
    redb::Builder::new()
        .set_cache_size(options.cache_bytes)
        .create_with_backend(Backend(Arc::clone(blocks)))
        .map_err(|reason| redb_error(name.as_str(), "open", blocks.damage(), reason))
}

/// Makes the files of an empty store. The caller makes the directory appear afterwards, so that a
/// crash in between leaves nothing that looks like a store.
pub(crate) fn create(
    name: &StoreName,
    directory: &Arc<dyn Directory>,
    options: &NativeOptions,
    random: &dyn Random,
) -> Result<()> {
    let failed = |reason| store_error(name.as_str(), "create", reason);
    let blocks = create_blocks(name, directory, DATA_FILE, random)?;
    let database = open_redb(name, &blocks, options)?;
    database
        .close()
        .map_err(|reason| redb_error(name.as_str(), "create", blocks.damage(), reason))?;
    directory.sync().map_err(failed)
}

/// A new, empty block file.
pub(crate) fn create_blocks(
    name: &StoreName,
    directory: &Arc<dyn Directory>,
    file: &str,
    random: &dyn Random,
) -> Result<Arc<BlockFile>> {
    let failed = |reason| store_error(name.as_str(), "create", reason);
    let mut file_id = [0; 8];
    random.fill(&mut file_id)?;
    let file = directory.open(file).map_err(failed)?;
    file.set_len(0).map_err(failed)?;
    let blocks = BlockFile::create(file, u64::from_le_bytes(file_id));
    blocks.reserve(CHECKPOINT_BYTES, false).map_err(failed)?;
    Ok(Arc::new(blocks))
}

/// The last commit that redb holds durably, as it noted itself.
pub(crate) fn read_applied(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(NOTES) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(0),
        table => table?,
    };
    Ok(table.get(APPLIED)?.map_or(0, |applied| applied.value()))
}

/// Commits `transaction` with the note that it holds all commits up to `sequence`.
pub(crate) fn write_applied(
    transaction: redb::WriteTransaction,
    sequence: u64,
) -> Result<(), redb::Error> {
    transaction.open_table(NOTES)?.insert(APPLIED, sequence)?;
    Ok(transaction.commit()?)
}
