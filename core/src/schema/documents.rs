//! `DOCUMENTS`: live documents, kept as they are served (architecture decision 5).
//!
//! Key: lower-cased id. Value: format 1, etag, time, flags, context, dot, origin (one byte when it was
//! written by a server), id as
//! written (empty when it equals the key), collection, list of attachments as clients see it (empty
//! for none), stored metadata (the inside of its braces),
//! then the body: JSON text to the end of the record, without `@metadata`.

use std::ops::Range;

use bytes::Bytes;

use super::{Decoder, Encoder};
use crate::host::Timestamp;
use crate::version::{ChangeVector, Dot, Etag, Origin};
use crate::{Error, Result};

const FORMAT: u8 = 1;

/// What else is known of a document, shown as `@flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct DocumentFlags(u32);

impl DocumentFlags {
    /// The names of the bits, in the order clients see them.
    const NAMES: [&'static str; 11] = [
        "HasRevisions",
        "HasAttachments",
        "Conflicted",
        "Resolved",
        "Reverted",
        "Revision",
        "DeleteRevision",
        "FromReplication",
        "Artificial",
        "ForceCreated",
        "FromIndex",
    ];

    /// No flag.
    pub const NONE: Self = Self(0);
    /// The document has revisions.
    pub const HAS_REVISIONS: Self = Self(1);
    /// The document has attachments.
    pub const HAS_ATTACHMENTS: Self = Self(1 << 1);
    /// The version stood against another one.
    pub const CONFLICTED: Self = Self(1 << 2);
    /// The version settled a conflict.
    pub const RESOLVED: Self = Self(1 << 3);
    /// The version was brought back from a revision.
    pub const REVERTED: Self = Self(1 << 4);
    /// The record is a revision.
    pub const REVISION: Self = Self(1 << 5);
    /// The record is a revision that tells of a deletion.
    pub const DELETE_REVISION: Self = Self(1 << 6);
    /// The version came from another database.
    pub const FROM_REPLICATION: Self = Self(1 << 7);
    /// The document is not anybody's write but computed from others; it stays in its database.
    pub const ARTIFICIAL: Self = Self(1 << 8);
    /// The revision was made on request, not by configuration.
    pub const FORCE_CREATED: Self = Self(1 << 9);
    /// The document is a result of an index.
    pub const FROM_INDEX: Self = Self(1 << 10);
    /// Not shown: the metadata holds `@expires` or `@refresh`.
    pub const SCHEDULED: Self = Self(1 << 16);
    /// Not shown: before this version there was no document.
    pub const FIRST_VERSION: Self = Self(1 << 17);
    /// Not shown: the document has revisions, but this version was stored without making one.
    pub const UNRECORDED: Self = Self(1 << 18);

    const KNOWN: u32 = 0x7ff | Self::SCHEDULED.0 | Self::FIRST_VERSION.0 | Self::UNRECORDED.0;

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
            Ok(bits) if bits & !Self::KNOWN == 0 => Ok(Self(bits)),
            _ => Err(Error::corrupted(format!(
                "unknown document flags {bits:#x}"
            ))),
        }
    }

    /// Whether no flag that clients see is set.
    pub const fn is_empty(self) -> bool {
        self.0 & 0xffff == 0
    }

    /// Whether all of `flags` are set.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// These flags and `flags`.
    #[must_use]
    pub const fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// These flags without `flags`.
    #[must_use]
    pub const fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }

    /// `flags`, as far as they are set here.
    #[must_use]
    pub const fn only(self, flags: Self) -> Self {
        Self(self.0 & flags.0)
    }

    /// The flags that `text` names; what is no flag here is passed over.
    pub fn from_text(text: &str) -> Self {
        let named = |(bit, name): (usize, &&str)| {
            let mut names = text.split(',').map(str::trim);
            names.any(|it| it == *name).then_some(Self(1 << bit))
        };
        let set = Self::NAMES.iter().enumerate().filter_map(named);
        set.fold(Self::NONE, Self::with)
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
    /// The edge's write that it is, if an edge made it.
    pub origin: Option<Origin>,
    /// The id as written.
    pub id: &'a str,
    /// The lower-cased id.
    pub key: &'a [u8],
    /// The collection as written.
    pub collection: &'a str,
    /// The list of attachments as JSON text; empty for none.
    pub attachments: &'a str,
    /// Stored metadata without its braces.
    pub metadata: &'a str,
    /// The document's text without `@metadata`, braces included.
    pub body: &'a str,
}

impl DocumentParts<'_> {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let texts = [
            self.id,
            self.collection,
            self.attachments,
            self.metadata,
            self.body,
        ];
        let texts: usize = texts.iter().map(|text| text.len()).sum();
        let mut encoder = Encoder::with_capacity(64 + texts);
        encoder.byte(FORMAT);
        encoder.etag(self.etag);
        encoder.fixed_i64(self.last_modified.ticks());
        encoder.varint(u64::from(self.flags.bits()));
        encoder.vector(self.context);
        encoder.entry(self.dot);
        encoder.origin(self.origin.as_ref());
        encoder.text(if self.id.as_bytes() == self.key {
            ""
        } else {
            self.id
        });
        encoder.text(self.collection);
        encoder.text(self.attachments);
        encoder.text(self.metadata);
        encoder.raw(self.body.as_bytes());
        encoder.finish()
    }
}

impl<'a> DocumentParts<'a> {
    /// The parts of a stored record, to be written again with changes.
    pub fn of_record(record: &'a DocumentRecord, key: &'a [u8]) -> Self {
        let id = match record.id() {
            "" => std::str::from_utf8(key).unwrap_or_default(),
            id => id,
        };
        Self {
            etag: record.etag,
            last_modified: record.last_modified,
            flags: record.flags,
            context: &record.context,
            dot: record.dot,
            origin: record.origin,
            id,
            key,
            collection: record.collection(),
            attachments: record.attachments(),
            metadata: record.metadata(),
            body: record.body(),
        }
    }
}

/// A stored record with the places of its parts; the texts are checked UTF-8, but for the body of
/// one whose body nobody reads.
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
    /// The edge's write that it is, if an edge made it.
    pub origin: Option<Origin>,
    id: Range<usize>,
    collection: Range<usize>,
    attachments: Range<usize>,
    metadata: Range<usize>,
    body: Range<usize>,
}

impl DocumentRecord {
    /// Reads the stored form without copying the texts.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode(bytes: Bytes) -> Result<Self> {
        let record = Self::decode_around_body(bytes)?;
        record.check_body()?;
        Ok(record)
    }

    /// As [`Self::decode`] for who only passes the body on, as bytes. It was text when it was
    /// stored, and to look at all of it costs more than the rest of a read.
    ///
    /// # Errors
    /// `Corrupted` when what stands before the body does not fit.
    pub(crate) fn decode_around_body(bytes: Bytes) -> Result<Self> {
        let mut decoder = Decoder::new("documents", &bytes);
        decoder.format(FORMAT)?;
        let etag = decoder.etag()?;
        let last_modified = Timestamp::from_ticks(decoder.fixed_i64()?);
        let flags = DocumentFlags::from_bits(decoder.varint()?)?;
        let (context, dot) = (decoder.vector()?, decoder.entry()?);
        let origin = decoder.origin()?;
        let mut text_range = || -> Result<Range<usize>> {
            let length = decoder.text()?.len();
            Ok(decoder.position() - length..decoder.position())
        };
        let (id, collection) = (text_range()?, text_range()?);
        let (attachments, metadata) = (text_range()?, text_range()?);
        let body = decoder.position()..bytes.len();
        Ok(Self {
            etag,
            last_modified,
            flags,
            context,
            dot,
            origin,
            id,
            collection,
            attachments,
            metadata,
            body,
            bytes,
        })
    }

    /// Makes sure that [`Self::body`] may be called.
    ///
    /// # Errors
    /// `Corrupted` when the body is no text.
    pub(crate) fn check_body(&self) -> Result<()> {
        std::str::from_utf8(self.body_bytes())
            .map(drop)
            .map_err(|_| Error::corrupted("a document's body is not UTF-8"))
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

    /// The list of attachments as JSON text; empty for none.
    pub fn attachments(&self) -> &str {
        self.text(&self.attachments)
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

    /// [`Self::body`] as bytes that are shared with the record.
    pub fn body_shared(&self) -> Bytes {
        self.bytes.slice(self.body.clone())
    }

    /// The length of the record.
    pub fn byte_count(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::version::IncarnationIndex;

    #[test]
    fn a_body_that_is_no_text_is_passed_on_but_not_read() {
        let context = ChangeVector::default();
        let parts = DocumentParts {
            etag: Etag::new(1),
            last_modified: Timestamp::from_ticks(0),
            flags: DocumentFlags::NONE,
            context: &context,
            dot: Dot {
                incarnation: IncarnationIndex(0),
                etag: Etag::new(1),
            },
            origin: None,
            id: "",
            key: b"a/1",
            collection: "As",
            attachments: "",
            metadata: "",
            body: "{\"a\":\"b\"}",
        };
        let whole = parts.encode();
        assert!(DocumentRecord::decode(whole.clone().into()).is_ok());
        for (broken_at, is_in_body) in [(3, true), (whole.len() - parts.body.len() - 3, false)] {
            let mut broken = whole.clone();
            let at = if is_in_body {
                whole.len() - broken_at
            } else {
                broken_at
            };
            broken[at] = 0xff;
            let error = DocumentRecord::decode(broken.clone().into()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupted);
            let around = DocumentRecord::decode_around_body(broken.into());
            match around {
                Ok(record) if is_in_body => assert_eq!(record.body_bytes()[6], 0xff),
                other => assert!(!is_in_body && other.is_err()),
            }
        }
    }
}
