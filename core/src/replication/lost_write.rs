//! Writes that a server took and lost: it was restored from a backup that is older.
//!
//! Edges that had followed it still have them. Each offers them again, as what they are: by the dot
//! that the lost life had given them, so that many edges offer one write, and a server that has heard
//! of it elsewhere, or of one whose author had seen it, knows it.
//!
//! Invariants:
//! - only what a life wrote that is over, beyond what its server remembers of it, is lost;
//! - a lost version that is offered again stays what is seen here until the server has answered;
//! - what the server does not take from somebody who did not write it is given up: the server decides.

use bytes::Bytes;

use super::lives::Lives;
use super::local_write::{LocalWrite, next_origin, put_pending, put_state};
use super::records::{Stored, install};
use super::wire::WireEntry;
use crate::commands::Transaction;
use crate::conflicts::keep_as_revision;
use crate::schema::EDGE_STATES;
use crate::schema::conflicts::{self, DocumentVersion};
use crate::schema::edge::{EdgeStateKind, PendingWrite, state_key};
use crate::storage::Snapshot;
use crate::version::{Dot, Etag, IncarnationId, Incarnations, Live, Origin, ReplicaId, Siblings};
use crate::{ReadTransaction, Result};

/// The name of a lost write: of its dot, which names one content for ever, in the place of an
/// origin.
fn name_of_lost(id: &IncarnationId, etag: Etag, hash: [u8; 8]) -> Origin {
    Origin {
        replica: ReplicaId::from_bytes(*id.bytes()),
        sequence: etag.number(),
        hash,
    }
}

/// The name under which servers know a pending write.
pub(super) fn name_of_pending(pending: &PendingWrite, names: &Incarnations) -> Result<Origin> {
    match pending.lost {
        None => Ok(pending.origin),
        Some(dot) => {
            let id = names.row(dot.incarnation)?.id;
            Ok(name_of_lost(&id, dot.etag, pending.origin.hash))
        }
    }
}

/// The name of a lost version of a document.
pub(super) fn name_of_version(
    live: &Live<DocumentVersion>,
    key: &[u8],
    names: &Incarnations,
) -> Result<Origin> {
    let id = names.row(live.dot.incarnation)?.id;
    let hash = LocalWrite::of_version(&live.value).hash_of(key);
    Ok(name_of_lost(&id, live.dot.etag, hash))
}

impl WireEntry {
    /// The name of the write that was lost, with the hash of its content.
    pub(super) fn name_of_lost(&self, hash: [u8; 8]) -> Origin {
        name_of_lost(&self.name.id, self.etag, hash)
    }
}

/// The names of lost versions that an edge's pending write replaces, by their dots `replaces`: other
/// edges may offer them again.
pub(super) async fn lost_before<S: Snapshot>(
    read: &ReadTransaction<S>,
    key: &Bytes,
    replaces: &[Dot],
    lives: &Lives,
) -> Result<Vec<Origin>> {
    let names = read.incarnations();
    let mut dots = replaces.iter();
    if !dots.any(|dot| lives.has_lost(*dot, names)) {
        return Ok(Vec::new());
    }
    let base = [state_key(EdgeStateKind::Base, key)];
    let base = read.snapshot.get_many(EDGE_STATES, &base).await?;
    let Some(base) = base.into_iter().next().flatten() else {
        return Ok(Vec::new());
    };
    let base = conflicts::decode(&base)?;
    let lost = base.live.iter();
    let lost = lost.filter(|it| lives.has_lost(it.dot, names));
    lost.map(|it| name_of_version(it, key, names)).collect()
}

/// The newest of the versions that stand here and were lost by a server that says `remote`.
fn newest_lost<S: Snapshot>(
    tx: &Transaction<S>,
    local: &Siblings<DocumentVersion>,
    remote: &Siblings<DocumentVersion>,
    lives: &Lives,
) -> Option<Dot> {
    let names = tx.incarnations();
    let lost = local
        .live
        .iter()
        .filter(|it| !remote.context.contains(it.dot) && lives.has_lost(it.dot, names));
    let newest = lost.max_by_key(|it| it.value.last_modified);
    newest.map(|it| it.dot)
}

/// Makes a lost version of a document pending again, if there is one, over what the server says.
/// `remote` is empty where it says nothing of the document. Whether it is pending now.
pub(super) async fn offer_lost_again<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    stored: &Stored,
    remote: &Siblings<DocumentVersion>,
    lives: &Lives,
) -> Result<bool> {
    let Some(dot) = newest_lost(tx, &stored.set, remote, lives) else {
        return Ok(false);
    };
    let Some(mut edge) = tx.edge().cloned() else {
        return Ok(false);
    };
    let mut set = stored.set.clone();
    let (mut chosen, others) = std::mem::take(&mut set.live)
        .into_iter()
        .partition::<Vec<_>, _>(|it| it.dot == dot);
    chosen.truncate(1);
    if !others.is_empty() {
        // It was in conflict. One version can be pending; of the others, those that the server has
        // meet it there, and those that were lost too stay as revisions.
        for other in others.iter().filter(|it| !remote.has(it.dot)) {
            keep_as_revision(tx, key, other).await?;
        }
        set.live.clone_from(&chosen);
        let etag = tx.take_etag();
        install(tx, key, &stored.previous, &set, etag).await?;
    }
    let own = tx.incarnations().own();
    let base = super::local_write::shared_context(&set.context, own);
    let replaced = remote
        .live
        .iter()
        .filter(|it| base.contains(it.dot) && !others.iter().any(|other| other.dot == it.dot));
    let (replaces, origins): (Vec<Dot>, Vec<Option<Origin>>) =
        replaced.map(|it| (it.dot, it.origin)).unzip();
    let origin = next_origin(&mut edge, key, &LocalWrite::of_version(&chosen[0].value));
    tx.set_edge(edge);
    let pending = PendingWrite {
        origin,
        base,
        replaces,
        replaced_origins: origins.into_iter().flatten().collect(),
        chain: Vec::new(),
        is_sent: false,
        accepted: None,
        refusal: None,
        lost: Some(dot),
    };
    put_pending(tx, key, &pending);
    let pulled = (!remote.is_empty()).then_some(remote);
    put_state(tx, EdgeStateKind::Pulled, key, pulled).await?;
    Ok(true)
}
