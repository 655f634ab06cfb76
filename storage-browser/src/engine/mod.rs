//! The engine of a store: a log of commits, sorted pages, and the changes between them in memory.
//!
//! A key's value is looked for in the changes since the compaction began, in the changes that a
//! compaction under way is writing, then in the pages. Both sets of changes are persistent maps
//! and an index of pages is never changed, so a snapshot is three references.
//!
//! Invariants:
//! - what is visible is in the log or in the pages that the root names;
//! - a root replaces pages and cuts the log in one transaction;
//! - pages leave the tables only after the last snapshot that can read them.

mod compact;
mod open;
mod pages;
#[cfg(test)]
pub(crate) mod simulated;
mod snapshot;
mod stores;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use futures_util::FutureExt;
use imbl::OrdMap;
use pinyon_core::storage::{Durability, KeySpace, Write, WriteBatch};
use pinyon_core::{Error, ErrorKind, Result};

use crate::checksum::seal;
use crate::journal::Journal;
use crate::log_record;
use crate::options::BrowserOptions;
use crate::page_cache::PageCache;
use crate::page_index::PageIndex;
use crate::tables::{Change, Table, TableKey, Tables, Work};

pub(crate) use snapshot::EngineSnapshot;
pub(crate) use stores::{Opening, Stores};

/// The changed keys of one space; `None` means deleted.
type Changed = OrdMap<Bytes, Option<Bytes>>;
/// The changed keys of all spaces.
type Overlay = Arc<Vec<Changed>>;

fn empty_overlay() -> Overlay {
    Arc::new(vec![Changed::new(); usize::from(KeySpace::COUNT)])
}

/// The journal of an environment, where it has one.
pub(crate) type SharedJournal<F> = Arc<Mutex<Option<Journal<F>>>>;

/// One open store.
pub(crate) struct Engine<T: Tables> {
    pub(crate) tables: T,
    journal: SharedJournal<T::File>,
    /// Held while what is in a young journal only goes into the tables.
    settling: Arc<futures_util::lock::Mutex<()>>,
    store: u64,
    name: String,
    options: BrowserOptions,
    state: Mutex<State>,
    cache: Mutex<PageCache>,
}

struct State {
    /// Why every call fails, once it does.
    closed: Option<Error>,
    /// Changes that are in the log only.
    active: Overlay,
    active_bytes: usize,
    active_commits: usize,
    /// Changes that a compaction is writing (or failed to write) into pages.
    frozen: Option<Frozen>,
    index: Arc<PageIndex>,
    log_next: u64,
    next_page: u64,
    /// Pages that left the index, and the index that still has them.
    replaced: VecDeque<(Weak<PageIndex>, Vec<u64>)>,
    /// Pages that nobody can read.
    doomed: Vec<u64>,
    /// Whether a relaxed commit came after the last durable one.
    has_relaxed: bool,
    in_flight: Option<Work>,
    compaction: Option<Work>,
    /// Counts commits and snapshots.
    uses: u64,
    /// Whether something waits for a pause of them.
    awaits_idleness: bool,
    /// After a failed compaction: how large the changes become before the next attempt.
    retry_at_bytes: usize,
}

/// Changes cut off from the log.
#[derive(Clone)]
struct Frozen {
    overlay: Overlay,
    /// The first log record that is not among them.
    log_until: u64,
}

/// Puts a record into the log in the tables.
fn put_record(store: u64, number: u64, record: Vec<u8>) -> Change {
    let key = TableKey::new(store, number);
    Change::Put(Table::Log, key, seal(Table::Log, key, record))
}

/// A panic elsewhere cannot leave what these guard half changed.
fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn put_all(&mut self, writes: impl IntoIterator<Item = (KeySpace, Bytes, Option<Bytes>)>) {
        let overlay = Arc::make_mut(&mut self.active);
        for (space, key, value) in writes {
            self.active_bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
            overlay[usize::from(space.number())].insert(key, value);
        }
        self.active_commits += 1;
        self.uses += 1;
    }
}

impl<T: Tables> Engine<T> {
    fn check_open(&self, state: &State) -> Result<()> {
        match &state.closed {
            None => Ok(()),
            Some(reason) => Err(reason.clone()),
        }
    }

    /// Refuses every later call.
    pub(crate) fn mark_closed(&self) {
        let mut state = lock(&self.state);
        if state.closed.is_none() {
            state.closed = Some(Error::new(
                ErrorKind::Closed,
                format!("store '{}' is closed", self.name),
            ));
        }
    }

    pub(crate) fn snapshot(self: &Arc<Self>) -> Result<EngineSnapshot<T>> {
        let mut state = lock(&self.state);
        self.check_open(&state)?;
        state.uses += 1;
        Ok(EngineSnapshot::new(
            Arc::clone(self),
            Arc::clone(&state.active),
            state.frozen.as_ref().map(|it| Arc::clone(&it.overlay)),
            Arc::clone(&state.index),
        ))
    }

    pub(crate) async fn commit(
        self: &Arc<Self>,
        batch: WriteBatch,
        durability: Durability,
    ) -> Result<()> {
        self.finish_in_flight().await;
        self.wait_for_room().await;
        if let Some(work) = self.begin_commit(batch, durability)? {
            // A caller that goes away takes nothing with it.
            self.tables.drive(work.clone());
            work.await?;
        }
        self.start_compaction_if_due();
        Ok(())
    }

    /// Commits to the journal, or begins a transaction on the tables.
    fn begin_commit(
        self: &Arc<Self>,
        batch: WriteBatch,
        durability: Durability,
    ) -> Result<Option<Work>> {
        let mut state = lock(&self.state);
        self.check_open(&state)?;
        let number = state.log_next;
        let mut journal = lock(&self.journal);
        let mut open = journal
            .as_mut()
            .filter(|it| it.is_proven() || durability == Durability::Relaxed);
        let max_bytes = match open {
            Some(_) => usize::MAX,
            None => self.options.log_record_bytes,
        };
        let records = log_record::encode(&batch, max_bytes);
        if number + records.len() as u64 > TableKey::MAX_RECORD {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!(
                    "store '{}' has used up its numbers: export and import it",
                    self.name
                ),
            ));
        }
        if let Some(journal) = &mut open {
            let record = records.first().expect("a batch of nothing is a record too");
            let done = journal.append(self.store, (number, record), durability);
            self.end_commit(&mut state, number + 1, batch, durability, done)?;
            return Ok(None);
        }
        let engine = Arc::clone(self);
        let work = async move { engine.commit_as(number, records, batch, durability).await };
        let work = work.boxed().shared();
        state.in_flight = Some(work.clone());
        Ok(Some(work))
    }

    async fn commit_as(
        &self,
        number: u64,
        records: Vec<Vec<u8>>,
        batch: WriteBatch,
        durability: Durability,
    ) -> Result<()> {
        let next = number + records.len() as u64;
        let _turn = self.settling.lock().await;
        let backlog = lock(&self.journal).as_mut().map(Journal::take_backlog);
        let backlog = backlog.unwrap_or_default();
        let earlier = backlog
            .iter()
            .map(|(store, (number, record))| put_record(*store, *number, record.to_vec()));
        let own = (number..next).zip(records);
        let own = own.map(|(number, record)| put_record(self.store, number, record));
        let puts = earlier.chain(own).collect();
        let done = self.tables.apply(puts, durability).await;
        if let (Err(_), Some(journal)) = (&done, &mut *lock(&self.journal)) {
            journal.return_backlog(backlog);
        }
        let mut state = lock(&self.state);
        state.in_flight = None;
        self.end_commit(&mut state, next, batch, durability, done)
    }

    /// Makes a commit visible, or says why there is none.
    fn end_commit(
        &self,
        state: &mut State,
        next: u64,
        batch: WriteBatch,
        durability: Durability,
        done: Result<()>,
    ) -> Result<()> {
        match done {
            Ok(()) => {
                state.log_next = next;
                state.has_relaxed = durability == Durability::Relaxed;
                state.put_all(batch.into_writes().into_iter().map(|write| match write {
                    Write::Put { space, key, value } => (space, key, Some(value)),
                    Write::Delete { space, key } => (space, key, None),
                }));
                Ok(())
            }
            Err(reason) if reason.kind() == ErrorKind::StorageFull => Err(reason),
            Err(reason) => {
                let closed = Error::new(
                    ErrorKind::Closed,
                    format!("store '{}' is closed: {}", self.name, reason.message()),
                );
                state.closed = Some(closed.clone().with_source(reason));
                Err(closed)
            }
        }
    }

    /// Waits for a commit whose caller went away.
    async fn finish_in_flight(&self) {
        let work = lock(&self.state).in_flight.clone();
        if let Some(work) = work {
            // Its caller would have been told.
            let _ = work.await;
        }
    }

    async fn finish_compaction(&self) {
        let work = lock(&self.state).compaction.clone();
        if let Some(work) = work {
            // A failed compaction changes nothing, and is tried again.
            let _ = work.await;
        }
    }

    /// Commits do not run ahead of a compaction for ever.
    async fn wait_for_room(&self) {
        let is_behind = {
            let state = lock(&self.state);
            state.active_bytes > 2 * self.max_log_bytes(&state)
                || state.active_commits > 2 * self.options.max_log_commits
        };
        if is_behind {
            self.finish_compaction().await;
        }
    }

    fn max_log_bytes(&self, state: &State) -> usize {
        let eighth = usize::try_from(state.index.byte_count() / 8).unwrap_or(usize::MAX);
        let least = self.options.max_log_bytes.max(1);
        eighth.clamp(least, least.saturating_mul(4))
    }

    /// Scattered keys touch many pages: those of a large store are rewritten for more changes.
    fn idle_log_bytes(&self, state: &State) -> usize {
        let part = usize::try_from(state.index.byte_count() / 64).unwrap_or(usize::MAX);
        part.clamp(
            self.options.idle_log_bytes,
            self.options.max_log_bytes.max(self.options.idle_log_bytes),
        )
    }

    fn start_compaction_if_due(self: &Arc<Self>) {
        let state = lock(&self.state);
        let is_due = state.active_bytes >= self.max_log_bytes(&state).max(state.retry_at_bytes)
            || (state.retry_at_bytes == 0
                && state.active_commits >= self.options.max_log_commits.max(1));
        if is_due {
            self.start_compaction(state);
        } else {
            drop(state);
            self.compact_when_idle();
        }
    }

    /// Sees to it that the log is short when nobody reads or writes: the next opening reads all of
    /// it.
    pub(crate) fn compact_when_idle(self: &Arc<Self>) {
        {
            let mut state = lock(&self.state);
            let is_long = state.active_bytes >= self.idle_log_bytes(&state);
            // After a failure only what else is written calls for another attempt.
            if !is_long || state.awaits_idleness || state.retry_at_bytes > 0 {
                return;
            }
            state.awaits_idleness = true;
        }
        let waiting = Self::wait_for_idleness(
            Arc::downgrade(self),
            self.tables.clone(),
            self.options.idle_ms,
        );
        self.tables.drive(waiting.boxed().shared());
    }

    async fn wait_for_idleness(engine: Weak<Self>, tables: T, idle_ms: u32) -> Result<()> {
        let mut seen = None;
        // Whoever waits keeps no store open.
        while let Some(engine) = engine.upgrade() {
            let Some(now) = engine.look_for_idleness(seen) else {
                break;
            };
            drop(engine);
            seen = Some(now);
            tables.sleep(idle_ms).await;
        }
        Ok(())
    }

    /// Compacts when nobody used the store since `seen`; otherwise answers what is new.
    fn look_for_idleness(self: &Arc<Self>, seen: Option<u64>) -> Option<u64> {
        let mut state = lock(&self.state);
        if seen != Some(state.uses) && state.closed.is_none() {
            return Some(state.uses);
        }
        state.awaits_idleness = false;
        self.start_compaction(state);
        None
    }

    fn start_compaction(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.compaction.is_some() || state.closed.is_some() {
            return;
        }
        let engine = Arc::clone(self);
        let work = async move { engine.compact().await }.boxed().shared();
        state.compaction = Some(work.clone());
        drop(state);
        self.tables.drive(work);
    }

    /// Makes all commits durable and refuses later calls.
    pub(crate) async fn close(self: &Arc<Self>) -> Result<()> {
        self.finish_in_flight().await;
        let has_relaxed = {
            let state = lock(&self.state);
            self.check_open(&state)?;
            state.has_relaxed
        };
        if has_relaxed {
            self.commit(WriteBatch::default(), Durability::Durable)
                .await?;
        }
        self.mark_closed();
        self.finish_compaction().await;
        match &mut *lock(&self.journal) {
            Some(journal) => journal.settle(),
            None => Ok(()),
        }
    }

    /// Waits until nothing of this engine writes any more, so that another may open the store.
    pub(crate) async fn shut_down(&self) {
        self.mark_closed();
        self.finish_in_flight().await;
        self.finish_compaction().await;
    }
}
