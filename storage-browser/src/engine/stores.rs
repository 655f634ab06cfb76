//! The stores of an environment: the catalog of their names, and which of them are open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use pinyon_core::storage::{Durability, StoreName};
use pinyon_core::{Error, ErrorKind, Result};

use super::{Engine, lock};
use crate::checksum::{seal, unseal};
use crate::fields::{Fields, push_bytes, push_number};
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
    const KEY: (u64, u64) = (0, 0);

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
        let key = TableKey::new(Self::KEY.0, Self::KEY.1);
        Change::Put(
            Table::Catalog,
            key,
            seal(Table::Catalog, key, self.encode()),
        )
    }
}

impl<T: Tables> Stores<T> {
    pub(crate) async fn load(tables: T, options: BrowserOptions) -> Result<Self> {
        let key = TableKey::new(Catalog::KEY.0, Catalog::KEY.1);
        let stored = tables.get_many(Table::Catalog, &[key]).await?;
        let catalog = match stored.into_iter().next().flatten() {
            Some(sealed) => Catalog::decode(unseal(Table::Catalog, key, sealed)?)?,
            None => Catalog::default(),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                tables,
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
        let engine = Engine::open(tables, number, name.as_str(), self.inner.options).await?;
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
        // A commit of the store comes later, and makes this durable with itself.
        self.inner
            .tables
            .apply(vec![changed.to_change()], Durability::Relaxed)
            .await?;
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
        Ok(())
    }
}
