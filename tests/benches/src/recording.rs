//! A store that keeps a copy of every batch it commits, so that the same batches can be committed
//! again without the engine above.

use std::sync::{Arc, Mutex, PoisonError};

use pinyon_core::Result;
use pinyon_core::storage::{Durability, Store, WriteBatch};

/// Passes everything to the store inside.
#[derive(Clone)]
pub struct RecordingStore<S> {
    inner: S,
    batches: Arc<Mutex<Vec<WriteBatch>>>,
}

impl<S: Store> RecordingStore<S> {
    /// Records the commits to `inner`.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            batches: Arc::default(),
        }
    }

    /// The batches so far, in order; recording begins anew.
    pub fn take(&self) -> Vec<WriteBatch> {
        std::mem::take(&mut self.batches.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Store> Store for RecordingStore<S> {
    type Snapshot = S::Snapshot;

    async fn snapshot(&self) -> Result<S::Snapshot> {
        self.inner.snapshot().await
    }

    async fn commit(&self, batch: WriteBatch, durability: Durability) -> Result<()> {
        self.batches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(batch.clone());
        self.inner.commit(batch, durability).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
