//! What a check tells.

use std::fmt;

use bytes::Bytes;

use crate::attachments::hash_text;
use crate::schema::{
    ATTACHMENTS, BLOBS, CHUNKS, COLLECTION_ETAGS, COLLECTIONS, CONFLICTS, DATABASE, DEPARTURES,
    DOCUMENTS, EDGE_STATES, ETAGS, EXPIRATIONS, IDENTITIES, INDEXES, LEDGER, LOOSE_CONTENTS,
    PENDING, PENDING_ORDER, REFRESHES, REPLICAS, REQUESTS, REVISION_BIN, REVISION_RECORDS,
    REVISION_VECTORS, REVISIONS, TOMBSTONES, blobs, collection_etags, etags, revisions, schedules,
};
use crate::storage::KeySpace;

/// The tables of a database, with the names problems have for them.
const TABLES: [(KeySpace, &str); 26] = [
    (DATABASE, "database"),
    (DOCUMENTS, "documents"),
    (ETAGS, "etags"),
    (COLLECTION_ETAGS, "collection etags"),
    (TOMBSTONES, "tombstones"),
    (COLLECTIONS, "collections"),
    (IDENTITIES, "identities"),
    (REVISIONS, "revisions"),
    (REVISION_RECORDS, "revision records"),
    (REVISION_VECTORS, "revision vectors"),
    (REVISION_BIN, "revision bin"),
    (EXPIRATIONS, "expirations"),
    (REFRESHES, "refreshes"),
    (ATTACHMENTS, "attachments"),
    (BLOBS, "blobs"),
    (CHUNKS, "chunks"),
    (LOOSE_CONTENTS, "loose contents"),
    (REQUESTS, "requests"),
    (INDEXES, "indexes"),
    (DEPARTURES, "departures"),
    (CONFLICTS, "conflicts"),
    (LEDGER, "ledger"),
    (REPLICAS, "replicas"),
    (PENDING, "pending"),
    (PENDING_ORDER, "pending order"),
    (EDGE_STATES, "edge states"),
];

/// Whether a table is one of this version's.
pub(super) fn is_known(space: KeySpace) -> bool {
    TABLES.iter().any(|(known, _)| *known == space)
}

/// A table's name for people.
pub(super) fn table_name(space: KeySpace) -> &'static str {
    let found = TABLES.iter().find(|(known, _)| *known == space);
    found.map_or("unknown table", |(_, name)| *name)
}

/// A key for people.
pub(super) fn show_key(space: KeySpace, key: &[u8]) -> String {
    if let Some(shown) = show_binary_key(space, key) {
        return shown;
    }
    if space == ETAGS
        && let Ok(etag) = etags::decode_key(key)
    {
        return etag.to_string();
    }
    if space == COLLECTION_ETAGS
        && let Ok((collection, kind, etag)) = collection_etags::decode_key(key)
    {
        return format!("{collection}: {kind:?} {etag}");
    }
    match std::str::from_utf8(key) {
        Ok(text) => text.escape_debug().to_string(),
        Err(_) => key.escape_ascii().to_string(),
    }
}

/// A key of the tables of revisions, schedules and attachments.
fn show_binary_key(space: KeySpace, key: &[u8]) -> Option<String> {
    let bytes = Bytes::copy_from_slice(key);
    let text = |part: &[u8]| String::from_utf8_lossy(part).escape_debug().to_string();
    match space {
        REVISIONS => {
            if let Some(id) = revisions::counted_document(&bytes) {
                return Some(format!("{} (count)", text(&id)));
            }
            let (id, etag) = revisions::decode_key(&bytes).ok()?;
            Some(format!("{} {etag}", text(&id)))
        }
        REVISION_BIN | REVISION_RECORDS => Some(etags::decode_key(key).ok()?.to_string()),
        EXPIRATIONS | REFRESHES => {
            let (at, id) = schedules::decode_key(&bytes).ok()?;
            Some(format!("{} {}", text(&id), at.to_text()))
        }
        ATTACHMENTS => {
            let (id, name) = blobs::decode_attachment_key(&bytes).ok()?;
            Some(format!("{}: {}", text(&id), text(&name)))
        }
        BLOBS => Some(hash_text(key.try_into().ok()?)),
        LOOSE_CONTENTS => Some(format!(
            "{:032x}",
            u128::from_be_bytes(key.try_into().ok()?)
        )),
        CHUNKS => {
            let (content, index) = blobs::decode_chunk_key(key).ok()?;
            Some(format!("{:032x} {index}", u128::from_be_bytes(content)))
        }
        _ => None,
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The table the entry is in.
    pub table: &'static str,
    /// The entry's key, readable.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}': {}", self.table, self.key, self.what)
    }
}

/// How far a check is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyProgress {
    /// The table that is being read.
    pub table: &'static str,
    /// Entries read so far, of all tables.
    pub entries: u64,
    /// Bytes read so far.
    pub bytes: u64,
    by_space: [u64; KeySpace::COUNT as usize],
}

impl VerifyProgress {
    pub(super) fn add_page(&mut self, space: KeySpace, entries: usize, bytes: usize) {
        self.table = table_name(space);
        self.entries += entries as u64;
        self.bytes += bytes as u64;
        self.by_space[usize::from(space.number())] += entries as u64;
    }

    pub(super) fn entries_of(&self, space: KeySpace) -> u64 {
        self.by_space[usize::from(space.number())]
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// How many problems there are.
    pub problem_count: u64,
    /// The first of them.
    pub problems: Vec<Problem>,
    /// Live documents seen.
    pub documents: u64,
    /// Tombstones seen.
    pub tombstones: u64,
    /// Revisions seen.
    pub revisions: u64,
    /// Attachments seen.
    pub attachments: u64,
    /// Contents of attachments seen.
    pub contents: u64,
    /// Contents that nothing refers to, which a sweep will remove.
    pub loose_contents: u64,
    /// Collections seen.
    pub collections: u64,
    /// Identities seen.
    pub identities: u64,
    /// Bytes read.
    pub bytes: u64,
}

impl VerifyReport {
    /// How many problems are kept with their texts.
    pub const MAX_PROBLEMS: usize = 1000;

    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problem_count == 0
    }

    pub(super) fn add(&mut self, space: KeySpace, key: &[u8], what: String) {
        self.problem_count += 1;
        if self.problems.len() < Self::MAX_PROBLEMS {
            self.problems.push(Problem {
                table: table_name(space),
                key: show_key(space, key),
                what,
            });
        }
    }
}
