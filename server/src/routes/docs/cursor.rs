//! Walking many documents of one snapshot in small pages, so that neither memory nor the other
//! requests of the thread suffer.

use pinyon_core::document::ServedDocument;
use pinyon_core::{NewestQuery, PrefixQuery, ReadTransaction, Result};
use pinyon_storage_native::NativeSnapshot;

/// What is read at a time, whichever is reached first.
const PAGE_DOCUMENTS: usize = 256;
const PAGE_BYTES: usize = 256 << 10;

/// What is still to be read.
pub enum Rest {
    /// By the beginning of the ids, in their order.
    Prefix(PrefixQuery),
    /// The newest first.
    Newest(NewestQuery),
}

/// A place in a walk.
pub struct Cursor {
    transaction: ReadTransaction<NativeSnapshot>,
    rest: Rest,
    left: usize,
}

impl Cursor {
    /// Begins a walk over at most `left` documents.
    pub fn new(transaction: ReadTransaction<NativeSnapshot>, rest: Rest, left: usize) -> Self {
        Self {
            transaction,
            rest,
            left,
        }
    }

    /// The next documents; none after the last.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn next(&mut self) -> Result<Vec<ServedDocument>> {
        let page_size = self.left.min(PAGE_DOCUMENTS);
        let documents = match &mut self.rest {
            Rest::Prefix(query) => {
                query.page_size = page_size;
                query.max_bytes = PAGE_BYTES;
                let documents = self.transaction.served_by_prefix(query).await?;
                if let Some(last) = documents.last() {
                    last.id().clone_into(&mut query.start_after);
                    query.start = 0;
                }
                documents
            }
            Rest::Newest(query) => {
                query.page_size = page_size;
                query.max_bytes = PAGE_BYTES;
                let documents = self.transaction.served_newest(query).await?;
                if let Some(last) = documents.last() {
                    query.before = Some(last.etag());
                    query.start = 0;
                }
                documents
            }
        };
        self.left -= documents.len();
        Ok(documents)
    }
}
