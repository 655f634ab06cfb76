//! What really happened: for each event, every event its author had seen.

use std::collections::{BTreeMap, BTreeSet};

/// An event's number.
pub(crate) type Event = usize;

/// Exact causal histories.
#[derive(Default)]
pub(crate) struct History {
    /// By event: itself and everything before it, as bits.
    seen: Vec<Vec<u64>>,
    /// Events that some server took in.
    pub(crate) accepted: BTreeSet<Event>,
    /// Events that a lost disk knew, and no other server.
    pub(crate) lost_with_disk: BTreeSet<Event>,
    /// Those of them that must come back: an edge shows them at the end.
    pub(crate) owed: BTreeSet<Event>,
    /// The events that are deletions, with their documents.
    deletions: BTreeMap<Event, String>,
    /// A deletion has no text to tell its event by, so it is known by the name of its dot or by its
    /// origin. Clones that delete one document under one sequence are one to everybody.
    deletions_by_name: BTreeMap<String, BTreeSet<Event>>,
    /// Deletions of edges that were on their way to a server.
    sent_deletions: BTreeSet<Event>,
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

    /// Notes that `event` deleted a document.
    pub(crate) fn add_deletion(&mut self, event: Event, id: &str) {
        self.deletions.insert(event, id.to_owned());
    }

    /// Notes a name under which a deletion may be met.
    pub(crate) fn name_deletion(&mut self, event: Event, name: String) {
        self.deletions_by_name
            .entry(name)
            .or_default()
            .insert(event);
    }

    /// The event that is on its way under `name`. A replica that was cloned or put back takes a new
    /// name and offers again what is pending: a write that comes after the first, and after nothing
    /// that others wrote meanwhile. Texts are known by what they say; of deletions only names tell
    /// the second from the first.
    pub(crate) fn send_deletion(&mut self, event: Event, id: &str, name: String) -> Event {
        let known = self.deletions_by_name.get(&name);
        if known.is_some_and(|it| it.contains(&event)) {
            return event;
        }
        let is_named = self.sent_deletions.contains(&event);
        let mut sent = event;
        if is_named {
            sent = self.add(&[event]);
            self.add_deletion(sent, id);
        }
        self.sent_deletions.insert(sent);
        self.name_deletion(sent, name);
        sent
    }

    /// The events of the deletion that is called so.
    pub(crate) fn deletions_named(&self, name: &str) -> Option<&BTreeSet<Event>> {
        self.deletions_by_name.get(name)
    }

    /// The deletions that go by a name of `event` too, and itself.
    pub(crate) fn same_deletions(&self, event: Event) -> BTreeSet<Event> {
        let shared = self.deletions_by_name.values();
        let shared = shared.filter(|it| it.contains(&event));
        shared.flatten().copied().chain([event]).collect()
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
        // What lives was taken in, though the server failed before it could say so.
        for event in self.accepted.union(live) {
            for (earlier, is_replaced) in replaced.iter_mut().enumerate() {
                *is_replaced |= earlier != *event && self.had_seen(*event, earlier);
            }
        }
        let is_accounted_for = |it: &Event| {
            let is_excused = self.lost_with_disk.contains(it) && !self.owed.contains(it);
            replaced[*it] || live.contains(it) || is_excused
        };
        // Deletions side by side say the same, and one of them stays. It may be one that the other's
        // author had seen, where a lost disk had forgotten it or a clone brought it once more: then
        // it lives.
        let is_said_by_another = |it: &Event| {
            let mut others = self.deletions.iter();
            self.deletions.get(it).is_some_and(|id| {
                others.any(|(other, of)| {
                    let is_beside = is_accounted_for(other) && !self.had_seen(*it, *other);
                    of == id
                        && other != it
                        && self.accepted.contains(other)
                        && (is_beside || live.contains(other))
                })
            })
        };
        let is_missing = |it: &&Event| !is_accounted_for(it) && !is_said_by_another(it);
        self.accepted.iter().filter(is_missing).copied().collect()
    }

    /// Whether an equal deletion stood for `event` until somebody replaced it who had seen neither `event`
    /// nor been seen by it: their text lives, and no conflict tells that it was deleted meanwhile.
    pub(crate) fn was_stood_for(&self, event: Event) -> bool {
        let is_replaced_beside = |other: Event| {
            self.accepted.iter().any(|by| {
                *by != other
                    && self.had_seen(*by, other)
                    && !self.had_seen(*by, event)
                    && !self.had_seen(event, *by)
            })
        };
        self.deletions.get(&event).is_some_and(|id| {
            self.deletions.iter().any(|(other, of)| {
                of == id
                    && *other != event
                    && self.accepted.contains(other)
                    && is_replaced_beside(*other)
            })
        })
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
