//! Replication: the rules, and state machines without sockets (architecture decisions 3 and 8).
//!
//! Servers exchange all they have and merge it. Edges (browsers) offer writes to one server and
//! follow its stream. What each step needs from storage is a command of the merger; the sessions
//! around them turn frames into commands and answers into frames.
//!
//! Invariants (docs/decisions/0008-replication.md):
//! - only servers' incarnations own entries in change vectors;
//! - a write that was taken in removes only what its author had seen;
//! - a loss of what is known about writes makes them concurrent, never ordered.

mod accept_rule;
mod accept_writes;
mod acknowledged;
mod apply_pull;
mod content_demand;
mod content_fetch;
pub mod edge;
mod edge_events;
mod edge_steps;
mod end_resync;
mod facts;
pub mod hub;
mod lives;
mod local_write;
mod lost_write;
mod merge_replicated;
mod merge_rule;
mod messages;
mod mint_incarnation;
mod openings;
mod outbox;
mod outgoing;
mod pending_document;
mod records;
mod scope;
mod sync_round;
mod validated_push;
mod wire;
mod wire_codec;

use bytes::Bytes;

pub use accept_rule::{Offer, admit, facts_of, judge};
pub use accept_writes::AcceptWrites;
pub(crate) use acknowledged::Acknowledged;
pub use apply_pull::ApplyPull;
pub use content_demand::FillContent;
pub use edge_steps::{
    BecomeEdge, DiscardPending, MarkSent, RenewReplica, RetryRefused, SettleWrites,
};
pub use end_resync::{EndResync, ResyncEnd};
pub use facts::Facts;
pub use lives::{Life, Lives};
pub(crate) use local_write::{LocalWrite, follow_local_write, forget_conflict_base};
pub use merge_replicated::MergeReplicated;
pub use merge_rule::merge;
pub use messages::{Known, Message, PROTOCOL_VERSION, Position, RefusalCode};
pub use mint_incarnation::{MintIncarnation, RenameWrites};
pub(crate) use mint_incarnation::{RENAMING_KEY, Renaming};
pub use openings::{NoteOpening, Opening};
pub(crate) use openings::{OPENINGS_KEY, decode_openings, with_opening};
pub use outgoing::{StreamLimits, StreamPart};
pub(crate) use records::{note_purged, parse_purged};
pub use scope::Scope;
pub use wire::{
    EdgeWrite, Name, Verdict, WireEntry, WireFact, WireState, WireVersion, WriteOutcome,
};

use crate::Result;
use crate::commands::Transaction;
use crate::storage::{BoxedFuture, Snapshot};
use crate::version::{Etag, IncarnationId};

/// Something that the merger does for replication.
#[derive(Debug, Clone)]
pub enum ReplicationCommand {
    /// A server takes in writes of an edge.
    AcceptWrites(AcceptWrites),
    /// A server takes in a part of another's stream.
    Merge(MergeReplicated),
    /// A server begins a new life.
    MintIncarnation(MintIncarnation),
    /// A server's writes get names of its new life.
    RenameWrites(RenameWrites),
    /// A server was opened.
    NoteOpening(NoteOpening),
    /// A database becomes an edge.
    BecomeEdge(BecomeEdge),
    /// An edge takes in a part of a server's stream.
    ApplyPull(ApplyPull),
    /// An edge takes in a content that it had left on the server.
    FillContent(FillContent),
    /// An edge ends a resync.
    EndResync(EndResync),
    /// An edge sends writes.
    MarkSent(MarkSent),
    /// An edge hears what became of writes.
    SettleWrites(SettleWrites),
    /// An edge gets a new identity.
    RenewReplica(RenewReplica),
    /// An edge gives up a write.
    DiscardPending(DiscardPending),
    /// An edge offers refused writes again.
    RetryRefused(RetryRefused),
}

/// What a [`ReplicationCommand`] answers.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplicationOutcome {
    /// The verdicts on an edge's writes, in their order.
    Judged {
        /// The verdicts.
        outcomes: Vec<WriteOutcome>,
        /// The etags of documents of which the edge needs to hear nothing else.
        told: Vec<Etag>,
        /// Which of the writes, by number, wait for a validation function. Their verdicts say
        /// `Behind`.
        unjudged: Vec<usize>,
    },
    /// Which writes may leave, by document, and up to which sequence nothing is open any more.
    Marked {
        /// The documents.
        keys: Vec<Bytes>,
        /// The sequence.
        settled: u64,
    },
    /// How many documents a part of a stream changed.
    Merged {
        /// How many.
        changed: usize,
    },
    /// The new identity.
    Minted(IncarnationId),
    /// There is more to do, from here.
    Continue(Option<Bytes>),
    /// The end of a resync goes on from here.
    Ending(ResyncEnd),
    /// Nothing to tell.
    Done,
}

impl ReplicationCommand {
    pub(crate) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        match self {
            Self::BecomeEdge(join) => join.run(tx).await,
            Self::ApplyPull(apply) => apply.run(tx).await,
            Self::FillContent(fill) => fill.run(tx).await,
            Self::EndResync(end) => end.run(tx).await,
            Self::MarkSent(mark) => mark.run(tx).await,
            Self::SettleWrites(settle) => settle.run(tx).await,
            Self::RenewReplica(renew) => renew.run(tx).await,
            Self::DiscardPending(discard) => discard.run(tx).await,
            Self::RetryRefused(retry) => retry.run(tx).await,
            _ => self.run_on_server(tx).await,
        }
    }

    fn run_on_server<'a, S: Snapshot>(
        &'a self,
        tx: &'a mut Transaction<S>,
    ) -> BoxedFuture<'a, Result<ReplicationOutcome>> {
        if !S::HOLDS_SERVERS {
            return Box::pin(std::future::ready(Err(crate::commands::not_a_server())));
        }
        Box::pin(async move {
            match self {
                Self::AcceptWrites(accept) => accept.run(tx).await,
                Self::Merge(merge) => merge.run(tx).await,
                Self::MintIncarnation(mint) => mint.run(tx).await,
                Self::RenameWrites(rename) => rename.run(tx).await,
                Self::NoteOpening(note) => note.run(tx).await,
                _ => Err(crate::commands::not_a_server()),
            }
        })
    }

    pub(crate) fn byte_count(&self) -> usize {
        match self {
            Self::AcceptWrites(accept) => accept.byte_count(),
            Self::Merge(merge) => merge.byte_count(),
            Self::ApplyPull(apply) => apply.byte_count(),
            Self::FillContent(fill) => fill.byte_count(),
            _ => 256,
        }
    }
}
