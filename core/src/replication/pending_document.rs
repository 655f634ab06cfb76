//! What an edge has written and no server is known to have, read.

use bytes::Bytes;

use crate::conflicts::{of_record, of_tombstone};
use crate::reader::Pages;
use crate::schema::conflicts::DocumentVersion;
use crate::schema::documents::DocumentRecord;
use crate::schema::edge::{self, PendingWrite, Refusal};
use crate::schema::tombstones::Tombstone;
use crate::schema::{DOCUMENTS, PENDING, PENDING_ORDER, TOMBSTONES};
use crate::storage::{Direction, KeyRange, Snapshot};
use crate::{Error, ReadTransaction, Result};

/// A write that no server is known to have, for an application to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingDocument {
    /// The document, lower-cased.
    pub id: String,
    /// Which write.
    pub sequence: u64,
    /// Whether it is a deletion.
    pub is_deletion: bool,
    /// Why a server refused it.
    pub refusal: Option<Refusal>,
}

impl<S: Snapshot> ReadTransaction<S> {
    /// What is pending on this edge, oldest first, after `sequence`, at most `limit`.
    ///
    /// # Errors
    /// Whatever the store reports; `Corrupted` when a record does not fit.
    pub async fn pending_documents(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<PendingDocument>> {
        let range = KeyRange::all().after(edge::order_key(after));
        let mut pages = Pages::new(PENDING_ORDER, range, Direction::Forward, limit);
        let mut found = Vec::new();
        while let Some(page) = pages.next(&self.snapshot).await? {
            for (_, key) in page {
                if found.len() >= limit {
                    return Ok(found);
                }
                let Some(pending) = pending_of(self, &key).await? else {
                    continue;
                };
                found.push(PendingDocument {
                    id: String::from_utf8_lossy(&key).into_owned(),
                    sequence: pending.origin.sequence,
                    is_deletion: current_version(self, &key).await?.is_deletion,
                    refusal: pending.refusal,
                });
            }
        }
        Ok(found)
    }
}

pub(super) async fn pending_of<S: Snapshot>(
    read: &ReadTransaction<S>,
    key: &Bytes,
) -> Result<Option<PendingWrite>> {
    let stored = read
        .snapshot
        .get_many(PENDING, std::slice::from_ref(key))
        .await?;
    let stored = stored.into_iter().next().flatten();
    stored.map(|value| PendingWrite::decode(&value)).transpose()
}

pub(super) async fn current_version<S: Snapshot>(
    read: &ReadTransaction<S>,
    key: &Bytes,
) -> Result<DocumentVersion> {
    let keys = std::slice::from_ref(key);
    let document = read
        .snapshot
        .get_many(DOCUMENTS, keys)
        .await?
        .pop()
        .flatten();
    let set = match document {
        Some(value) => of_record(key, &DocumentRecord::decode(value)?),
        None => {
            let tombstone = read
                .snapshot
                .get_many(TOMBSTONES, keys)
                .await?
                .pop()
                .flatten();
            let missing = || Error::corrupted("a pending write has neither document nor tombstone");
            of_tombstone(&Tombstone::decode(&tombstone.ok_or_else(missing)?)?)
        }
    };
    let [live] = <[_; 1]>::try_from(set.live).map_err(|_| Error::corrupted("no single version"))?;
    Ok(live.value)
}
