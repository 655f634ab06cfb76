//! Pinyon's database engine.
//!
//! Knows no file, socket, browser or async runtime: a host lends it storage
//! ([`storage::Environment`]), time and randomness ([`host::Host`]) and drives its futures.
//! Start at [`Database`].

pub mod host;
pub mod storage;

mod error;

pub use error::{ConcurrencyViolation, Error, ErrorKind, Result};
