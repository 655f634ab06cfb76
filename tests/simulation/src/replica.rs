//! A database of the simulation, with its store in memory and its merger on the one thread.

use std::cell::Cell;
use std::sync::Arc;

use futures_executor::LocalSpawner;
use futures_util::task::LocalSpawnExt;
use pinyon_core::commands::{BatchCommand, ExpectedVersion, Operation, Outcome, PutDocument};
use pinyon_core::document::{IdRequest, parse_document};
use pinyon_core::host::{Host, ManualClock, SeededRandom};
use pinyon_core::replication::{ReplicationCommand, ReplicationOutcome};
use pinyon_core::storage::{
    Direction, Durability, Environment, FaultEnvironment, FaultPlan, FaultStore, KeyRange,
    KeySpace, MemoryEnvironment, MemoryStore, PageLimits, Snapshot, Store, StoreName, WriteBatch,
};
use pinyon_core::version::NodeTag;
use pinyon_core::{Database, DatabaseOptions, Limits, Result};

use crate::history::Event;

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

    /// The events that live under a document, to the eyes of whoever writes here.
    pub(crate) async fn live_events(&self, id: &str) -> Result<Vec<Event>> {
        let set = self.database.read().await?.live_versions(id).await?;
        Ok(set.live.iter().map(|it| event_of(&it.value.body)).collect())
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

/// The event that a document's text tells of.
pub(crate) fn event_of(body: &str) -> Event {
    let value: serde_json::Value = serde_json::from_str(body).expect("a document is JSON");
    let event = value["Event"]
        .as_u64()
        .expect("every document tells its event");
    usize::try_from(event).expect("events are few")
}
