//! Storing a document.

use bytes::Bytes;

use super::{ExpectedVersion, Transaction};
use crate::document::{CollectionName, DocumentId, DocumentText, IdRequest};
use crate::host::Timestamp;
use crate::notices::{Notice, NoticeKind};
use crate::schema::documents::{DocumentFlags, DocumentParts, DocumentRecord};
use crate::schema::etags::{self, ItemKind};
use crate::schema::tombstones::Tombstone;
use crate::schema::{COLLECTION_ETAGS, DOCUMENTS, ETAGS, TOMBSTONES, collection_etags};
use crate::storage::Snapshot;
use crate::version::{ChangeVector, Dot, Etag};
use crate::{Error, Result};

/// Stores a document, new or in place of the one with its id.
#[derive(Debug, Clone)]
pub struct PutDocument {
    /// How its id is chosen.
    pub id: IdRequest,
    /// What the writer believes is stored.
    pub expected: ExpectedVersion,
    /// The document.
    pub document: DocumentText,
}

/// What became of a stored document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenDocument {
    /// The id it has.
    pub id: String,
    /// Its collection, as written.
    pub collection: String,
    /// Its change vector's text.
    pub change_vector: String,
    /// Its local etag.
    pub etag: Etag,
    /// When it was stored.
    pub last_modified: Timestamp,
    /// Its flags.
    pub flags: DocumentFlags,
}

/// What stood under an id before.
enum Previous {
    Nothing,
    Document(DocumentRecord),
    Tombstone(Tombstone),
}

impl PutDocument {
    pub(crate) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<WrittenDocument> {
        let id = self.choose_id(tx).await?;
        let previous = find_previous(tx, id.key()).await?;
        let context = self.check(tx, &id, &previous)?;
        remove_previous(tx, &id, &previous).await?;
        self.store(tx, &id, context).await
    }

    async fn choose_id<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<DocumentId> {
        let max_bytes = tx.limits.max_id_bytes;
        let text = match &self.id {
            IdRequest::Semantic(id) => return Ok(id.clone()),
            IdRequest::Random => IdRequest::random_id(&*tx.host.random)?,
            IdRequest::ServerSide(prefix) => {
                IdRequest::server_side_id(prefix, tx.peek_etag(), &tx.incarnations().own_row().tag)
            }
            IdRequest::Identity(name) => super::change_identity::next_free_id(tx, name).await?,
        };
        DocumentId::new(text, max_bytes)
    }

    /// Checks the expectation and the collection; the causal past of the new version.
    fn check<S: Snapshot>(
        &self,
        tx: &Transaction<S>,
        id: &DocumentId,
        previous: &Previous,
    ) -> Result<ChangeVector> {
        let Previous::Document(record) = previous else {
            self.expected.check("the put", id.as_str(), None)?;
            return Ok(match previous {
                Previous::Tombstone(tombstone) => tombstone.context.clone(),
                _ => ChangeVector::empty(),
            });
        };
        if self.expected != ExpectedVersion::Any {
            let actual = record.context.to_text(tx.incarnations())?;
            self.expected.check("the put", id.as_str(), Some(&actual))?;
        }
        let stored = CollectionName::new(record.collection())?;
        if stored.key() != self.document.collection.key() {
            return Err(Error::invalid(format!(
                "The document {} is in the collection {}; a put cannot move it to {}. Delete it \
                 first, then store it anew.",
                id.as_str(),
                stored.as_str(),
                self.document.collection.as_str()
            )));
        }
        Ok(record.context.clone())
    }

    async fn store<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        id: &DocumentId,
        mut context: ChangeVector,
    ) -> Result<WrittenDocument> {
        let collection = &self.document.collection;
        let dot: Dot = tx.take_dot();
        context.include(dot);
        let change_vector = context.to_text(tx.incarnations())?;
        let value = DocumentParts {
            etag: dot.etag,
            last_modified: tx.now(),
            flags: DocumentFlags::NONE,
            context: &context,
            dot,
            id: id.as_str(),
            key: id.key(),
            collection: collection.as_str(),
            metadata: &self.document.metadata,
            body: &self.document.body,
        }
        .encode();
        let mut statistics = tx
            .collection_statistics(collection.as_str(), collection.key())
            .await?;
        statistics.document_count += 1;
        statistics.document_bytes += value.len() as u64;
        statistics.last_document_etag = dot.etag;
        tx.put_collection_statistics(collection.key(), &statistics);
        self.notice_size(tx, id);
        tx.put(DOCUMENTS, id.key().clone(), value);
        tx.put(
            ETAGS,
            etags::key(dot.etag),
            etags::value(ItemKind::Document, id.key()),
        );
        let by_collection = collection_etags::key(collection.key(), ItemKind::Document, dot.etag);
        tx.put(COLLECTION_ETAGS, by_collection, id.key().clone());
        Ok(WrittenDocument {
            id: id.as_str().to_owned(),
            collection: collection.as_str().to_owned(),
            change_vector,
            etag: dot.etag,
            last_modified: tx.now(),
            flags: DocumentFlags::NONE,
        })
    }

    fn notice_size<S: Snapshot>(&self, tx: &mut Transaction<S>, id: &DocumentId) {
        let byte_count = self.document.body.len() + self.document.metadata.len();
        if byte_count >= tx.limits.large_document_bytes {
            let kind = NoticeKind::LargeDocument {
                id: id.as_str().to_owned(),
                byte_count,
            };
            tx.add_notice(Notice { at: tx.now(), kind });
        }
    }
}

async fn find_previous<S: Snapshot>(tx: &mut Transaction<S>, key: &Bytes) -> Result<Previous> {
    if let Some(value) = tx.get(DOCUMENTS, key).await? {
        return Ok(Previous::Document(DocumentRecord::decode(value)?));
    }
    Ok(match tx.get(TOMBSTONES, key).await? {
        Some(value) => Previous::Tombstone(Tombstone::decode(&value)?),
        None => Previous::Nothing,
    })
}

async fn remove_previous<S: Snapshot>(
    tx: &mut Transaction<S>,
    id: &DocumentId,
    previous: &Previous,
) -> Result<()> {
    match previous {
        Previous::Nothing => Ok(()),
        Previous::Document(record) => super::delete_document::unlink(tx, record).await,
        Previous::Tombstone(tombstone) => {
            super::clean_tombstones::remove(tx, id.key(), tombstone).await
        }
    }
}
