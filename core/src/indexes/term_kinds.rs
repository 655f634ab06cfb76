//! Which kinds of terms fields have in one state of an index.
//!
//! A number is also looked for among texts, and a sorted page asks what stands before the numbers.
//! Mostly nothing does, so it is looked up once for each state and remembered with it.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use super::blocks::Walk;
use super::tables::{POSTINGS, posting_bound};
use crate::Result;
use crate::storage::{Direction, KeyRange, Snapshot};

/// What was asked so far. It belongs to one state.
#[derive(Default)]
pub struct TermKinds(Mutex<HashMap<(u16, u8, u8), bool>>);

impl TermKinds {
    /// Whether a field has terms whose first byte is from `from` on and before `to`.
    pub(crate) async fn has<S: Snapshot>(
        &self,
        snapshot: &S,
        field: u16,
        (from, to): (u8, u8),
    ) -> Result<bool> {
        let known = self.known().get(&(field, from, to)).copied();
        if let Some(has) = known {
            return Ok(has);
        }
        let has = has_terms(snapshot, field, (from, to)).await?;
        self.known().insert((field, from, to), has);
        Ok(has)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<(u16, u8, u8), bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn has_terms<S: Snapshot>(snapshot: &S, field: u16, (from, to): (u8, u8)) -> Result<bool> {
    let range = KeyRange {
        start: Bound::Included(posting_bound(field, &[from])),
        end: Bound::Excluded(posting_bound(field, &[to])),
    };
    let mut walk = Walk::new(POSTINGS, range, Direction::Forward);
    while let Some(block) = walk.next(snapshot).await? {
        let mut records = walk.read(&block);
        if records.advance()? {
            return Ok(true);
        }
        if records.is_beyond() {
            break;
        }
    }
    Ok(false)
}
