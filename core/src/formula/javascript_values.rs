//! Conversions, operators and comparisons as JavaScript has them.
//!
//! Invariants:
//! - results are those of a script engine, so that it does not matter which of both evaluates;
//! - whole numbers that JavaScript has no digits for are only carried: once computed with, they are
//!   the nearest it knows.

use std::cmp::Ordering;

use super::json::number_text;
use super::operators::{compare_numbers, compare_texts};
use super::tree::Binary;
use super::value::{Number, Text, Value};

const NAN: Number = Number::Double(f64::NAN);

/// The number as JavaScript knows it.
pub(super) fn known(number: Number) -> Number {
    match number {
        Number::Long(whole) if !is_exact(whole) => Number::Double(number.as_f64()),
        number => number,
    }
}

fn is_exact(whole: i64) -> bool {
    whole.unsigned_abs() <= 1 << 53
}

/// What JavaScript takes for a space.
pub(super) fn is_space(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}

pub(super) fn to_number(value: &Value<'_>) -> Number {
    match value {
        Value::Number(number) => known(*number),
        Value::Null => Number::Long(0),
        Value::Bool(value) => Number::Long(i64::from(*value)),
        Value::Text(text) => number_of_text(text.as_str()),
        Value::Undefined => NAN,
        _ => number_of_text(to_text(value, false).as_str()),
    }
}

fn number_of_text(text: &str) -> Number {
    let text = text.trim_matches(is_space);
    if text.is_empty() {
        return Number::Long(0);
    }
    let radix = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => 16,
        [b'0', b'o' | b'O', ..] => 8,
        [b'0', b'b' | b'B', ..] => 2,
        _ => return number_of_digits(text),
    };
    let digits: Option<Vec<u32>> = text[2..].chars().map(|it| it.to_digit(radix)).collect();
    match digits {
        Some(digits) if !digits.is_empty() => {
            let radix = f64::from(radix);
            let number = digits
                .iter()
                .fold(0.0, |sum, it| sum * radix + f64::from(*it));
            Number::Double(number)
        }
        _ => NAN,
    }
}

/// A number in tens with its sign, all of `text`.
fn number_of_digits(text: &str) -> Number {
    match text {
        "Infinity" | "+Infinity" => Number::Double(f64::INFINITY),
        "-Infinity" => Number::Double(f64::NEG_INFINITY),
        _ => Number::parse(text).map_or(NAN, known),
    }
}

/// `parseFloat(text)`.
pub(super) fn parse_float(text: &str) -> Number {
    let text = text.trim_start_matches(is_space);
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let start = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    if text[start..].starts_with("Infinity") {
        return number_of_digits(&text[..start + "Infinity".len()]);
    }
    let mut end = digits(start);
    let mut count = end - start;
    if bytes.get(end) == Some(&b'.') {
        let behind = digits(end + 1);
        count += behind - end - 1;
        end = behind;
    }
    if count == 0 {
        return NAN;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let behind = digits(end + 1 + sign);
        if behind > end + 1 + sign {
            end = behind;
        }
    }
    number_of_digits(&text[..end])
}

/// `parseInt(text)`.
pub(super) fn parse_int(text: &str) -> Number {
    let text = text.trim_start_matches(is_space);
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (radix, text) = hexadecimal.map_or((10, text), |rest| (16, rest));
    let end = text
        .find(|c: char| !c.is_digit(radix))
        .unwrap_or(text.len());
    let digits = &text[..end];
    let number = match i64::from_str_radix(digits, radix) {
        Ok(whole) => known(Number::Long(whole)),
        Err(_) if digits.is_empty() => return NAN,
        Err(_) if radix == 10 => number_of_digits(digits),
        Err(_) => number_of_text(&format!("0x{digits}")),
    };
    match number {
        Number::Long(whole) if sign > 0.0 || whole != 0 => {
            Number::Long(if sign > 0.0 { whole } else { -whole })
        }
        number => Number::Double(sign * number.as_f64()),
    }
}

/// The value as text, as `String(value)` gives it; missing values are empty when `joined`.
pub(super) fn to_text<'a>(value: &Value<'a>, joined: bool) -> Text<'a> {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => Text::from(number_text(known(*number))),
        Value::Undefined | Value::Null if joined => Text::Borrowed(""),
        Value::Undefined => Text::Borrowed("undefined"),
        Value::Null => Text::Borrowed("null"),
        Value::Bool(true) => Text::Borrowed("true"),
        Value::Bool(false) => Text::Borrowed("false"),
        Value::Array(items) => Text::from(join(items, ",")),
        Value::Raw(json) if json.starts_with('[') => to_text(&value.clone().opened(), joined),
        Value::Object(_) | Value::Raw(_) | Value::Special(_) => Text::Borrowed("[object Object]"),
    }
}

/// `items.join(separator)`.
pub(super) fn join(items: &[Value<'_>], separator: &str) -> String {
    let mut text = String::new();
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            text.push_str(separator);
        }
        text.push_str(to_text(item, true).as_str());
    }
    text
}

fn is_object(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::Array(_) | Value::Object(_) | Value::Raw(_) | Value::Special(_)
    )
}

/// What an object counts as in operators.
fn primitive<'a>(value: &Value<'a>) -> Value<'a> {
    if is_object(value) {
        return Value::Text(to_text(value, false));
    }
    value.clone()
}

pub(super) fn binary<'a>(operator: Binary, left: &Value<'a>, right: &Value<'a>) -> Value<'a> {
    match operator {
        Binary::Add => add(left, right),
        Binary::Equal => Value::Bool(is_equal(left, right)),
        Binary::NotEqual => Value::Bool(!is_equal(left, right)),
        Binary::SameAs => Value::Bool(is_same(left, right)),
        Binary::NotSameAs => Value::Bool(!is_same(left, right)),
        Binary::Less => Value::Bool(compare(left, right).is_some_and(Ordering::is_lt)),
        Binary::LessOrEqual => Value::Bool(compare(left, right).is_some_and(Ordering::is_le)),
        Binary::Greater => Value::Bool(compare(left, right).is_some_and(Ordering::is_gt)),
        Binary::GreaterOrEqual => Value::Bool(compare(left, right).is_some_and(Ordering::is_ge)),
        _ => Value::Number(arithmetic(operator, to_number(left), to_number(right))),
    }
}

fn add<'a>(left: &Value<'a>, right: &Value<'a>) -> Value<'a> {
    let joins = |it: &Value<'_>| matches!(it, Value::Text(_)) || is_object(it);
    if joins(left) || joins(right) {
        let mut text = to_text(left, false).as_str().to_owned();
        text.push_str(to_text(right, false).as_str());
        return Value::text(text);
    }
    Value::Number(arithmetic(Binary::Add, to_number(left), to_number(right)))
}

/// Whole numbers stay whole while they are exact, which is also what JavaScript shows of them.
pub(super) fn arithmetic(operator: Binary, left: Number, right: Number) -> Number {
    if let (Number::Long(a), Number::Long(b)) = (left, right) {
        let whole = match operator {
            Binary::Add => a.checked_add(b),
            Binary::Subtract => a.checked_sub(b),
            // Zero may be a negative one.
            Binary::Multiply => a.checked_mul(b).filter(|it| *it != 0 || (a >= 0 && b >= 0)),
            Binary::Remainder if a >= 0 => a.checked_rem(b),
            Binary::Divide if b != 0 && a != 0 && a % b == 0 => a.checked_div(b),
            _ => None,
        };
        if let Some(whole) = whole.filter(|it| is_exact(*it)) {
            return Number::Long(whole);
        }
    }
    super::operators::of_doubles(operator, left.as_f64(), right.as_f64())
}

/// `===`; of objects, whether they are one and the same.
pub(super) fn is_same(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Undefined, Value::Undefined) | (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Text(a), Value::Text(b)) => a == b,
        // A document's text is read once, so what stands in one place of it is one object.
        (Value::Raw(a), Value::Raw(b)) => std::ptr::eq(a.as_ptr(), b.as_ptr()),
        (Value::Array(a), Value::Array(b)) => std::sync::Arc::ptr_eq(a, b),
        (Value::Object(a), Value::Object(b)) => std::sync::Arc::ptr_eq(a, b),
        _ => false,
    }
}

/// What `includes` looks for: as `===`, and NaN is itself.
pub(super) fn is_found(left: &Value<'_>, right: &Value<'_>) -> bool {
    let is_nan = |it: &Value<'_>| matches!(it, Value::Number(number) if number.as_f64().is_nan());
    is_same(left, right) || (is_nan(left) && is_nan(right))
}

fn is_equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Undefined | Value::Null, _) | (_, Value::Undefined | Value::Null) => {
            left.is_nothing() && right.is_nothing()
        }
        (Value::Number(_) | Value::Bool(_), Value::Number(_) | Value::Bool(_) | Value::Text(_))
        | (Value::Text(_), Value::Number(_) | Value::Bool(_)) => {
            to_number(left).as_f64() == to_number(right).as_f64()
        }
        _ if is_object(left) != is_object(right) => is_equal(&primitive(left), &primitive(right)),
        _ => is_same(left, right),
    }
}

fn compare(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => Some(compare_texts(a.as_str(), b.as_str())),
        _ if is_object(left) || is_object(right) => compare(&primitive(left), &primitive(right)),
        _ => compare_numbers(to_number(left), to_number(right)),
    }
}

/// A number that a function of `Math` made.
pub(super) fn rounded<'a>(value: &Value<'a>, round: impl FnOnce(f64) -> f64) -> Value<'a> {
    Value::Number(match to_number(value) {
        Number::Long(whole) if whole >= 0 => Number::Long(whole),
        number => {
            let rounded = round(number.as_f64());
            let is_whole = rounded.fract() == 0.0 && rounded.abs() < 9e15;
            let is_negative_zero = rounded == 0.0 && rounded.is_sign_negative();
            #[expect(clippy::cast_possible_truncation, reason = "it was checked to fit")]
            if is_whole && !is_negative_zero {
                Number::Long(rounded as i64)
            } else {
                Number::Double(rounded)
            }
        }
    })
}

/// `Math.round`: halves go up.
pub(super) fn round(number: f64) -> f64 {
    let below = number.floor();
    let rounded = if number - below >= 0.5 {
        below + 1.0
    } else {
        below
    };
    rounded.copysign(number)
}

/// `toFixed`: by all digits of the number, halves away from zero; `None` for too many digits.
pub(super) fn to_fixed(number: Number, digits: f64) -> Option<String> {
    let digits = digits.trunc();
    if !(digits.is_nan() || (0.0..=100.0).contains(&digits)) {
        return None;
    }
    let number = number.as_f64();
    if !number.is_finite() || number.abs() >= 1e21 {
        return Some(number_text(Number::Double(number)));
    }
    let digits = super::texts::clamped(digits);
    let sign = if number < 0.0 { "-" } else { "" };
    let number = number.abs();
    // A half has as many binary places as it has decimal ones.
    let places = i32::try_from(digits).unwrap_or_default() + 1;
    let is_half = (number * 2f64.powi(places)).fract() == 0.0
        && format!("{number:.0$}", digits + 1).ends_with('5');
    // Rust rounds halves to the even digit; what is next above is none.
    let number = if is_half { number.next_up() } else { number };
    Some(format!("{sign}{number:.digits$}"))
}

/// The place that a property's name stands for in lists and texts.
pub(super) fn place_of(name: &str) -> Option<usize> {
    let is_place = name == "0"
        || (!name.starts_with('0')
            && !name.is_empty()
            && name.bytes().all(|it| it.is_ascii_digit()));
    is_place.then(|| name.parse().ok()).flatten()
}
