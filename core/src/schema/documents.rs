//! `DOCUMENTS`: live documents, kept as they are served (architecture decision 5).
//!
//! Key: lower-cased id. Value: format 1, etag, time, flags, context, dot, origin byte (0), id as
//! written (empty when it equals the key), collection, stored metadata (the inside of its braces),
//! then the body: JSON text to the end of the record, without `@metadata`.

use std::ops::Range;

use bytes::Bytes;

use super::{Decoder, Encoder};
use crate::host::Timestamp;
use crate::version::{ChangeVector, Dot, Etag};
use crate::{Error, Result};

const FORMAT: u8 = 1;

/// What else is known of a document, shown as `@flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct DocumentFlags(u32);

impl DocumentFlags {
    /// The names of the bits, in the order clients see them.
    const NAMES: [&'static str; 9] = [
        "HasRevisions",
        "HasAttachments",
        "Conflicted",
        "Resolved",
        "Reverted",
        "Revision",
        "DeleteRevision",
        "FromReplication",
        "Artificial",
    ];

    /// No flag.
    pub const NONE: Self = Self(0);

    /// The bits as stored.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// From stored bits.
    ///
    /// # Errors
    /// `Corrupted` when an unknown bit is set.
    pub fn from_bits(bits: u64) -> Result<Self> {
        match u32::try_from(bits) {
            Ok(bits) if bits < 1 << Self::NAMES.len() => Ok(Self(bits)),
            _ => Err(Error::corrupted(format!(
                "unknown document flags {bits:#x}"
            ))),
        }
    }

    /// Whether none is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set flags' names, joined by `, `.
    pub fn to_text(self) -> String {
        let set = Self::NAMES
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 & (1 << bit) != 0);
        set.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
    }
}

/// The parts of a record to write.
#[derive(Debug, Clone)]
pub struct DocumentParts<'a> {
    /// The local etag.
    pub etag: Etag,
    /// When it was written, by the writer's clock.
    pub last_modified: Timestamp,
    /// Its flags.
    pub flags: DocumentFlags,
    /// Everything this version has seen, itself included.
    pub context: &'a ChangeVector,
    /// This version's own write.
    pub dot: Dot,
    /// The id as written.
    pub id: &'a str,
    /// The lower-cased id.
    pub key: &'a [u8],
    /// The collection as written.
    pub collection: &'a str,
    /// Stored metadata without its braces.
    pub metadata: &'a str,
    /// The document's text without `@metadata`, braces included.
    pub body: &'a str,
}

impl DocumentParts<'_> {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let texts = self.id.len() + self.collection.len() + self.metadata.len() + self.body.len();
        let mut encoder = Encoder::with_capacity(64 + texts);
        encoder.byte(FORMAT);
        encoder.etag(self.etag);
        encoder.fixed_i64(self.last_modified.ticks());
        encoder.varint(u64::from(self.flags.bits()));
        encoder.vector(self.context);
        encoder.entry(self.dot);
        encoder.byte(0);
        encoder.text(if self.id.as_bytes() == self.key {
            ""
        } else {
            self.id
        });
        encoder.text(self.collection);
        encoder.text(self.metadata);
        encoder.raw(self.body.as_bytes());
        encoder.finish()
    }
}

/// A stored record with the places of its parts; the texts are checked UTF-8.
#[derive(Debug, Clone)]
pub struct DocumentRecord {
    bytes: Bytes,
    /// The local etag.
    pub etag: Etag,
    /// When it was written, by the writer's clock.
    pub last_modified: Timestamp,
    /// Its flags.
    pub flags: DocumentFlags,
    /// Everything this version has seen, itself included.
    pub context: ChangeVector,
    /// This version's own write.
    pub dot: Dot,
    id: Range<usize>,
    collection: Range<usize>,
    metadata: Range<usize>,
    body: Range<usize>,
}

impl DocumentRecord {
    /// Reads the stored form without copying the texts.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode(bytes: Bytes) -> Result<Self> {
        let mut decoder = Decoder::new("documents", &bytes);
        decoder.format(FORMAT)?;
        let etag = decoder.etag()?;
        let last_modified = Timestamp::from_ticks(decoder.fixed_i64()?);
        let flags = DocumentFlags::from_bits(decoder.varint()?)?;
        let (context, dot) = (decoder.vector()?, decoder.entry()?);
        if decoder.byte()? != 0 {
            return Err(Error::corrupted("a document has an origin of unknown form"));
        }
        let mut text_range = || -> Result<Range<usize>> {
            let length = decoder.text()?.len();
            Ok(decoder.position() - length..decoder.position())
        };
        let (id, collection, metadata) = (text_range()?, text_range()?, text_range()?);
        let body = decoder.position()..bytes.len();
        std::str::from_utf8(&bytes[body.clone()])
            .map_err(|_| Error::corrupted("a document's body is not UTF-8"))?;
        Ok(Self {
            etag,
            last_modified,
            flags,
            context,
            dot,
            id,
            collection,
            metadata,
            body,
            bytes,
        })
    }

    fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(&self.bytes[range.clone()]).expect("checked when decoded")
    }

    /// The id as written; empty when it equals the record's key.
    pub fn id(&self) -> &str {
        self.text(&self.id)
    }

    /// The collection as written.
    pub fn collection(&self) -> &str {
        self.text(&self.collection)
    }

    /// Stored metadata without its braces.
    pub fn metadata(&self) -> &str {
        self.text(&self.metadata)
    }

    /// The document's text without `@metadata`, braces included.
    pub fn body(&self) -> &str {
        self.text(&self.body)
    }

    /// [`Self::body`] as bytes, for copying.
    pub fn body_bytes(&self) -> &[u8] {
        &self.bytes[self.body.clone()]
    }

    /// The length of the record.
    pub fn byte_count(&self) -> usize {
        self.bytes.len()
    }
}
