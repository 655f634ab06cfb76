//! Making revisions, and removing those that are beyond what is kept.

use bytes::Bytes;

use super::CollectionRevisions;
use crate::commands::store_version::Previous;
use crate::commands::{Transaction, WrittenDocument};
use crate::document::{CollectionName, DocumentId};
use crate::host::Timestamp;
use crate::schema::documents::{DocumentFlags, DocumentParts, DocumentRecord};
use crate::schema::etags::{self, ItemKind};
use crate::schema::tombstones::Tombstone;
use crate::schema::{
    DOCUMENTS, ETAGS, REVISION_BIN, REVISION_RECORDS, REVISION_VECTORS, REVISIONS, revisions,
};
use crate::storage::Snapshot;
use crate::version::{ChangeVector, Dot};
use crate::{Error, ErrorKind, Result};

/// How many revisions are in memory with their records at once: documents may be large.
const PAGE: usize = 8;

const SHOWN_AS_REVISION: DocumentFlags = DocumentFlags::REVISION.with(DocumentFlags::HAS_REVISIONS);

/// Makes the revisions that follow from storing `new`, unless it shall not be recorded, and flags
/// it.
pub(crate) async fn follow_put<S: Snapshot>(
    tx: &mut Transaction<S>,
    previous: &Previous,
    new: &mut DocumentParts<'_>,
    is_recorded: bool,
) -> Result<()> {
    if !tx.knows_revisions() || new.flags.contains(DocumentFlags::ARTIFICIAL) {
        return Ok(());
    }
    let id_key = Bytes::copy_from_slice(new.key);
    // Its revisions may have outlived the tombstone that was flagged.
    if previous.document().is_none() && leave_bin(tx, &id_key).await? {
        new.flags = new.flags.with(DocumentFlags::HAS_REVISIONS);
    }
    let collection = CollectionName::new(new.collection)?;
    let kept = match is_recorded {
        true => tx.kept_revisions(collection.key()).await?,
        false => None,
    };
    let Some(kept) = kept else {
        if new.flags.contains(DocumentFlags::HAS_REVISIONS) {
            new.flags = new.flags.with(DocumentFlags::UNRECORDED);
        }
        return Ok(());
    };
    if let Previous::Document(stored) = previous {
        let unchanged = stored.body() == new.body
            && stored.metadata() == new.metadata
            && stored.attachments() == new.attachments;
        if unchanged {
            new.flags = new.flags.with(stored.flags.only(DocumentFlags::UNRECORDED));
            return Ok(());
        }
        if !is_in_history(tx, &id_key, stored).await? {
            // Revisions were off when it was written; its last version before them is kept too.
            record(tx, &DocumentParts::of_record(stored, new.key)).await?;
        }
    }
    new.flags = new.flags.with(DocumentFlags::HAS_REVISIONS);
    let is_new = if tx.made_just_now(new.dot) {
        record_new(tx, new).await?;
        true
    } else {
        record(tx, new).await?
    };
    let at_most = kept.maximum_revisions_to_delete_upon_document_update;
    let removed = retain(tx, &id_key, &kept, at_most).await?;
    if (removed > 0 || !is_new) && count(tx, &id_key).await? == 0 {
        new.flags = new.flags.without(DocumentFlags::HAS_REVISIONS);
    }
    Ok(())
}

/// Makes the revision that follows from deleting `deleted`, or removes them all.
pub(crate) async fn follow_delete<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    deleted: &DocumentRecord,
    tombstone: &mut Tombstone,
) -> Result<()> {
    if deleted.flags.contains(DocumentFlags::ARTIFICIAL) {
        return Ok(());
    }
    let collection = CollectionName::new(deleted.collection())?;
    let kept = tx.kept_revisions(collection.key()).await?;
    let has_revisions = deleted.flags.contains(DocumentFlags::HAS_REVISIONS);
    if kept.as_ref().is_some_and(|kept| kept.purge_on_delete) {
        purge(tx, id_key).await?;
        tombstone.flags = tombstone.flags.without(DocumentFlags::HAS_REVISIONS);
        return Ok(());
    }
    if kept.is_none() && !has_revisions {
        return Ok(());
    }
    // What goes into the bin is what was deleted, not what it was when revisions were still made.
    if !is_in_history(tx, id_key, deleted).await? {
        record(tx, &DocumentParts::of_record(deleted, id_key)).await?;
    }
    tombstone.flags = tombstone.flags.with(DocumentFlags::HAS_REVISIONS);
    let (context, dot) = (&tombstone.context, tombstone.dot);
    let at = tombstone.last_modified;
    record_deletion(tx, id_key, deleted, &collection, context, dot, at).await?;
    if let Some(kept) = kept {
        retain(
            tx,
            id_key,
            &kept,
            kept.maximum_revisions_to_delete_upon_document_update,
        )
        .await?;
    }
    if count(tx, id_key).await? == 0 {
        tombstone.flags = tombstone.flags.without(DocumentFlags::HAS_REVISIONS);
    }
    Ok(())
}

/// As [`follow_delete`], for a deletion that no document made way for: it settled a conflict, or
/// won over versions that became revisions. What has revisions and is gone must be in the bin.
pub(crate) async fn follow_settling_deletion<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    tombstone: &mut Tombstone,
) -> Result<()> {
    if !has_some(tx, id_key).await? {
        return Ok(());
    }
    let collection = CollectionName::new(tombstone.collection.as_str())?;
    let kept = tx.kept_revisions(collection.key()).await?;
    if kept.is_some_and(|kept| kept.purge_on_delete) {
        purge(tx, id_key).await?;
        tombstone.flags = tombstone.flags.without(DocumentFlags::HAS_REVISIONS);
        return Ok(());
    }
    tombstone.flags = tombstone.flags.with(DocumentFlags::HAS_REVISIONS);
    if let Some(newest) = tx.revision_keys(id_key).await?.pop()
        && tx
            .listed_revision(&newest)
            .await?
            .flags
            .contains(DocumentFlags::DELETE_REVISION)
    {
        let (_, etag) = revisions::decode_key(&newest)?;
        tx.put(REVISION_BIN, etags::key(etag), newest);
        return Ok(());
    }
    let parts = DocumentParts {
        etag: tombstone.etag,
        last_modified: tombstone.last_modified,
        flags: DocumentFlags::DELETE_REVISION.with(DocumentFlags::HAS_REVISIONS),
        context: &tombstone.context,
        dot: tombstone.dot,
        origin: None,
        id: &tombstone.id,
        key: id_key,
        collection: collection.as_str(),
        attachments: "",
        metadata: &metadata_of_deletion(&collection),
        body: "{}",
    };
    record(tx, &parts).await.map(drop)
}

fn metadata_of_deletion(collection: &CollectionName) -> String {
    format!(
        "\"@collection\":{}",
        serde_json::to_string(collection.as_str()).expect("any text can be a JSON string")
    )
}

/// Whether a document as it is now can be found among its revisions.
pub(super) async fn is_in_history<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    stored: &DocumentRecord,
) -> Result<bool> {
    if !stored.flags.contains(DocumentFlags::UNRECORDED) {
        return Ok(stored.flags.contains(DocumentFlags::HAS_REVISIONS));
    }
    // A dump brings the last version also as a revision, under the vector it had elsewhere.
    let newest = newest(tx, id_key).await?;
    Ok(newest.is_some_and(|newest| {
        !newest.flags.contains(DocumentFlags::DELETE_REVISION) && says_the_same(&newest, stored)
    }))
}

fn says_the_same(one: &DocumentRecord, other: &DocumentRecord) -> bool {
    one.body() == other.body()
        && one.metadata() == other.metadata()
        && one.attachments() == other.attachments()
}

/// The newest revision of a document.
async fn newest<S: Snapshot>(
    tx: &Transaction<S>,
    id_key: &Bytes,
) -> Result<Option<DocumentRecord>> {
    match tx.revision_keys(id_key).await?.pop() {
        Some(newest) => tx.listed_revision(&newest).await.map(Some),
        None => Ok(None),
    }
}

/// Makes the revision that tells of a deletion.
pub(super) async fn record_deletion<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    deleted: &DocumentRecord,
    collection: &CollectionName,
    context: &ChangeVector,
    dot: Dot,
    last_modified: Timestamp,
) -> Result<()> {
    let metadata = metadata_of_deletion(collection);
    let parts = DocumentParts {
        etag: dot.etag,
        last_modified,
        flags: DocumentFlags::DELETE_REVISION.with(DocumentFlags::HAS_REVISIONS),
        context,
        dot,
        collection: collection.as_str(),
        attachments: "",
        metadata: &metadata,
        body: "{}",
        origin: None,
        ..DocumentParts::of_record(deleted, id_key)
    };
    record(tx, &parts).await.map(drop)
}

/// Stores one revision under an etag of its own. Answers whether it is new.
pub(crate) async fn record<S: Snapshot>(
    tx: &mut Transaction<S>,
    version: &DocumentParts<'_>,
) -> Result<bool> {
    let vector_key = revisions::vector_key(version.context);
    if tx.get(REVISION_VECTORS, &vector_key).await?.is_some() {
        return Ok(false);
    }
    record_new(tx, version).await?;
    Ok(true)
}

/// As [`record`], of a version that cannot have been recorded before.
async fn record_new<S: Snapshot>(
    tx: &mut Transaction<S>,
    version: &DocumentParts<'_>,
) -> Result<()> {
    tx.learn_revisions();
    let etag = tx.take_etag();
    let key = revisions::key(version.key, etag);
    let is_delete = version.flags.contains(DocumentFlags::DELETE_REVISION);
    let flags = version
        .flags
        .without(DocumentFlags::SCHEDULED.with(DocumentFlags::UNRECORDED));
    let flags = if is_delete {
        flags
    } else {
        flags.with(SHOWN_AS_REVISION)
    };
    let value = DocumentParts {
        etag,
        flags,
        ..version.clone()
    }
    .encode();
    tx.put(REVISIONS, key.clone(), Bytes::new());
    tx.put(REVISION_RECORDS, etags::key(etag), value);
    tx.put(
        REVISION_VECTORS,
        revisions::vector_key(version.context),
        key.clone(),
    );
    tx.list_etag(ItemKind::Revision, etag, &key);
    if is_delete {
        tx.put(REVISION_BIN, etags::key(etag), key);
    }
    crate::attachments::hold(tx, version.attachments).await?;
    let id_key = Bytes::copy_from_slice(version.key);
    change_count(tx, &id_key, version.collection, 1).await
}

/// Removes one revision.
pub(super) async fn remove<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    revision: &DocumentRecord,
) -> Result<()> {
    let (id_key, etag) = revisions::decode_key(key)?;
    tx.delete(REVISIONS, key.clone());
    tx.delete(REVISION_RECORDS, etags::key(etag));
    tx.delete(REVISION_VECTORS, revisions::vector_key(&revision.context));
    tx.delete(ETAGS, etags::key(etag));
    if revision.flags.contains(DocumentFlags::DELETE_REVISION) {
        tx.delete(REVISION_BIN, etags::key(etag));
    }
    crate::attachments::release(tx, revision.attachments()).await?;
    change_count(tx, &id_key, revision.collection(), -1).await
}

async fn change_count<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    collection: &str,
    by: i64,
) -> Result<()> {
    let key = revisions::count_key(id_key);
    let count = count_at(tx, &key).await?.saturating_add_signed(by);
    match count {
        0 => tx.delete(REVISIONS, key),
        _ => tx.put(REVISIONS, key, revisions::encode_count(count)),
    }
    let collection = CollectionName::new(collection)?;
    let mut statistics = tx
        .collection_statistics(collection.as_str(), collection.key())
        .await?;
    statistics.revision_count = statistics.revision_count.saturating_add_signed(by);
    tx.put_collection_statistics(collection.key(), &statistics);
    Ok(())
}

/// Whether a document has revisions.
pub(crate) async fn has_some<S: Snapshot>(tx: &mut Transaction<S>, id_key: &Bytes) -> Result<bool> {
    Ok(tx.knows_revisions() && count(tx, id_key).await? > 0)
}

pub(super) async fn count<S: Snapshot>(tx: &mut Transaction<S>, id_key: &Bytes) -> Result<u64> {
    count_at(tx, &revisions::count_key(id_key)).await
}

async fn count_at<S: Snapshot>(tx: &mut Transaction<S>, count_key: &Bytes) -> Result<u64> {
    match tx.get(REVISIONS, count_key).await? {
        Some(value) => revisions::decode_count(&value),
        None => Ok(0),
    }
}

/// Removes the oldest revisions that `kept` does not cover (semantics.md §5): with a count and an
/// age, those beyond the count and older than the age; with only one of them, by that one.
/// Answers how many went.
pub(super) async fn retain<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    kept: &CollectionRevisions,
    at_most: Option<u64>,
) -> Result<u64> {
    let age = kept.minimum_revision_age_to_keep;
    let excess = match (kept.minimum_revisions_to_keep, age) {
        (None, None) => return Ok(0),
        (Some(minimum), _) => count(tx, id_key).await?.saturating_sub(minimum),
        (None, Some(_)) => u64::MAX,
    };
    let horizon = age.map(|age| tx.now().plus_ms(-age.ms()));
    let limit = excess.min(at_most.unwrap_or(u64::MAX));
    let mut removed = 0;
    let mut range = revisions::range(id_key);
    while removed < limit {
        let page = usize::try_from(limit - removed)
            .unwrap_or(usize::MAX)
            .min(PAGE);
        let oldest = tx.scan_revisions(&range, page).await?;
        let Some((last, _)) = oldest.last() else {
            break;
        };
        // What went is not looked at again.
        range = range.after(last.clone());
        for (key, value) in oldest {
            let revision = DocumentRecord::decode(value)?;
            if horizon.is_some_and(|horizon| revision.last_modified > horizon) {
                return Ok(removed);
            }
            remove(tx, &key, &revision).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes all revisions of a document. Answers how many there were.
pub(super) async fn purge<S: Snapshot>(tx: &mut Transaction<S>, id_key: &Bytes) -> Result<u64> {
    remove_where(tx, id_key, u64::MAX, |_| true).await
}

/// Removes up to `at_most` revisions of a document for which `is_meant` holds, oldest first.
/// Answers how many went.
pub(super) async fn remove_where<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    at_most: u64,
    is_meant: impl Fn(&DocumentRecord) -> bool,
) -> Result<u64> {
    let mut range = revisions::range(id_key);
    let mut removed = 0;
    while removed < at_most {
        let page = tx.scan_revisions(&range, PAGE).await?;
        let Some((last, _)) = page.last() else {
            break;
        };
        range = range.after(last.clone());
        for (key, value) in page {
            let revision = DocumentRecord::decode(value)?;
            if removed < at_most && is_meant(&revision) {
                remove(tx, &key, &revision).await?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// A document that lives again is no longer in the bin; its delete revision stays. Answers whether
/// it has revisions.
pub(crate) async fn leave_bin<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
) -> Result<bool> {
    if !has_some(tx, id_key).await? {
        return Ok(false);
    }
    let keys = tx.revision_keys(id_key).await?;
    let at = keys.iter().map(revisions::record_key);
    let at: Vec<Bytes> = at.collect::<Result<_>>()?;
    // An entry of the bin has the etag of its delete revision.
    let listed = tx.get_many(REVISION_BIN, &at).await?;
    for (at, _) in at.into_iter().zip(listed).filter(|(_, it)| it.is_some()) {
        tx.delete(REVISION_BIN, at);
    }
    Ok(true)
}

/// Makes a revision of a document as it is, whatever the configuration says.
#[derive(Debug, Clone)]
pub struct ForceRevision {
    /// The document.
    pub id: DocumentId,
    /// Whether a document that does not exist is an error, and not just nothing to do.
    pub must_exist: bool,
}

/// What became of a [`ForceRevision`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ForcedRevision {
    /// Whether there is a new revision: not when the newest one is this version.
    pub is_new: bool,
    /// The document as it is now; its vector did not change.
    pub document: Option<WrittenDocument>,
}

impl ForceRevision {
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<ForcedRevision> {
        let key = self.id.key();
        let Some(value) = tx.get(DOCUMENTS, key).await? else {
            if !self.must_exist {
                return Ok(ForcedRevision::default());
            }
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "no revision of '{}' can be made: there is no such document",
                    self.id.as_str()
                ),
            ));
        };
        let stored = DocumentRecord::decode(value)?;
        let mut parts = DocumentParts::of_record(&stored, key);
        parts.flags = parts
            .flags
            .with(DocumentFlags::HAS_REVISIONS)
            .without(DocumentFlags::UNRECORDED);
        let mut revision = parts.clone();
        revision.flags = parts.flags.with(DocumentFlags::FORCE_CREATED);
        let is_known = newest(tx, key).await?.is_some_and(|newest| {
            !newest.flags.contains(DocumentFlags::DELETE_REVISION)
                && says_the_same(&newest, &stored)
        });
        let is_new = !is_known && record(tx, &revision).await?;
        let document = WrittenDocument {
            id: match stored.id() {
                "" => String::from_utf8_lossy(key).into_owned(),
                id => id.to_owned(),
            },
            collection: stored.collection().to_owned(),
            change_vector: stored.context.to_text(tx.incarnations())?,
            etag: stored.etag,
            last_modified: stored.last_modified,
            flags: parts.flags,
        };
        rewrite(tx, key, &stored, parts).await?;
        Ok(ForcedRevision {
            is_new,
            document: Some(document),
        })
    }
}

/// Stores a document's record again with other flags; neither etag nor vector changes.
pub(super) async fn rewrite<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &Bytes,
    stored: &DocumentRecord,
    parts: DocumentParts<'_>,
) -> Result<()> {
    let value = parts.encode();
    let collection = CollectionName::new(stored.collection())?;
    let mut statistics = tx
        .collection_statistics(collection.as_str(), collection.key())
        .await?;
    statistics.document_bytes += value.len() as u64;
    statistics.document_bytes = statistics
        .document_bytes
        .saturating_sub(stored.byte_count() as u64);
    tx.put_collection_statistics(collection.key(), &statistics);
    tx.put(DOCUMENTS, key.clone(), value);
    Ok(())
}
