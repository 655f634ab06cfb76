//! How far an index came, and how it is doing, for people to read.

use serde::Serialize;

use super::index::{Index, IndexView};
use crate::Result;
use crate::reader::ReadTransaction;
use crate::storage::{Snapshot, Store};

/// How far an index came with a collection, named as in the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CollectionProgress {
    /// The collection.
    #[serde(skip)]
    pub collection: String,
    /// The newest document that is in the index.
    pub last_processed_document_etag: u64,
    /// The newest deletion that is.
    pub last_processed_tombstone_etag: u64,
    /// How many etags the documents are ahead.
    pub document_lag: u64,
    /// How many etags the deletions are ahead.
    pub tombstone_lag: u64,
}

impl<S: Store> Index<S> {
    /// How far it came with each collection that its maps read.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn progress_by_collection<D: Snapshot>(
        &self,
        view: &IndexView<S::Snapshot>,
        tx: &ReadTransaction<D>,
    ) -> Result<Vec<CollectionProgress>> {
        let mut collections = Vec::new();
        for followed in self.followed() {
            let name = followed.cursor_name();
            let done = view.progress.cursors.get(name).copied().unwrap_or_default();
            let newest = followed.newest(tx).await?;
            let mut written = self.compiled.maps.iter().filter_map(|it| it.collection());
            let written = written.find(|it| it.key() == name);
            collections.push(CollectionProgress {
                collection: written.map_or(name, |it| it.as_str()).to_owned(),
                last_processed_document_etag: done.documents,
                last_processed_tombstone_etag: done.tombstones,
                document_lag: newest.documents.saturating_sub(done.documents),
                tombstone_lag: newest.tombstones.saturating_sub(done.tombstones),
            });
        }
        Ok(collections)
    }

    /// `Running`, `Paused` or `Disabled`.
    pub fn status(&self) -> &'static str {
        match (self.record().is_disabled, self.is_paused()) {
            (true, _) => "Disabled",
            (false, true) => "Paused",
            (false, false) => "Running",
        }
    }
}
