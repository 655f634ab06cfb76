//! `ATTACHMENTS` against the lists of documents, and the references of blobs against a recount.

use std::collections::HashMap;

use bytes::Bytes;

use super::table_scan::TableScan;
use super::{OWNERS_AT_ONCE, Verification, VerifyProgress};
use crate::attachments::{AttachmentName, ListedAttachment, parse_hash};
use crate::schema::blobs::{self, AttachmentRecord, BlobRecord, ContentHash};
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::schema::{ATTACHMENTS, BLOBS, DOCUMENTS, REVISION_RECORDS, REVISIONS};
use crate::storage::{KeySpace, Snapshot};

/// How many entries are looked up at once; they are small.
const ROWS_AT_ONCE: usize = 512;

/// Sums over references. A hash is as good as random, so equal sums mean equal counts; which of
/// them differ is only looked for when the sums do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct References {
    count: u64,
    sum: u128,
}

impl References {
    fn add(&mut self, hash: &ContentHash, count: u64) {
        let (start, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
        let weight = u128::from_be_bytes(*start);
        self.count = self.count.wrapping_add(count);
        self.sum = self
            .sum
            .wrapping_add(weight.wrapping_mul(u128::from(count)));
    }
}

/// An attachment in the list of a document or revision.
pub(super) struct Listed {
    space: KeySpace,
    /// Of the document or revision.
    key: Bytes,
    /// Its own, for documents.
    row: Bytes,
    hash: ContentHash,
    attachment: ListedAttachment,
}

impl<S: Snapshot, P: FnMut(&VerifyProgress)> Verification<'_, S, P> {
    /// Adds the attachments that a document or revision lists.
    pub(super) fn list_attachments(
        &mut self,
        space: KeySpace,
        key: &Bytes,
        record: &DocumentRecord,
        listed: &mut Vec<Listed>,
    ) {
        let list = match ListedAttachment::parse_list(record.attachments()) {
            Ok(list) => list,
            Err(error) => {
                self.records_are_complete = false;
                return self.add_problem(space, key, error.message());
            }
        };
        if record.flags.contains(DocumentFlags::HAS_ATTACHMENTS) == list.is_empty() {
            let what = match list.is_empty() {
                true => "it is flagged to have attachments, but lists none",
                false => "it lists attachments, but is not flagged to have some",
            };
            self.add_problem(space, key, what);
        }
        for attachment in list {
            let name = AttachmentName::new(attachment.name.as_str());
            let hash = parse_hash(&attachment.hash);
            let (name, hash) = match (name, hash) {
                (Ok(name), Ok(hash)) => (name, hash),
                (Err(error), _) | (_, Err(error)) => {
                    self.records_are_complete = false;
                    self.add_problem(space, key, error.message());
                    continue;
                }
            };
            listed.push(Listed {
                space,
                key: key.clone(),
                row: blobs::attachment_key(key, name.key()),
                hash,
                attachment,
            });
        }
    }

    /// Checks that listed attachments have their rows, if they are a document's, and contents.
    pub(super) async fn check_attachments_of(&mut self, listed: Vec<Listed>) {
        for listed in listed.chunks(ROWS_AT_ONCE) {
            let contents: Vec<Bytes> = listed
                .iter()
                .map(|it| Bytes::copy_from_slice(&it.hash))
                .collect();
            let blobs = self.get_many(BLOBS, &contents).await;
            for (it, blob) in listed.iter().zip(blobs) {
                let what = match blob.map(|blob| BlobRecord::decode(&blob)) {
                    Some(Ok(blob)) if blob.size == it.attachment.size => continue,
                    Some(Ok(blob)) => format!("has {} bytes", blob.size),
                    // Told when the blobs are looked at.
                    Some(Err(_)) => continue,
                    None => "is missing".to_owned(),
                };
                let what = format!("the content of its '{}' {what}", it.attachment.name);
                self.add_problem(it.space, &it.key, what);
            }
            let of_documents: Vec<&Listed> =
                listed.iter().filter(|it| it.space == DOCUMENTS).collect();
            for it in listed.iter().filter(|it| it.space == REVISIONS) {
                self.references.add(&it.hash, 1);
            }
            let keys: Vec<Bytes> = of_documents.iter().map(|it| it.row.clone()).collect();
            if keys.is_empty() {
                continue;
            }
            let rows = self.get_many(ATTACHMENTS, &keys).await;
            for (it, row) in of_documents.into_iter().zip(rows) {
                self.expected_entries[usize::from(ATTACHMENTS.number())] += 1;
                let what = match row.map(|row| AttachmentRecord::decode(&row)) {
                    Some(Ok(row)) if ListedAttachment::from(&row) == it.attachment => continue,
                    Some(Ok(_)) => "differs from what it lists",
                    // Told when the rows are looked at.
                    Some(Err(_)) => continue,
                    None => "is missing",
                };
                let what = format!("the attachment '{}' {what}", it.attachment.name);
                self.add_problem(DOCUMENTS, &it.key, what);
            }
        }
    }

    pub(super) async fn check_attachments(&mut self) {
        let mut scan = TableScan::new(ATTACHMENTS);
        while let Some(page) = self.next_page(&mut scan).await {
            for (key, value) in page {
                match AttachmentRecord::decode(&value) {
                    Ok(row) => self.check_row(&key, &row),
                    Err(error) => {
                        self.records_are_complete = false;
                        self.add_problem(ATTACHMENTS, &key, error.message());
                    }
                }
            }
        }
        self.report.attachments = self.progress.entries_of(ATTACHMENTS);
        if !self.has_all_expected(ATTACHMENTS) {
            self.follow_attachments().await;
        }
    }

    fn check_row(&mut self, key: &Bytes, row: &AttachmentRecord) {
        self.references.add(&row.hash, 1);
        let last_etag = self.state.as_ref().map(|state| state.last_etag);
        if last_etag.is_some_and(|last_etag| row.etag > last_etag) {
            let what = format!("its etag {} is beyond the database's last", row.etag);
            self.add_problem(ATTACHMENTS, key, what);
        }
        let name = AttachmentName::new(row.name.as_str());
        let in_key = blobs::decode_attachment_key(key);
        match (name, in_key) {
            (Ok(name), Ok((_, in_key))) if name.key().as_bytes() == in_key => {}
            _ => {
                let what = format!("its name '{}' belongs to another key", row.name);
                self.add_problem(ATTACHMENTS, key, what);
            }
        }
    }

    /// Looks for rows that no document lists.
    async fn follow_attachments(&mut self) {
        let mut scan = TableScan::new(ATTACHMENTS);
        while let Some(page) = self.next_page(&mut scan).await {
            for (key, _) in page {
                // A key that does not fit has been told already.
                let Ok((id_key, name)) = blobs::decode_attachment_key(&key) else {
                    continue;
                };
                let document = self.get_many(DOCUMENTS, &[id_key]).await.pop().flatten();
                let what = match document.map(DocumentRecord::decode) {
                    None => "its document is missing",
                    Some(Ok(record)) if !lists(&record, &name) => "its document does not list it",
                    Some(_) => continue,
                };
                self.add_problem(ATTACHMENTS, &key, what);
            }
        }
    }

    /// Compares the references of all blobs, `stored`, with what really refers to them.
    pub(super) async fn check_references_of_blobs(&mut self, stored: References, blobs: u64) {
        if stored == self.references || !self.records_are_complete {
            return;
        }
        let parts = blobs.div_ceil(OWNERS_AT_ONCE).max(1);
        for part in 0..parts {
            let is_in_part = |hash: &ContentHash| {
                let (start, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
                (u64::from(u32::from_be_bytes(*start)) * parts) >> 32 == part
            };
            let real = self.recount(is_in_part).await;
            let mut scan = TableScan::new(BLOBS);
            while let Some(page) = self.next_page(&mut scan).await {
                for (key, value) in page {
                    let (Ok(hash), Ok(blob)) = (key[..].try_into(), BlobRecord::decode(&value))
                    else {
                        continue;
                    };
                    let count = real.get(&hash).copied().unwrap_or(0);
                    if is_in_part(&hash) && count != blob.references {
                        let what = format!(
                            "it counts {} references; there are {count}",
                            blob.references
                        );
                        self.add_problem(BLOBS, &key, what);
                    }
                }
            }
        }
    }

    async fn recount(
        &mut self,
        is_in_part: impl Fn(&ContentHash) -> bool,
    ) -> HashMap<ContentHash, u64> {
        let mut real: HashMap<ContentHash, u64> = HashMap::new();
        let mut scan = TableScan::new(ATTACHMENTS);
        while let Some(page) = self.next_page(&mut scan).await {
            let rows = page
                .iter()
                .filter_map(|(_, value)| AttachmentRecord::decode(value).ok());
            for row in rows.filter(|row| is_in_part(&row.hash)) {
                *real.entry(row.hash).or_default() += 1;
            }
        }
        for space in [REVISIONS, REVISION_RECORDS] {
            let mut scan = TableScan::new(space);
            while let Some(page) = self.next_page(&mut scan).await {
                let values = page.into_iter().map(|(_, value)| value);
                for record in values.filter_map(|value| DocumentRecord::decode(value).ok()) {
                    let list = ListedAttachment::parse_list(record.attachments());
                    let list = list.unwrap_or_default();
                    let hashes = list.iter().filter_map(|it| parse_hash(&it.hash).ok());
                    for hash in hashes.filter(&is_in_part) {
                        *real.entry(hash).or_default() += 1;
                    }
                }
            }
        }
        for set in self.sets_of_versions().await {
            for live in set.live {
                let list = ListedAttachment::parse_list(&live.value.attachments);
                let list = list.unwrap_or_default();
                let hashes = list.iter().filter_map(|it| parse_hash(&it.hash).ok());
                for hash in hashes.filter(&is_in_part) {
                    *real.entry(hash).or_default() += 1;
                }
            }
        }
        real
    }

    /// Adds what the versions of a set refer to.
    pub(super) fn add_references_of(&mut self, attachments: &str) {
        let list = ListedAttachment::parse_list(attachments).unwrap_or_default();
        for hash in list.iter().filter_map(|it| parse_hash(&it.hash).ok()) {
            self.references.add(&hash, 1);
        }
    }

    /// Adds a blob's own count to `stored`.
    pub(super) fn add_stored(stored: &mut References, hash: &ContentHash, blob: &BlobRecord) {
        stored.add(hash, blob.references);
    }
}

fn lists(record: &DocumentRecord, name_key: &[u8]) -> bool {
    let list = ListedAttachment::parse_list(record.attachments()).unwrap_or_default();
    list.into_iter()
        .any(|it| AttachmentName::new(it.name).is_ok_and(|name| name.key().as_bytes() == name_key))
}
