//! Tables in memory that behave as IndexedDB does, for tests: transactions in order, each polled
//! more than once, and a quota.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pinyon_core::storage::Durability;
use pinyon_core::{Error, ErrorKind, Result};

use crate::engine::lock;
use crate::tables::{Change, Table, TableKey, Tables, Work};

#[derive(Clone)]
pub(crate) struct SimulatedTables {
    disk: Arc<Mutex<BTreeMap<(Table, TableKey), Bytes>>>,
    /// How many more transactions may write; for deaths in the middle of a compaction.
    writes_left: Arc<AtomicUsize>,
    /// What the transactions after that fail with.
    failure: ErrorKind,
}

impl SimulatedTables {
    pub(crate) fn new() -> Self {
        Self {
            disk: Arc::default(),
            writes_left: Arc::new(AtomicUsize::new(usize::MAX)),
            failure: ErrorKind::StorageFull,
        }
    }

    /// The same disk, on which only `writes` more transactions succeed.
    pub(crate) fn failing_after(&self, writes: usize, failure: ErrorKind) -> Self {
        Self {
            disk: Arc::clone(&self.disk),
            writes_left: Arc::new(AtomicUsize::new(writes)),
            failure,
        }
    }

    pub(crate) fn heal(&self) {
        self.writes_left.store(usize::MAX, Ordering::SeqCst);
    }

    pub(crate) fn keys(&self, table: Table) -> Vec<TableKey> {
        let disk = lock(&self.disk);
        let of_table = disk.keys().filter(|(of, _)| *of == table);
        of_table.map(|(_, key)| *key).collect()
    }

    pub(crate) fn damage(&self, table: Table, key: TableKey) {
        let mut disk = lock(&self.disk);
        let record = disk.get_mut(&(table, key)).expect("the record exists");
        let mut bytes = record.to_vec();
        bytes[0] ^= 1;
        *record = bytes.into();
    }

    pub(crate) fn remove(&self, table: Table, key: TableKey) {
        lock(&self.disk).remove(&(table, key));
    }
}

/// Lets others run once.
async fn turn() {
    let mut is_first = true;
    std::future::poll_fn(|context| {
        if std::mem::take(&mut is_first) {
            context.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(())
    })
    .await;
}

impl Tables for SimulatedTables {
    async fn get_many(&self, table: Table, keys: &[TableKey]) -> Result<Vec<Option<Bytes>>> {
        turn().await;
        let disk = lock(&self.disk);
        Ok(keys
            .iter()
            .map(|key| disk.get(&(table, *key)).cloned())
            .collect())
    }

    async fn get_range(
        &self,
        table: Table,
        range: RangeInclusive<TableKey>,
        limit: u32,
    ) -> Result<Vec<Bytes>> {
        turn().await;
        let disk = lock(&self.disk);
        let range = (table, *range.start())..=(table, *range.end());
        Ok(disk
            .range(range)
            .take(limit as usize)
            .map(|(_, record)| record.clone())
            .collect())
    }

    async fn apply(&self, changes: Vec<Change>, _: Durability) -> Result<()> {
        let left = self
            .writes_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if left.is_err() {
            turn().await;
            return Err(Error::new(self.failure, "the simulated disk refuses"));
        }
        {
            let mut disk = lock(&self.disk);
            for change in changes {
                match change {
                    Change::Put(table, key, value) => {
                        disk.insert((table, key), value.into());
                    }
                    Change::Delete(table, range) => {
                        disk.retain(|(of, key), _| *of != table || !range.contains(key));
                    }
                }
            }
        }
        turn().await;
        Ok(())
    }

    fn drive(&self, _: Work) {
        // Goes on when somebody needs it, which shows more orders of events than a real task.
    }

    fn sleep(&self, _: u32) -> impl Future<Output = ()> + Send + use<> {
        turn()
    }
}
