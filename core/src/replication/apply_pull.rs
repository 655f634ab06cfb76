//! The edge's side of a server's stream.
//!
//! Invariants:
//! - a state is taken whole, when it has seen all that the edge's has; else it is waited for;
//! - a pending write stays what is seen until a state that contains it is here;
//! - states, position and the end of pending writes are one commit.

use std::sync::Arc;

use bytes::Bytes;

use super::ReplicationOutcome;
use super::local_write::{
    keep_conflict_base, load_pending, put_state, remove_pending, shared_context,
};
use super::records::{Stored, hold_contents, install, let_go_of_contents, load};
use super::wire::{Name, WireState};
use crate::attachments::AttachmentContent;
use crate::commands::Transaction;
use crate::document::to_id_key;
use crate::schema::conflicts::{self, DocumentVersion};
use crate::schema::edge::{EdgeStateKind, HubCursor, PendingWrite, state_key};
use crate::schema::{DOCUMENTS, EDGE_STATES, PENDING, TOMBSTONES};
use crate::storage::{KeyRange, Snapshot};
use crate::version::{ChangeVector, Etag, IncarnationId, Siblings};
use crate::{Error, Result};

/// How many documents one step of ending a resync looks at.
const SWEPT_AT_ONCE: usize = 1024;

/// A part of a server's stream.
#[derive(Debug, Clone)]
pub struct ApplyPull {
    /// The server.
    pub hub: Name,
    /// What it lets through, hashed.
    pub filter: u64,
    /// The incarnations that live.
    pub members: Arc<[IncarnationId]>,
    /// The documents.
    pub states: Vec<WireState>,
    /// Contents of attachments that came with them.
    pub contents: Vec<AttachmentContent>,
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
        hold_contents(tx, &self.contents).await?;
        for state in &self.states {
            let key = to_id_key(&state.id);
            if self.resync_until.is_some() {
                let met = state_key(EdgeStateKind::Met, &key);
                tx.put(EDGE_STATES, met, Bytes::new());
            }
            changed += usize::from(self.apply(tx, &key, state).await?);
        }
        let_go_of_contents(tx, &self.contents).await?;
        let mut edge = tx.edge().cloned().ok_or_else(no_edge)?;
        edge.cursors.retain(|it| it.hub != hub);
        edge.cursors.push(HubCursor {
            hub,
            etag: self.up_to,
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
        let Stored {
            previous,
            set: local,
        } = load(tx, key).await?;
        let Some(pending) = pending else {
            let own = tx.incarnations().own();
            let context = shared_context(&local.context, own);
            let is_same = context == local.context && context == remote.context;
            if is_same || !self.covers(tx, &remote.context, &context) {
                return Ok(false);
            }
            let etag = tx.take_etag();
            install(tx, key, &previous, &remote, etag).await?;
            return Ok(true);
        };
        let known = known_context(tx, key, &pending).await?;
        if !self.covers(tx, &remote.context, &known) {
            return Ok(false);
        }
        let contains_it = remote
            .live
            .iter()
            .any(|it| it.origin == Some(pending.origin))
            || pending
                .accepted
                .is_some_and(|dot| remote.context.contains(dot));
        if !contains_it {
            put_state(tx, EdgeStateKind::Pulled, key, Some(&remote)).await?;
            return Ok(false);
        }
        let etag = tx.take_etag();
        install(tx, key, &previous, &remote, etag).await?;
        keep_conflict_base(tx, key, &remote).await?;
        remove_pending(tx, key, &pending).await?;
        Ok(true)
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
            remote.contains(*entry) || row.is_ok_and(|row| !self.members.contains(&row.id))
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

/// One step of ending a resync: removes documents that it did not meet, and then its marks.
#[derive(Debug, Clone)]
pub struct EndResync {
    /// The server.
    pub hub: Name,
    /// Where the last step ended; nothing for the first.
    pub after: Option<Bytes>,
}

impl EndResync {
    pub(super) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        let mut range = KeyRange::all();
        if let Some(after) = &self.after {
            range = range.after(after.clone());
        }
        let documents = tx.scan(DOCUMENTS, &range, SWEPT_AT_ONCE).await?;
        let conflicts = tx
            .scan(crate::schema::CONFLICTS, &range, SWEPT_AT_ONCE)
            .await?;
        let mut keys: Vec<Bytes> = documents
            .into_iter()
            .chain(conflicts)
            .map(|it| it.0)
            .collect();
        keys.sort();
        keys.truncate(SWEPT_AT_ONCE);
        for key in &keys {
            forget_unmet(tx, key).await?;
        }
        if let Some(last) = keys.pop() {
            return Ok(ReplicationOutcome::Continue(Some(last)));
        }
        let marks = KeyRange::prefix(&[EdgeStateKind::Met as u8]);
        let marks = tx.scan(EDGE_STATES, &marks, SWEPT_AT_ONCE).await?;
        if !marks.is_empty() {
            marks
                .into_iter()
                .for_each(|(key, _)| tx.delete(EDGE_STATES, key));
            return Ok(ReplicationOutcome::Continue(self.after.clone()));
        }
        let hub = tx.learn_name(&self.hub);
        let mut edge = tx.edge().cloned().ok_or_else(no_edge)?;
        for cursor in edge.cursors.iter_mut().filter(|it| it.hub == hub) {
            cursor.resync_until = None;
        }
        tx.set_edge(edge);
        Ok(ReplicationOutcome::Done)
    }
}

/// Forgets a document that the server does not have, or not for this edge. One with a pending write
/// stays: the server decides about that.
async fn forget_unmet<S: Snapshot>(tx: &mut Transaction<S>, key: &Bytes) -> Result<()> {
    let met = state_key(EdgeStateKind::Met, key);
    let is_met = tx.get(EDGE_STATES, &met).await?.is_some();
    let is_internal = !super::Scope::everything().contains(key, "");
    if is_met || is_internal || tx.get(PENDING, key).await?.is_some() {
        return Ok(());
    }
    let Stored { previous, mut set } = load(tx, key).await?;
    // Indexes and listeners hear of it as of a deletion; no server does.
    let Some(first) = set.live.first().cloned() else {
        return Ok(());
    };
    set.live = vec![crate::version::Live {
        value: DocumentVersion {
            is_deletion: true,
            attachments: String::new(),
            metadata: String::new(),
            body: String::new(),
            ..first.value
        },
        ..first
    }];
    let etag = tx.take_etag();
    install(tx, key, &previous, &set, etag).await?;
    // Not even that it was deleted: it may come again, from anywhere.
    if let Some(value) = tx.get(TOMBSTONES, key).await? {
        let tombstone = crate::schema::tombstones::Tombstone::decode(&value)?;
        let forgotten = crate::schema::tombstones::Tombstone {
            context: [first_dot(tx)].into_iter().collect(),
            dot: first_dot(tx),
            ..tombstone
        };
        tx.put(TOMBSTONES, key.clone(), forgotten.encode());
    }
    Ok(())
}

/// A dot of this edge's own, which no server's context is compared with.
fn first_dot<S: Snapshot>(tx: &Transaction<S>) -> crate::version::Dot {
    crate::version::Entry {
        incarnation: tx.incarnations().own(),
        etag: tx.last_etag(),
    }
}
