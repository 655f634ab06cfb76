//! The stored form: one file per table, keys and value codecs, nothing else.
//!
//! Invariants:
//! - key space numbers and format bytes are never reused for something else;
//! - decoding never panics: bytes that do not fit are `Corrupted`, with the table's name.

mod codec;
pub mod collection_etags;
pub mod collections;
pub mod database_state;
pub mod documents;
pub mod etags;
pub mod identities;
pub mod tombstones;

pub(crate) use codec::{Decoder, Encoder};

use crate::storage::KeySpace;

/// The database's own record; see [`database_state`].
pub const DATABASE: KeySpace = KeySpace::new(0);
/// Live documents by lower-cased id; see [`documents`].
pub const DOCUMENTS: KeySpace = KeySpace::new(1);
/// Everything that has an etag, in etag order; see [`etags`].
pub const ETAGS: KeySpace = KeySpace::new(2);
/// Documents and tombstones of a collection in etag order; see [`collection_etags`].
pub const COLLECTION_ETAGS: KeySpace = KeySpace::new(3);
/// Deleted documents by lower-cased id; see [`tombstones`].
pub const TOMBSTONES: KeySpace = KeySpace::new(4);
/// Counts kept for each collection; see [`collections`].
pub const COLLECTIONS: KeySpace = KeySpace::new(5);
/// Identity counters; see [`identities`].
pub const IDENTITIES: KeySpace = KeySpace::new(6);
