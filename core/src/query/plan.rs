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
use crate::indexes::{AutoDefinition, Index, Indexes};
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
        match self.best_match(wanted) {
            (Some(index), _) => Ok(index),
            _ => self.put_auto(self.merged_definition(wanted)).await,
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
        let (best, considered) = self.best_match(wanted);
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

    fn best_match(&self, wanted: &AutoDefinition) -> (Option<Open<E>>, Vec<Considered>) {
        let mut considered = Vec::new();
        let mut pass_over = |index: &Index<E::Store>, reason: &str| {
            considered.push(Considered {
                index: index.name(),
                reason: reason.to_owned(),
            });
        };
        const NARROWER: &str = "It was not the widest index matching this query";
        const IDLE: &str = "It is idle, and another index is not";
        let mut best: Option<((bool, usize), Open<E>)> = None;
        for index in self.list() {
            let Some(definition) = index.auto_definition() else {
                pass_over(&index, "It is not an automatic index");
                continue;
            };
            if !definition.is_of_same_kind(wanted) {
                pass_over(&index, "It is of another collection or groups otherwise");
            } else if !definition.covers(wanted) {
                let missing = wanted.fields.difference(&definition.fields);
                let names: Vec<&str> = missing.map(|it| it.name.as_str()).collect();
                pass_over(&index, &format!("It lacks: {}", names.join(", ")));
            } else if index.record().is_disabled {
                pass_over(&index, "It is disabled");
            } else {
                let rank = (!index.record().is_idle(), definition.width());
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
                let is_idle = passed.record().is_idle();
                pass_over(&passed, if is_idle { IDLE } else { NARROWER });
            }
        }
        (best.map(|(_, index)| index), considered)
    }
}
