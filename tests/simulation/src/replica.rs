//! A database of the simulation, with its store in memory and its merger on the one thread.

use std::cell::Cell;
use std::sync::Arc;

use futures_executor::LocalSpawner;
use futures_util::task::LocalSpawnExt;
use pinyon_core::commands::{
    BatchCommand, DeleteDocument, ExpectedVersion, Operation, Outcome, PutDocument,
};
use pinyon_core::document::{DocumentId, IdRequest, parse_document};
use pinyon_core::host::{Host, ManualClock, SeededRandom};
use pinyon_core::replication::{ReplicationCommand, ReplicationOutcome};
use pinyon_core::schema::conflicts::DocumentVersion;
use pinyon_core::storage::{
    Direction, Durability, Environment, FaultEnvironment, FaultPlan, FaultStore, KeyRange,
    KeySpace, MemoryEnvironment, MemoryStore, PageLimits, Snapshot, Store, StoreName, WriteBatch,
};
use pinyon_core::version::{Live, NodeTag, Origin};
use pinyon_core::{Database, DatabaseOptions, Limits, Result};

use crate::history::{Event, History};

pub(crate) type SimulatedStore = FaultStore<MemoryStore>;
pub(crate) type SimulatedDatabase = Database<SimulatedStore>;

/// What all replicas of a run share.
pub(crate) struct World {
    pub(crate) spawner: LocalSpawner,
    pub(crate) clock: Arc<ManualClock>,
    /// Seeds given to replicas so far.
    pub(crate) seeds: Cell<u64>,
}

/// What a store holds.
pub(crate) type Contents = Vec<(KeySpace, bytes::Bytes, bytes::Bytes)>;

/// A replica that runs.
pub(crate) struct Replica {
    pub(crate) database: SimulatedDatabase,
    store: SimulatedStore,
    pub(crate) plan: FaultPlan,
}

impl Replica {
    /// Opens a database on `contents`, with random numbers that no other replica gets.
    pub(crate) async fn open(world: &World, tag: &str, contents: &Contents) -> Result<Self> {
        let plan = FaultPlan::new();
        let environment = FaultEnvironment::new(MemoryEnvironment::new(), plan.clone());
        let store = environment.open(&StoreName::new("documents")?).await?;
        let mut batch = WriteBatch::default();
        for (space, key, value) in contents {
            batch.put(*space, key.clone(), value.clone());
        }
        store.commit(batch, Durability::Durable).await?;
        world.seeds.set(world.seeds.get().wrapping_add(0x9e37_79b9));
        let host = Host {
            clock: Arc::clone(&world.clock) as _,
            random: Arc::new(SeededRandom::new(world.seeds.get())),
        };
        let options = DatabaseOptions {
            node_tag: NodeTag::new(tag)?,
            ..DatabaseOptions::default()
        };
        let (database, merger) = Database::open(store.clone(), host, options).await?;
        let spawned = world.spawner.spawn_local(merger.run());
        spawned.expect("the pool outlives the run");
        Ok(Self {
            database,
            store,
            plan,
        })
    }

    /// Everything that is stored.
    pub(crate) async fn contents(&self) -> Result<Contents> {
        self.plan.heal();
        let snapshot = self.store.snapshot().await?;
        let mut contents = Contents::new();
        for space in KeySpace::all() {
            let mut range = KeyRange::all();
            loop {
                let page = snapshot
                    .scan(space, &range, Direction::Forward, PageLimits::default())
                    .await?;
                let last = page.entries.last().map(|(key, _)| key.clone());
                let entries = page.entries.into_iter();
                contents.extend(entries.map(|(key, value)| (space, key, value)));
                match last {
                    Some(last) if page.has_more => range = range.after(last),
                    _ => break,
                }
            }
        }
        Ok(contents)
    }

    /// The events that live under a document, to the eyes of whoever writes here. `own`, where this
    /// is an edge, knows the deletions that were made here and that no server has named yet.
    pub(crate) async fn live_events(
        &self,
        id: &str,
        history: &History,
        own: Option<&OwnDeletions>,
    ) -> Result<Vec<Event>> {
        let set = self.database.read().await?.live_versions(id).await?;
        let mut events = Vec::new();
        for live in &set.live {
            events.extend(self.events_of(live, history, own).await?);
        }
        Ok(events)
    }

    /// The events that a version tells of: one but for deletions of clones, and but for what is no
    /// deletion: an edge that has forgotten a document, because its server did not send it.
    pub(crate) async fn events_of(
        &self,
        live: &Live<DocumentVersion>,
        history: &History,
        own: Option<&OwnDeletions>,
    ) -> Result<Vec<Event>> {
        if !live.value.is_deletion {
            return Ok(vec![event_of(&live.value.body)]);
        }
        let read = self.database.read().await?;
        let by_origin = live.origin.as_ref().map(name_of);
        let known = by_origin.and_then(|origin| history.deletions_named(&origin));
        let name = read.version_name(live.dot)?;
        if let Some(events) = known.or_else(|| history.deletions_named(&name)) {
            return Ok(events.iter().copied().collect());
        }
        let own = own.unwrap_or_else(|| panic!("whose deletion is {live:?}?"));
        let pending = read.pending_documents(0, usize::MAX).await?;
        if pending.iter().any(|it| it.id == live.value.id) {
            let same = history.same_deletions(own[&live.value.id]);
            return Ok(same.into_iter().collect());
        }
        assert!(live.origin.is_none(), "whose deletion is {live:?}?");
        Ok(Vec::new())
    }

    /// Deletes a document; answers the name of the deletion's dot, or `None` if there was nothing.
    pub(crate) async fn delete(&self, id: &str) -> Result<Option<String>> {
        let delete = DeleteDocument {
            id: DocumentId::new(id, 512)?,
            expected: ExpectedVersion::Any,
        };
        self.database
            .write_batch(vec![BatchCommand::Delete(delete)])
            .await?;
        // What is in memory is written and read in one turn: nothing came between.
        self.plan.heal();
        let read = self.database.read().await?;
        let set = read.live_versions(id).await?;
        let deletion = set.live.iter().find(|it| it.value.is_deletion);
        deletion.map(|it| read.version_name(it.dot)).transpose()
    }

    /// Writes an event.
    pub(crate) async fn write(&self, id: &str, event: Event) -> Result<()> {
        let text = format!(r#"{{"Event":{event},"@metadata":{{"@collection":"Things"}}}}"#);
        let put = PutDocument {
            id: IdRequest::parse(id, 512)?,
            expected: ExpectedVersion::Any,
            document: parse_document(&text, &Limits::default())?,
        };
        self.database
            .write_batch(vec![BatchCommand::Put(put)])
            .await?;
        Ok(())
    }

    pub(crate) async fn replicate(
        &self,
        command: ReplicationCommand,
    ) -> Result<ReplicationOutcome> {
        let operation = Operation::Replicate(Box::new(command));
        match self.database.execute(operation).await? {
            Outcome::Replicated(outcome) => Ok(outcome),
            other => panic!("replication answered with {other:?}"),
        }
    }
}

/// The latest deletion that an edge made of each document.
pub(crate) type OwnDeletions = std::collections::BTreeMap<String, Event>;

/// What a deletion of an edge is called on servers.
pub(crate) fn name_of(origin: &Origin) -> String {
    format!("{origin:?}")
}

/// The event that a document's text tells of.
pub(crate) fn event_of(body: &str) -> Event {
    let value: serde_json::Value = serde_json::from_str(body).expect("a document is JSON");
    let event = value["Event"]
        .as_u64()
        .expect("every document tells its event");
    usize::try_from(event).expect("events are few")
}
