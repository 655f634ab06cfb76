//! The memory backend: persistent ordered maps, for tests, throw-away databases and private tabs.
//!
//! Everything it holds goes with the process; `Durable` and `Relaxed` mean the same here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use imbl::OrdMap;

use super::{
    Direction, Durability, Environment, KeyRange, KeySpace, Page, PageLimits, Snapshot, Store,
    StoreName, Write, WriteBatch,
};
use crate::{Error, ErrorKind, Result};

type Map = OrdMap<Bytes, Bytes>;

#[derive(Clone)]
struct State {
    spaces: Vec<Map>,
    open: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            spaces: vec![Map::new(); usize::from(KeySpace::COUNT)],
            open: false,
        }
    }
}

/// Named stores in memory. Clones share the stores.
#[derive(Clone, Default)]
pub struct MemoryEnvironment {
    stores: Arc<Mutex<BTreeMap<StoreName, Arc<Mutex<State>>>>>,
}

/// One store in memory.
#[derive(Clone)]
pub struct MemoryStore {
    name: StoreName,
    state: Arc<Mutex<State>>,
}

/// A frozen state of a [`MemoryStore`].
#[derive(Clone)]
pub struct MemorySnapshot {
    spaces: Arc<Vec<Map>>,
}

/// A panic elsewhere cannot leave the maps half changed (they are replaced whole), so a poisoned
/// lock is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl MemoryEnvironment {
    /// An environment without stores.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Environment for MemoryEnvironment {
    type Store = MemoryStore;

    async fn open(&self, name: &StoreName) -> Result<MemoryStore> {
        let state = Arc::clone(lock(&self.stores).entry(name.clone()).or_default());
        let already_open = std::mem::replace(&mut lock(&state).open, true);
        if already_open {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("store '{}' is open already", name.as_str()),
            ));
        }
        Ok(MemoryStore {
            name: name.clone(),
            state,
        })
    }

    async fn list(&self) -> Result<Vec<StoreName>> {
        Ok(lock(&self.stores).keys().cloned().collect())
    }

    async fn delete(&self, name: &StoreName) -> Result<()> {
        let mut stores = lock(&self.stores);
        if stores.get(name).is_some_and(|state| lock(state).open) {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("store '{}' is open and cannot be deleted", name.as_str()),
            ));
        }
        stores.remove(name);
        Ok(())
    }
}

impl MemoryStore {
    fn open_state(&self) -> Result<MutexGuard<'_, State>> {
        let state = lock(&self.state);
        if state.open {
            return Ok(state);
        }
        Err(Error::new(
            ErrorKind::Closed,
            format!("store '{}' is closed", self.name.as_str()),
        ))
    }
}

impl Store for MemoryStore {
    type Snapshot = MemorySnapshot;

    async fn snapshot(&self) -> Result<MemorySnapshot> {
        Ok(MemorySnapshot {
            spaces: Arc::new(self.open_state()?.spaces.clone()),
        })
    }

    async fn commit(&self, batch: WriteBatch, _durability: Durability) -> Result<()> {
        let mut state = self.open_state()?;
        for write in batch.into_writes() {
            match write {
                Write::Put { space, key, value } => {
                    state.spaces[usize::from(space.number())].insert(key, value);
                }
                Write::Delete { space, key } => {
                    state.spaces[usize::from(space.number())].remove(&key);
                }
            }
        }
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        lock(&self.state).open = false;
        Ok(())
    }
}

impl Snapshot for MemorySnapshot {
    async fn get_many(&self, space: KeySpace, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>> {
        let map = &self.spaces[usize::from(space.number())];
        Ok(keys.iter().map(|key| map.get(key).cloned()).collect())
    }

    async fn scan(
        &self,
        space: KeySpace,
        range: &KeyRange,
        direction: Direction,
        limits: PageLimits,
    ) -> Result<Page> {
        if range.is_empty() {
            return Ok(Page::default());
        }
        let map = &self.spaces[usize::from(space.number())];
        let entries = map.range((range.start.clone(), range.end.clone()));
        let page = match direction {
            Direction::Forward => collect_page(entries, limits),
            Direction::Backward => collect_page(entries.rev(), limits),
        };
        Ok(page)
    }
}

fn collect_page<'a>(
    entries: impl Iterator<Item = (&'a Bytes, &'a Bytes)>,
    limits: PageLimits,
) -> Page {
    let mut page = Page::default();
    let mut byte_count = 0;
    for (key, value) in entries {
        if page.entries.len() >= limits.entries.max(1) || byte_count >= limits.bytes.max(1) {
            page.has_more = true;
            break;
        }
        byte_count += key.len() + value.len();
        page.entries.push((key.clone(), value.clone()));
    }
    page
}
