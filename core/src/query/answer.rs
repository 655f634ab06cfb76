//! Answering: from a plan to rows, all from one state of the index and one of the documents.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use super::condition::{Conditions, Found, Leaf};
use super::evaluate::Evaluation;
use super::facet::{Facet, FacetSource, facets_of_set_up};
use super::facet_values::facet_json;
use super::field_check::check_fields;
use super::lower::{OrderKey, Output};
use super::order;
use super::place::nearest;
use super::plan::Plan;
use super::prepared::PreparedQuery;
use super::project::{self, AtHand, Projection, ProjectionBehavior, Row};
use super::remarks;
use super::result::{Marks, Nearest, QueryResult};
use super::rql::{ExpressionKind, Source};
use super::suggestion::suggestion_json;
use crate::document::{CollectionName, StoredDocument, to_id_key};
use crate::host::{ScriptEngine, Timestamp};
use crate::indexes::blocks;
use crate::indexes::tables::{ENTRIES, Entry, entry_key};
use crate::indexes::{
    Cursor, FieldKind, Followed, Index, IndexSource, IndexView, Indexes, Object, REPLACEMENT_PREFIX,
};
use crate::parts::IS_WHOLE;
use crate::reader::ReadTransaction;
use crate::storage::{Environment, Snapshot, Store};
use crate::version::Etag;
use crate::{Error, ErrorKind, Result};

type DocumentsOf<E> = <<E as Environment>::Store as Store>::Snapshot;

/// How many documents are read at a time.
pub(super) const CHUNK: usize = 256;
/// How often a row is made again because it asked for more documents.
const MOST_LOADS: usize = 512;

/// A plan with the states it will be answered from.
pub struct Ready<E: Environment> {
    pub(super) plan: Plan<E::Store>,
    pub(super) view: Option<Arc<IndexView<DocumentsOf<E>>>>,
    pub(super) tx: ReadTransaction<DocumentsOf<E>>,
    is_stale: bool,
    etag: i64,
    last_query_at: Option<Timestamp>,
    pub(super) nonce: u64,
    scripts: Option<Arc<dyn ScriptEngine>>,
    now: Timestamp,
}

/// What a query answers.
#[derive(Default)]
pub struct Answer {
    /// The page.
    pub results: Vec<QueryResult>,
    /// How many there are without paging.
    pub total: u64,
    /// How many documents a filter looked at.
    pub scanned: u64,
    /// By field and document (or the group asked for): pieces of text with found words marked.
    pub highlights: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// By document, why it was found.
    pub explanations: BTreeMap<String, Vec<String>>,
    /// What the results refer to, as far as it was asked for.
    pub includes: Vec<(String, Option<StoredDocument>)>,
}

impl<E: Environment> Indexes<E> {
    /// Takes the states from which `plan` is answered: first the index's, then the documents', so
    /// that an index that is not stale has exactly the documents.
    ///
    /// # Errors
    /// `Unavailable` when the index is in error; whatever the storage reports.
    pub async fn ready(&self, plan: Plan<E::Store>, query: &PreparedQuery) -> Result<Ready<E>> {
        let mut nonce = [0; 8];
        if !query.is_repeatable() {
            self.database().random().fill(&mut nonce)?;
        }
        let nonce = u64::from_le_bytes(nonce);
        let (view, last_query_at) = match &plan {
            Plan::Documents(_) => (None, None),
            Plan::Index(index) => {
                let last = index.last_query_at();
                index.touch(self.database().now());
                let view = index.view().await?;
                index.check_answers(&view.progress)?;
                (Some(view), last)
            }
        };
        let tx = self.database().read().await?;
        let mut hash = Xxh3::new();
        hash.update(plan.index_name(query).as_bytes());
        let is_stale = match (&plan, &view) {
            (Plan::Index(index), Some(view)) => {
                let standing = index.standing(view, &tx).await?;
                // What replaces it may have more.
                let replacement = format!("{REPLACEMENT_PREFIX}{}", index.name());
                let is_asked = !matches!(query.query.source, Source::Collection(_));
                // A build without the rest opens no index that a client defined.
                if IS_WHOLE && is_asked && !standing.is_stale && self.find(&replacement).is_none() {
                    check_fields(index, view, query)?;
                }
                hash.update(&[u8::from(standing.is_stale)]);
                hash.update(index.record().store.as_bytes());
                hash.update(&view.progress.batches.to_le_bytes());
                for newest in &standing.newest {
                    update_hash(&mut hash, *newest);
                }
                standing.is_stale
            }
            _ => {
                let collection = query.collection().map(CollectionName::new).transpose()?;
                let followed = Followed::of(collection.as_ref());
                update_hash(&mut hash, followed.newest(&tx).await?);
                false
            }
        };
        let has_set_up = matches!(&query.lowered.output, Output::Facets(sources)
            if sources.iter().any(|it| matches!(it, FacetSource::SetUp(_))));
        let shows_others = !query.query.load.is_empty() || query.projection.loads() || has_set_up;
        if !query.includes.is_empty() || shows_others {
            // Results show other documents too.
            update_hash(&mut hash, Followed::All.newest(&tx).await?);
        }
        if !query.included_revisions.is_empty() {
            hash.update(&tx.state().await?.last_etag.number().to_le_bytes());
        }
        Ok(Ready {
            plan,
            view,
            tx,
            is_stale,
            etag: hash.digest().cast_signed(),
            last_query_at,
            nonce,
            scripts: None,
            now: self.database().now(),
        })
    }
}

fn update_hash(hash: &mut Xxh3, newest: Cursor) {
    hash.update(&newest.documents.to_le_bytes());
    hash.update(&newest.tombstones.to_le_bytes());
}

impl<E: Environment> Ready<E> {
    /// Lends an engine for what results show that formulas cannot express.
    #[must_use]
    pub fn with_scripts(self, engine: Arc<dyn ScriptEngine>) -> Self {
        Self {
            scripts: Some(engine),
            ..self
        }
    }

    /// What answers.
    pub fn plan(&self) -> &Plan<E::Store> {
        &self.plan
    }

    /// The plan again, to be made ready once more.
    pub fn into_plan(self) -> Plan<E::Store> {
        self.plan
    }

    /// The documents' state that answers.
    pub fn documents(&self) -> &ReadTransaction<DocumentsOf<E>> {
        &self.tx
    }

    /// Whether documents are missing from the index.
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Whether documents up to `cutoff` are missing from the index.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn is_stale_up_to(&self, cutoff: Etag) -> Result<bool> {
        match (&self.plan, &self.view) {
            (Plan::Index(index), Some(view)) if self.is_stale => {
                index.is_stale(view, &self.tx, Some(cutoff.number())).await
            }
            _ => Ok(false),
        }
    }

    /// Differs whenever the answer may.
    pub fn etag(&self) -> i64 {
        self.etag
    }

    /// When the index was last brought up to date.
    pub fn indexed_at(&self) -> Option<Timestamp> {
        let view = self.view.as_ref()?;
        Some(Timestamp::from_ticks(view.progress.last_indexed_at_ticks))
    }

    /// When the index was last asked before.
    pub fn last_query_at(&self) -> Option<Timestamp> {
        self.last_query_at
    }

    /// Whether the results are groups rather than documents.
    pub fn has_groups(&self) -> bool {
        matches!(&self.plan, Plan::Index(index) if index.is_map_reduce())
    }

    /// Answers the page that `query` asks for, and no more than `most` results.
    ///
    /// # Errors
    /// Whatever the storage reports.
    pub async fn answer(&self, query: &PreparedQuery, most: usize) -> Result<Answer> {
        let take = query.lowered.take.unwrap_or(usize::MAX).min(most);
        let page = Page {
            skip: query.lowered.skip,
            take,
        };
        let Listed {
            results,
            total,
            scanned,
        } = match (&self.plan, &self.view) {
            #[cfg(feature = "whole")]
            (Plan::Index(index), Some(view)) if query.lowered.output != Output::Rows => {
                self.computed(query, index, view).await?
            }
            (Plan::Index(index), Some(view)) => {
                self.answer_by_index(query, index, view, page).await?
            }
            (Plan::Documents(ids), _) => self.answer_by_documents(query, ids, page).await?,
            (Plan::Index(_), None) => Listed::default(),
        };
        let includes = self.included(query, &results).await?;
        let mut answer = Answer {
            results,
            total,
            scanned,
            highlights: BTreeMap::new(),
            explanations: BTreeMap::new(),
            includes,
        };
        #[cfg(feature = "whole")]
        if let (Plan::Index(index), Some(view)) = (&self.plan, &self.view) {
            let evaluation = evaluation_of(index, view);
            remarks::add(&evaluation, query, &mut answer).await?;
        }
        Ok(answer)
    }

    /// What the results refer to by the paths of `include`.
    async fn included(
        &self,
        query: &PreparedQuery,
        results: &[QueryResult],
    ) -> Result<Vec<(String, Option<StoredDocument>)>> {
        if query.includes.is_empty() {
            return Ok(Vec::new());
        }
        let documents: Vec<&StoredDocument> =
            results.iter().filter_map(QueryResult::document).collect();
        let groups = results.iter().filter_map(QueryResult::group_json);
        let groups: Vec<String> = groups.collect();
        if groups.is_empty() {
            return self.tx.includes(&documents, &query.includes).await;
        }
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        self.tx.includes_of(&[], &groups, &query.includes).await
    }

    /// Facets or suggestions.
    #[cfg(feature = "whole")]
    async fn computed(
        &self,
        query: &PreparedQuery,
        index: &Index<E::Store>,
        view: &IndexView<DocumentsOf<E>>,
    ) -> Result<Listed> {
        let evaluation = evaluation_of(index, view);
        let mut results = Vec::new();
        match &query.lowered.output {
            Output::Rows => {}
            Output::Suggestions(suggestions) => {
                for suggestion in suggestions {
                    let json = suggestion_json(&evaluation, suggestion).await?;
                    results.push(QueryResult::Computed(json));
                }
            }
            Output::Facets(sources) => {
                let found = evaluation.find(&query.lowered.conditions).await?;
                for source in sources {
                    let facets = match source {
                        FacetSource::Facet(facet) => vec![facet.clone()],
                        FacetSource::SetUp(id) => self.facets_of(query, id).await?,
                    };
                    for facet in &facets {
                        let json = facet_json(&evaluation, facet, &found.entries).await?;
                        results.push(QueryResult::Computed(json));
                    }
                }
            }
        }
        let total = results.len() as u64;
        Ok(Listed::new(results, total))
    }

    async fn facets_of(&self, query: &PreparedQuery, id: &str) -> Result<Vec<Facet>> {
        let found = self.tx.documents(&[id.to_owned()]).await?;
        let Some(document) = found.into_iter().next().flatten() else {
            return Err(Error::invalid(format!("there is no facet set-up '{id}'")));
        };
        facets_of_set_up(id, document.body(), &query.query, &query.parameters)
    }

    async fn answer_by_index(
        &self,
        query: &PreparedQuery,
        index: &Index<E::Store>,
        view: &IndexView<DocumentsOf<E>>,
        page: Page,
    ) -> Result<Listed> {
        let evaluation = evaluation_of(index, view);
        let conditions = self.with_stop_words(&query.lowered.conditions).await?;
        let found = evaluation.find(&conditions).await?;
        let is_distinct = self.counts_once(query, index, view);
        if is_distinct || query.lowered.filter.is_some() {
            return self
                .one_by_one(query, index, view, &found, page, is_distinct)
                .await;
        }
        let sorted = self.sorted(query, &evaluation, &found, page).await?;
        let numbers = sorted.get(page.skip..).unwrap_or_default();
        let mut results = Vec::with_capacity(numbers.len());
        for chunk in numbers.chunks(CHUNK) {
            results.extend(self.rows_of(query, index, view, &found, chunk).await?);
        }
        Ok(Listed::new(results, found.entries.len()))
    }

    /// The entries up to the page's end, in order.
    pub(super) async fn sorted(
        &self,
        query: &PreparedQuery,
        evaluation: &Evaluation<'_, DocumentsOf<E>>,
        found: &Found,
        page: Page,
    ) -> Result<Vec<u64>> {
        let wanted = page.skip.saturating_add(page.take);
        let orders = &query.lowered.orders;
        order::sorted(evaluation, found, orders, wanted, self.nonce).await
    }

    /// Whether equal results, or entries of the same document, count once.
    pub(super) fn counts_once(
        &self,
        query: &PreparedQuery,
        index: &Index<E::Store>,
        view: &IndexView<DocumentsOf<E>>,
    ) -> bool {
        let is_fanned_out = view.progress.most_outputs > 1
            && !index.is_map_reduce()
            && !query.skips_duplicate_check
            && matches!(query.projection, Projection::Whole);
        query.is_distinct || is_fanned_out
    }

    /// Looks at each result: only those count that fulfil the filter, and equal results, or entries
    /// of the same document, count once.
    async fn one_by_one(
        &self,
        query: &PreparedQuery,
        index: &Index<E::Store>,
        view: &IndexView<DocumentsOf<E>>,
        found: &Found,
        page: Page,
        is_distinct: bool,
    ) -> Result<Listed> {
        let mut sorted = order::sorted(
            &evaluation_of(index, view),
            found,
            &query.lowered.orders,
            usize::MAX,
            self.nonce,
        )
        .await?;
        if query.lowered.filter.is_some() {
            sorted.truncate(query.lowered.filter_limit);
        }
        let (mut seen, mut results, mut total) = (HashSet::new(), Vec::new(), 0u64);
        for chunk in sorted.chunks(CHUNK) {
            for row in self.rows_of(query, index, view, found, chunk).await? {
                if is_distinct && !seen.insert(row.identity()) {
                    continue;
                }
                let place = usize::try_from(total).unwrap_or(usize::MAX);
                total += 1;
                if place >= page.skip && results.len() < page.take {
                    results.push(row);
                }
            }
        }
        Ok(Listed {
            results,
            total,
            scanned: query
                .lowered
                .filter
                .as_ref()
                .map_or(0, |_| sorted.len() as u64),
        })
    }

    /// Similarity may leave out the words of a document, which is read here.
    pub(super) async fn with_stop_words<'q>(
        &self,
        conditions: &'q Conditions,
    ) -> Result<Cow<'q, Conditions>> {
        let is_like = |it: &Leaf| matches!(it, Leaf::MoreLikeThis(_));
        if !conditions.leaves.iter().any(is_like) {
            return Ok(Cow::Borrowed(conditions));
        }
        let mut conditions = conditions.clone();
        #[cfg(feature = "whole")]
        for leaf in &mut conditions.leaves {
            let Leaf::MoreLikeThis(wanted) = leaf else {
                continue;
            };
            let Some(id) = wanted.options.stop_words_id.clone() else {
                continue;
            };
            let found = self.tx.documents(std::slice::from_ref(&id)).await?;
            match found.first() {
                Some(Some(document)) => wanted.options.take_stop_words(document),
                _ => {
                    return Err(Error::invalid(format!(
                        "there is no document '{id}' with stop words"
                    )));
                }
            }
        }
        Ok(Cow::Owned(conditions))
    }

    pub(super) async fn rows_of(
        &self,
        query: &PreparedQuery,
        index: &Index<E::Store>,
        view: &IndexView<DocumentsOf<E>>,
        found: &Found,
        numbers: &[u64],
    ) -> Result<Vec<QueryResult>> {
        // An automatic index keeps nothing that results could show.
        let is_whole = matches!(query.projection, Projection::Whole) || index.is_auto();
        let entries = if is_whole && !index.is_map_reduce() {
            Vec::new()
        } else {
            entries_of(&view.snapshot, numbers).await?
        };
        if index.is_map_reduce() {
            let mut rows = Vec::with_capacity(entries.len());
            let parts = hidden_parts(index);
            for entry in &entries {
                rows.extend(self.group_row(query, entry, &parts).await?);
            }
            return Ok(rows);
        }
        let sources = if is_whole {
            index.sources_of(&view.snapshot, numbers).await?
        } else {
            let sources = entries.iter().map(Entry::source_of);
            sources.collect::<Result<_>>()?
        };
        let documents = self.tx.documents_by_key(sources).await?;
        let places = places_of::<E::Store>(query, view, numbers).await?;
        let mut rows = Vec::with_capacity(documents.len());
        for (place, (number, document)) in numbers.iter().zip(documents).enumerate() {
            // What was deleted since the index looked is no result any more.
            let Some(document) = document else {
                continue;
            };
            if let Some(filter) = &query.lowered.filter
                && !filter.holds(&document)?
            {
                continue;
            }
            let stored = match entries.get(place) {
                Some(entry) => stored_of(&Entry::decode(entry)?)?,
                None => None,
            };
            let marks = Marks {
                score: found.scores.get(*number),
                nearest: places.get(place).copied().flatten(),
            };
            rows.push(self.row(query, document, stored.as_ref(), marks).await?);
        }
        Ok(rows)
    }

    pub(super) async fn row(
        &self,
        query: &PreparedQuery,
        document: StoredDocument,
        stored: Option<&Object>,
        marks: Marks,
    ) -> Result<QueryResult> {
        if matches!(query.projection, Projection::Whole) {
            return Ok(QueryResult::Document(document, marks));
        }
        let loaded = self.loaded(query, Some(&document), stored).await?;
        let json = self
            .projected(query, Some(&document), stored, &loaded)
            .await?;
        Ok(QueryResult::Projection(json, document))
    }

    /// Makes a row, loading what it asks for.
    async fn projected(
        &self,
        query: &PreparedQuery,
        document: Option<&StoredDocument>,
        stored: Option<&Object>,
        loaded: &HashMap<String, String>,
    ) -> Result<Vec<u8>> {
        let mut at_hand = AtHand::new();
        let mut asked = Vec::new();
        for _ in 0..MOST_LOADS {
            let row = Row {
                behavior: query.projection_behavior,
                document,
                stored,
                loaded,
                at_hand: &at_hand,
            };
            let mut json = Vec::with_capacity(128);
            let missing = match (&query.projection, &self.scripts) {
                #[cfg(feature = "whole")]
                (Projection::Script(script), Some(engine)) => {
                    script
                        .run(&**engine, self.now, &row, &at_hand, &asked, &mut json)
                        .await?
                }
                (projection, _) => project::write(projection, &row, &mut json)?,
            };
            if missing.is_empty() {
                return Ok(json);
            }
            let found = self.tx.documents(&missing).await?;
            for (id, document) in missing.iter().zip(found) {
                let text = document.as_ref().map(project::text_of).transpose()?;
                at_hand.insert(to_id_key(id), text);
            }
            asked.extend(missing);
        }
        Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("'select' loads more than {MOST_LOADS} documents one after the other"),
        ))
    }

    /// The row of a group; `None` when it does not fulfil the filter.
    async fn group_row(
        &self,
        query: &PreparedQuery,
        entry: &Bytes,
        hidden: &[String],
    ) -> Result<Option<QueryResult>> {
        let entry = Entry::decode(entry)?;
        let stored = match (&query.lowered.filter, &query.projection) {
            (None, Projection::Whole) if hidden.is_empty() => None,
            _ => stored_of(&entry)?,
        };
        if let (Some(filter), Some(stored)) = (&query.lowered.filter, &stored)
            && !filter.holds_for_group(&entry.source, stored)?
        {
            return Ok(None);
        }
        if matches!(query.projection, Projection::Whole) {
            let shown = match stored {
                Some(mut stored) if !hidden.is_empty() => {
                    stored.retain(|name, _| !hidden.contains(name));
                    Some(serde_json::to_vec(&stored).expect("objects have text keys"))
                }
                _ => None,
            };
            let text = shown.as_ref().unwrap_or(&entry.stored);
            let inner = text
                .get(1..text.len().saturating_sub(1))
                .unwrap_or_default();
            return Ok(Some(QueryResult::Group {
                fields: inner.to_vec(),
                is_projection: false,
                source: entry.source,
            }));
        }
        let loaded = self.loaded(query, None, stored.as_ref()).await?;
        let json = self
            .projected(query, None, stored.as_ref(), &loaded)
            .await?;
        Ok(Some(QueryResult::Group {
            fields: json,
            is_projection: true,
            source: entry.source,
        }))
    }

    /// What `load` names, by alias, as JSON: a document or null, or with `[]` a list of them in which
    /// each id has its place.
    async fn loaded(
        &self,
        query: &PreparedQuery,
        document: Option<&StoredDocument>,
        stored: Option<&Object>,
    ) -> Result<HashMap<String, String>> {
        let mut loaded: HashMap<String, String> = HashMap::new();
        let at_hand = AtHand::new();
        for load in &query.query.load {
            let ids: Vec<String> = match &load.id.kind {
                ExpressionKind::Field(path) => {
                    let row = Row {
                        behavior: ProjectionBehavior::Default,
                        document,
                        stored,
                        loaded: &loaded,
                        at_hand: &at_hand,
                    };
                    row.find(path).map_or(Vec::new(), |text| texts_of(&text))
                }
                _ => {
                    let value = super::values::json_value(&load.id, &query.parameters)?;
                    texts_of(&value.to_string())
                }
            };
            let found = self.tx.documents(&ids).await?;
            let mut texts = Vec::with_capacity(found.len());
            for document in &found {
                let text = document.as_ref().map(project::text_of).transpose()?;
                texts.push(text.unwrap_or_else(|| "null".to_owned()));
            }
            let text = if load.many {
                format!("[{}]", texts.join(","))
            } else {
                let there = texts.into_iter().find(|it| it != "null");
                there.unwrap_or_else(|| "null".to_owned())
            };
            loaded.insert(load.alias.clone(), text);
        }
        Ok(loaded)
    }
}

/// A page of results, and how many there are.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) results: Vec<QueryResult>,
    pub(super) total: u64,
    pub(super) scanned: u64,
}

impl Listed {
    pub(super) fn new(results: Vec<QueryResult>, total: u64) -> Self {
        Self {
            results,
            total,
            scanned: 0,
        }
    }
}

pub(super) fn evaluation_of<'a, S: Store>(
    index: &'a Index<S>,
    view: &'a IndexView<S::Snapshot>,
) -> Evaluation<'a, S::Snapshot> {
    Evaluation {
        snapshot: &view.snapshot,
        progress: &view.progress,
        forms: index.forms(),
        term_kinds: &view.term_kinds,
        found_sets: &view.found_sets,
    }
}

/// Where whole documents lie, for results that are ordered by how far that is.
async fn places_of<S: Store>(
    query: &PreparedQuery,
    view: &IndexView<S::Snapshot>,
    numbers: &[u64],
) -> Result<Vec<Option<Nearest>>> {
    let by_distance = query.lowered.orders.iter().find_map(|it| match &it.by {
        OrderKey::Distance { field, from, .. } => Some((field, from)),
        _ => None,
    });
    let Some((field, from)) = by_distance.filter(|_| matches!(query.projection, Projection::Whole))
    else {
        return Ok(Vec::new());
    };
    let Some(field) = view.progress.find_field(&field.name, FieldKind::Spatial) else {
        return Ok(Vec::new());
    };
    let entries = entries_of(&view.snapshot, numbers).await?;
    let places = entries
        .iter()
        .map(|entry| nearest(&Entry::decode(entry)?, field, from));
    places.collect()
}

pub(super) async fn entries_of<S: Snapshot>(snapshot: &S, numbers: &[u64]) -> Result<Vec<Bytes>> {
    let keys: Vec<Bytes> = numbers.iter().map(|it| entry_key(*it)).collect();
    let entries = blocks::get_many(snapshot, ENTRIES, &keys).await?;
    let missing = || Error::corrupted("an index entry is missing");
    entries
        .into_iter()
        .map(|it| it.ok_or_else(missing))
        .collect()
}

/// What groups keep only to compute averages again.
fn hidden_parts<S: Store>(index: &Index<S>) -> Vec<String> {
    let record = index.record();
    let IndexSource::Auto(definition) = &record.source else {
        return Vec::new();
    };
    let grouping = definition.grouping.as_ref();
    let aggregations = grouping.iter().flat_map(|it| &it.aggregations);
    aggregations.flat_map(|it| it.part_names()).collect()
}

#[derive(Clone, Copy)]
pub(super) struct Page {
    pub(super) skip: usize,
    pub(super) take: usize,
}

pub(super) fn is_in(name: &str, collection: &CollectionName) -> bool {
    name == collection.as_str()
        || CollectionName::new(name).is_ok_and(|it| it.key() == collection.key())
}

pub(super) fn stored_of(entry: &Entry) -> Result<Option<Object>> {
    if entry.stored.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&entry.stored)
        .map(Some)
        .map_err(|reason| Error::corrupted(format!("stored values of an index: {reason}")))
}

/// The texts in a JSON text: itself, or the items of a list.
fn texts_of(json: &str) -> Vec<String> {
    match serde_json::from_str::<serde_json::Value>(json) {
        Ok(serde_json::Value::String(text)) => vec![text],
        Ok(serde_json::Value::Array(items)) => items
            .into_iter()
            .filter_map(|it| it.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}
