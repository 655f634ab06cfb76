//! How numbers and texts are laid out inside records: little-endian and LEB128.

use crate::version::{ChangeVector, Entry, Etag, IncarnationIndex, Origin};
use crate::{Error, Result};

/// Appends fields to a record.
pub(crate) struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
        }
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn fixed_i64(&mut self, number: i64) {
        self.raw(&number.to_le_bytes());
    }

    pub(crate) fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    pub(crate) fn etag(&mut self, etag: Etag) {
        self.varint(etag.number());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.varint(text.len() as u64);
        self.raw(text.as_bytes());
    }

    pub(crate) fn entry(&mut self, entry: Entry) {
        self.varint(u64::from(entry.incarnation.number()));
        self.etag(entry.etag);
    }

    pub(crate) fn vector(&mut self, vector: &ChangeVector) {
        self.varint(vector.entries().len() as u64);
        for entry in vector.entries() {
            self.entry(*entry);
        }
    }

    /// One byte for none.
    pub(crate) fn origin(&mut self, origin: Option<&Origin>) {
        match origin {
            None => self.byte(0),
            Some(origin) => {
                self.byte(1);
                self.raw(&origin.to_key());
            }
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads fields back, naming the table when they do not fit.
pub(crate) struct Decoder<'a> {
    table: &'static str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(table: &'static str, bytes: &'a [u8]) -> Self {
        Self {
            table,
            bytes,
            position: 0,
        }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    fn broken(&self) -> Error {
        Error::corrupted(format!(
            "a record of '{}' breaks off or does not fit",
            self.table
        ))
    }

    pub(crate) fn raw(&mut self, length: usize) -> Result<&'a [u8]> {
        let end = self
            .position
            .checked_add(length)
            .ok_or_else(|| self.broken())?;
        let bytes = self
            .bytes
            .get(self.position..end)
            .ok_or_else(|| self.broken())?;
        self.position = end;
        Ok(bytes)
    }

    pub(crate) fn byte(&mut self) -> Result<u8> {
        Ok(self.raw(1)?[0])
    }

    pub(crate) fn fixed_i64(&mut self) -> Result<i64> {
        let bytes = self.raw(8)?;
        Ok(i64::from_le_bytes(
            bytes.try_into().map_err(|_| self.broken())?,
        ))
    }

    pub(crate) fn varint(&mut self) -> Result<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(self.broken());
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.broken())
    }

    pub(crate) fn length(&mut self) -> Result<usize> {
        usize::try_from(self.varint()?).map_err(|_| self.broken())
    }

    pub(crate) fn etag(&mut self) -> Result<Etag> {
        Ok(Etag::new(self.varint()?))
    }

    pub(crate) fn text(&mut self) -> Result<&'a str> {
        let length = self.length()?;
        let bytes = self.raw(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.broken())
    }

    pub(crate) fn entry(&mut self) -> Result<Entry> {
        let index = u32::try_from(self.varint()?).map_err(|_| self.broken())?;
        Ok(Entry {
            incarnation: IncarnationIndex(index),
            etag: self.etag()?,
        })
    }

    pub(crate) fn vector(&mut self) -> Result<ChangeVector> {
        let count = self.length()?;
        (0..count).map(|_| self.entry()).collect()
    }

    pub(crate) fn origin(&mut self) -> Result<Option<Origin>> {
        match self.byte()? {
            0 => Ok(None),
            1 => Origin::from_key(self.raw(Origin::KEY_BYTES)?).map(Some),
            _ => Err(self.broken()),
        }
    }

    pub(crate) fn origins(&mut self) -> Result<Vec<Origin>> {
        let count = self.length()?;
        (0..count)
            .map(|_| Origin::from_key(self.raw(Origin::KEY_BYTES)?))
            .collect()
    }

    pub(crate) fn flag(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.broken()),
        }
    }

    pub(crate) fn format(&mut self, expected: u8) -> Result<()> {
        let found = self.byte()?;
        if found == expected {
            return Ok(());
        }
        Err(Error::corrupted(format!(
            "a record of '{}' has format {found}; this version reads format {expected}",
            self.table
        )))
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.position == self.bytes.len()
    }

    pub(crate) fn end(&self) -> Result<()> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(self.broken())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varints_round_trip(number: u64) {
            let mut encoder = Encoder::with_capacity(10);
            encoder.varint(number);
            let bytes = encoder.finish();
            let mut decoder = Decoder::new("test", &bytes);
            prop_assert_eq!(decoder.varint().unwrap(), number);
            decoder.end().unwrap();
        }

        #[test]
        fn any_bytes_decode_or_fail_without_panic(bytes: Vec<u8>) {
            let mut decoder = Decoder::new("test", &bytes);
            let _ = decoder.vector();
            let _ = decoder.text();
            let _ = decoder.fixed_i64();
        }
    }
}
