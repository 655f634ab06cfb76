//! Compaction: the changes of the log become sorted pages.
//!
//! Pages are written before the root that names them, a few at a time, under numbers never used
//! before. If it fails on the way, or the tab dies, the old root still holds.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use pinyon_core::Result;
use pinyon_core::storage::{Durability, KeySpace};

use super::{Changed, Engine, Frozen, State, empty_overlay, lock, put_record};
use crate::checksum::seal;
use crate::page::{Page, PageDraft};
use crate::page_index::{PageEntry, PageIndex, Root, SpacePages};
use crate::tables::{Change, Table, TableKey, Tables};

/// Written pages are handed on in transactions of this many bytes.
const BYTES_AT_ONCE: usize = 1 << 20;
/// Old pages are read in transactions of this many.
const PAGES_AT_ONCE: usize = 32;

impl<T: Tables> Engine<T> {
    pub(super) async fn compact(&self) -> Result<()> {
        let (frozen, index, first_page) = {
            let mut state = lock(&self.state);
            if state.frozen.is_none() {
                // What is cut off is not to share a file with what comes.
                if let Some(journal) = &mut *lock(&self.journal) {
                    journal.turn();
                }
            }
            let frozen = freeze(&mut state);
            (frozen, Arc::clone(&state.index), state.next_page)
        };
        let mut rewrite = Rewrite {
            engine: self,
            next_page: first_page,
            replaced: Vec::new(),
            pending: Vec::new(),
            pending_bytes: 0,
            old_pages: HashMap::new(),
        };
        let result = match rewrite.all_spaces(&index, &frozen).await {
            Ok(new_index) => match self.settle_others(frozen.log_until).await {
                Ok(()) => {
                    self.switch_root(&rewrite, new_index, frozen.log_until)
                        .await
                }
                Err(reason) => Err(reason),
            },
            Err(reason) => Err(reason),
        };
        let mut state = lock(&self.state);
        state.compaction = None;
        match result {
            Ok(()) => state.retry_at_bytes = 0,
            Err(_) => {
                // What was written stays unnamed and goes with the next root.
                state.doomed.extend(first_page..rewrite.next_page);
                state.next_page = rewrite.next_page;
                state.retry_at_bytes = state.active_bytes + self.options.max_log_bytes;
            }
        }
        result
    }

    /// A root must not outlive what other stores had before it: what they have in a young journal
    /// only goes into the tables first.
    async fn settle_others(&self, log_until: u64) -> Result<()> {
        let _turn = self.settling.lock().await;
        let others = {
            let mut journal = lock(&self.journal);
            let Some(journal) = &mut *journal else {
                return Ok(());
            };
            let backlog = journal.take_backlog().into_iter();
            let (own, others): (Vec<_>, Vec<_>) = backlog
                .partition(|(store, (number, _))| *store == self.store && *number < log_until);
            // In pages, and until the root names those here as well.
            journal.return_backlog(own);
            others
        };
        if others.is_empty() {
            return Ok(());
        }
        let puts = others
            .iter()
            .map(|(store, (number, record))| put_record(*store, *number, record.to_vec()));
        let done = self.tables.apply(puts.collect(), Durability::Durable).await;
        if let (Err(_), Some(journal)) = (&done, &mut *lock(&self.journal)) {
            journal.return_backlog(others);
        }
        done
    }

    /// The log in the tables is cut by the transaction that makes it superfluous, whatever becomes
    /// of both. The journal is not: before it is cut, that transaction is on the disk, and what
    /// it stands on.
    fn page_durability(&self) -> Durability {
        match &*lock(&self.journal) {
            Some(_) => Durability::Durable,
            None => Durability::Relaxed,
        }
    }

    /// Names the new pages, forgets the log up to `log_until` and the pages nobody reads.
    async fn switch_root(
        &self,
        rewrite: &Rewrite<'_, T>,
        index: PageIndex,
        log_until: u64,
    ) -> Result<()> {
        let (deleted, doomed) = {
            let mut state = lock(&self.state);
            let deleted = take_unread(&mut state);
            let still_read = state.replaced.iter().flat_map(|(_, pages)| pages);
            let doomed = still_read.chain(&rewrite.replaced).copied().collect();
            (deleted, doomed)
        };
        let root = Root {
            log_from: log_until,
            next_page: rewrite.next_page,
            doomed,
            index,
        };
        let root_key = TableKey::new(self.store, 0);
        let mut changes = vec![
            Change::Put(
                Table::Roots,
                root_key,
                seal(Table::Roots, root_key, root.encode()),
            ),
            // Left over from an earlier life that ended while it compacted.
            Change::Delete(
                Table::Pages,
                TableKey::from_record(self.store, root.next_page),
            ),
        ];
        if let Some(last) = log_until.checked_sub(1) {
            let (first, last) = (
                TableKey::new(self.store, 0),
                TableKey::new(self.store, last),
            );
            changes.push(Change::Delete(Table::Log, first..=last));
        }
        for number in &deleted {
            let key = TableKey::new(self.store, *number);
            changes.push(Change::Delete(Table::Pages, key..=key));
        }
        let done = self.tables.apply(changes, self.page_durability()).await;
        let mut state = lock(&self.state);
        if done.is_err() {
            state.doomed.extend(deleted);
            return done;
        }
        if let Some(journal) = &mut *lock(&self.journal) {
            journal.cut(self.store, log_until);
        }
        let old = std::mem::replace(&mut state.index, Arc::new(root.index));
        state
            .replaced
            .push_back((Arc::downgrade(&old), rewrite.replaced.clone()));
        state.next_page = rewrite.next_page;
        state.frozen = None;
        let mut cache = lock(&self.cache);
        for number in &deleted {
            cache.remove(*number);
        }
        Ok(())
    }
}

/// Cuts the changes off, unless those of a failed attempt are still there.
fn freeze(state: &mut State) -> Frozen {
    if let Some(frozen) = &state.frozen {
        return frozen.clone();
    }
    let frozen = Frozen {
        overlay: std::mem::replace(&mut state.active, empty_overlay()),
        log_until: state.log_next,
    };
    state.active_bytes = 0;
    state.active_commits = 0;
    state.frozen = Some(frozen.clone());
    frozen
}

/// The pages that no snapshot can read: an index's replaced pages are read through it and through
/// older ones, so they wait for the oldest.
fn take_unread(state: &mut State) -> Vec<u64> {
    let mut unread = std::mem::take(&mut state.doomed);
    while let Some((reader, _)) = state.replaced.front() {
        if reader.strong_count() > 0 {
            break;
        }
        let (_, pages) = state.replaced.pop_front().expect("it was just there");
        unread.extend(pages);
    }
    unread
}

/// The entries of an old page, as far as they are not merged yet.
struct OldEntries {
    page: Option<Arc<Page>>,
    at: usize,
}

impl OldEntries {
    fn peek(&self) -> Option<&[u8]> {
        let page = self.page.as_ref()?;
        (self.at < page.len()).then(|| page.key(self.at))
    }

    fn next(&mut self) -> Option<(Bytes, Bytes)> {
        self.peek()?;
        self.at += 1;
        self.page.as_ref().map(|page| page.entry(self.at - 1))
    }

    fn next_before(&mut self, key: &[u8]) -> Option<(Bytes, Bytes)> {
        self.peek().filter(|old| *old < key)?;
        self.next()
    }

    /// Passes over the entry of `key`, if there is one.
    fn skip(&mut self, key: &[u8]) {
        if self.peek() == Some(key) {
            self.at += 1;
        }
    }
}

/// A compaction under way.
struct Rewrite<'a, T: Tables> {
    engine: &'a Engine<T>,
    next_page: u64,
    /// Old pages whose entries are in new ones now.
    replaced: Vec<u64>,
    pending: Vec<Change>,
    pending_bytes: usize,
    /// Old pages read ahead.
    old_pages: HashMap<u64, Arc<Page>>,
}

impl<T: Tables> Rewrite<'_, T> {
    async fn all_spaces(&mut self, index: &PageIndex, frozen: &Frozen) -> Result<PageIndex> {
        let mut new_index = index.clone();
        for space in KeySpace::all() {
            let at = usize::from(space.number());
            let changes = &frozen.overlay[at];
            if !changes.is_empty() {
                new_index.spaces[at] = self.one_space(index.pages(space), changes).await?;
            }
        }
        self.write_pending().await?;
        Ok(new_index)
    }

    /// Untouched pages stay; each touched one is merged with its changes into new ones.
    async fn one_space(&mut self, pages: &SpacePages, changes: &Changed) -> Result<SpacePages> {
        let mut kept: Vec<PageEntry> = Vec::with_capacity(pages.len() + 1);
        let mut draft = PageDraft::default();
        let mut next_old = 0;
        let mut changes_left = changes.iter().peekable();
        while let Some((key, _)) = changes_left.peek() {
            let after = pages.partition_point(|page| page.first <= **key);
            let touched = after.saturating_sub(1).max(next_old);
            if touched > next_old && draft.count > 0 {
                if draft.byte_count() >= self.engine.options.page_bytes / 4 {
                    self.finish(&mut draft, &mut kept).await?;
                } else {
                    // Too little for a page of its own: the next old page takes it in.
                    let page = self.old_page(pages, next_old, changes).await?;
                    for at in 0..page.len() {
                        let (key, value) = page.entry(at);
                        self.push(key, &value, &mut draft, &mut kept).await?;
                    }
                    next_old += 1;
                    continue;
                }
            }
            kept.extend_from_slice(&pages[next_old..touched]);
            next_old = touched;
            let old = match pages.get(touched) {
                Some(_) => Some(self.old_page(pages, touched, changes).await?),
                None => None,
            };
            next_old += usize::from(old.is_some());
            let bound = pages.get(next_old).map(|page| &page.first);
            let mut old = OldEntries { page: old, at: 0 };
            while let Some((key, value)) =
                changes_left.next_if(|(key, _)| bound.is_none_or(|bound| *key < bound))
            {
                while let Some((key, value)) = old.next_before(key) {
                    self.push(key, &value, &mut draft, &mut kept).await?;
                }
                old.skip(key);
                if let Some(value) = value {
                    self.push(key.clone(), value, &mut draft, &mut kept).await?;
                }
            }
            while let Some((key, value)) = old.next() {
                self.push(key, &value, &mut draft, &mut kept).await?;
            }
        }
        self.finish(&mut draft, &mut kept).await?;
        kept.extend_from_slice(&pages[next_old..]);
        self.old_pages.clear();
        Ok(Arc::new(kept))
    }

    async fn push(
        &mut self,
        key: Bytes,
        value: &[u8],
        draft: &mut PageDraft,
        kept: &mut Vec<PageEntry>,
    ) -> Result<()> {
        let page_bytes = self.engine.options.page_bytes;
        // A large value gets a page of its own, so that its neighbours are read without it.
        if draft.count > 0 && draft.byte_count() + key.len() + value.len() > page_bytes {
            self.finish(draft, kept).await?;
        }
        draft.push(key, value);
        Ok(())
    }

    /// Ends a page, if it has entries.
    async fn finish(&mut self, draft: &mut PageDraft, kept: &mut Vec<PageEntry>) -> Result<()> {
        let done = std::mem::take(draft);
        if done.count == 0 {
            return Ok(());
        }
        let number = self.next_page;
        self.next_page += 1;
        let content = done.encode();
        let byte_count = content.len();
        self.engine
            .keep_page(number, Arc::new(Page::decode(content.clone().into())?));
        let key = TableKey::new(self.engine.store, number);
        self.pending.push(Change::Put(
            Table::Pages,
            key,
            seal(Table::Pages, key, content),
        ));
        self.pending_bytes += byte_count;
        kept.push(PageEntry {
            number,
            count: done.count,
            byte_count: u32::try_from(byte_count).unwrap_or(u32::MAX),
            first: done.first,
            last: Bytes::copy_from_slice(&done.last),
        });
        if self.pending_bytes >= BYTES_AT_ONCE {
            self.write_pending().await?;
        }
        Ok(())
    }

    async fn write_pending(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.pending_bytes = 0;
        let pages = std::mem::take(&mut self.pending);
        let durability = self.engine.page_durability();
        self.engine.tables.apply(pages, durability).await
    }

    /// An old page that is about to be replaced. Those that the next changes touch are read with
    /// it.
    async fn old_page(
        &mut self,
        pages: &SpacePages,
        at: usize,
        changes: &Changed,
    ) -> Result<Arc<Page>> {
        let number = pages[at].number;
        if !self.old_pages.contains_key(&number) {
            let mut numbers = vec![number];
            for next in pages[at + 1..].iter().take(PAGES_AT_ONCE - 1) {
                let mut touching = changes.range(next.first.clone()..=next.last.clone());
                if touching.next().is_some() {
                    numbers.push(next.number);
                }
            }
            let read = self.engine.load_pages(&numbers, false).await?;
            self.old_pages = numbers.into_iter().zip(read).collect();
        }
        self.replaced.push(number);
        Ok(Arc::clone(&self.old_pages[&number]))
    }
}
