//! Patches: scripts that change documents, JSON Patches, and what comes of them.
//!
//! A script runs outside the merger, over documents that were read, and its effect is committed
//! only where those documents still are what it saw (`commands/patch_batch.rs`). So a patch is as
//! serialisable as a write, and a script that loops holds up nobody.

mod call;
mod field_patch;
mod json_patch;
mod number_texts;
mod script;

pub use call::{PatchAction, PatchEffect};
pub(crate) use call::{Run, Seen, run_script};
pub use field_patch::FieldPatch;
pub use json_patch::JsonPatch;
pub(crate) use number_texts::keep_number_texts;
pub use script::PatchScript;

use crate::host::Timestamp;

/// What became of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchStatus {
    /// There is no document, and nothing was said of that case.
    DocumentDoesNotExist,
    /// The document was made.
    Created,
    /// The document was changed.
    Patched,
    /// The document is another version than expected, and that was to be passed over.
    Skipped,
    /// The patch changed nothing.
    NotModified,
}

impl PatchStatus {
    /// The protocol's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DocumentDoesNotExist => "DocumentDoesNotExist",
            Self::Created => "Created",
            Self::Patched => "Patched",
            Self::Skipped => "Skipped",
            Self::NotModified => "NotModified",
        }
    }
}

/// A patched document, or one that was not.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchedDocument {
    /// Its id.
    pub id: String,
    /// What happened.
    pub status: PatchStatus,
    /// Its collection; empty when there is no document.
    pub collection: String,
    /// Its change vector's text, if there is a document now.
    pub change_vector: Option<String>,
    /// When it was last written, if there is a document now.
    pub last_modified: Option<Timestamp>,
    /// The whole document after the patch, with its stored metadata, as JSON.
    pub document: Option<String>,
    /// The whole document before it.
    pub original: Option<String>,
    /// What the script passed to `output()`.
    pub output: Vec<String>,
}
