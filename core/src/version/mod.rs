//! Versions: etags, incarnations, dots and change vectors (architecture decision 3).
//!
//! Invariants:
//! - an etag orders everything inside one database; it is never reused (it commits with its write);
//! - only core incarnations own entries in change vectors, so a vector is as short as the cluster
//!   is large;
//! - a dot names one body for ever.

mod change_vector;
mod incarnation;
mod origin;
mod siblings;
mod text_form;

pub use change_vector::{ChangeVector, Dot, Entry, VectorOrder};
pub use incarnation::{Incarnation, IncarnationId, IncarnationIndex, Incarnations, NodeTag};
pub use origin::{Origin, ReplicaId};
pub use siblings::{Live, Siblings};

use std::fmt;

/// The position of a write in its database: 1 for the first, then counting up without reuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Etag(u64);

impl Etag {
    /// Before every write.
    pub const ZERO: Self = Self(0);

    /// The etag with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The etag of the next write.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Eight bytes whose order is the etags' order.
    pub const fn to_key(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
