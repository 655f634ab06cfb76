//! Writes: one file per command, and the merger that runs them.
//!
//! Invariants (architecture decision 2):
//! - a command decides from what the transaction shows it and changes nothing else;
//! - what a failed operation changed is forgotten, and nobody else notices;
//! - etags of one operation are consecutive and none is lost to a failed one.

mod change_hilo;
mod change_identity;
mod change_indexes;
mod changes;
pub(crate) mod clean_tombstones;
mod configure;
mod delete_by_prefix;
pub(crate) mod delete_document;
mod merger;
pub(crate) mod patch_batch;
mod patch_document;
mod put_document;
mod queue;
mod remember_request;
mod run_batch;
pub(crate) mod store_version;
mod transaction;
mod verify_versions;
mod write_outputs;

pub use change_hilo::{HiloRange, NextHiloRange, ReturnHiloRange};
pub use change_identity::{NextIdentity, SeedIdentity};
pub use change_indexes::ChangeIndexes;
pub use changes::{Changes, UndoLog};
pub use clean_tombstones::CleanTombstones;
pub use configure::Configure;
pub use delete_by_prefix::{DeleteByPrefix, DeletedByPrefix};
pub use delete_document::{DeleteDocument, DeletedDocument};
pub use merger::{Merger, Pause};
pub use patch_document::{JsonPatchDocument, PatchDocument, PreparedPatch};
pub use put_document::{PutDocument, WrittenDocument};
pub(crate) use queue::Queue;
pub use remember_request::{DoneAlready, RememberRequest};
pub use run_batch::{BatchCommand, CommandOutcome};
pub use transaction::Transaction;
pub(crate) use transaction::id_suffix;
pub use verify_versions::VerifyVersions;
pub use write_outputs::{OutputDocument, WriteOutputs};

use std::sync::Arc;

use crate::attachments::{SweepLooseContents, WriteContent};
use crate::expiration::{SweepExpired, SweepRefreshes};
use crate::replication::{ReplicationCommand, ReplicationOutcome};
use crate::revisions::{
    AdoptRevisions, AdoptedRevisions, EnforceRevisions, EnforcedRevisions, RevertDatabase,
    RevertedDatabase, SweepRevisionBin, SweptRevisionBin,
};
use crate::storage::{BoxedFuture, Snapshot};
use crate::{ConcurrencyViolation, Error, ErrorKind, Result};

/// What a writer believes about the stored version of a document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ExpectedVersion {
    /// Nothing: the last write wins.
    #[default]
    Any,
    /// That the document does not exist.
    Missing,
    /// That its change vector has exactly this text.
    Exactly(String),
}

impl ExpectedVersion {
    /// The protocol's form: absent, empty, or a change vector's text.
    pub fn from_wire(text: Option<&str>) -> Self {
        match text {
            None => Self::Any,
            Some("") => Self::Missing,
            Some(text) => Self::Exactly(text.to_owned()),
        }
    }

    /// Compares with the stored change vector's text; `None` when there is no document.
    ///
    /// # Errors
    /// `ConcurrencyConflict` with a [`ConcurrencyViolation`].
    pub fn check(&self, action: &str, id: &str, actual: Option<&str>) -> Result<()> {
        let expected = match (self, actual) {
            (Self::Any, _) | (Self::Missing, None) => return Ok(()),
            (Self::Exactly(expected), Some(actual)) if expected == actual => return Ok(()),
            (Self::Missing, _) => String::new(),
            (Self::Exactly(expected), _) => expected.clone(),
        };
        let found = match actual {
            Some(actual) => format!("has change vector {actual}"),
            None => "does not exist".to_owned(),
        };
        let wanted = match self {
            Self::Missing => "no document".to_owned(),
            _ => format!("change vector {expected}"),
        };
        let violation = ConcurrencyViolation {
            id: id.to_owned(),
            expected,
            actual: actual.map(str::to_owned),
        };
        Err(Error::new(
            ErrorKind::ConcurrencyConflict,
            format!("The document {id} {found}, but {action} expected {wanted}; nothing was done."),
        )
        .with_source(violation))
    }
}

/// Everything the merger can be asked to do in one step, all or nothing.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Commands in order.
    Batch(Arc<[BatchCommand]>),
    /// A new HiLo range.
    NextHiloRange(NextHiloRange),
    /// The unused end of a HiLo range.
    ReturnHiloRange(ReturnHiloRange),
    /// The next number of an identity.
    NextIdentity(NextIdentity),
    /// A new start for an identity.
    SeedIdentity(SeedIdentity),
    /// Old tombstones to remove.
    CleanTombstones(CleanTombstones),
    /// A configuration to replace.
    Configure(Configure),
    /// Definitions of indexes to keep or drop.
    ChangeIndexes(ChangeIndexes),
    /// Limits to apply to revisions that are there.
    EnforceRevisions(EnforceRevisions),
    /// A moment to bring documents back to.
    RevertDatabase(RevertDatabase),
    /// Deleted documents that are missing in the bin.
    AdoptRevisions(AdoptRevisions),
    /// Deleted documents to remove from the bin.
    SweepRevisionBin(SweepRevisionBin),
    /// Expired documents to delete.
    SweepExpired(SweepExpired),
    /// Documents to refresh.
    SweepRefreshes(SweepRefreshes),
    /// Pieces of a content.
    WriteContent(WriteContent),
    /// Contents to give back.
    SweepLooseContents(SweepLooseContents),
    /// Results of an index as documents.
    WriteOutputs(WriteOutputs),
    /// Something to exchange with another replica.
    Replicate(Box<ReplicationCommand>),
}

/// What an [`Operation`] answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Of a batch, one for each command.
    Batch(Vec<CommandOutcome>),
    /// Of [`Operation::NextHiloRange`].
    HiloRange(HiloRange),
    /// Of an identity operation: the identity's last number.
    Identity(i64),
    /// Of a cleaning or sweeping operation: how many items it dealt with.
    Cleaned(usize),
    /// Of [`Operation::EnforceRevisions`].
    EnforcedRevisions(EnforcedRevisions),
    /// Of [`Operation::RevertDatabase`].
    RevertedDatabase(RevertedDatabase),
    /// Of [`Operation::AdoptRevisions`].
    AdoptedRevisions(AdoptedRevisions),
    /// Of [`Operation::SweepRevisionBin`].
    SweptRevisionBin(SweptRevisionBin),
    /// Of [`Operation::Replicate`].
    Replicated(ReplicationOutcome),
    /// Nothing to tell.
    Done,
}

/// What a storage that holds no servers answers to what only they do.
pub(crate) fn not_a_server() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "only a server does this, and its storage is none for servers",
    )
}

impl Operation {
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<Outcome> {
        match self {
            Self::Batch(commands) => run_batch::run(tx, commands).await.map(Outcome::Batch),
            Self::SeedIdentity(seed) => seed.run(tx).await.map(Outcome::Identity),
            Self::Configure(configure) => {
                configure.run(tx);
                Ok(Outcome::Done)
            }
            Self::ChangeIndexes(change) => {
                change.run(tx);
                Ok(Outcome::Done)
            }
            Self::SweepExpired(step) => step.run(tx).await.map(Outcome::Cleaned),
            Self::SweepRefreshes(step) => step.run(tx).await.map(Outcome::Cleaned),
            Self::WriteContent(write) => write.run(tx).await.map(|()| Outcome::Done),
            Self::SweepLooseContents(step) => step.run(tx).await.map(Outcome::Cleaned),
            #[cfg(feature = "whole")]
            Self::WriteOutputs(write) => write.run(tx).await.map(Outcome::Cleaned),
            Self::Replicate(command) => command.run(tx).await.map(Outcome::Replicated),
            _ => self.run_on_server(tx).await,
        }
    }

    /// What no browser does. Behind a pointer, because a future that stands in another one is
    /// compiled even where nothing can begin it.
    fn run_on_server<'a, S: Snapshot>(
        &'a self,
        tx: &'a mut Transaction<S>,
    ) -> BoxedFuture<'a, Result<Outcome>> {
        if !S::HOLDS_SERVERS {
            return Box::pin(std::future::ready(Err(not_a_server())));
        }
        Box::pin(async move {
            match self {
                Self::NextHiloRange(next) => next.run(tx).await.map(Outcome::HiloRange),
                Self::ReturnHiloRange(unused) => unused.run(tx).await.map(|()| Outcome::Done),
                Self::NextIdentity(next) => next.run(tx).await.map(Outcome::Identity),
                Self::CleanTombstones(clean) => clean.run(tx).await.map(Outcome::Cleaned),
                Self::EnforceRevisions(step) => step.run(tx).await.map(Outcome::EnforcedRevisions),
                Self::RevertDatabase(step) => step.run(tx).await.map(Outcome::RevertedDatabase),
                Self::AdoptRevisions(step) => step.run(tx).await.map(Outcome::AdoptedRevisions),
                Self::SweepRevisionBin(step) => step.run(tx).await.map(Outcome::SweptRevisionBin),
                _ => Err(not_a_server()),
            }
        })
    }

    /// About how many bytes the operation holds while it waits.
    pub(crate) fn byte_count(&self) -> usize {
        const ENVELOPE: usize = 256;
        match self {
            Self::Batch(commands) => {
                ENVELOPE + commands.iter().map(BatchCommand::byte_count).sum::<usize>()
            }
            Self::WriteContent(write) => {
                ENVELOPE + write.chunks.iter().map(bytes::Bytes::len).sum::<usize>()
            }
            Self::WriteOutputs(write) => ENVELOPE + write.byte_count(),
            Self::Replicate(command) => ENVELOPE + command.byte_count(),
            _ => ENVELOPE,
        }
    }

    /// The documents it will read, as far as they are known beforehand.
    pub(crate) fn document_keys(&self) -> Vec<bytes::Bytes> {
        match self {
            Self::Batch(commands) => commands
                .iter()
                .filter_map(BatchCommand::document_key)
                .collect(),
            Self::WriteOutputs(write) => write
                .documents
                .iter()
                .map(|it| it.id.key().clone())
                .collect(),
            _ => Vec::new(),
        }
    }
}
