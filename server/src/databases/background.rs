//! What is done for databases without being asked: old tombstones, idle databases, notices.

use std::sync::Arc;
use std::time::Duration;

use pinyon_core::Result;
use pinyon_core::host::Timestamp;
use pinyon_core::indexes::IdleLimits;
use pinyon_core::version::Etag;
use tokio::task::JoinHandle;

use super::OpenDatabase;
use crate::server::Server;

/// Tombstones removed in one step, so that writers wait for little.
const TOMBSTONES_PER_STEP: usize = 1024;
const TICK: Duration = Duration::from_secs(1);

/// Starts the work of this module; it ends when the handle is aborted.
pub fn start(server: &Arc<Server>) -> JoinHandle<()> {
    tokio::spawn(run(Arc::clone(server)))
}

async fn run(server: Arc<Server>) {
    let config = &server.config;
    let idle = Duration::from_secs(config.idle_database_timeout_s);
    let cleanup_every = Duration::from_secs(config.tombstone_cleanup_interval_s.max(1));
    let mut ticks = tokio::time::interval(TICK);
    let mut cleaned_at = tokio::time::Instant::now();
    loop {
        let now = ticks.tick().await;
        server.databases.count_second();
        for database in server.databases.open_databases() {
            database.log_notices();
        }
        rest_unused_indexes(&server).await;
        if !idle.is_zero() {
            server.databases.close_idle(idle).await;
        }
        if now.saturating_duration_since(cleaned_at) >= cleanup_every {
            cleaned_at = now;
            clean_tombstones(&server).await;
        }
    }
}

async fn rest_unused_indexes(server: &Server) {
    let limits = IdleLimits {
        idle_after_ms: i64::from(server.config.auto_index_idle_after_s) * 1000,
        delete_after_ms: i64::from(server.config.auto_index_delete_after_s) * 1000,
    };
    for database in server.databases.open_databases() {
        if let Err(error) = database.indexes.rest_unused(&limits).await {
            tracing::warn!(
                database = database.record.name,
                ?error,
                "unused indexes could not be put to rest"
            );
        }
    }
}

async fn clean_tombstones(server: &Server) {
    let retention_ms = i64::from(server.config.tombstone_retention_h) * 3_600_000;
    let older_than = server.host.clock.now().plus_ms(-retention_ms);
    for database in server.databases.open_databases() {
        match clean_database(&database, older_than).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(
                database = database.record.name,
                count,
                "removed old tombstones"
            ),
            Err(error) => tracing::warn!(
                database = database.record.name,
                ?error,
                "old tombstones could not be removed"
            ),
        }
    }
}

async fn clean_database(database: &OpenDatabase, older_than: Timestamp) -> Result<usize> {
    // An index that is behind still needs the deletions it has not followed.
    let followed = database.indexes.deletions_followed().await?;
    let consumed_up_to = Etag::new(followed.unwrap_or(u64::MAX));
    let mut total = 0;
    loop {
        let removed = database
            .documents
            .clean_tombstones_step(consumed_up_to, older_than, TOMBSTONES_PER_STEP)
            .await?;
        total += removed;
        if removed == 0 {
            return Ok(total);
        }
    }
}
