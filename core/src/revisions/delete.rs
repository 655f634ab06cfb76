//! Deleting revisions because somebody said so.

use super::record::{remove, remove_where};
use super::walk::settle;
use crate::commands::Transaction;
use crate::document::DocumentId;
use crate::host::Timestamp;
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::schema::{REVISION_VECTORS, revisions};
use crate::storage::Snapshot;
use crate::version::ChangeVector;
use crate::{Error, Result};

/// Which revisions of a document are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevisionSelection {
    /// Those written between two moments, both included; `None` for no bound.
    Between(Option<Timestamp>, Option<Timestamp>),
    /// Those with these change vectors, as far as there are such.
    ChangeVectors(Vec<String>),
}

/// Deletes revisions of one document; the document stays as it is.
#[derive(Debug, Clone)]
pub struct DeleteRevisions {
    /// Of which document, living or not.
    pub id: DocumentId,
    /// Which of them.
    pub selection: RevisionSelection,
    /// Whether those that were made on request go too.
    pub includes_forced: bool,
    /// The most to delete; those named by change vector all go.
    pub limit: u64,
}

impl DeleteRevisions {
    /// Answers how many went: with fewer than the limit, that was all.
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<u64> {
        let id_key = self.id.key();
        let is_forced = |it: &DocumentRecord| it.flags.contains(DocumentFlags::FORCE_CREATED);
        let removed = match &self.selection {
            RevisionSelection::ChangeVectors(vectors) => {
                let mut removed = 0;
                for vector in vectors {
                    removed += u64::from(self.delete_one(tx, vector).await?);
                }
                removed
            }
            RevisionSelection::Between(from, to) => {
                let is_meant = |it: &DocumentRecord| {
                    from.is_none_or(|from| it.last_modified >= from)
                        && to.is_none_or(|to| it.last_modified <= to)
                        && (self.includes_forced || !is_forced(it))
                };
                remove_where(tx, id_key, self.limit, is_meant).await?
            }
        };
        if removed > 0 {
            settle(tx, id_key).await?;
        }
        Ok(removed)
    }

    async fn delete_one<S: Snapshot>(&self, tx: &mut Transaction<S>, vector: &str) -> Result<bool> {
        let parsed = ChangeVector::parse(vector, &mut tx.incarnations().clone())?;
        let vector_key = revisions::vector_key(&parsed);
        let Some(key) = tx.get(REVISION_VECTORS, &vector_key).await? else {
            return Ok(false);
        };
        if revisions::decode_key(&key)?.0 != *self.id.key() {
            return Err(Error::invalid(format!(
                "the revision {vector} is not one of '{}'",
                self.id.as_str()
            )));
        }
        let value = tx.revision(&key).await?;
        let value = value.ok_or_else(|| Error::corrupted("a revision is missing"))?;
        let revision = DocumentRecord::decode(value)?;
        if !self.includes_forced && revision.flags.contains(DocumentFlags::FORCE_CREATED) {
            return Ok(false);
        }
        remove(tx, &key, &revision).await?;
        Ok(true)
    }
}
