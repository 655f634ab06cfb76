//! `REVISIONS` and the tables around them.
//!
//! `REVISIONS`: key: length of the lower-cased id (varint), the id, the revision's own etag
//! big-endian; value: a record of [`super::documents`] as it was. `REVISION_VECTORS`: key: the
//! version's context; value: the revision's key. `REVISION_COUNTS`: key: lower-cased id; value: a
//! varint. `REVISION_BIN`: key: etag of the delete revision; value: the revision's key.

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
    KeyRange::prefix(&prefix(id_key))
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

/// The key of a version in `REVISION_VECTORS`.
pub fn vector_key(context: &ChangeVector) -> Bytes {
    let mut encoder = Encoder::with_capacity(16);
    encoder.vector(context);
    encoder.finish().into()
}

/// The value of `REVISION_COUNTS`.
pub fn encode_count(count: u64) -> Bytes {
    let mut encoder = Encoder::with_capacity(4);
    encoder.varint(count);
    encoder.finish().into()
}

/// Reads a value of `REVISION_COUNTS`.
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
