//! The end of a resync: what the server did not send, the edge does not keep.
//!
//! Invariants:
//! - it runs in steps, and one that is cut off is begun again: marks go last, and name the resync
//!   that made them, so that those of another one count for nothing;
//! - of what is forgotten nothing stays that could be read: neither versions in conflict, nor
//!   revisions, nor what only they hold of attachments;
//! - a pending write stays with its document.

use bytes::Bytes;

use super::ReplicationOutcome;
use super::apply_pull::no_edge;
use super::lives::Lives;
use super::lost_write::offer_lost_again;
use super::records::{Stored, install, load};
use super::wire::Name;
use crate::Result;
use crate::commands::Transaction;
use crate::revisions;
use crate::schema::conflicts::DocumentVersion;
use crate::schema::edge::{EdgeStateKind, state_key};
use crate::schema::tombstones::Tombstone;
use crate::schema::{CONFLICTS, DOCUMENTS, EDGE_STATES, PENDING, TOMBSTONES};
use crate::storage::{KeyRange, Snapshot};
use crate::version::{Dot, Entry, Etag, Live, Siblings};

/// How many documents one step looks at.
const SWEPT_AT_ONCE: usize = 1024;

/// What a resync writes down for each document that it meets.
pub(super) fn mark_of(filter: u64, until: Etag) -> Bytes {
    let mut mark = filter.to_be_bytes().to_vec();
    mark.extend(until.number().to_be_bytes());
    mark.into()
}

/// How far the end of a resync is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResyncEnd {
    /// Documents behind this key are looked at next.
    Documents(Option<Bytes>),
    /// The same of what has revisions, living or not.
    Revisions(Bytes),
    /// Only the marks are left.
    Marks,
}

/// One step of ending a resync.
#[derive(Debug, Clone)]
pub struct EndResync {
    /// The server.
    pub hub: Name,
    /// The lives of servers.
    pub lives: Lives,
    /// Where the last step ended.
    pub at: ResyncEnd,
}

impl EndResync {
    pub(super) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        let hub = tx.learn_name(&self.hub);
        let mut edge = tx.edge().cloned().ok_or_else(no_edge)?;
        let cursor = edge.cursors.iter_mut().find(|it| it.hub == hub);
        let resync = cursor.and_then(|it| Some((it.filter, it.resync_until?)));
        let next = match (&self.at, resync) {
            (ResyncEnd::Documents(after), Some((filter, until))) => {
                let mark = mark_of(filter, until);
                forget_documents(tx, after.as_ref(), &mark, &self.lives).await?
            }
            (ResyncEnd::Revisions(after), Some((filter, until))) => {
                forget_revisions(tx, after, &mark_of(filter, until)).await?
            }
            // From here on it is over: that some marks are gone must not look like documents that
            // were not met.
            (ResyncEnd::Marks, Some(_)) => {
                for cursor in edge.cursors.iter_mut().filter(|it| it.hub == hub) {
                    cursor.resync_until = None;
                }
                tx.set_edge(edge);
                ResyncEnd::Marks
            }
            (_, None) => {
                let marks = KeyRange::prefix(&[EdgeStateKind::Met as u8]);
                let marks = tx.scan(EDGE_STATES, &marks, SWEPT_AT_ONCE).await?;
                if marks.is_empty() {
                    return Ok(ReplicationOutcome::Done);
                }
                for (key, _) in marks {
                    tx.delete(EDGE_STATES, key);
                }
                ResyncEnd::Marks
            }
        };
        Ok(ReplicationOutcome::Ending(next))
    }
}

async fn forget_documents<S: Snapshot>(
    tx: &mut Transaction<S>,
    after: Option<&Bytes>,
    mark: &Bytes,
    lives: &Lives,
) -> Result<ResyncEnd> {
    let mut range = KeyRange::all();
    if let Some(after) = after {
        range = range.after(after.clone());
    }
    let documents = tx.scan(DOCUMENTS, &range, SWEPT_AT_ONCE).await?;
    let conflicts = tx.scan(CONFLICTS, &range, SWEPT_AT_ONCE).await?;
    let found = documents.into_iter().chain(conflicts);
    let mut keys: Vec<Bytes> = found.map(|it| it.0).collect();
    keys.sort();
    keys.truncate(SWEPT_AT_ONCE);
    for key in &keys {
        if is_unmet(tx, key, mark).await? {
            forget(tx, key, lives).await?;
        }
    }
    Ok(match keys.pop() {
        Some(last) => ResyncEnd::Documents(Some(last)),
        None => ResyncEnd::Revisions(Bytes::new()),
    })
}

/// Forgets revisions of documents that were just forgotten, or deleted before: whoever may not see
/// a document may not see what it was. Nothing tells that from one that the server has forgotten.
async fn forget_revisions<S: Snapshot>(
    tx: &mut Transaction<S>,
    after: &Bytes,
    mark: &Bytes,
) -> Result<ResyncEnd> {
    if !tx.knows_revisions() {
        return Ok(ResyncEnd::Marks);
    }
    let (keys, next) = revisions::documents_with_some(tx, after, SWEPT_AT_ONCE).await?;
    for key in &keys {
        if is_unmet(tx, key, mark).await? {
            revisions::forget(tx, key).await?;
        }
    }
    Ok(next.map_or(ResyncEnd::Marks, ResyncEnd::Revisions))
}

/// Whether the server does not have the document, or not for this edge. One with a pending write
/// counts as met: the server decides about that.
async fn is_unmet<S: Snapshot>(tx: &mut Transaction<S>, key: &Bytes, mark: &Bytes) -> Result<bool> {
    let is_internal = !super::Scope::everything().contains(key, "");
    if is_internal || tx.get(PENDING, key).await?.is_some() {
        return Ok(false);
    }
    let met = state_key(EdgeStateKind::Met, key);
    // Versions of before marked with nothing.
    let met = tx.get(EDGE_STATES, &met).await?;
    Ok(met.is_none_or(|it| !it.is_empty() && it != *mark))
}

/// Forgets a document, unless the server only lost it, or has yet to hear of it from another.
async fn forget<S: Snapshot>(tx: &mut Transaction<S>, key: &Bytes, lives: &Lives) -> Result<()> {
    let stored = load(tx, key).await?;
    let names = tx.incarnations();
    let mut live = stored.set.live.iter();
    if live.any(|it| lives.is_to_come(it.dot, names))
        || offer_lost_again(tx, key, &stored, &Siblings::default(), &lives.followed()).await?
    {
        return Ok(());
    }
    let Stored { previous, mut set } = stored;
    // Indexes and listeners hear of it as of a deletion; no server does.
    let Some(first) = set.live.first().cloned() else {
        return Ok(());
    };
    set.live = vec![Live {
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
        let tombstone = Tombstone::decode(&value)?;
        let forgotten = Tombstone {
            context: [first_dot(tx)].into_iter().collect(),
            dot: first_dot(tx),
            origin: None,
            ..tombstone
        };
        tx.put(TOMBSTONES, key.clone(), forgotten.encode());
    }
    Ok(())
}

/// A dot of this edge's own, which no server's context is compared with.
fn first_dot<S: Snapshot>(tx: &Transaction<S>) -> Dot {
    Entry {
        incarnation: tx.incarnations().own(),
        etag: tx.last_etag(),
    }
}
