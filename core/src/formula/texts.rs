//! Methods of texts. Positions count UTF-16 code units, as both languages do.

use super::builtin::Builtin;
use super::evaluate::Failure;
use super::javascript_calls::{slice_of, units_of};
use super::javascript_values::{self, is_space};
use super::operators::{to_number, to_text};
use super::value::{Text, Value};

/// Calls a method of C#; `arguments` begin after the text.
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
    if let Some(value) = of_both(method, whole, &|| argument(0)) {
        return Ok(value);
    }
    Ok(match method {
        Builtin::Trim => part(text, whole.trim()),
        Builtin::SubstringOfLength => {
            let start = clamped(number(0).unwrap_or(0.0));
            let count = number(1).map_or(usize::MAX, clamped);
            units(text, start, start.saturating_add(count))
        }
        Builtin::Split => split(text, argument(0).as_str()),
        Builtin::ReplaceAll => {
            Value::text(whole.replace(argument(0).as_str(), argument(1).as_str()))
        }
        Builtin::Concat => {
            let mut joined = whole.to_owned();
            for more in arguments {
                joined.push_str(to_text(more, true).as_str());
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

/// What both languages mean by a method; `None` for methods in which they differ.
fn of_both<'a>(method: Builtin, whole: &str, argument: &dyn Fn() -> Text<'a>) -> Option<Value<'a>> {
    Some(match method {
        Builtin::Lower => Value::text(whole.to_lowercase()),
        Builtin::Upper => Value::text(whole.to_uppercase()),
        Builtin::StartsWith => Value::Bool(whole.starts_with(argument().as_str())),
        Builtin::EndsWith => Value::Bool(whole.ends_with(argument().as_str())),
        Builtin::Includes => Value::Bool(whole.contains(argument().as_str())),
        Builtin::IndexOf => match whole.find(argument().as_str()) {
            Some(at) => Value::long(length(&whole[..at])),
            None => Value::long(-1),
        },
        _ => return None,
    })
}

/// Calls a method of JavaScript; `arguments` begin after the text.
pub(super) fn javascript_call<'a>(
    method: Builtin,
    text: &Text<'a>,
    arguments: &[Value<'a>],
) -> Result<Value<'a>, Failure> {
    let whole = text.as_str();
    let argument = |place: usize| -> Text<'a> {
        let value = arguments.get(place).unwrap_or(&Value::Undefined);
        javascript_values::to_text(value, false)
    };
    // Not a number is 0 as a position.
    let position = |place: usize, otherwise: f64| match arguments.get(place) {
        None | Some(Value::Undefined) => otherwise,
        Some(value) => javascript_values::to_number(value).as_f64(),
    };
    if let Some(value) = of_both(method, whole, &|| argument(0)) {
        return Ok(value);
    }
    Ok(match method {
        Builtin::Trim => part(text, whole.trim_matches(is_space)),
        Builtin::Substring => {
            let start = clamped(position(0, 0.0));
            let end = clamped(position(1, f64::INFINITY));
            units(text, start.min(end), start.max(end))
        }
        Builtin::Slice => {
            let length = usize::try_from(length(whole)).unwrap_or_default();
            let (start, end) = slice_of(arguments, length);
            units(text, start, end.max(start))
        }
        Builtin::CharAt => {
            let place = position(0, 0.0);
            let at = clamped(place);
            let exists = place.is_nan() || place > -1.0;
            units(text, at, at.saturating_add(usize::from(exists)))
        }
        Builtin::Split => match arguments.first() {
            None | Some(Value::Undefined) => Value::array(vec![Value::Text(text.clone())]),
            Some(_) if argument(0).as_str().is_empty() => Value::array(units_of(whole)),
            Some(_) => split(text, argument(0).as_str()),
        },
        Builtin::Replace => Value::text(replaced(
            whole,
            argument(0).as_str(),
            argument(1).as_str(),
            1,
        )),
        Builtin::ReplaceAll => {
            let most = usize::MAX;
            Value::text(replaced(
                whole,
                argument(0).as_str(),
                argument(1).as_str(),
                most,
            ))
        }
        Builtin::Concat => {
            let mut joined = whole.to_owned();
            for more in arguments {
                joined.push_str(javascript_values::to_text(more, false).as_str());
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

/// `text` with the first `most` places of `wanted` replaced; `$&` and the like stand for what is
/// there.
fn replaced(text: &str, wanted: &str, by: &str, most: usize) -> String {
    if !by.contains('$') {
        return text.replacen(wanted, by, most);
    }
    let mut made = String::with_capacity(text.len());
    let mut end = 0;
    for (at, found) in text.match_indices(wanted).take(most) {
        made.push_str(&text[end..at]);
        end = at + found.len();
        let mut rest = by;
        while let Some((before, behind)) = rest.split_once('$') {
            made.push_str(before);
            let mark = behind.chars().next();
            made.push_str(match mark {
                Some('$') => "$",
                Some('&') => found,
                Some('`') => &text[..at],
                Some('\'') => &text[end..],
                _ => "$",
            });
            let is_mark = matches!(mark, Some('$' | '&' | '`' | '\''));
            rest = &behind[usize::from(is_mark)..];
        }
        made.push_str(rest);
    }
    made.push_str(&text[end..]);
    made
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
pub(super) fn units<'a>(text: &Text<'a>, start: usize, end: usize) -> Value<'a> {
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

fn split<'a>(text: &Text<'a>, separator: &str) -> Value<'a> {
    if separator.is_empty() {
        return Value::array(vec![Value::Text(text.clone())]);
    }
    let pieces = text.as_str().split(separator);
    Value::array(pieces.map(|piece| part(text, piece)).collect())
}
