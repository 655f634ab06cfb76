//! What numbers and texts lose on their way through a script engine, given back.
//!
//! JavaScript has no digits for most whole numbers beyond 2^53, and knows halves of characters,
//! which JSON does not hold.

use std::collections::HashMap;

use crate::document::nearest_double;

/// Whole numbers up to here have all their digits in JavaScript.
const MAX_EXACT: u64 = 1 << 53;

/// `answer`, JSON that a script made of the JSON `input`, with the digits of whole numbers that it
/// only carried, and with U+FFFD for halves of characters.
///
/// A number that was computed cannot be told from one that was carried if it comes out the same; of
/// two that JavaScript takes for the same, neither comes back.
pub fn restore_texts(input: &str, answer: String) -> String {
    CarriedNumbers::new([input]).restore(answer, Some("\\ufffd"))
}

/// The whole numbers beyond JavaScript's that a script was given.
pub(crate) struct CarriedNumbers<'a>(HashMap<u64, Option<&'a str>>);

impl<'a> CarriedNumbers<'a> {
    pub(crate) fn new(input: impl IntoIterator<Item = &'a str>) -> Self {
        let mut carried: HashMap<u64, Option<&str>> = HashMap::new();
        for text in input.into_iter().flat_map(numbers) {
            if let Some(number) = whole_beyond(text) {
                let known = carried.entry(number.to_bits()).or_insert(Some(text));
                *known = known.filter(|it| *it == text);
            }
        }
        Self(carried)
    }

    /// `answer` with their digits; halves of characters stay.
    pub(crate) fn restore_numbers(&self, answer: String) -> String {
        self.restore(answer, None)
    }

    fn restore(&self, answer: String, half: Option<&str>) -> String {
        let has_halves = half.is_some() && answer.contains("\\ud");
        if self.0.is_empty() && !has_halves {
            return answer;
        }
        let mut restored = String::with_capacity(answer.len());
        let mut end = 0;
        for piece in Pieces::new(&answer) {
            let by = match piece {
                Piece::Number(start, stop) => {
                    let number = nearest_double(&answer[start..stop]).unwrap_or(f64::NAN);
                    self.0.get(&number.to_bits()).copied().flatten()
                }
                Piece::Half(..) => half,
            };
            let (Piece::Number(start, stop) | Piece::Half(start, stop)) = piece;
            if let Some(by) = by {
                restored.push_str(&answer[end..start]);
                restored.push_str(by);
                end = stop;
            }
        }
        restored.push_str(&answer[end..]);
        restored
    }
}

/// Whether [`restore_texts`] would leave every answer to `input` as it is, `answer` among them.
pub fn carries_all(input: &str, answer: &str) -> bool {
    !answer.contains("\\ud") && numbers(input).all(|it| whole_beyond(it).is_none())
}

/// The number, if it is a whole one of which JavaScript has not all digits.
fn whole_beyond(text: &str) -> Option<f64> {
    let whole = text.parse::<i64>().ok()?;
    let is_beyond = whole.unsigned_abs() > MAX_EXACT;
    is_beyond.then(|| nearest_double(text)).flatten()
}

fn numbers(json: &str) -> impl Iterator<Item = &str> {
    Pieces::new(json).filter_map(|piece| match piece {
        // Shorter ones are exact.
        Piece::Number(start, end) if end - start >= 16 => Some(&json[start..end]),
        _ => None,
    })
}

/// What is looked at in a JSON text, by where it stands.
enum Piece {
    Number(usize, usize),
    /// The escape of half a character without its other half.
    Half(usize, usize),
}

struct Pieces<'a> {
    bytes: &'a [u8],
    at: usize,
    is_in_text: bool,
}

impl<'a> Pieces<'a> {
    fn new(json: &'a str) -> Self {
        Self {
            bytes: json.as_bytes(),
            at: 0,
            is_in_text: false,
        }
    }

    /// The code unit whose escape begins at `at`, if it is half a character.
    fn half(&self, at: usize) -> Option<u16> {
        let escape = self.bytes.get(at..at + 6)?;
        let digits = std::str::from_utf8(escape.strip_prefix(b"\\u")?).ok()?;
        let unit = u16::from_str_radix(digits, 16).ok()?;
        (0xd800..0xe000).contains(&unit).then_some(unit)
    }

    /// Goes over an escape.
    fn escape(&mut self) -> Option<Piece> {
        let start = self.at;
        let Some(unit) = self.half(start) else {
            self.at += 2;
            return None;
        };
        self.at += 6;
        let is_first = |unit: u16| unit < 0xdc00;
        if is_first(unit) && self.half(self.at).is_some_and(|it| !is_first(it)) {
            self.at += 6;
            return None;
        }
        Some(Piece::Half(start, self.at))
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.is_in_text = !self.is_in_text;
                    self.at += 1;
                }
                b'\\' if self.is_in_text => {
                    if let Some(half) = self.escape() {
                        return Some(half);
                    }
                }
                b'-' | b'0'..=b'9' if !self.is_in_text => {
                    let start = self.at;
                    let rest = &self.bytes[start..];
                    let is_part =
                        |it: &u8| matches!(it, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                    let length = rest.iter().position(|it| !is_part(it));
                    self.at += length.unwrap_or(rest.len());
                    return Some(Piece::Number(start, self.at));
                }
                _ => self.at += 1,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{carries_all, restore_texts};

    fn restored(input: &str, answer: &str) -> String {
        restore_texts(input, answer.to_owned())
    }

    #[test]
    fn carried_numbers_keep_their_digits() {
        let input = r#"{"a":9007199254740993,"b":[9223372036854775807,-9007199254740995],"c":"9007199254740997"}"#;
        assert_eq!(
            restored(
                input,
                r#"{"x":9007199254740992,"y":[-9007199254740996,9223372036854776000,1.5],"z":"9007199254740992 \" 1"}"#
            ),
            r#"{"x":9007199254740993,"y":[-9007199254740995,9223372036854775807,1.5],"z":"9007199254740992 \" 1"}"#
        );
        // What was computed stays, and what is not clear too.
        assert_eq!(
            restored(input, "[9007199254740994,1e21]"),
            "[9007199254740994,1e21]"
        );
        let two = "[9007199254740993,9007199254740992,9223372036854775807,9223372036854775806]";
        assert_eq!(
            restored(two, "[9007199254740992,9223372036854776000]"),
            "[9007199254740993,9223372036854776000]"
        );
    }

    #[test]
    fn what_carries_all_is_known_before() {
        for (input, answer, carries) in [
            (
                r#"{"a":9007199254740992,"b":"9007199254740993"}"#,
                "1",
                true,
            ),
            (r#"{"a":1234567890.1234567890}"#, r#""\u0041""#, true),
            ("-9007199254740993", "1", false),
            ("1", r#""\ud83d""#, false),
        ] {
            assert_eq!(carries_all(input, answer), carries, "{input} {answer}");
        }
    }

    #[test]
    fn halves_of_characters_are_replaced() {
        assert_eq!(
            restored(
                "1",
                r#"["\ud83d","a\\ud83d","\ud83d\ude00","\ude00\ud83dx\u0001"]"#
            ),
            r#"["\ufffd","a\\ud83d","\ud83d\ude00","\ufffd\ufffdx\u0001"]"#
        );
        for broken in ["\"\\", "\"\\u", "\"\\ud83", "-", "\""] {
            assert_eq!(restored(broken, broken), broken);
        }
    }
}
