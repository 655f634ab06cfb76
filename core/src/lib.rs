//! Pinyon's database engine.
//!
//! Knows no file, socket, browser or async runtime: a host lends it storage
//! ([`storage::Environment`]), time and randomness ([`host::Host`]) and drives its futures.
//! Start at [`Database`].

// What only the left out parts use stays in the source; the linker drops it.
#![cfg_attr(not(feature = "whole"), allow(dead_code, unused))]

pub mod attachments;
pub mod commands;
pub mod conflicts;
pub mod document;
pub mod expiration;
pub mod formula;
pub mod host;
pub mod indexes;
pub mod parts;
pub mod query;
pub mod replication;
pub mod revisions;
pub mod schema;
pub mod smuggler;
pub mod spatial;
pub mod storage;
pub mod validation;
pub mod verify;
pub mod version;

mod database;
mod error;
mod limits;
mod notices;
mod reader;

pub use database::{Database, DatabaseOptions};
pub use error::{ConcurrencyViolation, Error, ErrorKind, Result};
pub use limits::Limits;
pub use notices::{Notice, NoticeKind};
pub use reader::{DatabaseStatistics, Item, NewestQuery, PrefixQuery, ReadTransaction};
