//! A database that is open: its documents, its merger, and when it was last used.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pinyon_core::commands::{BatchCommand, CommandOutcome};
use pinyon_core::host::Host;
use pinyon_core::indexes::Indexes;
use pinyon_core::storage::Environment as _;
use pinyon_core::{Database, DatabaseOptions, ErrorKind, NoticeKind, ReadTransaction, Result};
use pinyon_storage_native::{NativeEnvironment, NativeSnapshot, NativeStore};
use tokio::task::JoinHandle;

use crate::scripts::{DatabaseScripts, ScriptCompiler, ScriptRuntime};

use super::DatabaseRecord;
use super::indexing::{Indexing, IndexingTurns};
use super::sweeps::SweepPlan;

/// An open database. Requests hold it while they use it; it is closed by its slot alone.
pub struct OpenDatabase {
    /// The record it was opened with.
    pub record: DatabaseRecord,
    /// The documents.
    pub documents: Database<NativeStore>,
    /// The indexes.
    pub indexes: Arc<Indexes<NativeEnvironment>>,
    indexing: Indexing,
    /// What runs its scripts.
    pub scripts: Arc<DatabaseScripts>,
    /// When it sweeps next.
    pub(super) sweeps: SweepPlan,
    merger: std::sync::Mutex<Option<JoinHandle<()>>>,
    last_used_s: AtomicU64,
    is_broken: AtomicBool,
    logged_notices: AtomicU64,
    /// Whether an edge made it begin a new life since it was opened.
    has_minted: AtomicBool,
}

impl OpenDatabase {
    pub(super) async fn open(
        environment: &NativeEnvironment,
        record: DatabaseRecord,
        host: &Host,
        options: DatabaseOptions,
        scripts: &Arc<ScriptRuntime>,
        turns: &IndexingTurns,
    ) -> Result<Self> {
        let store_name = record.store_name()?;
        record.check_store(&environment.list().await?)?;
        let store = environment.open(&store_name).await?;
        let (documents, merger) = Database::open(store, host.clone(), options).await?;
        let merger = merger.with_pause(|| Box::pin(tokio::task::yield_now()));
        let merger = tokio::spawn(merger.run());
        let scripts = Arc::new(DatabaseScripts::new(Arc::clone(scripts)));
        let compiler = ScriptCompiler::new(Arc::clone(&scripts), Arc::clone(&host.clock));
        let indexes = Indexes::open(
            environment.clone(),
            documents.clone(),
            &store_name,
            Arc::new(compiler),
        )
        .await?;
        for index in indexes.take_rebuilt() {
            let database = &record.name;
            tracing::warn!(
                database,
                index,
                "the index's store was damaged, missing or of an older version; it is built again"
            );
        }
        let indexes = Arc::new(indexes);
        let indexing = Indexing::start(&record.name, &indexes, turns);
        let opened = Self {
            record,
            indexes,
            indexing,
            documents,
            scripts,
            sweeps: SweepPlan::default(),
            merger: std::sync::Mutex::new(Some(merger)),
            last_used_s: AtomicU64::new(0),
            is_broken: AtomicBool::new(false),
            logged_notices: AtomicU64::new(0),
            has_minted: AtomicBool::new(false),
        };
        let conflicts = opened.read().await?.conflicts_configuration().await?;
        if conflicts.is_some_and(|it| !it.resolve_by_collection.is_empty()) {
            opened.start_resolving();
        }
        Ok(opened)
    }

    /// Begins to resolve by scripts what is in conflict already: such as a crash left, or a script
    /// that came later.
    pub fn start_resolving(&self) {
        let (documents, scripts) = (self.documents.clone(), Arc::clone(&self.scripts));
        let database = self.record.name.clone();
        tokio::spawn(async move {
            match documents.resolve_conflicts_by_script(&*scripts).await {
                Ok((settled, failures)) => {
                    if settled > 0 {
                        tracing::info!(database, settled, "conflicts were resolved by script");
                    }
                    for why in failures {
                        tracing::warn!(database, why, "a document stays in conflict");
                    }
                }
                // It is being closed; the next opening begins anew.
                Err(error) if error.kind() == ErrorKind::Closed => {}
                Err(error) => tracing::warn!(database, ?error, "conflicts were not resolved"),
            }
        });
    }

    /// A read transaction.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn read(&self) -> Result<ReadTransaction<NativeSnapshot>> {
        self.use_store(self.documents.read().await)
    }

    /// Runs commands in order, all or nothing.
    ///
    /// # Errors
    /// As [`Database::write_batch_with_scripts`].
    pub async fn write(&self, commands: Vec<BatchCommand>) -> Result<Vec<CommandOutcome>> {
        let has_script = |it: &BatchCommand| matches!(it, BatchCommand::Patch(_));
        if commands.iter().any(has_script) {
            let writing = self
                .documents
                .write_batch_with_scripts(&*self.scripts, commands);
            // Rare, and its state must not weigh on plain writes.
            return self.use_store(Box::pin(writing).await);
        }
        self.use_store(self.documents.write_batch(commands).await)
    }

    /// How many documents there are.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn document_count(&self) -> Result<u64> {
        Ok(self.read().await?.statistics().await?.document_count)
    }

    /// Passes a result on. When it says that the store is closed, which it is after a failed sync,
    /// the next request opens it anew.
    ///
    /// # Errors
    /// That of `result`.
    pub fn use_store<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result
            && error.kind() == ErrorKind::Closed
        {
            self.is_broken.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Whether an edge that has seen more of it than it remembers may make it begin a new life.
    pub fn may_mint(&self) -> bool {
        !self.has_minted.load(Ordering::Relaxed)
    }

    /// Once is enough: what claims to have seen more than that is not believed.
    pub fn forbid_minting(&self) {
        self.has_minted.store(true, Ordering::Relaxed);
    }

    /// Notes that it is used at second `now_s` of the process.
    pub(super) fn touch(&self, now_s: u64) {
        self.last_used_s.store(now_s, Ordering::Relaxed);
    }

    pub(super) fn last_used_s(&self) -> u64 {
        self.last_used_s.load(Ordering::Relaxed)
    }

    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }

    /// Logs the notices that came since the last call.
    pub(super) fn log_notices(&self) {
        let notices = self.documents.notices();
        let newest = u64::try_from(notices.last().map_or(0, |it| it.at.ticks())).unwrap_or(0);
        let logged = self.logged_notices.swap(newest, Ordering::Relaxed);
        for notice in notices {
            if u64::try_from(notice.at.ticks()).unwrap_or(0) <= logged {
                continue;
            }
            if let NoticeKind::LargeDocument { id, byte_count } = &notice.kind {
                tracing::warn!(
                    database = self.record.name,
                    id,
                    byte_count,
                    "a large document was stored"
                );
            }
        }
    }

    /// Finishes the queued writes and closes the store.
    pub(super) async fn close(&self) -> Result<()> {
        self.indexing.stop().await;
        if let Err(error) = self.indexes.close().await {
            tracing::warn!(
                database = self.record.name,
                ?error,
                "closing indexes failed"
            );
        }
        let closed = self.documents.close().await;
        let merger = self
            .merger
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(merger) = merger
            && let Err(reason) = merger.await
        {
            tracing::error!(database = self.record.name, %reason, "the merger broke off");
        }
        closed
    }
}
