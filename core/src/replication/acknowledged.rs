//! Under which names writes of an edge were known here before a server had them.
//!
//! When a server takes a write, the document gets the server's name for it, though nothing of it
//! changed. Whoever read it before still means this version, and may go on from it: an editor that
//! stays open over a save must not be told that somebody else wrote.
//!
//! Invariants:
//! - a name from before is good for exactly the version it became, never for a later one;
//! - it is kept in memory: with the database, whoever read under it is gone, mostly. The worst that
//!   comes of a name that is forgotten is a concurrency error.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::Result;
use crate::commands::store_version::Previous;
use crate::commands::{ExpectedVersion, Transaction};
use crate::document::DocumentId;
use crate::schema::conflicts::DocumentVersion;
use crate::schema::documents::DocumentRecord;
use crate::storage::Snapshot;
use crate::version::{ChangeVector, Dot, Entry, Etag, Origin, Siblings};

/// How many names are kept at least, the newest.
const KEPT: usize = 8192;

/// A version that a server has.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Its own number here, before.
    before: Etag,
    /// What it is now.
    now: Dot,
}

/// The newest names from before.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    names: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    newest: HashMap<Bytes, Known>,
    older: HashMap<Bytes, Known>,
}

impl Acknowledged {
    // Changed in one step each time, so a poisoned lock is good.
    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the version of `id_key` that was this database's write `before` is `now` the
    /// server's. It may be noted before it is committed: without the commit no record is `now`.
    pub(crate) fn note(&self, id_key: &Bytes, before: Etag, now: Dot) {
        let mut names = self.lock();
        if names.newest.len() >= KEPT {
            names.older = std::mem::take(&mut names.newest);
        }
        names.newest.insert(id_key.clone(), Known { before, now });
    }

    /// The number that the version `now` of `id_key` had here before a server took it.
    pub(crate) fn before(&self, id_key: &[u8], now: Dot) -> Option<Etag> {
        let names = self.lock();
        let known = names.newest.get(id_key).or_else(|| names.older.get(id_key));
        known.filter(|it| it.now == now).map(|it| it.before)
    }
}

impl<S: Snapshot> Transaction<S> {
    /// Checks what the writer of a document believes is stored, where it is a document whose change
    /// vector is `actual`. The name of the same version from before a server had it is as good.
    ///
    /// # Errors
    /// `ConcurrencyConflict`.
    pub(crate) fn check_expected(
        &self,
        expected: &ExpectedVersion,
        action: &str,
        id: &DocumentId,
        record: &DocumentRecord,
        actual: &str,
    ) -> Result<()> {
        let checked = expected.check(action, id.as_str(), Some(actual));
        match (checked, expected) {
            (Err(_), ExpectedVersion::Exactly(text))
                if self.edge().is_some() && self.was_known_as(id.key(), record, text) =>
            {
                Ok(())
            }
            (checked, _) => checked,
        }
    }

    fn was_known_as(&self, id_key: &[u8], record: &DocumentRecord, text: &str) -> bool {
        let Some(before) = self.acknowledged.before(id_key, record.dot) else {
            return false;
        };
        // What a text names that nobody here knows is in no context.
        let mut names = self.incarnations().clone();
        let Ok(former) = ChangeVector::parse(text, &mut names) else {
            return false;
        };
        let own = Entry {
            incarnation: self.incarnations().own(),
            etag: before,
        };
        let mut entries = former.entries().iter();
        former.entries().contains(&own)
            && entries.all(|it| *it == own || record.context.contains(*it))
    }
}

/// Notes that a server has the version of `id_key` that stood there as `previous`, if what now
/// stands there is that: nothing else was written by anybody.
pub(super) fn note_acknowledged<S: Snapshot>(
    tx: &Transaction<S>,
    id_key: &Bytes,
    previous: &Previous,
    origin: Origin,
    set: &Siblings<DocumentVersion>,
) {
    let (was_deleted, dot) = match previous {
        Previous::Nothing => return,
        Previous::Document(record) => (false, record.dot),
        Previous::Tombstone(tombstone) => (true, tombstone.dot),
    };
    if dot.incarnation == tx.incarnations().own()
        && let Some(sole) = set.sole()
        && sole.origin == Some(origin)
        && sole.value.is_deletion == was_deleted
    {
        tx.acknowledged.note(id_key, dot.etag, sole.dot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::IncarnationIndex;

    #[test]
    fn a_name_is_good_for_one_version_and_the_newest_are_kept() {
        let dot = |etag: u64| Entry {
            incarnation: IncarnationIndex(1),
            etag: Etag::new(etag),
        };
        let known = Acknowledged::default();
        let key = |number: usize| Bytes::from(format!("people/{number}"));
        for number in 0..=2 * KEPT {
            known.note(
                &key(number),
                Etag::new(number as u64),
                dot(number as u64 + 100),
            );
        }
        let last = 2 * KEPT;
        let now = dot(last as u64 + 100);
        assert_eq!(known.before(&key(last), now), Some(Etag::new(last as u64)));
        assert_eq!(known.before(&key(last), dot(5)), None);
        assert!(known.before(&key(KEPT), dot(KEPT as u64 + 100)).is_some());
        assert_eq!(known.before(&key(0), dot(100)), None);
    }
}
