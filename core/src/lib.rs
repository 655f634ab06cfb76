//! Pinyon's database engine.
//!
//! Knows no file, socket, browser or async runtime: a host lends it storage
//! ([`storage::Environment`]), time and randomness ([`host::Host`]) and drives its futures.
//! Start at [`Database`].

pub mod document;
pub mod host;
pub mod schema;
pub mod storage;
pub mod version;

mod error;
mod limits;

pub use error::{ConcurrencyViolation, Error, ErrorKind, Result};
pub use limits::Limits;
