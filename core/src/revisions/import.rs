//! Historic revisions that come from elsewhere.
//!
//! A revision keeps the change vector it had, since that is its name: what refers to it still finds
//! it, and importing it again changes nothing. The incarnations in it are interned here, but what
//! the database has seen of them is not raised: it has taken in these versions, not everything that
//! was written before them. A change vector that cannot be kept (none, one with entries of
//! RavenDB's cluster, too many incarnations) gives way to one of this database.

use bytes::Bytes;

use super::record::{leave_bin, record, rewrite};
use crate::attachments::{ImportedAttachment, release, take_in};
use crate::commands::Transaction;
use crate::document::{DocumentId, DocumentText};
use crate::host::Timestamp;
use crate::schema::documents::{DocumentFlags, DocumentParts, DocumentRecord};
use crate::schema::tombstones::Tombstone;
use crate::schema::{DOCUMENTS, REVISION_BIN, REVISION_VECTORS, TOMBSTONES, etags, revisions};
use crate::storage::Snapshot;
use crate::version::{ChangeVector, Dot, Etag};
use crate::{Error, Result};

/// The most incarnations a database gets to know by imports: each is in its state for ever.
const MAX_INCARNATIONS: usize = 1024;

/// What of an imported revision's flags is kept; the others follow from what is stored.
const KEPT: DocumentFlags = DocumentFlags::REVISION
    .with(DocumentFlags::DELETE_REVISION)
    .with(DocumentFlags::REVERTED)
    .with(DocumentFlags::FORCE_CREATED)
    .with(DocumentFlags::CONFLICTED)
    .with(DocumentFlags::RESOLVED)
    .with(DocumentFlags::FROM_REPLICATION);

/// Stores a revision as it was elsewhere, after the ones that are here.
#[derive(Debug, Clone)]
pub struct ImportRevision {
    /// The document's id.
    pub id: DocumentId,
    /// What it was.
    pub document: DocumentText,
    /// The change vector it has, if that is known.
    pub change_vector: Option<String>,
    /// When it was written, if that is known.
    pub last_modified: Option<Timestamp>,
    /// The flags it has.
    pub flags: DocumentFlags,
    /// The attachments it has.
    pub attachments: Vec<ImportedAttachment>,
}

impl ImportRevision {
    /// Answers whether it was not here yet.
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<bool> {
        let id_key = self.id.key();
        let (context, dot) = self.version(tx)?;
        let vector_key = revisions::vector_key(&context);
        if let Some(key) = tx.get(REVISION_VECTORS, &vector_key).await? {
            return match revisions::decode_key(&key)?.0 == *id_key {
                true => Ok(false),
                false => Err(Error::invalid(
                    "its change vector is that of a revision of another document",
                )),
            };
        }
        let is_deletion = self.flags.contains(DocumentFlags::DELETE_REVISION);
        let list = take_in(tx, &self.attachments).await?;
        let mut flags = self.flags.only(KEPT);
        flags = match is_deletion {
            true => flags
                .without(DocumentFlags::REVISION)
                .with(DocumentFlags::HAS_REVISIONS),
            false => flags,
        };
        if !list.is_empty() {
            flags = flags.with(DocumentFlags::HAS_ATTACHMENTS);
        }
        if is_deletion {
            // Of several deletions only the newest stands in the bin.
            leave_bin(tx, id_key).await?;
        }
        let parts = DocumentParts {
            etag: Etag::ZERO,
            last_modified: self.last_modified.unwrap_or(tx.now()),
            flags,
            context: &context,
            dot,
            origin: None,
            id: self.id.as_str(),
            key: id_key,
            collection: self.document.collection.as_str(),
            attachments: &list,
            metadata: &self.document.metadata,
            body: &self.document.body,
        };
        record(tx, &parts).await?;
        // The revision's own references hold them now.
        release(tx, &list).await?;
        flag(tx, id_key, is_deletion).await?;
        Ok(true)
    }

    /// Its change vector, and the write in it that made it.
    fn version<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<(ChangeVector, Dot)> {
        let text = self.change_vector.as_deref().unwrap_or_default();
        let mut known = tx.incarnations().clone();
        let parsed = ChangeVector::parse(text, &mut known).unwrap_or_default();
        // The write with the highest number is the last one, unless clocks of writers that never
        // met disagree; nothing is decided by it.
        let dot = parsed.entries().iter().max_by_key(|entry| entry.etag);
        let Some(dot) = dot
            .copied()
            .filter(|_| known.rows().len() <= MAX_INCARNATIONS)
        else {
            let dot = tx.take_dot();
            return Ok(([dot].into_iter().collect(), dot));
        };
        let own = parsed.get(known.own());
        if own > tx.last_etag() {
            // A later write here would be taken for this one.
            return Err(Error::invalid(format!(
                "its change vector names write {own} of this database, which has made {}",
                tx.last_etag()
            )));
        }
        if known.rows().len() > tx.incarnations().rows().len() {
            tx.set_incarnations(known);
        }
        Ok((parsed, dot))
    }
}

/// Flags the document, or its tombstone, to have revisions; one that lives is not in the bin.
async fn flag<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    is_deletion: bool,
) -> Result<()> {
    if let Some(value) = tx.get(DOCUMENTS, id_key).await? {
        let stored = DocumentRecord::decode(value)?;
        if is_deletion {
            // The one just made; older ones left the bin before.
            tx.delete(REVISION_BIN, etags::key(tx.last_etag()));
        }
        if !stored.flags.contains(DocumentFlags::HAS_REVISIONS) {
            let mut parts = DocumentParts::of_record(&stored, id_key);
            parts.flags = parts
                .flags
                .with(DocumentFlags::HAS_REVISIONS.with(DocumentFlags::UNRECORDED));
            rewrite(tx, id_key, &stored, parts).await?;
        }
    } else if let Some(value) = tx.get(TOMBSTONES, id_key).await? {
        let mut tombstone = Tombstone::decode(&value)?;
        if is_deletion && tombstone.is_conflict() {
            // Its versions live.
            tx.delete(REVISION_BIN, etags::key(tx.last_etag()));
        }
        tombstone.flags = tombstone.flags.with(DocumentFlags::HAS_REVISIONS);
        tx.put(TOMBSTONES, id_key.clone(), tombstone.encode());
    }
    Ok(())
}
