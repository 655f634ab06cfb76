//! Terms: what a field of an entry is found by, as bytes in the order in which values compare.
//!
//! Null comes before the empty list, then numbers, then text. Text ends in a terminator, so no term
//! is a prefix of another and a term may be followed by anything in a key.

use std::borrow::Cow;

use super::Number;

const NULL: u8 = 0x01;
const EMPTY: u8 = 0x02;
const NUMBER: u8 = 0x08;
const TEXT: u8 = 0x10;
const AFTER_TEXT: u8 = TEXT + 1;
/// Stands for a NUL of the text, so that the terminator sorts before all that may follow.
const ESCAPED_NUL: [u8; 2] = [0x00, 0xff];
const TERMINATOR: [u8; 2] = [0x00, 0x01];
/// Marks a text that was cut, in front of the hash of the whole.
const CUT: [u8; 2] = [0x00, 0x02];

/// Longer texts are told apart by a hash; they sort and match prefixes by so many bytes.
pub const MAX_TEXT_BYTES: usize = 400;

/// The value of a field of a document, or one of its values.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue {
    /// `null`.
    Null,
    /// A list without items.
    EmptyList,
    /// `true` or `false`; they are found as texts.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text, or the JSON text of an object.
    Text(String),
}

impl FieldValue {
    /// The value as people read it.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Null => Cow::Borrowed("null"),
            Self::EmptyList => Cow::Borrowed("[]"),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Number(number) => Cow::Owned(number.to_text()),
            Self::Text(text) => Cow::Borrowed(text),
        }
    }
}

/// One term.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(Vec<u8>);

impl Term {
    /// The term of `null`.
    pub fn null() -> Self {
        Self(vec![NULL])
    }

    /// The term of an empty list.
    pub fn empty_list() -> Self {
        Self(vec![EMPTY])
    }

    /// The term of a number.
    pub fn number(number: Number) -> Self {
        let mut bytes = Vec::with_capacity(1 + Number::KEY_BYTES);
        bytes.push(NUMBER);
        bytes.extend_from_slice(&number.to_key());
        Self(bytes)
    }

    /// The term of a text as it is.
    pub fn exact_text(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(text.len() + 3);
        bytes.push(TEXT);
        if text.len() <= MAX_TEXT_BYTES {
            push_escaped(text.as_bytes(), &mut bytes);
            bytes.extend_from_slice(&TERMINATOR);
        } else {
            push_escaped(&text.as_bytes()[..MAX_TEXT_BYTES], &mut bytes);
            bytes.extend_from_slice(&CUT);
            let hash = xxhash_rust::xxh3::xxh3_128(text.as_bytes());
            bytes.extend_from_slice(&hash.to_be_bytes());
        }
        Self(bytes)
    }

    /// The term of a text without regard to case.
    pub fn text(text: &str) -> Self {
        Self::exact_text(&fold_case(text))
    }

    /// The term of a value: text without regard to case, or as it is if `exact`.
    pub fn of_value(value: &FieldValue, exact: bool) -> Self {
        match value {
            FieldValue::Null => Self::null(),
            FieldValue::EmptyList => Self::empty_list(),
            FieldValue::Number(number) => Self::number(*number),
            FieldValue::Bool(_) | FieldValue::Text(_) => {
                let text = value.to_text();
                match to_plain_time(&text) {
                    Some(time) => Self::exact_text(&time),
                    None if exact => Self::exact_text(&text),
                    None => Self::text(&text),
                }
            }
        }
    }

    /// A term that was read from a key or an entry.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The number, if it is one.
    pub fn to_number(&self) -> Option<Number> {
        match self.0.split_first() {
            Some((&NUMBER, key)) => Some(Number::from_key(key.try_into().ok()?)),
            _ => None,
        }
    }

    /// Whether it is the term of `null`.
    pub fn is_null(&self) -> bool {
        self.0 == [NULL]
    }

    /// Whether it is the term of an empty list.
    pub fn is_empty_list(&self) -> bool {
        self.0 == [EMPTY]
    }

    /// The text that the term stands for; of a long one the beginning.
    pub fn to_text(&self) -> String {
        match self.0.split_first() {
            Some((&NULL, _)) => "NULL_VALUE".to_owned(),
            Some((&EMPTY, _)) => "EMPTY_LIST".to_owned(),
            Some((&NUMBER, _)) => self.to_number().map_or_else(String::new, Number::to_text),
            Some((&TEXT, text)) => unescaped(text),
            _ => String::new(),
        }
    }

    /// The length of the term at the beginning of `bytes`; `None` when there is none.
    pub fn length_in(bytes: &[u8]) -> Option<usize> {
        match *bytes.first()? {
            NULL | EMPTY => Some(1),
            NUMBER => (bytes.len() > Number::KEY_BYTES).then_some(1 + Number::KEY_BYTES),
            TEXT => {
                let mut at = 1;
                loop {
                    at += memchr::memchr(0, bytes.get(at..)?)?;
                    match [0, *bytes.get(at + 1)?] {
                        TERMINATOR => return Some(at + 2),
                        CUT => return (bytes.len() >= at + 18).then_some(at + 18),
                        _ => at += 2,
                    }
                }
            }
            _ => None,
        }
    }

    /// What all texts that begin with `prefix` begin with, as terms.
    pub fn text_prefix(prefix: &str, exact: bool) -> Vec<u8> {
        let folded = if exact {
            Cow::Borrowed(prefix)
        } else {
            fold_case(prefix)
        };
        let bytes = folded.as_bytes();
        let mut key = vec![TEXT];
        push_escaped(&bytes[..bytes.len().min(MAX_TEXT_BYTES)], &mut key);
        key
    }

    /// The bounds of all terms of the same kind as this one: numbers or texts.
    pub fn kind_bounds(&self) -> ([u8; 1], [u8; 1]) {
        match self.0.first() {
            Some(&TEXT) => ([TEXT], [AFTER_TEXT]),
            Some(&kind) => ([kind], [kind + 1]),
            None => ([0], [0]),
        }
    }

    /// The bounds of all texts.
    pub fn text_bounds() -> ([u8; 1], [u8; 1]) {
        ([TEXT], [AFTER_TEXT])
    }
}

fn push_escaped(text: &[u8], bytes: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(0, rest) {
        bytes.extend_from_slice(&rest[..at]);
        bytes.extend_from_slice(&ESCAPED_NUL);
        rest = &rest[at + 1..];
    }
    bytes.extend_from_slice(rest);
}

fn unescaped(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte != 0 {
            bytes.push(byte);
            at += 1;
        } else if text.get(at + 1) == Some(&ESCAPED_NUL[1]) {
            bytes.push(0);
            at += 2;
        } else {
            break;
        }
    }
    // A cut may have gone through a character.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A moment's text without `Z` and with seven digits of a second's fraction: clients write the same
/// moment in several ways, and it must compare as one. `None` for any other text.
fn to_plain_time(text: &str) -> Option<String> {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    const FRACTION_DIGITS: usize = 7;
    let bytes = text.as_bytes();
    let is_moment = bytes.len() >= FORM.len()
        && bytes.iter().zip(FORM).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            form => byte == form,
        });
    if !is_moment {
        return None;
    }
    let rest = &text[FORM.len()..];
    let rest = rest.strip_suffix('Z').unwrap_or(rest);
    let digits = match rest.strip_prefix('.') {
        Some(digits) => digits,
        None if rest.is_empty() => "",
        None => return None,
    };
    if digits.len() > FRACTION_DIGITS || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    Some(format!(
        "{}.{digits:0<FRACTION_DIGITS$}",
        &text[..FORM.len()]
    ))
}

/// Lower case, character by character, so that prefixes stay prefixes.
pub fn fold_case(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().flat_map(char::to_lowercase).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kinds_are_ordered() {
        let number = |text| Term::number(Number::parse(text).unwrap());
        let ordered = [
            Term::null(),
            Term::empty_list(),
            number("-5"),
            number("4.5"),
            number("11"),
            Term::text(""),
            Term::text("a"),
            Term::text("B"),
        ];
        assert!(ordered.is_sorted(), "{ordered:?}");
        assert_eq!(Term::text("ABC"), Term::text("abc"));
        assert_ne!(Term::exact_text("ABC"), Term::exact_text("abc"));
    }

    #[test]
    fn moments_compare_however_they_are_written() {
        let term = |text: &str| Term::of_value(&FieldValue::Text(text.to_owned()), false);
        let same = term("2026-01-03T10:00:00");
        for text in [
            "2026-01-03T10:00:00Z",
            "2026-01-03T10:00:00.000Z",
            "2026-01-03T10:00:00.0",
        ] {
            assert_eq!(term(text), same, "{text}");
        }
        assert!(term("2026-01-03T10:00:00.5Z") > same);
        assert!(
            same.as_bytes()
                .starts_with(&Term::text_prefix("2026-01-03T", true))
        );
        assert_eq!(
            term("2026-01-03T10:00:00+02:00"),
            Term::text("2026-01-03T10:00:00+02:00")
        );
    }

    #[test]
    fn long_texts_are_told_apart() {
        let long = "x".repeat(MAX_TEXT_BYTES + 50);
        let (a, b) = (format!("{long}a"), format!("{long}b"));
        assert_ne!(Term::text(&a), Term::text(&b));
        assert!(
            Term::text(&a)
                .as_bytes()
                .starts_with(&Term::text_prefix(&long, false))
        );
        assert_eq!(Term::text(&a).to_text().len(), MAX_TEXT_BYTES);
    }

    proptest! {
        #[test]
        fn terms_order_and_end_as_their_texts(a: String, b: String, tail: Vec<u8>) {
            let (x, y) = (Term::exact_text(&a), Term::exact_text(&b));
            if a.len() <= MAX_TEXT_BYTES && b.len() <= MAX_TEXT_BYTES {
                prop_assert_eq!(x.cmp(&y), a.as_bytes().cmp(b.as_bytes()));
                prop_assert_eq!(x.to_text(), a.clone());
                prop_assert_eq!(
                    y.as_bytes().starts_with(&Term::text_prefix(&a, true)),
                    b.starts_with(&a)
                );
            }
            let mut key = x.as_bytes().to_vec();
            key.extend_from_slice(&tail);
            prop_assert_eq!(Term::length_in(&key), Some(x.as_bytes().len()));
        }

        #[test]
        fn any_bytes_have_a_length_or_none(bytes: Vec<u8>) {
            let length = Term::length_in(&bytes);
            prop_assert!(length.is_none_or(|length| length <= bytes.len()));
            let _ = Term::from_bytes(bytes).to_text();
        }
    }
}
