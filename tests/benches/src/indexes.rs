//! Indexes: how long they take to build, how far they are behind a write, what they cost writers,
//! and what is answered from them.

mod building;
mod documents;
mod lag;
mod queries;
mod sqlite;
mod writes;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::process::Cores;
use crate::target::Target;

/// How it is measured.
#[derive(Debug, Clone)]
pub struct IndexPlan {
    /// Documents in the database.
    pub documents: usize,
    /// Different keys that they are grouped by.
    pub keys: usize,
    /// The time of one measurement of requests.
    pub measured: Duration,
    /// How often requests are measured, in turn with what they are compared with.
    pub rounds: usize,
    /// Where SQLite is measured beside it; `None` to leave it out.
    pub sqlite_directory: Option<PathBuf>,
    /// Numbers of connections for queries.
    pub connections: Vec<usize>,
    /// The queries that are asked: those whose label has one of these texts; all if there is none.
    pub only: Vec<String>,
}

const DATABASE: &str = "BenchIndexes";
/// Only a guard against a server that never gets there.
const INDEXING_LIMIT: Duration = Duration::from_secs(3600);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Builds indexes, then measures their lag and what they cost writers.
///
/// # Errors
/// Any wrong answer, or a target that cannot be reached.
pub async fn run_indexes(plan: &IndexPlan, cores: Cores, targets: &[&Target]) -> Result<()> {
    for target in targets {
        cores.move_to_measured(target.process)?;
        target.create_database(DATABASE).await?;
        documents::fill(target, plan).await?;
        building::run(plan, target).await?;
        lag::run(target).await?;
        target.delete_database(DATABASE).await?;
    }
    for target in targets {
        writes::run(plan, target).await?;
    }
    match &plan.sqlite_directory {
        Some(directory) => sqlite::run(plan, directory, false),
        None => Ok(()),
    }
}

/// Measures queries over indexes that are ready, beside a GET by id.
///
/// # Errors
/// As [`run_indexes`].
pub async fn run_queries(plan: &IndexPlan, cores: Cores, targets: &[&Target]) -> Result<()> {
    let mut servers = Vec::new();
    for target in targets {
        cores.move_to_measured(target.process)?;
        target.create_database(DATABASE).await?;
        documents::fill(target, plan).await?;
        servers.push(queries::prepare(plan, target).await?);
    }
    queries::run(plan, &servers).await?;
    for target in targets {
        target.delete_database(DATABASE).await?;
    }
    match &plan.sqlite_directory {
        Some(directory) => sqlite::run(plan, directory, true),
        None => Ok(()),
    }
}

/// Asks a query; answers its result.
async fn ask(target: &Target, text: &str) -> Result<Value> {
    let body = json!({ "Query": text }).to_string();
    target.ask("POST", DATABASE, "queries", &body, 200).await
}

async fn put_index(target: &Target, database: &str, definition: Value) -> Result<()> {
    let body = json!({ "Indexes": [definition] }).to_string();
    target
        .ask("PUT", database, "admin/indexes", &body, 201)
        .await
        .map(drop)
}

/// Waits until an index has followed everything.
async fn wait_until_ready(target: &Target, database: &str, name: &str) -> Result<()> {
    let began = Instant::now();
    let path = format!("indexes/staleness?name={}", name.replace('/', "%2F"));
    while began.elapsed() < INDEXING_LIMIT {
        let answer = target.ask("GET", database, &path, "", 200).await?;
        if answer["IsStale"] == false {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let errors = target.ask("GET", database, "indexes/errors", "", 200).await;
    bail!("{} has not built {name}: {errors:?}", target.name)
}

/// The index that a query was answered from.
fn index_of(answer: &Value) -> Result<String> {
    let name = answer["IndexName"].as_str();
    name.map(str::to_owned)
        .with_context(|| format!("an answer names no index: {answer}"))
}
