//! Deleting a document: a tombstone takes its place.

use bytes::Bytes;

use super::store_version::{Previous, unlink};
use super::{ExpectedVersion, Transaction};
use crate::Result;
use crate::document::{CollectionName, DocumentId};
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::schema::etags::ItemKind;
use crate::schema::tombstones::Tombstone;
use crate::schema::{COLLECTION_ETAGS, DOCUMENTS, TOMBSTONES, collection_etags};
use crate::storage::Snapshot;
use crate::version::Etag;

/// What a tombstone still tells of its document.
const KEPT_FLAGS: DocumentFlags = DocumentFlags::HAS_REVISIONS.with(DocumentFlags::ARTIFICIAL);

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
                tx.check_expected(&self.expected, "the delete", &self.id, &record, &actual)?;
            }
            outcome.deleted = true;
            outcome.change_vector = Some(bury(tx, self.id.key(), &record).await?);
            return Ok(outcome);
        }
        if let ExpectedVersion::Exactly(_) = self.expected {
            let actual = conflict_vector(tx, self.id.key()).await?;
            self.expected.check("the delete", id, actual.as_deref())?;
        }
        // Deleting again renews the tombstone, so that replicas and indexes see it once more.
        if let Some(value) = tx.get(TOMBSTONES, self.id.key()).await? {
            let mut tombstone = Tombstone::decode(&value)?;
            let is_conflict = tombstone.is_conflict();
            if !is_conflict && tx.edge().is_some() {
                // A dot of the edge's own would stand for a deletion that no server hears of.
                outcome.change_vector = Some(tombstone.context.to_text(tx.incarnations())?);
                return Ok(outcome);
            }
            super::clean_tombstones::remove(tx, self.id.key(), &tombstone).await?;
            if is_conflict {
                outcome.deleted = true;
                let previous = Previous::Tombstone(tombstone.clone());
                follow_on_edge(tx, self.id.key(), &previous, &tombstone.collection).await?;
                crate::conflicts::settle(tx, self.id.key()).await?;
                tombstone.flags = DocumentFlags::RESOLVED;
            }
            sign(tx, &mut tombstone);
            if is_conflict {
                let key = self.id.key();
                crate::revisions::follow_settling_deletion(tx, key, &mut tombstone).await?;
            }
            outcome.change_vector = Some(store(tx, self.id.key(), &tombstone).await?);
        }
        Ok(outcome)
    }
}

/// Puts a tombstone in the place of `record`; answers its change vector.
pub(super) async fn bury<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    record: &DocumentRecord,
) -> Result<String> {
    if !record.flags.contains(DocumentFlags::ARTIFICIAL) {
        let previous = Previous::Document(record.clone());
        follow_on_edge(tx, key, &previous, record.collection()).await?;
    }
    unlink(tx, key, record).await?;
    tx.delete(DOCUMENTS, key.clone());
    let id = if record.id().is_empty() {
        &String::from_utf8_lossy(key)
    } else {
        record.id()
    };
    let mut tombstone = Tombstone {
        etag: Etag::ZERO,
        deleted_etag: record.etag,
        last_modified: tx.now(),
        flags: record.flags.only(KEPT_FLAGS),
        context: record.context.clone(),
        dot: record.dot,
        origin: None,
        id: id.to_owned(),
        collection: record.collection().to_owned(),
    };
    sign(tx, &mut tombstone);
    crate::revisions::follow_delete(tx, key, record, &mut tombstone).await?;
    crate::attachments::replace_all(tx, key, record.attachments(), "").await?;
    store(tx, key, &tombstone).await
}

/// On an edge: notes that a server must hear of it.
async fn follow_on_edge<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    previous: &Previous,
    collection: &str,
) -> Result<()> {
    if tx.edge().is_none() {
        return Ok(());
    }
    let deletion = crate::replication::LocalWrite::deletion(collection);
    crate::replication::follow_local_write(tx, key, previous, deletion).await
}

/// The change vector of a document that is in conflict.
pub(super) async fn conflict_vector<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
) -> Result<Option<String>> {
    let Some(value) = tx.get(TOMBSTONES, key).await? else {
        return Ok(None);
    };
    let tombstone = Tombstone::decode(&value)?;
    match tombstone.is_conflict() {
        true => tombstone.context.to_text(tx.incarnations()).map(Some),
        false => Ok(None),
    }
}

/// Puts the tombstone of a deletion that another host made in the place of what is here.
pub(crate) async fn bury_replicated<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    previous: &Previous,
    mut tombstone: Tombstone,
) -> Result<()> {
    match previous {
        Previous::Nothing => {}
        Previous::Document(record) => {
            unlink(tx, key, record).await?;
            tx.delete(DOCUMENTS, key.clone());
            tombstone.deleted_etag = record.etag;
            // Whoever follows the document's collection must hear that it is gone from there.
            record.collection().clone_into(&mut tombstone.collection);
            crate::revisions::follow_delete(tx, key, record, &mut tombstone).await?;
            crate::attachments::replace_all(tx, key, record.attachments(), "").await?;
        }
        Previous::Tombstone(old) => {
            if old.is_conflict() {
                crate::conflicts::settle(tx, key).await?;
            }
            super::clean_tombstones::remove(tx, key, old).await?;
        }
    }
    crate::revisions::follow_settling_deletion(tx, key, &mut tombstone).await?;
    store(tx, key, &tombstone).await.map(|_| ())
}

/// Makes the deletion a write of this database, with an etag and dot of its own.
fn sign<S: Snapshot>(tx: &mut Transaction<S>, tombstone: &mut Tombstone) {
    let dot = tx.take_dot();
    tombstone.etag = dot.etag;
    tombstone.dot = dot;
    tombstone.origin = None;
    tombstone.last_modified = tx.now();
    tombstone.context.include(dot);
}

/// Puts a signed tombstone into its tables and the counts; answers its change vector.
pub(crate) async fn store<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    tombstone: &Tombstone,
) -> Result<String> {
    let change_vector = tombstone.context.to_text(tx.incarnations())?;
    let collection = CollectionName::new(tombstone.collection.as_str())?;
    let mut statistics = tx
        .collection_statistics(collection.as_str(), collection.key())
        .await?;
    statistics.tombstone_count += 1;
    statistics.last_tombstone_etag = tombstone.etag;
    tx.put_collection_statistics(collection.key(), &statistics);
    tx.put(TOMBSTONES, key.clone(), tombstone.encode());
    tx.list_etag(ItemKind::Tombstone, tombstone.etag, key);
    let by_collection =
        collection_etags::key(collection.key(), ItemKind::Tombstone, tombstone.etag);
    tx.put(COLLECTION_ETAGS, by_collection, key.clone());
    Ok(change_vector)
}
