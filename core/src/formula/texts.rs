//! Methods of texts. Positions count UTF-16 code units, as both languages do.

use super::builtin::Builtin;
use super::evaluate::Failure;
use super::operators::{to_number, to_text};
use super::value::{Text, Value};

/// Calls a text's method; `arguments` begin after the text.
pub(super) fn call<'a>(
    method: Builtin,
    text: &Text<'a>,
    arguments: &[Value<'a>],
) -> Result<Value<'a>, Failure> {
    let whole = text.as_str();
    let argument = |place: usize| -> Text<'a> {
        arguments
            .get(place)
            .map_or(Text::Borrowed("undefined"), |it| to_text(it, false))
    };
    let number = |place: usize| arguments.get(place).map(|it| to_number(it).as_f64());
    Ok(match method {
        Builtin::Lower => Value::text(whole.to_lowercase()),
        Builtin::Upper => Value::text(whole.to_uppercase()),
        Builtin::Trim => part(text, trimmed(whole)),
        Builtin::StartsWith => Value::Bool(whole.starts_with(argument(0).as_str())),
        Builtin::EndsWith => Value::Bool(whole.ends_with(argument(0).as_str())),
        Builtin::Includes => Value::Bool(whole.contains(argument(0).as_str())),
        Builtin::IndexOf => match whole.find(argument(0).as_str()) {
            Some(at) => Value::long(length(&whole[..at])),
            None => Value::long(-1),
        },
        Builtin::Substring => {
            let end = number(1).unwrap_or(f64::INFINITY);
            let (start, end) = (clamped(number(0).unwrap_or(0.0)), clamped(end));
            units(text, start.min(end), start.max(end))
        }
        Builtin::SubstringOfLength => {
            let start = clamped(number(0).unwrap_or(0.0));
            let count = number(1).map_or(usize::MAX, clamped);
            units(text, start, start.saturating_add(count))
        }
        Builtin::Slice => {
            let length = usize::try_from(length(whole)).unwrap_or_default();
            let start = from_end(number(0).unwrap_or(0.0), length);
            let end = from_end(number(1).unwrap_or(f64::INFINITY), length);
            units(text, start, end.max(start))
        }
        Builtin::CharAt => {
            let at = clamped(number(0).unwrap_or(0.0));
            units(text, at, at.saturating_add(1))
        }
        Builtin::Split => split(text, arguments.first()),
        Builtin::Replace => {
            Value::text(whole.replacen(argument(0).as_str(), replacement(&argument(1))?, 1))
        }
        Builtin::ReplaceAll => {
            Value::text(whole.replace(argument(0).as_str(), replacement(&argument(1))?))
        }
        Builtin::Concat => {
            let mut joined = whole.to_owned();
            for more in arguments {
                joined.push_str(to_text(more, false).as_str());
            }
            Value::text(joined)
        }
        _ => {
            return Err(Failure::new(format!(
                "a text has no such method: {method:?}"
            )));
        }
    })
}

/// Replacements with patterns such as `$&` are left to engines that know them.
fn replacement<'t>(text: &'t Text<'_>) -> Result<&'t str, Failure> {
    let text = text.as_str();
    if text.contains('$') {
        return Err(Failure::new("'$' in a replacement is not supported"));
    }
    Ok(text)
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// The length in UTF-16 code units.
pub(super) fn length(text: &str) -> i64 {
    let units = if text.is_ascii() {
        text.len()
    } else {
        text.encode_utf16().count()
    };
    i64::try_from(units).unwrap_or(i64::MAX)
}

/// `piece` must be a piece of `text`.
fn part<'a>(text: &Text<'a>, piece: &str) -> Value<'a> {
    if let Text::Borrowed(whole) = text {
        let start = piece.as_ptr() as usize - whole.as_ptr() as usize;
        return Value::Text(Text::Borrowed(&whole[start..start + piece.len()]));
    }
    Value::text(piece)
}

/// The code units from `start` to before `end`.
fn units<'a>(text: &Text<'a>, start: usize, end: usize) -> Value<'a> {
    let whole = text.as_str();
    if whole.is_ascii() {
        let end = end.min(whole.len());
        return part(text, &whole[start.min(end)..end]);
    }
    let taken: Vec<u16> = whole
        .encode_utf16()
        .skip(start)
        .take(end.saturating_sub(start))
        .collect();
    Value::text(String::from_utf16_lossy(&taken))
}

/// A position: not a number and negative are 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what is wanted"
)]
pub(super) fn clamped(number: f64) -> usize {
    number.max(0.0) as usize
}

/// A position that counts from the end when negative.
pub(super) fn from_end(number: f64, length: usize) -> usize {
    if number < 0.0 {
        length.saturating_sub(clamped(-number))
    } else {
        clamped(number).min(length)
    }
}

fn split<'a>(text: &Text<'a>, separator: Option<&Value<'a>>) -> Value<'a> {
    let whole = text.as_str();
    let pieces = match separator {
        None | Some(Value::Undefined) => vec![Value::Text(text.clone())],
        Some(separator) => match to_text(separator, false).as_str() {
            "" => whole.chars().map(|c| Value::text(c.to_string())).collect(),
            separator => whole
                .split(separator)
                .map(|piece| part(text, piece))
                .collect(),
        },
    };
    Value::array(pieces)
}
