//! Contents: every blob's pieces by size and hash, and that every piece belongs to a content.

use std::collections::HashSet;

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use bytes::Bytes;

use super::attachments::References;
use super::table_scan::{Reference, TableScan};
use super::{OWNERS_AT_ONCE, Verification, VerifyProgress};
use crate::schema::attachment_counts::{ATTACHMENT_COUNTS_KEY, AttachmentStatistics};
use crate::schema::blobs::{self, BlobRecord, CHUNK_BYTES, ContentHash, ContentId};
use crate::schema::edge::EDGE_KEY;
use crate::schema::{BLOBS, CHUNKS, DATABASE, LOOSE_CONTENTS};
use crate::storage::{Direction, KeyRange, PageLimits, Snapshot};

impl<S: Snapshot, P: FnMut(&VerifyProgress)> Verification<'_, S, P> {
    pub(super) async fn check_contents(&mut self) {
        let mut stored = References::default();
        // Contents that have pieces, by their owners.
        let mut owned = 0;
        let mut scan = TableScan::new(BLOBS);
        let mut blobs_are_complete = true;
        let mut content_bytes = 0_u64;
        let mut absent = 0;
        let edge = self
            .get_many(DATABASE, &[Bytes::from_static(EDGE_KEY)])
            .await;
        let is_edge = edge.iter().flatten().next().is_some();
        while let Some(page) = self.next_page(&mut scan).await {
            let mut of_loose = Vec::new();
            for (key, value) in page {
                let hash: Option<ContentHash> = key[..].try_into().ok();
                let blob = BlobRecord::decode(&value);
                let (hash, blob) = match (hash, blob) {
                    (Some(hash), Ok(blob)) => (hash, blob),
                    (_, blob) => {
                        blobs_are_complete = false;
                        let what = blob.err().map_or_else(
                            || "its key is no hash".to_owned(),
                            |error| error.message().to_owned(),
                        );
                        self.add_problem(BLOBS, &key, what);
                        continue;
                    }
                };
                Self::add_stored(&mut stored, &hash, &blob);
                if blob.references == 0 {
                    self.add_problem(BLOBS, &key, "nothing refers to it, and it is not loose");
                }
                if !blob.is_here() {
                    absent += 1;
                    if !is_edge {
                        let what = "its content is not here, and this database is no edge";
                        self.add_problem(BLOBS, &key, what);
                    }
                    continue;
                }
                content_bytes = content_bytes.saturating_add(blob.size);
                of_loose.push(Reference {
                    key: key.clone(),
                    entry: Bytes::copy_from_slice(&blob.content),
                    expected: None,
                });
                owned += u64::from(self.check_pieces(&key, &hash, &blob).await);
            }
            self.check_references(BLOBS, LOOSE_CONTENTS, of_loose).await;
        }
        self.report.contents = self.progress.entries_of(BLOBS) - absent;
        if blobs_are_complete {
            let blobs = self.report.contents + absent;
            self.check_references_of_blobs(stored, blobs).await;
            self.check_attachment_counts(content_bytes);
        }
        owned += self.check_loose().await;
        if self.content_count().await != owned {
            self.find_strays().await;
        }
    }

    /// Compares what the database counts of its attachments with what is there.
    fn check_attachment_counts(&mut self, content_bytes: u64) {
        let real = AttachmentStatistics {
            attachment_count: self.report.attachments,
            content_count: self.report.contents,
            content_bytes,
        };
        let Some(stored) = self.attachment_counts.filter(|stored| *stored != real) else {
            return;
        };
        let show = |counts: AttachmentStatistics| {
            let (attachments, contents) = (counts.attachment_count, counts.content_count);
            let bytes = counts.content_bytes;
            format!("{attachments} attachments and {contents} contents with {bytes} bytes")
        };
        let what = format!("it counts {}; there are {}", show(stored), show(real));
        self.add_problem(DATABASE, ATTACHMENT_COUNTS_KEY, what);
    }

    /// Reads a blob's pieces; whether it has some.
    async fn check_pieces(&mut self, key: &Bytes, hash: &ContentHash, blob: &BlobRecord) -> bool {
        let mut hasher: Blake2b<U32> = Blake2b::new();
        let (mut index, mut size) = (0u32, 0u64);
        let mut problem = None;
        let mut scan = TableScan::of_range(CHUNKS, blobs::chunk_range(&blob.content));
        let problems_before = self.report.problem_count;
        while let Some(page) = self.next_page(&mut scan).await {
            for (chunk_key, value) in page {
                let expected = (blob.size.saturating_sub(size)).min(CHUNK_BYTES as u64);
                if problem.is_none() && chunk_key != blobs::chunk_key(&blob.content, index) {
                    problem = Some(format!("its piece {index} is missing"));
                } else if problem.is_none() && value.len() as u64 != expected {
                    let length = value.len();
                    problem = Some(format!(
                        "its piece {index} has {length} bytes instead of {expected}"
                    ));
                }
                hasher.update(&value);
                index = index.saturating_add(1);
                size += value.len() as u64;
            }
        }
        if self.report.problem_count > problems_before {
            // It could not be read; that has been told.
        } else if let Some(problem) = problem {
            self.add_problem(BLOBS, key, problem);
        } else if size != blob.size {
            let what = format!("its pieces have {size} bytes instead of {}", blob.size);
            self.add_problem(BLOBS, key, what);
        } else if ContentHash::from(hasher.finalize()) != *hash {
            self.add_problem(BLOBS, key, "its content has another hash");
        }
        index > 0
    }

    /// Checks the loose contents; how many of them have pieces.
    async fn check_loose(&mut self) -> u64 {
        let mut with_pieces = 0;
        let mut scan = TableScan::new(LOOSE_CONTENTS);
        while let Some(page) = self.next_page(&mut scan).await {
            for (key, value) in page {
                if let Err(error) = blobs::decode_loose(&value) {
                    self.add_problem(LOOSE_CONTENTS, &key, error.message());
                }
                let Ok(content) = ContentId::try_from(&key[..]) else {
                    self.add_problem(LOOSE_CONTENTS, &key, "its key is no content's id");
                    continue;
                };
                let first = self.first_piece(KeyRange::prefix(&content)).await;
                with_pieces += u64::from(first.is_some());
            }
        }
        self.report.loose_contents = self.progress.entries_of(LOOSE_CONTENTS);
        with_pieces
    }

    /// The key of the first piece in a range.
    async fn first_piece(&mut self, range: KeyRange) -> Option<Bytes> {
        let limits = PageLimits {
            entries: 1,
            ..PageLimits::default()
        };
        let page = self
            .snapshot
            .scan(CHUNKS, &range, Direction::Forward, limits)
            .await;
        match page {
            Ok(page) => page.entries.into_iter().next().map(|(key, _)| key),
            Err(error) => {
                self.add_problem(CHUNKS, b"", format!("the table cannot be read: {error}"));
                None
            }
        }
    }

    /// The next content that has pieces, after all pieces of `after`; the key of one of them.
    async fn next_content(&mut self, after: Option<ContentId>) -> Option<Bytes> {
        let range = match after {
            None => KeyRange::all(),
            Some(content) => KeyRange::all().after([&content[..], &[0xff; 5]].concat()),
        };
        self.first_piece(range).await
    }

    /// How many contents have pieces.
    async fn content_count(&mut self) -> u64 {
        let (mut count, mut after) = (0, None);
        while let Some(key) = self.next_content(after).await {
            let Ok((content, _)) = blobs::decode_chunk_key(&key) else {
                self.add_problem(CHUNKS, &key, "its key does not fit");
                return u64::MAX;
            };
            count += 1;
            after = Some(content);
        }
        count
    }

    /// Names the pieces that belong to no content.
    async fn find_strays(&mut self) {
        let owners = self.report.contents + self.report.loose_contents;
        let parts = owners.div_ceil(OWNERS_AT_ONCE).max(1);
        for part in 0..parts {
            let is_in_part = |content: &ContentId| {
                let (start, _) = content.split_first_chunk().expect("an id has 16 bytes");
                (u64::from(u32::from_be_bytes(*start)) * parts) >> 32 == part
            };
            let owned = self.owned_contents(is_in_part).await;
            let mut after = None;
            while let Some(key) = self.next_content(after).await {
                // A key that does not fit has been told already.
                let Ok((content, _)) = blobs::decode_chunk_key(&key) else {
                    break;
                };
                after = Some(content);
                if is_in_part(&content) && !owned.contains(&content) {
                    self.add_problem(CHUNKS, &key, "it belongs to no content");
                }
            }
        }
    }

    async fn owned_contents(
        &mut self,
        is_in_part: impl Fn(&ContentId) -> bool,
    ) -> HashSet<ContentId> {
        let mut owned = HashSet::new();
        for space in [BLOBS, LOOSE_CONTENTS] {
            let mut scan = TableScan::new(space);
            while let Some(page) = self.next_page(&mut scan).await {
                owned.extend(page.into_iter().filter_map(|(key, value)| {
                    let content = match space {
                        BLOBS => BlobRecord::decode(&value).ok()?.content,
                        _ => key[..].try_into().ok()?,
                    };
                    is_in_part(&content).then_some(content)
                }));
            }
        }
        owned
    }
}
