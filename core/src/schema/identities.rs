//! `IDENTITIES`: counters behind ids that end in `|`.
//!
//! Key: lower-cased prefix with its `|`. Value: format 1, prefix as first written, last number.

use super::{Decoder, Encoder};
use crate::{Error, Result};

const FORMAT: u8 = 1;

/// One identity counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The prefix with its `|`, cased as first written.
    pub name: String,
    /// The last number given out.
    pub value: i64,
}

impl Identity {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(16 + self.name.len());
        encoder.byte(FORMAT);
        encoder.text(&self.name);
        encoder.fixed_i64(self.value);
        encoder.finish()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut decoder = Decoder::new("identities", bytes);
        decoder.format(FORMAT)?;
        let identity = Self {
            name: decoder.text()?.to_owned(),
            value: decoder.fixed_i64()?,
        };
        decoder.end()?;
        if identity.name.ends_with('|') {
            return Ok(identity);
        }
        Err(Error::corrupted(format!(
            "identity '{}' does not end in '|'",
            identity.name
        )))
    }
}
