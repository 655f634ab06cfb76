use futures_executor::block_on;
use pinyon_conformance::Harness;
use pinyon_core::storage::{
    Direction, Durability, Environment, KeyRange, KeySpace, PageLimits, Snapshot, Store, StoreName,
    WriteBatch,
};
use pinyon_core::{ErrorKind, Result};

use super::simulated::SimulatedTables;
use super::{EngineSnapshot, Opening, Stores};
use crate::options::BrowserOptions;
use crate::tables::{Table, TableKey, Tables};

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

const SPACE: KeySpace = KeySpace::new(1);

/// Small sizes, so that few writes meet every boundary.
const SMALL: BrowserOptions = BrowserOptions {
    max_cached_bytes: 4_000,
    page_bytes: 256,
    log_record_bytes: 60,
    max_log_bytes: 1_000,
    idle_log_bytes: 200,
    idle_ms: 0,
    max_log_commits: 7,
    lock_wait_ms: 0,
    is_memory_allowed: false,
};

impl Environment for Stores<SimulatedTables> {
    type Store = SimulatedStore;

    async fn open(&self, name: &StoreName) -> Result<SimulatedStore> {
        Self::open(self, name)
            .await
            .map(Arc::new)
            .map(SimulatedStore)
    }

    async fn list(&self) -> Result<Vec<StoreName>> {
        Self::list(self).await
    }

    async fn delete(&self, name: &StoreName) -> Result<()> {
        Self::delete(self, name).await
    }
}

#[derive(Clone)]
pub(crate) struct SimulatedStore(Arc<Opening<SimulatedTables>>);

impl Store for SimulatedStore {
    type Snapshot = EngineSnapshot<SimulatedTables>;

    async fn snapshot(&self) -> Result<Self::Snapshot> {
        self.0.engine.snapshot()
    }

    async fn commit(&self, batch: WriteBatch, durability: Durability) -> Result<()> {
        self.0.engine.commit(batch, durability).await
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}

impl Snapshot for EngineSnapshot<SimulatedTables> {
    async fn get_many(&self, space: KeySpace, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>> {
        Self::get_many(self, space, keys).await
    }

    async fn scan(
        &self,
        space: KeySpace,
        range: &KeyRange,
        direction: Direction,
        limits: PageLimits,
    ) -> Result<pinyon_core::storage::Page> {
        Self::scan(self, space, range, direction, limits).await
    }
}

struct Simulated(SimulatedTables, BrowserOptions);

impl Harness for Simulated {
    type Environment = Stores<SimulatedTables>;

    async fn open(&mut self) -> Self::Environment {
        Stores::load(self.0.clone(), self.1).await.unwrap()
    }
}

mod with_default_sizes {
    use super::{BrowserOptions, Simulated, SimulatedTables};
    pinyon_conformance::for_each_case!(
        pinyon_conformance::block_on_tests,
        Simulated(SimulatedTables::new(), BrowserOptions::default())
    );
}

mod with_small_sizes {
    use super::{SMALL, Simulated, SimulatedTables};
    pinyon_conformance::for_each_case!(
        pinyon_conformance::block_on_tests,
        Simulated(SimulatedTables::new(), SMALL)
    );
}

async fn open<T: Tables>(tables: T) -> Result<Opening<T>> {
    let stores = Stores::load(tables, SMALL).await?;
    stores.open(&StoreName::new("s").unwrap()).await
}

/// Writes `count` commits of three keys from a small range, the third a delete.
async fn write(
    opening: &Opening<SimulatedTables>,
    model: &mut BTreeMap<Bytes, Bytes>,
    numbers: std::ops::Range<u32>,
) -> Result<()> {
    for number in numbers {
        let key = |salt: u32| Bytes::from(format!("key {:03}", number.wrapping_mul(salt) % 500));
        let value = Bytes::from(format!("{number}").repeat(20));
        let mut batch = WriteBatch::default();
        batch.put(SPACE, key(7), value.clone());
        batch.put(SPACE, key(31), value.clone());
        batch.delete(SPACE, key(13));
        opening.engine.commit(batch, Durability::Durable).await?;
        model.insert(key(7), value.clone());
        model.insert(key(31), value);
        model.remove(&key(13));
    }
    Ok(())
}

async fn check<T: Tables>(opening: &Opening<T>, model: &BTreeMap<Bytes, Bytes>) {
    let snapshot = opening.engine.snapshot().unwrap();
    let limits = PageLimits {
        entries: usize::MAX,
        bytes: usize::MAX,
    };
    for direction in [Direction::Forward, Direction::Backward] {
        let found = snapshot
            .scan(SPACE, &KeyRange::all(), direction, limits)
            .await
            .unwrap();
        let mut expected: Vec<_> = model.clone().into_iter().collect();
        if direction == Direction::Backward {
            expected.reverse();
        }
        assert_eq!(found.entries, expected);
    }
    let keys: Vec<Bytes> = model.keys().cloned().collect();
    let values = snapshot.get_many(SPACE, &keys).await.unwrap();
    let expected: Vec<_> = model.values().cloned().map(Some).collect();
    assert_eq!(values, expected);
}

#[test]
fn compactions_keep_everything_and_leave_nothing_behind() {
    block_on(async {
        let (tables, mut model) = (SimulatedTables::new(), BTreeMap::new());
        for life in 0..5 {
            let opening = open(tables.clone()).await.unwrap();
            check(&opening, &model).await;
            for part in 0..10 {
                let first = life * 1_000 + part * 100;
                write(&opening, &mut model, first..first + 40)
                    .await
                    .unwrap();
                check(&opening, &model).await;
            }
            opening.close().await.unwrap();
        }
        let opening = open(tables.clone()).await.unwrap();
        opening.engine.compact().await.unwrap();
        opening.engine.compact().await.unwrap();
        check(&opening, &model).await;
        assert!(tables.keys(Table::Log).is_empty(), "all is in pages");
        let named: usize = {
            let state = super::lock(&opening.engine.state);
            state.index.spaces.iter().map(|pages| pages.len()).sum()
        };
        assert!(named > 20, "{named}");
        // The second compaction replaced nothing, and deleted what the first one had replaced.
        assert_eq!(tables.keys(Table::Pages).len(), named);
    });
}

#[test]
fn a_log_is_compacted_when_nobody_reads_or_writes() {
    block_on(async {
        let (tables, mut model) = (SimulatedTables::new(), BTreeMap::new());
        let opening = open(tables.clone()).await.unwrap();
        write(&opening, &mut model, 0..4).await.unwrap();
        let (engine, length) = (&opening.engine, tables.keys(Table::Log).len());
        assert!(length > 4, "a commit is several records: {length}");
        assert!(super::lock(&engine.state).awaits_idleness);
        let seen = engine.look_for_idleness(None);
        write(&opening, &mut model, 4..5).await.unwrap();
        let seen_later = engine.look_for_idleness(seen);
        assert!(seen_later > seen, "somebody wrote meanwhile");
        check(&opening, &model).await;
        let seen_last = engine.look_for_idleness(seen_later);
        assert!(seen_last > seen_later, "somebody read meanwhile");
        assert!(super::lock(&engine.state).compaction.is_none());
        assert_eq!(engine.look_for_idleness(seen_last), None);
        engine.finish_compaction().await;
        assert!(tables.keys(Table::Log).is_empty(), "all is in pages");
        check(&opening, &model).await;
    });
}

#[test]
fn an_old_snapshot_outlives_compactions() {
    block_on(async {
        let (tables, mut model) = (SimulatedTables::new(), BTreeMap::new());
        let opening = open(tables.clone()).await.unwrap();
        write(&opening, &mut model, 0..100).await.unwrap();
        let (old, old_model) = (opening.engine.snapshot().unwrap(), model.clone());
        write(&opening, &mut model, 100..400).await.unwrap();
        opening.engine.compact().await.unwrap();
        let all = PageLimits {
            entries: usize::MAX,
            bytes: usize::MAX,
        };
        let found = old
            .scan(SPACE, &KeyRange::all(), Direction::Forward, all)
            .await
            .unwrap();
        assert_eq!(found.entries, old_model.into_iter().collect::<Vec<_>>());
        check(&opening, &model).await;
    });
}

/// A tab may die, or the quota end, after any transaction of commits and compactions.
#[test]
fn a_death_after_any_transaction_keeps_what_was_acknowledged() {
    block_on(async {
        for failure in [ErrorKind::Closed, ErrorKind::StorageFull] {
            let (tables, mut model) = (SimulatedTables::new(), BTreeMap::new());
            for writes in 0..120 {
                let failing = tables.failing_after(writes % 40, failure);
                // Opening writes too, the first time.
                if let Ok(opening) = open(failing.clone()).await {
                    let first = writes as u32 * 50;
                    let _ = write(&opening, &mut model, first..first + 50).await;
                    if failure == ErrorKind::StorageFull {
                        check(&opening, &model).await;
                        failing.heal();
                        write(&opening, &mut model, first + 50..first + 60)
                            .await
                            .unwrap();
                    }
                }
                check(&open(tables.clone()).await.unwrap(), &model).await;
            }
            let opening = open(tables.clone()).await.unwrap();
            opening.engine.compact().await.unwrap();
            opening.engine.compact().await.unwrap();
            let state = super::lock(&opening.engine.state);
            let named: usize = state.index.spaces.iter().map(|pages| pages.len()).sum();
            assert_eq!(
                tables.keys(Table::Pages).len(),
                named,
                "no page is left over"
            );
        }
    });
}

#[test]
fn damage_is_named_never_served() {
    for table in [Table::Roots, Table::Log, Table::Pages] {
        block_on(async {
            let (tables, mut model) = (SimulatedTables::new(), BTreeMap::new());
            let opening = open(tables.clone()).await.unwrap();
            write(&opening, &mut model, 0..100).await.unwrap();
            opening.engine.compact().await.unwrap();
            // Too few for another compaction.
            write(&opening, &mut model, 100..102).await.unwrap();
            opening.close().await.unwrap();
            let newest = tables.keys(table).pop().expect("there are some");
            tables.damage(table, newest);
            let failure = match open(tables.clone()).await {
                Err(reason) => reason,
                Ok(opening) => {
                    let snapshot = opening.engine.snapshot().unwrap();
                    let keys: Vec<Bytes> = model.keys().cloned().collect();
                    snapshot.get_many(SPACE, &keys).await.unwrap_err()
                }
            };
            assert_eq!(failure.kind(), ErrorKind::Corrupted);
            assert!(failure.message().contains(table.name()), "{failure}");
        });
    }
}

#[test]
fn a_missing_log_record_is_found() {
    block_on(async {
        let (tables, mut model) = (SimulatedTables::new(), BTreeMap::new());
        let opening = open(tables.clone()).await.unwrap();
        write(&opening, &mut model, 0..5).await.unwrap();
        opening.close().await.unwrap();
        tables.remove(Table::Log, TableKey::new(0, 2));
        let Err(failure) = open(tables).await else {
            panic!("a log with a gap opened");
        };
        assert_eq!(failure.kind(), ErrorKind::Corrupted);
    });
}
