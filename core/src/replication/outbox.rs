//! What an edge has to send, and what it waits to have answered.
//!
//! Invariants: at most one write of each document waits, its newest; of a document that is on its
//! way, the next write waits until that one is answered; what a server cannot take yet is neither
//! waiting nor on its way.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;

use crate::version::Origin;

/// The writes of one session that their server is not known to have, by document.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Keys of documents by the sequence of the write.
    waiting: BTreeMap<u64, Bytes>,
    sequences: HashMap<Bytes, u64>,
    in_flight: HashMap<Origin, Bytes>,
    behind: HashMap<Bytes, u64>,
}

impl Outbox {
    /// Queues a write, instead of an earlier one of the same document: a document has one pending
    /// write, so the earlier one is nowhere any more.
    pub(super) fn insert(&mut self, sequence: u64, key: Bytes) {
        if self.sequences.get(&key).is_some_and(|it| *it >= sequence) {
            return;
        }
        if self.behind.get(&key).is_some_and(|it| *it < sequence) {
            self.behind.remove(&key);
        }
        if let Some(earlier) = self.sequences.insert(key.clone(), sequence) {
            self.waiting.remove(&earlier);
        }
        self.waiting.insert(sequence, key);
    }

    /// Takes a write out of the queue.
    pub(super) fn remove(&mut self, sequence: u64) {
        if let Some(key) = self.waiting.remove(&sequence) {
            self.sequences.remove(&key);
        }
    }

    /// The oldest writes that can be sent now, at most `limit`.
    pub(super) fn next(&self, limit: usize) -> Vec<(u64, Bytes)> {
        let on_their_way: HashSet<&Bytes> = self.in_flight.values().collect();
        self.waiting
            .iter()
            .filter(|(_, key)| !on_their_way.contains(key))
            .take(limit)
            .map(|(sequence, key)| (*sequence, key.clone()))
            .collect()
    }

    /// A write is on its way.
    pub(super) fn send(&mut self, origin: Origin, key: Bytes) {
        self.in_flight.insert(origin, key);
    }

    /// A write was answered: which document it was of, if it was on its way.
    pub(super) fn answer(&mut self, origin: &Origin) -> Option<Bytes> {
        self.in_flight.remove(origin)
    }

    /// How many writes are on their way.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Keeps a write that the server cannot take yet, unless there is a later one.
    pub(super) fn postpone(&mut self, sequence: u64, key: Bytes) {
        if !self.sequences.contains_key(&key) {
            self.behind.insert(key, sequence);
        }
    }

    /// Queues again what the server could not take.
    pub(super) fn retry(&mut self) {
        for (key, sequence) in std::mem::take(&mut self.behind) {
            self.insert(sequence, key);
        }
    }

    /// Documents of which the server is not known to have the last write.
    pub(super) fn documents(&self) -> usize {
        let once = |key: &&Bytes| !self.sequences.contains_key(*key);
        self.waiting.len() + self.behind.len() + self.in_flight.values().filter(once).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::ReplicaId;

    fn origin(sequence: u64) -> Origin {
        Origin {
            replica: ReplicaId::from_bytes([7; 16]),
            sequence,
            hash: [0; 8],
        }
    }

    #[test]
    fn each_document_counts_once_wherever_its_writes_are() {
        let (a, b) = (Bytes::from_static(b"a"), Bytes::from_static(b"b"));
        let mut outbox = Outbox::default();
        outbox.insert(1, a.clone());
        outbox.insert(2, b.clone());
        assert_eq!(outbox.next(9), [(1, a.clone()), (2, b.clone())]);
        outbox.remove(1);
        outbox.send(origin(1), a.clone());
        outbox.insert(3, a.clone());
        outbox.insert(4, a.clone());
        assert_eq!(outbox.documents(), 2);
        assert_eq!(outbox.next(9), [(2, b.clone())], "a is on its way");
        // The server was behind with the first; the later one is as good.
        assert_eq!(outbox.answer(&origin(1)), Some(a.clone()));
        outbox.postpone(1, a.clone());
        outbox.retry();
        assert_eq!(outbox.next(9), [(2, b.clone()), (4, a.clone())]);
        outbox.remove(2);
        outbox.postpone(2, b.clone());
        assert_eq!(outbox.documents(), 2);
        outbox.insert(5, b.clone());
        outbox.retry();
        assert_eq!(outbox.next(9), [(4, a), (5, b)]);
    }
}
