//! The stores of an environment: the catalog of their names, and which of them are open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use futures_util::future::try_join;
use pinyon_core::storage::{Durability, StoreName};
use pinyon_core::{Error, ErrorKind, Result};

use super::open::read_root;
use super::{Engine, SharedJournal, lock};
use crate::checksum::{seal, unseal};
use crate::fields::{Fields, push_bytes, push_number};
use crate::journal::{Journal, records_in};
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

/// Which generation of the journal's files belongs to these tables.
fn generation_key() -> TableKey {
    TableKey::new(0, 1)
}

fn decode_generation(sealed: Bytes) -> Result<u64> {
    let content = unseal(Table::Catalog, generation_key(), sealed)?;
    Fields::new("the journal's generation", content).number()
}

fn generation_change(generation: u64) -> Change {
    let mut content = Vec::new();
    push_number(&mut content, generation);
    let key = generation_key();
    Change::Put(Table::Catalog, key, seal(Table::Catalog, key, content))
}

async fn open_journal<T: Tables>(
    tables: &T,
    files: Option<[T::File; 2]>,
    generation: Option<u64>,
    catalog: &Catalog,
) -> Result<Option<Journal<T::File>>> {
    match (files, generation) {
        (Some(files), Some(generation)) => Journal::open(files, generation).map(Some),
        (Some(files), None) => {
            let journal = Journal::found(files)?;
            let change = generation_change(journal.generation());
            tables.apply(vec![change], Durability::Durable).await?;
            Ok(Some(journal))
        }
        (None, Some(generation)) => {
            give_up_journal(tables, generation, catalog).await?;
            Ok(None)
        }
        (None, None) => Ok(None),
    }
}

/// Moves what the journal has into the log in the tables. Its files belong to nobody then.
async fn give_up_journal<T: Tables>(tables: &T, generation: u64, catalog: &Catalog) -> Result<()> {
    let mut found = records_in(tables.read_files().await?, generation)?;
    let key = generation_key();
    let mut changes = vec![Change::Delete(Table::Catalog, key..=key)];
    for store in catalog.stores.values() {
        let Some(records) = found.remove(store) else {
            continue;
        };
        let log_from = read_root(tables, *store).await?.log_from;
        for (number, record) in records {
            if number >= log_from {
                let key = TableKey::new(*store, number);
                let sealed = seal(Table::Log, key, record.to_vec());
                changes.push(Change::Put(Table::Log, key, sealed));
            }
        }
    }
    tables.apply(changes, Durability::Durable).await
}

impl<T: Tables> Stores<T> {
    pub(crate) async fn load(tables: T, options: BrowserOptions) -> Result<Self> {
        let keys = [Catalog::key(), generation_key()];
        let reading = try_join(tables.get_many(Table::Catalog, &keys), tables.open_files());
        let (stored, files) = reading.await?;
        let mut stored = stored.into_iter();
        let catalog = match stored.next().flatten() {
            Some(sealed) => Catalog::decode(unseal(Table::Catalog, keys[0], sealed)?)?,
            None => Catalog::default(),
        };
        let generation = stored.next().flatten();
        let generation = generation.map(decode_generation).transpose()?;
        let mut journal = open_journal(&tables, files, generation, &catalog).await?;
        for store in journal.iter().flat_map(Journal::stores).collect::<Vec<_>>() {
            if !catalog.stores.values().any(|number| *number == store) {
                // Deleted, but the journal had no time to hear of it.
                journal.iter_mut().for_each(|it| it.forget(store));
            }
        }
        Ok(Self {
            inner: Arc::new(Inner {
                tables,
                journal: Arc::new(Mutex::new(journal)),
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
        let engine = Engine::open(tables, journal, number, name.as_str(), options).await?;
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
