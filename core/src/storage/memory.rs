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

struct State {
    spaces: Vec<Map>,
    /// Which opening of the store is the present one, while it is open.
    open: Option<u64>,
    /// How often the store was opened.
    openings: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            spaces: vec![Map::new(); usize::from(KeySpace::COUNT)],
            open: None,
            openings: 0,
        }
    }
}

/// Named stores in memory. Clones share the stores.
#[derive(Clone, Default)]
pub struct MemoryEnvironment {
    stores: Arc<Mutex<BTreeMap<StoreName, Arc<Mutex<State>>>>>,
}

/// One store in memory. Dropping its last clone closes it.
#[derive(Clone)]
pub struct MemoryStore {
    opening: Arc<Opening>,
}

struct Opening {
    name: StoreName,
    number: u64,
    state: Arc<Mutex<State>>,
}

impl Opening {
    fn close(&self) {
        let mut state = lock(&self.state);
        // A later opening is not this one's to close.
        if state.open == Some(self.number) {
            state.open = None;
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.close();
    }
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
        let number = {
            let mut state = lock(&state);
            if state.open.is_some() {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!("store '{}' is open already", name.as_str()),
                ));
            }
            state.openings += 1;
            state.open = Some(state.openings);
            state.openings
        };
        let opening = Opening {
            name: name.clone(),
            number,
            state,
        };
        Ok(MemoryStore {
            opening: Arc::new(opening),
        })
    }

    async fn list(&self) -> Result<Vec<StoreName>> {
        Ok(lock(&self.stores).keys().cloned().collect())
    }

    async fn delete(&self, name: &StoreName) -> Result<()> {
        let mut stores = lock(&self.stores);
        if stores
            .get(name)
            .is_some_and(|state| lock(state).open.is_some())
        {
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
        let state = lock(&self.opening.state);
        if state.open == Some(self.opening.number) {
            return Ok(state);
        }
        Err(Error::new(
            ErrorKind::Closed,
            format!("store '{}' is closed", self.opening.name.as_str()),
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
        drop(self.open_state()?);
        self.opening.close();
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
