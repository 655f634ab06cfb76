//! Uploading a content piece by piece, in bounded memory.

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use bytes::{Bytes, BytesMut};

use super::{AttachmentContent, WriteContent};
use crate::commands::Operation;
use crate::database::Database;
use crate::schema::blobs::{CHUNK_BYTES, ContentId};
use crate::storage::{Durability, Store};
use crate::{Error, ErrorKind, Result};

/// An upload under way. Dropping it leaves a loose content, which the sweep removes.
pub struct AttachmentUpload<S: Store> {
    database: Database<S>,
    content: ContentId,
    hasher: Blake2b<U32>,
    buffer: BytesMut,
    next_index: u32,
    size: u64,
}

impl<S: Store> AttachmentUpload<S> {
    /// Pieces written in one operation.
    const CHUNKS_AT_ONCE: usize = 8;
    /// Contents up to here travel with their command.
    const INLINE_BYTES: usize = 32 << 10;

    pub(crate) fn begin(database: Database<S>, content: ContentId) -> Self {
        Self {
            database,
            content,
            hasher: Blake2b::new(),
            buffer: BytesMut::new(),
            next_index: 0,
            size: 0,
        }
    }

    /// Takes the next bytes of the content.
    ///
    /// # Errors
    /// `LimitExceeded` when the content is too large; whatever the store reports.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.size += bytes.len() as u64;
        let limit = self.database.limits().max_attachment_bytes;
        if self.size > limit {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("the attachment has more than {limit} bytes"),
            ));
        }
        self.hasher.update(bytes);
        while !bytes.is_empty() {
            let room = Self::CHUNKS_AT_ONCE * CHUNK_BYTES - self.buffer.len();
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() >= Self::CHUNKS_AT_ONCE * CHUNK_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Ends the content; what comes back goes into a [`super::PutAttachment`].
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn finish(mut self) -> Result<AttachmentContent> {
        let is_small = self.next_index == 0 && self.buffer.len() <= Self::INLINE_BYTES;
        if !is_small {
            self.flush().await?;
        }
        let hash = self.hasher.finalize().into();
        Ok(match is_small {
            true => AttachmentContent::Inline {
                bytes: self.buffer.freeze(),
                hash,
            },
            false => AttachmentContent::Uploaded {
                content: self.content,
                hash,
                size: self.size,
            },
        })
    }

    async fn flush(&mut self) -> Result<()> {
        let mut rest: Bytes = self.buffer.split().freeze();
        let mut chunks = Vec::with_capacity(Self::CHUNKS_AT_ONCE);
        while !rest.is_empty() {
            chunks.push(rest.split_to(rest.len().min(CHUNK_BYTES)));
        }
        if chunks.is_empty() {
            return Ok(());
        }
        let count = u32::try_from(chunks.len()).expect("a few chunks");
        let write = WriteContent {
            content: self.content,
            first_index: self.next_index,
            chunks,
        };
        // The durable commit that refers to the content makes these durable too.
        self.database
            .execute_with(Operation::WriteContent(write), Durability::Relaxed)
            .await?;
        self.next_index = self.next_index.checked_add(count).ok_or_else(|| {
            Error::new(
                ErrorKind::LimitExceeded,
                "the attachment has too many pieces",
            )
        })?;
        Ok(())
    }
}
