//! One bounded step of an index: what changed, mapped, and committed with the cursors that say so.
//!
//! Invariants:
//! - a commit holds the entries and the cursor that covers them, so a crash repeats a step or not,
//!   and never leaves half of one;
//! - commits are relaxed: what a power cut takes is indexed again;
//! - a document that cannot be mapped has no entries and one recorded error, and nobody else
//!   notices.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;

use super::batch_record::BatchRecord;
use super::created_field::{Member, without_options};
use super::entry_builder::{FieldForm, entry_field, fields_of_object};
use super::entry_writer::{EntryWriter, SourceEntries};
use super::follow::Followed;
use super::index::{Index, IndexView, IndexingError};
use super::map::{CompiledMap, Loads, Object};
use super::reduce::GroupWriter;
use super::references;
use super::spatial_field::{SpatialPaths, spatial_entry_field};
use super::tables::{Cursor, ERRORS, Entry, Progress, STATE, STATE_KEY};
use super::{FieldKind, FoundSets, TermKinds};
use crate::database::Database;
use crate::document::{CollectionName, StoredDocument};
use crate::host::Timestamp;
use crate::parts::IS_WHOLE;
use crate::reader::ReadTransaction;
use crate::storage::{Durability, Store, WriteBatch};
use crate::{Error, ErrorKind, Result};

/// How much one step does before it commits.
#[derive(Debug, Clone, Copy)]
pub struct StepLimits {
    /// The most documents.
    pub documents: usize,
    /// About the most bytes to write.
    pub bytes: usize,
    /// About the longest time until what was gathered is committed, in milliseconds.
    pub time_ms: u32,
}

impl Default for StepLimits {
    fn default() -> Self {
        Self {
            documents: 65_536,
            bytes: 16 << 20,
            time_ms: 1_000,
        }
    }
}

/// What a step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepReport {
    /// Documents and deletions dealt with.
    pub processed: usize,
    /// Whether there was more than fits into a step.
    pub has_more: bool,
}

/// Errors kept for people to read.
const KEPT_ERRORS: u64 = 500;
/// The share of documents that may fail.
const TOLERATED_FAILURES_PERCENT: u64 = 15;
/// Few documents say little about a map, unless there are no more.
const TELLING_ATTEMPTS: u64 = 100;
const TELLING_SLOW_ATTEMPTS: u64 = 5;
/// Of few documents, as many must fail.
const TELLING_FEW_FAILURES: u64 = 3;
/// How often a map is run again because it asked for more documents.
const MOST_LOADS: usize = 512;
/// Documents read at a time.
const CHUNK: usize = 128;

/// Lets others on the host's thread go first.
pub(super) async fn yield_once() {
    let mut has_yielded = false;
    std::future::poll_fn(|context| {
        if has_yielded {
            return std::task::Poll::Ready(());
        }
        has_yielded = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// The work of one step.
pub(super) struct Step<'a, D: Store, S: Store> {
    pub(super) index: &'a Index<S>,
    pub(super) tx: ReadTransaction<D::Snapshot>,
    pub(super) view: IndexView<S::Snapshot>,
    pub(super) progress: Progress,
    pub(super) writer: EntryWriter,
    pub(super) groups: GroupWriter,
    pub(super) loads: Loads,
    /// The documents dealt with since the last commit: each is written once in a batch.
    done: HashSet<Bytes>,
    now: Timestamp,
    clock: std::sync::Arc<dyn crate::host::Clock>,
    limits: StepLimits,
    report: StepReport,
    /// Entries, or what the maps handed to the reduce.
    outputs: u64,
    /// Failures and runs of the reduce when it began.
    counted_before: (u64, u64),
}

fn failures_of(progress: &Progress) -> u64 {
    progress.map_errors + progress.reduce_errors
}

/// What the maps made of a document.
pub(super) enum Mapped {
    /// Entries, ready to be written.
    Entries(Vec<Entry>),
    /// Inputs of the reduce.
    Objects(Vec<Object>),
}

impl<S: Store> Index<S> {
    /// Follows the documents of `database` for one step. Answers at once when there is nothing to
    /// do, or the index is switched off.
    ///
    /// # Errors
    /// Whatever the stores report; the index then stands where it stood.
    pub async fn step<D: Store>(
        &self,
        database: &Database<D>,
        limits: StepLimits,
    ) -> Result<StepReport> {
        let _alone = self.stepping.lock().await;
        let record = self.record();
        if record.is_disabled || record.is_idle() || self.is_paused() || self.is_retired() {
            return Ok(StepReport::default());
        }
        let current = self.view().await?;
        if current.progress.failure.is_some() {
            return Ok(StepReport::default());
        }
        let tx = database.read().await?;
        if !self.is_behind(&current.progress, &tx).await? {
            #[cfg(feature = "whole")]
            if self.output_reason(&current.progress).is_some() {
                drop(current);
                let (processed, has_more) = self.write_outputs(database, Some(&tx)).await?;
                return Ok(StepReport {
                    processed,
                    has_more,
                });
            }
            return Ok(StepReport::default());
        }
        let view = IndexView {
            snapshot: self.store.snapshot().await?,
            progress: std::sync::Arc::clone(&current.progress),
            term_kinds: TermKinds::default(),
            found_sets: FoundSets::default(),
        };
        let mut step = Step::<D, S> {
            index: self,
            tx,
            progress: (*view.progress).clone(),
            view,
            writer: EntryWriter::default(),
            groups: GroupWriter::default(),
            loads: Loads::default(),
            done: HashSet::new(),
            now: database.now(),
            clock: database.clock(),
            limits,
            report: StepReport::default(),
            outputs: 0,
            counted_before: (
                failures_of(&current.progress),
                current.progress.reduce_attempts,
            ),
        };
        drop(current);
        match step.run().await {
            // Whoever stopped it wakes whoever makes the next.
            Err(_) if self.shall_stop() => return Ok(StepReport::default()),
            ran => ran?,
        }
        let mut report = step.report;
        match step.commit().await {
            Err(_) if self.shall_stop() => return Ok(StepReport::default()),
            committed => committed?,
        }
        #[cfg(feature = "whole")]
        if self.output_reason(&self.view().await?.progress).is_some() {
            // Documents are searched for what is no result any more only when all were followed,
            // which the next step finds out.
            let (processed, _) = self.write_outputs(database, None).await?;
            report.processed += processed;
            report.has_more = true;
        }
        Ok(report)
    }

    async fn is_behind<D: crate::storage::Snapshot>(
        &self,
        progress: &Progress,
        tx: &ReadTransaction<D>,
    ) -> Result<bool> {
        for (list, cursors) in [
            (self.followed().to_vec(), &progress.cursors),
            (Self::referenced(progress), &progress.references),
        ] {
            for followed in list {
                let newest = followed.newest(tx).await?;
                let cursor = cursors.get(followed.cursor_name());
                let is_behind = cursor.is_none_or(|done| {
                    done.documents < newest.documents || done.tombstones < newest.tombstones
                });
                if is_behind {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// Adds to the errors kept for people to read.
pub(super) fn put_error(
    batch: &mut WriteBatch,
    progress: &mut Progress,
    now: Timestamp,
    action: &str,
    document: Option<&str>,
    error: &Error,
) {
    let record = IndexingError {
        timestamp: now.to_text(),
        document: document.map(str::to_owned),
        action: action.to_owned(),
        error: error.message().to_owned(),
    };
    let number = progress.next_error;
    progress.next_error += 1;
    let text = serde_json::to_vec(&record).expect("plain data");
    batch.put(ERRORS, Bytes::copy_from_slice(&number.to_be_bytes()), text);
    if let Some(old) = number.checked_sub(KEPT_ERRORS) {
        batch.delete(ERRORS, Bytes::copy_from_slice(&old.to_be_bytes()));
    }
}

/// Whether a map reads a document.
fn is_of(collection: Option<&CollectionName>, document: &StoredDocument) -> Result<bool> {
    Ok(match collection {
        None => true,
        Some(it) if it.as_str() == document.collection() => true,
        Some(it) => it.key() == CollectionName::new(document.collection())?.key(),
    })
}

impl<D: Store, S: Store> Step<'_, D, S> {
    async fn run(&mut self) -> Result<()> {
        let index = self.index;
        for followed in index.followed() {
            self.follow_documents(followed).await?;
            if self.report.has_more {
                return Ok(());
            }
        }
        for followed in index.followed() {
            self.follow_deletions(followed).await?;
            if self.report.has_more {
                return Ok(());
            }
        }
        self.follow_references().await
    }

    async fn follow_documents(&mut self, followed: &Followed) -> Result<()> {
        let newest = followed.newest(&self.tx).await?;
        let name = followed.cursor_name().to_owned();
        let cursor = self.progress.cursors.get(&name).copied();
        let mut cursor = cursor.unwrap_or(Cursor {
            documents: 0,
            tombstones: newest.tombstones,
        });
        let room = self.room();
        let changed = followed
            .documents_after(&self.tx, cursor.documents, room)
            .await?;
        let mut has_more = changed.has_more;
        let mut done = 0;
        for chunk in changed.items.chunks(CHUNK) {
            let keys = chunk.iter().map(|(_, key)| key.clone()).collect();
            let left = self.index_documents(keys, true).await?;
            yield_once().await;
            let left = left.and_then(|left| chunk.iter().position(|(_, key)| *key == left));
            let chunk = &chunk[..left.unwrap_or(chunk.len())];
            done += chunk.len();
            cursor.documents = chunk.last().map_or(cursor.documents, |(etag, _)| *etag);
            if left.is_some() || (self.is_full() || self.is_late()) && done < changed.items.len() {
                has_more = true;
                break;
            }
        }
        self.report.processed += done;
        if has_more {
            self.report.has_more = true;
        } else {
            cursor.documents = cursor.documents.max(newest.documents);
        }
        self.progress.cursors.insert(name, cursor);
        Ok(())
    }

    async fn follow_deletions(&mut self, followed: &Followed) -> Result<()> {
        let newest = followed.newest(&self.tx).await?;
        let name = followed.cursor_name().to_owned();
        let mut cursor = self
            .progress
            .cursors
            .get(&name)
            .copied()
            .unwrap_or_default();
        if cursor.tombstones >= newest.tombstones {
            return Ok(());
        }
        let gone = followed
            .gone_after(&self.tx, cursor.tombstones, self.room())
            .await?;
        let keys: BTreeSet<Bytes> = gone.items.iter().map(|(_, key)| key.clone()).collect();
        self.report.processed += keys.len();
        // A document that went and came back has been dealt with where it is now.
        self.index_documents(keys.into_iter().collect(), false)
            .await?;
        if gone.has_more {
            cursor.tombstones = gone.last_etag()?;
            self.report.has_more = true;
        } else {
            cursor.tombstones = newest.documents.max(newest.tombstones);
        }
        self.progress.cursors.insert(name, cursor);
        Ok(())
    }

    async fn follow_references(&mut self) -> Result<()> {
        // Only maps of definitions load what they refer to.
        #[cfg(feature = "whole")]
        for followed in Index::<S>::referenced(&self.progress) {
            let newest = followed.newest(&self.tx).await?;
            let name = followed.cursor_name().to_owned();
            let mut cursor = self
                .progress
                .references
                .get(&name)
                .copied()
                .unwrap_or_default();
            if cursor.documents >= newest.documents && cursor.tombstones >= newest.tombstones {
                continue;
            }
            let room = self.room();
            let changed = followed
                .documents_after(&self.tx, cursor.documents, room)
                .await?;
            let gone = followed
                .gone_after(&self.tx, cursor.tombstones, room)
                .await?;
            let targets = changed.items.iter().chain(&gone.items);
            let targets: BTreeSet<Bytes> = targets.map(|(_, key)| key.clone()).collect();
            for target in &targets {
                let mut after = None;
                while let Some(referrers) =
                    references::page(&self.view.snapshot, &name, target, after.take(), CHUNK)
                        .await?
                {
                    after = referrers.last().cloned();
                    self.index_documents(referrers, false).await?;
                    if self.is_full() {
                        // The same target is met again, and its referrers mapped again.
                        self.commit_early().await?;
                    }
                }
            }
            self.report.processed += targets.len();
            cursor.documents = if changed.has_more {
                changed.last_etag()?
            } else {
                cursor.documents.max(newest.documents)
            };
            cursor.tombstones = if gone.has_more {
                gone.last_etag()?
            } else {
                cursor.tombstones.max(newest.tombstones)
            };
            self.progress.references.insert(name, cursor);
            if changed.has_more || gone.has_more {
                self.report.has_more = true;
                return Ok(());
            }
        }
        Ok(())
    }

    fn room(&self) -> usize {
        let left = self.limits.documents.saturating_sub(self.report.processed);
        left.max(1)
    }

    fn is_full(&self) -> bool {
        self.writer.byte_count() + self.groups.byte_count() >= self.limits.bytes
    }

    /// Maps that take long are not to keep back what others are waiting to see.
    fn is_late(&self) -> bool {
        self.is_late_since(self.now)
    }

    fn is_late_since(&self, began: Timestamp) -> bool {
        const TICKS_PER_MS: i64 = 10_000;
        let ticks = self.clock.now().ticks() - began.ticks();
        ticks > i64::from(self.limits.time_ms) * TICKS_PER_MS
    }

    /// Brings the entries of documents in line with what the documents are now. When it `may_break`
    /// off because that takes long, it answers the first document that it left for the next step.
    async fn index_documents(
        &mut self,
        mut keys: Vec<Bytes>,
        may_break: bool,
    ) -> Result<Option<Bytes>> {
        keys.retain(|key| self.done.insert(key.clone()));
        let mut left = None;
        let found = self.tx.documents_by_key(keys.clone()).await?;
        if self.index.is_map_reduce() {
            self.fetch_slots(&keys).await?;
        }
        self.prepare_maps(&found)?;
        // Not since the step began: what was mapped ahead would have been for nothing.
        let began = self.clock.now();
        let mut sources = Vec::with_capacity(keys.len());
        let mut grouped = Vec::new();
        for (place, (key, document)) in keys.into_iter().zip(found).enumerate() {
            self.check_stop()?;
            if may_break && place > 0 && self.is_late_since(began) {
                left = Some(key);
                break;
            }
            let mapped = match &document {
                Some(document) => self.map_document(document).await?,
                None => self.mapped_nothing(),
            };
            let targets = self.loads.take_referenced();
            for (collection, _) in &targets {
                self.follow_reference(collection).await?;
            }
            #[cfg(feature = "whole")]
            if !self.progress.references.is_empty() {
                references::replace(&self.view.snapshot, &key, &targets, self.writer.batch())
                    .await?;
            }
            match mapped {
                Mapped::Entries(entries) => sources.push(SourceEntries {
                    source: key,
                    entries,
                }),
                Mapped::Objects(objects) => grouped.push((key, objects)),
            }
        }
        self.group(grouped).await?;
        if !sources.is_empty() {
            self.writer
                .replace(&self.view.snapshot, &mut self.progress, sources)
                .await?;
        }
        Ok(left)
    }

    /// Somebody waits for the step to end: the index is deleted, replaced, switched off or closed.
    pub(super) fn check_stop(&self) -> Result<()> {
        if self.index.shall_stop() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the step was stopped to make way for a change of the index",
            ));
        }
        Ok(())
    }

    fn prepare_maps(&self, documents: &[Option<StoredDocument>]) -> Result<()> {
        for map in &self.index.compiled.maps {
            let CompiledMap::Objects(map) = map else {
                continue;
            };
            let mut wanted = Vec::with_capacity(documents.len());
            for document in documents.iter().flatten() {
                if is_of(map.collection(), document)? {
                    wanted.push(document);
                }
            }
            map.prepare(&wanted);
        }
        Ok(())
    }

    /// From now on changes of this collection concern the index; what it holds was just seen.
    async fn follow_reference(&mut self, collection: &str) -> Result<()> {
        if !self.progress.references.contains_key(collection) {
            let newest = Followed::of_cursor(collection).newest(&self.tx).await?;
            let references = &mut self.progress.references;
            references.insert(collection.to_owned(), newest);
        }
        Ok(())
    }

    fn mapped_nothing(&self) -> Mapped {
        if self.index.is_map_reduce() {
            Mapped::Objects(Vec::new())
        } else {
            Mapped::Entries(Vec::new())
        }
    }

    async fn map_document(&mut self, document: &StoredDocument) -> Result<Mapped> {
        let mut maps: Vec<&CompiledMap> = Vec::with_capacity(1);
        for map in &self.index.compiled.maps {
            if is_of(map.collection(), document)? {
                maps.push(map);
            }
        }
        if maps.is_empty() {
            return Ok(self.mapped_nothing());
        }
        self.progress.map_attempts += 1;
        let field_count = self.progress.fields.len();
        for _ in 0..MOST_LOADS {
            let mapped = self.run_maps(&maps, document);
            let missing = self.loads.take_missing();
            if missing.is_empty() {
                let mapped = mapped.and_then(|mapped| {
                    self.check_loads()?;
                    Ok(mapped)
                });
                return Ok(self.counted(document, mapped, field_count));
            }
            self.loads.take_referenced();
            let found = self.tx.documents_by_key(missing.clone()).await?;
            for (key, document) in missing.into_iter().zip(found) {
                self.loads.put(key, document.as_ref());
            }
        }
        let failed = Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("the map loads more than {MOST_LOADS} documents one after the other"),
        ));
        Ok(self.counted(document, failed, field_count))
    }

    /// What loads its own results would never come to rest.
    fn check_loads(&mut self) -> Result<()> {
        let Some(output) = &self.index.output else {
            return Ok(());
        };
        let is_own = |it: &&(String, Bytes)| output.owns(&it.0, &it.1);
        let Some((_, key)) = self.loads.referenced().iter().find(is_own).cloned() else {
            return Ok(());
        };
        self.loads.take_referenced();
        Err(Error::invalid(format!(
            "the map loads '{}', which this index itself writes to '{}'",
            String::from_utf8_lossy(&key),
            output.collection.as_str()
        )))
    }

    /// `field_count`: how many fields there were before.
    fn counted(
        &mut self,
        document: &StoredDocument,
        mapped: Result<Mapped>,
        field_count: usize,
    ) -> Mapped {
        match mapped {
            Ok(mapped) => {
                let outputs = match &mapped {
                    Mapped::Entries(entries) => entries.len(),
                    Mapped::Objects(objects) => objects.len(),
                };
                self.progress.most_outputs = self.progress.most_outputs.max(outputs as u64);
                self.outputs += outputs as u64;
                mapped
            }
            Err(error) => {
                self.progress.map_errors += 1;
                self.progress.forget_fields_after(field_count);
                self.record_error("Map", Some(document.id()), &error);
                self.mapped_nothing()
            }
        }
    }

    fn run_maps(&mut self, maps: &[&CompiledMap], document: &StoredDocument) -> Result<Mapped> {
        let mut objects = Vec::new();
        let mut entries = Vec::new();
        for map in maps {
            match map {
                CompiledMap::Objects(map) => objects.extend(map.map(document, &mut self.loads)?),
                CompiledMap::Fields(map) => {
                    let values = map.read(document)?;
                    let mut fields = Vec::with_capacity(values.len());
                    for (key, values) in map.fields.iter().zip(&values) {
                        let number = self.progress.field_number(&key.name, key.kind)?;
                        if key.kind == FieldKind::Spatial {
                            let shapes = SpatialPaths::parse(&key.name)?.shapes(values)?;
                            fields.extend(spatial_entry_field(number, &shapes)?);
                            continue;
                        }
                        let form = FieldForm::of_kind(key.kind);
                        fields.extend(entry_field(number, &form, values));
                    }
                    fields.sort_by_key(|it| it.field);
                    entries.push(Entry {
                        source: document.key().clone(),
                        fields,
                        stored: Vec::new(),
                    });
                }
            }
        }
        if self.index.is_map_reduce() {
            let objects = objects.into_iter().map(without_options).collect();
            return Ok(Mapped::Objects(objects));
        }
        if !IS_WHOLE {
            return Ok(Mapped::Entries(entries));
        }
        for object in objects {
            entries.push(self.entry_of_object(document, &object)?);
        }
        Ok(Mapped::Entries(entries))
    }

    fn entry_of_object(&mut self, document: &StoredDocument, object: &Object) -> Result<Entry> {
        let fields = fields_of_object(object, &self.index.forms, &mut self.progress)?;
        let stored: Object = object
            .iter()
            .map(|(name, value)| (name, Member::of(value)))
            .filter(|(name, member)| {
                let is_stored = || self.index.forms.is_stored(name);
                member.is_stored.unwrap_or_else(is_stored)
            })
            .map(|(name, member)| (name.clone(), member.value.clone()))
            .collect();
        let stored = if stored.is_empty() {
            Vec::new()
        } else {
            serde_json::to_vec(&stored).expect("objects have text keys")
        };
        Ok(Entry {
            source: document.key().clone(),
            fields,
            stored,
        })
    }

    pub(super) fn record_error(&mut self, action: &str, document: Option<&str>, error: &Error) {
        let (batch, progress) = (self.writer.batch(), &mut self.progress);
        put_error(batch, progress, self.now, action, document, error);
    }

    /// An index of which too much fails answers wrongly; better it says so.
    fn judge(&mut self) {
        // Of maps that take so long fewer have to do, or it would take minutes to say anything.
        let telling = if self.is_late() {
            TELLING_SLOW_ATTEMPTS
        } else {
            TELLING_ATTEMPTS
        };
        // One bad document among the first few is no reason to stop for good: its error is listed, and it
        // may be mended. Where several of a small collection fail, or all do, it is the definition.
        let documents = self.progress.map_attempts;
        let is_telling = |errors: u64, attempts: u64| {
            let is_all = errors == attempts && errors > 1;
            let is_enough = documents >= telling || !self.report.has_more;
            documents >= TELLING_ATTEMPTS || is_enough && (is_all || errors >= TELLING_FEW_FAILURES)
        };
        for (what, attempts, errors) in [
            ("map", self.progress.map_attempts, self.progress.map_errors),
            (
                "reduce",
                self.progress.reduce_attempts,
                self.progress.reduce_errors,
            ),
        ] {
            if is_telling(errors, attempts) && errors * 100 > attempts * TOLERATED_FAILURES_PERCENT
            {
                self.progress.failure = Some(format!(
                    "its {what} failed {errors} times of {attempts}, more than \
                     {TOLERATED_FAILURES_PERCENT} % (see the index's errors); correct the \
                     definition, or reset the index"
                ));
            }
        }
    }

    async fn commit(mut self) -> Result<()> {
        let mapped_at = self.clock.now();
        self.reduce_groups().await?;
        self.judge();
        self.commit_now().await?;
        self.record(mapped_at);
        Ok(())
    }

    fn record(&self, mapped_at: Timestamp) {
        let now = &self.progress;
        let (failures, reduces) = self.counted_before;
        self.index.batches.add(BatchRecord {
            number: now.batches,
            inputs: self.report.processed as u64,
            outputs: self.outputs,
            failures: failures_of(now).saturating_sub(failures),
            reduces: now.reduce_attempts.saturating_sub(reduces),
            started_at: self.now,
            mapped_at,
            completed_at: self.clock.now(),
        });
    }

    /// Commits what is there without having come further.
    async fn commit_early(&mut self) -> Result<()> {
        self.reduce_groups().await?;
        let cursors = (
            self.progress.cursors.clone(),
            self.progress.references.clone(),
        );
        let before: (BTreeMap<_, _>, BTreeMap<_, _>) = (
            self.view.progress.cursors.clone(),
            self.view.progress.references.clone(),
        );
        (self.progress.cursors, self.progress.references) = before;
        // Collections met since are followed from here on.
        for (name, cursor) in &cursors.1 {
            self.progress
                .references
                .entry(name.clone())
                .or_insert(*cursor);
        }
        let committed = self.commit_now().await;
        (self.progress.cursors, self.progress.references) = cursors;
        committed?;
        self.view = self.index.read_view().await?;
        self.done.clear();
        Ok(())
    }

    async fn commit_now(&mut self) -> Result<()> {
        self.progress.last_indexed_at_ticks = self.now.ticks();
        self.progress.batches += 1;
        let writer = std::mem::take(&mut self.writer);
        let mut batch = writer.finish(&self.view.snapshot).await?;
        batch.put(STATE, STATE_KEY, self.progress.encode());
        let durability = if self.index.output.is_some() {
            // Documents will be written that only this commit knows of.
            Durability::Durable
        } else {
            Durability::Relaxed
        };
        self.index.commit_batch(batch, durability).await
    }
}
