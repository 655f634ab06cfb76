//! `DATABASE`: the database's own record, written in every commit that takes an etag.
//!
//! Key: `state`. Value: format 3, last etag, own index, then each incarnation with what was seen
//! of it, which together are the database's change vector; then one byte, 1 when revisions are known.

use super::{Decoder, Encoder};
use crate::version::{
    ChangeVector, Entry, Etag, Incarnation, IncarnationId, IncarnationIndex, Incarnations, NodeTag,
};
use crate::{Error, Result};

const FORMAT: u8 = 3;

/// Still read, and written as [`FORMAT`] with the next commit: revisions had their records in
/// another table, where they are still found.
const FORMAT_BEFORE: u8 = 2;

/// The key of the record.
pub const STATE_KEY: &[u8] = b"state";

/// Where a database stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseState {
    /// The newest etag given out.
    pub last_etag: Etag,
    /// Who has written here.
    pub incarnations: Incarnations,
    /// Whether revisions were ever made or configured. While they were not, a write need not ask.
    pub knows_revisions: bool,
}

impl DatabaseState {
    /// The database's change vector: everything it ever took in.
    pub fn change_vector(&self) -> ChangeVector {
        let rows = self.incarnations.rows().iter().enumerate();
        rows.map(|(index, row)| Entry {
            incarnation: IncarnationIndex(u32::try_from(index).expect("indices are u32")),
            etag: row.seen,
        })
        .collect()
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let rows = self.incarnations.rows();
        let mut encoder = Encoder::with_capacity(16 + 32 * rows.len());
        encoder.byte(FORMAT);
        encoder.etag(self.last_etag);
        encoder.varint(u64::from(self.incarnations.own().number()));
        encoder.varint(rows.len() as u64);
        for row in rows {
            encoder.raw(row.id.bytes());
            encoder.text(row.tag.as_str());
            encoder.etag(row.seen);
        }
        encoder.byte(u8::from(self.knows_revisions));
        encoder.finish()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut decoder = Decoder::new("database state", bytes);
        let format = match bytes.first() {
            Some(&FORMAT_BEFORE) => FORMAT_BEFORE,
            _ => FORMAT,
        };
        decoder.format(format).map_err(|error| {
            Error::corrupted(format!(
                "{}: export the data with the version that wrote it, and import that",
                error.message()
            ))
        })?;
        let last_etag = decoder.etag()?;
        let own = decoder.length()?;
        let count = decoder.length()?;
        let mut rows = Vec::new();
        for _ in 0..count {
            let id = decoder.raw(16)?.try_into().expect("raw(16) gives 16 bytes");
            let tag = NodeTag::new(decoder.text()?)?;
            rows.push(Incarnation {
                id: IncarnationId::from_bytes(id),
                tag,
                seen: decoder.etag()?,
            });
        }
        let knows_revisions = decoder.flag()?;
        decoder.end()?;
        if own >= rows.len() {
            return Err(Error::corrupted(
                "the database state lacks its own incarnation",
            ));
        }
        let own = IncarnationIndex(u32::try_from(own).expect("below the count of rows"));
        Ok(Self {
            last_etag,
            incarnations: Incarnations { rows, own },
            knows_revisions,
        })
    }
}
