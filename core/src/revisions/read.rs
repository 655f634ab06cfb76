//! Reading revisions.

use std::ops::Bound;

use bytes::Bytes;

use super::stored::with_records;
use crate::document::{StoredDocument, to_id_key};
use crate::host::Timestamp;
use crate::reader::{Pages, ReadTransaction};
use crate::schema::{REVISION_BIN, REVISION_VECTORS, REVISIONS, etags, revisions};
use crate::storage::{Direction, KeyRange, Snapshot};
use crate::version::{ChangeVector, Etag};
use crate::{Error, Result};

/// How many revisions are in memory with their records before they are looked at.
const WITH_RECORDS: usize = 16;

/// Which revisions of a document are wanted.
#[derive(Debug, Clone)]
pub struct RevisionPage {
    /// How many of the newest are passed over.
    pub start: usize,
    /// The most to answer.
    pub size: usize,
    /// The most bytes in memory, about.
    pub max_bytes: usize,
    /// Whether their bodies are left out: each is `{}`.
    pub metadata_only: bool,
}

impl<S: Snapshot> ReadTransaction<S> {
    pub(crate) async fn revisions_by_key(&self, keys: Vec<Bytes>) -> Result<Vec<StoredDocument>> {
        let values = self.snapshot.get_many(REVISIONS, &keys).await?;
        let listed = keys.into_iter().zip(values).map(|(key, value)| {
            let value = value.ok_or_else(|| Error::corrupted("a revision is missing"))?;
            Ok((key, value))
        });
        let listed = listed.collect::<Result<_>>()?;
        self.listed_revisions(listed).await
    }

    async fn listed_revisions(&self, listed: Vec<(Bytes, Bytes)>) -> Result<Vec<StoredDocument>> {
        let found = with_records(&self.snapshot, listed).await?;
        let found = found.into_iter();
        found
            .map(|(key, record)| self.revision(&key, record))
            .collect()
    }

    fn revision(&self, key: &Bytes, value: Bytes) -> Result<StoredDocument> {
        let (id_key, _) = revisions::decode_key(key)?;
        StoredDocument::new(id_key, value, &self.incarnations)
    }

    /// The revisions of a document, newest first.
    ///
    /// # Errors
    /// Whatever the store reports; `Corrupted` when a record does not fit.
    pub async fn revisions(
        &self,
        id: &str,
        start: usize,
        size: usize,
    ) -> Result<Vec<StoredDocument>> {
        let page = RevisionPage {
            start,
            size,
            max_bytes: usize::MAX,
            metadata_only: false,
        };
        self.revision_page(id, &page).await
    }

    /// As [`Self::revisions`], but no more is read once there is more than `max_bytes` of them.
    ///
    /// # Errors
    /// As [`Self::revisions`].
    pub async fn revision_page(
        &self,
        id: &str,
        page: &RevisionPage,
    ) -> Result<Vec<StoredDocument>> {
        let range = revisions::range(&to_id_key(id));
        let wanted = page.start.saturating_add(page.size);
        let mut pages = Pages::new(REVISIONS, range, Direction::Backward, wanted);
        let (mut found, mut to_skip, mut byte_count) = (Vec::new(), page.start, 0);
        while found.len() < page.size {
            let Some(mut entries) = pages.next(&self.snapshot).await? else {
                break;
            };
            let skipped = to_skip.min(entries.len());
            to_skip -= skipped;
            entries.drain(..skipped);
            entries.truncate(page.size - found.len());
            for listed in entries.chunks(WITH_RECORDS) {
                for revision in self.listed_revisions(listed.to_vec()).await? {
                    let revision = match page.metadata_only {
                        true => revision.without_body()?,
                        false => revision,
                    };
                    byte_count += revision.byte_count();
                    found.push(revision);
                }
                if byte_count > page.max_bytes {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// How many revisions a document has.
    ///
    /// # Errors
    /// As [`Self::revisions`].
    pub async fn revision_count(&self, id: &str) -> Result<u64> {
        let key = revisions::count_key(&to_id_key(id));
        let found = self.snapshot.get_many(REVISIONS, &[key]).await?;
        let count = found.into_iter().next().flatten();
        count.map_or(Ok(0), |value| revisions::decode_count(&value))
    }

    /// Revisions by change vector, in the order asked for; `None` where there is none.
    ///
    /// # Errors
    /// `InvalidRequest` for a text that is no change vector; as [`Self::revisions`].
    pub async fn revisions_by_vector<I: AsRef<str>>(
        &self,
        change_vectors: &[I],
    ) -> Result<Vec<Option<StoredDocument>>> {
        let mut known = (*self.incarnations).clone();
        let mut vector_keys = Vec::with_capacity(change_vectors.len());
        for text in change_vectors {
            let vector = ChangeVector::parse(text.as_ref(), &mut known)?;
            vector_keys.push(revisions::vector_key(&vector));
        }
        let keys = self
            .snapshot
            .get_many(REVISION_VECTORS, &vector_keys)
            .await?;
        let existing = keys.iter().flatten().cloned().collect();
        let mut found = self.revisions_by_key(existing).await?.into_iter();
        Ok(keys
            .iter()
            .map(|key| key.as_ref().and_then(|_| found.next()))
            .collect())
    }

    /// What a document was at a moment: its newest revision by time that is not younger. All of
    /// them are looked at: revisions come from dumps and from edges long after they were written.
    ///
    /// # Errors
    /// As [`Self::revisions`].
    pub async fn revision_before(
        &self,
        id: &str,
        moment: Timestamp,
    ) -> Result<Option<StoredDocument>> {
        let range = revisions::range(&to_id_key(id));
        let mut pages = Pages::new(REVISIONS, range, Direction::Backward, WITH_RECORDS);
        let mut found: Option<StoredDocument> = None;
        while let Some(entries) = pages.next(&self.snapshot).await? {
            for revision in self.listed_revisions(entries).await? {
                let at = revision.last_modified();
                // Of several at one moment the last one that came.
                let is_newer = found.as_ref().is_none_or(|it| at > it.last_modified());
                if at <= moment && is_newer {
                    found = Some(revision);
                }
            }
        }
        Ok(found)
    }

    /// The bin: delete revisions of documents that are deleted, newest first, from `before` on if
    /// it is not zero.
    ///
    /// # Errors
    /// As [`Self::revisions`].
    pub async fn revision_bin(
        &self,
        before: Etag,
        start: usize,
        size: usize,
    ) -> Result<Vec<StoredDocument>> {
        let mut range = KeyRange::all();
        if before != Etag::ZERO {
            range.end = Bound::Excluded(etags::key(before));
        }
        let wanted = start.saturating_add(size);
        let mut pages = Pages::new(REVISION_BIN, range, Direction::Backward, wanted);
        let mut keys = Vec::new();
        while keys.len() < wanted {
            let Some(entries) = pages.next(&self.snapshot).await? else {
                break;
            };
            keys.extend(entries.into_iter().map(|(_, key)| key));
        }
        self.revisions_by_key(keys.into_iter().skip(start).take(size).collect())
            .await
    }

    /// When the document was deleted that is in the bin longest.
    ///
    /// # Errors
    /// As [`Self::revisions`].
    pub async fn oldest_in_revision_bin(&self) -> Result<Option<Timestamp>> {
        let mut pages = Pages::new(REVISION_BIN, KeyRange::all(), Direction::Forward, 1);
        let first = pages.next(&self.snapshot).await?.unwrap_or_default();
        let keys = first.into_iter().map(|(_, key)| key).take(1).collect();
        let found = self.revisions_by_key(keys).await?;
        Ok(found.first().map(|it| it.last_modified()))
    }
}
