//! Applying the configuration to revisions that are already there, one bounded step at a time.

use bytes::Bytes;

use super::record::{purge, retain, rewrite};
use crate::Result;
use crate::commands::Transaction;
use crate::document::CollectionName;
use crate::schema::documents::{DocumentFlags, DocumentParts, DocumentRecord};
use crate::schema::tombstones::Tombstone;
use crate::schema::{DOCUMENTS, REVISION_COUNTS, REVISIONS, TOMBSTONES, revisions};
use crate::storage::{KeyRange, Snapshot};

/// One step: applies limits, and removes the revisions that no configuration covers.
#[derive(Debug, Clone)]
pub struct EnforceRevisions {
    /// Where the last step stopped; empty at first.
    pub after: Bytes,
    /// The most documents to look at.
    pub limit: usize,
    /// If not empty: only these collections, by lower-cased name.
    pub collections: Vec<String>,
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
        let range = match self.after.is_empty() {
            true => KeyRange::all(),
            false => KeyRange::all().after(self.after.clone()),
        };
        let listed = tx.scan(REVISION_COUNTS, &range, self.limit.max(1)).await?;
        let is_full = listed.len() >= self.limit.max(1);
        done.next = listed
            .last()
            .map(|(key, _)| key.clone())
            .filter(|_| is_full);
        for (id_key, _) in listed {
            done.documents += 1;
            done.removed += self.enforce(tx, &id_key).await?;
        }
        Ok(done)
    }

    async fn enforce<S: Snapshot>(&self, tx: &mut Transaction<S>, id_key: &Bytes) -> Result<u64> {
        let oldest = tx.scan(REVISIONS, &revisions::range(id_key), 1).await?;
        let Some((_, value)) = oldest.into_iter().next() else {
            return Ok(0);
        };
        let collection = CollectionName::new(DocumentRecord::decode(value)?.collection())?;
        if !self.collections.is_empty() && !self.collections.contains(&collection.key().to_owned())
        {
            return Ok(0);
        }
        let removed = match tx.kept_revisions(collection.key()).await? {
            Some(kept) => retain(tx, id_key, &kept, None).await?,
            None => purge(tx, id_key).await?,
        };
        if super::record::count(tx, id_key).await? == 0 {
            unflag(tx, id_key).await?;
        }
        Ok(removed)
    }
}

/// A document without revisions is not flagged to have some.
async fn unflag<S: Snapshot>(tx: &mut Transaction<S>, id_key: &Bytes) -> Result<()> {
    if let Some(value) = tx.get(DOCUMENTS, id_key).await? {
        let stored = DocumentRecord::decode(value)?;
        let mut parts = DocumentParts::of_record(&stored, id_key);
        parts.flags = parts.flags.without(DocumentFlags::HAS_REVISIONS);
        rewrite(tx, id_key, &stored, parts).await?;
    } else if let Some(value) = tx.get(TOMBSTONES, id_key).await? {
        let mut tombstone = Tombstone::decode(&value)?;
        tombstone.flags = tombstone.flags.without(DocumentFlags::HAS_REVISIONS);
        tx.put(TOMBSTONES, id_key.clone(), tombstone.encode());
    }
    Ok(())
}
