//! `CONFLICTS`: all versions of documents of which several live.
//!
//! Key: lower-cased id. Value: format 1, context, count, then each version: dot, origin, time,
//! flags, whether it is a deletion, id, collection, list of attachments, metadata, body.
//!
//! A document in conflict has a tombstone with the flag `Conflicted`: to indexes and counts it is
//! gone, and whoever follows the etags finds it. A document without conflict has no record here.

use super::documents::DocumentFlags;
use super::{Decoder, Encoder};
use crate::Result;
use crate::host::Timestamp;
use crate::version::{Live, Siblings};

const FORMAT: u8 = 1;

/// What was written in one version of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentVersion {
    /// The id as written.
    pub id: String,
    /// The collection as written.
    pub collection: String,
    /// When it was written, by the clock of the server that took it in.
    pub last_modified: Timestamp,
    /// Its flags.
    pub flags: DocumentFlags,
    /// Whether it is a deletion; then the texts that follow are empty.
    pub is_deletion: bool,
    /// The list of attachments as JSON text; empty for none.
    pub attachments: String,
    /// Stored metadata without its braces.
    pub metadata: String,
    /// The document's text without `@metadata`, braces included.
    pub body: String,
}

impl DocumentVersion {
    /// About how many bytes it takes.
    pub fn byte_count(&self) -> usize {
        64 + self.id.len()
            + self.collection.len()
            + self.attachments.len()
            + self.metadata.len()
            + self.body.len()
    }

    /// Whether both say the same, whoever wrote it and when.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.is_deletion == other.is_deletion
            && self.collection == other.collection
            && self.attachments == other.attachments
            && self.metadata == other.metadata
            && self.body == other.body
    }

    pub(crate) fn write(&self, encoder: &mut Encoder) {
        encoder.fixed_i64(self.last_modified.ticks());
        encoder.varint(u64::from(self.flags.bits()));
        encoder.byte(u8::from(self.is_deletion));
        encoder.text(&self.id);
        encoder.text(&self.collection);
        if !self.is_deletion {
            encoder.text(&self.attachments);
            encoder.text(&self.metadata);
            encoder.text(&self.body);
        }
    }

    pub(crate) fn read(decoder: &mut Decoder<'_>) -> Result<Self> {
        let last_modified = Timestamp::from_ticks(decoder.fixed_i64()?);
        let flags = DocumentFlags::from_bits(decoder.varint()?)?;
        let is_deletion = decoder.flag()?;
        let (id, collection) = (decoder.text()?.to_owned(), decoder.text()?.to_owned());
        let mut text = || match is_deletion {
            true => Ok(String::new()),
            false => decoder.text().map(str::to_owned),
        };
        Ok(Self {
            last_modified,
            flags,
            is_deletion,
            id,
            collection,
            attachments: text()?,
            metadata: text()?,
            body: text()?,
        })
    }
}

/// The stored form of a whole set.
pub fn encode(set: &Siblings<DocumentVersion>) -> Vec<u8> {
    let texts: usize = set.live.iter().map(|it| it.value.byte_count()).sum();
    let mut encoder = Encoder::with_capacity(64 + texts);
    encoder.byte(FORMAT);
    encoder.vector(&set.context);
    encoder.varint(set.live.len() as u64);
    for live in &set.live {
        encoder.entry(live.dot);
        encoder.origin(live.origin.as_ref());
        live.value.write(&mut encoder);
    }
    encoder.finish()
}

/// Reads the stored form.
///
/// # Errors
/// `Corrupted` when it does not fit.
pub fn decode(bytes: &[u8]) -> Result<Siblings<DocumentVersion>> {
    let mut decoder = Decoder::new("conflicts", bytes);
    decoder.format(FORMAT)?;
    let context = decoder.vector()?;
    let count = decoder.length()?;
    let mut live = Vec::new();
    for _ in 0..count {
        live.push(Live {
            dot: decoder.entry()?,
            origin: decoder.origin()?,
            value: DocumentVersion::read(&mut decoder)?,
        });
    }
    decoder.end()?;
    Ok(Siblings { context, live })
}
