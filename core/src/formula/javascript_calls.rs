//! JavaScript's functions and methods.
//!
//! Their results are those of a script engine in which a member or method of nothing is null. What
//! takes arguments that are not known here was refused when it was translated.

use std::sync::Arc;

use super::arrays;
use super::builtin::Builtin;
use super::evaluate::{
    Evaluated, Evaluation, Failure, create_field, create_spatial_field, metadata,
};
use super::javascript_values::{
    arithmetic, is_found, is_same, join, parse_float, parse_int, place_of, round, rounded,
    to_fixed, to_number, to_text,
};
use super::made::Made;
use super::operators::{compare_numbers, is_truthy};
use super::texts;
use super::tree::{Binary, Lambda};
use super::value::{Number, Text, Value};

/// Lists in lists are made one list so deep.
const MAX_FLAT: usize = 200;

/// A member of a value.
pub(super) fn member<'a>(target: &Value<'a>, name: &str) -> Value<'a> {
    match target {
        Value::Undefined | Value::Null => Value::Null,
        Value::Raw(json) if json.starts_with('[') => member(&target.clone().opened(), name),
        Value::Object(_) | Value::Raw(_) => target.member(name),
        Value::Array(items) if name == "length" => length(items.len()),
        Value::Array(items) => {
            let found = place_of(name).and_then(|place| items.get(place));
            found.cloned().unwrap_or(Value::Undefined)
        }
        Value::Text(text) if name == "length" => Value::long(texts::length(text.as_str())),
        Value::Text(text) => place_of(name).map_or(Value::Undefined, |place| unit(text, place)),
        _ => Value::Undefined,
    }
}

/// `target[index]`.
pub(super) fn at<'a>(target: &Value<'a>, index: &Value<'a>) -> Value<'a> {
    match (target, index) {
        (Value::Array(items), Value::Number(Number::Long(place))) => {
            let found = usize::try_from(*place).ok().and_then(|it| items.get(it));
            found.cloned().unwrap_or(Value::Undefined)
        }
        _ => member(target, to_text(index, false).as_str()),
    }
}

fn length<'a>(count: usize) -> Value<'a> {
    Value::long(i64::try_from(count).unwrap_or(i64::MAX))
}

fn unit<'a>(text: &Text<'a>, place: usize) -> Value<'a> {
    match texts::units(text, place, place.saturating_add(1)) {
        Value::Text(found) if found.as_str().is_empty() => Value::Undefined,
        found => found,
    }
}

/// The code units of a text, one by one.
pub(super) fn units_of<'a>(text: &str) -> Vec<Value<'a>> {
    let units = text.encode_utf16();
    units
        .map(|it| Value::text(String::from_utf16_lossy(&[it])))
        .collect()
}

/// The members of a value in JavaScript's order: those that are places, then all others.
pub(super) fn members_of<'a>(value: &Value<'a>) -> Vec<(Text<'a>, Value<'a>)> {
    let numbered = |items: Vec<Value<'a>>| {
        let items = items.into_iter().enumerate();
        items
            .map(|(place, it)| (Text::from(place.to_string()), it))
            .collect()
    };
    match value.clone().opened() {
        Value::Object(members) => {
            let is_place = |name: &Text<'_>| {
                place_of(name.as_str())
                    .filter(|it| u32::try_from(*it).is_ok_and(|it| it < u32::MAX))
            };
            let mut members = members.to_vec();
            if members.iter().any(|(name, _)| is_place(name).is_some()) {
                members.sort_by_key(|(name, _)| is_place(name).unwrap_or(usize::MAX));
            }
            members
        }
        Value::Array(items) => numbered(items.to_vec()),
        Value::Text(text) => numbered(units_of(text.as_str())),
        _ => Vec::new(),
    }
}

impl<'a> Evaluation<'a, '_> {
    /// Calls a function or a method; a method's target is the first of `values`.
    pub(super) fn javascript_call(
        &mut self,
        builtin: Builtin,
        values: Vec<Value<'a>>,
        lambda: Option<&Lambda>,
    ) -> Evaluated<'a> {
        let first = values.first().cloned().unwrap_or(Value::Undefined);
        if let Some(result) = self.javascript_function(builtin, &first, &values)? {
            return Ok(result);
        }
        if first.is_nothing() {
            return Ok(Value::Null);
        }
        let arguments = values.get(1..).unwrap_or_default();
        match (builtin, first.opened()) {
            (Builtin::ToText, value) => Ok(Value::Text(to_text(&value, false))),
            (Builtin::ToFixed, Value::Number(number)) => {
                let digits = arguments.first().map_or(0.0, |it| to_number(it).as_f64());
                let text = to_fixed(number, digits);
                text.map(Value::text)
                    .ok_or_else(|| Failure::new("toFixed takes 0 to 100 digits"))
            }
            (_, Value::Array(items)) => self.array_method(builtin, &items, arguments, lambda),
            (_, Value::Text(text)) if lambda.is_none() => {
                texts::javascript_call(builtin, &text, arguments)
            }
            _ => Err(Failure::new(format!(
                "this value has no such method: {builtin:?}"
            ))),
        }
    }

    /// Calls what is no method.
    fn javascript_function(
        &mut self,
        builtin: Builtin,
        first: &Value<'a>,
        values: &[Value<'a>],
    ) -> Result<Option<Value<'a>>, Failure> {
        Ok(Some(match builtin {
            Builtin::Load => self.load(values, true),
            Builtin::LoadUntracked => self.load(values, false),
            Builtin::Id => match metadata(first).member("@id") {
                id if id.is_nothing() => Value::Null,
                id => id,
            },
            Builtin::Metadata => match metadata(first) {
                none if none.is_nothing() => Value::object(Vec::new()),
                found => found,
            },
            Builtin::CreateField => create_field(values, to_text)?,
            Builtin::CreateSpatialField => create_spatial_field(values),
            Builtin::ToNumber => Value::Number(to_number(first)),
            Builtin::ParseFloat => Value::Number(parse_float(to_text(first, false).as_str())),
            Builtin::ParseInt => Value::Number(parse_int(to_text(first, false).as_str())),
            Builtin::TextOf => Value::Text(to_text(first, false)),
            Builtin::ToBool => Value::Bool(is_truthy(first)),
            Builtin::IsNaN => Value::Bool(to_number(first).as_f64().is_nan()),
            Builtin::IsArray => Value::Bool(match first {
                Value::Raw(json) => json.starts_with('['),
                other => matches!(other, Value::Array(_)),
            }),
            Builtin::Keys | Builtin::Values | Builtin::Entries => members(builtin, first)?,
            Builtin::Abs => rounded(first, f64::abs),
            Builtin::Floor => rounded(first, f64::floor),
            Builtin::Ceiling => rounded(first, f64::ceil),
            Builtin::Round => rounded(first, round),
            Builtin::Truncate => rounded(first, f64::trunc),
            Builtin::SquareRoot => Value::Number(Number::Double(to_number(first).as_f64().sqrt())),
            Builtin::Power => {
                let exponent = values.get(1).map_or(Number::Double(f64::NAN), to_number);
                Value::Number(arithmetic(Binary::Power, to_number(first), exponent))
            }
            Builtin::Smallest => extreme(values, std::cmp::Ordering::Less),
            Builtin::Largest => extreme(values, std::cmp::Ordering::Greater),
            _ => return Ok(None),
        }))
    }

    fn array_method(
        &mut self,
        method: Builtin,
        items: &Arc<Made<Value<'a>>>,
        arguments: &[Value<'a>],
        lambda: Option<&Lambda>,
    ) -> Evaluated<'a> {
        let first = arguments.first().unwrap_or(&Value::Undefined);
        Ok(match method {
            Builtin::Map
            | Builtin::Filter
            | Builtin::Find
            | Builtin::Some
            | Builtin::Every
            | Builtin::FlatMap => return arrays::each(self, method, items, lambda),
            Builtin::Reduce => {
                return arrays::reduce(self, items, lambda, arguments.first().cloned());
            }
            Builtin::Includes => Value::Bool(items.iter().any(|it| is_found(it, first))),
            Builtin::IndexOf => match items.iter().position(|it| is_same(it, first)) {
                Some(place) => length(place),
                None => Value::long(-1),
            },
            Builtin::Join => match first {
                Value::Undefined => Value::text(join(items, ",")),
                separator => Value::text(join(items, to_text(separator, false).as_str())),
            },
            Builtin::Concat => {
                let mut all = items.to_vec();
                arguments.iter().for_each(|it| push_flat(it, 1, &mut all));
                Value::array(all)
            }
            Builtin::Slice => {
                let (start, end) = slice_of(arguments, items.len());
                Value::array(items[start.min(end)..end].to_vec())
            }
            Builtin::Flat => {
                let depth = match first {
                    Value::Undefined => 1,
                    depth => texts::clamped(to_number(depth).as_f64()).min(MAX_FLAT),
                };
                let mut all = Vec::with_capacity(items.len());
                items.iter().for_each(|it| push_flat(it, depth, &mut all));
                Value::array(all)
            }
            _ => {
                return Err(Failure::new(format!(
                    "an array has no such method: {method:?}"
                )));
            }
        })
    }
}

/// Where a slice of `length` items or code units starts and ends.
pub(super) fn slice_of(arguments: &[Value<'_>], length: usize) -> (usize, usize) {
    let position = |place: usize, otherwise: f64| match arguments.get(place) {
        None | Some(Value::Undefined) => otherwise,
        Some(value) => to_number(value).as_f64(),
    };
    let start = texts::from_end(position(0, 0.0), length);
    (start, texts::from_end(position(1, f64::INFINITY), length))
}

/// The value itself, or the items of a list.
fn push_flat<'a>(value: &Value<'a>, depth: usize, all: &mut Vec<Value<'a>>) {
    let items = if depth > 0 {
        value.clone().items()
    } else {
        None
    };
    match items {
        Some(items) => items.iter().for_each(|it| push_flat(it, depth - 1, all)),
        None => all.push(value.clone()),
    }
}

fn members<'a>(method: Builtin, target: &Value<'a>) -> Evaluated<'a> {
    if target.is_nothing() {
        return Err(Failure::new(format!("{method:?} of nothing")));
    }
    let made = members_of(target)
        .into_iter()
        .map(|(name, value)| match method {
            Builtin::Keys => Value::Text(name),
            Builtin::Values => value,
            _ => Value::array(vec![Value::Text(name), value]),
        });
    Ok(Value::array(made.collect()))
}

fn extreme<'a>(values: &[Value<'a>], wanted: std::cmp::Ordering) -> Value<'a> {
    let empty = if wanted.is_lt() {
        f64::INFINITY
    } else {
        f64::NEG_INFINITY
    };
    let mut best = Number::Double(empty);
    for number in values.iter().map(to_number) {
        if number.as_f64().is_nan() {
            return Value::Number(number);
        }
        if compare_numbers(number, best) == Some(wanted) {
            best = number;
        }
    }
    Value::Number(best)
}
