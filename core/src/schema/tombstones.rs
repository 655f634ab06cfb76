//! `TOMBSTONES`: what remains of deleted documents, for indexes and replicas to follow.
//!
//! Key: lower-cased id. Value: format 1, etag, deleted etag, time, flags, context, dot, origin, id, collection.

use super::documents::DocumentFlags;
use super::{Decoder, Encoder};
use crate::Result;
use crate::host::Timestamp;
use crate::version::{ChangeVector, Dot, Etag, Origin};

const FORMAT: u8 = 1;

/// A deleted document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The etag of the deletion.
    pub etag: Etag,
    /// The etag the document had.
    pub deleted_etag: Etag,
    /// When it was deleted, by this host's clock.
    pub last_modified: Timestamp,
    /// The document's flags.
    pub flags: DocumentFlags,
    /// Everything the deletion has seen.
    pub context: ChangeVector,
    /// The deletion itself.
    pub dot: Dot,
    /// The edge's write that it is, if an edge made it.
    pub origin: Option<Origin>,
    /// The id, cased as it was.
    pub id: String,
    /// The collection it was in.
    pub collection: String,
}

impl Tombstone {
    /// Whether the document is not deleted but in conflict; then [`super::conflicts`] has its
    /// versions.
    pub fn is_conflict(&self) -> bool {
        self.flags.contains(DocumentFlags::CONFLICTED)
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(64 + self.id.len() + self.collection.len());
        encoder.byte(FORMAT);
        encoder.etag(self.etag);
        encoder.etag(self.deleted_etag);
        encoder.fixed_i64(self.last_modified.ticks());
        encoder.varint(u64::from(self.flags.bits()));
        encoder.vector(&self.context);
        encoder.entry(self.dot);
        encoder.origin(self.origin.as_ref());
        encoder.text(&self.id);
        encoder.text(&self.collection);
        encoder.finish()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut decoder = Decoder::new("tombstones", bytes);
        decoder.format(FORMAT)?;
        let (etag, deleted_etag) = (decoder.etag()?, decoder.etag()?);
        let last_modified = Timestamp::from_ticks(decoder.fixed_i64()?);
        let flags = DocumentFlags::from_bits(decoder.varint()?)?;
        let (context, dot) = (decoder.vector()?, decoder.entry()?);
        let origin = decoder.origin()?;
        let (id, collection) = (decoder.text()?.to_owned(), decoder.text()?.to_owned());
        decoder.end()?;
        Ok(Self {
            etag,
            deleted_etag,
            last_modified,
            flags,
            context,
            dot,
            origin,
            id,
            collection,
        })
    }
}
