//! What a check tells.

use std::fmt;

use crate::schema::{
    COLLECTION_ETAGS, COLLECTIONS, DATABASE, DOCUMENTS, ETAGS, IDENTITIES, TOMBSTONES,
    collection_etags, etags,
};
use crate::storage::KeySpace;

/// The tables of a database, with the names problems have for them.
const TABLES: [(KeySpace, &str); 7] = [
    (DATABASE, "database"),
    (DOCUMENTS, "documents"),
    (ETAGS, "etags"),
    (COLLECTION_ETAGS, "collection etags"),
    (TOMBSTONES, "tombstones"),
    (COLLECTIONS, "collections"),
    (IDENTITIES, "identities"),
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
