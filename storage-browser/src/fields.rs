//! How numbers and byte strings are laid out inside records: LEB128.

use bytes::Bytes;
use pinyon_core::{Error, Result};

pub(crate) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads a record's fields without copying them.
pub(crate) struct Fields {
    what: &'static str,
    bytes: Bytes,
    position: usize,
}

impl Fields {
    pub(crate) fn new(what: &'static str, bytes: Bytes) -> Self {
        Self {
            what,
            bytes,
            position: 0,
        }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.position == self.bytes.len()
    }

    pub(crate) fn broken(&self) -> Error {
        Error::corrupted(format!("{} breaks off or does not fit", self.what))
    }

    pub(crate) fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.position).ok_or_else(|| self.broken())?;
        self.position += 1;
        Ok(byte)
    }

    pub(crate) fn number(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.broken())
    }

    pub(crate) fn length(&mut self) -> Result<usize> {
        usize::try_from(self.number()?).map_err(|_| self.broken())
    }

    /// Where a byte string lies, behind its length.
    pub(crate) fn span(&mut self) -> Result<(usize, usize)> {
        let length = self.length()?;
        let start = self.position;
        let end = start.checked_add(length).ok_or_else(|| self.broken())?;
        if end > self.bytes.len() {
            return Err(self.broken());
        }
        self.position = end;
        Ok((start, end))
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes> {
        let (start, end) = self.span()?;
        Ok(self.bytes.slice(start..end))
    }
}
