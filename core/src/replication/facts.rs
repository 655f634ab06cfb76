//! What the ledger knows of some edges' writes, for the rules to look at.

use std::collections::BTreeMap;

use crate::schema::ledger::{Fact, FactKind};
use crate::version::{Dot, Origin};

/// Facts by origin.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    is: BTreeMap<Origin, Vec<Dot>>,
    seen_by: BTreeMap<Origin, Vec<Dot>>,
}

impl Facts {
    /// Adds a fact.
    pub fn insert(&mut self, fact: Fact) {
        let kind = match fact.kind {
            FactKind::Is => &mut self.is,
            FactKind::HasSeen => &mut self.seen_by,
        };
        let dots = kind.entry(fact.origin).or_default();
        if !dots.contains(&fact.dot) {
            dots.push(fact.dot);
        }
    }

    /// The dots that are the write `origin`: it may have been taken in by several servers.
    pub fn aliases(&self, origin: &Origin) -> &[Dot] {
        self.is.get(origin).map_or(&[], Vec::as_slice)
    }

    /// The dots whose authors had seen the write `origin`.
    pub fn covers(&self, origin: &Origin) -> &[Dot] {
        self.seen_by.get(origin).map_or(&[], Vec::as_slice)
    }
}
