//! Results one piece after the other, all from one state: for answers of any length.
//!
//! What a query finds in an index is found and sorted once, and kept as numbers; a collection is
//! read as it goes. Each candidate is looked at once, however many pieces there are.

use std::collections::HashSet;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use super::answer::{CHUNK, Page, Ready, evaluation_of};
use super::condition::Found;
use super::lower::{OnlyIds, Output};
use super::order;
use super::plan::Plan;
use super::prepared::PreparedQuery;
use super::project::Projection;
use super::result::{Marks, QueryResult};
use crate::document::CollectionName;
use crate::reader::Pages;
use crate::schema::documents::DocumentRecord;
use crate::schema::etags::{self, ItemKind};
use crate::schema::{COLLECTION_ETAGS, DOCUMENTS, ETAGS, collection_etags};
use crate::storage::{Direction, Environment, KeyRange};
use crate::{Error, Result};

/// Where the results of a query stand.
pub struct Rows {
    candidates: Candidates,
    /// Candidates that may still be looked at.
    to_look_at: usize,
    /// Results that are still to be passed over.
    to_skip: usize,
    /// Results that are still wanted.
    left: usize,
    /// Of results that count once: hashes of those that were shown.
    seen: Option<HashSet<u128>>,
}

/// What may be a result.
enum Candidates {
    Entries {
        found: Found,
        numbers: std::vec::IntoIter<u64>,
    },
    Keys(std::vec::IntoIter<Bytes>),
    Scan {
        pages: Pages,
        read: std::vec::IntoIter<Bytes>,
        of: Scanned,
    },
}

/// What a scan walks over.
enum Scanned {
    /// All documents by etag.
    Etags,
    /// A collection by etag.
    CollectionEtags,
    /// Documents by id, of one collection or of all.
    Ids(Option<CollectionName>),
}

impl<E: Environment> Ready<E> {
    /// Begins to read all that `query` asks for.
    ///
    /// # Errors
    /// `InvalidRequest` when it asks for facets or suggestions; whatever the storage reports.
    pub async fn rows(&self, query: &PreparedQuery) -> Result<Rows> {
        let lowered = &query.lowered;
        if lowered.output != Output::Rows {
            return Err(Error::invalid("facets and suggestions are no documents"));
        }
        let left = lowered.take.unwrap_or(usize::MAX);
        let mut counts_once = false;
        let candidates = match (&self.plan, &self.view) {
            (Plan::Index(index), Some(view)) => {
                counts_once = self.counts_once(query, index, view);
                let evaluation = evaluation_of(index, view);
                let conditions = self.with_stop_words(&lowered.conditions).await?;
                let found = evaluation.find(&conditions).await?;
                let wanted = if counts_once || lowered.filter.is_some() {
                    usize::MAX
                } else {
                    lowered.skip.saturating_add(left)
                };
                let orders = &lowered.orders;
                let sorting = order::sorted(&evaluation, &found, orders, wanted, self.nonce);
                let numbers = sorting.await?.into_iter();
                Candidates::Entries { found, numbers }
            }
            (Plan::Documents(ids), _) => self.document_candidates(query, ids).await?,
            (Plan::Index(_), None) => Candidates::Keys(Vec::new().into_iter()),
        };
        let mut rows = Rows {
            candidates,
            to_look_at: match lowered.filter {
                Some(_) => lowered.filter_limit,
                None => usize::MAX,
            },
            to_skip: lowered.skip,
            left,
            seen: counts_once.then(HashSet::new),
        };
        // Where each candidate is a result, none is read only to be passed over.
        if lowered.filter.is_none() && !counts_once {
            while rows.to_skip > 0 {
                let most = rows.to_skip;
                let passed = self.take_candidates(&mut rows, most).await?;
                if passed.is_empty() {
                    break;
                }
                rows.to_skip -= passed.len();
            }
        }
        Ok(rows)
    }

    async fn document_candidates(
        &self,
        query: &PreparedQuery,
        ids: &OnlyIds,
    ) -> Result<Candidates> {
        let collection = query.collection().map(CollectionName::new).transpose()?;
        let scan = |space, range, of| Candidates::Scan {
            pages: Pages::new(space, range, Direction::Forward, usize::MAX),
            read: Vec::new().into_iter(),
            of,
        };
        Ok(match (ids, collection) {
            (OnlyIds::These(keys), collection) => {
                let all = Page {
                    skip: 0,
                    take: usize::MAX,
                };
                let (keys, _) = self.of_keys(collection.as_ref(), keys, all).await?;
                Candidates::Keys(keys.into_iter())
            }
            (OnlyIds::Between(range), collection) => {
                scan(DOCUMENTS, range.clone(), Scanned::Ids(collection))
            }
            (OnlyIds::All, None) => scan(ETAGS, KeyRange::all(), Scanned::Etags),
            (OnlyIds::All, Some(name)) => {
                let range = collection_etags::range(name.key(), ItemKind::Document);
                scan(COLLECTION_ETAGS, range, Scanned::CollectionEtags)
            }
        })
    }

    /// How many results there are in all, without paging.
    ///
    /// # Errors
    /// Whatever the storage reports.
    pub async fn count(&self, query: &PreparedQuery) -> Result<u64> {
        let is_filtered = query.lowered.filter.is_some();
        let is_counted = match (&self.plan, &self.view) {
            (Plan::Index(index), Some(view)) => self.counts_once(query, index, view),
            _ => false,
        };
        let mut query = query.clone();
        query.lowered.skip = 0;
        if !is_filtered && !is_counted {
            query.lowered.take = Some(0);
            return Ok(self.answer(&query, 0).await?.total);
        }
        query.lowered.take = None;
        if !query.is_distinct {
            // What the results show matters for nothing.
            query.projection = Projection::Whole;
            query.skips_duplicate_check = !is_counted;
        }
        let mut rows = self.rows(&query).await?;
        let mut total = 0;
        while let Some(results) = self.next_rows(&query, &mut rows, CHUNK).await? {
            total += results.len() as u64;
        }
        Ok(total)
    }

    /// The next results, at most `most` and at least one; `None` after the last.
    ///
    /// # Errors
    /// Whatever the storage reports; what a projection cannot do with a row.
    pub async fn next_rows(
        &self,
        query: &PreparedQuery,
        rows: &mut Rows,
        most: usize,
    ) -> Result<Option<Vec<QueryResult>>> {
        while rows.left > 0 {
            let size = most.clamp(1, CHUNK).min(rows.left).min(rows.to_look_at);
            let candidates = self.take_candidates(rows, size).await?;
            if candidates.is_empty() {
                break;
            }
            rows.to_look_at -= candidates.len();
            let mut results = self.made_of(query, rows, candidates).await?;
            if let Some(seen) = &mut rows.seen {
                results.retain(|it| seen.insert(xxh3_128(&it.identity())));
            }
            let passed = rows.to_skip.min(results.len());
            results.drain(..passed);
            rows.to_skip -= passed;
            if !results.is_empty() {
                rows.left -= results.len();
                return Ok(Some(results));
            }
        }
        rows.left = 0;
        Ok(None)
    }

    async fn made_of(
        &self,
        query: &PreparedQuery,
        rows: &Rows,
        candidates: Taken,
    ) -> Result<Vec<QueryResult>> {
        let keys = match (candidates, &rows.candidates, &self.plan, &self.view) {
            (
                Taken::Numbers(numbers),
                Candidates::Entries { found, .. },
                Plan::Index(index),
                Some(view),
            ) => return self.rows_of(query, index, view, found, &numbers).await,
            (Taken::Keys(keys), ..) => keys,
            (Taken::Numbers(_), ..) => Vec::new(),
        };
        let mut results = Vec::with_capacity(keys.len());
        for document in self.tx.documents_by_key(keys).await? {
            let document =
                document.ok_or_else(|| Error::corrupted("an etag names a missing document"))?;
            let is_wanted = match &query.lowered.filter {
                Some(filter) => filter.holds(&document)?,
                None => true,
            };
            if is_wanted {
                results.push(self.row(query, document, None, Marks::default()).await?);
            }
        }
        Ok(results)
    }

    /// The next candidates; none after the last.
    async fn take_candidates(&self, rows: &mut Rows, most: usize) -> Result<Taken> {
        let (pages, read, of) = match &mut rows.candidates {
            Candidates::Entries { numbers, .. } => {
                return Ok(Taken::Numbers(numbers.take(most).collect()));
            }
            Candidates::Keys(keys) => return Ok(Taken::Keys(keys.take(most).collect())),
            Candidates::Scan { pages, read, of } => (pages, read, of),
        };
        while read.len() == 0
            && let Some(entries) = pages.next(&self.tx.snapshot).await?
        {
            let mut keys = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                keys.extend(of.document(key, value)?);
            }
            *read = keys.into_iter();
        }
        Ok(Taken::Keys(read.take(most).collect()))
    }
}

/// Some candidates.
enum Taken {
    Numbers(Vec<u64>),
    Keys(Vec<Bytes>),
}

impl Taken {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Keys(keys) => keys.len(),
        }
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Scanned {
    /// The key of the document behind an entry, if there is one.
    fn document(&self, key: Bytes, value: Bytes) -> Result<Option<Bytes>> {
        Ok(match self {
            Self::CollectionEtags => Some(value),
            Self::Etags => match etags::decode_value(&value)? {
                (ItemKind::Document, key) => Some(key),
                _ => None,
            },
            Self::Ids(None) => Some(key),
            Self::Ids(Some(collection)) => {
                let record = DocumentRecord::decode(value)?;
                super::answer::is_in(record.collection(), collection).then_some(key)
            }
        })
    }
}
