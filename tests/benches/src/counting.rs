//! A store that counts how many of the entries read and written through it are of a kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use pinyon_core::Result;
use pinyon_core::storage::{
    Direction, Durability, KeyRange, KeySpace, Page, PageLimits, Snapshot, Store, Write, WriteBatch,
};

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Keys asked for, and scans.
    pub reads: u64,
    /// Puts and deletes.
    pub writes: u64,
}

#[derive(Debug)]
struct Counters {
    is_counted: fn(KeySpace, &[u8]) -> bool,
    reads: AtomicU64,
    writes: AtomicU64,
}

/// Passes everything to the store inside.
#[derive(Clone)]
pub struct CountingStore<S> {
    inner: S,
    counters: Arc<Counters>,
}

/// Passes everything to the snapshot inside.
pub struct CountingSnapshot<S> {
    inner: S,
    counters: Arc<Counters>,
}

impl<S: Store> CountingStore<S> {
    /// Counts the entries of `inner` for which `is_counted` holds.
    pub fn new(inner: S, is_counted: fn(KeySpace, &[u8]) -> bool) -> Self {
        let counters = Counters {
            is_counted,
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        };
        Self {
            inner,
            counters: Arc::new(counters),
        }
    }

    /// The counts so far; counting begins anew.
    pub fn take(&self) -> Counts {
        Counts {
            reads: self.counters.reads.swap(0, Ordering::SeqCst),
            writes: self.counters.writes.swap(0, Ordering::SeqCst),
        }
    }
}

impl<S: Store> Store for CountingStore<S> {
    type Snapshot = CountingSnapshot<S::Snapshot>;

    async fn snapshot(&self) -> Result<Self::Snapshot> {
        Ok(CountingSnapshot {
            inner: self.inner.snapshot().await?,
            counters: Arc::clone(&self.counters),
        })
    }

    async fn commit(&self, batch: WriteBatch, durability: Durability) -> Result<()> {
        let is_counted = |write: &&Write| match write {
            Write::Put { space, key, .. } | Write::Delete { space, key } => {
                (self.counters.is_counted)(*space, key)
            }
        };
        let count = batch.writes().iter().filter(is_counted).count();
        self.counters
            .writes
            .fetch_add(count as u64, Ordering::SeqCst);
        self.inner.commit(batch, durability).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

impl<S: Snapshot> Snapshot for CountingSnapshot<S> {
    async fn get_many(&self, space: KeySpace, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>> {
        let is_counted = |key: &&Bytes| (self.counters.is_counted)(space, key);
        let count = keys.iter().filter(is_counted).count();
        self.counters
            .reads
            .fetch_add(count as u64, Ordering::SeqCst);
        self.inner.get_many(space, keys).await
    }

    async fn scan(
        &self,
        space: KeySpace,
        range: &KeyRange,
        direction: Direction,
        limits: PageLimits,
    ) -> Result<Page> {
        if (self.counters.is_counted)(space, &[]) {
            self.counters.reads.fetch_add(1, Ordering::SeqCst);
        }
        self.inner.scan(space, range, direction, limits).await
    }
}
