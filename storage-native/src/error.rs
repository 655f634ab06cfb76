//! Translates failures underneath into the one error type.

use std::io;

use pinyon_core::{Error, ErrorKind};

/// The kind of an I/O failure outside the commit path: nothing was promised yet.
pub(crate) fn io_error(doing: impl std::fmt::Display, reason: io::Error) -> Error {
    let kind = match reason.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => ErrorKind::Corrupted,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("{doing}: {reason}")).with_source(reason)
}

/// A failure of redb while `doing` something to the store called `store`.
pub(crate) fn redb_error(store: &str, doing: &str, reason: impl Into<redb::Error>) -> Error {
    let reason = reason.into();
    let kind = match &reason {
        redb::Error::Corrupted(_) | redb::Error::TableTypeMismatch { .. } => ErrorKind::Corrupted,
        redb::Error::UpgradeRequired(_) => ErrorKind::Unsupported,
        redb::Error::ValueTooLarge(_) => ErrorKind::LimitExceeded,
        redb::Error::DatabaseAlreadyOpen => ErrorKind::Unavailable,
        redb::Error::Io(failure) if failure.kind() == io::ErrorKind::InvalidData => {
            ErrorKind::Corrupted
        }
        // redb refuses to go on after any failed read, write or sync until it is reopened.
        redb::Error::Io(_)
        | redb::Error::PreviousIo
        | redb::Error::DatabaseClosed
        | redb::Error::LockPoisoned(_) => ErrorKind::Closed,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, format!("store '{store}': {doing}: {reason}")).with_source(reason)
}

/// The answer of a store that was closed.
pub(crate) fn closed(store: &str) -> Error {
    Error::new(ErrorKind::Closed, format!("store '{store}' is closed"))
}
