//! `COLLECTIONS`: what is counted for each collection, changed in the commit of each write.
//!
//! Key: lower-cased name. Value: format 1, name as first written, counts.

use super::{Decoder, Encoder};
use crate::Result;
use crate::version::Etag;

const FORMAT: u8 = 1;

/// The counts of one collection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CollectionStatistics {
    /// The name, cased as in the first document.
    pub name: String,
    /// Live documents.
    pub document_count: u64,
    /// Tombstones not yet cleaned.
    pub tombstone_count: u64,
    /// Revisions of documents of this collection.
    pub revision_count: u64,
    /// The bytes of the live documents' records.
    pub document_bytes: u64,
    /// The newest document's etag ever written; it stays when that document goes.
    pub last_document_etag: Etag,
    /// The newest tombstone's etag ever written; it stays when that tombstone is cleaned.
    pub last_tombstone_etag: Etag,
}

impl CollectionStatistics {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(48 + self.name.len());
        encoder.byte(FORMAT);
        encoder.text(&self.name);
        encoder.varint(self.document_count);
        encoder.varint(self.tombstone_count);
        encoder.varint(self.revision_count);
        encoder.varint(self.document_bytes);
        encoder.etag(self.last_document_etag);
        encoder.etag(self.last_tombstone_etag);
        encoder.finish()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut decoder = Decoder::new("collections", bytes);
        decoder.format(FORMAT)?;
        let statistics = Self {
            name: decoder.text()?.to_owned(),
            document_count: decoder.varint()?,
            tombstone_count: decoder.varint()?,
            revision_count: decoder.varint()?,
            document_bytes: decoder.varint()?,
            last_document_etag: decoder.etag()?,
            last_tombstone_etag: decoder.etag()?,
        };
        decoder.end()?;
        Ok(statistics)
    }
}
