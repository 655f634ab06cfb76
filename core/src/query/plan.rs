//! Planning: which documents or which index answer a query.
//!
//! A query of a collection is answered by an automatic index that has all fields it names: the
//! widest, since it outlives the others; an idle one only if there is no other. If there is none, one is made that takes over what the
//! others of its kind do. What names only ids needs none. Nothing scans documents.

use std::sync::Arc;

use super::lower::OnlyIds;
use super::prepared::PreparedQuery;
use super::rql::Source;
use crate::Result;
use crate::indexes::{AutoDefinition, Index, IndexSource, Indexes};
use crate::storage::{Environment, Store};

type Open<E> = Arc<Index<<E as Environment>::Store>>;

/// What answers a query.
pub enum Plan<S: Store> {
    /// Documents by their ids or collection.
    Documents(OnlyIds),
    /// An index.
    Index(Arc<Index<S>>),
}

impl<S: Store> Plan<S> {
    /// The name that results tell.
    pub fn index_name(&self, query: &PreparedQuery) -> String {
        match self {
            Self::Index(index) => index.name(),
            Self::Documents(_) => {
                format!("collection/{}", query.collection().unwrap_or("@all_docs"))
            }
        }
    }
}

/// An index that was looked at, and why it was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// Its name.
    pub index: String,
    /// Why it was passed over.
    pub reason: String,
}

impl<E: Environment> Indexes<E> {
    /// Finds what answers `query`, making an automatic index if need be.
    ///
    /// # Errors
    /// `NotFound` when the query names an index that does not exist; whatever the storage reports.
    pub async fn plan(&self, query: &PreparedQuery) -> Result<Plan<E::Store>> {
        if let Some(ids) = query.only_ids() {
            return Ok(Plan::Documents(ids));
        }
        loop {
            let index = self.find_index(query).await?;
            // One that is deleted while it is woken is looked for again.
            if self.wake(&index).await? {
                return Ok(Plan::Index(index));
            }
        }
    }

    async fn find_index(&self, query: &PreparedQuery) -> Result<Open<E>> {
        if let Source::Index(name) = &query.query.source {
            return self.get(name);
        }
        let wanted = &query.lowered.wanted;
        match self.best_match(wanted, |_, _| {}) {
            Some(index) => Ok(index),
            None => self.put_auto(self.merged_definition(wanted)).await,
        }
    }

    /// What would answer `query` now, and what was passed over.
    ///
    /// # Errors
    /// As [`Self::plan`], but nothing is made.
    pub fn explain(&self, query: &PreparedQuery) -> Result<(String, Vec<Considered>)> {
        if query.only_ids().is_some() {
            let collection = query.collection().unwrap_or("@all_docs");
            return Ok((format!("collection/{collection}"), Vec::new()));
        }
        if let Source::Index(name) = &query.query.source {
            return Ok((self.get(name)?.name(), Vec::new()));
        }
        let wanted = &query.lowered.wanted;
        let mut considered = Vec::new();
        let best = self.best_match(wanted, |index, passed| {
            considered.push(Considered {
                index: index.name(),
                reason: passed.explain(index, wanted),
            });
        });
        let name = match best {
            Some(index) => index.name(),
            None => self.merged_definition(wanted).name(),
        };
        Ok((name, considered))
    }

    fn merged_definition(&self, wanted: &AutoDefinition) -> AutoDefinition {
        let autos = self
            .list()
            .into_iter()
            .filter(|it| !it.record().is_idle())
            .filter_map(|it| it.auto_definition());
        autos
            .filter(|it| it.is_of_same_kind(wanted))
            .fold(wanted.clone(), |merged, it| it.merged_with(&merged))
    }

    /// The index that answers best; `pass_over` is told of the others.
    fn best_match(
        &self,
        wanted: &AutoDefinition,
        mut pass_over: impl FnMut(&Index<E::Store>, Passed),
    ) -> Option<Open<E>> {
        let mut best: Option<((bool, usize), Open<E>)> = None;
        for index in self.list() {
            let record = index.record();
            let IndexSource::Auto(definition) = &record.source else {
                pass_over(&index, Passed::NotAutomatic);
                continue;
            };
            if !definition.is_of_same_kind(wanted) {
                pass_over(&index, Passed::OfOtherKind);
            } else if !definition.covers(wanted) {
                pass_over(&index, Passed::Narrow);
            } else if record.is_disabled {
                pass_over(&index, Passed::Disabled);
            } else {
                let rank = (!record.is_idle(), definition.width());
                let passed = match best.take() {
                    None => {
                        best = Some((rank, index));
                        continue;
                    }
                    Some((other, other_index)) if other >= rank => {
                        best = Some((other, other_index));
                        index
                    }
                    Some((_, other_index)) => {
                        best = Some((rank, index));
                        other_index
                    }
                };
                pass_over(&passed, Passed::Worse);
            }
        }
        best.map(|(_, index)| index)
    }
}

/// Why an index was passed over.
#[derive(Clone, Copy)]
enum Passed {
    NotAutomatic,
    OfOtherKind,
    Narrow,
    Disabled,
    Worse,
}

impl Passed {
    fn explain<S: Store>(self, index: &Index<S>, wanted: &AutoDefinition) -> String {
        let why = match self {
            Self::NotAutomatic => "It is not an automatic index",
            Self::OfOtherKind => "It is of another collection or groups otherwise",
            Self::Narrow => {
                let own = index.auto_definition().map(|it| it.fields);
                let missing = wanted.fields.iter().filter(|it| {
                    let has = own.as_ref().map(|own| own.contains(it));
                    has != Some(true)
                });
                let names: Vec<&str> = missing.map(|it| it.name.as_str()).collect();
                return format!("It lacks: {}", names.join(", "));
            }
            Self::Disabled => "It is disabled",
            Self::Worse if index.record().is_idle() => "It is idle, and another index is not",
            Self::Worse => "It was not the widest index matching this query",
        };
        why.to_owned()
    }
}
