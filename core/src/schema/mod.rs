//! The stored form: one file per table, keys and value codecs, nothing else.
//!
//! Invariants:
//! - key space numbers and format bytes are never reused for something else;
//! - decoding never panics: bytes that do not fit are `Corrupted`, with the table's name.

pub mod attachment_counts;
pub mod blobs;
mod codec;
pub mod collection_etags;
pub mod collections;
pub mod configuration;
pub mod conflicts;
pub mod database_state;
pub mod departures;
pub mod documents;
pub mod edge;
pub mod etags;
pub mod identities;
pub mod ledger;
pub mod requests;
pub mod revisions;
pub mod schedules;
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
/// Revisions by document, oldest first; see [`revisions`].
pub const REVISIONS: KeySpace = KeySpace::new(7);
/// Revisions by change vector; see [`revisions`].
pub const REVISION_VECTORS: KeySpace = KeySpace::new(8);
// 9 was a table of revision counts.
/// The records of revisions in etag order; see [`revisions`].
pub const REVISION_RECORDS: KeySpace = KeySpace::new(29);
/// Delete revisions of documents that are still deleted: the bin; see [`revisions`].
pub const REVISION_BIN: KeySpace = KeySpace::new(10);
/// Documents with `@expires`, by time; see [`schedules`].
pub const EXPIRATIONS: KeySpace = KeySpace::new(11);
/// Documents with `@refresh`, by time; see [`schedules`].
pub const REFRESHES: KeySpace = KeySpace::new(12);
/// Attachments by document and name; see [`blobs`].
pub const ATTACHMENTS: KeySpace = KeySpace::new(13);
/// Contents of attachments by hash; see [`blobs`].
pub const BLOBS: KeySpace = KeySpace::new(14);
/// Pieces of contents; see [`blobs`].
pub const CHUNKS: KeySpace = KeySpace::new(15);
/// Contents that nothing refers to (yet, or any more); see [`blobs`].
pub const LOOSE_CONTENTS: KeySpace = KeySpace::new(16);
/// Requests done for callers who may ask again; see [`requests`].
pub const REQUESTS: KeySpace = KeySpace::new(28);
/// Index definitions by lower-cased name; see [`crate::indexes`].
pub const INDEXES: KeySpace = KeySpace::new(24);
/// Documents that left a collection; see [`departures`].
pub const DEPARTURES: KeySpace = KeySpace::new(25);
/// Documents of which several versions live; see [`conflicts`].
pub const CONFLICTS: KeySpace = KeySpace::new(17);
/// Which writes of edges were taken in; see [`ledger`].
pub const LEDGER: KeySpace = KeySpace::new(18);
/// Where each edge stands; see [`ledger`].
pub const REPLICAS: KeySpace = KeySpace::new(19);
/// On an edge: writes not yet known to be on a server; see [`edge`].
pub const PENDING: KeySpace = KeySpace::new(20);
/// On an edge: pending writes in the order they were made; see [`edge`].
pub const PENDING_ORDER: KeySpace = KeySpace::new(21);
/// On an edge: other states of documents; see [`edge`].
pub const EDGE_STATES: KeySpace = KeySpace::new(22);
