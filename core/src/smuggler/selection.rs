//! What of a database is exported, and what of an input imported.

use crate::Result;
use crate::document::{CollectionName, Schedule};
use crate::host::Timestamp;
use crate::schema::documents::DocumentFlags;

/// The kinds of items that are meant; by default all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Documents, with their attachments.
    pub documents: bool,
    /// Revisions, with their attachments.
    pub revisions: bool,
    /// What tells that documents were deleted.
    pub tombstones: bool,
    /// Identities.
    pub identities: bool,
    /// Definitions of indexes.
    pub indexes: bool,
    /// Documents that indexes made, which are made anew from the others; imported, they are
    /// documents as all others.
    pub artificial: bool,
    /// The configurations of revisions, expiration, refresh, conflicts and validation.
    pub configurations: bool,
    /// If not empty: documents, revisions and tombstones of these collections only, by lower-cased
    /// name.
    pub collections: Vec<String>,
    /// If set: no documents that expired by then.
    pub expired_by: Option<Timestamp>,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            documents: true,
            revisions: true,
            tombstones: true,
            identities: true,
            indexes: true,
            artificial: false,
            configurations: true,
            collections: Vec::new(),
            expired_by: None,
        }
    }
}

impl Selection {
    pub(super) fn has_collection(&self, name: &str) -> bool {
        if self.collections.is_empty() {
            return true;
        }
        let key = name.to_lowercase();
        self.collections.contains(&key)
    }

    pub(super) fn has_document(
        &self,
        collection: &CollectionName,
        metadata: &str,
        flags: DocumentFlags,
    ) -> Result<bool> {
        if flags.contains(DocumentFlags::ARTIFICIAL) && !self.artificial {
            return Ok(false);
        }
        if !self.documents || !self.has_collection(collection.as_str()) {
            return Ok(false);
        }
        let Some(by) = self.expired_by else {
            return Ok(true);
        };
        let expires = Schedule::of_metadata(metadata)?.expires;
        Ok(expires.is_none_or(|expires| expires > by))
    }
}
