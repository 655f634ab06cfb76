//! Storing a version of a document: the one place where documents come into the tables.
//!
//! Everything that follows from a new version happens here, in the same commit: etag, counts,
//! what is due, revisions.

use bytes::Bytes;

use super::{Transaction, WrittenDocument};
use crate::document::{CollectionName, Schedule};
use crate::host::Timestamp;
use crate::notices::{Notice, NoticeKind};
use crate::schema::documents::{DocumentFlags, DocumentParts, DocumentRecord};
use crate::schema::etags::{self, ItemKind};
use crate::schema::tombstones::Tombstone;
use crate::schema::{
    COLLECTION_ETAGS, DEPARTURES, DOCUMENTS, ETAGS, EXPIRATIONS, REFRESHES, TOMBSTONES,
    collection_etags, departures, schedules,
};
use crate::storage::Snapshot;
use crate::version::{ChangeVector, Dot, Etag, Origin};
use crate::{Error, Result};

/// What stands under an id before a write.
pub(crate) enum Previous {
    /// Never anything, as far as is remembered.
    Nothing,
    /// A live document.
    Document(DocumentRecord),
    /// A deleted one.
    Tombstone(Tombstone),
}

impl Previous {
    pub(crate) async fn find<S: Snapshot>(tx: &mut Transaction<S>, key: &Bytes) -> Result<Self> {
        if let Some(value) = tx.get(DOCUMENTS, key).await? {
            return Ok(Self::Document(DocumentRecord::decode(value)?));
        }
        Ok(match tx.get_once(TOMBSTONES, key).await? {
            Some(value) => Self::Tombstone(Tombstone::decode(&value)?),
            None => Self::Nothing,
        })
    }

    /// What a write on top of it has seen.
    pub(crate) fn context(&self) -> ChangeVector {
        match self {
            Self::Nothing => ChangeVector::empty(),
            Self::Document(record) => record.context.clone(),
            Self::Tombstone(tombstone) => tombstone.context.clone(),
        }
    }

    /// The collection it is or was in.
    fn collection(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Document(record) => Some(record.collection()),
            Self::Tombstone(tombstone) => Some(&tombstone.collection),
        }
    }

    /// Whether a new document of this id would replace what somebody wrote: a live document, or the
    /// versions of one in conflict.
    pub(crate) fn is_taken(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Document(_) => true,
            Self::Tombstone(tombstone) => tombstone.is_conflict(),
        }
    }

    pub(crate) fn document(&self) -> Option<&DocumentRecord> {
        match self {
            Self::Document(record) => Some(record),
            _ => None,
        }
    }

    pub(crate) fn flags(&self) -> DocumentFlags {
        match self {
            Self::Nothing => DocumentFlags::NONE,
            Self::Document(record) => record.flags,
            Self::Tombstone(tombstone) => tombstone.flags,
        }
    }
}

/// A version to store.
pub(crate) struct NewVersion<'a> {
    pub(crate) id: &'a str,
    pub(crate) key: &'a Bytes,
    pub(crate) collection: &'a CollectionName,
    pub(crate) attachments: &'a str,
    pub(crate) metadata: &'a str,
    pub(crate) body: &'a str,
    pub(crate) schedule: Schedule,
    /// Flags of this version alone, beyond those that follow from what is stored.
    pub(crate) flags: DocumentFlags,
}

/// The place in history of a version that another host made.
pub(crate) struct Lineage {
    pub(crate) etag: Etag,
    pub(crate) context: ChangeVector,
    pub(crate) dot: Dot,
    pub(crate) origin: Option<Origin>,
    pub(crate) last_modified: Timestamp,
}

/// Stores a version that another host made, as it stands in history.
pub(crate) async fn store_replicated_version<S: Snapshot>(
    tx: &mut Transaction<S>,
    previous: &Previous,
    version: NewVersion<'_>,
    lineage: Lineage,
) -> Result<WrittenDocument> {
    remove_previous(tx, version.key, previous).await?;
    store(tx, previous, version, true, lineage).await
}

/// Stores a version, and the revisions that follow from it.
pub(crate) async fn store_version<S: Snapshot>(
    tx: &mut Transaction<S>,
    previous: &Previous,
    version: NewVersion<'_>,
) -> Result<WrittenDocument> {
    let now = tx.now();
    store_local(tx, previous, version, true, now).await
}

/// As [`store_version`], but makes no revision of a document that is new here, and keeps the time
/// at which it was written elsewhere.
pub(crate) async fn store_imported_version<S: Snapshot>(
    tx: &mut Transaction<S>,
    previous: &Previous,
    version: NewVersion<'_>,
    last_modified: Timestamp,
) -> Result<WrittenDocument> {
    let is_recorded = previous.document().is_some();
    store_local(tx, previous, version, is_recorded, last_modified).await
}

async fn store_local<S: Snapshot>(
    tx: &mut Transaction<S>,
    previous: &Previous,
    version: NewVersion<'_>,
    is_recorded: bool,
    last_modified: Timestamp,
) -> Result<WrittenDocument> {
    check_author(previous, &version)?;
    if tx.edge().is_some() && !version.flags.contains(DocumentFlags::ARTIFICIAL) {
        let written = crate::replication::LocalWrite::put(&version);
        crate::replication::follow_local_write(tx, version.key, previous, written).await?;
    }
    remove_previous(tx, version.key, previous).await?;
    let dot = tx.take_dot();
    let mut context = previous.context();
    context.include(dot);
    let lineage = Lineage {
        etag: dot.etag,
        context,
        dot,
        origin: None,
        last_modified,
    };
    store(tx, previous, version, is_recorded, lineage).await
}

/// Results of an index are changed by the index alone.
fn check_author(previous: &Previous, version: &NewVersion<'_>) -> Result<()> {
    let is_result = |it: &DocumentRecord| it.flags.contains(DocumentFlags::ARTIFICIAL);
    if previous.document().is_some_and(is_result)
        && !version.flags.contains(DocumentFlags::ARTIFICIAL)
    {
        return Err(Error::invalid(format!(
            "The document {} is a result of an index and cannot be written; it changes when the \
             documents do that it was computed from.",
            version.id
        )));
    }
    Ok(())
}

async fn store<S: Snapshot>(
    tx: &mut Transaction<S>,
    previous: &Previous,
    version: NewVersion<'_>,
    is_recorded: bool,
    lineage: Lineage,
) -> Result<WrittenDocument> {
    let (context, etag) = (lineage.context, lineage.etag);
    note_departure(tx, previous, &version, etag).await?;
    let change_vector = context.to_text(tx.incarnations())?;
    let mut parts = DocumentParts {
        etag,
        last_modified: lineage.last_modified,
        flags: flags(previous, &version),
        context: &context,
        dot: lineage.dot,
        origin: lineage.origin,
        id: version.id,
        key: version.key,
        collection: version.collection.as_str(),
        attachments: version.attachments,
        metadata: version.metadata,
        body: version.body,
    };
    crate::revisions::follow_put(tx, previous, &mut parts, is_recorded).await?;
    let flags = parts.flags;
    let value = parts.encode();
    let collection = version.collection;
    let mut statistics = tx
        .collection_statistics(collection.as_str(), collection.key())
        .await?;
    statistics.document_count += 1;
    statistics.document_bytes += value.len() as u64;
    statistics.last_document_etag = etag;
    tx.put_collection_statistics(collection.key(), &statistics);
    notice_size(tx, &version);
    tx.put(DOCUMENTS, version.key.clone(), value);
    tx.list_etag(ItemKind::Document, etag, version.key);
    let by_collection = collection_etags::key(collection.key(), ItemKind::Document, etag);
    tx.put(COLLECTION_ETAGS, by_collection, version.key.clone());
    set_schedule(tx, version.key, version.schedule, true);
    Ok(WrittenDocument {
        id: version.id.to_owned(),
        collection: collection.as_str().to_owned(),
        change_vector,
        etag,
        last_modified: lineage.last_modified,
        flags,
    })
}

fn flags(previous: &Previous, version: &NewVersion<'_>) -> DocumentFlags {
    let mut flags = version
        .flags
        .with(previous.flags().only(DocumentFlags::HAS_REVISIONS));
    if !version.attachments.is_empty() {
        flags = flags.with(DocumentFlags::HAS_ATTACHMENTS);
    }
    if !version.schedule.is_empty() {
        flags = flags.with(DocumentFlags::SCHEDULED);
    }
    match previous {
        Previous::Document(_) => {}
        Previous::Tombstone(it) if it.is_conflict() => {
            flags = flags.with(DocumentFlags::RESOLVED);
        }
        _ => flags = flags.with(DocumentFlags::FIRST_VERSION),
    }
    flags
}

/// Takes a document out of all tables but its own.
pub(crate) async fn unlink<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
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
    if record.flags.contains(DocumentFlags::SCHEDULED) {
        set_schedule(tx, key, Schedule::of_metadata(record.metadata())?, false);
    }
    Ok(())
}

async fn remove_previous<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    previous: &Previous,
) -> Result<()> {
    match previous {
        Previous::Nothing => Ok(()),
        Previous::Document(record) => unlink(tx, key, record).await,
        Previous::Tombstone(tombstone) => {
            if tombstone.is_conflict() {
                crate::conflicts::settle(tx, key).await?;
            }
            super::clean_tombstones::remove(tx, key, tombstone).await
        }
    }
}

/// Indexes over the collection that the id was in would not hear of this write otherwise.
async fn note_departure<S: Snapshot>(
    tx: &mut Transaction<S>,
    previous: &Previous,
    version: &NewVersion<'_>,
    etag: Etag,
) -> Result<()> {
    let old = match previous.collection() {
        Some(old) if old != version.collection.as_str() => CollectionName::new(old)?,
        _ => return Ok(()),
    };
    if old.key() == version.collection.key() {
        return Ok(());
    }
    let mut statistics = tx.collection_statistics(old.as_str(), old.key()).await?;
    statistics.last_tombstone_etag = etag;
    tx.put_collection_statistics(old.key(), &statistics);
    tx.put(
        DEPARTURES,
        departures::key(old.key(), etag),
        version.key.clone(),
    );
    Ok(())
}

fn set_schedule<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    schedule: Schedule,
    is_due: bool,
) {
    for (space, at) in [
        (EXPIRATIONS, schedule.expires),
        (REFRESHES, schedule.refresh),
    ] {
        match at.map(|at| schedules::key(at, key)) {
            Some(entry) if is_due => tx.put(space, entry, Bytes::new()),
            Some(entry) => tx.delete(space, entry),
            None => {}
        }
    }
}

fn notice_size<S: Snapshot>(tx: &mut Transaction<S>, version: &NewVersion<'_>) {
    let byte_count = version.body.len() + version.metadata.len();
    if byte_count >= tx.limits.large_document_bytes {
        let kind = NoticeKind::LargeDocument {
            id: version.id.to_owned(),
            byte_count,
        };
        tx.add_notice(Notice { at: tx.now(), kind });
    }
}
