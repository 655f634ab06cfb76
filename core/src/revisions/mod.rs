//! Revisions: immutable versions of documents, made in the commit of the write they record.
//!
//! Invariants:
//! - a revision is keyed by its version's change vector too; a second one with the same vector is
//!   ignored;
//! - a document is flagged `HasRevisions` exactly while it has some;
//! - a delete revision stands in the bin exactly while its document is deleted.

mod bin;
mod configuration;
mod delete;
mod enforce;
mod import;
mod read;
mod record;
mod revert;
mod stored;
mod walk;

pub use bin::{
    AdoptRevisions, AdoptedRevisions, RevisionBinConfiguration, SweepRevisionBin, SweptRevisionBin,
};
pub use configuration::{CollectionRevisions, RevisionsConfiguration};
pub use delete::{DeleteRevisions, RevisionSelection};
pub use enforce::{EnforceRevisions, EnforcedRevisions};
pub use import::ImportRevision;
pub use read::RevisionPage;
pub use record::{ForceRevision, ForcedRevision};
pub(crate) use record::{
    follow_delete, follow_put, follow_settling_deletion, has_some, leave_bin, record,
};
pub use revert::{RevertDatabase, RevertDocument, RevertTarget, RevertedDatabase};
pub(crate) use stored::with_records;
pub(crate) use walk::{forget, next_documents as documents_with_some};
