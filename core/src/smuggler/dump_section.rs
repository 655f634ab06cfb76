//! The sections of a RavenDB dump.

use std::fmt;

/// What the items of a section are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// Live documents; the only section of JSON arrays and JSON lines.
    Documents,
    /// Revisions of documents.
    Revisions,
    /// The database's configurations: one object.
    DatabaseRecord,
    /// Deleted items.
    Tombstones,
    /// Deleted documents, as version 3 wrote them.
    Deletions,
    /// Identity counters.
    Identities,
    /// Definitions of indexes.
    Indexes,
    /// Anything else.
    Other,
}

impl Section {
    /// The section a property of the dump stands for, in any case.
    pub fn from_name(name: &str) -> Self {
        const NAMES: [(&str, Section); 8] = [
            ("Docs", Section::Documents),
            ("RevisionDocuments", Section::Revisions),
            ("DatabaseRecord", Section::DatabaseRecord),
            // What the documents stream of a server calls them.
            ("Results", Section::Documents),
            ("Tombstones", Section::Tombstones),
            ("DocsDeletions", Section::Deletions),
            ("Identities", Section::Identities),
            ("Indexes", Section::Indexes),
        ];
        let found = NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or(Self::Other, |(_, section)| *section)
    }

    /// Whether the reader hands the section's items out; it only counts the others.
    pub fn is_read(self) -> bool {
        self != Self::Other
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Documents => "Docs",
            Self::Revisions => "RevisionDocuments",
            Self::DatabaseRecord => "DatabaseRecord",
            Self::Tombstones => "Tombstones",
            Self::Deletions => "DocsDeletions",
            Self::Identities => "Identities",
            Self::Indexes => "Indexes",
            Self::Other => "other",
        })
    }
}

/// What was met of one section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionSummary {
    /// The section's name as written.
    pub name: String,
    /// What it is.
    pub section: Section,
    /// Its items, attachments not counted.
    pub items: u64,
    /// The bytes of its items' texts.
    pub bytes: u64,
    /// The attachments that stood among its items.
    pub attachments: u64,
    /// The raw bytes that stood among its items, of attachments and time series.
    pub blob_bytes: u64,
}

impl SectionSummary {
    pub(super) fn new(name: String) -> Self {
        Self {
            section: Section::from_name(&name),
            name,
            items: 0,
            bytes: 0,
            attachments: 0,
            blob_bytes: 0,
        }
    }
}
