//! The header `Range` (RFC 9110 §14): which bytes of a content are wanted.

/// Bytes from `start` up to but without `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    pub start: u64,
    pub end: u64,
}

/// What a header selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selected {
    /// The whole: it asks for something that need not be understood.
    All,
    /// One part.
    Part(ByteRange),
    /// Nothing that is there.
    Nothing,
}

impl ByteRange {
    /// All of a content.
    pub fn all(size: u64) -> Self {
        Self {
            start: 0,
            end: size,
        }
    }

    /// What `header` selects of a content of `size` bytes. Of several ranges the whole is as good
    /// an answer as their list, and simpler to read.
    pub fn select(header: &str, size: u64) -> Selected {
        let Some((unit, range)) = header.split_once('=') else {
            return Selected::All;
        };
        if !unit.trim().eq_ignore_ascii_case("bytes") || range.contains(',') {
            return Selected::All;
        }
        let Some((first, last)) = range.trim().split_once('-') else {
            return Selected::All;
        };
        let number = |text: &str| match text {
            text if text.is_empty() || !text.bytes().all(|it| it.is_ascii_digit()) => None,
            // More digits than fit are more than there is.
            text => Some(text.parse::<u64>().unwrap_or(u64::MAX)),
        };
        let (start, end) = match (first, number(first), last, number(last)) {
            ("", _, _, Some(count)) => (size.saturating_sub(count), size),
            (_, Some(start), "", _) => (start, size),
            (_, Some(start), _, Some(last)) if start <= last => {
                (start, last.saturating_add(1).min(size))
            }
            _ => return Selected::All,
        };
        if start >= end {
            return Selected::Nothing;
        }
        Selected::Part(Self { start, end })
    }

    /// Whether no byte is in it.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// How many bytes are in it.
    pub fn byte_count(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The value of `Content-Range` for it.
    pub fn to_content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.start, self.end.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let select = |header| ByteRange::select(header, 10);
        let part = |start, end| Selected::Part(ByteRange { start, end });
        assert_eq!(select("bytes=0-0"), part(0, 1));
        assert_eq!(select("bytes=2-5"), part(2, 6));
        assert_eq!(select("bytes=2-"), part(2, 10));
        assert_eq!(select("bytes=-3"), part(7, 10));
        assert_eq!(select("bytes=-30"), part(0, 10));
        assert_eq!(select("bytes=9-99999999999999999999999"), part(9, 10));
        for nothing in [
            "bytes=10-",
            "bytes=10-20",
            "bytes=-0",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(select(nothing), Selected::Nothing, "{nothing}");
        }
        for all in [
            "bytes=0-1,3-4",
            "bytes=5-2",
            "bytes=a-b",
            "lines=1-2",
            "bytes",
            "bytes=-",
        ] {
            assert_eq!(select(all), Selected::All, "{all}");
        }
        assert_eq!(ByteRange::select("bytes=0-", 0), Selected::Nothing);
        assert_eq!(ByteRange::all(7).to_content_range(7), "bytes 0-6/7");
    }
}
