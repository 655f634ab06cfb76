//! Where the record of a revision stands.
//!
//! `REVISIONS` lists the revisions of a document; their records stand in `REVISION_RECORDS` in the
//! order of etags, so that a new one is added at the end of that table wherever its document is.
//! Databases of format 2 had the records in `REVISIONS` itself: both are read, the first is written.

use std::ops::Bound;

use bytes::Bytes;

use crate::commands::Transaction;
use crate::schema::documents::DocumentRecord;
use crate::schema::{REVISION_RECORDS, REVISIONS, revisions};
use crate::storage::{KeyRange, Snapshot};
use crate::{Error, Result};

/// How many keys are read at once; in databases of before their records come along.
const KEYS_AT_ONCE: usize = 256;

/// Revisions and their records.
type Revisions = Vec<(Bytes, Bytes)>;

/// The keys of the records that stand elsewhere, and whose they are.
fn elsewhere(listed: &Revisions) -> Result<(Vec<usize>, Vec<Bytes>)> {
    let mut owners = Vec::new();
    let mut keys = Vec::new();
    for (at, (key, value)) in listed.iter().enumerate() {
        if value.is_empty() {
            owners.push(at);
            keys.push(revisions::record_key(key)?);
        }
    }
    Ok((owners, keys))
}

fn put_in(listed: &mut Revisions, owners: Vec<usize>, records: Vec<Option<Bytes>>) -> Result<()> {
    for (at, record) in owners.into_iter().zip(records) {
        listed[at].1 = record.ok_or_else(|| Error::corrupted("a revision's record is missing"))?;
    }
    Ok(())
}

/// Entries of `REVISIONS`, with the records in the place of what the table holds.
pub(crate) async fn with_records<S: Snapshot>(
    snapshot: &S,
    mut listed: Revisions,
) -> Result<Revisions> {
    let (owners, keys) = elsewhere(&listed)?;
    if !keys.is_empty() {
        let records = snapshot.get_many(REVISION_RECORDS, &keys).await?;
        put_in(&mut listed, owners, records)?;
    }
    Ok(listed)
}

impl<S: Snapshot> Transaction<S> {
    /// The record of a revision.
    pub(crate) async fn revision(&mut self, key: &Bytes) -> Result<Option<Bytes>> {
        let Some(value) = self.get(REVISIONS, key).await? else {
            return Ok(None);
        };
        if !value.is_empty() {
            return Ok(Some(value));
        }
        let record = self
            .get(REVISION_RECORDS, &revisions::record_key(key)?)
            .await?;
        let record = record.ok_or_else(|| Error::corrupted("a revision's record is missing"))?;
        Ok(Some(record))
    }

    /// As [`Self::revision`], of one that is known to be there and read once only.
    pub(crate) async fn listed_revision(&self, key: &Bytes) -> Result<DocumentRecord> {
        let range = KeyRange {
            start: Bound::Included(key.clone()),
            end: Bound::Included(key.clone()),
        };
        let mut found = self.scan_revisions(&range, 1).await?;
        let (_, record) = found
            .pop()
            .ok_or_else(|| Error::corrupted("a revision is missing"))?;
        DocumentRecord::decode(record)
    }

    /// The keys of all revisions of a document, oldest first. What they say is read one by one:
    /// a history may be larger than memory.
    pub(crate) async fn revision_keys(&self, id_key: &[u8]) -> Result<Vec<Bytes>> {
        let mut range = revisions::range(id_key);
        let mut keys = Vec::new();
        loop {
            let page = self.scan(REVISIONS, &range, KEYS_AT_ONCE).await?;
            let Some((last, _)) = page.last() else {
                return Ok(keys);
            };
            range = range.after(last.clone());
            keys.extend(page.into_iter().map(|(key, _)| key));
        }
    }

    /// Up to `limit` revisions of a range of `REVISIONS` with their records, ascending. All of
    /// them are in memory at once.
    pub(crate) async fn scan_revisions(&self, range: &KeyRange, limit: usize) -> Result<Revisions> {
        let mut listed = self.scan(REVISIONS, range, limit).await?;
        let (owners, keys) = elsewhere(&listed)?;
        if !keys.is_empty() {
            let records = self.get_many(REVISION_RECORDS, &keys).await?;
            put_in(&mut listed, owners, records)?;
        }
        Ok(listed)
    }
}
