//! Changing what a database is configured to do.

use bytes::Bytes;

use super::Transaction;
use crate::conflicts::ConflictsConfiguration;
use crate::expiration::{ExpirationConfiguration, RefreshConfiguration};
use crate::revisions::{RevisionBinConfiguration, RevisionsConfiguration};
use crate::schema::DATABASE;
use crate::schema::configuration::{
    CONFLICTS_KEY, EXPIRATION_KEY, REFRESH_KEY, REVISION_BIN_KEY, REVISIONS_KEY, VALIDATION_KEY,
};
use crate::storage::Snapshot;
use crate::validation::ValidationConfiguration;

/// Replaces one configuration whole.
#[derive(Debug, Clone)]
pub enum Configure {
    /// Which collections keep revisions.
    Revisions(RevisionsConfiguration),
    /// Whether and how often the revision bin is emptied.
    RevisionBin(RevisionBinConfiguration),
    /// Whether and how often expired documents are deleted.
    Expiration(ExpirationConfiguration),
    /// Whether and how often documents are refreshed.
    Refresh(RefreshConfiguration),
    /// How conflicts are resolved.
    Conflicts(ConflictsConfiguration),
    /// What edges may write, by functions.
    Validation(ValidationConfiguration),
}

impl Configure {
    pub(crate) fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) {
        let (key, text) = match self {
            Self::Revisions(it) => (REVISIONS_KEY, serde_json::to_string(it)),
            Self::RevisionBin(it) => (REVISION_BIN_KEY, serde_json::to_string(it)),
            Self::Expiration(it) => (EXPIRATION_KEY, serde_json::to_string(it)),
            Self::Conflicts(it) => (CONFLICTS_KEY, serde_json::to_string(it)),
            Self::Validation(it) => (VALIDATION_KEY, serde_json::to_string(it)),
            Self::Refresh(it) => (REFRESH_KEY, serde_json::to_string(it)),
        };
        if matches!(self, Self::Revisions(_)) {
            tx.learn_revisions();
        }
        let text = text.expect("configurations are plain data");
        tx.put(DATABASE, Bytes::from_static(key), text);
    }
}
