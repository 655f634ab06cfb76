//! Queries in RQL, and the work of the indexes that answer them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{Either, LocalBoxFuture, Shared, select};
use pinyon_core::indexes::{
    FormulaCompiler, Index, IndexCompiler, Indexes, NoCompiler, StepLimits,
};
use pinyon_core::parts::IS_WHOLE;
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
    /// Of documents their keys are enough: the page may have them.
    #[serde(default)]
    only_keys: bool,
}

/// A query that was sent, and how it is to be answered.
pub(crate) struct Question {
    pub(crate) query: PreparedQuery,
    pub(crate) waits: bool,
    only_keys: bool,
}

/// Documents of more keys than this are sent themselves.
const MOST_KEYS: usize = 1024;

/// The indexes of a database, opened when somebody needs them first: documents are read before.
#[derive(Clone)]
pub(crate) struct OpeningIndexes {
    opening: Shared<LocalBoxFuture<'static, Result<Arc<BrowserIndexes>, Error>>>,
    has_begun: Rc<Cell<bool>>,
}

impl OpeningIndexes {
    pub(crate) fn new(
        environment: &BrowserEnvironment,
        database: &CoreDatabase,
        store: &StoreName,
    ) -> Self {
        let has_begun = Rc::new(Cell::new(false));
        let begins = Rc::clone(&has_begun);
        let opening = open_indexes(environment.clone(), database.clone(), store.clone());
        let opening = async move {
            begins.set(true);
            opening.await
        };
        Self {
            opening: opening.boxed_local().shared(),
            has_begun,
        }
    }

    /// Waits until they are open.
    pub(crate) async fn get(&self) -> Result<Arc<BrowserIndexes>, Error> {
        self.opening.clone().await
    }

    /// What the next event will come from: the indexes, or that they are open at last.
    pub(crate) fn listen(&self) -> Option<LocalBoxFuture<'static, ()>> {
        match self.opening.peek() {
            Some(Ok(indexes)) => Some(indexes.listen().boxed_local()),
            Some(Err(_)) => None,
            None => {
                let opening = self.opening.clone();
                // A failure is told to whoever asks for an index.
                Some(opening.map(|_| ()).boxed_local())
            }
        }
    }

    pub(crate) async fn close(&self) -> Result<(), Error> {
        if !self.has_begun.get() {
            return Ok(());
        }
        match self.get().await {
            Ok(indexes) => indexes.close().await,
            // There is nothing to close; whoever asked for an index was told why.
            Err(_) => Ok(()),
        }
    }
}

/// Opens the indexes of a database, and keeps them up to date from now on.
async fn open_indexes(
    environment: BrowserEnvironment,
    database: CoreDatabase,
    store: StoreName,
) -> Result<Arc<BrowserIndexes>, Error> {
    let compiler: Arc<dyn IndexCompiler> = if IS_WHOLE {
        Arc::new(FormulaCompiler)
    } else {
        Arc::new(NoCompiler)
    };
    let opening = Indexes::open(environment, database, &store, compiler);
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

/// Smaller than on servers: the worker answers nobody until a step's commit.
const STEP: StepLimits = StepLimits {
    documents: 2048,
    bytes: 1 << 20,
    time_ms: 50,
};

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
        let settled = match index.step(strong.database(), STEP).await {
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

/// Answers that were given last. A page asks the same again when it shows the same again, and as
/// long as the etag is the same, so is the answer.
#[derive(Clone, Default)]
pub(crate) struct LastAnswers {
    answers: Rc<RefCell<VecDeque<LastAnswer>>>,
}

struct LastAnswer {
    question: String,
    etag: i64,
    json: Bytes,
}

impl LastAnswers {
    const MOST: usize = 16;
    /// Of one answer.
    const MOST_BYTES: usize = 128 << 10;

    fn find(&self, question: &str, etag: i64) -> Option<Vec<u8>> {
        let mut answers = self.answers.borrow_mut();
        let at = answers.iter().position(|it| it.question == question)?;
        let known = answers.remove(at)?;
        // Of another state: what comes now takes its place.
        if known.etag != etag {
            return None;
        }
        let json = known.json.to_vec();
        answers.push_back(known);
        Some(json)
    }

    fn keep(&self, question: &str, etag: i64, json: &[u8]) {
        if json.len() > Self::MOST_BYTES {
            return;
        }
        let mut answers = self.answers.borrow_mut();
        if answers.len() >= Self::MOST {
            answers.pop_front();
        }
        answers.push_back(LastAnswer {
            question: question.to_owned(),
            etag,
            json: Bytes::copy_from_slice(json),
        });
    }
}

/// What a query needs of a database, to hold on to while it waits.
#[derive(Clone)]
pub(crate) struct Asking {
    environment: BrowserEnvironment,
    database: CoreDatabase,
    indexes: OpeningIndexes,
}

impl Asking {
    /// The states to answer from: now, or once the index has what is stored by now.
    pub(crate) async fn ready(
        &self,
        query: &PreparedQuery,
        waits: bool,
    ) -> Result<Ready<BrowserEnvironment>, Error> {
        let indexes = self.indexes.get().await?;
        let mut plan = indexes.plan(query).await?;
        let is_new = match &plan {
            Plan::Index(index) if index.is_auto() => index.view().await?.progress.batches == 0,
            _ => false,
        };
        // What is written while the query waits is not waited for.
        let up_to = self.database.read().await?.state().await?.last_etag;
        loop {
            let progress = match &plan {
                Plan::Index(index) => Some(select(index.listen(), index.listen_for_changes())),
                Plan::Documents(_) => None,
            };
            let ready = indexes.ready(plan, query).await?;
            let Some(progress) = progress.filter(|_| waits || is_new) else {
                return Ok(ready);
            };
            if !ready.is_stale() || !ready.is_stale_up_to(up_to).await? {
                return Ok(ready);
            }
            check_moves(ready.plan())?;
            let lost = Box::pin(self.environment.lost());
            if let Either::Right((reason, _)) = select(progress, lost).await {
                let closed = || Error::new(ErrorKind::Closed, "the database is closed");
                return Err(reason.unwrap_or_else(closed));
            }
            // A retired index is not waited for: another may have taken its place.
            plan = match ready.into_plan() {
                Plan::Index(index) if index.is_retired() => indexes.plan(query).await?,
                plan => plan,
            };
        }
    }

    /// Whether waiting for the index that answers `query` has an end.
    pub(crate) async fn is_moving(&self, query: &PreparedQuery) -> Result<bool, Error> {
        let indexes = self.indexes.get().await?;
        Ok(check_moves(&indexes.plan(query).await?).is_ok())
    }

    /// Differs whenever the answer may.
    pub(crate) async fn result_etag(&self, query: &PreparedQuery) -> Result<i64, Error> {
        let indexes = self.indexes.get().await?;
        let plan = indexes.plan(query).await?;
        Ok(indexes.ready(plan, query).await?.etag())
    }

    /// The answer as JSON: what is known of it, then its results, then what they refer to.
    pub(crate) async fn answer_json(
        &self,
        query: &PreparedQuery,
        waits: bool,
    ) -> Result<Vec<u8>, Error> {
        let ready = self.ready(query, waits).await?;
        answer_json(query, &ready).await
    }
}

/// What is known of an answer, as a JSON object that is not closed.
fn facts_json(query: &PreparedQuery, ready: &Ready<BrowserEnvironment>, total: u64) -> Vec<u8> {
    let facts = json!({
        "TotalResults": total,
        "IndexName": ready.plan().index_name(query),
        "IsStale": ready.is_stale(),
        "ResultEtag": ready.etag().to_string(),
    });
    let mut json = facts.to_string().into_bytes();
    json.pop();
    json
}

/// The answer with keys in place of documents, where that is all there is to tell.
async fn keys_json(
    query: &PreparedQuery,
    ready: &Ready<BrowserEnvironment>,
) -> Result<Option<Vec<u8>>, Error> {
    let Some((keys, total)) = ready.keys(query, MOST_KEYS).await? else {
        return Ok(None);
    };
    let mut json = facts_json(query, ready, total);
    json.extend_from_slice(b",\"Keys\":[");
    for (at, key) in keys.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        let key = std::str::from_utf8(key).map_err(|_| Error::corrupted("an id is not UTF-8"))?;
        serde_json::to_writer(&mut json, key).expect("a Vec takes any text");
    }
    json.extend_from_slice(b"]}");
    Ok(Some(json))
}

async fn answer_json(
    query: &PreparedQuery,
    ready: &Ready<BrowserEnvironment>,
) -> Result<Vec<u8>, Error> {
    let answer = ready.answer(query, usize::MAX).await?;
    let mut json = facts_json(query, ready, answer.total);
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
    json.push(b'}');
    // The small module refuses queries that ask for them.
    if IS_WHOLE {
        if !query.highlights.is_empty() {
            json.extend_from_slice(b",\"Highlightings\":");
            serde_json::to_writer(&mut json, &answer.highlights).expect("a Vec takes any text");
        }
        if query.with_explanations {
            json.extend_from_slice(b",\"Explanations\":");
            serde_json::to_writer(&mut json, &answer.explanations).expect("a Vec takes any text");
        }
    }
    json.push(b'}');
    Ok(json)
}

/// Refuses to wait for an index that follows no documents.
fn check_moves(plan: &Plan<BrowserStore>) -> Result<(), Error> {
    let Plan::Index(index) = plan else {
        return Ok(());
    };
    let why = match (index.record().is_disabled, index.is_paused()) {
        (true, _) => "disabled",
        (_, true) => "paused",
        _ => return Ok(()),
    };
    Err(Error::new(
        ErrorKind::Unavailable,
        format!(
            "the index '{}' is {why} and does not catch up",
            index.name()
        ),
    ))
}

/// Reads a query that was sent.
pub(crate) fn parse_query(sent: &str) -> Result<Question, Error> {
    let sent: SentQuery = serde_json::from_str(sent)
        .map_err(|reason| Error::invalid(format!("the query does not fit: {reason}")))?;
    let query = PreparedQuery::parse(&sent.query, sent.parameters)?;
    if !query.included_revisions.is_empty() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "including revisions in a query is not implemented here; load them by their ids",
        ));
    }
    Ok(Question {
        query,
        waits: sent.wait_for_non_stale_results,
        only_keys: sent.only_keys,
    })
}

/// Reads a query that is only asked.
pub(crate) fn parse_question(sent: &str) -> Result<Question, Error> {
    let question = parse_query(sent)?;
    if question.query.query.update.is_some() {
        return Err(Error::invalid(
            "'update' changes documents: it is an operation, store.operations.patchByQuery()",
        ));
    }
    Ok(question)
}

impl Database {
    pub(crate) fn asking(&self) -> Asking {
        Asking {
            environment: self.environment.clone(),
            database: self.database.clone(),
            indexes: self.indexes.clone(),
        }
    }

    async fn query_json(&self, sent: &str) -> Result<Vec<u8>, Error> {
        let Question {
            query,
            waits,
            only_keys,
        } = parse_question(sent)?;
        let ready = self.asking().ready(&query, waits).await?;
        if let Some(json) = self.last_answers.find(sent, ready.etag()) {
            return Ok(json);
        }
        // With the whole module pages answer nothing themselves, and so ask for no keys.
        let keys = match only_keys && !IS_WHOLE {
            true => keys_json(&query, &ready).await?,
            false => None,
        };
        let json = match keys {
            Some(json) => json,
            None => answer_json(&query, &ready).await?,
        };
        if query.is_repeatable() {
            self.last_answers.keep(sent, ready.etag(), &json);
        }
        Ok(json)
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Database {
    /// Opens the indexes, unless that is done; queries do it too.
    #[wasm_bindgen(js_name = openIndexes)]
    pub async fn begin_indexes(&self) -> JsResult<()> {
        self.indexes.get().await.map(|_| ()).map_err(to_js)
    }

    /// Asks a query, given with its parameters as JSON.
    pub async fn query(&self, query: String) -> JsResult<String> {
        to_text(self.query_json(&query).await.map_err(to_js)?)
    }
}
