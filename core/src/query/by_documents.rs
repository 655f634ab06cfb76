//! Answering from documents alone, where a query asks for some by their ids or for a collection as
//! it is: no index is needed, and nothing can be behind.

use std::collections::HashSet;

use bytes::Bytes;

use super::answer::{CHUNK, Listed, Page, Ready, is_in};
use super::lower::OnlyIds;
use super::prepared::PreparedQuery;
use super::result::Marks;
use crate::document::CollectionName;
use crate::reader::Pages;
use crate::schema::collections::CollectionStatistics;
use crate::schema::etags::{self, ItemKind};
use crate::schema::{COLLECTION_ETAGS, COLLECTIONS, DOCUMENTS, ETAGS, collection_etags};
use crate::storage::{Direction, Environment, KeyRange, Snapshot};
use crate::{Error, Result};

impl<E: Environment> Ready<E> {
    pub(super) async fn answer_by_documents(
        &self,
        query: &PreparedQuery,
        ids: &OnlyIds,
        page: Page,
    ) -> Result<Listed> {
        let collection = query.collection().map(CollectionName::new).transpose()?;
        // A filter looks at all of them.
        let read = match &query.lowered.filter {
            None => page,
            Some(_) => Page {
                skip: 0,
                take: query.lowered.filter_limit,
            },
        };
        let (keys, mut total) = match ids {
            OnlyIds::All => self.newest_last(collection.as_ref(), read).await?,
            OnlyIds::These(keys) => self.of_keys(collection.as_ref(), keys, read).await?,
            OnlyIds::Between(range) => self.of_range(collection.as_ref(), range, read).await?,
        };
        let scanned = keys.len() as u64;
        if query.lowered.filter.is_some() {
            total = 0;
        }
        let mut results = Vec::new();
        for chunk in keys.chunks(CHUNK) {
            for document in self.tx.documents_by_key(chunk.to_vec()).await? {
                let document =
                    document.ok_or_else(|| Error::corrupted("an etag names a missing document"))?;
                if let Some(filter) = &query.lowered.filter {
                    if !filter.holds(&document)? {
                        continue;
                    }
                    let place = usize::try_from(total).unwrap_or(usize::MAX);
                    total += 1;
                    if place < page.skip || results.len() >= page.take {
                        continue;
                    }
                }
                results.push(self.row(query, document, None, Marks::default()).await?);
            }
        }
        Ok(Listed {
            results,
            total,
            scanned: query.lowered.filter.as_ref().map_or(0, |_| scanned),
        })
    }

    /// Those of some documents that are there and in the collection.
    pub(super) async fn of_keys(
        &self,
        collection: Option<&CollectionName>,
        keys: &[Bytes],
        page: Page,
    ) -> Result<(Vec<Bytes>, u64)> {
        let mut seen = HashSet::new();
        let keys = keys.iter().filter(|it| seen.insert((*it).clone()));
        let found = self.tx.documents_by_key(keys.cloned().collect()).await?;
        let of_collection = found
            .into_iter()
            .flatten()
            .filter(|it| collection.is_none_or(|collection| is_in(it.collection(), collection)));
        let keys: Vec<Bytes> = of_collection.map(|it| it.key().clone()).collect();
        let total = keys.len() as u64;
        let keys = keys.into_iter().skip(page.skip).take(page.take);
        Ok((keys.collect(), total))
    }

    /// A collection's documents in the order they were last written.
    async fn newest_last(
        &self,
        collection: Option<&CollectionName>,
        page: Page,
    ) -> Result<(Vec<Bytes>, u64)> {
        let mut total = 0;
        let (space, range) = match collection {
            None => {
                let all = Pages::new(COLLECTIONS, KeyRange::all(), Direction::Forward, usize::MAX);
                for (_, value) in all.all(&self.tx.snapshot).await? {
                    total += CollectionStatistics::decode(&value)?.document_count;
                }
                (ETAGS, KeyRange::all())
            }
            Some(name) => {
                let key = Bytes::copy_from_slice(name.key().as_bytes());
                let found = self.tx.snapshot.get_many(COLLECTIONS, &[key]).await?;
                if let Some(value) = found.into_iter().next().flatten() {
                    total = CollectionStatistics::decode(&value)?.document_count;
                }
                let range = collection_etags::range(name.key(), ItemKind::Document);
                (COLLECTION_ETAGS, range)
            }
        };
        let mut keys = Vec::new();
        let mut to_skip = page.skip;
        let wanted = page.skip.saturating_add(page.take);
        let mut pages = Pages::new(space, range, Direction::Forward, wanted);
        while keys.len() < page.take
            && let Some(entries) = pages.next(&self.tx.snapshot).await?
        {
            for (_, value) in entries {
                let key = match collection {
                    Some(_) => value,
                    None => match etags::decode_value(&value)? {
                        (ItemKind::Document, key) => key,
                        _ => continue,
                    },
                };
                if to_skip > 0 {
                    to_skip -= 1;
                } else if keys.len() < page.take {
                    keys.push(key);
                }
            }
        }
        Ok((keys, total))
    }

    async fn of_range(
        &self,
        collection: Option<&CollectionName>,
        range: &KeyRange,
        page: Page,
    ) -> Result<(Vec<Bytes>, u64)> {
        let (mut keys, mut total) = (Vec::new(), 0u64);
        let mut pages = Pages::new(DOCUMENTS, range.clone(), Direction::Forward, usize::MAX);
        while let Some(entries) = pages.next(&self.tx.snapshot).await? {
            for (key, value) in entries {
                if let Some(collection) = collection {
                    let record = crate::schema::documents::DocumentRecord::decode(value)?;
                    if !is_in(record.collection(), collection) {
                        continue;
                    }
                }
                let place = usize::try_from(total).unwrap_or(usize::MAX);
                total += 1;
                if place >= page.skip && keys.len() < page.take {
                    keys.push(key);
                }
            }
        }
        Ok((keys, total))
    }
}
