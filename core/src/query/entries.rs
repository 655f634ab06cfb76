//! The entries that a query finds in its index, shown field by field: for people who look for why
//! something is found or not.

use serde_json::{Map, Value};

use super::answer::{Answer, Ready, entries_of, evaluation_of};
use super::lower::Output;
use super::order;
use super::plan::Plan;
use super::prepared::PreparedQuery;
use super::result::QueryResult;
use crate::indexes::tables::Entry;
use crate::indexes::{FieldKind, Progress, Term};
use crate::storage::Environment;
use crate::{Error, ErrorKind, Result};

impl<E: Environment> Ready<E> {
    /// Answers the page of entries that `query` asks for, instead of their documents.
    ///
    /// # Errors
    /// `Unsupported` when no index answers the query, `InvalidRequest` when it asks for facets or
    /// suggestions; whatever the storage reports.
    pub async fn answer_entries(&self, query: &PreparedQuery) -> Result<Answer> {
        let (Plan::Index(index), Some(view)) = (&self.plan, &self.view) else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "documents answer this query, so there are no entries of an index to show",
            ));
        };
        let lowered = &query.lowered;
        if lowered.output != Output::Rows {
            return Err(Error::invalid("facets and suggestions have no entries"));
        }
        if lowered.filter.is_some() {
            return Err(Error::invalid(
                "'filter' looks at documents, not at the entries that are to be shown",
            ));
        }
        let evaluation = evaluation_of(index, view);
        let conditions = self.with_stop_words(&lowered.conditions).await?;
        let found = evaluation.find(&conditions).await?;
        let take = lowered.take.unwrap_or(usize::MAX);
        let wanted = lowered.skip.saturating_add(take);
        let orders = &lowered.orders;
        let sorted = order::sorted(&evaluation, &found, orders, wanted, self.nonce).await?;
        let numbers = sorted.get(lowered.skip..).unwrap_or_default();
        let mut results = Vec::with_capacity(numbers.len());
        for entry in entries_of(&view.snapshot, numbers).await? {
            let entry = Entry::decode(&entry)?;
            let shown = shown(&view.progress, &entry, index.is_map_reduce());
            let json = serde_json::to_vec(&shown).expect("objects have text keys");
            results.push(QueryResult::Computed(json));
        }
        Ok(Answer {
            results,
            total: found.entries.len(),
            ..Answer::default()
        })
    }
}

fn shown(progress: &Progress, entry: &Entry, is_of_group: bool) -> Map<String, Value> {
    let source = String::from_utf8_lossy(&entry.source).into_owned();
    let mut shown = Map::new();
    let name = if is_of_group { "key()" } else { "id()" };
    shown.insert(name.to_owned(), source.clone().into());
    for field in &entry.fields {
        let Some(state) = progress.fields.get(usize::from(field.field)) else {
            continue;
        };
        let name = match state.key.kind {
            FieldKind::Default => state.key.name.clone(),
            FieldKind::Exact => format!("exact({})", state.key.name),
            FieldKind::Search => format!("search({})", state.key.name),
            // Its terms are cells of a grid, which tell people nothing.
            FieldKind::Spatial => continue,
        };
        let mut values = field.terms.iter().map(|it| value_of(&it.term));
        let value = match (values.next(), values.len()) {
            (Some(only), 0) => only,
            (first, _) => first.into_iter().chain(values).collect(),
        };
        shown.insert(name, value);
    }
    let mut metadata = Map::new();
    if !is_of_group {
        metadata.insert("@id".to_owned(), source.into());
    }
    metadata.insert("@projection".to_owned(), true.into());
    shown.insert("@metadata".to_owned(), metadata.into());
    shown
}

fn value_of(term: &Term) -> Value {
    if term.is_null() {
        return Value::Null;
    }
    if term.is_empty_list() {
        return Value::Array(Vec::new());
    }
    match term.to_number() {
        Some(number) => serde_json::from_str(&number.to_text()).unwrap_or(Value::Null),
        None => term.to_text().into(),
    }
}
