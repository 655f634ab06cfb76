//! The port: an environment in IndexedDB, or in memory where the browser has none to give.

use std::sync::Arc;

use bytes::Bytes;
use pinyon_core::storage::{
    Direction, Durability, Environment, KeyRange, KeySpace, MemoryEnvironment, MemorySnapshot,
    MemoryStore, Page, PageLimits, Snapshot, Store, StoreName, WriteBatch,
};
use pinyon_core::{Error, Result};

use crate::engine::{EngineSnapshot, Opening, Stores};
use crate::indexed_db::{IndexedDb, OpenFailure};
use crate::options::BrowserOptions;

/// Where an environment keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageKind {
    /// In the browser's database.
    IndexedDb,
    /// In memory: everything goes with the page.
    Memory,
}

/// Named stores of one browser profile and origin.
#[derive(Clone)]
pub struct BrowserEnvironment {
    place: EnvironmentPlace,
}

#[derive(Clone)]
enum EnvironmentPlace {
    IndexedDb(Stores<IndexedDb>),
    Memory(MemoryEnvironment),
}

impl BrowserEnvironment {
    /// Opens the environment called `name`, or founds it.
    ///
    /// # Errors
    /// `Unavailable` when another tab owns it or the browser has no storage to give (and memory
    /// was not allowed); `Unsupported` when a newer version stored it; `Corrupted` when its
    /// catalog is damaged.
    pub async fn open(name: &str, options: BrowserOptions) -> Result<Self> {
        match IndexedDb::open(name, options.lock_wait_ms).await {
            Ok(tables) => Ok(Self {
                place: EnvironmentPlace::IndexedDb(Stores::load(tables, options).await?),
            }),
            Err(OpenFailure::NoStorage(_)) if options.is_memory_allowed => Ok(Self::in_memory()),
            Err(OpenFailure::NoStorage(reason) | OpenFailure::Failed(reason)) => Err(reason),
        }
    }

    /// An environment that goes with the page.
    pub fn in_memory() -> Self {
        Self {
            place: EnvironmentPlace::Memory(MemoryEnvironment::new()),
        }
    }

    /// Where the data is.
    pub fn kind(&self) -> StorageKind {
        match self.place {
            EnvironmentPlace::IndexedDb(_) => StorageKind::IndexedDb,
            EnvironmentPlace::Memory(_) => StorageKind::Memory,
        }
    }

    /// Waits until the browser takes the storage away (the user cleared it, another tab upgrades
    /// it) and says why. Answers `None` when the environment was given up.
    pub fn lost(&self) -> impl Future<Output = Option<Error>> + Send + use<> {
        let lost = match &self.place {
            EnvironmentPlace::IndexedDb(stores) => Some(stores.tables().lost()),
            EnvironmentPlace::Memory(_) => None,
        };
        async move {
            match lost {
                Some(lost) => lost.await,
                None => std::future::pending().await,
            }
        }
    }
}

impl Environment for BrowserEnvironment {
    type Store = BrowserStore;

    async fn open(&self, name: &StoreName) -> Result<BrowserStore> {
        let place = match &self.place {
            EnvironmentPlace::IndexedDb(stores) => {
                StorePlace::IndexedDb(Arc::new(stores.open(name).await?))
            }
            EnvironmentPlace::Memory(stores) => StorePlace::Memory(stores.open(name).await?),
        };
        Ok(BrowserStore { place })
    }

    async fn list(&self) -> Result<Vec<StoreName>> {
        match &self.place {
            EnvironmentPlace::IndexedDb(stores) => stores.list().await,
            EnvironmentPlace::Memory(stores) => stores.list().await,
        }
    }

    async fn delete(&self, name: &StoreName) -> Result<()> {
        match &self.place {
            EnvironmentPlace::IndexedDb(stores) => stores.delete(name).await,
            EnvironmentPlace::Memory(stores) => stores.delete(name).await,
        }
    }
}

/// One store. Dropping its last clone closes it.
#[derive(Clone)]
pub struct BrowserStore {
    place: StorePlace,
}

#[derive(Clone)]
enum StorePlace {
    IndexedDb(Arc<Opening<IndexedDb>>),
    Memory(MemoryStore),
}

impl Store for BrowserStore {
    type Snapshot = BrowserSnapshot;

    async fn snapshot(&self) -> Result<BrowserSnapshot> {
        let place = match &self.place {
            StorePlace::IndexedDb(opening) => SnapshotPlace::IndexedDb(opening.engine.snapshot()?),
            StorePlace::Memory(store) => SnapshotPlace::Memory(store.snapshot().await?),
        };
        Ok(BrowserSnapshot { place })
    }

    async fn commit(&self, batch: WriteBatch, durability: Durability) -> Result<()> {
        match &self.place {
            StorePlace::IndexedDb(opening) => opening.engine.commit(batch, durability).await,
            StorePlace::Memory(store) => store.commit(batch, durability).await,
        }
    }

    async fn close(&self) -> Result<()> {
        match &self.place {
            StorePlace::IndexedDb(opening) => opening.close().await,
            StorePlace::Memory(store) => store.close().await,
        }
    }
}

/// A frozen state of a [`BrowserStore`].
pub struct BrowserSnapshot {
    place: SnapshotPlace,
}

enum SnapshotPlace {
    IndexedDb(EngineSnapshot<IndexedDb>),
    Memory(MemorySnapshot),
}

impl Snapshot for BrowserSnapshot {
    const HOLDS_SERVERS: bool = false;

    async fn get_many(&self, space: KeySpace, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>> {
        match &self.place {
            SnapshotPlace::IndexedDb(snapshot) => snapshot.get_many(space, keys).await,
            SnapshotPlace::Memory(snapshot) => snapshot.get_many(space, keys).await,
        }
    }

    async fn scan(
        &self,
        space: KeySpace,
        range: &KeyRange,
        direction: Direction,
        limits: PageLimits,
    ) -> Result<Page> {
        match &self.place {
            SnapshotPlace::IndexedDb(snapshot) => {
                snapshot.scan(space, range, direction, limits).await
            }
            SnapshotPlace::Memory(snapshot) => snapshot.scan(space, range, direction, limits).await,
        }
    }
}
