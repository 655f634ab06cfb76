//! Giving back the space of contents that nothing refers to.

use std::ops::Bound;

use bytes::Bytes;

use crate::Error;
use crate::Result;
use crate::commands::Transaction;
use crate::host::Timestamp;
use crate::schema::blobs::{self, ContentId};
use crate::schema::{CHUNKS, LOOSE_CONTENTS};
use crate::storage::{KeyRange, Snapshot};

/// Removes pieces of loose contents that nobody touched since `older_than`, in one bounded step.
#[derive(Debug, Clone)]
pub struct SweepLooseContents {
    /// Contents touched later may still be in upload.
    pub older_than: Timestamp,
    /// The most pieces to remove.
    pub limit: usize,
}

impl SweepLooseContents {
    /// How many loose contents a step looks at.
    const CONTENTS: usize = 4096;

    /// Answers how many pieces and contents went; zero means nothing is left to sweep, or that
    /// there are so many young contents that the step saw no other.
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<usize> {
        let mut removed = 0;
        for (key, value) in self.look_around(tx).await? {
            if removed >= self.limit {
                break;
            }
            if blobs::decode_loose(&value)? >= self.older_than {
                continue;
            }
            removed += self.remove(tx, key, self.limit - removed).await?;
        }
        Ok(removed)
    }

    /// Loose contents from anywhere on: from the first one always, the young ones in front would
    /// hide the old ones behind for as long as new ones come.
    async fn look_around<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        let mut anywhere: ContentId = [0; 16];
        tx.host.random.fill(&mut anywhere)?;
        let anywhere = Bytes::copy_from_slice(&anywhere);
        let behind = KeyRange {
            start: Bound::Included(anywhere.clone()),
            end: Bound::Unbounded,
        };
        let before = KeyRange {
            start: Bound::Unbounded,
            end: Bound::Excluded(anywhere),
        };
        let mut seen = tx.scan(LOOSE_CONTENTS, &behind, Self::CONTENTS).await?;
        let left = Self::CONTENTS.saturating_sub(seen.len());
        if left > 0 {
            seen.extend(tx.scan(LOOSE_CONTENTS, &before, left).await?);
        }
        Ok(seen)
    }

    async fn remove<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        key: Bytes,
        limit: usize,
    ) -> Result<usize> {
        let content: ContentId = key[..]
            .try_into()
            .map_err(|_| Error::corrupted("a key of 'loose contents' is no content id"))?;
        // From here on it cannot be used, even if the step ends before it is gone.
        tx.put(
            LOOSE_CONTENTS,
            key.clone(),
            blobs::encode_loose(blobs::SWEPT),
        );
        let mut removed = 0;
        while removed < limit {
            // Few at a time: their values come along.
            let page = tx.scan(CHUNKS, &blobs::chunk_range(&content), 16).await?;
            if page.is_empty() {
                tx.delete(LOOSE_CONTENTS, key);
                return Ok(removed + 1);
            }
            removed += page.len();
            for (chunk, _) in page {
                tx.delete(CHUNKS, chunk);
            }
        }
        Ok(removed)
    }
}
