//! Storing a document.

use super::store_version::{NewVersion, Previous, store_version};
use super::{ExpectedVersion, Transaction};
use crate::document::{CollectionName, DocumentId, DocumentText, IdRequest, to_id_key};
use crate::host::Timestamp;
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::storage::Snapshot;
use crate::version::Etag;
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

/// The next server-side id of `prefix` under which nothing is stored: a dump of another database may
/// have brought documents whose numbers are yet to come here.
async fn free_server_side_id<S: Snapshot>(tx: &mut Transaction<S>, prefix: &str) -> Result<String> {
    let suffix = tx.id_suffix();
    loop {
        let id = IdRequest::server_side_id(prefix, tx.peek_etag(), &suffix);
        if !Previous::find(tx, &to_id_key(&id)).await?.is_taken() {
            return Ok(id);
        }
        // The document's etag is the number in its id, so the next one need not look here again.
        tx.take_etag();
    }
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

impl PutDocument {
    pub(crate) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<WrittenDocument> {
        let id = self.choose_id(tx).await?;
        let previous = Previous::find(tx, id.key()).await?;
        self.check(tx, &id, &previous)?;
        let united;
        let attachments = match &previous {
            Previous::Document(record) => record.attachments(),
            Previous::Tombstone(it) if it.is_conflict() => {
                united = crate::conflicts::unite_attachments(tx, id.key()).await?;
                &united
            }
            _ => "",
        };
        let version = NewVersion {
            id: id.as_str(),
            key: id.key(),
            collection: &self.document.collection,
            attachments,
            metadata: &self.document.metadata,
            body: &self.document.body,
            schedule: self.document.schedule,
            flags: match &previous {
                Previous::Tombstone(it) if it.is_conflict() => DocumentFlags::RESOLVED,
                _ => DocumentFlags::NONE,
            },
        };
        store_version(tx, &previous, version).await
    }

    pub(crate) async fn choose_id<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<DocumentId> {
        let max_bytes = tx.limits.max_id_bytes;
        let text = match &self.id {
            IdRequest::Semantic(id) => return Ok(id.clone()),
            IdRequest::Random => IdRequest::random_id(&*tx.host.random)?,
            IdRequest::ServerSide(prefix) => free_server_side_id(tx, prefix).await?,
            IdRequest::Identity(name) => super::change_identity::next_free_id(tx, name).await?,
        };
        DocumentId::new(text, max_bytes)
    }

    /// Checks the expectation and that the collection stays.
    pub(crate) fn check<S: Snapshot>(
        &self,
        tx: &Transaction<S>,
        id: &DocumentId,
        previous: &Previous,
    ) -> Result<()> {
        if self.expected != ExpectedVersion::Any {
            let actual = match previous {
                Previous::Document(it) => {
                    let actual = it.context.to_text(tx.incarnations())?;
                    tx.check_expected(&self.expected, "the put", id, it, &actual)?;
                    return self.check_collection(id, it);
                }
                // Whoever has seen all of the conflict's versions may settle it.
                Previous::Tombstone(it) if it.is_conflict() => {
                    Some(it.context.to_text(tx.incarnations())?)
                }
                _ => None,
            };
            self.expected
                .check("the put", id.as_str(), actual.as_deref())?;
        }
        match previous.document() {
            Some(stored) => self.check_collection(id, stored),
            None => Ok(()),
        }
    }

    fn check_collection(&self, id: &DocumentId, stored: &DocumentRecord) -> Result<()> {
        let stored = CollectionName::new(stored.collection())?;
        if stored.key() == self.document.collection.key() {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "The document {} is in the collection {}; a put cannot move it to {}. Delete it \
             first, then store it anew.",
            id.as_str(),
            stored.as_str(),
            self.document.collection.as_str()
        )))
    }
}
