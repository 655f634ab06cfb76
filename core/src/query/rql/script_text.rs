//! Finds where JavaScript inside a query ends, without parsing it.
//!
//! It knows strings, templates, comments and regular expressions, since braces in them do not
//! count.

use super::error::{Result, SyntaxError};

/// The byte after the `}` that closes the `{` at byte `start` of `text`.
///
/// # Errors
/// When it is never closed.
pub fn end_of_block(text: &str, start: usize) -> Result<usize> {
    let bytes = text.as_bytes();
    // For each open brace, whether it belongs to a template's `${`.
    let mut open: Vec<bool> = Vec::new();
    let mut at = start;
    let mut before = b'{';
    while at < bytes.len() {
        let byte = bytes[at];
        at = match byte {
            b'{' => {
                open.push(false);
                at + 1
            }
            b'}' => match open.pop() {
                Some(true) => skip_template(bytes, at + 1, &mut open),
                _ if open.is_empty() => return Ok(at + 1),
                _ => at + 1,
            },
            b'\'' | b'"' => skip_quoted(bytes, at + 1, byte),
            b'`' => skip_template(bytes, at + 1, &mut open),
            b'/' if bytes.get(at + 1) == Some(&b'/') => skip_to(bytes, at, b"\n"),
            b'/' if bytes.get(at + 1) == Some(&b'*') => skip_to(bytes, at + 2, b"*/"),
            b'/' if begins_regex(bytes, at, before) => skip_regex(bytes, at + 1),
            _ => at + 1,
        };
        if !byte.is_ascii_whitespace() {
            before = byte;
        }
    }
    let span = start..start + 1;
    Err(SyntaxError::new(span, "the script does not end").expecting(&["'}'"]))
}

fn skip_quoted(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote || byte == b'\n' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// From inside a template to after its end, or after a `${`, which is noted in `open`.
fn skip_template(bytes: &[u8], mut at: usize, open: &mut Vec<bool>) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'`' => return at + 1,
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                open.push(true);
                return at + 2;
            }
            _ => at += 1,
        }
    }
    at
}

fn skip_to(bytes: &[u8], from: usize, end: &[u8]) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    memchr::memmem::find(rest, end).map_or(bytes.len(), |at| from + at + end.len())
}

/// Whether a slash begins a regular expression rather than dividing: after an operand it divides.
fn begins_regex(bytes: &[u8], at: usize, before: u8) -> bool {
    if matches!(before, b')' | b']' | b'}' | b'\'' | b'"' | b'`') {
        return false;
    }
    if !(before.is_ascii_alphanumeric() || matches!(before, b'_' | b'$') || before >= 0x80) {
        return true;
    }
    let head = bytes[..at].trim_ascii_end();
    let word_start = head
        .iter()
        .rposition(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$')))
        .map_or(0, |last| last + 1);
    matches!(
        &head[word_start..],
        b"return" | b"typeof" | b"case" | b"in" | b"of" | b"void"
    )
}

fn skip_regex(bytes: &[u8], mut at: usize) -> usize {
    let mut in_class = false;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'/' if !in_class => return at + 1,
            b'\n' => return at,
            _ => {}
        }
        at += 1;
    }
    at
}
