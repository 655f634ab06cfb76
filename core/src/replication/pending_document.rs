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
    /// The document, as its id was written.
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
                let version = current_version(self, &key).await?;
                found.push(PendingDocument {
                    id: version.id,
                    sequence: pending.origin.sequence,
                    is_deletion: version.is_deletion,
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

/// A document's id as it was written; lower-cased, as its key, if nothing is left of it.
pub(super) async fn written_id<S: Snapshot>(
    read: &ReadTransaction<S>,
    key: &Bytes,
) -> Result<String> {
    Ok(match version_of(read, key).await? {
        Some(version) => version.id,
        None => String::from_utf8_lossy(key).into_owned(),
    })
}

pub(super) async fn current_version<S: Snapshot>(
    read: &ReadTransaction<S>,
    key: &Bytes,
) -> Result<DocumentVersion> {
    let missing = || Error::corrupted("a pending write has neither document nor tombstone");
    version_of(read, key).await?.ok_or_else(missing)
}

async fn version_of<S: Snapshot>(
    read: &ReadTransaction<S>,
    key: &Bytes,
) -> Result<Option<DocumentVersion>> {
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
            let Some(tombstone) = tombstone else {
                return Ok(None);
            };
            of_tombstone(&Tombstone::decode(&tombstone)?)
        }
    };
    let [live] = <[_; 1]>::try_from(set.live).map_err(|_| Error::corrupted("no single version"))?;
    Ok(Some(live.value))
}
