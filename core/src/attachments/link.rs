//! References to contents: counted, and loose again when the last one goes.
//!
//! An edge counts references also to contents that it left on the server. The first copy of such a
//! content that comes, from wherever, makes it present for all that refer to it.

use bytes::Bytes;

use super::count::{count_attachments, count_content};
use super::{AttachmentContent, AttachmentName, ImportedAttachment, ListedAttachment, parse_hash};
use crate::commands::Transaction;
use crate::commands::store_version::Previous;
use crate::schema::blobs::{self, AttachmentRecord, BlobRecord, ContentHash, ContentId};
use crate::schema::documents::DocumentFlags;
use crate::schema::{ATTACHMENTS, BLOBS, CHUNKS, LOOSE_CONTENTS};
use crate::storage::Snapshot;
use crate::{Error, ErrorKind, Result};

fn blob_key(hash: &ContentHash) -> Bytes {
    Bytes::copy_from_slice(hash)
}

async fn find_blob<S: Snapshot>(
    tx: &mut Transaction<S>,
    hash: &ContentHash,
) -> Result<Option<BlobRecord>> {
    tx.get(BLOBS, &blob_key(hash))
        .await?
        .map(|value| BlobRecord::decode(&value))
        .transpose()
}

/// Makes sure that the contents of `imported` are here, and holds them until they are let go.
/// Answers their list.
pub(crate) async fn take_in<S: Snapshot>(
    tx: &mut Transaction<S>,
    imported: &[ImportedAttachment],
) -> Result<String> {
    let mut imported: Vec<&ImportedAttachment> = imported.iter().collect();
    imported.sort_by(|a, b| a.name.key().cmp(b.name.key()));
    if let Some(pair) = imported
        .windows(2)
        .find(|pair| pair[0].name.key() == pair[1].name.key())
    {
        return Err(Error::invalid(format!(
            "the attachment '{}' stands twice in the list",
            pair[1].name.as_str()
        )));
    }
    let mut list = Vec::with_capacity(imported.len());
    for attachment in imported {
        link(tx, &attachment.content).await?;
        list.push(ListedAttachment {
            name: attachment.name.as_str().to_owned(),
            hash: super::hash_text(attachment.content.hash()),
            content_type: attachment.content_type.clone(),
            size: attachment.content.size(),
        });
    }
    Ok(ListedAttachment::text_of(&list))
}

/// Refuses a loose content that the sweep has begun to take away.
pub(super) async fn check_whole<S: Snapshot>(tx: &mut Transaction<S>, loose: &Bytes) -> Result<()> {
    let touched = tx.get(LOOSE_CONTENTS, loose).await?;
    let touched = touched
        .map(|value| blobs::decode_loose(&value))
        .transpose()?;
    if touched.is_some_and(|at| at != blobs::SWEPT) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::TimedOut,
        "the content was swept before its upload was done; upload it again",
    ))
}

/// Adds a reference to `content`, which becomes a blob if there is none with its hash yet.
pub(crate) async fn link<S: Snapshot>(
    tx: &mut Transaction<S>,
    content: &AttachmentContent,
) -> Result<()> {
    let key = blob_key(content.hash());
    if let Some(mut blob) = find_blob(tx, content.hash()).await? {
        if blob.size != content.size() {
            return Err(Error::invalid(format!(
                "the content {} has {} bytes, not {}",
                super::hash_text(content.hash()),
                blob.size,
                content.size()
            )));
        }
        blob.references += 1;
        let is_stored = matches!(content, AttachmentContent::Stored { .. });
        if !blob.is_here() && !is_stored {
            blob.content = store_pieces(tx, content).await?;
            count_content(tx, 1, blob.size).await?;
        }
        tx.put(BLOBS, key, blob.encode());
        // The second copy stays loose, and may be swept at once.
        if let AttachmentContent::Uploaded { content, .. } = content
            && *content != blob.content
        {
            let loose = Bytes::copy_from_slice(content);
            tx.put(LOOSE_CONTENTS, loose, blobs::encode_loose(blobs::SWEPT));
        }
        return Ok(());
    }
    let blob = BlobRecord {
        content: store_pieces(tx, content).await?,
        size: content.size(),
        references: 1,
    };
    tx.put(BLOBS, key, blob.encode());
    count_content(tx, 1, blob.size).await
}

/// Makes a content that came one that is kept; answers where it is.
async fn store_pieces<S: Snapshot>(
    tx: &mut Transaction<S>,
    content: &AttachmentContent,
) -> Result<ContentId> {
    match content {
        AttachmentContent::Uploaded { content, .. } => {
            let loose = Bytes::copy_from_slice(content);
            check_whole(tx, &loose).await?;
            tx.delete(LOOSE_CONTENTS, loose);
            Ok(*content)
        }
        AttachmentContent::Stored { hash, .. } => Err(Error::invalid(format!(
            "the content {} is not here",
            super::hash_text(hash)
        ))),
        AttachmentContent::Inline { bytes, .. } => {
            let mut id = [0; 16];
            tx.host.random.fill(&mut id)?;
            for (index, at) in (0..bytes.len()).step_by(blobs::CHUNK_BYTES).enumerate() {
                let end = bytes.len().min(at + blobs::CHUNK_BYTES);
                let index = u32::try_from(index).expect("inline contents are small");
                tx.put(CHUNKS, blobs::chunk_key(&id, index), bytes.slice(at..end));
            }
            Ok(id)
        }
    }
}

/// Adds one reference to a content of a server, which is known from here on if it was not.
pub(crate) async fn link_absent<S: Snapshot>(
    tx: &mut Transaction<S>,
    hash: &ContentHash,
    size: u64,
) -> Result<()> {
    if find_blob(tx, hash).await?.is_some() {
        let stored = AttachmentContent::Stored { hash: *hash, size };
        return link(tx, &stored).await;
    }
    let blob = BlobRecord {
        content: blobs::ABSENT,
        size,
        references: 1,
    };
    tx.put(BLOBS, blob_key(hash), blob.encode());
    Ok(())
}

/// Puts a content where it was known but absent. Answers whether anything still refers to it; if
/// not, what was uploaded stays loose.
pub(crate) async fn fill_in<S: Snapshot>(
    tx: &mut Transaction<S>,
    content: &AttachmentContent,
) -> Result<bool> {
    let is_known = find_blob(tx, content.hash()).await?.is_some();
    if is_known {
        link(tx, content).await?;
        unlink(tx, content.hash()).await?;
    }
    Ok(is_known)
}

async fn change_references<S: Snapshot>(
    tx: &mut Transaction<S>,
    hash: &ContentHash,
    by: i64,
) -> Result<()> {
    let missing = || Error::corrupted(format!("the content {} is missing", super::hash_text(hash)));
    let mut blob = find_blob(tx, hash).await?.ok_or_else(missing)?;
    blob.references = blob.references.checked_add_signed(by).ok_or_else(missing)?;
    if blob.references > 0 {
        tx.put(BLOBS, blob_key(hash), blob.encode());
        return Ok(());
    }
    tx.delete(BLOBS, blob_key(hash));
    if !blob.is_here() {
        return Ok(());
    }
    let loose = Bytes::copy_from_slice(&blob.content);
    tx.put(LOOSE_CONTENTS, loose, blobs::encode_loose(tx.now()));
    count_content(tx, -1, blob.size).await
}

/// Adds a reference to each content in the list `attachments`.
pub(crate) async fn hold<S: Snapshot>(tx: &mut Transaction<S>, attachments: &str) -> Result<()> {
    for listed in ListedAttachment::parse_list(attachments)? {
        change_references(tx, &parse_hash(&listed.hash)?, 1).await?;
    }
    Ok(())
}

/// Holds the contents of a document's last version while a new one is stored: where revisions
/// were off before, that makes a revision of the last one, and on an edge the base of a write, which
/// then need them. Answers the list to release afterwards.
pub(crate) async fn hold_last<S: Snapshot>(
    tx: &mut Transaction<S>,
    previous: &Previous,
) -> Result<String> {
    let Some(record) = previous.document() else {
        return Ok(String::new());
    };
    let is_recorded = record.flags.contains(DocumentFlags::HAS_REVISIONS)
        && !record.flags.contains(DocumentFlags::UNRECORDED);
    let is_for_revision = tx.knows_revisions() && !is_recorded;
    if !is_for_revision && tx.edge().is_none() {
        return Ok(String::new());
    }
    hold(tx, record.attachments()).await?;
    Ok(record.attachments().to_owned())
}

/// Takes a reference from each content in the list `attachments`.
pub(crate) async fn release<S: Snapshot>(tx: &mut Transaction<S>, attachments: &str) -> Result<()> {
    for listed in ListedAttachment::parse_list(attachments)? {
        change_references(tx, &parse_hash(&listed.hash)?, -1).await?;
    }
    Ok(())
}

/// Gives a document the attachments of the list `new` in place of those of the list `old`.
pub(crate) async fn replace_all<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    old: &str,
    new: &str,
) -> Result<()> {
    if old == new {
        return Ok(());
    }
    // References of the new list come first, so that a content in both never becomes loose.
    hold(tx, new).await?;
    for listed in ListedAttachment::parse_list(old)? {
        count_attachments(tx, -1).await?;
        let name = AttachmentName::new(listed.name)?;
        tx.delete(ATTACHMENTS, blobs::attachment_key(id_key, name.key()));
    }
    release(tx, old).await?;
    for listed in ListedAttachment::parse_list(new)? {
        count_attachments(tx, 1).await?;
        let name = AttachmentName::new(listed.name)?;
        let dot = tx.take_dot();
        let record = AttachmentRecord {
            name: name.as_str().to_owned(),
            content_type: listed.content_type,
            hash: parse_hash(&listed.hash)?,
            size: listed.size,
            etag: dot.etag,
            context: [dot].into_iter().collect(),
        };
        tx.put(
            ATTACHMENTS,
            blobs::attachment_key(id_key, name.key()),
            record.encode(),
        );
    }
    Ok(())
}

/// Takes one reference from the content with `hash`.
pub(crate) async fn unlink<S: Snapshot>(tx: &mut Transaction<S>, hash: &ContentHash) -> Result<()> {
    change_references(tx, hash, -1).await
}

/// Adds one reference to the content with `hash`, if it is known. Answers whether it is.
pub(crate) async fn link_known<S: Snapshot>(
    tx: &mut Transaction<S>,
    hash: &ContentHash,
) -> Result<bool> {
    let is_known = find_blob(tx, hash).await?.is_some();
    if is_known {
        link_again(tx, hash).await?;
    }
    Ok(is_known)
}

/// Adds one reference to the content with `hash`.
pub(super) async fn link_again<S: Snapshot>(
    tx: &mut Transaction<S>,
    hash: &ContentHash,
) -> Result<()> {
    change_references(tx, hash, 1).await
}
