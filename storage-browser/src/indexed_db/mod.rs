//! The tables of the engine in a real IndexedDB.
//!
//! Everything here runs on the one thread that owns the browser's objects; `SendWrapper` checks
//! it.

mod connection;
mod error;
mod journal_file;
mod tab_lock;
mod transaction;

pub(crate) use connection::{IndexedDb, OpenFailure};
