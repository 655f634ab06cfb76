//! Finds where one JSON value ends, across chunks, by its strings and brackets alone.
//!
//! Whether the value is valid JSON is not its business: of a malformed one it finds some end, or
//! none, and the parser then names the fault.

use memchr::memchr2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Before the first byte.
    Start,
    /// Outside strings, inside `depth` brackets.
    Between,
    /// Inside a string.
    String,
    /// Inside a string, after a backslash.
    Escape,
    /// Inside a number or literal that stands alone.
    Scalar,
}

/// Walks over the bytes of one value.
#[derive(Debug, Clone)]
pub(super) struct ValueScanner {
    mode: Mode,
    depth: usize,
}

impl ValueScanner {
    pub(super) fn new() -> Self {
        Self {
            mode: Mode::Start,
            depth: 0,
        }
    }

    /// Whether the value may end where the input does: numbers and literals have no closing byte.
    pub(super) fn may_end_here(&self) -> bool {
        self.mode == Mode::Scalar
    }

    /// Takes the next bytes. Answers how many of them still belong to the value once it ends, or
    /// `None` when they all do and more may follow.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut position = 0;
        while position < bytes.len() {
            match self.mode {
                Mode::Start => {
                    self.mode = match bytes[position] {
                        b'"' => Mode::String,
                        b'{' | b'[' => {
                            self.depth = 1;
                            Mode::Between
                        }
                        _ => Mode::Scalar,
                    };
                    position += 1;
                }
                Mode::Between => {
                    position += plain_length(&bytes[position..]);
                    let byte = bytes.get(position)?;
                    position += 1;
                    match byte {
                        b'"' => self.mode = Mode::String,
                        b'{' | b'[' => self.depth += 1,
                        _ => self.depth -= 1,
                    }
                    if self.depth == 0 {
                        return Some(position);
                    }
                }
                Mode::String => match memchr2(b'"', b'\\', &bytes[position..]) {
                    None => return None,
                    Some(found) => {
                        position += found + 1;
                        if bytes[position - 1] == b'\\' {
                            self.mode = Mode::Escape;
                        } else if self.depth == 0 {
                            return Some(position);
                        } else {
                            self.mode = Mode::Between;
                        }
                    }
                },
                Mode::Escape => {
                    self.mode = Mode::String;
                    position += 1;
                }
                Mode::Scalar => {
                    let rest = &bytes[position..];
                    return rest
                        .iter()
                        .position(|byte| ends_scalar(*byte))
                        .map(|found| position + found);
                }
            }
        }
        None
    }
}

/// How many bytes neither open nor close anything.
fn plain_length(bytes: &[u8]) -> usize {
    let structural = |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']');
    bytes.iter().position(structural).unwrap_or(bytes.len())
}

fn ends_scalar(byte: u8) -> bool {
    matches!(
        byte,
        b',' | b']' | b'}' | b':' | b' ' | b'\t' | b'\r' | b'\n'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_where_they_end_however_they_are_cut() {
        for (text, length) in [
            (r#"{"a":"}\"]","b":[1,{}]} ,"#, 23),
            (r#""x\\"y"#, 5),
            ("12.5,", 4),
            ("null]", 4),
            ("[[]]]", 4),
            ("{} {}", 2),
        ] {
            for cut in 0..text.len() {
                let (head, tail) = text.as_bytes().split_at(cut);
                let mut scanner = ValueScanner::new();
                let end = scanner
                    .scan(head)
                    .or_else(|| scanner.scan(tail).map(|length| cut + length));
                assert_eq!(end, Some(length), "{text} cut at {cut}");
            }
        }
    }

    #[test]
    fn open_values_have_no_end() {
        for text in ["{", "[1,2", "\"a", "\"a\\", "{\"}"] {
            let mut scanner = ValueScanner::new();
            assert_eq!(scanner.scan(text.as_bytes()), None, "{text}");
            assert!(!scanner.may_end_here());
        }
        let mut scanner = ValueScanner::new();
        assert_eq!(scanner.scan(b"17"), None);
        assert!(scanner.may_end_here());
    }
}
