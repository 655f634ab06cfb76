//! Reading ranges of records in blocks.

use std::collections::VecDeque;
use std::ops::Bound;

use bytes::Bytes;

use super::{BlockReader, covering, limits};
use crate::Result;
use crate::storage::{Direction, KeyRange, KeySpace, Snapshot};

/// The most blocks that are read at a time.
const MOST_AHEAD: usize = 256;

/// Walks the blocks that hold the records of a range.
pub struct Walk {
    space: KeySpace,
    range: KeyRange,
    direction: Direction,
    /// Which blocks are still to be read; `None` at the end.
    left: Option<KeyRange>,
    has_begun: bool,
    ahead: usize,
    read: VecDeque<Bytes>,
}

impl Walk {
    /// A walk through `range`; in either direction the records of a block ascend.
    pub fn new(space: KeySpace, range: KeyRange, direction: Direction) -> Self {
        let left = (!range.is_empty()).then(|| range.clone());
        Self {
            space,
            range,
            direction,
            left,
            has_begun: false,
            ahead: 1,
            read: VecDeque::new(),
        }
    }

    /// The next block; perhaps none of its records lies in the range.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn next<S: Snapshot>(&mut self, snapshot: &S) -> Result<Option<Bytes>> {
        if let Some(block) = self.read.pop_front() {
            return Ok(Some(block));
        }
        if !self.has_begun {
            self.has_begun = true;
            self.begin(snapshot).await?;
            if let Some(block) = self.read.pop_front() {
                return Ok(Some(block));
            }
        }
        let Some(range) = self.left.take() else {
            return Ok(None);
        };
        // Who stops early has read at most about as much for nothing.
        self.ahead = (2 * self.ahead).min(MOST_AHEAD);
        let page = snapshot
            .scan(self.space, &range, self.direction, limits(self.ahead))
            .await?;
        if let (true, Some((last, _))) = (page.has_more, page.entries.last()) {
            self.left = Some(match self.direction {
                Direction::Forward => range.after(last.clone()),
                Direction::Backward => range.before(last.clone()),
            });
        }
        self.read.extend(page.entries.into_iter().map(|it| it.1));
        Ok(self.read.pop_front())
    }

    /// The range may begin in the middle of a block.
    async fn begin<S: Snapshot>(&mut self, snapshot: &S) -> Result<()> {
        let (Some(left), Bound::Included(start) | Bound::Excluded(start)) =
            (&mut self.left, &self.range.start)
        else {
            return Ok(());
        };
        let Some((key, block)) = covering(snapshot, self.space, start).await? else {
            return Ok(());
        };
        match self.direction {
            Direction::Forward => {
                self.read.push_back(block);
                left.start = Bound::Excluded(key);
                if left.is_empty() {
                    self.left = None;
                }
            }
            Direction::Backward => left.start = Bound::Included(key),
        }
        Ok(())
    }

    /// The records of a block that lie in the range, ascending.
    pub fn read<'a>(&'a self, block: &'a [u8]) -> Records<'a> {
        Records {
            reader: BlockReader::new(block),
            range: &self.range,
            is_inside: false,
            differs_at: 0,
            is_beyond: false,
        }
    }
}

/// The records of a block that lie in a range.
pub struct Records<'a> {
    reader: BlockReader<'a>,
    range: &'a KeyRange,
    is_inside: bool,
    /// Where the key first differs from the end of the range.
    differs_at: usize,
    is_beyond: bool,
}

impl Records<'_> {
    /// Goes to the next record; whether there is one in the range.
    ///
    /// # Errors
    /// `Corrupted` when the block does not fit.
    #[inline]
    pub fn advance(&mut self) -> Result<bool> {
        while self.reader.advance()? {
            if !self.is_inside && !self.is_behind_start() {
                continue;
            }
            // What shares the byte that decided is decided.
            let is_decided = self.is_inside && self.reader.shared() > self.differs_at;
            self.is_inside = true;
            if !is_decided && !self.is_before_end() {
                self.is_beyond = true;
                return Ok(false);
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn is_behind_start(&self) -> bool {
        let key = self.reader.key();
        match &self.range.start {
            Bound::Included(start) => key >= &start[..],
            Bound::Excluded(start) => key > &start[..],
            Bound::Unbounded => true,
        }
    }

    fn is_before_end(&mut self) -> bool {
        let key = self.reader.key();
        let (end, counts) = match &self.range.end {
            Bound::Unbounded => return true,
            Bound::Included(end) => (&end[..], true),
            Bound::Excluded(end) => (&end[..], false),
        };
        let common = key.iter().zip(end).take_while(|(a, b)| a == b).count();
        self.differs_at = common;
        match (key.get(common), end.get(common)) {
            (Some(a), Some(b)) => a < b,
            // Whatever follows has to be compared again.
            (None, Some(_)) => {
                self.differs_at = usize::MAX;
                true
            }
            (None, None) => counts,
            (Some(_), None) => false,
        }
    }

    /// The key of the record.
    pub fn key(&self) -> &[u8] {
        self.reader.key()
    }

    /// The value of the record.
    pub fn value(&self) -> &[u8] {
        self.reader.value()
    }

    /// Whether a record behind the range was met, so that the walk is at its end.
    pub fn is_beyond(&self) -> bool {
        self.is_beyond
    }
}
