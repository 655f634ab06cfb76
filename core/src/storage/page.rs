//! Range reads: what to scan, and one bounded page of the answer.

use std::ops::Bound;

use bytes::Bytes;

/// The order in which a scan returns keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Ascending byte order.
    Forward,
    /// Descending byte order.
    Backward,
}

/// A range of keys in byte order.
///
/// ```
/// use pinyon_core::storage::KeyRange;
/// let range = KeyRange::prefix(b"users/");
/// assert!(range.contains(b"users/1-a"));
/// assert!(!range.contains(b"users0"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// Where the range begins.
    pub start: Bound<Bytes>,
    /// Where the range ends.
    pub end: Bound<Bytes>,
}

impl KeyRange {
    /// Every key.
    pub fn all() -> Self {
        Self {
            start: Bound::Unbounded,
            end: Bound::Unbounded,
        }
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        let start = Bound::Included(Bytes::copy_from_slice(prefix));
        // The first key after all of them: drop trailing 0xff, then count the last byte up.
        let kept = prefix.iter().rposition(|byte| *byte != 0xff);
        let end = match kept {
            Some(last) => {
                let mut end = prefix[..=last].to_vec();
                end[last] += 1;
                Bound::Excluded(Bytes::from(end))
            }
            None => Bound::Unbounded,
        };
        Self { start, end }
    }

    /// The same range, beginning only after `key`.
    #[must_use]
    pub fn after(mut self, key: impl Into<Bytes>) -> Self {
        self.start = Bound::Excluded(key.into());
        self
    }

    /// The same range, ending before `key`.
    #[must_use]
    pub fn before(mut self, key: impl Into<Bytes>) -> Self {
        self.end = Bound::Excluded(key.into());
        self
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        let after_start = match &self.start {
            Bound::Included(start) => key >= start.as_ref(),
            Bound::Excluded(start) => key > start.as_ref(),
            Bound::Unbounded => true,
        };
        let before_end = match &self.end {
            Bound::Included(end) => key <= end.as_ref(),
            Bound::Excluded(end) => key < end.as_ref(),
            Bound::Unbounded => true,
        };
        after_start && before_end
    }

    /// Whether no key can lie in the range. Backends must answer such a scan with an empty page,
    /// never with a panic (`BTreeMap::range` and redb panic on inverted bounds).
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(start), Bound::Included(end)) => start > end,
            (
                Bound::Included(start) | Bound::Excluded(start),
                Bound::Included(end) | Bound::Excluded(end),
            ) => start >= end,
        }
    }

    /// The bounds as borrowed slices.
    pub fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (
            self.start.as_ref().map(|key| &key[..]),
            self.end.as_ref().map(|key| &key[..]),
        )
    }
}

/// How large one page of a scan may be. A page holds at least one entry if the range has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimits {
    /// The most entries in the page, at least 1.
    pub entries: usize,
    /// The page ends once its keys and values reach this many bytes.
    pub bytes: usize,
}

impl Default for PageLimits {
    fn default() -> Self {
        Self {
            entries: 1024,
            bytes: 4 << 20,
        }
    }
}

/// One page of a scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys and values in the order asked for.
    pub entries: Vec<(Bytes, Bytes)>,
    /// Whether the range may hold more after the last entry. `false` is certain.
    pub has_more: bool,
}
