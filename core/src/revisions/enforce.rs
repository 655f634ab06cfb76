//! Applying the configuration to revisions that are already there, one bounded step at a time.

use bytes::Bytes;

use super::record::{remove_where, retain};
use super::walk::{collection_if_wanted, next_documents, settle};
use crate::Result;
use crate::commands::Transaction;
use crate::schema::documents::DocumentFlags;
use crate::storage::Snapshot;

/// One step: applies limits, and removes the revisions that no configuration covers.
#[derive(Debug, Clone)]
pub struct EnforceRevisions {
    /// Where the last step stopped; empty at first.
    pub after: Bytes,
    /// The most documents to look at.
    pub limit: usize,
    /// If not empty: only these collections, by lower-cased name.
    pub collections: Vec<String>,
    /// Whether revisions that were made on request go too where no configuration covers them.
    pub includes_forced: bool,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnforcedRevisions {
    /// How many documents were looked at.
    pub documents: u64,
    /// How many revisions were removed.
    pub removed: u64,
    /// Where the next step goes on; `None` when all is done.
    pub next: Option<Bytes>,
}

impl EnforceRevisions {
    pub(crate) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<EnforcedRevisions> {
        let mut done = EnforcedRevisions::default();
        let (documents, next) = next_documents(tx, &self.after, self.limit).await?;
        done.next = next;
        for id_key in documents {
            done.documents += 1;
            done.removed += self.enforce(tx, &id_key).await?;
        }
        Ok(done)
    }

    async fn enforce<S: Snapshot>(&self, tx: &mut Transaction<S>, id_key: &Bytes) -> Result<u64> {
        let collection = collection_if_wanted(tx, id_key, &self.collections).await?;
        let Some(collection) = collection else {
            return Ok(0);
        };
        let removed = match tx.kept_revisions(collection.key()).await? {
            Some(kept) => retain(tx, id_key, &kept, None).await?,
            None => {
                let is_meant = |flags: DocumentFlags| {
                    self.includes_forced || !flags.contains(DocumentFlags::FORCE_CREATED)
                };
                remove_where(tx, id_key, u64::MAX, |it| is_meant(it.flags)).await?
            }
        };
        if removed > 0 {
            settle(tx, id_key).await?;
        }
        Ok(removed)
    }
}
