//! All indexes of a database: defined, found, replaced, retired.
//!
//! Definitions stand in the documents' store, so they are as durable as documents; an index's own
//! store may be lost at any time. Changes of the catalog take turns, queries never wait for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use event_listener::{Event, EventListener};
use futures_util::lock::Mutex;

use super::definition::{
    IndexDefinition, IndexRecord, IndexSource, LockMode, Priority, REPLACEMENT_PREFIX, to_name_key,
};
use super::index::{Index, IndexRefusal};
use super::map::IndexCompiler;
use super::output_catalog::abandoned;
use super::{AutoDefinition, FieldForms, PortableIndex};
use crate::commands::{ChangeIndexes, Operation};
use crate::database::Database;
use crate::parts::IS_WHOLE;
use crate::reader::Pages;
use crate::schema::INDEXES;
use crate::storage::{Direction, Environment, KeyRange, Store as _, StoreName};
use crate::{Error, ErrorKind, Result};

type Open<S> = Arc<Index<S>>;

/// The indexes of an open database.
pub struct Indexes<E: Environment> {
    environment: E,
    database: Database<E::Store>,
    compiler: Arc<dyn IndexCompiler>,
    /// What the names of the indexes' stores begin with.
    prefix: String,
    open: RwLock<BTreeMap<String, Open<E::Store>>>,
    /// Taken out, but perhaps still read; their stores go when nobody reads them any more.
    retired: std::sync::Mutex<Vec<Open<E::Store>>>,
    pub(super) changing: Mutex<()>,
    /// What [`Self::take_rebuilt`] answers.
    rebuilt: std::sync::Mutex<Vec<String>>,
    changed: Event,
}

impl<E: Environment> Indexes<E> {
    /// Opens all indexes of `database`, whose store is called `store`. An index whose store is
    /// missing or damaged begins anew.
    ///
    /// # Errors
    /// `Corrupted` when a definition cannot be read; whatever the storage reports.
    pub async fn open(
        environment: E,
        database: Database<E::Store>,
        store: &StoreName,
        compiler: Arc<dyn IndexCompiler>,
    ) -> Result<Self> {
        let indexes = Self {
            environment,
            database,
            compiler,
            prefix: Self::store_prefix(store),
            open: RwLock::default(),
            retired: std::sync::Mutex::default(),
            rebuilt: std::sync::Mutex::default(),
            changing: Mutex::new(()),
            changed: Event::new(),
        };
        let tx = indexes.database.read().await?;
        let records = Pages::new(INDEXES, KeyRange::all(), Direction::Forward, usize::MAX)
            .all(tx.snapshot())
            .await?;
        drop(tx);
        // A page has nobody to tell.
        let stores = if IS_WHOLE {
            Some(indexes.environment.list().await?.into_iter().collect())
        } else {
            None
        };
        for (_, record) in records {
            let record = IndexRecord::decode(&record)?;
            let index = indexes.open_index(record, stores.as_ref()).await?;
            indexes.insert(index);
        }
        indexes.sweep_stores().await?;
        Ok(indexes)
    }

    /// What the names of a database's index stores begin with.
    pub fn store_prefix(store: &StoreName) -> String {
        format!("index-{}.", store.as_str())
    }

    /// The database whose documents are indexed.
    pub fn database(&self) -> &Database<E::Store> {
        &self.database
    }

    /// The names of the indexes that were found damaged or missing when they were opened, and
    /// began anew.
    pub fn take_rebuilt(&self) -> Vec<String> {
        std::mem::take(&mut self.rebuilt())
    }

    fn rebuilt(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.rebuilt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open_index(
        &self,
        mut record: IndexRecord,
        stores: Option<&BTreeSet<StoreName>>,
    ) -> Result<Index<E::Store>> {
        if record.store.is_empty() {
            // It was defined while nothing was open that could have given it one.
            record.store = self.new_store_name()?;
            self.save(std::slice::from_ref(&record), &[]).await?;
        }
        let name = record.store_name()?;
        let store = match self.environment.open(&name).await {
            Ok(store) => {
                if let Some(stores) = stores
                    && !stores.contains(&name)
                {
                    self.rebuilt().push(record.name.clone());
                }
                store
            }
            // Of one whose name cannot be read it may be the store that is meant here, or not.
            Err(error) if error.kind() == ErrorKind::Corrupted => {
                self.rebuilt().push(record.name.clone());
                self.fresh_store(&mut record).await?
            }
            Err(error) => return Err(error),
        };
        match Index::open(record.clone(), store.clone(), &*self.compiler).await {
            Err(error) if error.kind() == ErrorKind::Corrupted => {
                store.close().await?;
                self.rebuilt().push(record.name.clone());
                let store = self.fresh_store(&mut record).await?;
                Index::open(record, store, &*self.compiler).await
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::InvalidRequest | ErrorKind::Unsupported
                ) =>
            {
                Index::open_faulty(record, store, &error).await
            }
            result => result,
        }
    }

    /// Gives an index a new store in place of a damaged one.
    async fn fresh_store(&self, record: &mut IndexRecord) -> Result<E::Store> {
        record.store = self.new_store_name()?;
        self.save(std::slice::from_ref(&*record), &[]).await?;
        self.environment.create(&record.store_name()?).await
    }

    fn new_store_name(&self) -> Result<String> {
        let mut bytes = [0; 8];
        self.database.random().fill(&mut bytes)?;
        Ok(format!("{}{:016x}", self.prefix, u64::from_be_bytes(bytes)))
    }

    /// Deletes stores that no index names: of indexes deleted or replaced before a crash.
    async fn sweep_stores(&self) -> Result<()> {
        let known: BTreeSet<String> = self
            .list()
            .iter()
            .map(|it| it.record().store.clone())
            .collect();
        for name in self.environment.list().await? {
            if name.as_str().starts_with(&self.prefix) && !known.contains(name.as_str()) {
                self.environment.delete(&name).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn save(&self, put: &[IndexRecord], deleted: &[&str]) -> Result<()> {
        let puts = put
            .iter()
            .map(|it| (name_key(&it.name), Some(it.encode().into())));
        let deletes = deleted.iter().map(|name| (name_key(name), None));
        let records = puts.chain(deletes).collect();
        self.database
            .execute(Operation::ChangeIndexes(ChangeIndexes { records }))
            .await
            .map(|_| ())
    }

    fn map(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Open<E::Store>>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, index: Index<E::Store>) -> Open<E::Store> {
        let index = Arc::new(index);
        index.set_opened(self.database.now());
        let key = to_name_key(&index.name());
        let replaced = self
            .open
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, Arc::clone(&index));
        self.retire(replaced);
        self.changed.notify(usize::MAX);
        index
    }

    pub(super) fn remove(&self, name: &str) {
        let removed = self
            .open
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&to_name_key(name));
        self.retire(removed);
        self.changed.notify(usize::MAX);
    }

    fn retire(&self, index: Option<Open<E::Store>>) {
        let Some(index) = index else {
            return;
        };
        index.set_retired();
        self.retired
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(index);
    }

    /// Whether indexes were taken out whose stores are still there.
    pub fn has_retired(&self) -> bool {
        let retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        !retired.is_empty()
    }

    /// Deletes the stores of indexes that were taken out and that nobody reads any more.
    ///
    /// # Errors
    /// Whatever the storage reports; the stores are deleted when the database is next opened.
    pub async fn sweep_retired(&self) -> Result<()> {
        let unused: Vec<Open<E::Store>> = {
            let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
            let all = std::mem::take(&mut *retired);
            let (unused, used) = all.into_iter().partition(|it| Arc::strong_count(it) == 1);
            *retired = used;
            unused
        };
        for index in unused {
            let name = index.record().store_name()?;
            index.close().await?;
            drop(index);
            self.environment.delete(&name).await?;
        }
        Ok(())
    }

    /// All indexes, by name.
    pub fn list(&self) -> Vec<Open<E::Store>> {
        self.map().values().cloned().collect()
    }

    /// The index called `name`, of any case.
    pub fn find(&self, name: &str) -> Option<Open<E::Store>> {
        self.map().get(&to_name_key(name)).cloned()
    }

    /// As [`Self::find`].
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get(&self, name: &str) -> Result<Open<E::Store>> {
        self.find(name).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("There is no index '{name:.300}'"),
            )
        })
    }

    /// Wakes when an index was added or removed.
    pub fn listen(&self) -> EventListener {
        self.changed.listen()
    }

    /// Defines an index as a client wants it. One that is defined so already stays as it is; one
    /// that is defined otherwise answers until the new one has caught up.
    ///
    /// # Errors
    /// Those of the compiler; `InvalidRequest` when the index is locked.
    pub async fn put(&self, definition: IndexDefinition) -> Result<()> {
        let _changing = self.changing.lock().await;
        let compiled = self.compiler.compile(&definition)?;
        FieldForms::of_definition(&definition)?;
        self.check_output(&definition, &compiled).await?;
        let mut name = definition.name.clone();
        if let Some(existing) = self.find(&name) {
            let record = existing.record();
            match record.lock_mode {
                LockMode::Unlock => {}
                LockMode::LockedIgnore => return Ok(()),
                LockMode::LockedError => {
                    return Err(IndexRefusal::Locked
                        .because(format!("Can not overwrite locked index: {name}")));
                }
            }
            let is_same =
                matches!(&record.source, IndexSource::Static(it) if it.is_same_index(&definition));
            if is_same {
                self.remove_replacement(&name).await?;
                let changed = IndexRecord {
                    lock_mode: definition.lock_mode,
                    priority: definition.priority,
                    source: IndexSource::Static(Box::new(definition)),
                    ..(*record).clone()
                };
                return self.change(&existing, changed).await;
            }
            name = format!("{REPLACEMENT_PREFIX}{}", record.name);
        }
        self.create(name, IndexSource::Static(Box::new(definition)))
            .await
            .map(|_| ())
    }

    async fn remove_replacement(&self, name: &str) -> Result<()> {
        let replacement = format!("{REPLACEMENT_PREFIX}{name}");
        if self.find(&replacement).is_some() {
            self.save(&[], &[&replacement]).await?;
            self.remove(&replacement);
        }
        Ok(())
    }

    /// Takes in a definition that came in a dump.
    ///
    /// # Errors
    /// As [`Self::put`] and [`Self::put_auto`].
    pub async fn put_portable(&self, index: PortableIndex) -> Result<()> {
        match index.source {
            IndexSource::Static(definition) => self.put(*definition).await,
            IndexSource::Auto(definition) => {
                let name = self.put_auto(definition).await?.name();
                self.modify(&name, |record| {
                    record.lock_mode = index.lock_mode;
                    record.priority = index.priority;
                    record.is_disabled = index.is_disabled;
                })
                .await
            }
        }
    }

    /// Makes an automatic index, or answers the one of that name.
    ///
    /// # Errors
    /// Whatever the storage reports.
    pub async fn put_auto(&self, definition: AutoDefinition) -> Result<Open<E::Store>> {
        let _changing = self.changing.lock().await;
        let name = definition.name();
        if let Some(index) = self.find(&name)
            && index.auto_definition().as_ref() == Some(&definition)
        {
            return Ok(index);
        }
        self.create(name, IndexSource::Auto(definition)).await
    }

    async fn create(&self, name: String, source: IndexSource) -> Result<Open<E::Store>> {
        let (lock_mode, priority, is_disabled) = match &source {
            IndexSource::Static(it) => (
                it.lock_mode,
                it.priority,
                it.state == super::IndexState::Disabled,
            ),
            IndexSource::Auto(_) => (LockMode::Unlock, Priority::Normal, false),
        };
        let record = IndexRecord {
            name,
            store: self.new_store_name()?,
            created_at_ticks: self.database.now().ticks(),
            lock_mode,
            priority,
            is_disabled,
            idle_since_query_ticks: None,
            abandoned_outputs: Vec::new(),
            source,
        };
        let store = self.environment.create(&record.store_name()?).await?;
        let index = Index::open(record.clone(), store, &*self.compiler).await?;
        self.save(&[record], &[]).await?;
        Ok(self.insert(index))
    }

    pub(super) async fn change(&self, index: &Index<E::Store>, record: IndexRecord) -> Result<()> {
        self.save(std::slice::from_ref(&record), &[]).await?;
        index.set_record(record);
        Ok(())
    }

    /// Deletes an index, and what shall replace it. Answers whether there was one.
    ///
    /// # Errors
    /// `InvalidRequest` when it is locked; whatever the storage reports.
    pub async fn delete(&self, name: &str) -> Result<bool> {
        let _changing = self.changing.lock().await;
        let Some(index) = self.find(name) else {
            return Ok(false);
        };
        match index.record().lock_mode {
            LockMode::Unlock => {}
            LockMode::LockedIgnore => return Ok(false),
            LockMode::LockedError => {
                return Err(
                    IndexRefusal::Locked.because(format!("Can not delete locked index: {name}"))
                );
            }
        }
        // What it writes to its collection must not come after what its successor writes.
        let _resting = index.stop_stepping().await;
        self.save(&[], &[name]).await?;
        self.remove(name);
        self.remove_replacement(name).await?;
        Ok(true)
    }

    /// Lets an index begin anew.
    ///
    /// # Errors
    /// `NotFound`; whatever the storage reports.
    pub async fn reset(&self, name: &str) -> Result<()> {
        let _changing = self.changing.lock().await;
        let mut record = (*self.get(name)?.record()).clone();
        let old = self.get(name)?;
        // A result that the old one is about to write would come after those of the new one.
        let _resting = old.stop_stepping().await;
        let store = self.fresh_store(&mut record).await?;
        let index = Index::open(record, store, &*self.compiler).await?;
        self.insert(index);
        Ok(())
    }

    /// Sets who may change an index.
    ///
    /// # Errors
    /// `NotFound`; whatever the storage reports.
    pub async fn set_lock_mode(&self, name: &str, lock_mode: LockMode) -> Result<()> {
        self.modify(name, |record| record.lock_mode = lock_mode)
            .await
    }

    /// Sets how eagerly an index is kept up to date.
    ///
    /// # Errors
    /// As [`Self::set_lock_mode`].
    pub async fn set_priority(&self, name: &str, priority: Priority) -> Result<()> {
        self.modify(name, |record| record.priority = priority).await
    }

    /// Switches an index off or on; that outlasts the process.
    ///
    /// # Errors
    /// As [`Self::set_lock_mode`].
    pub async fn set_disabled(&self, name: &str, is_disabled: bool) -> Result<()> {
        self.modify(name, |record| record.is_disabled = is_disabled)
            .await
    }

    async fn modify(&self, name: &str, change: impl FnOnce(&mut IndexRecord)) -> Result<()> {
        let _changing = self.changing.lock().await;
        let index = self.get(name)?;
        let mut record = (*index.record()).clone();
        change(&mut record);
        self.change(&index, record).await
    }

    /// What follows when an index has caught up: a replacement takes its place, and automatic
    /// indexes that it makes superfluous go.
    ///
    /// # Errors
    /// Whatever the storage reports.
    pub async fn settle(&self, index: &Open<E::Store>) -> Result<()> {
        let record = index.record();
        #[cfg(feature = "whole")]
        if !record.abandoned_outputs.is_empty() {
            return self.sweep_abandoned(index).await;
        }
        let is_replacement = record.name.starts_with(REPLACEMENT_PREFIX);
        let covered = self.covered_by(index);
        if !is_replacement && covered.is_empty() {
            return Ok(());
        }
        let view = index.view().await?;
        let tx = self.database.read().await?;
        if view.progress.failure.is_some() || index.is_stale(&view, &tx, None).await? {
            return Ok(());
        }
        drop((view, tx));
        #[cfg(feature = "whole")]
        if is_replacement {
            return self
                .swap_now(&record.name[REPLACEMENT_PREFIX.len()..])
                .await;
        }
        let _changing = self.changing.lock().await;
        for name in covered {
            self.save(&[], &[&name]).await?;
            self.remove(&name);
        }
        Ok(())
    }

    /// The automatic indexes that `index` makes superfluous.
    fn covered_by(&self, index: &Index<E::Store>) -> Vec<String> {
        let Some(own) = index
            .auto_definition()
            .filter(|_| !index.record().is_idle())
        else {
            return Vec::new();
        };
        self.list()
            .iter()
            .filter_map(|it| {
                let other = it.auto_definition()?;
                (other != own && own.covers(&other)).then(|| it.name())
            })
            .collect()
    }

    /// Puts the replacement of `name` in its place, caught up or not.
    ///
    /// # Errors
    /// `NotFound` when there is none; whatever the storage reports.
    pub async fn swap_now(&self, name: &str) -> Result<()> {
        let _changing = self.changing.lock().await;
        let replacement_name = format!("{REPLACEMENT_PREFIX}{name}");
        let replacement = self.get(&replacement_name)?;
        let mut record = (*replacement.record()).clone();
        let old = self.find(name);
        record.name = old.as_ref().map_or_else(|| name.to_owned(), |it| it.name());
        // As when it is reset: what the old one writes must not come later.
        let _resting = match &old {
            Some(old) => {
                record.abandoned_outputs = abandoned(old, &replacement);
                Some(old.stop_stepping().await)
            }
            None => None,
        };
        self.save(std::slice::from_ref(&record), &[&replacement_name])
            .await?;
        replacement.set_record(record.clone());
        let replaced = {
            let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
            open.remove(&to_name_key(&replacement_name));
            open.insert(to_name_key(&record.name), replacement)
        };
        self.retire(replaced);
        self.changed.notify(usize::MAX);
        Ok(())
    }

    /// The newest deletion that all indexes have followed; `None` when they have followed all.
    ///
    /// # Errors
    /// Whatever the storage reports.
    pub async fn deletions_followed(&self) -> Result<Option<u64>> {
        let tx = self.database.read().await?;
        let mut least: Option<u64> = None;
        for index in self.list() {
            if let Some(etag) = index.deletions_followed(&tx).await? {
                least = Some(least.map_or(etag, |least| least.min(etag)));
            }
        }
        Ok(least)
    }

    /// Closes all indexes.
    ///
    /// # Errors
    /// The first failure; the others are closed all the same.
    pub async fn close(&self) -> Result<()> {
        let open = std::mem::take(&mut *self.open.write().unwrap_or_else(PoisonError::into_inner));
        let retired =
            std::mem::take(&mut *self.retired.lock().unwrap_or_else(PoisonError::into_inner));
        let mut result = Ok(());
        for index in open.into_values().chain(retired) {
            index.set_retired();
            result = result.and(index.close().await);
        }
        self.changed.notify(usize::MAX);
        result
    }
}

fn name_key(name: &str) -> Bytes {
    to_name_key(name).into_bytes().into()
}
