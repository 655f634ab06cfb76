//! Keeping the results of an index as documents.
//!
//! They are documents as all others to whoever reads or indexes them, and marked as artificial:
//! nobody else writes them, they have no revisions, and no other replica hears of them.

use super::Transaction;
use super::delete_document::bury;
use super::store_version::{NewVersion, Previous, store_version};
use crate::Result;
use crate::document::{DocumentId, DocumentText};
use crate::schema::documents::DocumentFlags;
use crate::storage::Snapshot;

/// Brings documents in line with the results of an index.
#[derive(Debug, Clone)]
pub struct WriteOutputs {
    /// What they shall be.
    pub documents: Vec<OutputDocument>,
}

/// What a result of an index shall be as a document.
#[derive(Debug, Clone)]
pub struct OutputDocument {
    /// Its id.
    pub id: DocumentId,
    /// The document; `None` for none.
    pub document: Option<DocumentText>,
}

impl WriteOutputs {
    pub(super) fn byte_count(&self) -> usize {
        let texts = self.documents.iter().flat_map(|it| &it.document);
        texts.map(|it| it.body.len() + it.metadata.len()).sum()
    }

    /// Answers how many documents changed.
    pub(super) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<usize> {
        let mut changed = 0;
        for output in &self.documents {
            changed += usize::from(output.run(tx).await?);
        }
        Ok(changed)
    }
}

impl OutputDocument {
    async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<bool> {
        let previous = Previous::find(tx, self.id.key()).await?;
        let stored = previous.document();
        let is_own = stored.is_some_and(|it| it.flags.contains(DocumentFlags::ARTIFICIAL));
        let Some(document) = &self.document else {
            // What somebody else put there is not the index's to delete.
            let Some(stored) = stored.filter(|_| is_own) else {
                return Ok(false);
            };
            bury(tx, self.id.key(), stored).await?;
            return Ok(true);
        };
        let is_same = stored.is_some_and(|it| {
            it.body() == document.body
                && it.metadata() == document.metadata
                && it.collection() == document.collection.as_str()
        });
        if is_own && is_same {
            return Ok(false);
        }
        let version = NewVersion {
            id: self.id.as_str(),
            key: self.id.key(),
            collection: &document.collection,
            attachments: stored.map_or("", |it| it.attachments()),
            metadata: &document.metadata,
            body: &document.body,
            schedule: document.schedule,
            flags: DocumentFlags::ARTIFICIAL.with(DocumentFlags::FROM_INDEX),
        };
        store_version(tx, &previous, version).await?;
        Ok(true)
    }
}
