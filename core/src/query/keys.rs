//! Which documents answer a query, for readers that may have them.
//!
//! Nothing is read but the index, so it must have exactly the documents: not be stale.

use bytes::Bytes;

use super::answer::{Page, Ready, evaluation_of};
use super::plan::Plan;
use super::prepared::PreparedQuery;
use crate::Result;
use crate::storage::Environment;

impl<E: Environment> Ready<E> {
    /// The keys of the documents that [`Self::answer`] would show, and how many there are without
    /// paging; nothing where it shows more than documents, reads them to answer, or would show more
    /// than `most`.
    ///
    /// # Errors
    /// Whatever the storage reports.
    pub async fn keys(
        &self,
        query: &PreparedQuery,
        most: usize,
    ) -> Result<Option<(Vec<Bytes>, u64)>> {
        let (Plan::Index(index), Some(view)) = (&self.plan, &self.view) else {
            return Ok(None);
        };
        // What is stale may have entries of documents that are gone.
        if self.is_stale()
            || index.is_map_reduce()
            || !query.shows_only_documents()
            || self.counts_once(query, index, view)
        {
            return Ok(None);
        }
        let evaluation = evaluation_of(index, view);
        let conditions = self.with_stop_words(&query.lowered.conditions).await?;
        let found = evaluation.find(&conditions).await?;
        let (skip, take) = (query.lowered.skip, query.lowered.take);
        let shown = found.entries.len().saturating_sub(skip as u64);
        let shown = shown.min(take.map_or(u64::MAX, |it| it as u64));
        if shown > most as u64 || !found.scores.is_empty() {
            return Ok(None);
        }
        let page = Page {
            skip,
            take: take.unwrap_or(most),
        };
        let sorted = self.sorted(query, &evaluation, &found, page).await?;
        let numbers = sorted.get(skip..).unwrap_or_default();
        let keys = index.sources_of(&view.snapshot, numbers).await?;
        Ok(Some((keys, found.entries.len())))
    }
}
