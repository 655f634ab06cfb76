//! What an edge's host chooses, and what it hears of a session.

use super::messages::RefusalCode;
use crate::ErrorKind;
use crate::schema::blobs::ContentHash;
use crate::schema::edge::Refusal;

/// When contents of attachments come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AttachmentFetch {
    /// Before the documents that have them.
    #[default]
    WithDocuments,
    /// When somebody asks for them, by `EdgeSession::fetch_content`.
    OnDemand,
}

/// What an edge asks of a server.
#[derive(Debug, Clone, Default)]
pub struct EdgeOptions {
    /// Who may do this; empty where nobody asks.
    pub token: String,
    /// Only documents whose ids begin with one of these; none for all that may be seen.
    pub prefixes: Vec<String>,
    /// Only documents of these collections; none for all that may be seen.
    pub collections: Vec<String>,
    /// When contents of attachments come.
    pub attachments: AttachmentFetch,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgePhase {
    /// The server has not answered yet.
    Connecting,
    /// The server tells what happened meanwhile.
    CatchingUp,
    /// What happens is told at once.
    Live,
    /// The server does not go on.
    Refused,
}

/// How things stand, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeStatus {
    /// Where the session stands.
    pub phase: EdgePhase,
    /// Documents received so far.
    pub received: u64,
    /// Etags of the server still to come.
    pub remaining: u64,
    /// Writes the server has taken so far.
    pub sent: u64,
    /// Documents of which a write waits to be sent or answered.
    pub waiting: usize,
    /// The last of the rounds that found everything here.
    pub rounds: u64,
}

/// What happened, for applications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EdgeEvent {
    /// Documents came from the server.
    Received {
        /// The documents that may have changed.
        ids: Vec<String>,
    },
    /// The server did not take a write; it stays pending.
    Refused {
        /// The document, as its id was written.
        id: String,
        /// Why.
        refusal: Refusal,
    },
    /// Everything the server had is here.
    CaughtUp,
    /// The database was rolled back or cloned; it has a new identity, and nothing was lost.
    Renewed,
    /// Everything was compared: the edge had been away for longer than deletions are remembered,
    /// or what it may see has changed.
    Resynced,
    /// A content that was asked for is here.
    Fetched {
        /// Its hash.
        hash: ContentHash,
    },
    /// A content that was asked for cannot be had.
    NotFetched {
        /// The document of which it was asked for.
        id: String,
        /// Its hash.
        hash: ContentHash,
        /// For a program: `NotFound` where the document has it no more, here or there.
        kind: ErrorKind,
        /// For a person.
        reason: String,
    },
    /// The server does not go on.
    Closed {
        /// For a program.
        code: RefusalCode,
        /// For a person.
        reason: String,
    },
}
