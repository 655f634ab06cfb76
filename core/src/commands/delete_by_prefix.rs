//! Deleting every document whose id begins with a prefix.

use super::{DeleteDocument, ExpectedVersion, Transaction};
use crate::document::{DocumentId, to_id_key};
use crate::schema::DOCUMENTS;
use crate::storage::{KeyRange, Snapshot};
use crate::{Error, ErrorKind, Result};

/// Deletes by prefix, in the same transaction as the rest of its batch.
#[derive(Debug, Clone)]
pub struct DeleteByPrefix {
    /// The beginning of the ids, of any case.
    pub prefix: String,
}

/// What became of the documents under a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedByPrefix {
    /// The prefix as given.
    pub prefix: String,
    /// How many documents were deleted.
    pub count: usize,
}

impl DeleteByPrefix {
    const PAGE: usize = 1024;

    pub(crate) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<DeletedByPrefix> {
        if self.prefix.is_empty() {
            return Err(Error::invalid(
                "deleting by prefix needs a prefix that is not empty",
            ));
        }
        let range = KeyRange::prefix(&to_id_key(&self.prefix));
        let mut count = 0;
        loop {
            let page = tx.scan(DOCUMENTS, &range, Self::PAGE).await?;
            if page.is_empty() {
                break;
            }
            count += page.len();
            if count > tx.limits.max_batch_commands {
                return Err(Error::new(
                    ErrorKind::LimitExceeded,
                    format!(
                        "more than {} documents begin with '{}'; one batch cannot delete so many",
                        tx.limits.max_batch_commands, self.prefix
                    ),
                ));
            }
            for (key, _) in page {
                let id = String::from_utf8_lossy(&key).into_owned();
                let id = DocumentId::new(id, usize::MAX)?;
                DeleteDocument {
                    id,
                    expected: ExpectedVersion::Any,
                }
                .run(tx)
                .await?;
            }
        }
        Ok(DeletedByPrefix {
            prefix: self.prefix.clone(),
            count,
        })
    }
}
