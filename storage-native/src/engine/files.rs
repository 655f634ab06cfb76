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
use crate::journals::{self, Journals};
use crate::options::NativeOptions;

/// The B-tree file inside a store's directory.
pub(crate) const DATA_FILE: &str = "data";
/// The engine's own notes in redb, beside the key spaces.
const NOTES: TableDefinition<'static, &'static str, u64> = TableDefinition::new("notes");
/// The last commit that redb holds durably.
const APPLIED: &str = "applied";
/// Of each journal, how far it had come.
const SIZE: &str = "size";
const GENERATION: &str = "generation";

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
    let mut journals = Journals::open(directory).map_err(failed)?;
    journals.grow(options.first_journal_bytes(), random)?;
    let notes = Notes {
        applied: 0,
        journals: journals.notes(),
    };
    let blocks = create_blocks(name, directory, DATA_FILE, random)?;
    let database = open_redb(name, &blocks, options)?;
    write_first(database, &notes)
        .map_err(|reason| redb_error(name.as_str(), "create", blocks.damage(), reason))?;
    directory.sync().map_err(failed)
}

fn write_first(database: Database, notes: &Notes) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    write_notes(transaction, notes)?;
    Ok(database.close()?)
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

/// What redb notes about itself and the journals with each checkpoint.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Notes {
    /// The last commit that redb holds durably.
    pub(crate) applied: u64,
    /// How far the journals had come; nothing in stores that older versions wrote.
    pub(crate) journals: journals::Notes,
}

fn name_of(file: &str, what: &str) -> String {
    format!("{file} {what}")
}

/// What redb noted last.
pub(crate) fn read_notes(database: &Database) -> Result<Notes, redb::Error> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(NOTES) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(Notes::default()),
        table => table?,
    };
    let number = |name: &str| -> Result<u64, redb::Error> {
        Ok(table.get(name)?.map_or(0, |number| number.value()))
    };
    let mut notes = Notes {
        applied: number(APPLIED)?,
        ..Notes::default()
    };
    for (file, note) in journals::FILES.iter().zip(&mut notes.journals) {
        note.size = number(&name_of(file, SIZE))?;
        note.generation = number(&name_of(file, GENERATION))?;
    }
    Ok(notes)
}

/// Commits `transaction` with `notes`.
pub(crate) fn write_notes(
    transaction: redb::WriteTransaction,
    notes: &Notes,
) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(NOTES)?;
    table.insert(APPLIED, notes.applied)?;
    for (file, note) in journals::FILES.iter().zip(&notes.journals) {
        table.insert(&*name_of(file, SIZE), note.size)?;
        table.insert(&*name_of(file, GENERATION), note.generation)?;
    }
    drop(table);
    Ok(transaction.commit()?)
}
