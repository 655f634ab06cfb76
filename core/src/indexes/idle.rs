//! Automatic indexes that nobody asks: first they rest, then they go.
//!
//! An idle index stands still until a query comes that nothing else answers; then it catches up. It
//! takes no part in what new indexes are made to take over. Clients' own indexes are never idle.

use std::sync::Arc;

use super::catalog::Indexes;
use super::definition::IndexSource;
use super::index::Index;
use crate::Result;
use crate::storage::Environment;

/// How long automatic indexes live without being asked; 0 for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleLimits {
    /// After this long without a query they rest.
    pub idle_after_ms: i64,
    /// After this long without a query they are deleted, if they rest.
    pub delete_after_ms: i64,
}

impl Default for IdleLimits {
    fn default() -> Self {
        Self {
            idle_after_ms: 30 * 60_000,
            delete_after_ms: 72 * 3_600_000,
        }
    }
}

impl<E: Environment> Indexes<E> {
    /// Lets automatic indexes rest that nobody asked for long, and deletes those that rested for
    /// long. The host calls it from time to time.
    ///
    /// # Errors
    /// Whatever the storage reports.
    pub async fn rest_unused(&self, limits: &IdleLimits) -> Result<()> {
        for index in self.list() {
            if !matches!(index.record().source, IndexSource::Auto(_)) {
                continue;
            }
            let now = self.database().now().ticks();
            let is_over = |since: i64, ms: i64| {
                ms > 0 && now.saturating_sub(since) >= ms.saturating_mul(10_000)
            };
            let resting_since = index.record().idle_since_query_ticks;
            let asked = index.unasked_since().ticks();
            match resting_since {
                None if is_over(asked, limits.idle_after_ms) => {
                    let _changing = self.changing.lock().await;
                    if index.is_retired() {
                        continue;
                    }
                    let mut record = (*index.record()).clone();
                    record.idle_since_query_ticks = Some(asked);
                    self.change(&index, record).await?;
                }
                Some(asked) if is_over(asked, limits.delete_after_ms) => {
                    let _changing = self.changing.lock().await;
                    if index.record().is_idle() && !index.is_retired() {
                        let name = index.name();
                        self.save(&[], &[&name]).await?;
                        self.remove(&name);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Lets an idle index follow the documents again; `false` when it was deleted meanwhile.
    pub(crate) async fn wake(&self, index: &Arc<Index<E::Store>>) -> Result<bool> {
        if !index.record().is_idle() {
            return Ok(true);
        }
        let _changing = self.changing.lock().await;
        if index.is_retired() {
            return Ok(false);
        }
        index.touch(self.database().now());
        let mut record = (*index.record()).clone();
        record.idle_since_query_ticks = None;
        self.change(index, record).await?;
        Ok(true)
    }
}
