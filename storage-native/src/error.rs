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

/// An I/O failure while `doing` something to the files of `store`.
pub(crate) fn store_error(store: &str, doing: &str, reason: io::Error) -> Error {
    io_error(format_args!("store '{store}': {doing}"), reason)
}

/// A failure of redb while `doing` something to `store`. `damage` says which block was found
/// damaged since it was opened; redb answers every call with an error after that.
pub(crate) fn redb_error(
    store: &str,
    doing: &str,
    damage: Option<&str>,
    reason: impl Into<redb::Error>,
) -> Error {
    let reason = reason.into();
    let kind = match &reason {
        redb::Error::DatabaseClosed => ErrorKind::Closed,
        _ if damage.is_some() => ErrorKind::Corrupted,
        redb::Error::Corrupted(_) | redb::Error::TableTypeMismatch { .. } => ErrorKind::Corrupted,
        redb::Error::UpgradeRequired(_) => ErrorKind::Unsupported,
        redb::Error::ValueTooLarge(_) => ErrorKind::LimitExceeded,
        // redb refuses to go on after any failed read, write or sync until it is reopened.
        redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::LockPoisoned(_) => {
            ErrorKind::Closed
        }
        _ => ErrorKind::Internal,
    };
    let message = match damage {
        Some(damage) => format!("store '{store}': {doing}: {damage}"),
        None => format!("store '{store}': {doing}: {reason}"),
    };
    Error::new(kind, message).with_source(reason)
}

/// The answer of a store that was closed.
pub(crate) fn closed(store: &str) -> Error {
    Error::new(ErrorKind::Closed, format!("store '{store}' is closed"))
}
