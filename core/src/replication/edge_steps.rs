//! What an edge's session asks of its own database.

use bytes::Bytes;

use super::ReplicationOutcome;
use super::acknowledged::note_acknowledged;
use super::apply_pull::{no_edge, pulled};
use super::local_write::{
    LocalWrite, follow_own, keep_conflict_base, load_pending, next_origin, put_pending, put_state,
    rebase, remove_pending,
};
use super::lost_write::name_of_pending;
use super::records::{Stored, install, load};
use super::wire::{Name, Verdict, WriteOutcome};
use crate::commands::Transaction;
use crate::commands::store_version::Previous;
use crate::schema::conflicts::DocumentVersion;
use crate::schema::edge::{EdgeRecord, EdgeStateKind, HubCursor, PendingWrite, Refusal, order_key};
use crate::schema::{DOCUMENTS, PENDING, PENDING_ORDER};
use crate::storage::{KeyRange, Snapshot};
use crate::version::{Etag, Live, Origin, ReplicaId, Siblings};
use crate::{Error, Result};

/// How many documents one step of joining looks at.
const JOINED_AT_ONCE: usize = 1024;

/// Makes the database an edge: what it holds becomes pending. In steps, until it answers `Done`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BecomeEdge;

impl BecomeEdge {
    pub(super) async fn run<S: Snapshot>(
        self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        let mut edge = match tx.edge() {
            Some(edge) => edge.clone(),
            None => EdgeRecord {
                replica: ReplicaId::mint(&*tx.host.random)?,
                last_sequence: 0,
                last_hash: [0; 8],
                joined_up_to: Some(Bytes::new()),
                cursors: Vec::new(),
            },
        };
        let Some(after) = edge.joined_up_to.clone() else {
            return Ok(ReplicationOutcome::Done);
        };
        let range = KeyRange::all().after(after);
        let found = tx.scan(DOCUMENTS, &range, JOINED_AT_ONCE).await?;
        edge.joined_up_to = found.last().map(|(key, _)| key.clone());
        tx.set_edge(edge);
        for (key, _) in &found {
            let Stored { previous, set } = load(tx, key).await?;
            if load_pending(tx, key).await?.is_none()
                && let Some(sole) = set.sole()
            {
                let write = LocalWrite::of_version(&sole.value);
                super::follow_local_write(tx, key, &previous, write).await?;
            }
        }
        Ok(match found.last() {
            None => ReplicationOutcome::Done,
            Some((last, _)) => ReplicationOutcome::Continue(Some(last.clone())),
        })
    }
}

/// Notes that writes are about to leave: from here on a server may have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkSent {
    /// The writes, by document.
    pub writes: Vec<(Bytes, Origin)>,
}

impl MarkSent {
    pub(super) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        let mut keys = Vec::with_capacity(self.writes.len());
        for (key, origin) in &self.writes {
            let Some(mut pending) = load_pending(tx, key).await? else {
                continue;
            };
            if pending.origin == *origin {
                keys.push(key.clone());
                if !pending.is_sent {
                    pending.is_sent = true;
                    tx.put(PENDING, key.clone(), pending.encode());
                }
            }
        }
        let settled = settled(tx).await?;
        Ok(ReplicationOutcome::Marked { keys, settled })
    }
}

/// Up to which sequence nothing is open any more; zero where too much is pending to tell.
async fn settled<S: Snapshot>(tx: &mut Transaction<S>) -> Result<u64> {
    const LOOKED_AT: usize = 256;
    let pending = tx.scan(PENDING, &KeyRange::all(), LOOKED_AT).await?;
    if pending.len() == LOOKED_AT {
        return Ok(0);
    }
    let mut oldest = tx.edge().ok_or_else(no_edge)?.last_sequence + 1;
    for (_, value) in pending {
        oldest = oldest.min(PendingWrite::decode(&value)?.oldest_sequence());
    }
    Ok(oldest - 1)
}

/// Follows a server's verdicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleWrites {
    /// The server.
    pub hub: Name,
    /// The marks of its newest openings.
    pub openings: Vec<u64>,
    /// What it lets through, hashed.
    pub filter: u64,
    /// The verdicts, by document.
    pub outcomes: Vec<(Bytes, WriteOutcome)>,
}

impl SettleWrites {
    pub(super) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        for (key, outcome) in &self.outcomes {
            let Some(pending) = load_pending(tx, key).await? else {
                continue;
            };
            settle(tx, key, pending, outcome).await?;
        }
        self.note_reached(tx);
        Ok(ReplicationOutcome::Done)
    }

    /// What a server took, it must have for as long as it is the same: it never comes by the stream.
    /// It was taken in the newest opening that was told, be there an older position or none.
    fn note_reached<S: Snapshot>(&self, tx: &mut Transaction<S>) {
        let taken = self.outcomes.iter().filter_map(|it| match &it.1.verdict {
            Verdict::Accepted { dot, .. } if dot.name.id == self.hub.id => Some(dot.etag),
            _ => None,
        });
        let (Some(reached), Some(mut edge)) = (taken.max(), tx.edge().cloned()) else {
            return;
        };
        let hub = tx.learn_name(&self.hub);
        let at = edge.cursors.iter().position(|it| it.hub == hub);
        let at = at.unwrap_or_else(|| {
            edge.cursors.push(HubCursor {
                hub,
                etag: Etag::ZERO,
                reached: Etag::ZERO,
                openings: Vec::new(),
                filter: self.filter,
                resync_until: None,
            });
            edge.cursors.len() - 1
        });
        let cursor = &mut edge.cursors[at];
        if cursor.reached < reached {
            cursor.reached = reached;
            cursor.openings.clone_from(&self.openings);
            tx.set_edge(edge);
        }
    }
}

async fn settle<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    mut pending: PendingWrite,
    outcome: &WriteOutcome,
) -> Result<()> {
    let is_current = pending.origin == outcome.origin;
    match &outcome.verdict {
        Verdict::Accepted { dot, sole } => {
            let dot = tx.learn(dot);
            if !is_current {
                if pending.chain.contains(&outcome.origin) {
                    rebase(&mut pending, outcome.origin, dot);
                    tx.put(PENDING, key.clone(), pending.encode());
                }
                return Ok(());
            }
            let name = name_of_pending(&pending, tx.incarnations())?;
            let Stored { previous, mut set } = load(tx, key).await?;
            let mut arrived = pulled(tx, key).await?;
            arrived = arrived.filter(|it| it.context.contains(dot));
            match (arrived, sole) {
                (Some(arrived), _) => {
                    let etag = tx.take_etag();
                    install(tx, key, &previous, &arrived, etag).await?;
                    note_acknowledged(tx, key, &previous, name, &arrived);
                    keep_conflict_base(tx, key, &arrived).await?;
                }
                (None, Some((context, last_modified))) => {
                    // What stands here is what stands there; only its place in history is new.
                    set.context = context.iter().map(|entry| tx.learn(entry)).collect();
                    let [live] = &mut set.live[..] else {
                        return Err(Error::corrupted("a pending write is a conflict"));
                    };
                    live.dot = dot;
                    live.origin = Some(name);
                    live.value.last_modified = *last_modified;
                    let etag = tx.take_etag();
                    install(tx, key, &previous, &set, etag).await?;
                    note_acknowledged(tx, key, &previous, name, &set);
                }
                (None, None) => {
                    pending.accepted = Some(dot);
                    tx.put(PENDING, key.clone(), pending.encode());
                    return Ok(());
                }
            }
            remove_pending(tx, key, &pending).await
        }
        Verdict::Refused(refusal)
            if is_current && pending.lost.is_some() && refusal.code == "Forbidden" =>
        {
            refuse_lost(tx, key, pending, refusal).await
        }
        Verdict::Refused(refusal) if is_current => {
            pending.refusal = Some(refusal.clone());
            tx.put(PENDING, key.clone(), pending.encode());
            Ok(())
        }
        Verdict::Refused(_) | Verdict::Behind | Verdict::Forked => Ok(()),
    }
}

/// Gives the edge a new identity, because another life of it goes on elsewhere. What is pending
/// becomes a write of the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewReplica;

impl RenewReplica {
    pub(super) async fn run<S: Snapshot>(
        self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        let mut edge = tx.edge().cloned().ok_or_else(no_edge)?;
        edge.replica = ReplicaId::mint(&*tx.host.random)?;
        edge.last_sequence = 0;
        let all = KeyRange::all();
        for (order, key) in tx.scan(PENDING_ORDER, &all, usize::MAX).await? {
            tx.delete(PENDING_ORDER, order);
            let Some(mut pending) = load_pending(tx, &key).await? else {
                continue;
            };
            let Siblings { live, .. } = load(tx, &key).await?.set;
            let Some(live) = live.first() else { continue };
            // The other life may have sent it. What a server lost is known by that name.
            if pending.lost.is_none() {
                match pending.accepted {
                    Some(dot) => {
                        let taken = pending.origin;
                        rebase(&mut pending, taken, dot);
                    }
                    None => pending.chain.push(pending.origin),
                }
            }
            let write = LocalWrite::of_version(&live.value);
            pending.origin = next_origin(&mut edge, &key, &write);
            pending.is_sent = false;
            pending.accepted = None;
            pending.refusal = None;
            put_pending(tx, &key, &pending);
        }
        tx.set_edge(edge);
        Ok(ReplicationOutcome::Done)
    }
}

/// Gives up a pending write: the document becomes what the server has. A write that the server may
/// have already is replaced by one that undoes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscardPending {
    /// The document, lower-cased.
    pub key: Bytes,
}

impl DiscardPending {
    pub(super) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        let Some(pending) = load_pending(tx, &self.key).await? else {
            return Ok(ReplicationOutcome::Done);
        };
        let Stored { previous, set } = load(tx, &self.key).await?;
        let server = match pulled(tx, &self.key).await? {
            Some(pulled) => Some(pulled),
            None => super::local_write::base(tx, &self.key).await?,
        };
        let may_be_there = pending.accepted.is_some()
            || !pending.chain.is_empty()
            || (pending.is_sent && pending.refusal.is_none());
        if may_be_there {
            self.undo(tx, &previous, pending, set, server).await?;
            return Ok(ReplicationOutcome::Done);
        }
        let stored = Stored { previous, set };
        become_server(tx, &self.key, &pending, stored, server).await?;
        Ok(ReplicationOutcome::Done)
    }

    /// Writes what the server had over the pending write `old`, whose document is `set`.
    async fn undo<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        previous: &Previous,
        mut old: PendingWrite,
        mut set: Siblings<DocumentVersion>,
        server: Option<Siblings<DocumentVersion>>,
    ) -> Result<()> {
        let mut edge = tx.edge().cloned().ok_or_else(no_edge)?;
        let restored = match &server {
            Some(server) => server.sole().map(|it| it.value.clone()),
            None => set.live.first().map(|it| {
                let mut nothing = it.value.clone();
                empty(&mut nothing);
                nothing
            }),
        };
        let Some(restored) = restored else {
            return Err(Error::invalid(format!(
                "the write of '{}' may have reached a server where the document is in conflict; \
                 resolve the conflict when it is here",
                String::from_utf8_lossy(&self.key)
            )));
        };
        let write = LocalWrite::of_version(&restored);
        tx.delete(PENDING_ORDER, order_key(old.origin.sequence));
        follow_own(&mut old, tx.incarnations())?;
        if let Some(server) = &server {
            old.base.merge(&server.context);
            old.replaces.extend(server.live.iter().map(|it| it.dot));
            let origins = server.live.iter().filter_map(|it| it.origin);
            old.replaced_origins.extend(origins);
            set.context.merge(&server.context);
        }
        let pending = PendingWrite {
            origin: next_origin(&mut edge, &self.key, &write),
            is_sent: false,
            accepted: None,
            refusal: None,
            lost: None,
            ..old
        };
        tx.set_edge(edge);
        put_state(tx, EdgeStateKind::Base, &self.key, server.as_ref()).await?;
        put_state(tx, EdgeStateKind::Pulled, &self.key, None).await?;
        put_pending(tx, &self.key, &pending);
        let dot = tx.take_dot();
        set.context.include(dot);
        set.live = vec![Live {
            dot,
            origin: None,
            value: DocumentVersion {
                last_modified: tx.now(),
                ..restored
            },
        }];
        install(tx, &self.key, previous, &set, dot.etag).await
    }
}

/// Makes a document what the server has, without its pending write.
async fn become_server<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    pending: &PendingWrite,
    stored: Stored,
    server: Option<Siblings<DocumentVersion>>,
) -> Result<()> {
    let Stored { previous, mut set } = stored;
    let etag = tx.take_etag();
    let new = server.unwrap_or_else(|| {
        set.live.iter_mut().for_each(|it| empty(&mut it.value));
        set
    });
    install(tx, key, &previous, &new, etag).await?;
    remove_pending(tx, key, pending).await
}

/// What a server lost may not be written from here. Whoever wrote it keeps it, with the reason; of
/// others' writes the server decides.
async fn refuse_lost<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    mut pending: PendingWrite,
    refusal: &Refusal,
) -> Result<()> {
    let stored = load(tx, key).await?;
    let author = stored.set.sole().and_then(|it| it.origin);
    if author.is_some_and(|it| it.replica == pending.origin.replica) {
        pending.refusal = Some(refusal.clone());
        tx.put(PENDING, key.clone(), pending.encode());
        return Ok(());
    }
    let server = pulled(tx, key).await?;
    become_server(tx, key, &pending, stored, server).await
}

/// Makes a version a deletion.
fn empty(version: &mut DocumentVersion) {
    version.is_deletion = true;
    version.attachments.clear();
    version.metadata.clear();
    version.body.clear();
}

/// Offers refused writes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryRefused;

impl RetryRefused {
    pub(super) async fn run<S: Snapshot>(
        self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        for (key, value) in tx.scan(PENDING, &KeyRange::all(), usize::MAX).await? {
            let mut pending = PendingWrite::decode(&value)?;
            if pending.refusal.take().is_some() {
                tx.put(PENDING, key, pending.encode());
            }
        }
        Ok(ReplicationOutcome::Done)
    }
}
