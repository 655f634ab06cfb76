//! The pages kept in memory: the least recently used go first.

use std::sync::Arc;

use lru::LruCache;

use crate::page::Page;

/// Pages by number, up to a number of bytes.
pub(crate) struct PageCache {
    pages: LruCache<u64, Arc<Page>>,
    byte_count: usize,
    max_bytes: usize,
}

impl PageCache {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            pages: LruCache::unbounded(),
            byte_count: 0,
            max_bytes,
        }
    }

    pub(crate) fn get(&mut self, number: u64) -> Option<Arc<Page>> {
        self.pages.get(&number).cloned()
    }

    pub(crate) fn insert(&mut self, number: u64, page: Arc<Page>) {
        self.byte_count += page.memory_bytes();
        if let Some(replaced) = self.pages.put(number, page) {
            self.byte_count -= replaced.memory_bytes();
        }
        while self.byte_count > self.max_bytes {
            let Some((_, oldest)) = self.pages.pop_lru() else {
                return;
            };
            self.byte_count -= oldest.memory_bytes();
        }
    }

    pub(crate) fn remove(&mut self, number: u64) {
        if let Some(removed) = self.pages.pop(&number) {
            self.byte_count -= removed.memory_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::PageDraft;

    #[test]
    fn the_least_recently_used_goes_first() {
        let page = || {
            let mut draft = PageDraft::default();
            draft.push("key".into(), &[7; 100]);
            Arc::new(Page::decode(draft.encode().into()).unwrap())
        };
        let mut cache = PageCache::new(page().memory_bytes() * 2);
        cache.insert(1, page());
        cache.insert(2, page());
        assert!(cache.get(1).is_some());
        cache.insert(3, page());
        let kept = [1, 2, 3].map(|number| cache.get(number).is_some());
        assert_eq!(kept, [true, false, true]);
        cache.remove(1);
        cache.insert(4, page());
        assert!(cache.get(3).is_some() && cache.get(4).is_some());
    }
}
