//! A batch: commands in order, all or nothing.

use bytes::Bytes;

use super::{
    DeleteByPrefix, DeleteDocument, DeletedByPrefix, DeletedDocument, JsonPatchDocument,
    PatchDocument, PutDocument, RememberRequest, Transaction, VerifyVersions, WrittenDocument,
};
use crate::attachments::{
    AttachmentContent, CopyAttachment, DeleteAttachment, ImportDocument, ImportedAttachment,
    PutAttachment, WrittenAttachment,
};
use crate::document::{DocumentText, IdRequest, PatchedDocument};
use crate::revisions::{
    DeleteRevisions, ForceRevision, ForcedRevision, ImportRevision, RevertDocument,
};
use crate::storage::Snapshot;
use crate::{Error, ErrorKind, Result};

/// One command of a batch.
#[derive(Debug, Clone)]
pub enum BatchCommand {
    /// Stores a document.
    Put(PutDocument),
    /// Deletes a document.
    Delete(DeleteDocument),
    /// Deletes documents by the beginning of their ids.
    DeleteByPrefix(DeleteByPrefix),
    /// Patches a document by a script; run it by
    /// [`crate::Database::write_batch_with_scripts`].
    Patch(Box<PatchDocument>),
    /// Patches a document by a JSON Patch.
    JsonPatch(JsonPatchDocument),
    /// Checks documents that were read.
    VerifyVersions(VerifyVersions),
    /// Makes the batch happen once.
    RememberRequest(RememberRequest),
    /// Makes a revision.
    ForceRevision(ForceRevision),
    /// Brings back an earlier version.
    RevertDocument(RevertDocument),
    /// Deletes revisions.
    DeleteRevisions(DeleteRevisions),
    /// Adds an attachment.
    PutAttachment(PutAttachment),
    /// Removes an attachment.
    DeleteAttachment(DeleteAttachment),
    /// Copies, moves or renames an attachment.
    CopyAttachment(CopyAttachment),
    /// Stores a document of a dump.
    ImportDocument(ImportDocument),
    /// Stores a revision of a dump.
    ImportRevision(ImportRevision),
}

/// What a command of a batch answers.
#[derive(Debug, Clone, PartialEq)]
pub enum CommandOutcome {
    /// Of a put.
    Written(WrittenDocument),
    /// Of a delete.
    Deleted(DeletedDocument),
    /// Of a delete by prefix.
    DeletedByPrefix(DeletedByPrefix),
    /// Of a patch of either kind.
    Patched(PatchedDocument),
    /// Of a check, and of [`BatchCommand::RememberRequest`].
    Verified,
    /// Of [`BatchCommand::ImportRevision`]: whether it was not here yet.
    ImportedRevision(bool),
    /// Of [`BatchCommand::ForceRevision`].
    ForcedRevision(ForcedRevision),
    /// Of [`BatchCommand::RevertDocument`].
    Reverted,
    /// Of [`BatchCommand::DeleteRevisions`]: how many went.
    DeletedRevisions(u64),
    /// Of a put, copy or move of an attachment.
    WrittenAttachment(WrittenAttachment),
    /// Of [`BatchCommand::DeleteAttachment`]: the document's change vector, or `None` when there
    /// was no such attachment.
    DeletedAttachment(Option<String>),
}

impl BatchCommand {
    pub(crate) fn byte_count(&self) -> usize {
        const ENVELOPE: usize = 128;
        match self {
            Self::Put(put) => ENVELOPE + text_bytes(&put.document),
            Self::PutAttachment(put) => ENVELOPE + inline_bytes(&put.content),
            Self::ImportDocument(import) => {
                let attachments = imported_bytes(&import.attachments);
                ENVELOPE + text_bytes(&import.put.document) + attachments
            }
            Self::ImportRevision(import) => {
                ENVELOPE + text_bytes(&import.document) + imported_bytes(&import.attachments)
            }
            Self::VerifyVersions(verify) => ENVELOPE * (1 + verify.expected.len()),
            _ => ENVELOPE,
        }
    }

    pub(super) fn document_key(&self) -> Option<Bytes> {
        match self {
            Self::Put(PutDocument {
                id: IdRequest::Semantic(id),
                ..
            }) => Some(id.key().clone()),
            Self::Delete(delete) => Some(delete.id.key().clone()),
            Self::Patch(patch) => Some(patch.id.key().clone()),
            Self::JsonPatch(patch) => Some(patch.id.key().clone()),
            Self::PutAttachment(put) => Some(put.id.key().clone()),
            Self::ImportDocument(ImportDocument {
                put:
                    PutDocument {
                        id: IdRequest::Semantic(id),
                        ..
                    },
                ..
            }) => Some(id.key().clone()),
            _ => None,
        }
    }
}

fn text_bytes(document: &DocumentText) -> usize {
    document.body.capacity() + document.metadata.capacity()
}

fn inline_bytes(content: &AttachmentContent) -> usize {
    match content {
        AttachmentContent::Inline { bytes, .. } => bytes.len(),
        _ => 0,
    }
}

fn imported_bytes(attachments: &[ImportedAttachment]) -> usize {
    attachments.iter().map(|it| inline_bytes(&it.content)).sum()
}

pub(super) async fn run<S: Snapshot>(
    tx: &mut Transaction<S>,
    commands: &[BatchCommand],
) -> Result<Vec<CommandOutcome>> {
    if commands.len() > tx.limits.max_batch_commands {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!(
                "the batch has {} commands; the limit is {}",
                commands.len(),
                tx.limits.max_batch_commands
            ),
        ));
    }
    let mut outcomes = Vec::with_capacity(commands.len());
    for (place, command) in commands.iter().enumerate() {
        outcomes.push(match command {
            BatchCommand::Put(put) => CommandOutcome::Written(put.run(tx).await?),
            BatchCommand::Delete(delete) => CommandOutcome::Deleted(delete.run(tx).await?),
            BatchCommand::DeleteByPrefix(delete) => {
                CommandOutcome::DeletedByPrefix(delete.run(tx).await?)
            }
            #[cfg(feature = "whole")]
            BatchCommand::Patch(patch) => CommandOutcome::Patched(patch.run(tx, place).await?),
            #[cfg(feature = "whole")]
            BatchCommand::JsonPatch(patch) => CommandOutcome::Patched(patch.run(tx).await?),
            BatchCommand::VerifyVersions(verify) => {
                verify.run(tx).await?;
                CommandOutcome::Verified
            }
            BatchCommand::RememberRequest(remember) => {
                remember.run(tx).await?;
                CommandOutcome::Verified
            }
            BatchCommand::ForceRevision(force) => {
                CommandOutcome::ForcedRevision(force.run(tx).await?)
            }
            #[cfg(feature = "whole")]
            BatchCommand::RevertDocument(revert) => {
                revert.run(tx).await?;
                CommandOutcome::Reverted
            }
            #[cfg(feature = "whole")]
            BatchCommand::DeleteRevisions(delete) => {
                CommandOutcome::DeletedRevisions(delete.run(tx).await?)
            }
            BatchCommand::PutAttachment(put) => {
                CommandOutcome::WrittenAttachment(put.run(tx).await?)
            }
            BatchCommand::DeleteAttachment(delete) => {
                CommandOutcome::DeletedAttachment(delete.run(tx).await?)
            }
            BatchCommand::CopyAttachment(copy) => {
                CommandOutcome::WrittenAttachment(copy.run(tx).await?)
            }
            #[cfg(feature = "whole")]
            BatchCommand::ImportDocument(import) => CommandOutcome::Written(import.run(tx).await?),
            #[cfg(feature = "whole")]
            BatchCommand::ImportRevision(import) => {
                CommandOutcome::ImportedRevision(import.run(tx).await?)
            }
            #[cfg(not(feature = "whole"))]
            _ => return Err(crate::parts::not_loaded("this command")),
        });
    }
    Ok(outcomes)
}
