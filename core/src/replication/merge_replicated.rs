//! Taking in what another server has: whole sets, and the ledger, in the order of its etags.
//!
//! Invariants:
//! - a batch is taken in whole or not at all, with the position in its source's stream;
//! - facts are written before the sets they belong to, so whoever streams from here meets them in
//!   that order too;
//! - a set that changes nothing here is not written, so nothing goes back and forth.

use bytes::Bytes;

use super::ReplicationOutcome;
use super::merge_rule::merge;
use super::records::{Stored, facts_of, install, load, put_fact, settle_by_rule};
use super::wire::{Name, WireEntry, WireFact, WireState};
use crate::commands::Transaction;
use crate::document::to_id_key;
use crate::schema::DATABASE;
use crate::schema::configuration::peer_position_key;
use crate::schema::conflicts::DocumentVersion;
use crate::schema::ledger::Fact;
use crate::storage::Snapshot;
use crate::version::{Dot, Etag, IncarnationId, Incarnations};
use crate::{ReadTransaction, Result};

/// A part of another server's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeReplicated {
    /// The server.
    pub source: Name,
    /// Its ledger, as far as it is new.
    pub facts: Vec<WireFact>,
    /// Its documents.
    pub states: Vec<WireState>,
    /// Of each life of a server, up to where the source has everything of it; told at the end.
    pub seen: Vec<WireEntry>,
    /// The stream is told up to this etag of its own.
    pub up_to: Etag,
    /// Whether that was all it had. Only then is everything here that it wrote up to there: before,
    /// a document that was written again stands further on in its stream.
    pub is_end: bool,
}

impl MergeReplicated {
    pub(super) fn byte_count(&self) -> usize {
        let versions = self.states.iter().flat_map(|it| &it.live);
        versions
            .map(|it| 256 + it.version.byte_count())
            .sum::<usize>()
            + 128 * self.facts.len()
    }

    pub(super) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        let source = tx.learn_name(&self.source);
        for fact in &self.facts {
            let known = Fact {
                origin: fact.origin,
                kind: fact.kind,
                dot: tx.learn(&fact.dot),
            };
            put_fact(tx, known, &fact.id_key).await?;
        }
        let mut changed = 0;
        for state in &self.states {
            changed += usize::from(merge_state(tx, state).await?);
        }
        tx.put(
            DATABASE,
            peer_position_key(&self.source.id),
            self.up_to.to_string(),
        );
        if self.is_end {
            tx.raise_seen(source, self.up_to);
            // Whoever has all that the source has, has all of others that the source has. And edges
            // may name lives that were over before this server heard of any.
            for seen in &self.seen {
                let life = tx.learn_name(&seen.name);
                if life != tx.incarnations().own() {
                    tx.raise_seen(life, seen.etag);
                }
            }
            tx.put_state_marker();
        }
        Ok(ReplicationOutcome::Merged { changed })
    }
}

impl<S: Snapshot> ReadTransaction<S> {
    /// Up to where another server's stream was followed.
    ///
    /// # Errors
    /// Whatever the store reports; `Corrupted` when the record does not fit.
    pub async fn peer_position(&self, peer: &IncarnationId) -> Result<Etag> {
        let key = peer_position_key(peer);
        let stored = self.snapshot.get_many(DATABASE, &[key]).await?;
        match stored.into_iter().next().flatten() {
            Some(text) => super::parse_purged(&String::from_utf8_lossy(&text)),
            None => Ok(Etag::ZERO),
        }
    }
}

async fn merge_state<S: Snapshot>(tx: &mut Transaction<S>, state: &WireState) -> Result<bool> {
    let key: Bytes = to_id_key(&state.id);
    let remote = tx.learn_set(state);
    let Stored {
        previous,
        set: local,
    } = load(tx, &key).await?;
    let live = local.live.iter().chain(&remote.live);
    let origins = live.filter_map(|it| it.origin).collect();
    let facts = facts_of(tx, &key, origins).await?;
    let names = tx.incarnations().clone();
    let order = |dot| order(&names, dot);
    let same = DocumentVersion::says_the_same;
    let mut merged = merge(&local, &remote, &facts, order, same);
    settle_by_rule(tx, &key, &mut merged).await?;
    let dots = |set: &crate::version::Siblings<_>| -> Vec<Dot> {
        set.live
            .iter()
            .map(|it: &crate::version::Live<_>| it.dot)
            .collect()
    };
    if merged.context == local.context && dots(&merged) == dots(&local) {
        return Ok(false);
    }
    let etag = tx.take_etag();
    install(tx, &key, &previous, &merged, etag).await?;
    Ok(true)
}

/// The order of dots that is the same on every server.
fn order(names: &Incarnations, dot: Dot) -> (Option<IncarnationId>, Etag) {
    (names.row(dot.incarnation).ok().map(|row| row.id), dot.etag)
}
