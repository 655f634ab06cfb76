//! Documents that come with their attachments from elsewhere, as one version.

use super::{AttachmentContent, AttachmentName, hold_last, replace_all, take_in};
use crate::Result;
use crate::commands::store_version::{NewVersion, Previous, store_imported_version};
use crate::commands::{PutDocument, Transaction, WrittenDocument};
use crate::host::Timestamp;
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::storage::Snapshot;

/// An attachment that comes with its document or revision.
#[derive(Debug, Clone)]
pub struct ImportedAttachment {
    /// Its name.
    pub name: AttachmentName,
    /// Its media type; empty for unknown.
    pub content_type: String,
    /// Its content.
    pub content: AttachmentContent,
}

/// Stores a document of a dump with exactly the attachments it had.
///
/// Unlike a put it makes no revision where there was no document: a dump brings its revisions with
/// it, and the first later write records this version, as it does when revisions were off before.
#[derive(Debug, Clone)]
pub struct ImportDocument {
    /// The document.
    pub put: PutDocument,
    /// All its attachments.
    pub attachments: Vec<ImportedAttachment>,
    /// When it was written, if that is known. It says so here, too: its revisions keep their times,
    /// and what looks for the state of a date must find the document where it was.
    pub last_modified: Option<Timestamp>,
}

impl ImportDocument {
    pub(crate) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<WrittenDocument> {
        let document = &self.put.document;
        let id = self.put.choose_id(tx).await?;
        let previous = Previous::find(tx, id.key()).await?;
        self.put.check(tx, &id, &previous)?;
        let list = take_in(tx, &self.attachments).await?;
        let replaced = previous.document().map_or("", DocumentRecord::attachments);
        let held = hold_last(tx, &previous).await?;
        replace_all(tx, id.key(), replaced, &list).await?;
        // The document's own references hold them now.
        super::release(tx, &list).await?;
        let version = NewVersion {
            id: id.as_str(),
            key: id.key(),
            collection: &document.collection,
            attachments: &list,
            metadata: &document.metadata,
            body: &document.body,
            schedule: document.schedule,
            flags: DocumentFlags::NONE,
        };
        let last_modified = self.last_modified.unwrap_or(tx.now());
        let written = store_imported_version(tx, &previous, version, last_modified).await?;
        super::release(tx, &held).await?;
        Ok(written)
    }
}
