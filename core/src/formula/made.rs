//! Arrays and objects that formulas make, and how large they are.
//!
//! Values share their parts, so few steps can make a value whose text has no end, or that nests so
//! deep that letting go of it overflows the stack. Each container knows the size of its text and
//! how deep it nests; the evaluation refuses what is beyond its limits as soon as it is made.

use std::ops::Deref;

use super::builtin::Builtin;
use super::evaluate::{Evaluated, Evaluation, Failure};
use super::value::{Special, Text, Value};

/// Bytes of JSON that a value may come to.
const MAX_BYTES: usize = 64 << 20;
/// How deep values nest; documents nest less.
const MAX_DEPTH: u32 = 256;
/// Bytes of a text that may be taken apart into single characters or small pieces.
const MAX_PARTED_BYTES: usize = 8 << 20;
/// Bytes of text that are made in a step.
const BYTES_PER_STEP: usize = 16;

/// Refuses a text of so many bytes.
pub(super) fn check_byte_count(byte_count: usize) -> Result<(), Failure> {
    match byte_count > MAX_BYTES {
        true => Err(Failure::limit(format!(
            "it makes more than {MAX_BYTES} bytes of one value"
        ))),
        false => Ok(()),
    }
}

/// Refuses to take a text of so many bytes apart.
pub(super) fn check_parts(byte_count: usize) -> Result<(), Failure> {
    match byte_count > MAX_PARTED_BYTES {
        true => Err(Failure::limit(format!(
            "it takes a text of more than {MAX_PARTED_BYTES} bytes apart"
        ))),
        false => Ok(()),
    }
}

/// Refuses a call whose result would be too large to be made and looked at afterwards.
pub(super) fn check_call(builtin: Builtin, values: &[Value<'_>]) -> Result<(), Failure> {
    let length = |at: usize| match values.get(at) {
        Some(Value::Text(text)) => text.as_str().len(),
        _ => 0,
    };
    let count = |at: usize| match values.get(at) {
        Some(Value::Array(items)) => items.len(),
        // No list has more items than commas and one.
        Some(Value::Raw(text)) => 1 + text.bytes().filter(|it| *it == b',').count(),
        _ => 0,
    };
    match builtin {
        Builtin::Split | Builtin::Keys | Builtin::Values | Builtin::Entries => {
            check_parts(length(0))
        }
        Builtin::Replace | Builtin::ReplaceAll => {
            let matches = match (values.first(), values.get(1)) {
                (Some(Value::Text(text)), Some(Value::Text(pattern))) if length(2) > 0 => {
                    text.as_str().matches(pattern.as_str()).count()
                }
                _ => 0,
            };
            // A replacement may name the whole text before or behind the match.
            let replacement = length(2).saturating_mul(if has_reference(values.get(2)) {
                length(0).max(1)
            } else {
                1
            });
            check_byte_count(length(0).saturating_add(matches.saturating_mul(replacement)))
        }
        Builtin::Join => check_byte_count(count(0).saturating_mul(length(1))),
        Builtin::JoinWith => check_byte_count(count(1).saturating_mul(length(0))),
        Builtin::Format => {
            let longest = (1..values.len()).map(length).max().unwrap_or(0);
            check_byte_count((length(0) / 3 + 1).saturating_mul(longest))
        }
        _ => Ok(()),
    }
}

fn has_reference(replacement: Option<&Value<'_>>) -> bool {
    matches!(replacement, Some(Value::Text(text)) if text.as_str().contains('$'))
}

impl<'a> Evaluation<'a, '_> {
    /// Hands on what was made just now, if it is not too large.
    pub(super) fn weigh(&mut self, value: Value<'a>) -> Evaluated<'a> {
        let (weight, steps) = match &value {
            Value::Text(Text::Shared(text)) => (value.weight(), text.len() / BYTES_PER_STEP),
            Value::Array(items) => (items.weight, items.len()),
            Value::Object(members) => (members.weight, members.len()),
            Value::Special(_) => (value.weight(), 1),
            _ => return Ok(value),
        };
        if weight.depth > MAX_DEPTH {
            let message = format!("it makes values that nest deeper than {MAX_DEPTH}");
            return Err(Failure::limit(message));
        }
        check_byte_count(usize::try_from(weight.byte_count).unwrap_or(usize::MAX))?;
        self.spend(u32::try_from(steps).unwrap_or(u32::MAX))?;
        Ok(value)
    }
}

/// About how many bytes a value's JSON text has, and how deep it nests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) byte_count: u64,
    pub(super) depth: u32,
}

impl Weight {
    fn with(self, part: Self) -> Self {
        Self {
            byte_count: self.byte_count.saturating_add(part.byte_count),
            depth: self.depth.max(part.depth),
        }
    }

    fn nested(self) -> Self {
        Self {
            byte_count: self.byte_count.saturating_add(2),
            depth: self.depth.saturating_add(1),
        }
    }
}

/// A part of a container.
pub(super) trait Weighed {
    fn weight(&self) -> Weight;
}

impl Weighed for Value<'_> {
    fn weight(&self) -> Weight {
        let flat = |byte_count: usize| Weight {
            byte_count: byte_count as u64,
            depth: 0,
        };
        match self {
            Self::Undefined | Self::Null | Self::Bool(_) => flat(5),
            Self::Number(_) => flat(8),
            Self::Text(text) => flat(text.as_str().len() + 3),
            // What documents hold is bounded before it is stored.
            Self::Raw(text) => flat(text.len() + 1),
            Self::Array(items) => items.weight,
            Self::Object(members) => members.weight,
            Self::Special(special) => match &**special {
                Special::Field(field) => field.value.weight().nested(),
                Special::Point { .. } => flat(32),
                Special::Wkt(value) | Special::Boosted { value, .. } => value.weight().nested(),
            },
        }
    }
}

impl Weighed for (Text<'_>, Value<'_>) {
    fn weight(&self) -> Weight {
        let name = Weight {
            byte_count: self.0.as_str().len() as u64 + 4,
            depth: 0,
        };
        name.with(self.1.weight())
    }
}

/// The parts of an array or object.
#[derive(Debug, Clone)]
pub struct Made<T> {
    parts: Vec<T>,
    weight: Weight,
}

impl<T: Weighed> From<Vec<T>> for Made<T> {
    fn from(parts: Vec<T>) -> Self {
        let whole = parts
            .iter()
            .fold(Weight::default(), |whole, part| whole.with(part.weight()));
        Self {
            parts,
            weight: whole.nested(),
        }
    }
}

impl<T: PartialEq> PartialEq for Made<T> {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl<T> Deref for Made<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.parts
    }
}
