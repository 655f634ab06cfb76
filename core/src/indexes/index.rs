//! One index: its definition, its store, and what queries see of it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use event_listener::{Event, EventListener};
use futures_util::lock::{Mutex, MutexGuard};

use super::batch_record::{BatchRecord, BatchRecords};
use super::definition::{FieldKind, IndexRecord, IndexSource, IndexState};
use super::entry_builder::FieldForms;
use super::follow::Followed;
use super::map::{CompiledIndex, CompiledMap, FieldsMap, IndexCompiler};
use super::output::Output;
use super::source_cache::SourceCache;
use super::tables::{Cursor, ERRORS, FORMAT, Progress, STATE, STATE_KEY};
use super::{AutoDefinition, FoundSets, TermKinds, auto_reduce};
use crate::document::CollectionName;
use crate::host::Timestamp;
use crate::parts::{IS_WHOLE, not_loaded};
use crate::reader::{Pages, ReadTransaction};
use crate::storage::{Direction, Durability, KeyRange, Snapshot, Store, WriteBatch};
use crate::{Error, ErrorKind, Result};

/// What queries read: one state of an index.
pub struct IndexView<S> {
    /// The store's state.
    pub snapshot: S,
    /// How far it had come.
    pub progress: Arc<Progress>,
    /// Which kinds of terms it has, as far as queries asked.
    pub term_kinds: TermKinds,
    /// What queries found in it lately.
    pub found_sets: FoundSets,
}

/// An open index.
pub struct Index<S: Store> {
    record: RwLock<Arc<IndexRecord>>,
    pub(super) compiled: CompiledIndex,
    pub(super) forms: FieldForms,
    followed: Vec<Followed>,
    pub(super) sources: SourceCache,
    pub(super) batches: BatchRecords,
    /// Where its results are written as documents.
    pub(super) output: Option<Output>,
    pub(super) store: S,
    /// Held by whoever runs a step.
    pub(super) stepping: Mutex<()>,
    /// The newest state, but while it is being replaced.
    view: RwLock<Option<Arc<IndexView<S::Snapshot>>>>,
    progressed: Event,
    /// How many wait for it to come further.
    waiters: Arc<AtomicUsize>,
    /// How many wait for the step under way to end.
    stops: Arc<AtomicUsize>,
    last_query_at: AtomicI64,
    /// Before this nobody could ask it.
    opened_at: AtomicI64,
    is_paused: AtomicBool,
    /// As the record has it, for those who look at it often.
    is_off: AtomicBool,
    is_retired: AtomicBool,
    /// Why the definition cannot be run on this host.
    fault: Option<String>,
    /// Wakes whoever follows documents for the index.
    changed: Event,
}

/// Somebody who waits for an index.
pub struct Waiter(Arc<AtomicUsize>);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Where the documents stand that an index follows.
pub(crate) struct Standing {
    /// Of each collection that it follows or refers to.
    pub newest: Vec<Cursor>,
    /// Whether the index lacks any of it.
    pub is_stale: bool,
}

impl Standing {
    fn add(&mut self, cursor: Option<Cursor>, newest: Cursor) {
        let done = done(cursor, newest);
        self.is_stale |= done.documents < newest.documents || done.tombstones < newest.tombstones;
        self.newest.push(newest);
    }
}

/// What an index has seen of a collection that has come so far.
fn done(cursor: Option<Cursor>, newest: Cursor) -> Cursor {
    // One that never looked knows of no deletion, and needs none.
    cursor.unwrap_or(Cursor {
        documents: 0,
        tombstones: newest.tombstones,
    })
}

/// How a thing that happens to one index is told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct IndexingError {
    /// When, as text.
    pub timestamp: String,
    /// The document concerned.
    pub document: Option<String>,
    /// `Map` or `Reduce`.
    pub action: String,
    /// What happened.
    pub error: String,
}

impl<S: Store> Index<S> {
    /// Opens an index in its store; a new store begins with nothing indexed.
    ///
    /// # Errors
    /// `Corrupted` when the store holds something else; those of the compiler.
    pub async fn open(record: IndexRecord, store: S, compiler: &dyn IndexCompiler) -> Result<Self> {
        if !IS_WHOLE {
            let IndexSource::Auto(definition) = &record.source else {
                return Err(not_loaded("an index by definition"));
            };
            let plain = [FieldKind::Default, FieldKind::Exact];
            if definition.fields.iter().any(|it| !plain.contains(&it.kind)) {
                return Err(not_loaded("an index of words or places"));
            }
            let compiled = (compile_auto(definition)?, FieldForms::default(), None);
            return Self::start(record, store, compiled, None).await;
        }
        let output = match &record.source {
            IndexSource::Auto(_) => None,
            IndexSource::Static(definition) => Output::of_definition(definition)?,
        };
        let (compiled, forms) = match &record.source {
            IndexSource::Auto(definition) => {
                let forms = match definition.grouping {
                    Some(_) => FieldForms::of_groups(definition),
                    None => FieldForms::default(),
                };
                (compile_auto(definition)?, forms)
            }
            IndexSource::Static(definition) => (
                compiler.compile(definition)?,
                FieldForms::of_definition(definition)?,
            ),
        };
        Self::start(record, store, (compiled, forms, output), None).await
    }

    /// Opens an index that this host cannot run: it is listed, and says so when it is asked.
    pub(super) async fn open_faulty(record: IndexRecord, store: S, why: &Error) -> Result<Self> {
        let compiled = CompiledIndex {
            maps: Vec::new(),
            reduce: None,
        };
        let fault = Some(why.message().to_owned());
        let nothing = (compiled, FieldForms::default(), None);
        Self::start(record, store, nothing, fault).await
    }

    async fn start(
        record: IndexRecord,
        store: S,
        (compiled, forms, output): (CompiledIndex, FieldForms, Option<Output>),
        fault: Option<String>,
    ) -> Result<Self> {
        let maps = compiled.maps.iter();
        let mut followed: Vec<Followed> = maps.map(|map| Followed::of(map.collection())).collect();
        followed.sort();
        followed.dedup();
        let index = Self {
            followed,
            sources: SourceCache::default(),
            batches: BatchRecords::default(),
            compiled,
            forms,
            output,
            store,
            stepping: Mutex::new(()),
            view: RwLock::new(None),
            progressed: Event::new(),
            waiters: Arc::default(),
            stops: Arc::default(),
            last_query_at: AtomicI64::new(0),
            opened_at: AtomicI64::new(0),
            is_paused: AtomicBool::new(false),
            is_off: AtomicBool::new(record.is_disabled),
            record: RwLock::new(Arc::new(record)),
            is_retired: AtomicBool::new(false),
            fault,
            changed: Event::new(),
        };
        let view = index.read_view().await?;
        index.set_view(Some(view));
        Ok(index)
    }

    /// What the database keeps about it.
    pub fn record(&self) -> Arc<IndexRecord> {
        let record = self.record.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&record)
    }

    pub(super) fn set_record(&self, record: IndexRecord) {
        self.is_off.store(record.is_disabled, Ordering::Release);
        *self.record.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(record);
        self.changed.notify(usize::MAX);
    }

    pub(super) fn set_retired(&self) {
        self.is_retired.store(true, Ordering::Release);
        self.changed.notify(usize::MAX);
        self.progressed.notify(usize::MAX);
    }

    /// Whether it was deleted or replaced.
    pub fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Acquire)
    }

    /// Wakes when it was switched on or off, paused, awaited, or taken out.
    pub fn listen_for_changes(&self) -> EventListener {
        self.changed.listen()
    }

    /// Closes the store when the step under way is done.
    pub(super) async fn close(&self) -> Result<()> {
        let _alone = self.stop_stepping().await;
        self.set_view(None);
        self.store.close().await
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.record().name.clone()
    }

    /// Whether the optimizer made it.
    pub fn is_auto(&self) -> bool {
        matches!(self.record().source, IndexSource::Auto(_))
    }

    /// What the optimizer made it for, if it did.
    pub fn auto_definition(&self) -> Option<AutoDefinition> {
        match &self.record().source {
            IndexSource::Auto(definition) => Some(definition.clone()),
            IndexSource::Static(_) => None,
        }
    }

    /// Whether it groups documents.
    pub fn is_map_reduce(&self) -> bool {
        self.compiled.reduce.is_some()
    }

    /// The form of the fields of a client's definition.
    pub fn forms(&self) -> &FieldForms {
        &self.forms
    }

    /// The newest state.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn view(&self) -> Result<Arc<IndexView<S::Snapshot>>> {
        match self.published_view() {
            Some(view) => Ok(view),
            None => self.read_view().await.map(Arc::new),
        }
    }

    fn published_view(&self) -> Option<Arc<IndexView<S::Snapshot>>> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        view.clone()
    }

    pub(super) async fn read_view(&self) -> Result<IndexView<S::Snapshot>> {
        let snapshot = self.store.snapshot().await?;
        let key = Bytes::from_static(STATE_KEY);
        let stored = snapshot.get_many(STATE, &[key]).await?.pop().flatten();
        let progress = match stored {
            Some(bytes) => Progress::decode(&bytes)?,
            None => Progress {
                format: FORMAT,
                ..Progress::default()
            },
        };
        Ok(IndexView {
            snapshot,
            progress: Arc::new(progress),
            term_kinds: TermKinds::default(),
            found_sets: FoundSets::default(),
        })
    }

    /// `None` while a commit is under way, so that no reader keeps the old state alive.
    pub(super) fn set_view(&self, view: Option<IndexView<S::Snapshot>>) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = view.map(Arc::new);
    }

    /// Commits to the index's store and shows the new state.
    pub(super) async fn commit_batch(
        &self,
        batch: WriteBatch,
        durability: Durability,
    ) -> Result<()> {
        self.set_view(None);
        let committed = self.store.commit(batch, durability).await;
        // Whether it was committed or not, what is there now is what queries see.
        if let Ok(view) = self.read_view().await {
            self.set_view(Some(view));
        }
        self.notify_progress();
        committed
    }

    pub(super) fn notify_progress(&self) {
        self.progressed.notify(usize::MAX);
    }

    /// Wakes when the index has come further, or was changed.
    pub fn listen(&self) -> EventListener {
        self.progressed.listen()
    }

    /// Says, for as long as the answer lives, that somebody waits for it to come further: whoever
    /// follows documents for it is woken, and shall not let others go first.
    pub fn await_progress(&self) -> Waiter {
        if self.waiters.fetch_add(1, Ordering::AcqRel) == 0 {
            self.changed.notify(usize::MAX);
        }
        Waiter(Arc::clone(&self.waiters))
    }

    /// Ends the step under way, which gives up what it has not committed; until the answer is
    /// dropped there is no other one.
    pub(super) async fn stop_stepping(&self) -> MutexGuard<'_, ()> {
        let _waiter = self.await_progress();
        self.stops.fetch_add(1, Ordering::AcqRel);
        let _stop = Waiter(Arc::clone(&self.stops));
        self.stepping.lock().await
    }

    /// Whether the step under way shall end.
    pub(super) fn shall_stop(&self) -> bool {
        self.stops.load(Ordering::Acquire) > 0
            || self.is_off.load(Ordering::Acquire)
            || self.is_paused()
    }

    /// Whether somebody waits for it to come further.
    pub fn is_awaited(&self) -> bool {
        self.waiters.load(Ordering::Acquire) > 0
    }

    /// What it follows.
    pub fn followed(&self) -> &[Followed] {
        &self.followed
    }

    /// The collections that maps have loaded from so far.
    pub fn referenced(progress: &Progress) -> Vec<Followed> {
        let names = progress.references.keys();
        names.map(|it| Followed::of_cursor(it)).collect()
    }

    /// What it does now.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn state(&self) -> Result<IndexState> {
        if self.fault.is_some() || self.view().await?.progress.failure.is_some() {
            return Ok(IndexState::Error);
        }
        let record = self.record();
        Ok(if record.is_disabled {
            IndexState::Disabled
        } else if record.is_idle() {
            IndexState::Idle
        } else {
            IndexState::Normal
        })
    }

    /// Whether it is stopped until the host starts it again.
    pub fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::Acquire)
    }

    /// Stops it, or lets it go on.
    pub fn set_paused(&self, paused: bool) {
        self.is_paused.store(paused, Ordering::Release);
        self.changed.notify(usize::MAX);
    }

    /// When it was last asked; `None` when nobody has since it was opened.
    pub fn last_query_at(&self) -> Option<Timestamp> {
        match self.last_query_at.load(Ordering::Relaxed) {
            0 => None,
            ticks => Some(Timestamp::from_ticks(ticks)),
        }
    }

    pub(super) fn set_opened(&self, now: Timestamp) {
        self.opened_at.store(now.ticks(), Ordering::Relaxed);
    }

    /// Since when nobody asked it, as far as is known.
    pub(super) fn unasked_since(&self) -> Timestamp {
        let asked = self.last_query_at.load(Ordering::Relaxed);
        Timestamp::from_ticks(asked.max(self.opened_at.load(Ordering::Relaxed)))
    }

    pub(crate) fn touch(&self, now: Timestamp) {
        self.last_query_at.store(now.ticks(), Ordering::Relaxed);
    }

    /// Refuses what a broken index cannot answer.
    ///
    /// # Errors
    /// `Unavailable` that says why.
    pub fn check_answers(&self, progress: &Progress) -> Result<()> {
        match self.fault.as_ref().or(progress.failure.as_ref()) {
            None => Ok(()),
            Some(failure) => Err(Error::new(
                ErrorKind::Unavailable,
                format!("the index '{}' is in error: {failure}", self.name()),
            )
            .with_source(IndexInError)),
        }
    }

    /// Whether documents up to `cutoff` (of all, if `None`) are missing from `view`.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn is_stale<D: Snapshot>(
        &self,
        view: &IndexView<S::Snapshot>,
        tx: &ReadTransaction<D>,
        cutoff: Option<u64>,
    ) -> Result<bool> {
        let reasons = self.staleness(view, tx, cutoff, true).await?;
        Ok(!reasons.is_empty())
    }

    /// Why the index is behind, in words; empty when it is not.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn staleness_reasons<D: Snapshot>(
        &self,
        view: &IndexView<S::Snapshot>,
        tx: &ReadTransaction<D>,
    ) -> Result<Vec<String>> {
        self.staleness(view, tx, None, false).await
    }

    /// Where the documents stand that it follows, for a query that asks it.
    pub(crate) async fn standing<D: Snapshot>(
        &self,
        view: &IndexView<S::Snapshot>,
        tx: &ReadTransaction<D>,
    ) -> Result<Standing> {
        let progress = &view.progress;
        let mut standing = Standing {
            newest: Vec::with_capacity(self.followed.len() + progress.references.len()),
            is_stale: self.output_reason(progress).is_some(),
        };
        for followed in &self.followed {
            let cursor = progress.cursors.get(followed.cursor_name()).copied();
            standing.add(cursor, followed.newest(tx).await?);
        }
        for (name, cursor) in &progress.references {
            let newest = Followed::of_cursor(name).newest(tx).await?;
            standing.add(Some(*cursor), newest);
        }
        Ok(standing)
    }

    async fn staleness<D: Snapshot>(
        &self,
        view: &IndexView<S::Snapshot>,
        tx: &ReadTransaction<D>,
        cutoff: Option<u64>,
        first_only: bool,
    ) -> Result<Vec<String>> {
        let mut reasons: Vec<String> = self.output_reason(&view.progress).into_iter().collect();
        if first_only && !reasons.is_empty() {
            return Ok(reasons);
        }
        let cutoff = cutoff.unwrap_or(u64::MAX);
        let progress = &view.progress;
        let followed = self.followed().iter().map(|it| (it.clone(), false));
        let referenced = Self::referenced(progress).into_iter().map(|it| (it, true));
        for (followed, is_reference) in followed.chain(referenced) {
            let name = followed.cursor_name();
            let newest = followed.newest(tx).await?;
            let cursors = if is_reference {
                &progress.references
            } else {
                &progress.cursors
            };
            let cursor = cursors.get(name).copied();
            let done = done(cursor, newest);
            let what = if is_reference { "referenced " } else { "" };
            let lists = [
                ("documents", done.documents, newest.documents),
                ("deletions", done.tombstones, newest.tombstones),
            ];
            for (list, done, newest) in lists {
                let wanted = newest.min(cutoff);
                if done < wanted {
                    reasons.push(format!(
                        "There are {what}{list} of '{name}' to process: the newest has etag \
                         {wanted}, the last processed is {done}"
                    ));
                    if first_only {
                        return Ok(reasons);
                    }
                }
            }
        }
        Ok(reasons)
    }

    /// The newest deletion that this index has followed, and may be forgotten; `None` when it has
    /// followed all.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn deletions_followed<D: Snapshot>(
        &self,
        tx: &ReadTransaction<D>,
    ) -> Result<Option<u64>> {
        let view = self.view().await?;
        let mut least = None;
        let lists = [
            (self.followed().to_vec(), &view.progress.cursors),
            (Self::referenced(&view.progress), &view.progress.references),
        ];
        for (followed, cursors) in lists {
            for followed in followed {
                let newest = followed.newest(tx).await?.tombstones;
                let Some(cursor) = cursors.get(followed.cursor_name()) else {
                    continue;
                };
                if cursor.tombstones < newest {
                    least = Some(least.unwrap_or(u64::MAX).min(cursor.tombstones));
                }
            }
        }
        Ok(least)
    }

    /// What its latest batches did, oldest first.
    pub fn latest_batches(&self) -> Vec<BatchRecord> {
        self.batches.all()
    }

    /// The recorded errors, oldest first.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn errors(&self) -> Result<Vec<IndexingError>> {
        let view = self.view().await?;
        let all = Pages::new(ERRORS, KeyRange::all(), Direction::Forward, usize::MAX)
            .all(&view.snapshot)
            .await?;
        all.into_iter()
            .map(|(_, value)| {
                serde_json::from_slice(&value)
                    .map_err(|reason| Error::corrupted(format!("an indexing error: {reason}")))
            })
            .collect()
    }
}

/// The map and reduce of an automatic index.
fn compile_auto(definition: &AutoDefinition) -> Result<CompiledIndex> {
    let collection = definition
        .collection
        .as_deref()
        .map(CollectionName::new)
        .transpose()?;
    Ok(match &definition.grouping {
        None => CompiledIndex {
            maps: vec![CompiledMap::Fields(Arc::new(FieldsMap::new(
                collection,
                &definition.fields,
            )?))],
            reduce: None,
        },
        Some(grouping) => auto_reduce::compile(collection, grouping)?,
    })
}

/// The source of errors of indexes that answer no more: another node would fare no better.
#[derive(Debug)]
pub struct IndexInError;

impl std::fmt::Display for IndexInError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the index failed too often")
    }
}

impl std::error::Error for IndexInError {}

/// The source of errors of what an index does not allow, for those who tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexRefusal {
    /// It is asked for a field that it does not have.
    UnknownField,
    /// It is locked against changes.
    Locked,
    /// There is no document to compare others with.
    NothingToCompare,
}

impl IndexRefusal {
    pub(crate) fn because(self, message: String) -> Error {
        Error::invalid(message).with_source(self)
    }
}

impl std::fmt::Display for IndexRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::UnknownField => "the index has no such field",
            Self::Locked => "the index is locked",
            Self::NothingToCompare => "there is nothing to compare with",
        })
    }
}

impl std::error::Error for IndexRefusal {}
