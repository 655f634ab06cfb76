//! `PATCH` and `DELETE queries`: operations that change what a query finds, in many transactions.
//!
//! What is found is found in one state; a document that was deleted meanwhile is passed over.

use std::sync::Arc;
use std::time::Duration;

use pinyon_core::commands::CommandOutcome;
use pinyon_core::host::TimeSpan;
use pinyon_core::query::{CHANGES_PER_TRANSACTION, FoundChange, PreparedQuery};
use pinyon_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::operations;
use super::queries::{self, SentQuery};
use super::query_documents::DocumentQuery;
use crate::databases::OpenDatabase;
use crate::http::{Call, JsonObject, Reply, as_text};
use crate::http_error;
use crate::operations::{Ended, Progress};

/// How many results of an index are read at a time.
const RESULTS_PER_PAGE: usize = 4096;
/// How many documents an operation with `details=true` tells of.
const MOST_DETAILS: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent<'a> {
    #[serde(borrow)]
    query: &'a RawValue,
}

/// `PATCH queries`.
pub async fn patch(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let JsonObject(Sent { query }) = serde_json::from_str(as_text(&body)?)
        .map_err(|reason| Error::invalid(format!("the patch is not valid: {reason}")))?;
    let mut sent = SentQuery::parse(query.get())?;
    let mut query = sent.prepare()?;
    let change = FoundChange::take_patch(&mut query)?;
    // Refused at once, not at the first document that is found.
    let scripts = call.open_database().await?.scripts.clone();
    change
        .check(&*scripts, call.server.host.clock.now())
        .await?;
    start(call, &sent, query, change).await
}

/// `DELETE queries`.
pub async fn delete(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let mut sent = SentQuery::parse(as_text(&body)?)?;
    let query = sent.prepare()?;
    let change = FoundChange::delete(&query)?;
    start(call, &sent, query, change).await
}

async fn start(
    call: &mut Call<'_>,
    sent: &SentQuery,
    query: PreparedQuery,
    change: FoundChange,
) -> Reply {
    let database = call.open_database().await?;
    let timeout = call.query.get("staleTimeout")?;
    let wait = match timeout.as_deref().filter(|it| !it.is_empty()) {
        // The Node.js client sends milliseconds.
        Some(text) if text.bytes().all(|it| it.is_ascii_digit()) => {
            Some(Duration::from_millis(text.parse().map_err(|_| {
                Error::invalid(format!("'{text:.50}' is too long a time"))
            })?))
        }
        Some(text) => {
            let span: TimeSpan = text.parse()?;
            Some(Duration::from_millis(u64::try_from(span.ms()).unwrap_or(0)))
        }
        None => sent.wait()?,
    };
    let run = Run {
        database,
        change,
        wait,
        allows_stale: call.query.flag("allowStale"),
        max_ops_per_second: call.query.number("maxOpsPerSec", 0_u64)?,
        with_details: call.query.flag("details"),
        processed: 0,
        details: Vec::new(),
    };
    let id = call.query.number("operationId", 0_u64)?;
    let scope = run.database.record.store.clone();
    let work = |progress: Progress| async move { run.all(query, &progress).await };
    let id = call.server.operations.start(&scope, id, work)?;
    operations::started(call, id)
}

struct Run {
    database: Arc<OpenDatabase>,
    change: FoundChange,
    wait: Option<Duration>,
    allows_stale: bool,
    max_ops_per_second: u64,
    with_details: bool,
    processed: u64,
    details: Vec<Value>,
}

impl Run {
    async fn all(mut self, query: PreparedQuery, progress: &Progress) -> Result<Ended> {
        let planned = DocumentQuery::plan(&query.query, &query.parameters)?;
        let Some(documents) = planned else {
            let ids = self.found_by_index(query).await?;
            for chunk in ids.chunks(CHANGES_PER_TRANSACTION) {
                if progress.is_canceled() {
                    return Ok(Ended::Canceled(self.result()));
                }
                self.change(chunk, ids.len() as u64, progress).await?;
            }
            return Ok(Ended::Completed(self.result()));
        };
        let read = self.database.read().await?;
        let total = documents.count(&read).await?;
        let mut pages = documents.pages();
        while let Some(ids) = pages.next(&read, CHANGES_PER_TRANSACTION).await? {
            if progress.is_canceled() {
                return Ok(Ended::Canceled(self.result()));
            }
            if !ids.is_empty() {
                self.change(&ids, total, progress).await?;
            }
        }
        Ok(Ended::Completed(self.result()))
    }

    /// The ids of what an index finds, all from one state of it.
    async fn found_by_index(&self, query: PreparedQuery) -> Result<Vec<String>> {
        query.check_rows("changing by query")?;
        let Some(ready) = queries::ready(&self.database, &query, self.wait).await? else {
            let missing = Error::new(ErrorKind::NotFound, "the query's index does not exist");
            return Err(http_error::index_does_not_exist(&missing));
        };
        if ready.is_stale() && !self.allows_stale {
            return Err(http_error::stale_index(
                "the index is stale; allow stale results, or wait until it has caught up",
            ));
        }
        if ready.has_groups() {
            return Err(Error::invalid(
                "the query finds groups, not documents, so there is nothing to change",
            ));
        }
        let mut rows = ready.rows(&query).await?;
        let mut ids = Vec::new();
        while let Some(results) = ready.next_rows(&query, &mut rows, RESULTS_PER_PAGE).await? {
            let found = results.iter().filter_map(|it| it.document());
            ids.extend(found.map(|it| it.id().to_owned()));
        }
        Ok(ids)
    }

    /// One transaction.
    async fn change(&mut self, ids: &[String], total: u64, progress: &Progress) -> Result<()> {
        let max_id_bytes = self.database.documents.limits().max_id_bytes;
        let commands = self.change.commands(ids, max_id_bytes)?;
        let outcomes = self.database.write(commands).await?;
        self.processed += ids.len() as u64;
        if self.with_details && self.details.len() < MOST_DETAILS {
            self.details.extend(ids.iter().zip(&outcomes).map(detail));
        }
        progress.report(json!({ "Processed": self.processed, "Total": total }));
        let ms = (ids.len() as u64).saturating_mul(1000);
        if let Some(pause_ms) = ms.checked_div(self.max_ops_per_second) {
            progress.pause(Duration::from_millis(pause_ms)).await;
        }
        Ok(())
    }

    fn result(self) -> Value {
        let processed = self.processed;
        json!({
            "$type": "Raven.Client.Documents.Operations.BulkOperationResult, Raven.Client",
            "Total": processed,
            "DocumentsProcessed": processed,
            "AttachmentsProcessed": 0,
            "CountersProcessed": 0,
            "TimeSeriesProcessed": 0,
            "Query": null,
            "Details": self.details,
            "Message": format!("Processed {processed} items."),
        })
    }
}

fn detail((id, outcome): (&String, &CommandOutcome)) -> Value {
    match outcome {
        CommandOutcome::Patched(patched) => json!({
            "Id": id,
            "ChangeVector": patched.change_vector,
            "Status": patched.status.as_str(),
        }),
        CommandOutcome::Deleted(deleted) => {
            json!({ "Id": id, "ChangeVector": deleted.change_vector })
        }
        _ => json!({ "Id": id }),
    }
}
