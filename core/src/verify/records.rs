//! Documents, tombstones and revisions: each by itself, and what other tables must hold of it.

use bytes::Bytes;

use super::state::version_problems;
use super::table_scan::{Presence, Reference, TableScan};
use super::{Verification, VerifyProgress};
use crate::document::{CollectionName, EMPTY_COLLECTION, check_json, find_property, to_id_key};
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::schema::etags::{self, ItemKind};
use crate::schema::tombstones::Tombstone;
use crate::schema::{
    COLLECTION_ETAGS, DOCUMENTS, ETAGS, EXPIRATIONS, REFRESHES, REVISION_RECORDS, REVISIONS,
    TOMBSTONES, collection_etags, revisions,
};
use crate::storage::{KeySpace, Snapshot};
use crate::version::Etag;

/// The deepest nesting any database accepts.
const MAX_JSON_DEPTH: usize = 120;

/// Whether a table holds documents, tombstones or revisions.
pub(super) fn is_record_table(space: KeySpace) -> bool {
    space == DOCUMENTS || space == TOMBSTONES || [REVISIONS, REVISION_RECORDS].contains(&space)
}

/// What of a record is told by other tables.
struct Facts {
    etag: Etag,
    collection: String,
    byte_count: u64,
    flags: DocumentFlags,
    problems: Vec<String>,
    /// Not of tombstones.
    record: Option<DocumentRecord>,
}

/// A record that could be read.
pub(super) struct Checked {
    pub(super) etag: Etag,
    /// Lower-cased.
    pub(super) collection: String,
    pub(super) flags: DocumentFlags,
    /// Not of tombstones.
    pub(super) record: Option<DocumentRecord>,
}

impl<S: Snapshot, P: FnMut(&VerifyProgress)> Verification<'_, S, P> {
    pub(super) async fn check_records(&mut self) {
        self.check_record_table(DOCUMENTS, ItemKind::Document).await;
        self.check_record_table(TOMBSTONES, ItemKind::Tombstone)
            .await;
        self.report.documents = self.progress.entries_of(DOCUMENTS);
        self.report.tombstones = self.progress.entries_of(TOMBSTONES);
    }

    async fn check_record_table(&mut self, space: KeySpace, kind: ItemKind) {
        let mut scan = TableScan::new(space);
        while let Some(page) = self.next_page(&mut scan).await {
            let (mut of_etags, mut of_collections, mut of_tombstones) = (vec![], vec![], vec![]);
            let (mut of_schedules, mut of_revisions) = ((vec![], vec![]), vec![]);
            let mut of_attachments = vec![];
            for (key, value) in page {
                if kind == ItemKind::Document {
                    of_tombstones.push(Reference {
                        key: key.clone(),
                        entry: key.clone(),
                        expected: None,
                    });
                }
                let Some(checked) = self.check_record(space, kind, &key, value) else {
                    continue;
                };
                let (etag, collection) = (checked.etag, checked.collection);
                if checked.flags.contains(DocumentFlags::HAS_REVISIONS) {
                    of_revisions.push(Presence {
                        key: key.clone(),
                        entry: revisions::count_key(&key),
                    });
                }
                if let Some(record) = checked.record {
                    self.list_schedules(&key, &record, &mut of_schedules);
                    self.list_attachments(space, &key, &record, &mut of_attachments);
                }
                of_etags.push(Reference {
                    key: key.clone(),
                    entry: etags::key(etag),
                    expected: Some(etags::value(kind, &key)),
                });
                of_collections.push(Reference {
                    key: key.clone(),
                    entry: collection_etags::key(&collection, kind, etag),
                    expected: Some(key),
                });
            }
            self.check_references(space, ETAGS, of_etags).await;
            self.check_references(space, COLLECTION_ETAGS, of_collections)
                .await;
            self.check_references(space, TOMBSTONES, of_tombstones)
                .await;
            self.check_references(space, EXPIRATIONS, of_schedules.0)
                .await;
            self.check_references(space, REFRESHES, of_schedules.1)
                .await;
            self.check_presence(space, REVISIONS, of_revisions).await;
            self.check_attachments_of(of_attachments).await;
        }
    }

    /// Checks and counts one record; its etag and lower-cased collection if it can be read.
    pub(super) fn check_record(
        &mut self,
        space: KeySpace,
        kind: ItemKind,
        key: &Bytes,
        value: Bytes,
    ) -> Option<Checked> {
        let facts = match kind {
            ItemKind::Document | ItemKind::Revision => {
                DocumentRecord::decode(value).map(|it| self.document(key, it))
            }
            ItemKind::Tombstone => Tombstone::decode(&value).map(|it| self.tombstone(key, &it)),
            ItemKind::Fact => return None,
        };
        let facts = match facts {
            Ok(facts) => facts,
            Err(error) => {
                self.records_are_complete = false;
                self.add_problem(space, key, error.message());
                return None;
            }
        };
        for problem in facts.problems {
            self.add_problem(space, key, problem);
        }
        let collection = match CollectionName::new(facts.collection) {
            Ok(collection) => collection.key().to_owned(),
            Err(error) => {
                self.records_are_complete = false;
                self.add_problem(space, key, error.message());
                return None;
            }
        };
        let counts = self.counts.entry(collection.clone()).or_default();
        match kind {
            ItemKind::Document => {
                counts.documents += 1;
                counts.document_bytes += facts.byte_count;
                counts.last_document_etag = facts.etag.max(counts.last_document_etag);
            }
            ItemKind::Tombstone => {
                counts.tombstones += 1;
                counts.last_tombstone_etag = facts.etag.max(counts.last_tombstone_etag);
            }
            ItemKind::Revision => counts.revisions += 1,
            ItemKind::Fact => {}
        }
        Some(Checked {
            etag: facts.etag,
            collection,
            flags: facts.flags,
            record: facts.record,
        })
    }

    /// A document, or a revision with its document's key.
    fn document(&self, key: &Bytes, record: DocumentRecord) -> Facts {
        let mut problems = version_problems(
            self.state.as_ref(),
            record.etag,
            &record.context,
            record.dot,
        );
        // The record leaves an id out that equals its key.
        if !record.id().is_empty() {
            problems.extend(id_problem(key, record.id()));
        } else if let Ok(id) = std::str::from_utf8(key) {
            problems.extend(id_problem(key, id));
        } else {
            problems.push("its key is not UTF-8".to_owned());
        }
        problems.extend(text_problem(&record));
        Facts {
            etag: record.etag,
            collection: record.collection().to_owned(),
            byte_count: record.byte_count() as u64,
            flags: record.flags,
            problems,
            record: Some(record),
        }
    }

    fn tombstone(&self, key: &Bytes, tombstone: &Tombstone) -> Facts {
        let mut problems = version_problems(
            self.state.as_ref(),
            tombstone.etag,
            &tombstone.context,
            tombstone.dot,
        );
        problems.extend(id_problem(key, &tombstone.id));
        if tombstone.deleted_etag >= tombstone.etag {
            problems.push(format!(
                "it deletes etag {}, which is not before its own, {}",
                tombstone.deleted_etag, tombstone.etag
            ));
        }
        Facts {
            etag: tombstone.etag,
            collection: tombstone.collection.clone(),
            byte_count: 0,
            flags: tombstone.flags,
            problems,
            record: None,
        }
    }
}

fn id_problem(key: &Bytes, id: &str) -> Option<String> {
    if to_id_key(id) != *key {
        return Some(format!(
            "its id '{}' belongs to another key",
            id.escape_debug()
        ));
    }
    (id.is_empty() || id.ends_with(['/', '|'])).then(|| format!("'{id}' is no document id"))
}

/// What is wrong with a document's texts.
fn text_problem(record: &DocumentRecord) -> Option<String> {
    let body = record.body();
    if let Err(error) = check_json(body, MAX_JSON_DEPTH) {
        return Some(format!("its body: {error}"));
    }
    if !body.starts_with('{') {
        return Some("its body is no JSON object".to_owned());
    }
    if find_property(body, "@metadata").is_some() {
        return Some("its body holds @metadata".to_owned());
    }
    let metadata = format!("{{{}}}", record.metadata());
    if let Err(error) = check_json(&metadata, MAX_JSON_DEPTH) {
        return Some(format!("its metadata: {error}"));
    }
    let named = match find_property(&metadata, "@collection") {
        None => EMPTY_COLLECTION.to_owned(),
        Some(text) => serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()),
    };
    (named != record.collection()).then(|| {
        format!(
            "its metadata says collection '{named}', its record '{}'",
            record.collection()
        )
    })
}
