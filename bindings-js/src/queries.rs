//! Queries in RQL, and the work of the indexes that answer them.

use std::sync::Arc;

use futures_util::future::{Either, select};
use pinyon_core::indexes::{FormulaCompiler, Index, Indexes, StepLimits};
use pinyon_core::query::{Parameters, Plan, PreparedQuery, Ready};
use pinyon_core::storage::StoreName;
use pinyon_core::{Error, ErrorKind};
use pinyon_storage_browser::{BrowserEnvironment, BrowserStore};
use serde::Deserialize;
use serde_json::json;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::database::{CoreDatabase, Database};
use crate::error::{JsResult, to_js, to_text};

pub(crate) type BrowserIndexes = Indexes<BrowserEnvironment>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SentQuery {
    query: String,
    #[serde(default)]
    parameters: Parameters,
    #[serde(default)]
    wait_for_non_stale_results: bool,
}

/// Opens the indexes of a database, and keeps them up to date from now on.
pub(crate) async fn open_indexes(
    environment: &BrowserEnvironment,
    database: &CoreDatabase,
    store: &StoreName,
) -> Result<Arc<BrowserIndexes>, Error> {
    let compiler = Arc::new(FormulaCompiler);
    let opening = Indexes::open(environment.clone(), database.clone(), store, compiler);
    #[allow(
        clippy::arc_with_non_send_sync,
        reason = "the core shares by Arc on every host; a browser's worker is one thread"
    )]
    let indexes = Arc::new(opening.await?);
    spawn_local(supervise(Arc::downgrade(&indexes)));
    Ok(indexes)
}

/// Starts a task for each index there is, and for each that comes; ends with the database.
async fn supervise(indexes: std::sync::Weak<BrowserIndexes>) {
    let mut followed: Vec<String> = Vec::new();
    loop {
        let Some(strong) = indexes.upgrade() else {
            return;
        };
        let changed = strong.listen();
        let open = strong.list();
        // A rebuilt index has another store, and is another index.
        followed.retain(|store| open.iter().any(|index| index.record().store == *store));
        for index in open {
            let store = index.record().store.clone();
            if !followed.contains(&store) {
                followed.push(store);
                spawn_local(follow(Arc::downgrade(&strong), index));
            }
        }
        drop(strong);
        changed.await;
    }
}

async fn follow(indexes: std::sync::Weak<BrowserIndexes>, index: Arc<Index<BrowserStore>>) {
    loop {
        let Some(strong) = indexes.upgrade() else {
            return;
        };
        // Before looking, so that nothing that comes meanwhile is missed.
        let committed = strong.database().listen();
        let changed = index.listen_for_changes();
        if index.is_retired() {
            return;
        }
        let settled = match index.step(strong.database(), StepLimits::default()).await {
            Ok(report) if report.has_more => continue,
            Ok(_) => strong.settle(&index).await,
            Err(error) => Err(error),
        };
        if let Err(error) = settled {
            // What is damaged is built again; of the rest, queries tell, and the next write tries
            // again.
            let is_rebuilt =
                error.kind() == ErrorKind::Corrupted && strong.reset(&index.name()).await.is_ok();
            if is_rebuilt || error.kind() == ErrorKind::Closed {
                return;
            }
        }
        drop(strong);
        select(committed, changed).await;
    }
}

impl Database {
    async fn ready(
        &self,
        query: &PreparedQuery,
        waits: bool,
    ) -> Result<Ready<BrowserEnvironment>, Error> {
        let mut plan = self.indexes.plan(query).await?;
        let is_new = match &plan {
            Plan::Index(index) if index.auto_definition().is_some() => {
                index.view().await?.progress.batches == 0
            }
            _ => false,
        };
        // What is written while the query waits is not waited for.
        let up_to = self.database.read().await?.state().await?.last_etag;
        loop {
            let progress = match &plan {
                Plan::Index(index) => Some(index.listen()),
                Plan::Documents(_) => None,
            };
            let ready = self.indexes.ready(plan, query).await?;
            let Some(progress) = progress.filter(|_| waits || is_new) else {
                return Ok(ready);
            };
            if !ready.is_stale() || !ready.is_stale_up_to(up_to).await? {
                return Ok(ready);
            }
            let lost = Box::pin(self.environment.lost());
            if let Either::Right((reason, _)) = select(progress, lost).await {
                let closed = || Error::new(ErrorKind::Closed, "the database is closed");
                return Err(reason.unwrap_or_else(closed));
            }
            plan = ready.into_plan();
        }
    }

    async fn query_json(&self, sent: &str) -> Result<Vec<u8>, Error> {
        let sent: SentQuery = serde_json::from_str(sent)
            .map_err(|reason| Error::invalid(format!("the query does not fit: {reason}")))?;
        let query = PreparedQuery::parse(&sent.query, sent.parameters)?;
        let ready = self.ready(&query, sent.wait_for_non_stale_results).await?;
        let answer = ready.answer(&query, usize::MAX).await?;
        let facts = json!({
            "TotalResults": answer.total,
            "IndexName": ready.plan().index_name(&query),
            "IsStale": ready.is_stale(),
            "ResultEtag": ready.etag().to_string(),
        });
        let mut json = facts.to_string().into_bytes();
        json.pop();
        json.extend_from_slice(b",\"Results\":[");
        for (at, result) in answer.results.iter().enumerate() {
            if at > 0 {
                json.push(b',');
            }
            result.write_json(&mut json);
        }
        json.extend_from_slice(b"],\"Includes\":{");
        for (at, (id, document)) in answer.includes.iter().enumerate() {
            if at > 0 {
                json.push(b',');
            }
            serde_json::to_writer(&mut json, id).expect("a Vec takes any text");
            json.push(b':');
            match document {
                Some(document) => document.write_json(&mut json),
                None => json.extend_from_slice(b"null"),
            }
        }
        json.extend_from_slice(b"}}");
        Ok(json)
    }
}

#[wasm_bindgen]
impl Database {
    /// Asks a query, given with its parameters as JSON.
    pub async fn query(&self, query: String) -> JsResult<String> {
        to_text(self.query_json(&query).await.map_err(to_js)?)
    }
}
