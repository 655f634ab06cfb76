//! Attachments: named contents of any size beside a document.
//!
//! Invariants:
//! - a document's list of attachments, its rows in `ATTACHMENTS` and the references of the blobs
//!   change in one commit;
//! - a content is kept once for each hash (BLAKE2b-256), and as long as an attachment or a
//!   revision refers to it;
//! - only an edge knows contents that are not here, and no other operation than reading them minds;
//! - the pieces of a content are written before the commit that refers to it, and are loose until
//!   then, so a broken upload is swept.

mod content;
mod count;
mod import;
mod link;
mod list;
mod read;
mod sweep;
mod upload;
mod write;

pub use crate::schema::attachment_counts::AttachmentStatistics;
pub use content::AttachmentContent;
pub use import::{ImportDocument, ImportedAttachment};
pub(crate) use link::{
    fill_in, hold, hold_last, link, link_absent, link_known, release, replace_all, take_in, unlink,
};
pub use list::{AttachmentName, ListedAttachment, hash_text, parse_hash};
pub(crate) use read::not_local;
pub use sweep::SweepLooseContents;
pub use upload::AttachmentUpload;
pub use write::{CopyAttachment, DeleteAttachment, PutAttachment, WriteContent, WrittenAttachment};
