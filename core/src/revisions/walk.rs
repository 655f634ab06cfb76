//! Going through the documents that have revisions, a bounded number at a time.

use bytes::Bytes;

use super::record::{count, purge, rewrite};
use crate::commands::Transaction;
use crate::commands::store_version::Previous;
use crate::document::CollectionName;
use crate::schema::documents::{DocumentFlags, DocumentParts, DocumentRecord};
use crate::schema::tombstones::Tombstone;
use crate::schema::{
    DOCUMENTS, REVISION_BIN, REVISION_VECTORS, REVISIONS, TOMBSTONES, etags, revisions,
};
use crate::storage::{KeyRange, Snapshot};
use crate::{Error, Result};

/// Up to `limit` documents with revisions behind `after`, in the table's order, and where the next
/// step goes on.
pub(crate) async fn next_documents<S: Snapshot>(
    tx: &Transaction<S>,
    after: &Bytes,
    limit: usize,
) -> Result<(Vec<Bytes>, Option<Bytes>)> {
    let mut range = match after.is_empty() {
        true => KeyRange::all(),
        false => revisions::range_behind(after),
    };
    let limit = limit.max(1);
    let mut documents = Vec::new();
    while documents.len() < limit {
        let Some((key, _)) = tx.scan(REVISIONS, &range, 1).await?.pop() else {
            break;
        };
        let document = revisions::counted_document(&key)
            .ok_or_else(|| Error::corrupted("revisions of a document are not counted"))?;
        range = revisions::range_behind(&document);
        documents.push(document);
    }
    let is_full = documents.len() >= limit;
    let next = documents.last().filter(|_| is_full).cloned();
    Ok((documents, next))
}

/// The newest delete revision of a document, and its key.
pub(super) async fn newest_deletion<S: Snapshot>(
    tx: &Transaction<S>,
    id_key: &[u8],
) -> Result<Option<Bytes>> {
    for key in tx.revision_keys(id_key).await?.into_iter().rev() {
        let revision = tx.listed_revision(&key).await?;
        if revision.flags.contains(DocumentFlags::DELETE_REVISION) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// Whether an id has a document, or several versions of one that nobody decided between yet.
pub(super) async fn lives<S: Snapshot>(tx: &mut Transaction<S>, id_key: &Bytes) -> Result<bool> {
    Ok(match Previous::find(tx, id_key).await? {
        Previous::Document(_) => true,
        Previous::Tombstone(tombstone) => tombstone.is_conflict(),
        Previous::Nothing => false,
    })
}

/// The collection of a document by its oldest revision, if it is one of `wanted` or all are.
pub(super) async fn collection_if_wanted<S: Snapshot>(
    tx: &Transaction<S>,
    id_key: &[u8],
    wanted: &[String],
) -> Result<Option<CollectionName>> {
    let oldest = tx.scan_revisions(&revisions::range(id_key), 1).await?;
    let Some((_, value)) = oldest.into_iter().next() else {
        return Ok(None);
    };
    let collection = CollectionName::new(DocumentRecord::decode(value)?.collection())?;
    let is_wanted = wanted.is_empty() || wanted.iter().any(|it| it == collection.key());
    Ok(is_wanted.then_some(collection))
}

/// Forgets that a document had revisions.
pub(crate) async fn forget<S: Snapshot>(tx: &mut Transaction<S>, id_key: &Bytes) -> Result<()> {
    purge(tx, id_key).await?;
    settle(tx, id_key).await
}

/// After revisions of a document went: its flag, and its place in the bin, follow what is left.
pub(super) async fn settle<S: Snapshot>(tx: &mut Transaction<S>, id_key: &Bytes) -> Result<()> {
    if count(tx, id_key).await? == 0 {
        return unflag(tx, id_key).await;
    }
    if let Some(value) = tx.get(DOCUMENTS, id_key).await? {
        return flag_unrecorded(tx, id_key, DocumentRecord::decode(value)?).await;
    }
    if lives(tx, id_key).await? {
        return Ok(());
    }
    if let Some(key) = newest_deletion(tx, id_key).await? {
        let (_, etag) = revisions::decode_key(&key)?;
        tx.put(REVISION_BIN, etags::key(etag), key);
    }
    Ok(())
}

/// A document whose last version is no longer among its revisions says so: the next write records
/// it, as it does for one without revisions.
async fn flag_unrecorded<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    stored: DocumentRecord,
) -> Result<()> {
    let vector_key = revisions::vector_key(&stored.context);
    let is_there = tx.get(REVISION_VECTORS, &vector_key).await?.is_some();
    if is_there || stored.flags.contains(DocumentFlags::UNRECORDED) {
        return Ok(());
    }
    let mut parts = DocumentParts::of_record(&stored, id_key);
    parts.flags = parts.flags.with(DocumentFlags::UNRECORDED);
    rewrite(tx, id_key, &stored, parts).await
}

/// A document without revisions is not flagged to have some.
async fn unflag<S: Snapshot>(tx: &mut Transaction<S>, id_key: &Bytes) -> Result<()> {
    if let Some(value) = tx.get(DOCUMENTS, id_key).await? {
        let stored = DocumentRecord::decode(value)?;
        let mut parts = DocumentParts::of_record(&stored, id_key);
        parts.flags = parts
            .flags
            .without(DocumentFlags::HAS_REVISIONS.with(DocumentFlags::UNRECORDED));
        rewrite(tx, id_key, &stored, parts).await?;
    } else if let Some(value) = tx.get(TOMBSTONES, id_key).await? {
        let mut tombstone = Tombstone::decode(&value)?;
        tombstone.flags = tombstone.flags.without(DocumentFlags::HAS_REVISIONS);
        tx.put(TOMBSTONES, id_key.clone(), tombstone.encode());
    }
    Ok(())
}
