//! The bin: who gets into it belatedly, and what leaves it for good.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::record::{purge, record_deletion};
use super::walk::{collection_if_wanted, lives, newest_deletion, next_documents, settle};
use crate::commands::Transaction;
use crate::document::parse_object;
use crate::host::Timestamp;
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::schema::tombstones::Tombstone;
use crate::schema::{REVISION_BIN, TOMBSTONES, etags, revisions};
use crate::storage::{KeyRange, Snapshot};
use crate::{Error, Result};

/// How the bin is emptied. The names are the protocol's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RevisionBinConfiguration {
    /// Whether it is not.
    pub disabled: bool,
    /// How long a deleted document stays in it, in minutes.
    pub minimum_entries_age_to_keep_in_min: u64,
    /// Seconds between two looks.
    pub cleaner_frequency_in_sec: u64,
}

impl Default for RevisionBinConfiguration {
    fn default() -> Self {
        Self {
            disabled: true,
            minimum_entries_age_to_keep_in_min: 30 * 24 * 60,
            cleaner_frequency_in_sec: 300,
        }
    }
}

impl RevisionBinConfiguration {
    /// Reads the protocol's JSON.
    ///
    /// # Errors
    /// `InvalidRequest` that names the member which does not fit.
    pub fn parse(json: &str) -> Result<Self> {
        let configuration: Self = parse_object(json).map_err(|reason| {
            Error::invalid(format!(
                "the configuration of the revision bin does not fit: {reason}"
            ))
        })?;
        if configuration.cleaner_frequency_in_sec == 0 {
            return Err(Error::invalid("CleanerFrequencyInSec must be above 0"));
        }
        Ok(configuration)
    }

    /// Deletions before this moment leave the bin; `None` when none does.
    pub fn horizon(&self, now: Timestamp) -> Option<Timestamp> {
        if self.disabled {
            return None;
        }
        Some(now.plus_ms(-self.age_ms()?))
    }

    /// When a document that was deleted at a moment leaves the bin; `None` for never.
    pub fn due_at(&self, deleted_at: Timestamp) -> Option<Timestamp> {
        if self.disabled {
            return None;
        }
        Some(deleted_at.plus_ms(self.age_ms()?))
    }

    fn age_ms(&self) -> Option<i64> {
        let minutes = i64::try_from(self.minimum_entries_age_to_keep_in_min).ok()?;
        minutes.checked_mul(60_000)
    }
}

/// One step: removes the revisions of documents that were deleted before a moment.
#[derive(Debug, Clone)]
pub struct SweepRevisionBin {
    /// The moment.
    pub older_than: Timestamp,
    /// Where the last step stopped; empty at first.
    pub after: Bytes,
    /// The most documents to look at.
    pub limit: usize,
}

/// What a step through the bin did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SweptRevisionBin {
    /// How many documents left the bin.
    pub documents: u64,
    /// How many revisions were removed.
    pub removed: u64,
    /// Where the next step goes on; `None` when all is done.
    pub next: Option<Bytes>,
}

impl SweepRevisionBin {
    pub(crate) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<SweptRevisionBin> {
        let mut done = SweptRevisionBin::default();
        let range = match self.after.is_empty() {
            true => KeyRange::all(),
            false => KeyRange::all().after(self.after.clone()),
        };
        let limit = self.limit.max(1);
        let listed = tx.scan(REVISION_BIN, &range, limit).await?;
        let is_full = listed.len() >= limit;
        done.next = listed.last().map(|(at, _)| at.clone());
        done.next = done.next.filter(|_| is_full);
        for (_, key) in listed {
            let value = tx.revision(&key).await?;
            let value = value.ok_or_else(|| Error::corrupted("a delete revision is missing"))?;
            // The bin is ordered by etags; clocks may have jumped, so all of it is looked at.
            if DocumentRecord::decode(value)?.last_modified >= self.older_than {
                continue;
            }
            let (id_key, _) = revisions::decode_key(&key)?;
            if lives(tx, &id_key).await? {
                // Listed by mistake: nothing of what lives is swept.
                let (_, etag) = revisions::decode_key(&key)?;
                tx.delete(REVISION_BIN, etags::key(etag));
                continue;
            }
            done.documents += 1;
            done.removed += purge(tx, &id_key).await?;
            settle(tx, &id_key).await?;
        }
        Ok(done)
    }
}

/// One step: puts documents into the bin that are not live, have revisions and are not there.
#[derive(Debug, Clone)]
pub struct AdoptRevisions {
    /// Where the last step stopped; empty at first.
    pub after: Bytes,
    /// The most documents to look at.
    pub limit: usize,
    /// If not empty: only these collections, by lower-cased name.
    pub collections: Vec<String>,
}

/// What a step of adoption did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdoptedRevisions {
    /// How many documents were looked at.
    pub documents: u64,
    /// How many were put into the bin.
    pub adopted: u64,
    /// Where the next step goes on; `None` when all is done.
    pub next: Option<Bytes>,
}

impl AdoptRevisions {
    pub(crate) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<AdoptedRevisions> {
        let mut done = AdoptedRevisions::default();
        let (documents, next) = next_documents(tx, &self.after, self.limit).await?;
        done.next = next;
        for id_key in documents {
            done.documents += 1;
            done.adopted += u64::from(self.adopt(tx, &id_key).await?);
        }
        Ok(done)
    }

    async fn adopt<S: Snapshot>(&self, tx: &mut Transaction<S>, id_key: &Bytes) -> Result<bool> {
        let collection = collection_if_wanted(tx, id_key, &self.collections).await?;
        let Some(collection) = collection else {
            return Ok(false);
        };
        if lives(tx, id_key).await? || newest_deletion(tx, id_key).await?.is_some() {
            return Ok(false);
        }
        let Some(newest) = tx.revision_keys(id_key).await?.pop() else {
            return Ok(false);
        };
        let newest = tx.listed_revision(&newest).await?;
        let dot = tx.take_dot();
        let mut context = newest.context.clone();
        context.include(dot);
        let last_modified = tx.now();
        record_deletion(
            tx,
            id_key,
            &newest,
            &collection,
            &context,
            dot,
            last_modified,
        )
        .await?;
        if let Some(value) = tx.get(TOMBSTONES, id_key).await? {
            let mut tombstone = Tombstone::decode(&value)?;
            tombstone.flags = tombstone.flags.with(DocumentFlags::HAS_REVISIONS);
            tx.put(TOMBSTONES, id_key.clone(), tombstone.encode());
        }
        Ok(true)
    }
}
