//! What really happened: for each event, every event its author had seen.

use std::collections::BTreeSet;

/// An event's number.
pub(crate) type Event = usize;

/// Exact causal histories.
#[derive(Default)]
pub(crate) struct History {
    /// By event: itself and everything before it, as bits.
    seen: Vec<Vec<u64>>,
    /// Events that some server took in.
    pub(crate) accepted: BTreeSet<Event>,
    /// Events that only a lost disk knew.
    pub(crate) lost_with_disk: BTreeSet<Event>,
}

impl History {
    /// A new event whose author had seen `before`.
    pub(crate) fn add(&mut self, before: &[Event]) -> Event {
        let event = self.seen.len();
        let mut seen = vec![0; event / 64 + 1];
        for earlier in before {
            for (word, bits) in seen.iter_mut().zip(&self.seen[*earlier]) {
                *word |= bits;
            }
        }
        seen[event / 64] |= 1 << (event % 64);
        self.seen.push(seen);
        event
    }

    /// Whether the author of `event` had seen `earlier`, or it is the same.
    pub(crate) fn had_seen(&self, event: Event, earlier: Event) -> bool {
        let word = self.seen[event].get(earlier / 64).copied().unwrap_or(0);
        word & (1 << (earlier % 64)) != 0
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }

    /// Accepted events that nobody replaced and that do not live.
    pub(crate) fn lost(&self, live: &BTreeSet<Event>) -> Vec<Event> {
        let mut replaced = vec![false; self.len()];
        for event in &self.accepted {
            for (earlier, is_replaced) in replaced.iter_mut().enumerate() {
                *is_replaced |= earlier != *event && self.had_seen(*event, earlier);
            }
        }
        let is_missing = |it: &&Event| {
            !replaced[**it] && !live.contains(*it) && !self.lost_with_disk.contains(*it)
        };
        self.accepted.iter().filter(is_missing).copied().collect()
    }

    /// Pairs of live events of which one had seen the other.
    pub(crate) fn false_conflicts(&self, live: &[Event]) -> usize {
        let mut count = 0;
        for (at, event) in live.iter().enumerate() {
            for other in &live[at + 1..] {
                let ordered = self.had_seen(*event, *other) || self.had_seen(*other, *event);
                count += usize::from(ordered);
            }
        }
        count
    }
}
