//! Commands on attachments. Each is also a write of the document it belongs to.

use bytes::Bytes;

use super::count::count_attachments;
use super::link::{check_whole, hold_last, link, link_again, release, unlink};
use super::{AttachmentContent, AttachmentName, ListedAttachment};
use crate::commands::store_version::{NewVersion, Previous, store_version};
use crate::commands::{ExpectedVersion, Transaction};
use crate::document::{CollectionName, DocumentId, Schedule};
use crate::schema::blobs::{self, AttachmentRecord, ContentHash, ContentId};
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::schema::{ATTACHMENTS, CHUNKS, LOOSE_CONTENTS};
use crate::storage::Snapshot;
use crate::{Error, ErrorKind, Result};

/// Writes pieces of a content that is being uploaded.
#[derive(Debug, Clone)]
pub struct WriteContent {
    /// The content.
    pub content: ContentId,
    /// The index of the first piece.
    pub first_index: u32,
    /// The pieces, in order.
    pub chunks: Vec<Bytes>,
}

/// Gives a document an attachment, new or in place of the one with its name.
#[derive(Debug, Clone)]
pub struct PutAttachment {
    /// The document.
    pub id: DocumentId,
    /// The attachment's name.
    pub name: AttachmentName,
    /// Its media type; empty for unknown.
    pub content_type: String,
    /// Its content.
    pub content: AttachmentContent,
    /// What the writer believes of the attachment's own version.
    pub expected: ExpectedVersion,
}

/// Removes an attachment from a document.
#[derive(Debug, Clone)]
pub struct DeleteAttachment {
    /// The document.
    pub id: DocumentId,
    /// The attachment's name.
    pub name: AttachmentName,
    /// What the writer believes of the attachment's own version.
    pub expected: ExpectedVersion,
}

/// Copies an attachment, within a document or to another; or moves or renames it.
#[derive(Debug, Clone)]
pub struct CopyAttachment {
    /// The document that has it.
    pub id: DocumentId,
    /// Its name there.
    pub name: AttachmentName,
    /// The document that gets it.
    pub destination_id: DocumentId,
    /// Its name there.
    pub destination_name: AttachmentName,
    /// What the writer believes of the attachment's own version.
    pub expected: ExpectedVersion,
    /// Whether the source loses it.
    pub is_move: bool,
}

/// What became of an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenAttachment {
    /// The document.
    pub id: String,
    /// The attachment's name.
    pub name: String,
    /// Its media type.
    pub content_type: String,
    /// Its hash.
    pub hash: ContentHash,
    /// Its length.
    pub size: u64,
    /// Its own change vector's text.
    pub change_vector: String,
    /// The document's change vector's text.
    pub document_change_vector: String,
}

impl WriteContent {
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<()> {
        let loose = Bytes::copy_from_slice(&self.content);
        if self.first_index > 0 {
            check_whole(tx, &loose).await?;
        }
        tx.put(LOOSE_CONTENTS, loose, blobs::encode_loose(tx.now()));
        for (index, chunk) in (self.first_index..).zip(&self.chunks) {
            tx.put(
                CHUNKS,
                blobs::chunk_key(&self.content, index),
                chunk.clone(),
            );
        }
        Ok(())
    }
}

impl PutAttachment {
    pub(crate) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<WrittenAttachment> {
        let document = find_document(tx, &self.id).await?;
        let old = find(tx, &self.id, &self.name).await?;
        check(tx, &self.expected, &self.id, &self.name, old.as_ref())?;
        let held = hold_last(tx, &document).await?;
        link(tx, &self.content).await?;
        match &old {
            Some(old) => unlink(tx, &old.hash).await?,
            None => count_attachments(tx, 1).await?,
        }
        let content = (
            self.content_type.clone(),
            *self.content.hash(),
            self.content.size(),
        );
        let record = put_record(tx, &self.id, &self.name, content);
        let written = write_document(tx, &self.id, &document, &record).await?;
        release(tx, &held).await?;
        Ok(written)
    }
}

impl DeleteAttachment {
    /// Answers the document's change vector, or `None` when there was no such attachment.
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<Option<String>> {
        let old = find(tx, &self.id, &self.name).await?;
        check(tx, &self.expected, &self.id, &self.name, old.as_ref())?;
        let Some(old) = old else { return Ok(None) };
        let document = find_document(tx, &self.id).await?;
        let held = hold_last(tx, &document).await?;
        remove_record(tx, &self.id, &self.name, &old).await?;
        let written = write_document(tx, &self.id, &document, &old).await?;
        release(tx, &held).await?;
        Ok(Some(written.document_change_vector))
    }
}

impl CopyAttachment {
    pub(crate) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<WrittenAttachment> {
        let source = find(tx, &self.id, &self.name).await?;
        check(tx, &self.expected, &self.id, &self.name, source.as_ref())?;
        let source = source.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "'{}' has no attachment '{}'",
                    self.id.as_str(),
                    self.name.as_str()
                ),
            )
        })?;
        let same_document = self.id.key() == self.destination_id.key();
        let same_name = self.name.key() == self.destination_name.key();
        if same_document && same_name && self.name == self.destination_name {
            return Err(Error::invalid(format!(
                "the attachment '{}' of '{}' cannot be copied onto itself",
                self.name.as_str(),
                self.id.as_str()
            )));
        }
        let replaced = find(tx, &self.destination_id, &self.destination_name).await?;
        let destination = find_document(tx, &self.destination_id).await?;
        let held = hold_last(tx, &destination).await?;
        link_again(tx, &source.hash).await?;
        if let Some(replaced) = replaced {
            remove_record(tx, &self.destination_id, &self.destination_name, &replaced).await?;
        }
        if self.is_move && !(same_document && same_name) {
            remove_record(tx, &self.id, &self.name, &source).await?;
            if !same_document {
                // The destination's new reference holds the content that the source loses.
                let document = find_document(tx, &self.id).await?;
                write_document(tx, &self.id, &document, &source).await?;
            }
        }
        let content = (source.content_type, source.hash, source.size);
        count_attachments(tx, 1).await?;
        let record = put_record(tx, &self.destination_id, &self.destination_name, content);
        let written = write_document(tx, &self.destination_id, &destination, &record).await?;
        release(tx, &held).await?;
        Ok(written)
    }
}

async fn find_document<S: Snapshot>(tx: &mut Transaction<S>, id: &DocumentId) -> Result<Previous> {
    let previous = Previous::find(tx, id.key()).await?;
    if previous.document().is_some() {
        return Ok(previous);
    }
    Err(Error::new(
        ErrorKind::NotFound,
        format!(
            "'{}' can have no attachment: there is no such document",
            id.as_str()
        ),
    ))
}

async fn find<S: Snapshot>(
    tx: &mut Transaction<S>,
    id: &DocumentId,
    name: &AttachmentName,
) -> Result<Option<AttachmentRecord>> {
    let key = blobs::attachment_key(id.key(), name.key());
    tx.get(ATTACHMENTS, &key)
        .await?
        .map(|value| AttachmentRecord::decode(&value))
        .transpose()
}

fn check<S: Snapshot>(
    tx: &Transaction<S>,
    expected: &ExpectedVersion,
    id: &DocumentId,
    name: &AttachmentName,
    stored: Option<&AttachmentRecord>,
) -> Result<()> {
    if *expected == ExpectedVersion::Any {
        return Ok(());
    }
    let actual = stored
        .map(|it| it.context.to_text(tx.incarnations()))
        .transpose()?;
    let subject = format!("{} (attachment '{}')", id.as_str(), name.as_str());
    expected.check("the writer", &subject, actual.as_deref())
}

fn put_record<S: Snapshot>(
    tx: &mut Transaction<S>,
    id: &DocumentId,
    name: &AttachmentName,
    (content_type, hash, size): (String, ContentHash, u64),
) -> AttachmentRecord {
    let dot = tx.take_dot();
    let record = AttachmentRecord {
        name: name.as_str().to_owned(),
        content_type,
        hash,
        size,
        etag: dot.etag,
        context: [dot].into_iter().collect(),
    };
    tx.put(
        ATTACHMENTS,
        blobs::attachment_key(id.key(), name.key()),
        record.encode(),
    );
    record
}

async fn remove_record<S: Snapshot>(
    tx: &mut Transaction<S>,
    id: &DocumentId,
    name: &AttachmentName,
    record: &AttachmentRecord,
) -> Result<()> {
    tx.delete(ATTACHMENTS, blobs::attachment_key(id.key(), name.key()));
    count_attachments(tx, -1).await?;
    unlink(tx, &record.hash).await
}

/// Stores the document anew with the list of attachments it has now.
async fn write_document<S: Snapshot>(
    tx: &mut Transaction<S>,
    id: &DocumentId,
    previous: &Previous,
    changed: &AttachmentRecord,
) -> Result<WrittenAttachment> {
    let record: &DocumentRecord = previous
        .document()
        .expect("attachments change on live documents only");
    let rows = tx
        .scan(ATTACHMENTS, &blobs::attachment_range(id.key()), usize::MAX)
        .await?;
    let rows: Vec<AttachmentRecord> = rows
        .iter()
        .map(|(_, value)| AttachmentRecord::decode(value))
        .collect::<Result<_>>()?;
    let stored_id = match record.id() {
        "" => &String::from_utf8_lossy(id.key()),
        stored_id => stored_id,
    };
    let version = NewVersion {
        id: stored_id,
        key: id.key(),
        collection: &CollectionName::new(record.collection())?,
        attachments: &ListedAttachment::list_text(&rows),
        metadata: record.metadata(),
        body: record.body(),
        schedule: Schedule::of_metadata(record.metadata())?,
        flags: DocumentFlags::NONE,
    };
    let written = store_version(tx, previous, version).await?;
    Ok(WrittenAttachment {
        id: written.id,
        name: changed.name.clone(),
        content_type: changed.content_type.clone(),
        hash: changed.hash,
        size: changed.size,
        change_vector: changed.context.to_text(tx.incarnations())?,
        document_change_vector: written.change_vector,
    })
}
