//! Removing tombstones that nobody needs any more.

use bytes::Bytes;

use super::Transaction;
use crate::Result;
use crate::document::CollectionName;
use crate::host::Timestamp;
use crate::schema::etags::{self, ItemKind};
use crate::schema::tombstones::Tombstone;
use crate::schema::{
    COLLECTION_ETAGS, DEPARTURES, ETAGS, TOMBSTONES, collection_etags, departures,
};
use crate::storage::{KeyRange, Snapshot};
use crate::version::Etag;

/// Removes tombstones of one collection, oldest first, in one bounded step.
#[derive(Debug, Clone)]
pub struct CleanTombstones {
    /// The collection.
    pub collection: CollectionName,
    /// The newest etag that every consumer (index, replica, backup) has passed.
    pub up_to: Etag,
    /// Only tombstones written before this are removed: the horizon within which an offline
    /// replica may return.
    pub older_than: Timestamp,
    /// The most to remove in this step.
    pub limit: usize,
}

impl CleanTombstones {
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<usize> {
        let range = collection_etags::range(self.collection.key(), ItemKind::Tombstone);
        let range = KeyRange {
            end: std::ops::Bound::Included(collection_etags::key(
                self.collection.key(),
                ItemKind::Tombstone,
                self.up_to,
            )),
            ..range
        };
        let (mut removed, mut purged) = (0, Etag::ZERO);
        for (_, key) in tx.scan(COLLECTION_ETAGS, &range, self.limit).await? {
            let Some(value) = tx.get(TOMBSTONES, &key).await? else {
                continue;
            };
            let tombstone = Tombstone::decode(&value)?;
            // Clocks may have jumped; an early one does not hide later ones behind it.
            if tombstone.last_modified < self.older_than && !tombstone.is_conflict() {
                purged = purged.max(tombstone.etag);
                remove(tx, &key, &tombstone).await?;
                tx.delete(TOMBSTONES, key);
                removed += 1;
            }
        }
        self.clean_departures(tx).await?;
        if removed > 0 {
            crate::replication::note_purged(tx, purged).await?;
        }
        Ok(removed)
    }

    /// Departures have no time of their own, and only indexes follow them.
    async fn clean_departures<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<()> {
        let range = KeyRange {
            end: std::ops::Bound::Included(departures::key(self.collection.key(), self.up_to)),
            ..departures::range(self.collection.key())
        };
        for (key, _) in tx.scan(DEPARTURES, &range, self.limit).await? {
            tx.delete(DEPARTURES, key);
        }
        Ok(())
    }
}

/// Takes a tombstone out of its tables and the counts.
pub(crate) async fn remove<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    tombstone: &Tombstone,
) -> Result<()> {
    let collection = CollectionName::new(tombstone.collection.as_str())?;
    tx.delete(TOMBSTONES, key.clone());
    tx.delete(ETAGS, etags::key(tombstone.etag));
    let by_collection =
        collection_etags::key(collection.key(), ItemKind::Tombstone, tombstone.etag);
    tx.delete(COLLECTION_ETAGS, by_collection);
    let mut statistics = tx
        .collection_statistics(collection.as_str(), collection.key())
        .await?;
    statistics.tombstone_count = statistics.tombstone_count.saturating_sub(1);
    tx.put_collection_statistics(collection.key(), &statistics);
    Ok(())
}
