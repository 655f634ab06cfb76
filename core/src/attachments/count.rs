//! Counting attachments and contents in the commit of each change, so that asking costs one read.

use bytes::Bytes;

use super::AttachmentStatistics;
use crate::Result;
use crate::commands::Transaction;
use crate::schema::DATABASE;
use crate::schema::attachment_counts::{self, ATTACHMENT_COUNTS_KEY};
use crate::storage::Snapshot;

/// Counts `by` attachments more, or fewer.
pub(super) async fn count_attachments<S: Snapshot>(tx: &mut Transaction<S>, by: i64) -> Result<()> {
    change(tx, |counts| {
        counts.attachment_count = counts.attachment_count.saturating_add_signed(by);
    })
    .await
}

/// Counts a content more (`by` is 1) or fewer (-1), of `size` bytes.
pub(super) async fn count_content<S: Snapshot>(
    tx: &mut Transaction<S>,
    by: i64,
    size: u64,
) -> Result<()> {
    change(tx, |counts| {
        counts.content_count = counts.content_count.saturating_add_signed(by);
        counts.content_bytes = match by {
            1.. => counts.content_bytes.saturating_add(size),
            _ => counts.content_bytes.saturating_sub(size),
        };
    })
    .await
}

async fn change<S: Snapshot>(
    tx: &mut Transaction<S>,
    how: impl FnOnce(&mut AttachmentStatistics),
) -> Result<()> {
    let key = Bytes::from_static(ATTACHMENT_COUNTS_KEY);
    let mut counts = match tx.get(DATABASE, &key).await? {
        Some(value) => attachment_counts::decode(&value)?,
        None => AttachmentStatistics::default(),
    };
    how(&mut counts);
    if counts == AttachmentStatistics::default() {
        tx.delete(DATABASE, key);
    } else {
        tx.put(DATABASE, key, attachment_counts::encode(&counts));
    }
    Ok(())
}
