//! The catalog: the records of all databases, in a store of their own.
//!
//! Invariants: the catalog is changed before stores are deleted and after they are made, so a
//! crash leaves at worst a store that no record names; those are swept when the catalog is opened.

use std::collections::{BTreeMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use pinyon_core::host::{Host, random_uuid};
use pinyon_core::storage::{
    Direction, Durability, Environment, KeyRange, KeySpace, PageLimits, Snapshot, Store, StoreName,
    WriteBatch,
};
use pinyon_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::record::{DatabaseRecord, check_name, to_name_key};

/// The catalog's own record.
const STATE: KeySpace = KeySpace::new(0);
const STATE_KEY: &[u8] = b"state";
/// Databases by lower-cased name.
const RECORDS: KeySpace = KeySpace::new(1);
const STORE: &str = "catalog";
const STORE_PREFIX: &str = "database-";
/// How many request ids are remembered.
const REMEMBERED: usize = 256;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    server_id: String,
    topology_id: String,
    /// Counts changes, as a cluster's log would.
    index: u64,
    /// The newest requests that changed something, with the index of their change.
    requests: Vec<(String, u64)>,
}

/// The records of all databases. One owner; it caches what it stores.
pub struct Catalog<E: Environment> {
    environment: E,
    store: E::Store,
    host: Host,
    state: State,
    records: BTreeMap<String, DatabaseRecord>,
}

impl<E: Environment> Catalog<E> {
    /// Opens the catalog of an environment, founding it if there is none.
    ///
    /// # Errors
    /// `Corrupted` when a record does not fit; whatever the storage reports.
    pub async fn open(environment: E, host: Host) -> Result<Self> {
        let store = environment.open(&StoreName::new(STORE)?).await?;
        let snapshot = store.snapshot().await?;
        let key = Bytes::from_static(STATE_KEY);
        let found = snapshot.get_many(STATE, &[key]).await?.pop().flatten();
        let state = match &found {
            Some(json) => from_json("state", json)?,
            None => State {
                server_id: random_uuid(&*host.random)?,
                topology_id: random_uuid(&*host.random)?,
                index: 0,
                requests: Vec::new(),
            },
        };
        let records = read_records(&snapshot).await?;
        let mut catalog = Self {
            environment,
            store,
            host,
            state,
            records,
        };
        if found.is_none() {
            catalog.refuse_orphans().await?;
            catalog.commit(None).await?;
        }
        catalog.sweep().await?;
        match catalog.note_stores().await {
            // The next start notes them.
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                tracing::warn!(?error, "the stores that there are were not noted");
            }
            noted => noted?,
        }
        Ok(catalog)
    }

    /// Notes which databases have stores, for records of versions that did not.
    async fn note_stores(&mut self) -> Result<()> {
        let stores = self.environment.list().await?;
        let mut unnoted: Vec<DatabaseRecord> = Vec::new();
        for record in self.records.values().filter(|it| !it.has_store) {
            if stores.contains(&record.store_name()?) {
                unnoted.push(record.clone());
            }
        }
        for mut record in unnoted {
            record.has_store = true;
            let key = to_name_key(&record.name);
            self.commit(Some((&key, Some(&record)))).await?;
            self.records.insert(key, record);
        }
        Ok(())
    }

    /// A new catalog beside databases means that the old one is lost: nothing may be swept then.
    async fn refuse_orphans(&self) -> Result<()> {
        let names = self.environment.list().await?;
        match names
            .iter()
            .find(|it| it.as_str().starts_with(STORE_PREFIX))
        {
            None => Ok(()),
            Some(orphan) => Err(Error::corrupted(format!(
                "the data directory holds '{}' but no catalog that names it; restore the catalog",
                orphan.as_str()
            ))),
        }
    }

    /// Deletes stores of databases that no record names.
    async fn sweep(&self) -> Result<()> {
        let used: HashSet<&str> = self.records.values().map(|it| it.store.as_str()).collect();
        for name in self.environment.list().await? {
            if name.as_str().starts_with(STORE_PREFIX) && !used.contains(name.as_str()) {
                tracing::info!(
                    store = name.as_str(),
                    "deleting what a deleted database left"
                );
                self.environment.delete(&name).await?;
            }
            if database_of(&name).is_some_and(|database| !used.contains(database)) {
                self.environment.delete(&name).await?;
            }
        }
        Ok(())
    }

    async fn delete_indexes(&self, database: &str) -> Result<()> {
        for name in self.environment.list().await? {
            if database_of(&name) == Some(database) {
                self.environment.delete(&name).await?;
            }
        }
        Ok(())
    }

    /// The environment that holds the catalog and the databases' stores.
    pub fn environment(&self) -> &E {
        &self.environment
    }

    /// The identity of this server.
    pub fn server_id(&self) -> &str {
        &self.state.server_id
    }

    /// The identity of the cluster, which has one node.
    pub fn topology_id(&self) -> &str {
        &self.state.topology_id
    }

    /// The index of the newest change.
    pub fn index(&self) -> u64 {
        self.state.index
    }

    /// Every database that exists, by name.
    pub fn records(&self) -> impl Iterator<Item = &DatabaseRecord> {
        self.records.values().filter(|record| !record.detached)
    }

    /// The record of a database, its name of any case.
    pub fn find(&self, name: &str) -> Option<&DatabaseRecord> {
        self.records
            .get(&to_name_key(name))
            .filter(|record| !record.detached)
    }

    /// The index of the change that a request made, if it was made lately.
    pub fn done_by(&self, request_id: Option<&str>) -> Option<u64> {
        let request_id = request_id?;
        let requests = self.state.requests.iter();
        requests
            .rev()
            .find(|(id, _)| id == request_id)
            .map(|(_, index)| *index)
    }

    /// Adds a database. One that was deleted softly comes back with its documents.
    ///
    /// # Errors
    /// `InvalidRequest` for an impossible name; `ConcurrencyConflict` when it exists.
    pub async fn create(
        &mut self,
        name: &str,
        client_record: Map<String, Value>,
        request_id: Option<&str>,
    ) -> Result<DatabaseRecord> {
        check_name(name)?;
        let key = to_name_key(name);
        let former = self.records.get(&key);
        if former.is_some_and(|record| !record.detached) {
            return Err(Error::new(
                ErrorKind::ConcurrencyConflict,
                format!("The database '{name}' already exists"),
            ));
        }
        let store = match former {
            Some(former) => former.store.clone(),
            None => format!("{STORE_PREFIX}{}", random_uuid(&*self.host.random)?),
        };
        let disabled = client_record.get("Disabled") == Some(&Value::Bool(true));
        // Made before a record names it: a store that a record names and that is not there is lost.
        let is_new = former.is_none_or(|former| !former.has_store);
        if is_new {
            let store = self
                .environment
                .open(&StoreName::new(store.as_str())?)
                .await?;
            store.close().await?;
        }
        let former = self.records.get(&key);
        let record = DatabaseRecord {
            name: name.to_owned(),
            store,
            has_store: true,
            disabled,
            detached: false,
            sweeps: former.is_some_and(|former| former.sweeps),
            index: self.state.index + 1,
            created_at_ticks: self.host.clock.now().ticks(),
            topology_id: self.random_id()?,
            cluster_transaction_id: self.random_id()?,
            client_record,
        };
        self.change(record.clone(), request_id).await?;
        Ok(record)
    }

    /// Enables or disables a database.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn set_disabled(&mut self, name: &str, disabled: bool) -> Result<()> {
        let mut record = self.require(name)?.clone();
        record.disabled = disabled;
        record.index = self.state.index + 1;
        self.change(record, None).await
    }

    /// Notes whether a database must be opened for its sweeps.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn set_sweeps(&mut self, name: &str, sweeps: bool) -> Result<()> {
        let mut record = self.require(name)?.clone();
        record.sweeps = sweeps;
        self.change(record, None).await
    }

    /// Sets a member of the record that clients see.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn set_member(&mut self, name: &str, member: &str, value: Value) -> Result<()> {
        let mut record = self.require(name)?.clone();
        record.client_record.insert(member.to_owned(), value);
        record.index = self.state.index + 1;
        self.change(record, None).await
    }

    /// Makes a database invisible; its store stays.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn detach(&mut self, name: &str, request_id: Option<&str>) -> Result<()> {
        let mut record = self.require(name)?.clone();
        record.detached = true;
        record.index = self.state.index + 1;
        self.change(record, request_id).await
    }

    /// Removes a database's record and then its store, which must not be open.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn remove(&mut self, name: &str, request_id: Option<&str>) -> Result<()> {
        let key = to_name_key(name);
        let record = self.require(name)?.clone();
        self.note(request_id);
        self.commit(Some((&key, None))).await?;
        self.records.remove(&key);
        let deleted = match self.environment.delete(&record.store_name()?).await {
            Ok(()) => self.delete_indexes(&record.store).await,
            Err(error) => Err(error),
        };
        if let Err(error) = deleted {
            // The database is gone all the same; the next start deletes what is left of it.
            tracing::warn!(database = record.name, ?error, "its files are still there");
        }
        Ok(())
    }

    fn require(&self, name: &str) -> Result<&DatabaseRecord> {
        self.find(name).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("There is no database '{name}'"),
            )
        })
    }

    async fn change(&mut self, record: DatabaseRecord, request_id: Option<&str>) -> Result<()> {
        self.note(request_id);
        let key = to_name_key(&record.name);
        self.commit(Some((&key, Some(&record)))).await?;
        self.records.insert(key, record);
        Ok(())
    }

    fn note(&mut self, request_id: Option<&str>) {
        self.state.index += 1;
        if let Some(id) = request_id {
            self.state.requests.push((id.to_owned(), self.state.index));
            let excess = self.state.requests.len().saturating_sub(REMEMBERED);
            self.state.requests.drain(..excess);
        }
    }

    async fn commit(&mut self, changed: Option<(&str, Option<&DatabaseRecord>)>) -> Result<()> {
        let mut batch = WriteBatch::default();
        batch.put(STATE, STATE_KEY, to_json(&self.state));
        match changed {
            Some((key, Some(record))) => {
                batch.put(RECORDS, key.as_bytes().to_vec(), to_json(record));
            }
            Some((key, None)) => batch.delete(RECORDS, key.as_bytes().to_vec()),
            None => {}
        }
        self.store.commit(batch, Durability::Durable).await
    }

    fn random_id(&self) -> Result<String> {
        let mut bytes = [0; 16];
        self.host.random.fill(&mut bytes)?;
        Ok(STANDARD_NO_PAD.encode(bytes))
    }

    /// Closes the catalog's own store.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn close(&self) -> Result<()> {
        self.store.close().await
    }
}

async fn read_records<S: Snapshot>(snapshot: &S) -> Result<BTreeMap<String, DatabaseRecord>> {
    let mut records = BTreeMap::new();
    let mut range = KeyRange::all();
    loop {
        let page = snapshot
            .scan(RECORDS, &range, Direction::Forward, PageLimits::default())
            .await?;
        let Some((last, _)) = page.entries.last().cloned() else {
            return Ok(records);
        };
        for (key, json) in page.entries {
            let key = String::from_utf8_lossy(&key).into_owned();
            let record = from_json(&key, &json)?;
            records.insert(key, record);
        }
        if !page.has_more {
            return Ok(records);
        }
        range = range.after(last);
    }
}

fn from_json<'a, T: Deserialize<'a>>(what: &str, json: &'a [u8]) -> Result<T> {
    serde_json::from_slice(json)
        .map_err(|reason| Error::corrupted(format!("the catalog's entry '{what}': {reason}")))
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("the catalog's entries have text keys")
}

/// The store of the database whose index `name` is the store of.
fn database_of(name: &StoreName) -> Option<&str> {
    let (database, _) = name.as_str().strip_prefix("index-")?.rsplit_once('.')?;
    Some(database)
}
