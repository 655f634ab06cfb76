//! Planning: which documents or which index answer a query.
//!
//! A query of a collection is answered by an automatic index that has all fields it names: the
//! widest, since it outlives the others; an idle one only if there is no other, and none that
//! failed. If there is none, one is made that takes over what the others of its kind do. What names
//! only ids needs none. Nothing scans documents.

use std::collections::HashSet;
use std::sync::Arc;

use super::lower::OnlyIds;
use super::prepared::PreparedQuery;
use super::rql::Source;
use crate::Result;
use crate::indexes::{AutoDefinition, Index, IndexSource, IndexState, Indexes};
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
        let nothing_failed = HashSet::new();
        match self.best_match(wanted, &nothing_failed, |_, _| {}) {
            Some(index) if index.state().await? != IndexState::Error => return Ok(index),
            _ => {}
        }
        let failed = self.failed_autos().await?;
        match self.best_match(wanted, &failed, |_, _| {}) {
            Some(index) => Ok(index),
            None => self.put_auto(self.merged_definition(wanted, &failed)).await,
        }
    }

    /// The names of automatic indexes that failed too often. What they could not index shall not
    /// become part of others.
    async fn failed_autos(&self) -> Result<HashSet<String>> {
        let mut failed = HashSet::new();
        for index in self.list() {
            if index.auto_definition().is_some() && index.state().await? == IndexState::Error {
                failed.insert(index.name());
            }
        }
        Ok(failed)
    }

    /// What would answer `query` now, and what was passed over.
    ///
    /// # Errors
    /// As [`Self::plan`], but nothing is made.
    pub async fn explain(&self, query: &PreparedQuery) -> Result<(String, Vec<Considered>)> {
        if query.only_ids().is_some() {
            let collection = query.collection().unwrap_or("@all_docs");
            return Ok((format!("collection/{collection}"), Vec::new()));
        }
        if let Source::Index(name) = &query.query.source {
            return Ok((self.get(name)?.name(), Vec::new()));
        }
        let wanted = &query.lowered.wanted;
        let mut considered = Vec::new();
        let failed = self.failed_autos().await?;
        let best = self.best_match(wanted, &failed, |index, passed| {
            considered.push(Considered {
                index: index.name(),
                reason: passed.explain(index, wanted),
            });
        });
        let name = match best {
            Some(index) => index.name(),
            None => self.merged_definition(wanted, &failed).name(),
        };
        Ok((name, considered))
    }

    fn merged_definition(
        &self,
        wanted: &AutoDefinition,
        failed: &HashSet<String>,
    ) -> AutoDefinition {
        let autos = self
            .list()
            .into_iter()
            .filter(|it| !it.record().is_idle() && !failed.contains(&it.name()))
            .filter_map(|it| it.auto_definition());
        autos
            .filter(|it| it.is_of_same_kind(wanted))
            .fold(wanted.clone(), |merged, it| it.merged_with(&merged))
    }

    /// The index that answers best; `pass_over` is told of the others.
    fn best_match(
        &self,
        wanted: &AutoDefinition,
        failed: &HashSet<String>,
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
            } else if failed.contains(&index.name()) {
                pass_over(&index, Passed::Failed);
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
    Failed,
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
            Self::Failed => "It failed too often",
            Self::Worse if index.record().is_idle() => "It is idle, and another index is not",
            Self::Worse => "It was not the widest index matching this query",
        };
        why.to_owned()
    }
}
