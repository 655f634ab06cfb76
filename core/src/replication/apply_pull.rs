//! The edge's side of a server's stream.
//!
//! Invariants:
//! - a state is taken whole, when it has seen all that the edge's has; else it is waited for;
//! - a pending write stays what is seen until a state that contains it is here;
//! - states, position and the end of pending writes are one commit.

use bytes::Bytes;

use super::ReplicationOutcome;
use super::acknowledged::note_acknowledged;
use super::content_fetch::lists_of;
use super::end_resync::mark_of;
use super::lives::Lives;
use super::local_write::{
    base, keep_conflict_base, load_pending, put_state, remove_pending, shared_context,
};
use super::lost_write::{name_of_pending, offer_lost_again};
use super::records::{hold_absent, hold_contents, install, let_go_of_contents, load};
use super::wire::{Name, WireState};
use crate::attachments::AttachmentContent;
use crate::commands::Transaction;
use crate::document::to_id_key;
use crate::schema::conflicts::{self, DocumentVersion};
use crate::schema::edge::{EdgeStateKind, HubCursor, PendingWrite, state_key};
use crate::schema::{EDGE_STATES, PENDING};
use crate::storage::Snapshot;
use crate::version::{ChangeVector, Dot, Etag, Siblings};
use crate::{Error, Result};

/// A part of a server's stream.
#[derive(Debug, Clone)]
pub struct ApplyPull {
    /// The server.
    pub hub: Name,
    /// What it lets through, hashed.
    pub filter: u64,
    /// The lives of servers.
    pub lives: Lives,
    /// The marks of the server's newest openings.
    pub openings: Vec<u64>,
    /// The documents.
    pub states: Vec<WireState>,
    /// Contents of attachments that came with them.
    pub contents: Vec<AttachmentContent>,
    /// Whether contents that did not come stay on the server until they are asked for.
    pub is_on_demand: bool,
    /// Everything that the edge may have up to this etag is in this part or came before.
    pub up_to: Etag,
    /// While a resync runs: where it ends.
    pub resync_until: Option<Etag>,
}

impl ApplyPull {
    pub(super) fn byte_count(&self) -> usize {
        let versions = self.states.iter().flat_map(|it| &it.live);
        versions.map(|it| 256 + it.version.byte_count()).sum()
    }

    pub(super) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        let hub = tx.learn_name(&self.hub);
        let mut changed = 0;
        let lists = self.states.iter().flat_map(|it| lists_of(&it.live));
        let mut held = hold_contents(tx, &self.contents, lists).await?;
        if self.is_on_demand {
            let lists = self.states.iter().flat_map(|it| lists_of(&it.live));
            hold_absent(tx, lists, &mut held).await?;
        }
        for state in &self.states {
            let key = to_id_key(&state.id);
            if let Some(until) = self.resync_until {
                let met = state_key(EdgeStateKind::Met, &key);
                tx.put(EDGE_STATES, met, mark_of(self.filter, until));
            }
            changed += usize::from(self.apply(tx, &key, state).await?);
        }
        let_go_of_contents(tx, &held).await?;
        let mut edge = tx.edge().cloned().ok_or_else(no_edge)?;
        let before = edge.cursors.iter().find(|it| it.hub == hub);
        let reached = before.map_or(Etag::ZERO, |it| it.reached);
        edge.cursors.retain(|it| it.hub != hub);
        edge.cursors.push(HubCursor {
            hub,
            etag: self.up_to,
            reached: reached.max(self.up_to),
            openings: self.openings.clone(),
            filter: self.filter,
            resync_until: self.resync_until,
        });
        tx.set_edge(edge);
        Ok(ReplicationOutcome::Merged { changed })
    }

    async fn apply<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        key: &Bytes,
        state: &WireState,
    ) -> Result<bool> {
        let remote = tx.learn_set(state);
        let pending = load_pending(tx, key).await?;
        let stored = load(tx, key).await?;
        let Some(pending) = pending else {
            let local = &stored.set;
            let own = tx.incarnations().own();
            let context = shared_context(&local.context, own);
            let is_same = context == local.context && context == remote.context;
            if is_same || !self.covers(tx, &remote.context, &context) {
                return Ok(false);
            }
            if offer_lost_again(tx, key, &stored, &remote, &self.lives).await? {
                return Ok(false);
            }
            let etag = tx.take_etag();
            install(tx, key, &stored.previous, &remote, etag).await?;
            return Ok(true);
        };
        let previous = stored.previous;
        let known = known_context(tx, key, &pending).await?;
        if !self.covers(tx, &remote.context, &known) {
            return Ok(false);
        }
        let name = name_of_pending(&pending, tx.incarnations())?;
        let dots = [pending.accepted, pending.lost];
        let contains_it = remote.live.iter().any(|it| it.origin == Some(name))
            || (dots.iter().flatten()).any(|dot| remote.context.contains(*dot));
        if !contains_it {
            self.see_again(tx, key, pending, &remote).await?;
            put_state(tx, EdgeStateKind::Pulled, key, Some(&remote)).await?;
            return Ok(false);
        }
        let etag = tx.take_etag();
        install(tx, key, &previous, &remote, etag).await?;
        note_acknowledged(tx, key, &previous, name, &remote);
        keep_conflict_base(tx, key, &remote).await?;
        remove_pending(tx, key, &pending).await?;
        Ok(true)
    }

    /// A restored server has versions again that the author of a pending write had seen replaced:
    /// the write replaces them too. What its author had seen, the state before it says; not the
    /// write's own base, which also names what a server has taken of it beside others.
    async fn see_again<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        key: &Bytes,
        mut pending: PendingWrite,
        remote: &Siblings<DocumentVersion>,
    ) -> Result<()> {
        let names = tx.incarnations();
        let mut entries = pending.base.entries().iter();
        if !entries.any(|it| self.lives.has_lost(*it, names)) {
            return Ok(());
        }
        let Some(before) = base(tx, key).await? else {
            return Ok(());
        };
        let seen = remote
            .live
            .iter()
            .filter(|it| before.context.contains(it.dot));
        let seen: Vec<Dot> = seen.map(|it| it.dot).collect();
        if !seen.iter().all(|it| pending.replaces.contains(it)) {
            pending.replaces.extend(seen);
            tx.put(PENDING, key.clone(), pending.encode());
        }
        Ok(())
    }

    /// Whether `remote` has seen all of `local` that any server still can have.
    fn covers<S: Snapshot>(
        &self,
        tx: &Transaction<S>,
        remote: &ChangeVector,
        local: &ChangeVector,
    ) -> bool {
        let names = tx.incarnations();
        local.entries().iter().all(|entry| {
            let row = names.row(entry.incarnation);
            remote.contains(*entry) || row.is_ok_and(|row| !self.lives.goes_on(&row.id))
        })
    }
}

/// What the edge has of a document besides its pending write.
async fn known_context<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    pending: &PendingWrite,
) -> Result<ChangeVector> {
    Ok(match pulled(tx, key).await? {
        Some(pulled) => pulled.context,
        None => pending.base.clone(),
    })
}

/// What the server has meanwhile.
pub(super) async fn pulled<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
) -> Result<Option<Siblings<DocumentVersion>>> {
    let stored = tx
        .get(EDGE_STATES, &state_key(EdgeStateKind::Pulled, key))
        .await?;
    stored.map(|value| conflicts::decode(&value)).transpose()
}

pub(super) fn no_edge() -> Error {
    Error::new(
        crate::ErrorKind::Unavailable,
        "this database is no edge: it was never joined to a server",
    )
}
