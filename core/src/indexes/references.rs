//! Which documents loaded which others while they were mapped.
//!
//! `REFERENCES`: lower-cased collection, NUL, length of the target's key (two bytes), that key, the
//! referring document's key. `REFERRERS` holds the same by referring document.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::tables::{REFERENCES, REFERRERS};
use crate::Result;
use crate::schema::{Decoder, Encoder};
use crate::storage::{Direction, KeyRange, PageLimits, Snapshot, WriteBatch};

type Targets = BTreeSet<(String, Bytes)>;

fn prefix(collection: &str, target: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(collection.len() + target.len() + 3);
    key.extend_from_slice(collection.as_bytes());
    key.push(0);
    // Ids are far shorter than this can say.
    let length = u16::try_from(target.len()).unwrap_or(u16::MAX);
    key.extend_from_slice(&length.to_be_bytes());
    key.extend_from_slice(target);
    key
}

/// The documents that refer to `target`, some at a time; `None` when there are no more.
pub(super) async fn page<S: Snapshot>(
    snapshot: &S,
    collection: &str,
    target: &[u8],
    after: Option<Bytes>,
    limit: usize,
) -> Result<Option<Vec<Bytes>>> {
    let prefix = prefix(collection, target);
    let mut range = KeyRange::prefix(&prefix);
    if let Some(after) = after {
        range = range.after([&prefix[..], &after].concat());
    }
    let limits = PageLimits {
        entries: limit,
        ..PageLimits::default()
    };
    let page = snapshot
        .scan(REFERENCES, &range, Direction::Forward, limits)
        .await?;
    let referrers: Vec<Bytes> = page
        .entries
        .iter()
        .map(|(key, _)| key.slice(prefix.len()..))
        .collect();
    Ok((!referrers.is_empty()).then_some(referrers))
}

/// Replaces what the document `source` refers to.
pub(super) async fn replace<S: Snapshot>(
    snapshot: &S,
    source: &Bytes,
    targets: &Targets,
    batch: &mut WriteBatch,
) -> Result<()> {
    let keys = [source.clone()];
    let stored = snapshot.get_many(REFERRERS, &keys).await?.pop().flatten();
    let old = stored.as_deref().map_or(Ok(Targets::new()), decode)?;
    if old == *targets {
        return Ok(());
    }
    for (collection, target) in old.difference(targets) {
        batch.delete(
            REFERENCES,
            [&prefix(collection, target)[..], source].concat(),
        );
    }
    for (collection, target) in targets.difference(&old) {
        let key = [&prefix(collection, target)[..], source].concat();
        batch.put(REFERENCES, key, Bytes::new());
    }
    if targets.is_empty() {
        batch.delete(REFERRERS, source.clone());
    } else {
        batch.put(REFERRERS, source.clone(), encode(targets));
    }
    Ok(())
}

pub(super) fn encode(targets: &Targets) -> Vec<u8> {
    let mut encoder = Encoder::with_capacity(32 * targets.len());
    for (collection, target) in targets {
        encoder.text(collection);
        encoder.varint(target.len() as u64);
        encoder.raw(target);
    }
    encoder.finish()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Targets> {
    let mut decoder = Decoder::new("index references", bytes);
    let mut targets = Targets::new();
    while decoder.position() < bytes.len() {
        let collection = decoder.text()?.to_owned();
        let length = decoder.length()?;
        let target = Bytes::copy_from_slice(decoder.raw(length)?);
        targets.insert((collection, target));
    }
    Ok(targets)
}
