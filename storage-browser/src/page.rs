//! A page: some neighbouring keys of one key space with their values, sorted.

use bytes::Bytes;
use pinyon_core::{Error, Result};

use crate::fields::{Fields, push_bytes, push_number};

/// A page as it is read: its bytes, and where in them each entry lies.
#[derive(Debug)]
pub(crate) struct Page {
    bytes: Bytes,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: (u32, u32),
    value: (u32, u32),
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// `Corrupted` when the bytes are no page or its keys do not ascend.
    pub(crate) fn decode(bytes: Bytes) -> Result<Self> {
        let mut fields = Fields::new("a page", bytes.clone());
        let count = fields.length()?;
        let mut entries: Vec<Entry> = Vec::new();
        let narrow = |(start, end): (usize, usize)| {
            let narrow = |at: usize| u32::try_from(at);
            Ok::<_, std::num::TryFromIntError>((narrow(start)?, narrow(end)?))
        };
        let too_large = |_| Error::corrupted("a page is larger than 4 GiB");
        for _ in 0..count {
            let key = narrow(fields.span()?).map_err(too_large)?;
            let value = narrow(fields.span()?).map_err(too_large)?;
            entries.push(Entry { key, value });
        }
        let page = Self { bytes, entries };
        let ascends = (1..page.len()).all(|at| page.key(at - 1) < page.key(at));
        if !fields.is_at_end() || !ascends {
            return Err(fields.broken());
        }
        Ok(page)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What it takes in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Entry>()
    }

    pub(crate) fn key(&self, at: usize) -> &[u8] {
        let (start, end) = self.entries[at].key;
        &self.bytes[start as usize..end as usize]
    }

    /// The entry at a position; both parts share the page's memory.
    pub(crate) fn entry(&self, at: usize) -> (Bytes, Bytes) {
        let Entry { key, value } = self.entries[at];
        let slice = |(start, end): (u32, u32)| self.bytes.slice(start as usize..end as usize);
        (slice(key), slice(value))
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Bytes> {
        let at = self.first_at(key, true);
        (at < self.len() && self.key(at) == key).then(|| self.entry(at).1)
    }

    /// The position of the first entry at `key` (if `is_included`) or behind it.
    pub(crate) fn first_at(&self, key: &[u8], is_included: bool) -> usize {
        self.entries.partition_point(|entry| {
            let (start, end) = entry.key;
            let stored = &self.bytes[start as usize..end as usize];
            stored < key || (!is_included && stored == key)
        })
    }
}

/// Gathers ascending entries into the bytes of pages.
#[derive(Debug, Default)]
pub(crate) struct PageDraft {
    entries: Vec<u8>,
    pub(crate) count: u32,
    pub(crate) first: Bytes,
    pub(crate) last: Bytes,
}

impl PageDraft {
    pub(crate) fn push(&mut self, key: Bytes, value: &[u8]) {
        push_bytes(&mut self.entries, &key);
        push_bytes(&mut self.entries, value);
        if self.count == 0 {
            // A copy: a slice would keep the whole page or log record alive in the index.
            self.first = Bytes::copy_from_slice(&key);
        }
        self.last = key;
        self.count += 1;
    }

    pub(crate) fn byte_count(&self) -> usize {
        self.entries.len()
    }

    /// The page's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.entries.len() + 16);
        push_number(&mut out, u64::from(self.count));
        out.extend_from_slice(&self.entries);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_find_their_keys() {
        let mut draft = PageDraft::default();
        for key in ["", "b", "d"] {
            draft.push(key.into(), key.repeat(3).as_bytes());
        }
        let bytes = Bytes::from(draft.encode());
        let page = Page::decode(bytes.clone()).unwrap();
        assert_eq!(page.get(b"b"), Some("bbb".into()));
        assert_eq!((page.get(b""), page.get(b"c")), (Some("".into()), None));
        assert_eq!(
            [page.first_at(b"b", true), page.first_at(b"b", false)],
            [1, 2]
        );
        for length in 0..bytes.len() {
            assert!(Page::decode(bytes.slice(..length)).is_err());
        }
        draft.push("a".into(), b"");
        assert!(Page::decode(draft.encode().into()).is_err(), "keys ascend");
    }
}
