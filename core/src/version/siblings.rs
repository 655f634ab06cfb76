//! What stands under one id: a causal context and the versions that live under it.
//!
//! Normally one version lives. Two or more are a conflict: none of them has seen the others.
//!
//! Invariants:
//! - the context belongs to the whole set and covers the dot of every live version;
//! - a write that the context covers and that is not live was seen by one that is, or by one that
//!   such a one saw.

use super::{ChangeVector, Dot, Incarnations, Origin};
use crate::Result;

/// One live version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live<T> {
    /// The write that made it.
    pub dot: Dot,
    /// The edge's write that it is, if an edge made it.
    pub origin: Option<Origin>,
    /// What was written.
    pub value: T,
}

/// All that lives under one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Siblings<T> {
    /// Everything that was ever seen of this id.
    pub context: ChangeVector,
    /// The versions that live, none of which has seen another.
    pub live: Vec<Live<T>>,
}

impl<T> Default for Siblings<T> {
    fn default() -> Self {
        Self {
            context: ChangeVector::empty(),
            live: Vec::new(),
        }
    }
}

impl<T> Siblings<T> {
    /// Whether several versions live.
    pub fn is_conflict(&self) -> bool {
        self.live.len() > 1
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.context.is_empty()
    }

    /// The only live version.
    pub fn sole(&self) -> Option<&Live<T>> {
        match &self.live[..] {
            [sole] => Some(sole),
            _ => None,
        }
    }

    /// Whether `dot` lives.
    pub fn has(&self, dot: Dot) -> bool {
        self.live.iter().any(|it| it.dot == dot)
    }

    /// Brings the live versions into the order that is the same on every server.
    ///
    /// # Errors
    /// `Corrupted` when a dot names an unknown incarnation.
    pub fn sort(&mut self, names: &Incarnations) -> Result<()> {
        for live in &self.live {
            names.row(live.dot.incarnation)?;
        }
        self.live.sort_by_key(|live| {
            let id = names.row(live.dot.incarnation).ok().map(|row| row.id);
            (id, live.dot.etag)
        });
        Ok(())
    }
}
