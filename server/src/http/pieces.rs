//! Bytes in several pieces, sent one after the other as if they were one, and JSON written as such.
//!
//! A large document goes from the store's memory into the socket without being copied; what stands
//! around it is written as text.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Bytes in pieces. Cloning copies none of them.
#[derive(Debug, Clone, Default)]
pub struct Pieces {
    /// Empty only if there is nothing left at all.
    first: Bytes,
    /// None of them is empty.
    rest: VecDeque<Bytes>,
    byte_count: usize,
}

impl Pieces {
    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.byte_count
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.byte_count == 0
    }

    /// The pieces in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        self.byte_count += piece.len();
        if self.first.is_empty() {
            self.first = piece;
        } else {
            self.rest.push_back(piece);
        }
    }
}

impl<T: Into<Bytes>> From<T> for Pieces {
    fn from(whole: T) -> Self {
        let first = whole.into();
        Self {
            byte_count: first.len(),
            first,
            rest: VecDeque::new(),
        }
    }
}

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.byte_count
    }

    fn chunk(&self) -> &[u8] {
        &self.first
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        if self.is_empty() {
            return 0;
        }
        let filled = slices.iter_mut().zip(self.iter());
        filled
            .map(|(slice, piece)| *slice = IoSlice::new(piece))
            .count()
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.byte_count, "there are not so many bytes");
        self.byte_count -= count;
        while count >= self.first.len() {
            count -= self.first.len();
            match self.rest.pop_front() {
                Some(next) => self.first = next,
                None => return self.first.clear(),
            }
        }
        self.first.advance(count);
    }
}

/// JSON that is written as text, with large parts that are shared.
pub struct JsonPieces {
    text: Vec<u8>,
    /// After how much of the text each stands.
    shared: Vec<(usize, Bytes)>,
    shared_bytes: usize,
}

impl JsonPieces {
    /// From this size on sharing is cheaper than copying.
    pub const SHARED_BYTES: usize = 4 << 10;

    /// With room for so much text.
    pub fn with_capacity(text_bytes: usize) -> Self {
        Self {
            text: Vec::with_capacity(text_bytes),
            shared: Vec::new(),
            shared_bytes: 0,
        }
    }

    /// The text, to be added to.
    pub fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Adds what somebody else holds too.
    pub fn share(&mut self, bytes: Bytes) {
        self.shared_bytes += bytes.len();
        self.shared.push((self.text.len(), bytes));
    }

    /// The number of bytes so far.
    pub fn len(&self) -> usize {
        self.text.len() + self.shared_bytes
    }
}

impl From<JsonPieces> for Pieces {
    fn from(json: JsonPieces) -> Self {
        let text = Bytes::from(json.text);
        if json.shared.is_empty() {
            return text.into();
        }
        let mut pieces = Self {
            rest: VecDeque::with_capacity(2 * json.shared.len()),
            ..Self::default()
        };
        let mut from = 0;
        for (to, shared) in json.shared {
            pieces.push(text.slice(from..to));
            pieces.push(shared);
            from = to;
        }
        pieces.push(text.slice(from..));
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Pieces {
        let mut json = JsonPieces::with_capacity(0);
        json.share(Bytes::from_static(b"0"));
        json.text().extend_from_slice(b"12");
        json.share(Bytes::from_static(b"345"));
        json.share(Bytes::new());
        json.share(Bytes::from_static(b"6"));
        json.text().extend_from_slice(b"789");
        assert_eq!(json.len(), 10);
        json.into()
    }

    #[test]
    fn pieces_are_read_as_one() {
        for step in 1..=10 {
            let (mut pieces, mut read) = (written(), Vec::new());
            while pieces.has_remaining() {
                let count = step.min(pieces.remaining());
                let mut slices = [IoSlice::new(&[]); 3];
                let filled = pieces.chunks_vectored(&mut slices);
                let seen = slices[..filled].iter().flat_map(|slice| slice.iter());
                let seen: Vec<u8> = seen.copied().collect();
                assert!(slices[..filled].iter().all(|slice| !slice.is_empty()));
                assert!(seen.starts_with(pieces.chunk()));
                let whole: Vec<u8> = pieces.iter().flatten().copied().collect();
                assert!(whole.starts_with(&seen));
                assert_eq!(whole.len(), pieces.remaining());
                read.extend_from_slice(&whole[..count]);
                pieces.advance(count);
            }
            assert_eq!(read, b"0123456789");
            assert!(pieces.is_empty() && pieces.chunk().is_empty());
            assert_eq!(pieces.chunks_vectored(&mut [IoSlice::new(&[])]), 0);
        }
    }

    #[test]
    fn text_alone_is_one_piece() {
        let mut json = JsonPieces::with_capacity(8);
        json.text().extend_from_slice(b"{}");
        let pieces = Pieces::from(json);
        assert_eq!((pieces.len(), pieces.iter().count()), (2, 1));
        assert!(Pieces::from(JsonPieces::with_capacity(0)).is_empty());
    }
}
