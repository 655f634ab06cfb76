//! The two etag tables: every entry must belong to a record.
//!
//! The records have been followed to their entries already. If each found its own, and a table has
//! as many entries as there are records, it has no others; only else are the entries followed back.

use bytes::Bytes;

use super::report::{show_key, table_name};
use super::table_scan::TableScan;
use super::{Verification, VerifyProgress};
use crate::Result;
use crate::document::CollectionName;
use crate::schema::documents::DocumentRecord;
use crate::schema::etags::{self, ItemKind};
use crate::schema::tombstones::Tombstone;
use crate::schema::{
    COLLECTION_ETAGS, DOCUMENTS, ETAGS, LEDGER, REVISIONS, TOMBSTONES, collection_etags,
};
use crate::storage::{KeySpace, Snapshot};
use crate::version::Etag;

/// How many records are looked up at once: documents may be large.
pub(super) const LOOKED_UP: usize = 32;

/// An entry that can be read.
struct Entry {
    key: Bytes,
    kind: ItemKind,
    etag: Etag,
    /// Only in `COLLECTION_ETAGS`.
    collection: Option<String>,
    record: Bytes,
}

impl<S: Snapshot, P: FnMut(&VerifyProgress)> Verification<'_, S, P> {
    pub(super) async fn check_etag_tables(&mut self) {
        let of_collections = self.report.documents + self.report.tombstones;
        for (space, record_count) in [
            (
                ETAGS,
                of_collections + self.report.revisions + self.progress.entries_of(LEDGER),
            ),
            (COLLECTION_ETAGS, of_collections),
        ] {
            self.check_etag_table(space, false).await;
            let entry_count = self.progress.entries_of(space);
            if self.has_stray_reference || entry_count != record_count || !self.records_are_complete
            {
                self.check_etag_table(space, true).await;
            }
        }
    }

    /// Checks each entry by itself, or follows each to its record.
    async fn check_etag_table(&mut self, space: KeySpace, follow: bool) {
        let mut scan = TableScan::new(space);
        while let Some(page) = self.next_page(&mut scan).await {
            let mut readable = Vec::new();
            for (key, value) in page {
                match decode(space, &key, &value) {
                    Ok(entry) => readable.push(entry),
                    Err(error) if !follow => self.add_problem(space, &key, error.message()),
                    Err(_) => {}
                }
            }
            if follow {
                for entries in readable.chunks(LOOKED_UP) {
                    self.follow(space, DOCUMENTS, ItemKind::Document, entries)
                        .await;
                    self.follow(space, TOMBSTONES, ItemKind::Tombstone, entries)
                        .await;
                    self.follow(space, REVISIONS, ItemKind::Revision, entries)
                        .await;
                    self.follow(space, LEDGER, ItemKind::Fact, entries).await;
                }
            } else {
                self.check_last_etag(space, &readable);
            }
        }
    }

    fn check_last_etag(&mut self, space: KeySpace, entries: &[Entry]) {
        let Some(last_etag) = self.state.as_ref().map(|state| state.last_etag) else {
            return;
        };
        for entry in entries.iter().filter(|entry| entry.etag > last_etag) {
            let what = format!("it is beyond the database's last etag, {last_etag}");
            self.add_problem(space, &entry.key, what);
        }
    }

    async fn follow(&mut self, space: KeySpace, to: KeySpace, kind: ItemKind, entries: &[Entry]) {
        let entries: Vec<&Entry> = entries.iter().filter(|it| it.kind == kind).collect();
        let keys: Vec<Bytes> = entries.iter().map(|it| it.record.clone()).collect();
        let records = match kind {
            ItemKind::Revision => self.get_revisions(&keys).await,
            _ => self.get_many(to, &keys).await,
        };
        for (entry, record) in entries.into_iter().zip(records) {
            let record_key = show_key(to, &entry.record);
            let Some(record) = record else {
                let record = table_name(to).trim_end_matches('s');
                let what = format!("it names the {record} '{record_key}', which is missing");
                self.add_problem(space, &entry.key, what);
                continue;
            };
            // A record that does not decode has been told already.
            let Some((etag, collection)) = etag_and_collection(kind, record) else {
                continue;
            };
            if etag != entry.etag {
                let what = format!("it names '{record_key}', which has etag {etag}");
                self.add_problem(space, &entry.key, what);
            } else if let Some(named) = &entry.collection
                && *named != collection
            {
                let what = format!("it names '{record_key}', which is in '{collection}'");
                self.add_problem(space, &entry.key, what);
            }
        }
    }
}

fn decode(space: KeySpace, key: &Bytes, value: &Bytes) -> Result<Entry> {
    if space == ETAGS {
        let (kind, record) = etags::decode_value(value)?;
        return Ok(Entry {
            key: key.clone(),
            kind,
            etag: etags::decode_key(key)?,
            collection: None,
            record,
        });
    }
    let (collection, kind, etag) = collection_etags::decode_key(key)?;
    Ok(Entry {
        key: key.clone(),
        kind,
        etag,
        collection: Some(collection.to_owned()),
        record: value.clone(),
    })
}

fn etag_and_collection(kind: ItemKind, record: Bytes) -> Option<(Etag, String)> {
    let (etag, collection) = match kind {
        ItemKind::Document | ItemKind::Revision => {
            let record = DocumentRecord::decode(record).ok()?;
            (record.etag, record.collection().to_owned())
        }
        ItemKind::Tombstone => {
            let tombstone = Tombstone::decode(&record).ok()?;
            (tombstone.etag, tombstone.collection)
        }
        ItemKind::Fact => return None,
    };
    let collection = CollectionName::new(collection).ok()?;
    Some((etag, collection.key().to_owned()))
}
