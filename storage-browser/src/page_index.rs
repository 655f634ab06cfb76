//! The page index: which page holds which keys; and the root record that stores it.

use std::sync::Arc;

use bytes::Bytes;
use pinyon_core::storage::{KeyRange, KeySpace};
use pinyon_core::{Error, ErrorKind, Result};
use std::ops::{Bound, Range};

use crate::fields::{Fields, push_bytes, push_number};

/// The form of a root and of all that it leads to.
const FORMAT: u8 = 1;

/// A page, as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageEntry {
    pub(crate) number: u64,
    pub(crate) count: u32,
    pub(crate) byte_count: u32,
    pub(crate) first: Bytes,
    pub(crate) last: Bytes,
}

/// The pages of one key space, in the order of their keys, which do not overlap.
pub(crate) type SpacePages = Arc<Vec<PageEntry>>;

/// All pages of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageIndex {
    pub(crate) spaces: Vec<SpacePages>,
}

impl Default for PageIndex {
    fn default() -> Self {
        Self {
            spaces: vec![SpacePages::default(); usize::from(KeySpace::COUNT)],
        }
    }
}

impl PageIndex {
    pub(crate) fn pages(&self, space: KeySpace) -> &SpacePages {
        &self.spaces[usize::from(space.number())]
    }

    /// The page that would hold `key`.
    pub(crate) fn page_of(&self, space: KeySpace, key: &[u8]) -> Option<&PageEntry> {
        let pages = self.pages(space);
        let page = &pages[..pages.partition_point(|page| page.first[..] <= *key)];
        page.last().filter(|page| *key <= page.last[..])
    }

    /// The positions of the pages that may hold keys in `range`.
    pub(crate) fn pages_in(&self, space: KeySpace, range: &KeyRange) -> Range<usize> {
        let pages = self.pages(space);
        let start = match &range.start {
            Bound::Unbounded => 0,
            Bound::Included(key) => pages.partition_point(|page| page.last < *key),
            Bound::Excluded(key) => pages.partition_point(|page| page.last <= *key),
        };
        let end = match &range.end {
            Bound::Unbounded => pages.len(),
            Bound::Included(key) => pages.partition_point(|page| page.first <= *key),
            Bound::Excluded(key) => pages.partition_point(|page| page.first < *key),
        };
        start..end.max(start)
    }

    /// The bytes of all pages.
    pub(crate) fn byte_count(&self) -> u64 {
        let all = self.spaces.iter().flat_map(|pages| pages.iter());
        all.map(|page| u64::from(page.byte_count)).sum()
    }
}

/// Where a store begins: everything else is found from here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Root {
    /// The number of the first log record that the pages do not hold.
    pub(crate) log_from: u64,
    /// Pages from this number on are left over from a compaction that did not finish.
    pub(crate) next_page: u64,
    /// Pages no longer in the index that are not deleted yet.
    pub(crate) doomed: Vec<u64>,
    pub(crate) index: PageIndex,
}

impl Root {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        push_number(&mut out, self.log_from);
        push_number(&mut out, self.next_page);
        push_number(&mut out, self.doomed.len() as u64);
        for number in &self.doomed {
            push_number(&mut out, *number);
        }
        for (space, pages) in (0_u8..).zip(&self.index.spaces) {
            if pages.is_empty() {
                continue;
            }
            out.push(space);
            push_number(&mut out, pages.len() as u64);
            for page in pages.iter() {
                push_number(&mut out, page.number);
                push_number(&mut out, u64::from(page.count));
                push_number(&mut out, u64::from(page.byte_count));
                push_bytes(&mut out, &page.first);
                push_bytes(&mut out, &page.last);
            }
        }
        out
    }

    /// Reads a root.
    ///
    /// # Errors
    /// `Unsupported` for the form of a newer version, `Corrupted` when it does not fit.
    pub(crate) fn decode(bytes: Bytes) -> Result<Self> {
        let mut fields = Fields::new("a store's root", bytes);
        let format = fields.byte()?;
        if format > FORMAT {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("the store has format {format}, and this version reads up to {FORMAT}"),
            ));
        }
        let mut root = Self {
            log_from: fields.number()?,
            next_page: fields.number()?,
            ..Self::default()
        };
        for _ in 0..fields.length()? {
            let number = fields.number()?;
            root.doomed.push(number);
        }
        while !fields.is_at_end() {
            let space = usize::from(fields.byte()?);
            let mut pages = Vec::new();
            for _ in 0..fields.length()? {
                pages.push(Self::decode_entry(&mut fields)?);
            }
            let ascends = pages.windows(2).all(|two| two[0].last < two[1].first);
            match root.index.spaces.get_mut(space) {
                Some(known) if ascends => *known = Arc::new(pages),
                _ => return Err(fields.broken()),
            }
        }
        Ok(root)
    }

    fn decode_entry(fields: &mut Fields) -> Result<PageEntry> {
        let number = fields.number()?;
        let count = u32::try_from(fields.number()?).map_err(|_| fields.broken())?;
        let byte_count = u32::try_from(fields.number()?).map_err(|_| fields.broken())?;
        let (first, last) = (fields.bytes()?, fields.bytes()?);
        if last < first {
            return Err(fields.broken());
        }
        Ok(PageEntry {
            number,
            count,
            byte_count,
            first,
            last,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u64, first: &'static str, last: &'static str) -> PageEntry {
        PageEntry {
            number,
            count: 2,
            byte_count: 40,
            first: first.into(),
            last: last.into(),
        }
    }

    fn index() -> PageIndex {
        let mut index = PageIndex::default();
        index.spaces[1] = Arc::new(vec![page(4, "b", "d"), page(900, "f", "h")]);
        index.spaces[31] = Arc::new(vec![page(5, "", "z")]);
        index
    }

    #[test]
    fn a_root_round_trips_and_a_newer_one_is_refused() {
        let root = Root {
            log_from: 300,
            next_page: 901,
            doomed: vec![3, 200],
            index: index(),
        };
        let bytes = root.encode();
        assert_eq!(Root::decode(bytes.clone().into()).unwrap(), root);
        let mut newer = bytes.clone();
        newer[0] = FORMAT + 1;
        let refused = Root::decode(newer.into()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        for length in 0..bytes.len() {
            // A beginning that ends between two key spaces is a root too; its checksum tells.
            if let Ok(shorter) = Root::decode(Bytes::from(bytes[..length].to_vec())) {
                assert_ne!(shorter, root);
            }
        }
    }

    #[test]
    fn keys_and_ranges_find_their_pages() {
        let (index, space) = (index(), KeySpace::new(1));
        let number = |key: &str| index.page_of(space, key.as_bytes()).map(|page| page.number);
        assert_eq!(
            ["a", "b", "d", "e", "f", "i"].map(number),
            [None, Some(4), Some(4), None, Some(900), None]
        );
        let all = KeyRange::all();
        assert_eq!(index.pages_in(space, &all), 0..2);
        assert_eq!(index.pages_in(space, &all.clone().after("d")), 1..2);
        assert_eq!(index.pages_in(space, &all.clone().before("f")), 0..1);
        assert_eq!(
            index.pages_in(space, &all.clone().after("d").before("f")),
            1..1
        );
        assert_eq!(index.pages_in(space, &all.after("i")), 2..2);
    }
}
