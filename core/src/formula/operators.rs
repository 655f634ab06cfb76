//! Operators and conversions: C#'s, in which missing values count as null, and what leads to
//! JavaScript's.

use std::cmp::Ordering;

use super::dates;
use super::javascript_values;
use super::json::number_text;
use super::tree::Dialect;
use super::tree::{Binary, Unary};
use super::value::{Number, Text, Value};

/// Whether a value counts as true.
pub(super) fn is_truthy(value: &Value<'_>) -> bool {
    match value {
        Value::Undefined | Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => {
            let number = number.as_f64();
            number != 0.0 && !number.is_nan()
        }
        Value::Text(text) => !text.as_str().is_empty(),
        _ => true,
    }
}

pub(super) fn to_number(value: &Value<'_>) -> Number {
    let nan = Number::Double(f64::NAN);
    match value {
        Value::Undefined | Value::Null => Number::Long(0),
        Value::Bool(value) => Number::Long(i64::from(*value)),
        Value::Number(number) => *number,
        Value::Text(text) => match text.as_str().trim() {
            "" => Number::Long(0),
            text => Number::parse(text).unwrap_or(nan),
        },
        _ => nan,
    }
}

/// The value as text, as `String(value)` gives it; missing values are empty when `joined`.
pub(super) fn to_text<'a>(value: &Value<'a>, joined: bool) -> Text<'a> {
    match value {
        Value::Undefined | Value::Null if joined => Text::Borrowed(""),
        Value::Undefined => Text::Borrowed("undefined"),
        Value::Null => Text::Borrowed("null"),
        Value::Bool(true) => Text::Borrowed("true"),
        Value::Bool(false) => Text::Borrowed("false"),
        Value::Number(number) => Text::from(number_text(*number)),
        Value::Text(text) => text.clone(),
        Value::Array(items) => {
            let texts: Vec<String> = items
                .iter()
                .map(|it| to_text(it, true).as_str().to_owned())
                .collect();
            Text::from(texts.join(","))
        }
        Value::Raw(json) if json.starts_with('[') => to_text(&value.clone().opened(), joined),
        Value::Object(_) | Value::Raw(_) | Value::Special(_) => Text::Borrowed("[object Object]"),
    }
}

pub(super) fn unary<'a>(operator: Unary, value: &Value<'a>, dialect: Dialect) -> Value<'a> {
    let to_number = match dialect {
        Dialect::JavaScript => javascript_values::to_number,
        Dialect::CSharp if value.is_nothing() && operator != Unary::Not => return Value::Null,
        Dialect::CSharp => to_number,
    };
    match operator {
        Unary::Not => Value::Bool(!is_truthy(value)),
        Unary::Plus => Value::Number(to_number(value)),
        Unary::Minus => Value::Number(match to_number(value) {
            Number::Long(whole) if whole != 0 && whole != i64::MIN => Number::Long(-whole),
            number => Number::Double(-number.as_f64()),
        }),
        Unary::TypeOf => Value::Text(Text::Borrowed(match value {
            Value::Undefined => "undefined",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::Text(_) => "string",
            _ => "object",
        })),
    }
}

pub(super) fn binary<'a>(
    operator: Binary,
    left: &Value<'a>,
    right: &Value<'a>,
    dialect: Dialect,
) -> Value<'a> {
    match dialect {
        Dialect::JavaScript => javascript_values::binary(operator, left, right),
        Dialect::CSharp => csharp_binary(operator, left, right),
    }
}

fn csharp_binary<'a>(operator: Binary, left: &Value<'a>, right: &Value<'a>) -> Value<'a> {
    match operator {
        Binary::Add => add(left, right),
        Binary::Equal => Value::Bool(is_equal(left, right)),
        Binary::NotEqual => Value::Bool(!is_equal(left, right)),
        Binary::Less => compares(left, right, &[Ordering::Less]),
        Binary::LessOrEqual => compares(left, right, &[Ordering::Less, Ordering::Equal]),
        Binary::Greater => compares(left, right, &[Ordering::Greater]),
        Binary::GreaterOrEqual => compares(left, right, &[Ordering::Greater, Ordering::Equal]),
        Binary::DivideWhole | Binary::Difference | Binary::Product | Binary::Rest => {
            typed(operator, left, right)
        }
        _ => Value::Number(arithmetic(operator, to_number(left), to_number(right))),
    }
}

/// C#'s arithmetic: nothing comes of nothing, and dates have differences.
fn typed<'a>(operator: Binary, left: &Value<'a>, right: &Value<'a>) -> Value<'a> {
    if left.is_nothing() || right.is_nothing() {
        return Value::Null;
    }
    let operator = match (operator, left, right) {
        (Binary::Difference, Value::Text(left), Value::Text(right)) => {
            if let Some(difference) = dates::difference(left.as_str(), right.as_str()) {
                return difference;
            }
            Binary::Subtract
        }
        (Binary::Difference, ..) => Binary::Subtract,
        (Binary::Product, ..) => Binary::Multiply,
        (Binary::Rest, ..) => Binary::Remainder,
        (operator, ..) => operator,
    };
    Value::Number(arithmetic(operator, to_number(left), to_number(right)))
}

fn add<'a>(left: &Value<'a>, right: &Value<'a>) -> Value<'a> {
    let joins = |it: &Value<'_>| {
        matches!(
            it,
            Value::Text(_) | Value::Array(_) | Value::Object(_) | Value::Raw(_)
        )
    };
    if joins(left) || joins(right) {
        let mut text = to_text(left, true).as_str().to_owned();
        text.push_str(to_text(right, true).as_str());
        return Value::text(text);
    }
    Value::Number(arithmetic(Binary::Add, to_number(left), to_number(right)))
}

/// Whole numbers stay whole while they fit.
pub(super) fn arithmetic(operator: Binary, left: Number, right: Number) -> Number {
    if let (Number::Long(a), Number::Long(b)) = (left, right) {
        let whole = match operator {
            Binary::Add => a.checked_add(b),
            Binary::Subtract => a.checked_sub(b),
            Binary::Multiply => a.checked_mul(b),
            Binary::DivideWhole => a.checked_div(b),
            Binary::Remainder if a >= 0 => a.checked_rem(b),
            Binary::Divide if b != 0 && a != 0 => {
                a.checked_rem(b).filter(|it| *it == 0).map(|_| a / b)
            }
            _ => None,
        };
        if let Some(whole) = whole {
            return Number::Long(whole);
        }
    }
    of_doubles(operator, left.as_f64(), right.as_f64())
}

/// Arithmetic in which nothing is kept whole.
pub(super) fn of_doubles(operator: Binary, a: f64, b: f64) -> Number {
    Number::Double(match operator {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        Binary::Remainder => a % b,
        Binary::Power if b.is_nan() || (a.abs() == 1.0 && b.is_infinite()) => f64::NAN,
        Binary::Power => a.powf(b),
        _ => a / b,
    })
}

fn is_same(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Undefined, Value::Undefined) | (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => a == b,
        _ => false,
    }
}

pub(super) fn is_equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Undefined | Value::Null, Value::Undefined | Value::Null) => true,
        (Value::Undefined | Value::Null, _) | (_, Value::Undefined | Value::Null) => false,
        (Value::Number(_) | Value::Bool(_), Value::Number(_) | Value::Bool(_) | Value::Text(_))
        | (Value::Text(_), Value::Number(_) | Value::Bool(_)) => {
            to_number(left) == to_number(right)
        }
        _ => is_same(left, right),
    }
}

/// Nothing is smaller or greater than what is missing, nor equal to it.
fn compares<'a>(left: &Value<'_>, right: &Value<'_>, wanted: &[Ordering]) -> Value<'a> {
    if left.is_nothing() || right.is_nothing() {
        return Value::Bool(false);
    }
    let ordering = match (left, right) {
        (Value::Text(a), Value::Text(b)) => Some(compare_texts(a.as_str(), b.as_str())),
        _ => compare_numbers(to_number(left), to_number(right)),
    };
    Value::Bool(ordering.is_some_and(|it| wanted.contains(&it)))
}

pub(super) fn compare_numbers(left: Number, right: Number) -> Option<Ordering> {
    match (left, right) {
        (Number::Long(a), Number::Long(b)) => Some(a.cmp(&b)),
        _ => left.as_f64().partial_cmp(&right.as_f64()),
    }
}

/// By UTF-16 code units, as JavaScript does.
pub(super) fn compare_texts(left: &str, right: &str) -> Ordering {
    if left.is_ascii() && right.is_ascii() {
        return left.cmp(right);
    }
    left.encode_utf16().cmp(right.encode_utf16())
}
