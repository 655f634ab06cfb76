//! Import and export: documents as JSON arrays, JSON lines and RavenDB dumps; dumps also carry
//! revisions, attachments and configurations.
//!
//! Invariants:
//! - this module does no I/O: hosts feed chunks of text to a [`Reader`] and take chunks from an
//!   [`Exporter`], decompressed and compressed by them;
//! - memory is bounded by one chunk and one item, whatever the size of the whole, and by the hashes
//!   of contents that several attachments share;
//! - the reader only finds where items begin and end; what is inside is for serde_json to judge;
//! - nothing is passed over in silence: [`Reader::sections`] counts every item of every section,
//!   and an [`ImportReport`] names what was not taken.

mod dump_section;
mod export;
mod format;
mod import;
mod import_contents;
mod import_item;
mod import_target;
mod place;
mod reader;
mod report;
mod selection;
mod value_scanner;

pub use dump_section::{Section, SectionSummary};
pub use export::{ExportCounts, ExportFormat, Exporter};
pub use format::Format;
pub use import::{ImportOptions, import};
pub use import_item::DocumentRules;
pub use import_target::{DatabaseTarget, ExistingDocument, ImportTarget, ImportUpload};
pub use place::Place;
pub use reader::{Item, Piece, Reader};
pub use report::{BadItem, ImportReport};
pub use selection::Selection;
