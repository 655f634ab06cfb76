//! Checking documents that a session read but did not write (architecture decision 4).

use super::{ExpectedVersion, Transaction};
use crate::Result;
use crate::document::DocumentId;
use crate::schema::DOCUMENTS;
use crate::schema::documents::DocumentRecord;
use crate::storage::Snapshot;

/// Fails its batch unless each document still has the version that was read.
#[derive(Debug, Clone)]
pub struct VerifyVersions {
    /// The documents, each with what was read.
    pub expected: Vec<(DocumentId, ExpectedVersion)>,
}

impl VerifyVersions {
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<()> {
        for (id, expected) in &self.expected {
            let actual = match tx.get(DOCUMENTS, id.key()).await? {
                Some(value) => {
                    let record = DocumentRecord::decode(value)?;
                    Some(record.context.to_text(tx.incarnations())?)
                }
                None => None,
            };
            expected.check("the read", id.as_str(), actual.as_deref())?;
        }
        Ok(())
    }
}
