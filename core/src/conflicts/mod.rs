//! Documents of which several versions live, because none of their authors had seen the others.
//!
//! Invariants:
//! - nothing is lost: all versions stay until a write replaces them, and then as revisions;
//! - a document in conflict is a tombstone to everything that counts, indexes or follows etags;
//! - one without conflict has no record of it, and costs nothing.

mod configuration;
mod read;
mod resolve;
mod resolve_by_script;
mod store;

pub use configuration::{ConflictsConfiguration, ScriptResolver};
pub(crate) use read::refuse_conflict;
pub use read::{Conflict, ConflictDetails};
pub use resolve::resolve;
pub use resolve_by_script::ScriptResolution;
pub(crate) use store::{
    keep_as_revision, of_record, of_tombstone, settle, siblings_of, store_conflict,
    unite_attachments,
};
