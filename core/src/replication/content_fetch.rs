//! Getting the contents of attachments before what refers to them is stored.
//!
//! One piece is asked for at a time, so neither side holds more than that in memory. That takes a
//! while, in which what was here at the beginning may go: it is looked for again at the end.

use std::collections::VecDeque;

use bytes::Bytes;

use super::messages::Message;
use super::wire::WireVersion;
use crate::attachments::{AttachmentContent, AttachmentUpload, ListedAttachment, parse_hash};
use crate::database::Database;
use crate::schema::BLOBS;
use crate::schema::blobs::{BlobRecord, ContentHash};
use crate::storage::{Snapshot, Store};
use crate::{Error, ReadTransaction, Result};

/// Contents that are being fetched.
pub(super) struct ContentFetch<S: Store> {
    /// All that must be here at the end, but for what the other side does not have.
    needed: Vec<ContentHash>,
    missing: VecDeque<ContentHash>,
    /// The document of which they are asked for; none where the other side expects it.
    document: Option<String>,
    current: Option<(ContentHash, u64, AttachmentUpload<S>)>,
    pub(super) fetched: Vec<AttachmentContent>,
}

/// The hashes that versions refer to.
pub(super) fn hashes_of<'a>(versions: impl Iterator<Item = &'a str>) -> Vec<ContentHash> {
    let mut hashes: Vec<ContentHash> = Vec::new();
    for list in versions {
        let listed = ListedAttachment::parse_list(list).unwrap_or_default();
        hashes.extend(listed.iter().filter_map(|it| parse_hash(&it.hash).ok()));
    }
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

/// The lists of attachments of a state.
pub(super) fn lists_of(live: &[WireVersion]) -> impl Iterator<Item = &str> {
    live.iter().map(|it| it.version.attachments.as_str())
}

/// A piece of a content for whoever asks, of at most `max_bytes`.
pub(super) async fn piece<S: Snapshot>(
    read: &ReadTransaction<S>,
    hash: ContentHash,
    offset: u64,
    document: Option<String>,
    max_bytes: usize,
) -> Result<Message> {
    let content = read.content(&hash).await?;
    let (size, mut bytes) = match content.filter(BlobRecord::is_here) {
        None => (None, Bytes::new()),
        Some(blob) => (Some(blob.size), read.content_at(&blob, offset).await?),
    };
    bytes.truncate(max_bytes);
    Ok(Message::Content {
        hash,
        document,
        size,
        offset,
        bytes,
    })
}

/// What of `hashes` is not here.
async fn missing_of<S: Store>(
    database: &Database<S>,
    hashes: &[ContentHash],
) -> Result<VecDeque<ContentHash>> {
    let mut missing = VecDeque::new();
    if hashes.is_empty() {
        return Ok(missing);
    }
    let keys: Vec<Bytes> = hashes.iter().map(|it| Bytes::copy_from_slice(it)).collect();
    let read = database.read().await?;
    let found = read.snapshot().get_many(BLOBS, &keys).await?;
    for (hash, blob) in hashes.iter().zip(found) {
        let blob = blob.map(|it| BlobRecord::decode(&it)).transpose()?;
        if !blob.is_some_and(|it| it.is_here()) {
            missing.push_back(*hash);
        }
    }
    Ok(missing)
}

impl<S: Store> ContentFetch<S> {
    /// What of `hashes` is not here.
    pub(super) async fn of(database: &Database<S>, hashes: &[ContentHash]) -> Result<Self> {
        Ok(Self {
            missing: missing_of(database, hashes).await?,
            needed: hashes.to_vec(),
            document: None,
            current: None,
            fetched: Vec::new(),
        })
    }

    /// One content, asked for as one of a document.
    pub(super) fn of_document(id: String, hash: ContentHash) -> Self {
        Self {
            missing: [hash].into(),
            needed: Vec::new(),
            document: Some(id),
            current: None,
            fetched: Vec::new(),
        }
    }

    /// What to ask for next; `None` when everything is here.
    pub(super) async fn next(&mut self, database: &Database<S>) -> Result<Option<Message>> {
        if self.current.is_none() {
            if self.missing.is_empty() && !self.fetched.is_empty() {
                self.missing = missing_of(database, &self.needed).await?;
                let fetched = &self.fetched;
                self.missing
                    .retain(|hash| !fetched.iter().any(|it| it.hash() == hash));
            }
            let Some(hash) = self.missing.pop_front() else {
                return Ok(None);
            };
            self.current = Some((hash, 0, database.begin_upload()?));
        }
        let current = self.current.as_ref();
        Ok(current.map(|(hash, offset, _)| Message::Want {
            hash: *hash,
            offset: *offset,
            document: self.document.clone(),
        }))
    }

    /// Takes a piece. One that was not asked for is an error of the other side.
    pub(super) async fn take(
        &mut self,
        hash: ContentHash,
        size: Option<u64>,
        offset: u64,
        bytes: &Bytes,
    ) -> Result<()> {
        let Some((wanted, at, mut upload)) = self.current.take() else {
            return Err(Error::invalid("a content came that nobody asked for"));
        };
        if (wanted, at) != (hash, offset) {
            return Err(Error::invalid(
                "another piece of a content came than asked for",
            ));
        }
        // What the other side does not have, nobody can wait for.
        let Some(size) = size else {
            self.needed.retain(|it| *it != wanted);
            return Ok(());
        };
        upload.write(bytes).await?;
        let at = offset + bytes.len() as u64;
        if at < size && !bytes.is_empty() {
            self.current = Some((wanted, at, upload));
            return Ok(());
        }
        let content = upload.finish().await?;
        if *content.hash() != wanted {
            return Err(Error::invalid("a content is not what its hash says"));
        }
        self.fetched.push(content);
        Ok(())
    }
}
