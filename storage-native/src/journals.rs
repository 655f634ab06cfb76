//! The two journals of a store: one takes the commits while a checkpoint writes what the other
//! holds into redb.
//!
//! Invariants:
//! - all records of the former journal come before all of the current one, and were synced before
//!   the first of those was written: a gap between the two is damage;
//! - a journal is written anew only when redb durably holds all that it has;
//! - what redb notes of them at a checkpoint is durable in them before.

use std::io;
use std::sync::Arc;

use pinyon_core::Result;
use pinyon_core::host::Random;
use pinyon_core::storage::WriteBatch;

use crate::disk::Directory;
use crate::journal::{self, Journal, Note, Records};

/// Their files. The second one appears with the first checkpoint beside commits.
pub(crate) const FILES: [&str; 2] = ["journal", "journal-2"];

/// How far each of them had come at a checkpoint, in the order of [`FILES`].
pub(crate) type Notes = [Note; 2];

/// Both journals of one store.
#[derive(Debug)]
pub(crate) struct Journals {
    current: Journal,
    former: Journal,
    /// Whether the current one is the second of [`FILES`].
    is_swapped: bool,
}

impl Journals {
    /// Opens what there is in `directory`.
    pub(crate) fn open(directory: &Arc<dyn Directory>) -> io::Result<Self> {
        let [current, former] = FILES.map(|file| Journal::open(Arc::clone(directory), file));
        Ok(Self {
            current: current?,
            former: former?,
            is_swapped: false,
        })
    }

    /// The preallocated size of the one that takes commits.
    pub(crate) fn size(&self) -> u64 {
        self.current.size()
    }

    /// Whether a record of `batch` fits behind the others.
    pub(crate) fn fits(&self, batch: &WriteBatch) -> bool {
        self.current.fits(batch)
    }

    /// How far each has come, to be noted with a checkpoint.
    pub(crate) fn notes(&self) -> Notes {
        let mut notes = [self.current.note(), self.former.note()];
        if self.is_swapped {
            notes.reverse();
        }
        notes
    }

    /// Preallocates the one that takes commits, which must be free, up to `size` bytes, durably.
    pub(crate) fn grow(&mut self, size: u64, random: &dyn Random) -> Result<()> {
        self.current.grow(size, random)
    }

    /// Makes the other one, which must be free, if there is none.
    pub(crate) fn found_other(&mut self, size: u64, random: &dyn Random) -> Result<()> {
        match self.former.size() {
            0 => self.former.grow(size, random),
            _ => Ok(()),
        }
    }

    /// Appends a record, not yet synced. The caller made sure that it fits. After a failure of the
    /// write the record is not there and another may be appended in its place.
    pub(crate) fn append(
        &mut self,
        sequence: u64,
        batch: &WriteBatch,
        random: &dyn Random,
    ) -> Result<()> {
        self.current.append(sequence, batch, random)
    }

    /// Makes all records up to `sequence`, the last appended, durable.
    pub(crate) fn sync(&mut self, sequence: u64) -> io::Result<()> {
        self.current.sync(sequence)
    }

    /// As [`Journals::sync`], and what the other one may have from before it was opened.
    pub(crate) fn sync_both(&mut self, sequence: u64) -> io::Result<()> {
        let former = self.former.synced();
        self.former.sync(former)?;
        self.current.sync(sequence)
    }

    /// Lets the other one, which must be free, take what comes after commit `sequence`, the last
    /// appended. Everything up to it is durable then.
    pub(crate) fn switch(&mut self, sequence: u64) -> io::Result<()> {
        if self.current.synced() < sequence {
            self.current.sync(sequence)?;
        }
        std::mem::swap(&mut self.current, &mut self.former);
        self.is_swapped = !self.is_swapped;
        self.current.set_synced(sequence);
        Ok(())
    }

    /// Forgets the records before the last switch: redb holds everything up to `sequence`.
    pub(crate) fn free_former(&mut self, sequence: u64) {
        self.former.rewind();
        self.current.set_synced(sequence);
    }

    /// Forgets all records: redb holds everything up to `sequence`.
    pub(crate) fn free_all(&mut self, sequence: u64) {
        self.free_former(sequence);
        self.current.rewind();
    }

    /// The batches after commit `applied`, in order. Nothing may be appended before both are free.
    ///
    /// # Errors
    /// `Corrupted` if records that had been synced are damaged, or a journal is behind `notes`.
    pub(crate) fn read(&mut self, applied: u64, notes: Notes) -> Result<Vec<WriteBatch>> {
        let mut halves = [
            self.current.read(applied, notes[0])?,
            self.former.read(applied, notes[1])?,
        ];
        halves.sort_by_key(|records| records.first.unwrap_or(u64::MAX));
        let mut batches = Vec::new();
        for Records {
            first,
            batches: more,
            ..
        } in &mut halves
        {
            let last = applied + batches.len() as u64;
            if let Some(first) = *first
                && first != last + 1
            {
                return Err(journal::damaged(last + 1, first));
            }
            batches.append(more);
        }
        let last = applied + batches.len() as u64;
        for claim in halves.iter().filter_map(|records| records.claim.as_ref()) {
            if claim.synced > last {
                return Err(journal::damaged(last + 1, claim.sequence));
            }
        }
        Ok(batches)
    }
}
