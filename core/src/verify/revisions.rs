//! Revisions: each by itself, their tables both ways, and the documents they belong to.
//!
//! Of a document that is not live, the newest delete revision stands in the bin, and no other.

use bytes::Bytes;

use super::etag_tables::LOOKED_UP;
use super::table_scan::{Presence, Reference, TableScan};
use super::{Verification, VerifyProgress};
use crate::schema::database_state::STATE_KEY;
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::schema::etags::{self, ItemKind};
use crate::schema::tombstones::Tombstone;
use crate::schema::{
    DATABASE, DOCUMENTS, ETAGS, REVISION_BIN, REVISION_RECORDS, REVISION_VECTORS, REVISIONS,
    TOMBSTONES, revisions,
};
use crate::storage::{KeySpace, Snapshot};
use crate::version::Etag;

/// How many revisions are in memory with their records.
const WITH_RECORDS: usize = 64;

/// The revisions of one document, which stand together.
#[derive(Default)]
struct Group {
    id_key: Bytes,
    count: u64,
    /// How many there are by the count before them.
    stated: Option<u64>,
    /// Its newest delete revision.
    deletion: Option<(Bytes, Etag)>,
}

/// What other tables must hold of the revisions of a page.
#[derive(Default)]
struct Expectations {
    of_etags: Vec<Reference>,
    of_vectors: Vec<Reference>,
    of_bin: Vec<Reference>,
    ended: Vec<Group>,
}

impl<S: Snapshot, P: FnMut(&VerifyProgress)> Verification<'_, S, P> {
    pub(super) async fn check_revisions(&mut self) {
        let mut scan = TableScan::new(REVISIONS);
        let mut group = Group::default();
        let mut counted = 0;
        while let Some(page) = self.next_page(&mut scan).await {
            for listed in page.chunks(WITH_RECORDS) {
                counted += self.check_listed(listed.to_vec(), &mut group).await;
            }
        }
        let ended = vec![group];
        self.check_expectations(Expectations {
            ended,
            ..Expectations::default()
        })
        .await;
        self.report.revisions = self.progress.entries_of(REVISIONS) - counted;
        let is_known = self
            .state
            .as_ref()
            .is_none_or(|state| state.knows_revisions);
        if self.report.revisions > 0 && !is_known {
            self.add_problem(
                DATABASE,
                STATE_KEY,
                "it knows of no revisions, but there are some",
            );
        }
        for space in [REVISION_VECTORS, REVISION_BIN] {
            self.walk(space).await;
            if !self.has_all_expected(space) {
                self.follow_revision_table(space).await;
            }
        }
        self.walk(REVISION_RECORDS).await;
        if !self.has_all_expected(REVISION_RECORDS) {
            self.follow_revision_records().await;
        }
    }

    /// Checks some of the table's entries, and all documents but the last. Answers how many of
    /// them are counts.
    async fn check_listed(&mut self, listed: Vec<(Bytes, Bytes)>, group: &mut Group) -> u64 {
        let mut counted = 0;
        let mut expected = Expectations::default();
        let mut of_attachments = Vec::new();
        for (key, value) in self.with_records(listed).await {
            if let Some(id_key) = revisions::counted_document(&key) {
                expected.ended.push(std::mem::take(group));
                group.id_key = id_key;
                group.stated = self.read_count(&key, &value);
                counted += 1;
                continue;
            }
            let Ok((id_key, etag)) = revisions::decode_key(&key) else {
                self.records_are_complete = false;
                self.add_problem(REVISIONS, &key, "its key does not fit");
                continue;
            };
            if id_key != group.id_key {
                let ended = std::mem::take(group);
                group.id_key = id_key.clone();
                expected.ended.push(ended);
            }
            group.count += 1;
            if value.is_empty() {
                self.records_are_complete = false;
                self.add_problem(REVISIONS, &key, "its record is missing");
                continue;
            }
            let record = self.check_revision(&key, &id_key, etag, value);
            let Some(record) = record else { continue };
            expected.add(&key, etag, &record, group);
            self.list_attachments(REVISIONS, &key, &record, &mut of_attachments);
        }
        self.check_expectations(expected).await;
        self.check_attachments_of(of_attachments).await;
        counted
    }

    /// Revisions with their records; empty where one is missing.
    async fn with_records(&mut self, mut listed: Vec<(Bytes, Bytes)>) -> Vec<(Bytes, Bytes)> {
        let count = self.put_in_records(&mut listed).await;
        self.expected_entries[usize::from(REVISION_RECORDS.number())] += count;
        listed
    }

    /// The records of revisions; empty where only the record is missing, which is told already.
    pub(super) async fn get_revisions(&mut self, keys: &[Bytes]) -> Vec<Option<Bytes>> {
        let found = self.get_many(REVISIONS, keys).await;
        let is_there: Vec<bool> = found.iter().map(Option::is_some).collect();
        let listed = keys.iter().cloned().zip(found);
        let mut listed: Vec<(Bytes, Bytes)> = listed
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        self.put_in_records(&mut listed).await;
        let mut values = listed.into_iter().map(|(_, value)| value);
        let in_place = is_there.into_iter().map(|it| match it {
            true => values.next(),
            false => None,
        });
        in_place.collect()
    }

    /// Puts the records that stand elsewhere in the place of nothing. Answers how many should.
    async fn put_in_records(&mut self, listed: &mut [(Bytes, Bytes)]) -> u64 {
        let (mut places, mut keys) = (Vec::new(), Vec::new());
        for (at, (key, value)) in listed.iter().enumerate() {
            if let (true, Ok(record_key)) = (value.is_empty(), revisions::record_key(key)) {
                places.push(at);
                keys.push(record_key);
            }
        }
        let count = keys.len() as u64;
        let records = self.get_many(REVISION_RECORDS, &keys).await;
        for (at, record) in places.into_iter().zip(records) {
            listed[at].1 = record.unwrap_or_default();
        }
        count
    }

    /// Looks for records that no revision has.
    async fn follow_revision_records(&mut self) {
        let mut scan = TableScan::new(REVISION_RECORDS);
        while let Some(page) = self.next_page(&mut scan).await {
            for records in page.chunks(LOOKED_UP) {
                let etags: Vec<Bytes> = records.iter().map(|(etag, _)| etag.clone()).collect();
                let named = self.get_many(ETAGS, &etags).await;
                let named = named.into_iter().map(|entry| match entry {
                    Some(entry) => match etags::decode_value(&entry) {
                        Ok((ItemKind::Revision, key)) => key,
                        _ => Bytes::new(),
                    },
                    None => Bytes::new(),
                });
                let named: Vec<Bytes> = named.collect();
                let listed = self.get_many(REVISIONS, &named).await;
                for (etag, entry) in etags.iter().zip(listed) {
                    // One that holds a record itself has none here.
                    if entry.is_none_or(|entry| !entry.is_empty()) {
                        self.add_problem(
                            REVISION_RECORDS,
                            etag,
                            "no revision is known by this etag",
                        );
                    }
                }
            }
        }
    }

    fn read_count(&mut self, key: &Bytes, value: &[u8]) -> Option<u64> {
        match revisions::decode_count(value) {
            Ok(count) => Some(count),
            Err(error) => {
                self.add_problem(REVISIONS, key, error.message());
                None
            }
        }
    }

    /// Whether as many revisions of a document were found as are counted.
    fn check_count(&mut self, group: &Group) {
        let key = revisions::count_key(&group.id_key);
        match group.stated {
            None if group.count > 0 => {
                self.add_problem(REVISIONS, &key, "the count of its revisions is missing");
            }
            Some(stated) if stated != group.count => {
                let what = format!(
                    "it counts {stated} revisions, but there are {}",
                    group.count
                );
                self.add_problem(REVISIONS, &key, what);
            }
            _ => {}
        }
    }

    fn check_revision(
        &mut self,
        key: &Bytes,
        id_key: &Bytes,
        etag: Etag,
        value: Bytes,
    ) -> Option<DocumentRecord> {
        let checked = self.check_revision_record(key, id_key, value)?;
        if checked.etag != etag {
            let what = format!("its record has etag {}", checked.etag);
            self.add_problem(REVISIONS, key, what);
        }
        let is_revision = checked.flags.contains(DocumentFlags::REVISION);
        let is_deletion = checked.flags.contains(DocumentFlags::DELETE_REVISION);
        let has_flag = checked.flags.contains(DocumentFlags::HAS_REVISIONS);
        if is_revision == is_deletion || !has_flag {
            self.add_problem(REVISIONS, key, "its flags are not those of a revision");
        }
        Some(checked)
    }

    /// As of a document, but problems are told of the revision.
    fn check_revision_record(
        &mut self,
        key: &Bytes,
        id_key: &Bytes,
        value: Bytes,
    ) -> Option<DocumentRecord> {
        let problems_before = self.report.problems.len();
        let checked = self.check_record(REVISIONS, ItemKind::Revision, id_key, value);
        let shown = super::report::show_key(REVISIONS, key);
        for problem in &mut self.report.problems[problems_before..] {
            problem.key.clone_from(&shown);
        }
        checked.and_then(|it| it.record)
    }

    async fn check_expectations(&mut self, mut expected: Expectations) {
        for group in &expected.ended {
            self.check_count(group);
        }
        expected.ended.retain(|group| group.count > 0);
        let ids: Vec<Bytes> = expected.ended.iter().map(|it| it.id_key.clone()).collect();
        let mut lives = Vec::with_capacity(ids.len());
        for ids in ids.chunks(LOOKED_UP) {
            let documents = self.get_many(DOCUMENTS, ids).await;
            let tombstones = self.get_many(TOMBSTONES, ids).await;
            for ((id_key, document), tombstone) in ids.iter().zip(documents).zip(tombstones) {
                let tombstone_of = tombstone.clone().map(|value| Tombstone::decode(&value));
                // What is in conflict is not deleted.
                let is_conflict =
                    tombstone_of.is_some_and(|it| it.is_ok_and(|it| it.is_conflict()));
                lives.push(document.is_some() || is_conflict);
                self.check_flagged(id_key, document, tombstone);
            }
        }
        for (group, lives) in expected.ended.into_iter().zip(lives) {
            expected
                .of_bin
                .extend(group.deletion.map(|(key, etag)| Reference {
                    entry: etags::key(etag),
                    expected: (!lives).then(|| key.clone()),
                    key,
                }));
        }
        self.check_references(REVISIONS, ETAGS, expected.of_etags)
            .await;
        self.check_references(REVISIONS, REVISION_VECTORS, expected.of_vectors)
            .await;
        self.check_references(REVISIONS, REVISION_BIN, expected.of_bin)
            .await;
    }

    fn check_flagged(&mut self, id_key: &Bytes, document: Option<Bytes>, tombstone: Option<Bytes>) {
        let mut flags = Vec::new();
        if let Some(Ok(record)) = document.map(DocumentRecord::decode) {
            flags.push((DOCUMENTS, record.flags));
        }
        if let Some(Ok(tombstone)) = tombstone.map(|value| Tombstone::decode(&value)) {
            flags.push((TOMBSTONES, tombstone.flags));
        }
        for (space, flags) in flags {
            if !flags.contains(DocumentFlags::HAS_REVISIONS) {
                self.add_problem(space, id_key, "it has revisions, but is not flagged so");
            }
        }
    }

    /// Follows each entry of a table back to the revisions it stands for.
    async fn follow_revision_table(&mut self, space: KeySpace) {
        let mut scan = TableScan::new(space);
        while let Some(page) = self.next_page(&mut scan).await {
            let presences = page.into_iter().map(|(key, revision)| Presence {
                key,
                entry: revision,
            });
            self.follow_to_revisions(space, presences.collect()).await;
        }
    }

    async fn follow_to_revisions(&mut self, space: KeySpace, presences: Vec<Presence>) {
        for presences in presences.chunks(LOOKED_UP) {
            let keys: Vec<Bytes> = presences.iter().map(|it| it.entry.clone()).collect();
            let records = self.get_revisions(&keys).await;
            for (presence, record) in presences.iter().zip(records) {
                let name = super::report::show_key(REVISIONS, &presence.entry);
                let Some(record) = record else {
                    let what = format!("it names the revision '{name}', which is missing");
                    self.add_problem(space, &presence.key, what);
                    continue;
                };
                let Ok(record) = DocumentRecord::decode(record) else {
                    continue;
                };
                let own_key = match space {
                    REVISION_VECTORS => revisions::vector_key(&record.context),
                    _ => etags::key(record.etag),
                };
                if own_key != presence.key {
                    let what = format!("it names the revision '{name}', which is another one");
                    self.add_problem(space, &presence.key, what);
                } else if space == REVISION_BIN
                    && !record.flags.contains(DocumentFlags::DELETE_REVISION)
                {
                    let what = format!("it names the revision '{name}', which is no deletion");
                    self.add_problem(space, &presence.key, what);
                }
            }
        }
    }
}

impl Expectations {
    fn add(&mut self, key: &Bytes, etag: Etag, record: &DocumentRecord, group: &mut Group) {
        self.of_etags.push(Reference {
            key: key.clone(),
            entry: etags::key(etag),
            expected: Some(etags::value(ItemKind::Revision, key)),
        });
        self.of_vectors.push(Reference {
            key: key.clone(),
            entry: revisions::vector_key(&record.context),
            expected: Some(key.clone()),
        });
        if record.flags.contains(DocumentFlags::DELETE_REVISION) {
            let before = group.deletion.replace((key.clone(), etag));
            self.of_bin.extend(before.map(|(key, etag)| Reference {
                entry: etags::key(etag),
                expected: None,
                key,
            }));
        }
    }
}
