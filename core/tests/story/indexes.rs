//! Indexes of a story's database, stepped by the test.

use std::sync::Arc;

use pinyon_core::commands::BatchCommand;
use pinyon_core::indexes::{FormulaCompiler, IndexDefinition, Indexes, StepLimits};
use pinyon_core::query::{Parameters, PreparedQuery, QueryResult, Ready};
use pinyon_core::storage::{FaultEnvironment, MemoryEnvironment, StoreName};
use pinyon_core::{Database, Error, Result};
use serde_json::Value;

use super::{Story, TestStore};

pub type TestIndexes = Indexes<FaultEnvironment<MemoryEnvironment>>;

pub async fn open(story: &Story, database: &Database<TestStore>) -> TestIndexes {
    let store = StoreName::new("documents").unwrap();
    let environment = story.environment.clone();
    Indexes::open(
        environment,
        database.clone(),
        &store,
        Arc::new(FormulaCompiler),
    )
    .await
    .unwrap()
}

pub async fn catch_up(indexes: &TestIndexes) {
    let mut rounds_at_rest = 0;
    // What settles may have something to do afterwards.
    while rounds_at_rest < 2 {
        let mut processed = 0;
        for index in indexes.list() {
            let report = index
                .step(indexes.database(), StepLimits::default())
                .await
                .unwrap();
            processed += report.processed;
            indexes.settle(&index).await.unwrap();
        }
        rounds_at_rest = if processed == 0 {
            rounds_at_rest + 1
        } else {
            0
        };
    }
}

pub async fn ask(indexes: &TestIndexes, text: &str) -> Result<(Vec<Value>, u64, bool)> {
    ask_with(indexes, text, Parameters::new()).await
}

pub async fn ask_with(
    indexes: &TestIndexes,
    text: &str,
    parameters: Parameters,
) -> Result<(Vec<Value>, u64, bool)> {
    let query = PreparedQuery::parse(text, parameters)?;
    let plan = indexes.plan(&query).await?;
    catch_up(indexes).await;
    let ready = indexes.ready(plan, &query).await?;
    let answer = ready.answer(&query, usize::MAX).await?;
    let written: Vec<Vec<u8>> = answer.results.iter().map(text_of).collect();
    if query.check_rows("pieces").is_ok() {
        check_pieces(&ready, &query, &written).await?;
        assert_eq!(ready.count(&query).await?, answer.total, "{text}");
    }
    let results = written.into_iter().map(|json| {
        serde_json::from_slice(&json).map_err(|reason| {
            Error::invalid(format!("{reason}: {}", String::from_utf8_lossy(&json)))
        })
    });
    Ok((
        results.collect::<Result<_>>()?,
        answer.total,
        ready.is_stale(),
    ))
}

fn text_of(result: &QueryResult) -> Vec<u8> {
    let mut json = Vec::new();
    result.write_json(&mut json);
    json
}

/// Read in small pieces, an answer is the same.
async fn check_pieces(
    ready: &Ready<FaultEnvironment<MemoryEnvironment>>,
    query: &PreparedQuery,
    whole: &[Vec<u8>],
) -> Result<()> {
    let mut rows = ready.rows(query).await?;
    let mut pieces = Vec::new();
    while let Some(results) = ready.next_rows(query, &mut rows, 3).await? {
        assert!((1..=3).contains(&results.len()));
        pieces.extend(results.iter().map(text_of));
    }
    assert!(ready.next_rows(query, &mut rows, 3).await?.is_none());
    assert_eq!(pieces, whole);
    Ok(())
}

pub fn ids(results: &[Value]) -> Vec<String> {
    let id = |it: &Value| it["@metadata"]["@id"].as_str().unwrap_or("?").to_owned();
    results.iter().map(id).collect()
}

pub async fn write(database: &Database<TestStore>, commands: Vec<BatchCommand>) {
    database.write_batch(commands).await.unwrap();
}

/// Defines an index by its JSON.
pub async fn define(indexes: &TestIndexes, definition: &str) -> Result<()> {
    indexes.put(IndexDefinition::parse(definition)?).await
}
