//! What an import did, and what it did not.

use super::{Place, SectionSummary};

/// An item that could not be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadItem {
    /// Where it stands.
    pub place: Place,
    /// What is wrong with it.
    pub message: String,
}

/// What an import has done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Bytes read, after decompression.
    pub bytes_read: u64,
    /// Documents stored.
    pub documents: u64,
    /// Revisions stored, or here already.
    pub revisions: u64,
    /// Attachments of documents and revisions that were stored.
    pub attachments: u64,
    /// Contents of attachments that were read but that no item has, and their bytes.
    pub unused_contents: (u64, u64),
    /// Configurations replaced.
    pub configurations: u64,
    /// Documents deleted because a tombstone says so.
    pub deleted: u64,
    /// Tombstones of documents that are not here, or of other things than documents.
    pub needless_tombstones: u64,
    /// Identities raised, or already as high.
    pub identities: u64,
    /// Indexes defined, or defined so already.
    pub indexes: u64,
    /// Indexes that were not understood, the first of them with the reason.
    pub refused_indexes: (u64, Vec<String>),
    /// HiLo documents left as they were because their range is already as high.
    pub kept_hilo: u64,
    /// Items left out because of errors.
    pub bad_item_count: u64,
    /// The first of them.
    pub bad_items: Vec<BadItem>,
    /// The build of the server that wrote a dump.
    pub build_version: Option<u64>,
    /// What the input held, section by section.
    pub sections: Vec<SectionSummary>,
}

impl ImportReport {
    /// How many bad items are kept with their messages.
    pub const MAX_BAD_ITEMS: usize = 100;

    pub(super) fn add_bad_item(&mut self, place: Place, message: String) {
        self.bad_item_count += 1;
        if self.bad_items.len() < Self::MAX_BAD_ITEMS {
            self.bad_items.push(BadItem { place, message });
        }
    }

    pub(super) fn add_refused_index(&mut self, what: &str, reason: &crate::Error) {
        self.refused_indexes.0 += 1;
        if self.refused_indexes.1.len() < Self::MAX_BAD_ITEMS {
            let line = format!("{what}: {}", reason.message());
            self.refused_indexes.1.push(line);
        }
    }

    /// What the input held that this version does not import, one line for each kind; never the
    /// bad items, which are counted on their own.
    pub fn left_out(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let (contents @ 1.., bytes) = self.unused_contents {
            lines.push(format!(
                "{contents} contents that no attachment has ({bytes} bytes)"
            ));
        }
        lines.extend(self.refused_indexes.1.iter().cloned());
        let untold = self.refused_indexes.0 - self.refused_indexes.1.len() as u64;
        if untold > 0 {
            lines.push(format!("{untold} more indexes"));
        }
        for summary in &self.sections {
            let name = &summary.name;
            if !summary.section.is_read() && summary.items > 0 {
                lines.push(format!("{name}: {} items", summary.items));
            }
        }
        lines
    }
}
