//! What every core test needs: a database in memory with a clock and a seed of its own.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod indexes;

use std::sync::Arc;

use pinyon_core::commands::{
    BatchCommand, CommandOutcome, DeleteDocument, ExpectedVersion, Pause, PutDocument,
    WrittenDocument,
};
use pinyon_core::document::{DocumentId, IdRequest, parse_document};
use pinyon_core::host::{Host, ManualClock, SeededRandom, Timestamp};
use pinyon_core::storage::{
    Environment, FaultEnvironment, FaultPlan, FaultStore, MemoryEnvironment, MemoryStore, StoreName,
};
use pinyon_core::{Database, DatabaseOptions, Limits, Result};

pub type TestStore = FaultStore<MemoryStore>;

pub struct Story {
    pub environment: FaultEnvironment<MemoryEnvironment>,
    pub plan: FaultPlan,
    pub clock: Arc<ManualClock>,
    pub options: DatabaseOptions,
    /// How the merger lets others come before a commit.
    pub pause: Option<Pause>,
}

impl Story {
    pub fn new() -> Self {
        let plan = FaultPlan::new();
        Self {
            environment: FaultEnvironment::new(MemoryEnvironment::new(), plan.clone()),
            plan,
            clock: Arc::new(ManualClock::new(
                Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
            )),
            options: DatabaseOptions::default(),
            pause: None,
        }
    }

    /// Runs `story` against the database, opened anew on what earlier runs left, with its merger.
    pub fn run<T>(&self, story: impl AsyncFnOnce(Database<TestStore>) -> T) -> T {
        self.run_seeded(7, story)
    }

    /// As [`Self::run`], with other random numbers: a database of its own identity.
    pub fn run_seeded<T>(&self, seed: u64, story: impl AsyncFnOnce(Database<TestStore>) -> T) -> T {
        futures_executor::block_on(async {
            let name = StoreName::new("documents").unwrap();
            let store = self.environment.open(&name).await.unwrap();
            let host = Host {
                clock: Arc::clone(&self.clock) as _,
                random: Arc::new(SeededRandom::new(seed)),
            };
            let (database, merger) = Database::open(store, host, self.options.clone())
                .await
                .unwrap();
            let merger = match self.pause {
                Some(pause) => merger.with_pause(pause),
                None => merger,
            };
            let told = async {
                let answer = story(database.clone()).await;
                let _ = database.close().await;
                answer
            };
            futures_util::future::join(told, merger.run()).await.0
        })
    }
}

pub fn put_expecting(id: &str, text: &str, expected: ExpectedVersion) -> BatchCommand {
    BatchCommand::Put(PutDocument {
        id: IdRequest::parse(id, 512).unwrap(),
        expected,
        document: parse_document(text, &Limits::default()).unwrap(),
    })
}

pub fn put(id: &str, text: &str) -> BatchCommand {
    put_expecting(id, text, ExpectedVersion::Any)
}

pub fn delete_expecting(id: &str, expected: ExpectedVersion) -> BatchCommand {
    BatchCommand::Delete(DeleteDocument {
        id: DocumentId::new(id, 512).unwrap(),
        expected,
    })
}

pub fn delete(id: &str) -> BatchCommand {
    delete_expecting(id, ExpectedVersion::Any)
}

pub async fn write_one(
    database: &Database<TestStore>,
    command: BatchCommand,
) -> Result<CommandOutcome> {
    Ok(database.write_batch(vec![command]).await?.remove(0))
}

pub async fn written(database: &Database<TestStore>, command: BatchCommand) -> WrittenDocument {
    match write_one(database, command).await.unwrap() {
        CommandOutcome::Written(written) => written,
        other => panic!("expected a put, got {other:?}"),
    }
}

/// The document as clients read it.
pub async fn json(database: &Database<TestStore>, id: &str) -> Option<serde_json::Value> {
    let document = database.read().await.unwrap().document(id).await.unwrap()?;
    let mut text = Vec::new();
    document.write_json(&mut text);
    Some(serde_json::from_slice(&text).unwrap())
}
