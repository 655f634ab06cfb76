//! What happened in a collection since an index last looked: documents, deletions, departures.

use bytes::Bytes;

use super::tables::Cursor;
use crate::document::CollectionName;
use crate::reader::{Pages, ReadTransaction};
use crate::schema::collections::CollectionStatistics;
use crate::schema::etags::{self, ItemKind};
use crate::schema::{
    COLLECTION_ETAGS, COLLECTIONS, DEPARTURES, ETAGS, collection_etags, departures,
};
use crate::storage::{Direction, KeyRange, Snapshot};
use crate::version::Etag;
use crate::{Error, Result};

/// The name of the cursor of all documents.
pub const ALL_DOCUMENTS: &str = "@all_docs";

/// The documents an index follows: those of a collection, or all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Followed {
    /// Every document.
    All,
    /// Those of one collection, by its lower-cased name.
    Collection(String),
}

impl Followed {
    /// By the collection of a map.
    pub fn of(collection: Option<&CollectionName>) -> Self {
        collection.map_or(Self::All, |it| Self::Collection(it.key().to_owned()))
    }

    /// By the name of a cursor.
    pub fn of_cursor(name: &str) -> Self {
        if name == ALL_DOCUMENTS {
            Self::All
        } else {
            Self::Collection(name.to_owned())
        }
    }

    /// The name of its cursor.
    pub fn cursor_name(&self) -> &str {
        match self {
            Self::All => ALL_DOCUMENTS,
            Self::Collection(key) => key,
        }
    }

    /// Where the documents stand: what a cursor must reach to have seen everything.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn newest<S: Snapshot>(&self, tx: &ReadTransaction<S>) -> Result<Cursor> {
        let of = |it: &CollectionStatistics| Cursor {
            documents: it.last_document_etag.number(),
            tombstones: it.last_tombstone_etag.number(),
        };
        match self {
            Self::All => {
                let mut newest = Cursor::default();
                let all = Pages::new(COLLECTIONS, KeyRange::all(), Direction::Forward, usize::MAX)
                    .all(&tx.snapshot)
                    .await?;
                for (_, value) in all {
                    let one = of(&CollectionStatistics::decode(&value)?);
                    newest.documents = newest.documents.max(one.documents);
                    newest.tombstones = newest.tombstones.max(one.tombstones);
                }
                Ok(newest)
            }
            Self::Collection(key) => {
                let key = Bytes::copy_from_slice(key.as_bytes());
                let found = tx.snapshot.get_many(COLLECTIONS, &[key]).await?;
                let found = found.into_iter().next().flatten();
                found.map_or(Ok(Cursor::default()), |value| {
                    Ok(of(&CollectionStatistics::decode(&value)?))
                })
            }
        }
    }

    /// The keys of live documents written after `after`, in etag order; whether there may be more.
    ///
    /// # Errors
    /// Whatever the store reports; `Corrupted` when a record does not fit.
    pub async fn documents_after<S: Snapshot>(
        &self,
        tx: &ReadTransaction<S>,
        after: u64,
        limit: usize,
    ) -> Result<Changed> {
        self.items_after(tx, ItemKind::Document, after, limit).await
    }

    /// The keys of documents deleted after `after`, or gone to another collection.
    ///
    /// # Errors
    /// As [`Self::documents_after`].
    pub async fn gone_after<S: Snapshot>(
        &self,
        tx: &ReadTransaction<S>,
        after: u64,
        limit: usize,
    ) -> Result<Changed> {
        let mut gone = self
            .items_after(tx, ItemKind::Tombstone, after, limit)
            .await?;
        let Self::Collection(key) = self else {
            return Ok(gone);
        };
        let range = departures::range(key).after(departures::key(key, Etag::new(after)));
        let mut pages = Pages::new(DEPARTURES, range, Direction::Forward, limit);
        let mut departures = 0;
        while departures < limit
            && let Some(page) = pages.next(&tx.snapshot).await?
        {
            for (departure, key) in page.into_iter().take(limit - departures) {
                let etag = departures::decode_etag(&departure)?.number();
                gone.items.push((etag, key));
                departures += 1;
            }
        }
        gone.items.sort();
        // Of two lists that break off, only as many of the first are known to have none between.
        if departures >= limit || gone.has_more {
            gone.items.truncate(limit);
            gone.has_more = true;
        }
        Ok(gone)
    }

    async fn items_after<S: Snapshot>(
        &self,
        tx: &ReadTransaction<S>,
        kind: ItemKind,
        after: u64,
        limit: usize,
    ) -> Result<Changed> {
        let (space, range) = match self {
            Self::All => (ETAGS, KeyRange::all().after(etags::key(Etag::new(after)))),
            Self::Collection(key) => {
                let after = collection_etags::key(key, kind, Etag::new(after));
                let range = collection_etags::range(key, kind).after(after);
                (COLLECTION_ETAGS, range)
            }
        };
        let mut changed = Changed::default();
        let mut pages = Pages::new(space, range, Direction::Forward, limit);
        while let Some(entries) = pages.next(&tx.snapshot).await? {
            for (key, value) in entries {
                let (etag, of_kind, document) = match self {
                    Self::All => {
                        let (kind, document) = etags::decode_value(&value)?;
                        (etags::decode_key(&key)?, kind, document)
                    }
                    Self::Collection(_) => {
                        let (_, kind, etag) = collection_etags::decode_key(&key)?;
                        (etag, kind, value)
                    }
                };
                if of_kind == kind {
                    changed.items.push((etag.number(), document));
                }
                if changed.items.len() >= limit {
                    changed.has_more = true;
                    return Ok(changed);
                }
            }
        }
        Ok(changed)
    }
}

/// What changed, by etag.
#[derive(Debug, Default)]
pub struct Changed {
    /// Etag and document key.
    pub items: Vec<(u64, Bytes)>,
    /// Whether there may be more.
    pub has_more: bool,
}

impl Changed {
    /// The etag to go on after, if there is more.
    ///
    /// # Errors
    /// `Internal` when there is more of nothing.
    pub fn last_etag(&self) -> Result<u64> {
        self.items.last().map(|(etag, _)| *etag).ok_or_else(|| {
            Error::new(
                crate::ErrorKind::Internal,
                "an index followed an empty page that has more",
            )
        })
    }
}
