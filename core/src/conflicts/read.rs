//! Reading conflicts.

use std::fmt;

use bytes::Bytes;

use crate::commands::Transaction;
use crate::document::{StoredDocument, to_id_key};
use crate::reader::Pages;
use crate::schema::conflicts::{self, DocumentVersion};
use crate::schema::documents::DocumentRecord;
use crate::schema::edge::{EdgeStateKind, state_key};
use crate::schema::tombstones::Tombstone;
use crate::schema::{CONFLICTS, DOCUMENTS, EDGE_STATES, TOMBSTONES};
use crate::storage::{Direction, KeyRange, Snapshot};
use crate::version::{ChangeVector, Etag, Siblings};
use crate::{Error, ErrorKind, ReadTransaction, Result};

/// How many documents in conflict are read at once with their versions.
const VERSIONS_OF: usize = 16;

/// A document of which several versions live.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// The id, as the first version has it.
    pub id: String,
    /// The lower-cased id.
    pub key: Bytes,
    /// The local etag.
    pub etag: Etag,
    /// The text of the set's change vector: a write that expects it settles the conflict.
    pub change_vector: String,
    /// The versions.
    pub set: Siblings<DocumentVersion>,
}

/// Details of an [`ErrorKind::DocumentConflict`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictDetails {
    /// The document's id.
    pub id: String,
    /// The largest etag of the conflict.
    pub largest_etag: u64,
}

impl fmt::Display for ConflictDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is in conflict", self.id)
    }
}

impl std::error::Error for ConflictDetails {}

impl<S: Snapshot> ReadTransaction<S> {
    /// The conflict of a document, if it has one.
    ///
    /// # Errors
    /// Whatever the store reports; `Corrupted` when a record does not fit.
    pub async fn conflict(&self, id: &str) -> Result<Option<Conflict>> {
        self.conflict_at(to_id_key(id)).await
    }

    /// What a conflict of an edge is based on: the version that the author of its own version had
    /// before. Others do not know.
    ///
    /// # Errors
    /// As [`Self::conflict`].
    pub async fn conflict_base(&self, id: &str) -> Result<Option<DocumentVersion>> {
        let key = state_key(EdgeStateKind::ConflictBase, &to_id_key(id));
        let found = self.snapshot.get_many(EDGE_STATES, &[key]).await?;
        let Some(value) = found.into_iter().next().flatten() else {
            return Ok(None);
        };
        let base = conflicts::decode(&value)?.live.pop();
        Ok(base.map(|it| it.value).filter(|it| !it.is_deletion))
    }

    async fn conflict_at(&self, key: Bytes) -> Result<Option<Conflict>> {
        let keys = [key];
        let Some(value) = self
            .snapshot
            .get_many(CONFLICTS, &keys)
            .await?
            .pop()
            .flatten()
        else {
            return Ok(None);
        };
        let tombstone = self
            .snapshot
            .get_many(TOMBSTONES, &keys)
            .await?
            .pop()
            .flatten();
        let missing = || Error::corrupted("a conflict has no tombstone");
        let tombstone = Tombstone::decode(&tombstone.ok_or_else(missing)?)?;
        let set = conflicts::decode(&value)?;
        let [key] = keys;
        Ok(Some(Conflict {
            id: tombstone.id,
            key,
            etag: tombstone.etag,
            change_vector: set.context.to_text(&self.incarnations)?,
            set,
        }))
    }

    /// How many documents are in conflict, and how many versions they have together.
    ///
    /// # Errors
    /// As [`Self::conflict`].
    pub async fn conflict_counts(&self) -> Result<(u64, u64)> {
        let (mut documents, mut versions) = (0, 0);
        let everything = KeyRange::all();
        let mut pages = Pages::new(CONFLICTS, everything, Direction::Forward, usize::MAX);
        while let Some(entries) = pages.next(&self.snapshot).await? {
            for (_, value) in entries {
                documents += 1;
                versions += conflicts::decode(&value)?.live.len() as u64;
            }
        }
        Ok((documents, versions))
    }

    /// Conflicts in the order of their ids, after `start_after` (empty for the first), at most
    /// `limit`.
    ///
    /// # Errors
    /// As [`Self::conflict`].
    pub async fn conflicts(&self, start_after: &str, limit: usize) -> Result<Vec<Conflict>> {
        let mut range = KeyRange::all();
        if !start_after.is_empty() {
            range = range.after(to_id_key(start_after));
        }
        let mut found = Vec::new();
        let mut pages = Pages::new(CONFLICTS, range, Direction::Forward, limit);
        while let Some(entries) = pages.next(&self.snapshot).await? {
            for (key, _) in entries {
                if found.len() >= limit {
                    return Ok(found);
                }
                found.extend(self.conflict_at(key).await?);
            }
        }
        Ok(found)
    }

    /// The versions of documents in conflict as records, in the order of their ids: of each the
    /// newest one, or all that are no deletions. Also the id to go on after; `None` at the end.
    ///
    /// # Errors
    /// As [`Self::conflict`].
    pub(crate) async fn conflict_versions(
        &self,
        start_after: &str,
        newest_only: bool,
    ) -> Result<(Vec<StoredDocument>, Option<String>)> {
        let found = self.conflicts(start_after, VERSIONS_OF).await?;
        let last = found.last().map(|it| it.id.clone());
        let mut versions = Vec::new();
        for conflict in found {
            let mut live = conflict.set.live;
            live.retain(|it| !it.value.is_deletion);
            live.sort_by_key(|it| it.value.last_modified);
            let passed_over = match newest_only {
                true => live.len().saturating_sub(1),
                false => 0,
            };
            for version in &live[passed_over..] {
                let name = super::store::name_of(version);
                let record = super::store::parts_of(&conflict.key, version, &name).encode();
                let key = conflict.key.clone();
                versions.push(StoredDocument::new(key, record.into(), &self.incarnations)?);
            }
        }
        Ok((versions, last))
    }

    /// Everything that lives under an id: one version, a deletion, several versions, or nothing.
    ///
    /// # Errors
    /// As [`Self::conflict`].
    pub async fn live_versions(&self, id: &str) -> Result<Siblings<DocumentVersion>> {
        let keys = [to_id_key(id)];
        if let Some(value) = self
            .snapshot
            .get_many(DOCUMENTS, &keys)
            .await?
            .pop()
            .flatten()
        {
            return Ok(super::of_record(&keys[0], &DocumentRecord::decode(value)?));
        }
        if let Some(value) = self
            .snapshot
            .get_many(CONFLICTS, &keys)
            .await?
            .pop()
            .flatten()
        {
            return conflicts::decode(&value);
        }
        let tombstone = self
            .snapshot
            .get_many(TOMBSTONES, &keys)
            .await?
            .pop()
            .flatten();
        let tombstone = tombstone
            .map(|value| Tombstone::decode(&value))
            .transpose()?;
        Ok(tombstone.map_or_else(Siblings::default, |it| super::of_tombstone(&it)))
    }

    /// The text of a version's own name: the dot that made it.
    ///
    /// # Errors
    /// `Corrupted` when its incarnation is unknown.
    pub fn version_name(&self, dot: crate::version::Dot) -> Result<String> {
        [dot]
            .into_iter()
            .collect::<ChangeVector>()
            .to_text(&self.incarnations)
    }

    /// Refuses to read any of `keys` that is in conflict.
    pub(crate) async fn refuse_conflicts(&self, keys: &[Bytes]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let values = self.snapshot.get_many(CONFLICTS, keys).await?;
        for (key, _) in keys.iter().zip(values).filter(|(_, value)| value.is_some()) {
            if let Some(conflict) = self.conflict_at(key.clone()).await? {
                return Err(in_conflict(
                    &conflict.id,
                    conflict.etag,
                    conflict.set.live.len(),
                ));
            }
        }
        Ok(())
    }
}

/// Refuses to change a document as if there were none, where it is in conflict.
pub(crate) async fn refuse_conflict<S: Snapshot>(tx: &Transaction<S>, key: &Bytes) -> Result<()> {
    let Some(value) = tx.get_once(TOMBSTONES, key).await? else {
        return Ok(());
    };
    let tombstone = Tombstone::decode(&value)?;
    if !tombstone.is_conflict() {
        return Ok(());
    }
    let versions = tx.get_once(CONFLICTS, key).await?;
    let versions = versions.map(|it| conflicts::decode(&it)).transpose()?;
    let count = versions.map_or(0, |it| it.live.len());
    Err(in_conflict(&tombstone.id, tombstone.etag, count))
}

/// The error of whoever loads a document in conflict.
fn in_conflict(id: &str, etag: Etag, count: usize) -> Error {
    Error::new(
        ErrorKind::DocumentConflict,
        format!(
            "The document {id} is in conflict: {count} versions live. Read them all, then put the \
             document or delete it to settle the conflict."
        ),
    )
    .with_source(ConflictDetails {
        id: id.to_owned(),
        largest_etag: etag.number(),
    })
}
