//! `REVISIONS` and the tables around them.
//!
//! `REVISIONS`: key: length of the lower-cased id (varint), the id, the revision's own etag
//! big-endian; value: nothing (before format 3 of the database: its record). Before the revisions
//! of a document stands their count, in the same table because the same page is written anyway:
//! key: length and id alone; value: a varint. `REVISION_RECORDS`: key: the revision's etag; value:
//! a record of [`super::documents`] as it was; there, new records are added at the end, while
//! documents lie all over their table, and a page written for each is what costs. `REVISION_VECTORS`: key: the version's context, etags
//! big-endian; value: the revision's key. `REVISION_BIN`: key: etag of the delete revision; value:
//! the revision's key.

use std::ops::Bound;

use bytes::Bytes;

use super::{Decoder, Encoder};
use crate::storage::KeyRange;
use crate::version::{ChangeVector, Etag};
use crate::{Error, Result};

fn prefix(id_key: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::with_capacity(id_key.len() + 12);
    encoder.varint(id_key.len() as u64);
    encoder.raw(id_key);
    encoder.finish()
}

/// The key of a revision.
pub fn key(id_key: &[u8], etag: Etag) -> Bytes {
    let mut key = prefix(id_key);
    key.extend_from_slice(&etag.to_key());
    key.into()
}

/// All revisions of a document, oldest first.
pub fn range(id_key: &[u8]) -> KeyRange {
    let prefix = prefix(id_key);
    KeyRange::prefix(&prefix).after(prefix)
}

/// Everything of the documents whose ids follow in the table's order.
pub fn range_behind(id_key: &[u8]) -> KeyRange {
    let start = match KeyRange::prefix(&prefix(id_key)).end {
        Bound::Excluded(end) => Bound::Included(end),
        end => end,
    };
    KeyRange {
        start,
        ..KeyRange::all()
    }
}

/// Where the count of a document's revisions stands.
pub fn count_key(id_key: &[u8]) -> Bytes {
    prefix(id_key).into()
}

/// The document whose revisions this key counts, unless it is one of a revision.
pub fn counted_document(key: &Bytes) -> Option<Bytes> {
    let mut decoder = Decoder::new("revisions", key);
    let length = decoder.length().ok()?;
    let start = decoder.position();
    (key.len() - start == length).then(|| key.slice(start..))
}

/// Reads a revision's key back: the document's key, the revision's etag.
///
/// # Errors
/// `Corrupted` when it does not have that form.
pub fn decode_key(key: &Bytes) -> Result<(Bytes, Etag)> {
    let mut decoder = Decoder::new("revisions", key);
    let length = decoder.length()?;
    let start = decoder.position();
    decoder.raw(length)?;
    let etag = decoder.raw(8)?.try_into().expect("raw(8) gives 8 bytes");
    decoder.end()?;
    Ok((
        key.slice(start..start + length),
        Etag::new(u64::from_be_bytes(etag)),
    ))
}

/// Where the record of the revision with this key stands.
///
/// # Errors
/// As [`decode_key`].
pub fn record_key(key: &Bytes) -> Result<Bytes> {
    decode_key(key)?;
    Ok(key.slice(key.len() - 8..))
}

/// The key of a version in `REVISION_VECTORS`. Keys of younger versions sort behind those of older
/// ones as long as one node writes, so that most are added at the table's end.
pub fn vector_key(context: &ChangeVector) -> Bytes {
    let entries = context.entries();
    let mut encoder = Encoder::with_capacity(2 + 10 * entries.len());
    encoder.varint(entries.len() as u64);
    for entry in entries {
        encoder.varint(u64::from(entry.incarnation.number()));
        encoder.raw(&entry.etag.to_key());
    }
    encoder.finish().into()
}

/// A count of revisions.
pub fn encode_count(count: u64) -> Bytes {
    let mut encoder = Encoder::with_capacity(4);
    encoder.varint(count);
    encoder.finish().into()
}

/// Reads a count of revisions.
///
/// # Errors
/// `Corrupted` when it is no varint.
pub fn decode_count(value: &[u8]) -> Result<u64> {
    let mut decoder = Decoder::new("revision counts", value);
    let count = decoder.varint()?;
    decoder.end()?;
    if count == 0 {
        return Err(Error::corrupted("a document is listed with no revisions"));
    }
    Ok(count)
}
