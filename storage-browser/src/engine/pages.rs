//! Reading pages, through the cache.

use std::sync::Arc;

use pinyon_core::{Error, Result};

use super::{Engine, lock};
use crate::checksum::unseal;
use crate::page::Page;
use crate::tables::{Table, TableKey, Tables};

impl<T: Tables> Engine<T> {
    /// The page, if it is in memory.
    pub(super) fn cached_page(&self, number: u64) -> Option<Arc<Page>> {
        lock(&self.cache).get(number)
    }

    pub(super) fn keep_page(&self, number: u64, page: Arc<Page>) {
        lock(&self.cache).insert(number, page);
    }

    /// Pages by number, in their order; those not in memory are read in one transaction.
    pub(super) async fn load_pages(
        &self,
        numbers: &[u64],
        is_kept: bool,
    ) -> Result<Vec<Arc<Page>>> {
        let mut found: Vec<Option<Arc<Page>>> = {
            let mut cache = lock(&self.cache);
            numbers.iter().map(|number| cache.get(*number)).collect()
        };
        let missing: Vec<u64> = numbers
            .iter()
            .zip(&found)
            .filter(|(_, page)| page.is_none())
            .map(|(number, _)| *number)
            .collect();
        if !missing.is_empty() {
            let keys: Vec<TableKey> = missing
                .iter()
                .map(|number| TableKey::new(self.store, *number))
                .collect();
            let records = self.tables.get_many(Table::Pages, &keys).await?;
            let mut read = keys.into_iter().zip(records);
            for (number, place) in numbers.iter().zip(&mut found) {
                if place.is_some() {
                    continue;
                }
                let (key, sealed) = read.next().expect("one for each missing page");
                let sealed = sealed.ok_or_else(|| {
                    Error::corrupted(format!("store '{}': page {number} is missing", self.name))
                })?;
                let page = Arc::new(Page::decode(unseal(Table::Pages, key, sealed)?)?);
                if is_kept {
                    self.keep_page(*number, Arc::clone(&page));
                }
                *place = Some(page);
            }
        }
        Ok(found.into_iter().flatten().collect())
    }
}
