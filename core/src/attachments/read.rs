//! Reading attachments and their contents.

use bytes::Bytes;

use super::{AttachmentStatistics, hash_text};
use crate::document::to_id_key;
use crate::reader::{Pages, ReadTransaction};
use crate::schema::attachment_counts::{self, ATTACHMENT_COUNTS_KEY};
use crate::schema::blobs::{self, AttachmentRecord, BlobRecord, CHUNK_BYTES, ContentHash};
use crate::schema::{ATTACHMENTS, BLOBS, CHUNKS, DATABASE};
use crate::storage::{Direction, KeyRange, Snapshot};
use crate::{Error, ErrorKind, Result};

impl<S: Snapshot> ReadTransaction<S> {
    /// An attachment by its document and name, both of any case.
    ///
    /// # Errors
    /// Whatever the store reports; `Corrupted` when the record does not fit.
    pub async fn attachment(&self, id: &str, name: &str) -> Result<Option<AttachmentRecord>> {
        let name: String = name.chars().flat_map(char::to_lowercase).collect();
        let key = blobs::attachment_key(&to_id_key(id), &name);
        let found = self
            .snapshot
            .get_many(ATTACHMENTS, &[key])
            .await?
            .pop()
            .flatten();
        found
            .map(|value| AttachmentRecord::decode(&value))
            .transpose()
    }

    /// The change vector of an attachment as text.
    ///
    /// # Errors
    /// `Corrupted` when it names an unknown incarnation.
    pub fn attachment_change_vector(&self, attachment: &AttachmentRecord) -> Result<String> {
        attachment.context.to_text(&self.incarnations)
    }

    /// The content with `hash`.
    ///
    /// # Errors
    /// As [`Self::attachment`].
    pub async fn content(&self, hash: &ContentHash) -> Result<Option<BlobRecord>> {
        let key = Bytes::copy_from_slice(hash);
        let found = self.snapshot.get_many(BLOBS, &[key]).await?.pop().flatten();
        found.map(|value| BlobRecord::decode(&value)).transpose()
    }

    /// The content of an attachment of the document `id`.
    ///
    /// # Errors
    /// `NotLocal` when it was left on the server; `Corrupted` when it is missing.
    pub async fn content_of(&self, id: &str, attachment: &AttachmentRecord) -> Result<BlobRecord> {
        match self.content(&attachment.hash).await? {
            Some(content) if content.is_here() => Ok(content),
            Some(_) => Err(not_local(id, &attachment.name)),
            None => Err(Error::corrupted(format!(
                "the content of '{}' of '{id}' is missing",
                attachment.name
            ))),
        }
    }

    /// The bytes of a content from `offset` to the end of the piece that holds it; empty at the
    /// end of the content. Call it again behind what it gave to go on.
    ///
    /// # Errors
    /// `NotLocal` when the content was left on the server; `Corrupted` when the piece is missing or
    /// too short.
    pub async fn content_at(&self, content: &BlobRecord, offset: u64) -> Result<Bytes> {
        if !content.is_here() {
            return Err(Error::new(
                ErrorKind::NotLocal,
                "the content is not on this device",
            ));
        }
        if offset >= content.size {
            return Ok(Bytes::new());
        }
        let broken = || {
            Error::corrupted(format!(
                "the content {:x} breaks off at byte {offset} of {}",
                u128::from_be_bytes(content.content),
                content.size
            ))
        };
        let index = u32::try_from(offset / CHUNK_BYTES as u64).map_err(|_| broken())?;
        let start = u64::from(index) * CHUNK_BYTES as u64;
        let key = blobs::chunk_key(&content.content, index);
        let piece = self
            .snapshot
            .get_many(CHUNKS, &[key])
            .await?
            .pop()
            .flatten();
        let piece = piece.ok_or_else(broken)?;
        let expected = (content.size - start).min(CHUNK_BYTES as u64);
        if piece.len() as u64 != expected {
            return Err(broken());
        }
        Ok(piece.slice((offset - start) as usize..))
    }

    /// The counts of attachments, as they are kept.
    ///
    /// # Errors
    /// As [`Self::attachment`].
    pub async fn attachment_statistics(&self) -> Result<AttachmentStatistics> {
        let key = Bytes::from_static(ATTACHMENT_COUNTS_KEY);
        let found = self.snapshot.get_many(DATABASE, &[key]).await?;
        let counts = found.into_iter().next().flatten();
        counts.map_or(Ok(AttachmentStatistics::default()), |value| {
            attachment_counts::decode(&value)
        })
    }

    /// The counts of attachments as they really are, for checks; reads all of their records.
    ///
    /// # Errors
    /// As [`Self::attachment`].
    pub async fn count_attachments(&self) -> Result<AttachmentStatistics> {
        let mut statistics = AttachmentStatistics::default();
        let all = || KeyRange::all();
        let mut pages = Pages::new(ATTACHMENTS, all(), Direction::Forward, usize::MAX);
        while let Some(entries) = pages.next(&self.snapshot).await? {
            statistics.attachment_count += entries.len() as u64;
        }
        let mut pages = Pages::new(BLOBS, all(), Direction::Forward, usize::MAX);
        while let Some(entries) = pages.next(&self.snapshot).await? {
            for (key, value) in entries {
                let blob = BlobRecord::decode(&value)?;
                let hash = key[..].try_into().map(|hash: ContentHash| hash_text(&hash));
                hash.map_err(|_| Error::corrupted("a key of 'blobs' is no hash"))?;
                if blob.is_here() {
                    statistics.content_count += 1;
                    statistics.content_bytes += blob.size;
                }
            }
        }
        Ok(statistics)
    }
}

/// What reading an attachment says whose content was left on the server.
pub(crate) fn not_local(id: &str, name: &str) -> Error {
    Error::new(
        ErrorKind::NotLocal,
        format!("the content of '{name}' of '{id}' is not on this device"),
    )
}
