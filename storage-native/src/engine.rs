//! The engine of one open store: the journal makes a commit durable, the overlay readable.
//!
//! The order of one commit, and why each step may fail:
//! 1. take disk space ahead: a full disk shows here, before anything was touched;
//! 2. append the batch to the journal and sync (relaxed commits: without the sync);
//! 3. add it to the overlay: now snapshots can see it. This cannot fail.
//!
//! A failure of the write in step 2 leaves no trace. A failed sync leaves it open whether the
//! batch survives, so the engine refuses everything until the store is opened again.
//!
//! Now and then a *checkpoint* puts what the overlay holds into redb, in one durable transaction
//! that also notes the last commit it holds. Commits go on beside it, into a new overlay and the
//! other of two journals; when it is done its overlay is forgotten and its journal free. Opening
//! replays what the journals have beyond that note.

mod checkpoint;
mod files;
mod merge;

use std::io;
use std::sync::Arc;

use pinyon_core::host::Random;
use pinyon_core::storage::{Durability, StoreName, Write, WriteBatch};
use pinyon_core::{Error, ErrorKind, Result};
use redb::{Database, ReadableDatabase};

pub(crate) use checkpoint::Checkpoint;
pub(crate) use files::{DATA_FILE, Notes, create, create_blocks, open_redb, write_notes};

use crate::block_file::BlockFile;
use crate::compact::COPY_FILE;
use crate::disk::{Directory, is_full};
use crate::error::{redb_error, store_error};
use crate::journal;
use crate::journals::Journals;
use crate::layers::Layers;
use crate::options::NativeOptions;
use crate::snapshot::{Base, State};
use crate::value_cache::{StoreValues, ValueCache};
use checkpoint::Work;

/// redb takes values below 3 GiB.
const LARGEST_VALUE: usize = (3 << 30) - 64;
/// Space for a batch's part of the pages on the way to what a checkpoint changes.
const BATCH_BYTES: u64 = 16 << 10;
/// Space a checkpoint may need beyond the batches' own: allocator state, freed page lists.
const CHECKPOINT_BYTES: u64 = 256 << 10;

/// One store's files, opened for reading and writing. Not shared: the writer thread owns it.
pub(crate) struct Engine {
    name: StoreName,
    options: NativeOptions,
    random: Arc<dyn Random>,
    blocks: Arc<BlockFile>,
    /// `None` after `close`.
    database: Option<Arc<Database>>,
    journals: Journals,
    /// The last commit that snapshots see.
    sequence: u64,
    /// The last commit that redb holds, durably.
    applied: u64,
    /// The commits since then.
    layers: Layers,
    /// Writes the lower layer into redb.
    running: Option<Arc<Checkpoint>>,
    /// The same, until a thread was given to it.
    unstarted: Option<Arc<Checkpoint>>,
    /// What redb holds, as snapshots read it; opened when it is asked for.
    base: Option<Arc<Base>>,
    /// What was read of it lately.
    values: Arc<StoreValues>,
    /// Journal records since the last checkpoint began.
    pending: u64,
    /// Puts and deletes in them.
    pending_writes: u64,
    /// The journal may end in a torn record; nothing may be appended before a checkpoint.
    torn: bool,
    failed: Option<Error>,
}

impl Engine {
    /// Opens a created store and recovers it.
    pub(crate) fn open(
        name: StoreName,
        directory: Arc<dyn Directory>,
        options: NativeOptions,
        random: Arc<dyn Random>,
        values: &Arc<ValueCache>,
    ) -> Result<Self> {
        let failed = |reason| store_error(name.as_str(), "open", reason);
        if !directory.exists(DATA_FILE).map_err(failed)? {
            return Err(Error::corrupted(format!(
                "store '{}' has lost its data file",
                name.as_str()
            )));
        }
        if directory.exists(COPY_FILE).map_err(failed)? {
            directory.remove(COPY_FILE).map_err(failed)?;
        }
        let file = directory.open(DATA_FILE).map_err(failed)?;
        let blocks = Arc::new(BlockFile::open(file).map_err(failed)?);
        let journals = Journals::open(&directory).map_err(failed)?;
        let database = Arc::new(open_redb(&name, &blocks, &options)?);
        let mut engine = Self {
            name,
            options,
            random,
            blocks,
            database: Some(database),
            journals,
            sequence: 0,
            applied: 0,
            layers: Layers::default(),
            running: None,
            unstarted: None,
            base: None,
            values: StoreValues::new(values),
            pending: 0,
            pending_writes: 0,
            torn: false,
            failed: None,
        };
        engine.recover()?;
        Ok(engine)
    }

    /// For the errors of readers.
    pub(crate) fn blocks(&self) -> Arc<BlockFile> {
        Arc::clone(&self.blocks)
    }

    /// The newest state, for reading.
    ///
    /// # Errors
    /// Why the engine failed; `Closed` when it is closed.
    pub(crate) fn state(&mut self) -> Result<State> {
        let layers = self.layers.clone();
        Ok(State::new(self.base()?, layers, self.sequence))
    }

    /// What redb holds: everything up to the last checkpoint.
    ///
    /// # Errors
    /// As [`Engine::state`].
    pub(crate) fn base(&mut self) -> Result<Arc<Base>> {
        let database = self.open_database()?;
        if let Some(base) = &self.base {
            return Ok(Arc::clone(base));
        }
        let transaction = database
            .begin_read()
            .map_err(|reason| self.redb_failed("begin to read", reason))?;
        let base = Base::new(self.name.clone(), transaction, self.blocks(), &self.values);
        Ok(Arc::clone(self.base.insert(Arc::new(base))))
    }

    /// What redb would note of a state in which it holds everything up to commit `applied`.
    fn notes_at(&self, applied: u64) -> Notes {
        Notes {
            applied,
            journals: self.journals.notes(),
        }
    }

    /// What a copy of all that redb holds has to note.
    pub(crate) fn notes(&self) -> Notes {
        self.notes_at(self.applied)
    }

    /// Lets redb compare the structure and checksums of all its pages. Nobody may be reading.
    ///
    /// # Errors
    /// `Corrupted` if something was wrong, even where redb could repair it.
    pub(crate) fn check_integrity(&mut self) -> Result<()> {
        self.checkpoint()?;
        self.base = None;
        // Nobody but a checkpoint that runs shares it.
        let database = self.database.as_mut().and_then(Arc::get_mut);
        let database = database.ok_or_else(|| crate::error::closed(self.name.as_str()))?;
        match database.check_integrity() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::corrupted(format!(
                "store '{}': the structure of the data file was damaged and has been repaired",
                self.name.as_str()
            ))),
            Err(reason) => Err(self.redb_failed("verify", reason)),
        }
    }

    /// Whether there are commits that no checkpoint has begun to write.
    pub(crate) fn is_dirty(&self) -> bool {
        self.pending > 0 && self.failed.is_none()
    }

    fn open_database(&self) -> Result<&Arc<Database>> {
        match (&self.failed, &self.database) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(database)) => Ok(database),
            (None, None) => Err(crate::error::closed(self.name.as_str())),
        }
    }

    /// Adds the store's name to an error of the journal.
    fn named(&self, error: Error) -> Error {
        let message = format!("store '{}': {}", self.name.as_str(), error.message());
        Error::new(error.kind(), message).with_source(error)
    }

    /// The error of a write to a journal that did not happen; all ends there if it may have.
    fn journal_failed(&mut self, error: Error) -> Error {
        let harmless = is_harmless(&error);
        let error = self.named(error);
        if harmless { error } else { self.fail(error) }
    }

    fn redb_failed(&self, doing: &str, reason: impl Into<redb::Error>) -> Error {
        redb_error(self.name.as_str(), doing, self.blocks.damage(), reason)
    }

    /// Refuses everything from now on and lets nothing more reach the disk.
    fn fail(&mut self, error: Error) -> Error {
        self.blocks.refuse_writes();
        let kind = match error.kind() {
            ErrorKind::Corrupted => ErrorKind::Corrupted,
            _ => ErrorKind::Closed,
        };
        let message = format!("{}; open the store again to recover it", error.message());
        let error = Error::new(kind, message).with_source(error);
        self.failed = Some(error.clone());
        error
    }

    fn recover(&mut self) -> Result<()> {
        let notes = files::read_notes(self.open_database()?);
        let notes = notes.map_err(|reason| self.redb_failed("open", reason))?;
        self.applied = notes.applied;
        self.sequence = notes.applied;
        let batches = match self.journals.read(notes.applied, notes.journals) {
            Ok(batches) => batches,
            Err(error) => return Err(self.named(error)),
        };
        if batches.is_empty() {
            return Ok(());
        }
        for batch in &batches {
            self.sequence += 1;
            self.layers.upper.add(self.sequence, batch);
        }
        self.pending = batches.len() as u64;
        self.torn = true;
        match self.checkpoint() {
            // What was replayed is readable; commits are refused until there is room.
            Err(error) if error.kind() == ErrorKind::StorageFull => Ok(()),
            result => result,
        }
    }

    /// Commits a batch; see the module's text.
    pub(crate) fn commit(&mut self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        self.open_database()?;
        self.check_sizes(batch)?;
        if batch.is_empty() && durability == Durability::Relaxed {
            return Ok(());
        }
        self.make_room(batch)?;
        let largest = self.options.journal_bytes.min(self.options.direct_bytes);
        if journal::size_for(batch) > largest {
            // Too large for the journal: redb makes it durable at once, with all before it.
            return self.write_to_redb(Some(batch));
        }
        self.make_journal_room(batch)?;
        let sequence = self.sequence + 1;
        if let Err(error) = self.journals.append(sequence, batch, &*self.random) {
            return Err(self.journal_failed(error));
        }
        if durability == Durability::Durable
            && let Err(reason) = self.journals.sync(sequence)
        {
            return Err(self.sync_failed(reason));
        }
        self.layers.upper.add(sequence, batch);
        self.sequence = sequence;
        self.pending += 1;
        self.pending_writes += batch.len() as u64;
        Ok(())
    }

    /// Whether enough has gathered for a checkpoint.
    pub(crate) fn is_checkpoint_due(&self) -> bool {
        let is_enough = self.pending >= self.options.checkpoint_batches
            || self.pending_writes >= self.options.checkpoint_writes;
        self.is_dirty() && is_enough
    }

    /// Freezes what was committed so far, for a checkpoint that runs beside further commits;
    /// nothing if one runs already or there is nothing to do.
    ///
    /// # Errors
    /// `StorageFull` if there is no room for it: nothing changed, the journals still have it all.
    pub(crate) fn begin_checkpoint(&mut self) -> Result<()> {
        let database = Arc::clone(self.open_database()?);
        if self.running.is_some() || self.pending == 0 || self.torn {
            return Ok(());
        }
        self.take_space(CHECKPOINT_BYTES, false)?;
        // Opened before redb goes on to what the lower layer holds.
        self.base()?;
        let first_bytes = self.options.first_journal_bytes();
        if let Err(error) = self.journals.found_other(first_bytes, &*self.random) {
            return Err(self.journal_failed(error));
        }
        if let Err(reason) = self.journals.switch(self.sequence) {
            return Err(self.sync_failed(reason));
        }
        let work = Work {
            database,
            overlay: self.layers.freeze(),
            notes: self.notes_at(self.sequence),
        };
        let checkpoint = Arc::new(Checkpoint::new(work, self.blocks.promised()));
        self.unstarted = Some(Arc::clone(&checkpoint));
        self.running = Some(checkpoint);
        self.pending = 0;
        self.pending_writes = 0;
        Ok(())
    }

    /// The checkpoint that began since this was last asked for, for a thread to run;
    /// [`Engine::finish_checkpoint`] ends it, and runs it where no thread did.
    pub(crate) fn take_unstarted(&mut self) -> Option<Arc<Checkpoint>> {
        self.unstarted.take()
    }

    /// Whether a checkpoint only waits to be finished.
    pub(crate) fn is_checkpoint_done(&self) -> bool {
        self.running.as_ref().is_some_and(|it| it.is_done())
    }

    /// Waits for the checkpoint that began, if there is one; redb has what it wrote then.
    ///
    /// # Errors
    /// Why redb failed; so does every further call.
    pub(crate) fn finish_checkpoint(&mut self) -> Result<()> {
        let Some(checkpoint) = self.running.take() else {
            return Ok(());
        };
        self.unstarted = None;
        if let Err(reason) = checkpoint.finish() {
            // redb goes on after none of its own failures.
            let error = self.redb_failed("make durable", reason);
            return Err(self.fail(error));
        }
        self.applied = checkpoint.sequence();
        let written = self.layers.lower.take();
        self.values.advance(|forget| {
            if let Some(written) = &written {
                written.visit_keys(forget);
            }
        });
        self.base = None;
        self.blocks.settle(checkpoint.promised());
        self.journals.free_former(self.applied);
        Ok(())
    }

    /// Puts everything into redb, durably.
    ///
    /// # Errors
    /// `StorageFull` if there is no room for it: nothing changed, the journals still have it all.
    pub(crate) fn checkpoint(&mut self) -> Result<()> {
        self.open_database()?;
        self.finish_checkpoint()?;
        if self.pending == 0 && !self.torn {
            return Ok(());
        }
        self.take_space(CHECKPOINT_BYTES, false)?;
        self.write_to_redb(None)
    }

    /// Puts what the layers hold, and `batch` as the next commit, into redb. Snapshots go on
    /// reading what they read; the layers and the state of redb under them do not change.
    fn write_to_redb(&mut self, batch: Option<&WriteBatch>) -> Result<()> {
        self.finish_checkpoint()?;
        let sequence = self.sequence + u64::from(batch.is_some());
        let work = Work {
            database: Arc::clone(self.open_database()?),
            overlay: Arc::clone(&self.layers.upper),
            notes: self.notes_at(sequence),
        };
        if let Err(reason) = work.write(batch) {
            let error = self.redb_failed("make durable", reason);
            return Err(self.fail(error));
        }
        self.sequence = sequence;
        self.applied = sequence;
        let written = std::mem::take(&mut self.layers);
        self.values.advance(|forget| {
            written.upper.visit_keys(forget);
            for write in batch.into_iter().flat_map(WriteBatch::writes) {
                let (Write::Put { space, key, .. } | Write::Delete { space, key }) = write;
                forget(*space, key);
            }
        });
        self.base = None;
        self.pending = 0;
        self.pending_writes = 0;
        self.torn = false;
        self.blocks.settle(self.blocks.promised());
        self.journals.free_all(sequence);
        Ok(())
    }

    fn sync_failed(&mut self, reason: io::Error) -> Error {
        let error = store_error(self.name.as_str(), "sync the journal", reason);
        self.fail(error)
    }

    fn check_sizes(&self, batch: &WriteBatch) -> Result<()> {
        for write in batch.writes() {
            let (Write::Put { key, .. } | Write::Delete { key, .. }) = write;
            let len = match write {
                Write::Put { value, .. } => key.len() + value.len(),
                Write::Delete { .. } => key.len(),
            };
            if len > LARGEST_VALUE {
                return Err(Error::new(
                    ErrorKind::LimitExceeded,
                    format!(
                        "store '{}': a key and value of {len} bytes; the most is {LARGEST_VALUE}",
                        self.name.as_str()
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Takes disk space for what the batch may write until the next checkpoint: its bytes twice,
    /// a page for each write, and some paths to them. Deletes may use what is kept for the
    /// checkpoint, so that a full store can be emptied.
    fn make_room(&mut self, batch: &WriteBatch) -> Result<()> {
        let (mut count, mut bytes) = (0, 0);
        for write in batch.writes() {
            if let Write::Put { key, value, .. } = write {
                count += 1;
                bytes += (key.len() + value.len()) as u64;
            }
        }
        if count == 0 {
            return self.take_space(0, false);
        }
        let batch_bytes = BATCH_BYTES + 2 * bytes + count * 4096;
        self.take_space(batch_bytes + CHECKPOINT_BYTES, false)?;
        self.take_space(batch_bytes, true)
    }

    fn take_space(&mut self, bytes: u64, keep: bool) -> Result<()> {
        self.blocks.reserve(bytes, keep).map_err(|reason| {
            let full = is_full(&reason);
            let error = store_error(self.name.as_str(), "take disk space", reason);
            if full { error } else { self.fail(error) }
        })
    }

    fn make_journal_room(&mut self, batch: &WriteBatch) -> Result<()> {
        if !self.torn && self.journals.fits(batch) {
            return Ok(());
        }
        // A journal that fills up before a checkpoint is due is too small.
        let short = !self.is_checkpoint_due();
        let filled = self.journals.size();
        if self.torn {
            self.checkpoint()?;
        } else if self.pending > 0 {
            // The other one may still be needed.
            self.finish_checkpoint()?;
            self.begin_checkpoint()?;
        }
        let needed = journal::size_for(batch);
        let size = self.journals.size();
        let wanted = needed
            .max(self.options.journal_initial_bytes)
            .max(if short { 2 * filled } else { filled })
            .min(self.options.journal_bytes);
        if wanted > size
            && let Err(error) = self.journals.grow(wanted, &*self.random)
        {
            let harmless = is_harmless(&error);
            let error = self.journal_failed(error);
            // A smaller journal does as well, if this batch fits.
            if !harmless || !self.journals.fits(batch) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Makes everything durable and lets go of the files. Readers have let go before.
    pub(crate) fn close(&mut self) -> Result<()> {
        match self.checkpoint() {
            // The journal holds it all; the next open replays it.
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                let synced = self.journals.sync_both(self.sequence);
                self.blocks.refuse_writes();
                self.database = None;
                return synced
                    .map_err(|reason| store_error(self.name.as_str(), "sync the journal", reason));
            }
            result => result?,
        }
        self.base = None;
        // Without a checkpoint that runs nobody shares it.
        match self.database.take().and_then(Arc::into_inner) {
            Some(database) => database
                .close()
                .map_err(|reason| self.redb_failed("close", reason)),
            None => Ok(()),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // After a failure nothing may reach the disk behind the journal's back, whatever redb does
        // when it is dropped. What matters is in the journal.
        self.blocks.refuse_writes();
    }
}

/// Whether a failed write left the journal as it was: the disk was full, or there was no
/// randomness for a new generation.
fn is_harmless(error: &Error) -> bool {
    match error.details::<io::Error>() {
        Some(reason) => is_full(reason),
        None => true,
    }
}

#[cfg(test)]
mod tests;
