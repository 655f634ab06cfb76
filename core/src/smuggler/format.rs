//! The forms of input, and how to tell them apart.

use super::value_scanner::ValueScanner;

/// The form of an import, after decompression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON array of documents, or JSON documents one after another, however they are broken
    /// into lines.
    Json,
    /// One JSON document in each line.
    JsonLines,
    /// A `.ravendbdump`: one JSON object of sections.
    Dump,
}

impl Format {
    /// How many bytes of the beginning are enough for [`Self::detect`].
    pub const DETECTION_BYTES: usize = 4096;

    /// Tells the form by the first bytes. A text that begins with an object is a dump when the
    /// object's first property is one of a dump's; one that breaks a line before its first value
    /// has ended is JSON over several lines, and so is one with a second object in its first line.
    pub fn detect(beginning: &[u8]) -> Self {
        let text = super::reader::without_bom(beginning).trim_ascii_start();
        match text.first() {
            Some(b'{') if is_dump(&text[1..]) => Self::Dump,
            Some(b'{') => {
                let mut scanner = ValueScanner::new();
                let end = scanner.scan(text).unwrap_or(text.len());
                let mut behind = text[end..].iter();
                let next = behind.find(|byte| !matches!(byte, b' ' | b'\t'));
                if text[..end].contains(&b'\n') || next == Some(&b'{') {
                    Self::Json
                } else {
                    Self::JsonLines
                }
            }
            Some(b'[') => Self::Json,
            _ => Self::JsonLines,
        }
    }
}

/// Whether an object, after its brace, begins as dumps do: with a property that holds what that
/// section holds, so that a document with a property `Docs` of another kind is none.
fn is_dump(inside: &[u8]) -> bool {
    let inside = inside.trim_ascii_start();
    let Some(length) = ValueScanner::new().scan(inside) else {
        return false;
    };
    let Ok(name) = serde_json::from_slice::<String>(&inside[..length]) else {
        return false;
    };
    let Some((b':', value)) = inside[length..].trim_ascii_start().split_first() else {
        return false;
    };
    let first = value.trim_ascii_start().first();
    let is = |known: &str| known.eq_ignore_ascii_case(&name);
    match first {
        Some(b'0'..=b'9') => is("BuildVersion"),
        Some(b'{') => is("DatabaseRecord"),
        // Lower-cased names are a document's own.
        Some(b'[') => ["Docs", "Results", "Tombstones", "Identities"].contains(&name.as_str()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_apart() {
        for (text, expected) in [
            ("[{\"a\":1}]", Format::Json),
            ("\u{feff} [", Format::Json),
            ("{\"a\":1}\n{\"a\":2}\n", Format::JsonLines),
            ("{\n  \"a\": 1\n}\n", Format::Json),
            ("{\"a\":1}{\"a\":2} {\"a\":3}", Format::Json),
            ("{\"a\":1} \t{\"a\":2}\n{\"a\":3}", Format::Json),
            ("{\"a\":1} \r\n{\"a\":2}{}", Format::JsonLines),
            ("{\"a\":1} x {", Format::JsonLines),
            ("{\"BuildVersion\":60000,\"Docs\":[]}", Format::Dump),
            ("{ \"Docs\" : [", Format::Dump),
            ("{\"Docs\":\"none\"}", Format::JsonLines),
            ("{\"docs\":[{\"a\":1}]}", Format::JsonLines),
            ("", Format::JsonLines),
        ] {
            assert_eq!(Format::detect(text.as_bytes()), expected, "{text}");
        }
    }
}
