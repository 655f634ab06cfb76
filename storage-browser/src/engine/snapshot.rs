//! A frozen state of a store, and reads from it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use pinyon_core::Result;
use pinyon_core::storage::{Direction, KeyRange, KeySpace, Page as ScanPage, PageLimits};

use super::{Changed, Engine, Overlay};
use crate::page::Page;
use crate::page_index::PageIndex;
use crate::tables::Tables;

/// Pages read in one transaction.
const PAGES_AT_ONCE: usize = 64;

/// What was visible when it was taken.
pub(crate) struct EngineSnapshot<T: Tables> {
    engine: Arc<Engine<T>>,
    active: Overlay,
    frozen: Option<Overlay>,
    index: Arc<PageIndex>,
}

impl<T: Tables> EngineSnapshot<T> {
    pub(super) fn new(
        engine: Arc<Engine<T>>,
        active: Overlay,
        frozen: Option<Overlay>,
        index: Arc<PageIndex>,
    ) -> Self {
        Self {
            engine,
            active,
            frozen,
            index,
        }
    }

    /// The changes of a space, the newest first.
    fn changes(&self, space: KeySpace) -> impl Iterator<Item = &Changed> {
        let at = usize::from(space.number());
        let overlays = std::iter::once(&self.active).chain(&self.frozen);
        overlays.map(move |overlay| &overlay[at])
    }

    pub(crate) async fn get_many(
        &self,
        space: KeySpace,
        keys: &[Bytes],
    ) -> Result<Vec<Option<Bytes>>> {
        let mut values = vec![None; keys.len()];
        // The page and the position of each key that is not answered from memory.
        let mut in_pages: Vec<(u64, usize)> = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            if let Some(changed) = self.changes(space).find_map(|changes| changes.get(key)) {
                values[at].clone_from(changed);
            } else if let Some(entry) = self.index.page_of(space, key) {
                match self.engine.cached_page(entry.number) {
                    Some(page) => values[at] = page.get(key),
                    None => in_pages.push((entry.number, at)),
                }
            }
        }
        in_pages.sort_unstable();
        let mut numbers: Vec<u64> = in_pages.iter().map(|(number, _)| *number).collect();
        numbers.dedup();
        let mut waiting = in_pages.into_iter().peekable();
        for numbers in numbers.chunks(PAGES_AT_ONCE) {
            let pages = self.engine.load_pages(numbers, true).await?;
            for (number, page) in numbers.iter().zip(pages) {
                while let Some((_, at)) = waiting.next_if(|(wanted, _)| wanted == number) {
                    values[at] = page.get(&keys[at]);
                }
            }
        }
        Ok(values)
    }

    pub(crate) async fn scan(
        &self,
        space: KeySpace,
        range: &KeyRange,
        direction: Direction,
        limits: PageLimits,
    ) -> Result<ScanPage> {
        let mut answer = ScanPage::default();
        if range.is_empty() {
            return Ok(answer);
        }
        let mut changed = MergedChanges::new(self.changes(space), range, direction);
        let mut stored = PageCursor::new(self, space, range, direction);
        let mut byte_count = 0;
        loop {
            let room = limits.entries.max(1) - answer.entries.len().min(limits.entries.max(1));
            stored
                .load(room, limits.bytes.saturating_sub(byte_count))
                .await?;
            let next = match (stored.peek(), changed.peek()) {
                (None, None) => return Ok(answer),
                (Some(_), None) => stored.take(),
                (Some(key), Some(changed_key)) if is_before(key, changed_key, direction) => {
                    stored.take()
                }
                (key, Some(changed_key)) => {
                    if key.is_some_and(|key| *key == changed_key[..]) {
                        stored.take();
                    }
                    changed.take()
                }
            };
            let Some((key, value)) = next else { continue };
            if answer.entries.len() >= limits.entries.max(1) || byte_count >= limits.bytes.max(1) {
                answer.has_more = true;
                return Ok(answer);
            }
            byte_count += key.len() + value.len();
            answer.entries.push((key, value));
        }
    }
}

fn is_before(one: &[u8], other: &[u8], direction: Direction) -> bool {
    match direction {
        Direction::Forward => one < other,
        Direction::Backward => one > other,
    }
}

type ChangedEntries<'a> = Box<dyn Iterator<Item = (&'a Bytes, &'a Option<Bytes>)> + Send + 'a>;

/// The changes in a range, in order, the newest of each key.
struct MergedChanges<'a> {
    /// The newest first.
    sources: Vec<std::iter::Peekable<ChangedEntries<'a>>>,
    direction: Direction,
}

impl<'a> MergedChanges<'a> {
    fn new(
        changes: impl Iterator<Item = &'a Changed>,
        range: &KeyRange,
        direction: Direction,
    ) -> Self {
        let sources = changes.map(|changes| {
            let entries = changes.range((range.start.clone(), range.end.clone()));
            let entries: ChangedEntries<'a> = match direction {
                Direction::Forward => Box::new(entries),
                Direction::Backward => Box::new(entries.rev()),
            };
            entries.peekable()
        });
        Self {
            sources: sources.collect(),
            direction,
        }
    }

    fn peek(&mut self) -> Option<&'a Bytes> {
        let direction = self.direction;
        let heads = self.sources.iter_mut().filter_map(|source| source.peek());
        heads.map(|(key, _)| *key).reduce(|first, key| {
            if is_before(key, first, direction) {
                key
            } else {
                first
            }
        })
    }

    /// The next change; `None` if it is a delete (or there is none).
    fn take(&mut self) -> Option<(Bytes, Bytes)> {
        let next = self.peek()?;
        let mut newest = None;
        for source in &mut self.sources {
            let taken = source.next_if(|(key, _)| *key == next);
            newest = newest.or(taken);
        }
        let (key, value) = newest.expect("peek() saw it in one of them");
        value.clone().map(|value| (key.clone(), value))
    }
}

/// The stored entries in a range, in order, page by page.
struct PageCursor<'a, T: Tables> {
    snapshot: &'a EngineSnapshot<T>,
    space: KeySpace,
    range: &'a KeyRange,
    direction: Direction,
    /// Positions in the index of the pages not begun yet.
    rest: std::ops::Range<usize>,
    loaded: VecDeque<Arc<Page>>,
    /// The entries of the first loaded page that are not taken yet.
    entries: std::ops::Range<usize>,
}

impl<'a, T: Tables> PageCursor<'a, T> {
    fn new(
        snapshot: &'a EngineSnapshot<T>,
        space: KeySpace,
        range: &'a KeyRange,
        direction: Direction,
    ) -> Self {
        Self {
            snapshot,
            space,
            range,
            direction,
            rest: snapshot.index.pages_in(space, range),
            loaded: VecDeque::new(),
            entries: 0..0,
        }
    }

    /// Sees to it that the next entry is in memory, if there is one; reads no more pages at once
    /// than `entries` and `bytes` ask for.
    async fn load(&mut self, entries: usize, bytes: usize) -> Result<()> {
        while self.entries.is_empty() {
            if self.loaded.pop_front().is_some() && !self.loaded.is_empty() {
                self.begin_page();
                continue;
            }
            let numbers = self.next_numbers(entries, bytes);
            if numbers.is_empty() {
                return Ok(());
            }
            let pages = self.snapshot.engine.load_pages(&numbers, true).await?;
            self.loaded.extend(pages);
            self.begin_page();
        }
        Ok(())
    }

    fn next_numbers(&mut self, entries: usize, bytes: usize) -> Vec<u64> {
        let pages = self.snapshot.index.pages(self.space);
        let (mut numbers, mut entry_count, mut byte_count) = (Vec::new(), 0, 0);
        while numbers.len() < PAGES_AT_ONCE && entry_count <= entries && byte_count <= bytes {
            let next = match self.direction {
                Direction::Forward => self.rest.next(),
                Direction::Backward => self.rest.next_back(),
            };
            let Some(page) = next.map(|at| &pages[at]) else {
                break;
            };
            numbers.push(page.number);
            entry_count += page.count as usize;
            byte_count += page.byte_count as usize;
        }
        numbers
    }

    fn begin_page(&mut self) {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let page = self.loaded.front().expect("called after loading");
        let start = match &self.range.start {
            Unbounded => 0,
            Included(key) => page.first_at(key, true),
            Excluded(key) => page.first_at(key, false),
        };
        let end = match &self.range.end {
            Unbounded => page.len(),
            Included(key) => page.first_at(key, false),
            Excluded(key) => page.first_at(key, true),
        };
        self.entries = start..end.max(start);
    }

    fn peek(&self) -> Option<&[u8]> {
        let page = self.loaded.front().filter(|_| !self.entries.is_empty())?;
        Some(page.key(match self.direction {
            Direction::Forward => self.entries.start,
            Direction::Backward => self.entries.end - 1,
        }))
    }

    fn take(&mut self) -> Option<(Bytes, Bytes)> {
        let at = match self.direction {
            Direction::Forward => self.entries.next(),
            Direction::Backward => self.entries.next_back(),
        }?;
        Some(self.loaded.front()?.entry(at))
    }
}
