//! The stores of an environment: the catalog of their names, and which of them are open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use futures_util::future::try_join;
use pinyon_core::storage::{Durability, StoreName};
use pinyon_core::{Error, ErrorKind, Result};

use super::open::read_root;
use super::{Engine, SharedJournal, lock, put_record};
use crate::checksum::{seal, unseal};
use crate::fields::{Fields, push_bytes, push_number};
use crate::journal::{Journal, JournalFile, LogRecord, PROVEN_MS, is_missing, records_in};
use crate::options::BrowserOptions;
use crate::tables::{Change, Table, TableKey, Tables};

/// All stores over one set of tables. Clones share them.
pub(crate) struct Stores<T: Tables> {
    inner: Arc<Inner<T>>,
}

impl<T: Tables> Clone for Stores<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

struct Inner<T: Tables> {
    tables: T,
    journal: SharedJournal<T::File>,
    settling: Arc<futures_util::lock::Mutex<()>>,
    options: BrowserOptions,
    /// Held while the stored catalog is changed.
    catalog: futures_util::lock::Mutex<Catalog>,
    taken: Taken,
    /// The engine each store had last: it may still have work to finish.
    last_engines: Mutex<BTreeMap<StoreName, Weak<Engine<T>>>>,
}

/// The names of the stores that are open, being opened or being deleted.
type Taken = Arc<Mutex<BTreeSet<StoreName>>>;

/// Keeps a name taken.
struct TakenName {
    taken: Taken,
    name: StoreName,
}

impl TakenName {
    fn take(taken: &Taken, name: &StoreName, what: &str) -> Result<Self> {
        if lock(taken).insert(name.clone()) {
            return Ok(Self {
                taken: Arc::clone(taken),
                name: name.clone(),
            });
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!("store '{}' is open {what}", name.as_str()),
        ))
    }
}

impl Drop for TakenName {
    fn drop(&mut self) {
        lock(&self.taken).remove(&self.name);
    }
}

/// An open store; dropping it closes the store.
pub(crate) struct Opening<T: Tables> {
    pub(crate) engine: Arc<Engine<T>>,
    name: Mutex<Option<TakenName>>,
}

impl<T: Tables> Opening<T> {
    pub(crate) async fn close(&self) -> Result<()> {
        self.engine.close().await?;
        lock(&self.name).take();
        Ok(())
    }
}

impl<T: Tables> Drop for Opening<T> {
    fn drop(&mut self) {
        self.engine.mark_closed();
    }
}

#[derive(Debug, Default, Clone)]
struct Catalog {
    next_store: u64,
    stores: BTreeMap<StoreName, u64>,
}

impl Catalog {
    fn key() -> TableKey {
        TableKey::new(0, 0)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        push_number(&mut out, self.next_store);
        for (name, number) in &self.stores {
            push_number(&mut out, *number);
            push_bytes(&mut out, name.as_str().as_bytes());
        }
        out
    }

    fn decode(bytes: Bytes) -> Result<Self> {
        let mut fields = Fields::new("the catalog of stores", bytes);
        let mut catalog = Self {
            next_store: fields.number()?,
            ..Self::default()
        };
        while !fields.is_at_end() {
            let number = fields.number()?;
            let name = String::from_utf8(fields.bytes()?.to_vec()).map_err(|_| fields.broken())?;
            catalog.stores.insert(StoreName::new(name)?, number);
        }
        Ok(catalog)
    }

    fn to_change(&self) -> Change {
        let key = Self::key();
        Change::Put(
            Table::Catalog,
            key,
            seal(Table::Catalog, key, self.encode()),
        )
    }
}

/// What the tables know of the journal beside them.
struct JournalRecord {
    /// Which generation of its files is theirs.
    generation: u64,
    founded_ms: u64,
    /// Whether the files were met again so late that they are there to stay.
    is_proven: bool,
}

impl JournalRecord {
    fn key() -> TableKey {
        TableKey::new(0, 1)
    }

    fn decode(sealed: Bytes) -> Result<Self> {
        let content = unseal(Table::Catalog, Self::key(), sealed)?;
        let mut fields = Fields::new("what is known of the journal", content);
        Ok(Self {
            generation: fields.number()?,
            founded_ms: fields.number()?,
            is_proven: fields.number()? != 0,
        })
    }

    fn to_change(&self) -> Change {
        let mut content = Vec::new();
        push_number(&mut content, self.generation);
        push_number(&mut content, self.founded_ms);
        push_number(&mut content, u64::from(self.is_proven));
        let key = Self::key();
        Change::Put(Table::Catalog, key, seal(Table::Catalog, key, content))
    }
}

async fn open_journal<T: Tables>(
    tables: &T,
    files: Option<[T::File; 2]>,
    record: Option<JournalRecord>,
    catalog: &Catalog,
) -> Result<Option<Journal<T::File>>> {
    match (files, record) {
        (Some(files), Some(record)) => reopen_journal(tables, files, record, catalog)
            .await
            .map(Some),
        (Some(files), None) => found_journal(tables, files).await.map(Some),
        (None, Some(record)) => {
            let contents = tables.read_files().await?;
            let found = match is_any_missing(&contents) && !record.is_proven {
                true => BTreeMap::new(),
                false => records_in(contents, record.generation)?,
            };
            let mut changes = to_tables(tables, &found, catalog).await?;
            // Its files belong to nobody then.
            let key = JournalRecord::key();
            changes.push(Change::Delete(Table::Catalog, key..=key));
            tables.apply(changes, Durability::Durable).await?;
            Ok(None)
        }
        (None, None) => Ok(None),
    }
}

async fn found_journal<T: Tables>(tables: &T, files: [T::File; 2]) -> Result<Journal<T::File>> {
    let journal = Journal::found(files)?;
    let record = JournalRecord {
        generation: journal.generation(),
        founded_ms: tables.now_ms(),
        is_proven: false,
    };
    let change = record.to_change();
    tables.apply(vec![change], Durability::Durable).await?;
    Ok(journal)
}

async fn reopen_journal<T: Tables>(
    tables: &T,
    files: [T::File; 2],
    mut record: JournalRecord,
    catalog: &Catalog,
) -> Result<Journal<T::File>> {
    if !record.is_proven {
        let [one, other] = &files;
        if is_any_missing(&[one.read()?, other.read()?]) {
            // A power cut took them, young as they were. What was durable is in the tables.
            return found_journal(tables, files).await;
        }
        let age_ms = tables.now_ms().checked_sub(record.founded_ms);
        record.is_proven = age_ms.is_some_and(|it| it >= PROVEN_MS);
        let journal = Journal::open(files, record.generation, record.is_proven)?;
        let changes = match record.is_proven {
            true => vec![record.to_change()],
            false => to_tables(tables, journal.found_records(), catalog).await?,
        };
        if !changes.is_empty() {
            tables.apply(changes, Durability::Durable).await?;
        }
        return Ok(journal);
    }
    Journal::open(files, record.generation, true)
}

/// Whether a file of a journal is not there, or was never begun.
fn is_any_missing(contents: &[Vec<u8>; 2]) -> bool {
    contents.iter().any(|it| is_missing(it))
}

/// Puts what the journal has into the log in the tables, too.
async fn to_tables<T: Tables>(
    tables: &T,
    found: &BTreeMap<u64, Vec<LogRecord>>,
    catalog: &Catalog,
) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for store in catalog.stores.values() {
        let Some(records) = found.get(store) else {
            continue;
        };
        let log_from = read_root(tables, *store).await?.log_from;
        let live = records.iter().filter(|(number, _)| *number >= log_from);
        changes.extend(live.map(|(number, record)| put_record(*store, *number, record.to_vec())));
    }
    Ok(changes)
}

impl<T: Tables> Stores<T> {
    pub(crate) async fn load(tables: T, options: BrowserOptions) -> Result<Self> {
        let keys = [Catalog::key(), JournalRecord::key()];
        let opening = async {
            match options.has_journal_files {
                true => tables.open_files().await,
                false => Ok(None),
            }
        };
        let reading = try_join(tables.get_many(Table::Catalog, &keys), opening);
        let (stored, files) = reading.await?;
        let mut stored = stored.into_iter();
        let catalog = match stored.next().flatten() {
            Some(sealed) => Catalog::decode(unseal(Table::Catalog, keys[0], sealed)?)?,
            None => Catalog::default(),
        };
        let record = stored.next().flatten();
        let record = record.map(JournalRecord::decode).transpose()?;
        let mut journal = open_journal(&tables, files, record, &catalog).await?;
        if let Some(journal) = &mut journal {
            let found: Vec<u64> = journal.found_records().keys().copied().collect();
            for store in found {
                if !catalog.stores.values().any(|number| *number == store) {
                    // Deleted, but the journal had no time to hear of it.
                    journal.forget(store);
                }
            }
        }
        Ok(Self {
            inner: Arc::new(Inner {
                tables,
                journal: Arc::new(Mutex::new(journal)),
                settling: Arc::default(),
                options,
                catalog: futures_util::lock::Mutex::new(catalog),
                taken: Taken::default(),
                last_engines: Mutex::default(),
            }),
        })
    }

    pub(crate) fn tables(&self) -> &T {
        &self.inner.tables
    }

    pub(crate) async fn open(&self, name: &StoreName) -> Result<Opening<T>> {
        let taken = TakenName::take(&self.inner.taken, name, "already")?;
        self.finish_earlier(name).await;
        let number = self.number_of(name).await?;
        let tables = self.inner.tables.clone();
        let journal = Arc::clone(&self.inner.journal);
        let options = self.inner.options;
        let settling = Arc::clone(&self.inner.settling);
        let name_text = name.as_str();
        let engine = Engine::open(tables, journal, settling, number, name_text, options).await?;
        let engine = Arc::new(engine);
        engine.compact_when_idle();
        lock(&self.inner.last_engines).insert(name.clone(), Arc::downgrade(&engine));
        Ok(Opening {
            engine,
            name: Mutex::new(Some(taken)),
        })
    }

    async fn finish_earlier(&self, name: &StoreName) {
        let earlier = lock(&self.inner.last_engines).remove(name);
        if let Some(engine) = earlier.and_then(|it| it.upgrade()) {
            engine.shut_down().await;
        }
    }

    async fn number_of(&self, name: &StoreName) -> Result<u64> {
        let mut catalog = self.inner.catalog.lock().await;
        if let Some(number) = catalog.stores.get(name) {
            return Ok(*number);
        }
        let mut changed = catalog.clone();
        let number = changed.next_store;
        if number > TableKey::MAX_STORE {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!(
                    "an environment holds {} stores in its life",
                    TableKey::MAX_STORE + 1
                ),
            ));
        }
        changed.next_store += 1;
        changed.stores.insert(name.clone(), number);
        // A commit of the store comes later, and makes this durable with itself, unless it goes
        // elsewhere.
        let durability = match &*lock(&self.inner.journal) {
            Some(_) => Durability::Durable,
            None => Durability::Relaxed,
        };
        let change = changed.to_change();
        self.inner.tables.apply(vec![change], durability).await?;
        *catalog = changed;
        Ok(number)
    }

    pub(crate) async fn list(&self) -> Result<Vec<StoreName>> {
        Ok(self
            .inner
            .catalog
            .lock()
            .await
            .stores
            .keys()
            .cloned()
            .collect())
    }

    pub(crate) async fn delete(&self, name: &StoreName) -> Result<()> {
        let _taken = TakenName::take(&self.inner.taken, name, "and cannot be deleted")?;
        self.finish_earlier(name).await;
        let mut catalog = self.inner.catalog.lock().await;
        let mut changed = catalog.clone();
        let Some(number) = changed.stores.remove(name) else {
            return Ok(());
        };
        let mut changes = vec![changed.to_change()];
        for table in [Table::Roots, Table::Log, Table::Pages] {
            changes.push(Change::Delete(table, TableKey::from_record(number, 0)));
        }
        self.inner
            .tables
            .apply(changes, Durability::Durable)
            .await?;
        *catalog = changed;
        if let Some(journal) = &mut *lock(&self.inner.journal) {
            journal.forget(number);
        }
        Ok(())
    }
}
