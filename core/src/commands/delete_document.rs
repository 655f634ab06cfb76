//! Deleting a document: a tombstone takes its place.

use bytes::Bytes;

use super::{ExpectedVersion, Transaction};
use crate::Result;
use crate::document::{CollectionName, DocumentId};
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::schema::etags::{self, ItemKind};
use crate::schema::tombstones::Tombstone;
use crate::schema::{COLLECTION_ETAGS, DOCUMENTS, ETAGS, TOMBSTONES, collection_etags};
use crate::storage::Snapshot;
use crate::version::{ChangeVector, Etag};

/// Deletes one document.
#[derive(Debug, Clone)]
pub struct DeleteDocument {
    /// Which.
    pub id: DocumentId,
    /// What the writer believes is stored.
    pub expected: ExpectedVersion,
}

/// What became of a deleted document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedDocument {
    /// The id as the caller wrote it.
    pub id: String,
    /// Whether there was a document to delete.
    pub deleted: bool,
    /// The tombstone's change vector, unless there was never such a document.
    pub change_vector: Option<String>,
}

impl DeleteDocument {
    pub(crate) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<DeletedDocument> {
        let id = self.id.as_str();
        let mut outcome = DeletedDocument {
            id: id.to_owned(),
            deleted: false,
            change_vector: None,
        };
        if let Some(value) = tx.get(DOCUMENTS, self.id.key()).await? {
            let record = DocumentRecord::decode(value)?;
            if self.expected != ExpectedVersion::Any {
                let actual = record.context.to_text(tx.incarnations())?;
                self.expected.check("the delete", id, Some(&actual))?;
            }
            outcome.deleted = true;
            outcome.change_vector = Some(bury(tx, self.id.key(), id, &record).await?);
            return Ok(outcome);
        }
        if let ExpectedVersion::Exactly(_) = self.expected {
            self.expected.check("the delete", id, None)?;
        }
        // Deleting again renews the tombstone, so that replicas and indexes see it once more.
        if let Some(value) = tx.get(TOMBSTONES, self.id.key()).await? {
            let tombstone = Tombstone::decode(&value)?;
            super::clean_tombstones::remove(tx, self.id.key(), &tombstone).await?;
            outcome.change_vector = Some(store(tx, self.id.key(), tombstone).await?);
        }
        Ok(outcome)
    }
}

/// Puts a tombstone in the place of `record`; answers its change vector.
pub(super) async fn bury<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    id_as_given: &str,
    record: &DocumentRecord,
) -> Result<String> {
    unlink(tx, record).await?;
    tx.delete(DOCUMENTS, key.clone());
    let id = if record.id().is_empty() {
        &String::from_utf8_lossy(key)
    } else {
        record.id()
    };
    debug_assert!(
        crate::document::to_id_key(id_as_given) == *key,
        "the key belongs to the id"
    );
    let tombstone = Tombstone {
        etag: Etag::ZERO,
        deleted_etag: record.etag,
        last_modified: tx.now(),
        flags: DocumentFlags::NONE,
        context: record.context.clone(),
        dot: record.dot,
        id: id.to_owned(),
        collection: record.collection().to_owned(),
    };
    store(tx, key, tombstone).await
}

/// Stores `tombstone` with an etag and dot of its own; answers its change vector.
async fn store<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    mut tombstone: Tombstone,
) -> Result<String> {
    let dot = tx.take_dot();
    tombstone.etag = dot.etag;
    tombstone.dot = dot;
    tombstone.last_modified = tx.now();
    let context: &mut ChangeVector = &mut tombstone.context;
    context.include(dot);
    let change_vector = context.to_text(tx.incarnations())?;
    let collection = CollectionName::new(tombstone.collection.as_str())?;
    let mut statistics = tx
        .collection_statistics(collection.as_str(), collection.key())
        .await?;
    statistics.tombstone_count += 1;
    statistics.last_tombstone_etag = dot.etag;
    tx.put_collection_statistics(collection.key(), &statistics);
    tx.put(TOMBSTONES, key.clone(), tombstone.encode());
    tx.put(
        ETAGS,
        etags::key(dot.etag),
        etags::value(ItemKind::Tombstone, key),
    );
    let by_collection = collection_etags::key(collection.key(), ItemKind::Tombstone, dot.etag);
    tx.put(COLLECTION_ETAGS, by_collection, key.clone());
    Ok(change_vector)
}

/// Takes a document out of the etag tables and the counts; its own record stays.
pub(super) async fn unlink<S: Snapshot>(
    tx: &mut Transaction<S>,
    record: &DocumentRecord,
) -> Result<()> {
    let collection = CollectionName::new(record.collection())?;
    tx.delete(ETAGS, etags::key(record.etag));
    let by_collection = collection_etags::key(collection.key(), ItemKind::Document, record.etag);
    tx.delete(COLLECTION_ETAGS, by_collection);
    let mut statistics = tx
        .collection_statistics(collection.as_str(), collection.key())
        .await?;
    statistics.document_count = statistics.document_count.saturating_sub(1);
    statistics.document_bytes = statistics
        .document_bytes
        .saturating_sub(record.byte_count() as u64);
    tx.put_collection_statistics(collection.key(), &statistics);
    Ok(())
}
