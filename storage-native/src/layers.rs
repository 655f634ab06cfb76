//! What snapshots read before redb: the overlay that commits go into, and under it, while a
//! checkpoint writes it into redb, the one before.
//!
//! Invariant: all commits in the upper layer come after all in the lower one, so what the upper
//! one knows of a key counts.

use std::sync::Arc;

use bytes::Bytes;
use pinyon_core::storage::{Direction, KeyRange, KeySpace};

use crate::overlay::{Change, Cursor, Overlay};

/// The commits that redb does not hold, or not surely.
#[derive(Clone, Default)]
pub(crate) struct Layers {
    pub(crate) upper: Arc<Overlay>,
    pub(crate) lower: Option<Arc<Overlay>>,
}

impl Layers {
    /// Begins a new upper layer and returns the one that was, which is the lower one now.
    pub(crate) fn freeze(&mut self) -> Arc<Overlay> {
        let frozen = std::mem::take(&mut self.upper);
        self.lower = Some(Arc::clone(&frozen));
        frozen
    }

    /// What became of `key` up to `commit`; `None` where redb has the answer.
    pub(crate) fn get(&self, space: KeySpace, key: &[u8], commit: u64) -> Option<Change> {
        let found = self.upper.get(space, key, commit);
        found.or_else(|| self.lower.as_ref()?.get(space, key, commit))
    }

    /// What became of each of `keys` up to `commit`; `None` where redb has the answer.
    pub(crate) fn get_many(
        &self,
        space: KeySpace,
        keys: &[Bytes],
        commit: u64,
    ) -> Vec<Option<Change>> {
        let mut changes = self.upper.get_many(space, keys, commit);
        if let Some(lower) = &self.lower {
            let below = lower.get_many(space, keys, commit);
            for (change, below) in changes.iter_mut().zip(below) {
                *change = change.take().or(below);
            }
        }
        changes
    }

    /// What became of the keys in `range` up to `commit`, one after the other; no more than
    /// `count` are likely to be asked for.
    pub(crate) fn cursor<'a>(
        &'a self,
        space: KeySpace,
        range: &KeyRange,
        direction: Direction,
        commit: u64,
        count: usize,
    ) -> LayersCursor<'a> {
        let over = |layer: &'a Overlay| {
            let cursor = layer.cursor(space, range, direction, commit);
            cursor.expecting(count)
        };
        LayersCursor {
            direction,
            upper: over(&self.upper),
            lower: self.lower.as_deref().map(over),
        }
    }
}

/// Goes through a range of both layers in order.
pub(crate) struct LayersCursor<'a> {
    direction: Direction,
    upper: Cursor<'a>,
    lower: Option<Cursor<'a>>,
}

impl LayersCursor<'_> {
    /// The next key with what became of it.
    pub(crate) fn peek(&mut self) -> Option<&(Bytes, Change)> {
        match self.is_lower_next() {
            true => self.lower.as_mut()?.peek(),
            false => self.upper.peek(),
        }
    }

    /// As [`LayersCursor::peek`], and goes on.
    pub(crate) fn take(&mut self) -> Option<(Bytes, Change)> {
        match self.is_lower_next() {
            true => self.lower.as_mut()?.take(),
            false => self.upper.take(),
        }
    }

    /// Passes over what the upper layer knows better.
    fn is_lower_next(&mut self) -> bool {
        let Some(lower) = &mut self.lower else {
            return false;
        };
        let Some((below, _)) = lower.peek() else {
            return false;
        };
        let Some((above, _)) = self.upper.peek() else {
            return true;
        };
        let order = match self.direction {
            Direction::Forward => below.cmp(above),
            Direction::Backward => above.cmp(below),
        };
        if order.is_eq() {
            lower.take();
        }
        order.is_lt()
    }
}
