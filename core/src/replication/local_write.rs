//! Writes made on an edge: each becomes, or joins, the one pending write of its document.
//!
//! Invariants:
//! - a pending write is based on what its author had when the first of its edits was made: what a
//!   server sends meanwhile is never merged into it silently;
//! - its sequence was never used before by this replica; its hash names the content;
//! - it lists each earlier write of this replica that it replaces and that a server may have.

use blake2::digest::consts::U8;
use blake2::{Blake2b, Digest};
use bytes::Bytes;

use super::lost_write::name_of_pending;
use crate::Result;
use crate::commands::Transaction;
use crate::commands::store_version::{NewVersion, Previous};
use crate::conflicts::siblings_of;
use crate::schema::conflicts;
use crate::schema::edge::{EdgeRecord, EdgeStateKind, PendingWrite, order_key, state_key};
use crate::schema::{EDGE_STATES, PENDING, PENDING_ORDER};
use crate::storage::Snapshot;
use crate::version::{ChangeVector, Dot, IncarnationIndex, Incarnations, Origin};

/// What was written, as far as its hash is made of it.
pub(crate) struct LocalWrite<'a> {
    is_deletion: bool,
    collection: &'a str,
    attachments: &'a str,
    metadata: &'a str,
    body: &'a str,
}

impl<'a> LocalWrite<'a> {
    pub(crate) fn put(version: &NewVersion<'a>) -> Self {
        Self {
            is_deletion: false,
            collection: version.collection.as_str(),
            attachments: version.attachments,
            metadata: version.metadata,
            body: version.body,
        }
    }

    pub(crate) fn deletion(collection: &'a str) -> Self {
        Self {
            is_deletion: true,
            collection,
            attachments: "",
            metadata: "",
            body: "",
        }
    }

    pub(super) fn of_version(version: &'a conflicts::DocumentVersion) -> Self {
        Self {
            is_deletion: version.is_deletion,
            collection: &version.collection,
            attachments: &version.attachments,
            metadata: &version.metadata,
            body: &version.body,
        }
    }

    pub(super) fn hash_of(&self, id_key: &[u8]) -> [u8; 8] {
        let mut hasher: Blake2b<U8> = Blake2b::new();
        hasher.update([u8::from(self.is_deletion)]);
        let parts = [self.collection, self.attachments, self.metadata, self.body];
        for part in [id_key].into_iter().chain(parts.map(str::as_bytes)) {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }
}

/// The next origin of this replica.
pub(super) fn next_origin(edge: &mut EdgeRecord, id_key: &[u8], write: &LocalWrite<'_>) -> Origin {
    edge.last_sequence += 1;
    edge.last_hash = write.hash_of(id_key);
    Origin {
        replica: edge.replica,
        sequence: edge.last_sequence,
        hash: edge.last_hash,
    }
}

pub(super) async fn load_pending<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
) -> Result<Option<PendingWrite>> {
    let stored = tx.get(PENDING, id_key).await?;
    stored.map(|value| PendingWrite::decode(&value)).transpose()
}

pub(super) fn put_pending<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    pending: &PendingWrite,
) {
    tx.put(PENDING, id_key.clone(), pending.encode());
    let order = order_key(pending.origin.sequence);
    tx.put(PENDING_ORDER, order, id_key.clone());
}

/// Forgets a pending write and the states kept beside it.
pub(super) async fn remove_pending<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    pending: &PendingWrite,
) -> Result<()> {
    tx.delete(PENDING, id_key.clone());
    tx.delete(PENDING_ORDER, order_key(pending.origin.sequence));
    for kind in [EdgeStateKind::Base, EdgeStateKind::Pulled] {
        put_state(tx, kind, id_key, None).await?;
    }
    Ok(())
}

/// Keeps what this edge's version in a conflict was based on, if that was one version, for whoever
/// settles it. The conflict is stored already, and the pending write not yet forgotten.
pub(super) async fn keep_conflict_base<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    conflict: &crate::version::Siblings<conflicts::DocumentVersion>,
) -> Result<()> {
    if !conflict.is_conflict() {
        return Ok(());
    }
    let base = base(tx, id_key).await?.filter(|it| it.sole().is_some());
    put_state(tx, EdgeStateKind::ConflictBase, id_key, base.as_ref()).await
}

/// Forgets it with the conflict.
pub(crate) async fn forget_conflict_base<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
) -> Result<()> {
    if tx.edge().is_none() {
        return Ok(());
    }
    put_state(tx, EdgeStateKind::ConflictBase, id_key, None).await
}

/// Keeps, replaces or forgets a state beside a pending write, with the contents it refers to.
pub(super) async fn put_state<S: Snapshot>(
    tx: &mut Transaction<S>,
    kind: EdgeStateKind,
    id_key: &Bytes,
    set: Option<&crate::version::Siblings<conflicts::DocumentVersion>>,
) -> Result<()> {
    let key = state_key(kind, id_key);
    let old = tx.get(EDGE_STATES, &key).await?;
    for live in set.iter().flat_map(|set| &set.live) {
        crate::attachments::hold(tx, &live.value.attachments).await?;
    }
    if let Some(old) = old {
        for live in conflicts::decode(&old)?.live {
            crate::attachments::release(tx, &live.value.attachments).await?;
        }
        if set.is_none() {
            tx.delete(EDGE_STATES, key.clone());
        }
    }
    if let Some(set) = set {
        tx.put(EDGE_STATES, key, conflicts::encode(set));
    }
    Ok(())
}

/// What the author of a document's pending write had before it.
pub(super) async fn base<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
) -> Result<Option<crate::version::Siblings<conflicts::DocumentVersion>>> {
    let stored = tx
        .get(EDGE_STATES, &state_key(EdgeStateKind::Base, id_key))
        .await?;
    stored.map(|value| conflicts::decode(&value)).transpose()
}

/// A context without what only this database knows.
pub(super) fn shared_context(context: &ChangeVector, own: IncarnationIndex) -> ChangeVector {
    let others = context.entries().iter().filter(|it| it.incarnation != own);
    others.copied().collect()
}

/// Makes a local write of a document its pending write.
pub(crate) async fn follow_local_write<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    previous: &Previous,
    write: LocalWrite<'_>,
) -> Result<()> {
    let Some(mut edge) = tx.edge().cloned() else {
        return Ok(());
    };
    if !super::Scope::everything().contains(id_key, write.collection) {
        return Ok(());
    }
    let old = load_pending(tx, id_key).await?;
    if let Some(old) = &old
        && write.is_deletion
        && old.base.is_empty()
        && !old.is_sent
        && old.chain.is_empty()
    {
        // No server ever heard of it.
        return remove_pending(tx, id_key, old).await;
    }
    let origin = next_origin(&mut edge, id_key, &write);
    tx.set_edge(edge);
    let pending = match old {
        Some(mut old) => {
            tx.delete(PENDING_ORDER, order_key(old.origin.sequence));
            follow_own(&mut old, tx.incarnations())?;
            PendingWrite {
                origin,
                is_sent: false,
                accepted: None,
                refusal: None,
                lost: None,
                ..old
            }
        }
        None => first_of(tx, id_key, previous, origin).await?,
    };
    put_pending(tx, id_key, &pending);
    Ok(())
}

/// The write that comes after `old` replaces it, wherever it is.
pub(super) fn follow_own(old: &mut PendingWrite, names: &Incarnations) -> Result<()> {
    let name = name_of_pending(old, names)?;
    match old.accepted {
        Some(dot) => rebase(old, name, dot),
        // What a server lost, other edges offer again too.
        None if old.is_sent || old.lost.is_some() => old.chain.push(name),
        None => {}
    }
    Ok(())
}

/// A server has taken an earlier write of this edge, by `dot`: later ones are based on it, and what
/// came before it needs no telling any more.
pub(super) fn rebase(pending: &mut PendingWrite, taken: Origin, dot: Dot) {
    // Whoever has that one has removed what it replaced.
    pending.base.include(dot);
    pending.replaces = vec![dot];
    pending.replaced_origins = vec![taken];
    pending.chain.clear();
}

async fn first_of<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    previous: &Previous,
    origin: Origin,
) -> Result<PendingWrite> {
    let own = tx.incarnations().own();
    let mut set = siblings_of(tx, id_key, previous).await?;
    set.context = shared_context(&set.context, own);
    set.live.retain(|live| live.dot.incarnation != own);
    if !set.is_empty() {
        put_state(tx, EdgeStateKind::Base, id_key, Some(&set)).await?;
    }
    Ok(PendingWrite {
        origin,
        replaces: set.live.iter().map(|live| live.dot).collect(),
        replaced_origins: set.live.iter().filter_map(|live| live.origin).collect(),
        base: set.context,
        chain: Vec::new(),
        is_sent: false,
        accepted: None,
        refusal: None,
        lost: None,
    })
}
