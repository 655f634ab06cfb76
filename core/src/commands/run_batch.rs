//! A batch: commands in order, all or nothing.

use bytes::Bytes;

use super::{
    DeleteByPrefix, DeleteDocument, DeletedByPrefix, DeletedDocument, PutDocument, Transaction,
    VerifyVersions, WrittenDocument,
};
use crate::attachments::{
    AttachmentContent, CopyAttachment, DeleteAttachment, PutAttachment, WrittenAttachment,
};
use crate::document::IdRequest;
use crate::revisions::{ForceRevision, ForcedRevision, RevertDocument};
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
    /// Checks documents that were read.
    VerifyVersions(VerifyVersions),
    /// Makes a revision.
    ForceRevision(ForceRevision),
    /// Brings back an earlier version.
    RevertDocument(RevertDocument),
    /// Adds an attachment.
    PutAttachment(PutAttachment),
    /// Removes an attachment.
    DeleteAttachment(DeleteAttachment),
    /// Copies, moves or renames an attachment.
    CopyAttachment(CopyAttachment),
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
    /// Of a check.
    Verified,
    /// Of [`BatchCommand::ForceRevision`].
    ForcedRevision(ForcedRevision),
    /// Of [`BatchCommand::RevertDocument`].
    Reverted,
    /// Of a put, copy or move of an attachment.
    WrittenAttachment(WrittenAttachment),
    /// Of [`BatchCommand::DeleteAttachment`]: the document's change vector, or `None` when there
    /// was no such attachment.
    DeletedAttachment(Option<String>),
}

impl BatchCommand {
    pub(super) fn byte_count(&self) -> usize {
        const ENVELOPE: usize = 128;
        match self {
            Self::Put(put) => {
                ENVELOPE + put.document.body.capacity() + put.document.metadata.capacity()
            }
            Self::PutAttachment(PutAttachment {
                content: AttachmentContent::Inline { bytes, .. },
                ..
            }) => ENVELOPE + bytes.len(),
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
            Self::PutAttachment(put) => Some(put.id.key().clone()),
            _ => None,
        }
    }
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
    for command in commands {
        outcomes.push(match command {
            BatchCommand::Put(put) => CommandOutcome::Written(put.run(tx).await?),
            BatchCommand::Delete(delete) => CommandOutcome::Deleted(delete.run(tx).await?),
            BatchCommand::DeleteByPrefix(delete) => {
                CommandOutcome::DeletedByPrefix(delete.run(tx).await?)
            }
            BatchCommand::VerifyVersions(verify) => {
                verify.run(tx).await?;
                CommandOutcome::Verified
            }
            BatchCommand::ForceRevision(force) => {
                CommandOutcome::ForcedRevision(force.run(tx).await?)
            }
            BatchCommand::RevertDocument(revert) => {
                revert.run(tx).await?;
                CommandOutcome::Reverted
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
        });
    }
    Ok(outcomes)
}
