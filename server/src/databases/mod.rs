//! All databases of the server: found by name, opened on demand, closed when idle.
//!
//! Invariants: a database is opened by one request at a time while others wait for it; a store is
//! closed before it is opened again or deleted; what happens to one database does not hold up
//! another (only the catalog's own changes take turns).

pub mod background;
mod catalog;
mod indexing;
mod low_threads;
mod open_database;
mod record;
pub mod sweeps;
mod turns;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use pinyon_core::host::{Host, Timestamp};
use pinyon_core::version::NodeTag;
use pinyon_core::{DatabaseOptions, Error, ErrorKind, Result};
use pinyon_storage_native::NativeEnvironment;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

pub use catalog::Catalog;
pub use open_database::OpenDatabase;
use record::with_name_key;
pub use record::{DatabaseRecord, check_name, to_name_key};

use crate::config::Config;
use crate::http_error;
use crate::scripts::ScriptRuntime;
use indexing::IndexingTurns;

/// How long a deleted or disabled database's running requests may go on.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// The databases of a server.
pub struct Databases {
    catalog: Mutex<Catalog<NativeEnvironment>>,
    slots: RwLock<HashMap<String, Arc<Slot>>>,
    environment: NativeEnvironment,
    host: Host,
    options: DatabaseOptions,
    scripts: Arc<ScriptRuntime>,
    turns: IndexingTurns,
    /// Seconds of this process, counted by its background work.
    now_s: AtomicU64,
}

/// The place of one database, open or not.
struct Slot {
    record: RwLock<DatabaseRecord>,
    /// Held while the database is opened or closed.
    changing: Mutex<()>,
    open: RwLock<Option<Arc<OpenDatabase>>>,
    /// While it is closed: when something is due in it.
    wake_at: RwLock<Option<Timestamp>>,
    /// How many documents there were when it was closed last; less than 0 when nobody knows.
    last_count: AtomicI64,
}

impl Slot {
    fn new(record: DatabaseRecord) -> Arc<Self> {
        // What is due in it is not known before it is opened.
        let wake_at = record.sweeps.then(|| Timestamp::from_ticks(i64::MIN));
        Arc::new(Self {
            record: RwLock::new(record),
            changing: Mutex::new(()),
            open: RwLock::new(None),
            wake_at: RwLock::new(wake_at),
            last_count: AtomicI64::new(-1),
        })
    }

    fn wake_at(&self) -> Option<Timestamp> {
        *self.wake_at.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_wake_at(&self, at: Option<Timestamp>) {
        *self.wake_at.write().unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn current(&self) -> Option<Arc<OpenDatabase>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().filter(|it| !it.is_broken()).cloned()
    }

    fn record(&self) -> DatabaseRecord {
        let record = self.record.read().unwrap_or_else(PoisonError::into_inner);
        record.clone()
    }

    fn set_record(&self, record: DatabaseRecord) {
        *self.record.write().unwrap_or_else(PoisonError::into_inner) = record;
    }

    fn set_open(&self, database: Option<Arc<OpenDatabase>>) -> Option<Arc<OpenDatabase>> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *open, database)
    }

    /// Takes the database out if nobody uses it and `wanted` says so.
    fn take_unused(&self, wanted: impl Fn(&OpenDatabase) -> bool) -> Option<Arc<OpenDatabase>> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let is_unused = open
            .as_ref()
            .is_some_and(|it| Arc::strong_count(it) == 1 && wanted(it));
        if is_unused { open.take() } else { None }
    }
}

impl Databases {
    /// Opens the catalog. Databases are opened when they are asked for.
    ///
    /// # Errors
    /// Those of [`Catalog::open`]; `InvalidRequest` for an impossible node tag.
    pub async fn open(environment: NativeEnvironment, host: Host, config: &Config) -> Result<Self> {
        let options = DatabaseOptions {
            node_tag: NodeTag::new(config.node_tag.as_str())?,
            limits: config.database_limits(),
            ..DatabaseOptions::default()
        };
        let catalog = Catalog::open(environment.clone(), host.clone()).await?;
        let slots = catalog
            .records()
            .map(|record| (to_name_key(&record.name), Slot::new(record.clone())))
            .collect();
        Ok(Self {
            catalog: Mutex::new(catalog),
            slots: RwLock::new(slots),
            environment,
            host,
            options,
            scripts: Arc::new(ScriptRuntime::new(config.script_limits())),
            turns: IndexingTurns::new(config.indexing_niceness),
            now_s: AtomicU64::new(0),
        })
    }

    /// The label of this node.
    pub fn node_tag(&self) -> &str {
        self.options.node_tag.as_str()
    }

    fn now_s(&self) -> u64 {
        self.now_s.load(Ordering::Relaxed)
    }

    /// Counts a second, by which idle databases are told.
    fn count_second(&self) {
        self.now_s.fetch_add(1, Ordering::Relaxed);
    }

    fn slot(&self, name: &str) -> Option<Arc<Slot>> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        with_name_key(name, |key| slots.get(key).cloned())
    }

    fn all_slots(&self) -> Vec<Arc<Slot>> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.values().cloned().collect()
    }

    /// The database called `name`, opened if need be.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Unavailable` when it is disabled; whatever opening reports.
    pub async fn get(&self, name: &str) -> Result<Arc<OpenDatabase>> {
        let slot = self
            .slot(name)
            .ok_or_else(|| http_error::database_does_not_exist(name))?;
        let database = match slot.current() {
            Some(database) => database,
            None => self.open_slot(&slot, name).await?,
        };
        database.touch(self.now_s());
        Ok(database)
    }

    async fn open_slot(&self, slot: &Arc<Slot>, name: &str) -> Result<Arc<OpenDatabase>> {
        let _changing = slot.changing.lock().await;
        if let Some(database) = slot.current() {
            return Ok(database);
        }
        // It may have been deleted or disabled while this request waited.
        let same = self.slot(name).is_some_and(|it| Arc::ptr_eq(&it, slot));
        if !same {
            return Err(http_error::database_does_not_exist(name));
        }
        let record = slot.record();
        if record.disabled {
            return Err(http_error::database_disabled(&record.name));
        }
        if let Some(broken) = slot.set_open(None) {
            tracing::warn!(database = record.name, "reopening after its store failed");
            self.retire(broken).await;
        }
        let database = self.open_now(record).await?;
        let database = Arc::new(database);
        database.touch(self.now_s());
        // Should its store fail, it is opened again for its sweeps.
        let sweeps = database.record.sweeps;
        slot.set_wake_at(sweeps.then(|| Timestamp::from_ticks(i64::MIN)));
        slot.set_open(Some(Arc::clone(&database)));
        Ok(database)
    }

    /// Opens on a thread that may block, as recovery reads files.
    async fn open_now(&self, record: DatabaseRecord) -> Result<OpenDatabase> {
        let environment = self.environment.clone();
        let (host, options) = (self.host.clone(), self.options.clone());
        let (scripts, turns) = (Arc::clone(&self.scripts), self.turns.clone());
        let runtime = tokio::runtime::Handle::current();
        let opening = tokio::task::spawn_blocking(move || {
            runtime.block_on(OpenDatabase::open(
                &environment,
                record,
                &host,
                options,
                &scripts,
                &turns,
            ))
        });
        opening.await.map_err(|reason| {
            Error::new(
                ErrorKind::Internal,
                format!("opening a database broke off: {reason}"),
            )
        })?
    }

    /// Closes a database that is no longer found, once its requests are done.
    async fn retire(&self, database: Arc<OpenDatabase>) {
        if let Err(error) = database.close().await {
            tracing::error!(database = database.record.name, ?error, "closing failed");
        }
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        while Arc::strong_count(&database) > 1 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The databases that are open now.
    pub fn open_databases(&self) -> Vec<Arc<OpenDatabase>> {
        self.all_slots()
            .iter()
            .filter_map(|slot| slot.current())
            .collect()
    }

    /// Whether the database called `name` is open now.
    pub fn is_open(&self, name: &str) -> bool {
        self.slot(name).is_some_and(|slot| slot.current().is_some())
    }

    /// How many documents a database has; opens it if `may_open` and nobody knows.
    ///
    /// # Errors
    /// Whatever opening or the store reports.
    pub async fn document_count(&self, name: &str, may_open: bool) -> Result<Option<u64>> {
        let Some(slot) = self.slot(name) else {
            return Ok(None);
        };
        let database = match slot.current() {
            Some(database) => database,
            None => {
                let last = slot.last_count.load(Ordering::Relaxed);
                if last >= 0 || !may_open || slot.record().disabled {
                    return Ok(u64::try_from(last).ok());
                }
                self.get(name).await?
            }
        };
        Ok(Some(database.document_count().await?))
    }

    /// The bytes a database's files take.
    ///
    /// # Errors
    /// Whatever the storage reports.
    pub async fn byte_count(&self, record: &DatabaseRecord) -> Result<u64> {
        let environment = self.environment.clone();
        let store = record.store_name()?;
        let counting = tokio::task::spawn_blocking(move || environment.byte_count(&store));
        counting
            .await
            .map_err(|reason| Error::new(ErrorKind::Internal, reason.to_string()))?
    }

    /// The records of all databases, by name.
    pub async fn records(&self) -> Vec<DatabaseRecord> {
        self.catalog.lock().await.records().cloned().collect()
    }

    /// The record of one database.
    pub fn record(&self, name: &str) -> Option<DatabaseRecord> {
        self.slot(name).map(|slot| slot.record())
    }

    /// The identity of the cluster and the index of its newest change.
    pub async fn cluster(&self) -> (String, String, u64) {
        let catalog = self.catalog.lock().await;
        (
            catalog.server_id().to_owned(),
            catalog.topology_id().to_owned(),
            catalog.index(),
        )
    }

    /// Creates a database. A request that did so already is answered again.
    ///
    /// # Errors
    /// Those of [`Catalog::create`].
    pub async fn create(
        &self,
        name: &str,
        client_record: Map<String, Value>,
        request_id: Option<&str>,
    ) -> Result<DatabaseRecord> {
        let mut catalog = self.catalog.lock().await;
        if let (Some(_), Some(record)) = (catalog.done_by(request_id), catalog.find(name)) {
            return Ok(record.clone());
        }
        let record = catalog.create(name, client_record, request_id).await?;
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        slots.insert(to_name_key(name), Slot::new(record.clone()));
        Ok(record)
    }

    /// Deletes a database, with its documents if `hard`. Answers the index of the change.
    ///
    /// # Errors
    /// `NotFound` when there is none; whatever the storage reports.
    pub async fn delete(&self, name: &str, hard: bool, request_id: Option<&str>) -> Result<u64> {
        let mut catalog = self.catalog.lock().await;
        let Some(slot) = self.slot(name) else {
            return match catalog.done_by(request_id) {
                Some(index) => Ok(index),
                None => Err(http_error::database_does_not_exist(name)),
            };
        };
        // From here on nobody finds it, and nobody can open it while it is closed.
        let _changing = slot.changing.lock().await;
        self.slots
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&to_name_key(name));
        if let Some(database) = slot.set_open(None) {
            self.retire(database).await;
        }
        let deleted = if hard {
            catalog.remove(name, request_id).await
        } else {
            catalog.detach(name, request_id).await
        };
        if let Err(error) = deleted {
            let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
            slots.insert(to_name_key(name), Slot::new(slot.record()));
            return Err(error);
        }
        Ok(catalog.index())
    }

    /// Enables or disables a database; disabling closes it.
    ///
    /// # Errors
    /// `NotFound` when there is none; whatever the storage reports.
    pub async fn set_disabled(&self, name: &str, disabled: bool) -> Result<()> {
        let mut catalog = self.catalog.lock().await;
        let slot = self
            .slot(name)
            .ok_or_else(|| http_error::database_does_not_exist(name))?;
        catalog.set_disabled(name, disabled).await?;
        if let Some(record) = catalog.find(name) {
            slot.set_record(record.clone());
        }
        let _changing = slot.changing.lock().await;
        if disabled && let Some(database) = slot.set_open(None) {
            self.retire(database).await;
        }
        Ok(())
    }

    /// Sets a member of the record that clients see. Answers the index of the change.
    ///
    /// # Errors
    /// `NotFound` when there is no such database; whatever the storage reports.
    pub async fn set_member(&self, name: &str, member: &str, value: Value) -> Result<u64> {
        let mut catalog = self.catalog.lock().await;
        let slot = self
            .slot(name)
            .ok_or_else(|| http_error::database_does_not_exist(name))?;
        catalog.set_member(name, member, value).await?;
        if let Some(record) = catalog.find(name) {
            slot.set_record(record.clone());
        }
        Ok(catalog.index())
    }

    /// Closes databases that nobody has used for `idle`.
    pub async fn close_idle(&self, idle: Duration) {
        let now_s = self.now_s();
        for slot in self.all_slots() {
            let _changing = slot.changing.lock().await;
            let is_idle =
                |it: &OpenDatabase| now_s.saturating_sub(it.last_used_s()) >= idle.as_secs();
            if let Some(database) = slot.take_unused(is_idle) {
                tracing::info!(database = database.record.name, "closing: it is idle");
                if let Ok(count) = database.document_count().await {
                    let count = i64::try_from(count).unwrap_or(-1);
                    slot.last_count.store(count, Ordering::Relaxed);
                }
                let now = self.host.clock.now();
                let wake_at = sweeps::next_wake(&database, now).await;
                let wake_at = wake_at.unwrap_or_else(|error| {
                    let database = &database.record.name;
                    tracing::warn!(database, ?error, "what is due in it could not be read");
                    Some(now)
                });
                slot.set_wake_at(wake_at);
                self.retire(database).await;
            }
        }
    }

    /// Closes every database and the catalog.
    ///
    /// # Errors
    /// The first failure; the others are closed all the same.
    pub async fn close_all(&self) -> Result<()> {
        let mut result = Ok(());
        for slot in self.all_slots() {
            let _changing = slot.changing.lock().await;
            if let Some(database) = slot.set_open(None) {
                result = result.and(database.close().await);
            }
        }
        let catalog = self.catalog.lock().await;
        result.and(catalog.close().await)
    }
}
