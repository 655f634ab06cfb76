//! The counts of collections against what is really there.

use super::table_scan::TableScan;
use super::{Verification, VerifyProgress};
use crate::document::{CollectionName, to_id_key};
use crate::schema::collections::CollectionStatistics;
use crate::schema::identities::Identity;
use crate::schema::{COLLECTIONS, IDENTITIES};
use crate::storage::Snapshot;
use crate::version::Etag;

/// What one collection really holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) documents: u64,
    pub(super) tombstones: u64,
    pub(super) revisions: u64,
    pub(super) document_bytes: u64,
    pub(super) last_document_etag: Etag,
    pub(super) last_tombstone_etag: Etag,
}

impl Counts {
    /// How stored statistics differ.
    fn differences(&self, stored: &CollectionStatistics) -> Vec<String> {
        let mut differences = Vec::new();
        for (what, stored, real) in [
            ("documents", stored.document_count, self.documents),
            ("tombstones", stored.tombstone_count, self.tombstones),
            ("revisions", stored.revision_count, self.revisions),
            ("bytes", stored.document_bytes, self.document_bytes),
        ] {
            if stored != real {
                differences.push(format!("it counts {stored} {what}; there are {real}"));
            }
        }
        for (what, stored, real) in [
            (
                "document",
                stored.last_document_etag,
                self.last_document_etag,
            ),
            (
                "tombstone",
                stored.last_tombstone_etag,
                self.last_tombstone_etag,
            ),
        ] {
            if stored < real {
                differences.push(format!(
                    "its last {what} etag is {stored}; there is one with {real}"
                ));
            }
        }
        differences
    }
}

impl<S: Snapshot, P: FnMut(&VerifyProgress)> Verification<'_, S, P> {
    pub(super) async fn check_collections(&mut self) {
        let mut real = std::mem::take(&mut self.counts);
        let mut scan = TableScan::new(COLLECTIONS);
        while let Some(page) = self.next_page(&mut scan).await {
            for (key, value) in page {
                self.report.collections += 1;
                let stored = match CollectionStatistics::decode(&value) {
                    Ok(stored) => stored,
                    Err(error) => {
                        self.add_problem(COLLECTIONS, &key, error.message());
                        // Its counts cannot be compared, but the row is there.
                        real.remove(&*String::from_utf8_lossy(&key));
                        continue;
                    }
                };
                match CollectionName::new(stored.name.as_str()) {
                    Ok(name) if name.key().as_bytes() == key => {}
                    _ => self.add_problem(
                        COLLECTIONS,
                        &key,
                        format!("its name '{}' belongs to another key", stored.name),
                    ),
                }
                let counts = real.remove(&*String::from_utf8_lossy(&key));
                if !self.records_are_complete {
                    continue;
                }
                for difference in counts.unwrap_or_default().differences(&stored) {
                    self.add_problem(COLLECTIONS, &key, difference);
                }
            }
        }
        for (key, counts) in real {
            self.add_problem(
                COLLECTIONS,
                key.as_bytes(),
                format!(
                    "it is missing; there are {} documents and {} tombstones of it",
                    counts.documents, counts.tombstones
                ),
            );
        }
    }

    pub(super) async fn check_identities(&mut self) {
        let mut scan = TableScan::new(IDENTITIES);
        while let Some(page) = self.next_page(&mut scan).await {
            for (key, value) in page {
                self.report.identities += 1;
                match Identity::decode(&value) {
                    Ok(identity) if to_id_key(&identity.name) == key => {}
                    Ok(identity) => {
                        let what = format!("its name '{}' belongs to another key", identity.name);
                        self.add_problem(IDENTITIES, &key, what);
                    }
                    Err(error) => self.add_problem(IDENTITIES, &key, error.message()),
                }
            }
        }
    }
}
