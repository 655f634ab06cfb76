//! `/databases/{db}/queries`: asking and explaining.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use pinyon_core::document::StoredDocument;
use pinyon_core::host::{TimeSpan, Timestamp};
use pinyon_core::query::rql::SyntaxError;
use pinyon_core::query::{
    Answer, Parameters, Plan, PreparedQuery, ProjectionBehavior, QueryResult, Ready,
};
use pinyon_core::version::Etag;
use pinyon_core::{Error, ErrorKind, Result};
use pinyon_storage_native::{NativeEnvironment, NativeStore};
use serde::Deserialize;
use serde_json::{Value, json};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::docs::{IncludedRevision, RevisionIncludes, push_included_revisions};
use crate::databases::OpenDatabase;
use crate::http::{
    self, Call, JsonObject, Reply, as_text, empty, etag_value, json_with_etag, not_modified,
};
use crate::http_error;

/// How long a query waits for an index that has to catch up, unless it says otherwise.
const DEFAULT_WAIT: Duration = Duration::from_secs(15);
/// What clients are shown for a moment that never was.
const NEVER: &str = "0001-01-01T00:00:00.0000000Z";

/// A query as it was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SentQuery {
    query: String,
    query_parameters: Option<Parameters>,
    wait_for_non_stale_results: Option<bool>,
    /// A time span's text, or milliseconds: clients differ.
    wait_for_non_stale_results_timeout: Value,
    skip_duplicate_checking: Option<bool>,
    projection_behavior: Option<ProjectionBehavior>,
    page_size: Option<u64>,
    /// A hash of all that was sent.
    #[serde(skip)]
    text_hash: u64,
}

impl SentQuery {
    /// Reads a query from the body, or from the query string of a GET.
    ///
    /// # Errors
    /// `InvalidRequest` when it is malformed or missing.
    pub async fn read(call: &mut Call<'_>, method: &Method) -> Result<Self> {
        if *method == Method::GET {
            return Ok(Self {
                query: call.query.require("query")?.into_owned(),
                wait_for_non_stale_results: Some(call.query.flag("waitForNonStaleResults")),
                ..Self::default()
            });
        }
        let body = call.read_body().await?;
        Self::parse(as_text(&body)?)
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let JsonObject(sent) = serde_json::from_str::<JsonObject<Self>>(text)
            .map_err(|reason| Error::invalid(format!("the query's JSON is not valid: {reason}")))?;
        if sent.query.is_empty() {
            return Err(Error::invalid("the body lacks 'Query'"));
        }
        let text_hash = xxh3_64(text.as_bytes());
        Ok(Self { text_hash, ..sent })
    }

    /// The tag of an answer from `state`. Clients may keep the answers of several queries in one
    /// place, so it tells apart whatever was asked, too.
    fn etag(&self, call: &Call<'_>, state: i64) -> i64 {
        let mut hash = Xxh3::new();
        hash.update(&state.to_le_bytes());
        hash.update(&self.text_hash.to_le_bytes());
        for (name, value) in call.query.pairs() {
            for part in [name, value] {
                hash.update(&(part.len() as u64).to_le_bytes());
                hash.update(part.as_bytes());
            }
        }
        hash.digest().cast_signed()
    }

    /// Parses the query's text.
    ///
    /// # Errors
    /// As [`PreparedQuery::parse`].
    pub fn prepare(&mut self) -> Result<PreparedQuery> {
        let parameters = self.query_parameters.take().unwrap_or_default();
        let mut prepared = PreparedQuery::parse(&self.query, parameters).map_err(|error| {
            if error.details::<SyntaxError>().is_some() {
                http_error::invalid_query(&error)
            } else {
                error
            }
        })?;
        prepared.skips_duplicate_check = self.skip_duplicate_checking == Some(true);
        prepared.projection_behavior = self.projection_behavior.unwrap_or_default();
        if let Some(size) = self.page_size {
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            let take = &mut prepared.lowered.take;
            *take = Some(take.map_or(size, |it| it.min(size)));
        }
        Ok(prepared)
    }

    /// How long to wait for the index, if at all.
    ///
    /// # Errors
    /// `InvalidRequest` for a malformed time span.
    pub fn wait(&self) -> Result<Option<Duration>> {
        if self.wait_for_non_stale_results != Some(true) {
            return Ok(None);
        }
        let timeout = &self.wait_for_non_stale_results_timeout;
        if let Some(ms) = timeout.as_u64() {
            return Ok(Some(Duration::from_millis(ms)));
        }
        Ok(Some(match timeout.as_str().filter(|it| !it.is_empty()) {
            None => DEFAULT_WAIT,
            Some(text) => {
                let span: TimeSpan = text.parse()?;
                Duration::from_millis(u64::try_from(span.ms()).unwrap_or(0))
            }
        }))
    }
}

/// Refuses what would change documents where it is only asked.
///
/// # Errors
/// `InvalidRequest`.
pub fn check_asks(query: &PreparedQuery) -> Result<()> {
    if query.query.update.is_some() {
        return Err(http_error::invalid_query(&Error::invalid(
            "'update' changes documents: such a query is sent by PATCH, as an operation",
        )));
    }
    Ok(())
}

/// `GET` and `POST queries`.
pub async fn ask(call: &mut Call<'_>, method: &Method) -> Reply {
    let began = Instant::now();
    let mut sent = SentQuery::read(call, method).await?;
    let database = call.open_database().await?;
    let query = sent.prepare()?;
    check_asks(&query)?;
    let mut shows_entries = false;
    match call.query.get("debug")?.as_deref() {
        None | Some("") => {}
        Some("explain") => return explain(&database, &query).await,
        Some("entries") => shows_entries = true,
        Some(other) => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("debug={other} is not implemented yet"),
            ));
        }
    }
    let Some(ready) = ready(&database, &query, sent.wait()?).await? else {
        return Ok(empty(StatusCode::NOT_FOUND));
    };
    let found_index_after = began.elapsed();
    let result_etag = sent.etag(call, ready.etag());
    let tag = result_etag.to_string();
    let etag = etag_value(&tag)?;
    if call.has_already(&tag) {
        return Ok(not_modified(etag));
    }
    let answer = if shows_entries {
        ready.answer_entries(&query).await?
    } else {
        ready.answer(&query, usize::MAX).await?
    };
    let byte_count = answer.results.iter().map(QueryResult::byte_count).sum();
    call.server.check_response_bytes(byte_count)?;
    let revisions = included_revisions(&query, &ready, &answer).await?;
    let shown = Shown {
        revisions: &revisions,
        call,
        query: &query,
        ready: &ready,
        result_etag,
        answer: &answer,
        found_index_after,
        duration: began.elapsed(),
    };
    Ok(json_with_etag(shown.to_json(byte_count), etag))
}

/// The revisions that come along, if any are asked for.
async fn included_revisions(
    query: &PreparedQuery,
    ready: &Ready<NativeEnvironment>,
    answer: &Answer,
) -> Result<Vec<IncludedRevision>> {
    if query.included_revisions.is_empty() {
        return Ok(Vec::new());
    }
    let mut wanted = RevisionIncludes::default();
    for text in &query.included_revisions {
        if wanted.add_moment(text).is_err() {
            wanted.add_path(text)?;
        }
    }
    let documents = answer.results.iter().map(|it| it.document().cloned());
    let documents: Vec<Option<StoredDocument>> = documents.collect();
    wanted.find(ready.documents(), &documents).await
}

/// Finds what answers, and waits until it is as far as was asked for. `None` when the query names
/// an index that does not exist.
///
/// # Errors
/// Those of the index; whatever the storage reports.
pub async fn ready(
    database: &OpenDatabase,
    query: &PreparedQuery,
    wait: Option<Duration>,
) -> Result<Option<Ready<NativeEnvironment>>> {
    let indexes = &database.indexes;
    let Some(plan) = find_plan(database, query).await? else {
        return Ok(None);
    };
    // An index that this query made has nothing yet to answer with.
    let is_new = match &plan {
        Plan::Index(index) if index.is_auto() => index.view().await?.progress.batches == 0,
        _ => false,
    };
    let wait = wait.or(is_new.then_some(DEFAULT_WAIT));
    let mut cutoff: Option<Etag> = None;
    let mut deadline = None;
    let mut plan = plan;
    let mut waiter = None;
    loop {
        let progress = match &plan {
            Plan::Index(index) => Some(index.listen()),
            Plan::Documents(_) => None,
        };
        let ready = database.use_store(indexes.ready(plan, query).await)?;
        let ready = ready.with_scripts(Arc::clone(&database.scripts) as _);
        let (Some(wait), Some(progress)) = (wait, progress) else {
            return Ok(Some(ready));
        };
        if !ready.is_stale() {
            return Ok(Some(ready));
        }
        let up_to = match cutoff {
            Some(cutoff) => cutoff,
            // What is written while the query waits is not waited for.
            None => *cutoff.insert(database.read().await?.state().await?.last_etag),
        };
        if !ready.is_stale_up_to(up_to).await? {
            return Ok(Some(ready));
        }
        if let Plan::Index(index) = ready.plan() {
            waiter.get_or_insert_with(|| index.await_progress());
        }
        let until = *deadline.get_or_insert_with(|| tokio::time::Instant::now() + wait);
        if tokio::time::timeout_at(until, progress).await.is_err() {
            return Ok(Some(ready));
        }
        plan = match ready.into_plan() {
            // It was deleted, or another took its place: what is there now is asked.
            Plan::Index(index) if index.is_retired() => {
                waiter = None;
                match find_plan(database, query).await? {
                    Some(plan) => plan,
                    None => return Ok(None),
                }
            }
            plan => plan,
        };
    }
}

/// What answers; `None` when the query names an index that does not exist.
async fn find_plan(
    database: &OpenDatabase,
    query: &PreparedQuery,
) -> Result<Option<Plan<NativeStore>>> {
    match database.indexes.plan(query).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        result => database.use_store(result).map(Some),
    }
}

async fn explain(database: &OpenDatabase, query: &PreparedQuery) -> Reply {
    let (index, considered) = database.indexes.explain(query).await?;
    let considered: Vec<_> = considered
        .into_iter()
        .map(|it| json!({ "Index": it.index, "Reason": it.reason }))
        .collect();
    Ok(http::json(
        StatusCode::OK,
        &json!({ "IndexName": index, "Results": considered }),
    ))
}

/// An answer on its way to the client.
struct Shown<'a, 'c> {
    revisions: &'a [IncludedRevision],
    call: &'a Call<'c>,
    query: &'a PreparedQuery,
    ready: &'a Ready<NativeEnvironment>,
    result_etag: i64,
    answer: &'a Answer,
    /// How long it took to choose the index and to wait for it.
    found_index_after: Duration,
    duration: Duration,
}

impl Shown<'_, '_> {
    fn to_json(&self, byte_count: usize) -> Vec<u8> {
        let mut json = Vec::with_capacity(byte_count + 512);
        let answer = self.answer;
        let mut member = |name: &str, value: &str| {
            json.push(if json.is_empty() { b'{' } else { b',' });
            json.extend_from_slice(b"\"");
            json.extend_from_slice(name.as_bytes());
            json.extend_from_slice(b"\":");
            json.extend_from_slice(value.as_bytes());
        };
        member("TotalResults", &answer.total.to_string());
        if let Some(take) = self.query.lowered.take {
            let skip = self.query.lowered.skip as u64;
            let capped = answer.total.saturating_sub(skip).min(take as u64);
            member("CappedMaxResults", &capped.to_string());
        }
        member("ScannedResults", &answer.scanned.to_string());
        member("SkippedResults", "0");
        member("DurationInMs", &self.duration.as_millis().to_string());
        let paths = match self.query.included_paths.as_slice() {
            [] => "null".to_owned(),
            paths => json!(paths).to_string(),
        };
        member("IncludedPaths", &paths);
        let name = self.ready.plan().index_name(self.query);
        member(
            "IndexName",
            &serde_json::to_string(&name).expect("a text is JSON"),
        );
        member("Results", "[");
        self.push_results(&mut json);
        json.extend_from_slice(b"],\"Includes\":{");
        self.push_includes(&mut json);
        json.push(b'}');
        if !self.query.included_revisions.is_empty() {
            push_included_revisions(self.revisions, &mut json);
        }
        self.push_facts(&mut json);
        json.push(b'}');
        json
    }

    fn push_results(&self, json: &mut Vec<u8>) {
        let metadata_only = self.call.query.flag("metadataOnly");
        for (at, result) in self.answer.results.iter().enumerate() {
            if at > 0 {
                json.push(b',');
            }
            if metadata_only {
                result.write_metadata_json(json);
            } else {
                result.write_json(json);
            }
        }
    }

    fn push_includes(&self, json: &mut Vec<u8>) {
        for (at, (id, document)) in self.answer.includes.iter().enumerate() {
            if at > 0 {
                json.push(b',');
            }
            serde_json::to_writer(&mut *json, id).expect("a Vec takes any text");
            json.push(b':');
            match document {
                Some(document) => document.write_json(json),
                None => json.extend_from_slice(b"null"),
            }
        }
    }

    fn push_facts(&self, json: &mut Vec<u8>) {
        let moment = |at: Option<Timestamp>| at.map_or_else(|| NEVER.to_owned(), |it| it.to_text());
        let mut text = format!(
            ",\"IndexTimestamp\":\"{}\",\"LastQueryTime\":\"{}\",\"IsStale\":{},\"ResultEtag\":{},\
             \"NodeTag\":\"{}\"",
            moment(self.ready.indexed_at()),
            moment(self.ready.last_query_at()),
            self.ready.is_stale(),
            self.result_etag,
            self.call.server.databases.node_tag(),
        );
        if !self.query.highlights.is_empty() {
            text.push_str(&format!(
                ",\"Highlightings\":{}",
                json!(self.answer.highlights)
            ));
        }
        if self.query.with_explanations {
            let explanations = json!(self.answer.explanations);
            text.push_str(&format!(",\"Explanations\":{explanations}"));
        }
        if self.query.with_timings {
            let part =
                |duration: Duration| json!({ "DurationInMs": duration.as_millis(), "Timings": {} });
            let parts = json!({
                "Index": part(self.found_index_after),
                "Query": part(self.duration.saturating_sub(self.found_index_after)),
            });
            let duration = self.duration.as_millis();
            text.push_str(&format!(
                ",\"Timings\":{{\"DurationInMs\":{duration},\"Timings\":{parts}}}"
            ));
        }
        json.extend_from_slice(text.as_bytes());
    }
}
