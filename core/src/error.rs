//! The one error type of Pinyon (architecture decision 12).
//!
//! `kind` says what the caller should do, `message` what happened to which id, field or line,
//! `source` carries details a program may read. HTTP statuses, RavenDB exception types and
//! JavaScript codes derive from the kind, one table each, in the crate that needs them.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// `Result` with Pinyon's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller of a failed operation should do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing asked for is not there: create it, or ask for another.
    NotFound,
    /// Somebody else changed the document first: load it again and retry.
    ConcurrencyConflict,
    /// The document has several live versions: resolve them first.
    DocumentConflict,
    /// The request itself is wrong: correct it before sending it again.
    InvalidRequest,
    /// A configured limit was passed: send less, or raise the limit.
    LimitExceeded,
    /// This is not implemented: use something else.
    Unsupported,
    /// This build leaves the part out: load the whole.
    NotLoaded,
    /// The content of an attachment was left on the server: fetch it through the sync.
    NotLocal,
    /// The caller may not do this.
    Unauthorized,
    /// It cannot be done now: retry later, or elsewhere.
    Unavailable,
    /// It took longer than allowed.
    TimedOut,
    /// The disk or quota is full: free space, then retry.
    StorageFull,
    /// Stored bytes are not what was written: restore or repair.
    Corrupted,
    /// The store or database was closed, by its owner or after a failed sync: reopen it.
    Closed,
    /// A defect or an unexpected failure underneath: report it.
    Internal,
}

/// Why an operation failed.
///
/// ```
/// use pinyon_core::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::NotFound, "no document 'users/1-A'");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.to_string(), "no document 'users/1-A'");
/// ```
#[derive(Clone)]
pub struct Error {
    // Behind a pointer: every `Result` is as small as what it holds, and so is the code that
    // hands errors on, of which a page loads thousands of places.
    told: Box<Told>,
}

#[derive(Clone)]
struct Told {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` names the id, field, line or file concerned.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::of_text(kind, message.into())
    }

    /// Once, not for each form of text there is.
    fn of_text(kind: ErrorKind, message: String) -> Self {
        let told = Told {
            kind,
            message,
            source: None,
        };
        Self {
            told: Box::new(told),
        }
    }

    /// Adds the failure underneath, or details for a program (such as [`ConcurrencyViolation`]).
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.told.source = Some(Arc::new(source));
        self
    }

    /// The same, with the name of what it is about before its message.
    ///
    /// ```
    /// let error = pinyon_core::Error::invalid("no collection").of("users/1-A");
    /// assert_eq!(error.message(), "'users/1-A': no collection");
    /// ```
    #[must_use]
    pub fn of(mut self, name: &str) -> Self {
        self.told.message = format!("'{name}': {}", self.told.message);
        self
    }

    /// Short for [`ErrorKind::InvalidRequest`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    /// Short for [`ErrorKind::Corrupted`].
    pub fn corrupted(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupted, message)
    }

    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        self.told.kind
    }

    /// What happened, for a person. The text is not part of the API.
    pub fn message(&self) -> &str {
        &self.told.message
    }

    /// The details of type `T`, if the error carries them.
    pub fn details<T: StdError + 'static>(&self) -> Option<&T> {
        self.told.source.as_deref()?.downcast_ref::<T>()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.told.kind, self.told.message)?;
        match &self.told.source {
            Some(source) => write!(f, " (because: {source})"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.told
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

/// Details of an [`ErrorKind::ConcurrencyConflict`]: which document, and which versions met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcurrencyViolation {
    /// The document's id, as the caller wrote it.
    pub id: String,
    /// The change vector the caller expected; empty for "must not exist".
    pub expected: String,
    /// The stored change vector; `None` when the document is missing.
    pub actual: Option<String>,
}

impl fmt::Display for ConcurrencyViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actual = self.actual.as_deref().unwrap_or("none");
        write!(
            f,
            "'{}': expected '{}', found '{actual}'",
            self.id, self.expected
        )
    }
}

impl StdError for ConcurrencyViolation {}
