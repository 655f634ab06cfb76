//! Evaluating formulas.
//!
//! Documents that a formula asks for and that are not at hand are noted, count as missing for the
//! moment, and make the whole result void: the caller fetches them and evaluates again. So nothing
//! here waits.

use std::sync::Arc;

use super::arrays;
use super::builtin::Builtin;
use super::dates;
use super::javascript_calls;
use super::javascript_values;
use super::made;
use super::operators::{binary, is_truthy, to_number, to_text, unary};
use super::texts;
use super::tree::Dialect;
use super::tree::{Argument, Block, Expression, Formula, Lambda, Member, Node, Statement};
use super::value::{CreatedField, Number, Special, Text, Value};
use crate::query::rql::Span;
use crate::{Error, ErrorKind, Result};

/// Where a formula finds other documents.
pub trait Documents<'a> {
    /// The document `id`: `None` when it is not at hand, `Some(None)` when there is none.
    fn find(&self, id: &str) -> Option<Option<Value<'a>>>;
}

/// No documents are at hand.
impl<'a> Documents<'a> for () {
    fn find(&self, _: &str) -> Option<Option<Value<'a>>> {
        None
    }
}

/// A document that a formula asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Its id, as the formula gave it.
    pub id: String,
    /// The collection it is said to be in.
    pub collection: Option<String>,
    /// Whether a change of the document changes the result; not so for `noTracking.load`.
    pub is_tracked: bool,
}

/// One evaluation.
pub struct Evaluation<'a, 'd> {
    documents: &'d dyn Documents<'a>,
    variables: Vec<Value<'a>>,
    /// Of variables whose members were asked for: what is in the text they hold. The variables
    /// keep the text, by which JavaScript knows whether two objects are one.
    opened: Vec<Value<'a>>,
    /// The language of the formula.
    pub(super) dialect: Dialect,
    /// What was asked for, at hand or not.
    references: Vec<Reference>,
    missing: Vec<String>,
    steps_left: u32,
}

/// Why evaluating stopped.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    message: String,
    is_limit: bool,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            is_limit: false,
        }
    }

    pub(super) fn limit(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            is_limit: true,
        }
    }
}

pub(super) type Evaluated<'a> = std::result::Result<Value<'a>, Failure>;

/// How many steps one evaluation may take.
const MAX_STEPS: u32 = 10_000_000;

impl<'a, 'd> Evaluation<'a, 'd> {
    /// An evaluation that finds other documents in `documents`.
    pub fn new(documents: &'d dyn Documents<'a>) -> Self {
        Self {
            documents,
            variables: Vec::new(),
            opened: Vec::new(),
            dialect: Dialect::JavaScript,
            references: Vec::new(),
            missing: Vec::new(),
            steps_left: MAX_STEPS,
        }
    }

    /// What `formula` makes of `input`. The result is void if [`Self::missing`] says so.
    ///
    /// # Errors
    /// `InvalidRequest` for what the formula cannot do with these values, `LimitExceeded` when it
    /// takes too many steps.
    pub fn run(&mut self, formula: &Formula, input: Value<'a>) -> Result<Value<'a>> {
        self.variables.clear();
        self.variables
            .resize(formula.variables.max(1), Value::Undefined);
        self.opened.clear();
        self.opened.resize(self.variables.len(), Value::Undefined);
        self.dialect = formula.dialect;
        self.variables[0] = input;
        let result = self.block(&formula.body);
        let result = result.map(|it| it.unwrap_or(Value::Undefined));
        result.map_err(|failure| {
            let kind = if failure.is_limit {
                ErrorKind::LimitExceeded
            } else {
                ErrorKind::InvalidRequest
            };
            Error::new(kind, failure.message)
        })
    }

    /// The ids of documents that the formula asked for and that were not at hand.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// All documents that the formula asked for.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    fn block(&mut self, block: &Block) -> std::result::Result<Option<Value<'a>>, Failure> {
        for statement in block {
            match statement {
                Statement::Let(variable, value) => {
                    let value = self.value(value)?;
                    self.set(*variable, value);
                }
                Statement::If(condition, yes, no) => {
                    let condition = self.value(condition)?;
                    let taken = if is_truthy(&condition) { yes } else { no };
                    if let Some(result) = self.block(taken)? {
                        return Ok(Some(result));
                    }
                }
                Statement::Return(value) => return self.value(value).map(Some),
            }
        }
        Ok(None)
    }

    fn set(&mut self, variable: usize, value: Value<'a>) {
        self.variables[variable] = value;
        self.opened[variable] = Value::Undefined;
    }

    fn member_of(&mut self, target: &Expression, name: &str) -> Evaluated<'a> {
        let Node::Variable(variable) = target.node else {
            return Ok(member(&self.value(target)?, name, self.dialect));
        };
        if !matches!(self.variables[variable], Value::Raw(_)) {
            return Ok(member(&self.variables[variable], name, self.dialect));
        }
        // A variable's text is taken apart once, not searched for every member.
        if matches!(self.opened[variable], Value::Undefined) {
            self.opened[variable] = self.variables[variable].clone().opened();
        }
        Ok(member(&self.opened[variable], name, self.dialect))
    }

    pub(super) fn apply(&mut self, lambda: &Lambda, arguments: &[Value<'a>]) -> Evaluated<'a> {
        for (place, variable) in lambda.parameters.iter().enumerate() {
            let argument = arguments.get(place).cloned();
            self.set(*variable, argument.unwrap_or(Value::Undefined));
        }
        let result = self.block(&lambda.body)?;
        Ok(result.unwrap_or(Value::Undefined))
    }

    pub(super) fn step(&mut self) -> std::result::Result<(), Failure> {
        self.spend(1)
    }

    /// Making something large takes as many steps as it is large.
    pub(super) fn spend(&mut self, steps: u32) -> std::result::Result<(), Failure> {
        match self.steps_left.checked_sub(steps) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => Err(Failure::limit(format!(
                "more than {MAX_STEPS} steps for one document"
            ))),
        }
    }

    pub(super) fn value(&mut self, expression: &Expression) -> Evaluated<'a> {
        self.step()?;
        Ok(match &expression.node {
            Node::Constant(constant) => constant.clone(),
            Node::Variable(variable) => self.variables[*variable].clone(),
            Node::Member(target, name) => self.member_of(target, name)?,
            Node::Part(target, name) => {
                if self.value(target)?.is_nothing() {
                    let at = expression.span.start;
                    let message = format!("nothing has no '{name}' to take apart (at {at})");
                    return Err(Failure::new(message));
                }
                self.member_of(target, name)?
            }
            Node::Optional(target, variable, rest) => {
                let target = self.value(target)?;
                if target.is_nothing() {
                    return Ok(Value::Undefined);
                }
                self.set(*variable, target);
                self.value(rest)?
            }
            Node::Index(target, index) => {
                let target = self.value(target)?;
                let index = self.value(index)?;
                match self.dialect {
                    Dialect::JavaScript => javascript_calls::at(&target.opened(), &index),
                    Dialect::CSharp => at(target, &index),
                }
            }
            Node::Unary(operator, value) => unary(*operator, &self.value(value)?, self.dialect),
            Node::Binary(operator, left, right) => {
                let left = self.value(left)?;
                let made = binary(*operator, &left, &self.value(right)?, self.dialect);
                self.weigh(made)?
            }
            Node::And(left, right) => self.either(left, right, is_truthy)?,
            Node::Or(left, right) => self.either(left, right, |it| !is_truthy(it))?,
            Node::Coalesce(left, right) => self.either(left, right, Value::is_nothing)?,
            Node::Conditional(condition, yes, no) => {
                let condition = self.value(condition)?;
                self.value(if is_truthy(&condition) { yes } else { no })?
            }
            Node::Array(items) => {
                let made = self.array(items)?;
                self.weigh(made)?
            }
            Node::Object(members) => {
                let made = self.object(members)?;
                self.weigh(made)?
            }
            Node::Join(parts) => {
                let made = self.join(parts)?;
                self.weigh(made)?
            }
            Node::Call(builtin, arguments) => {
                let made = self.call(*builtin, arguments, &expression.span)?;
                self.weigh(made)?
            }
        })
    }

    /// The left value, or the right one where `goes_on` says so of the left one.
    fn either(
        &mut self,
        left: &Expression,
        right: &Expression,
        goes_on: impl Fn(&Value<'a>) -> bool,
    ) -> Evaluated<'a> {
        let left = self.value(left)?;
        match goes_on(&left) {
            true => self.value(right),
            false => Ok(left),
        }
    }

    fn join(&mut self, parts: &[Expression]) -> Evaluated<'a> {
        let mut text = String::new();
        for part in parts {
            let part = self.value(part)?;
            text.push_str(javascript_values::to_text(&part, false).as_str());
            made::check_byte_count(text.len())?;
        }
        Ok(Value::text(text))
    }

    fn array(&mut self, items: &[(Expression, bool)]) -> Evaluated<'a> {
        let mut array = Vec::with_capacity(items.len());
        for (item, is_spread) in items {
            let value = self.value(item)?;
            if !is_spread {
                array.push(value);
                continue;
            }
            match value.opened() {
                Value::Array(spread) => array.extend(spread.iter().cloned()),
                Value::Text(text) => {
                    made::check_parts(text.as_str().len())?;
                    let characters = text.as_str().chars();
                    array.extend(characters.map(|it| Value::text(it.to_string())));
                }
                _ => {
                    let message = "only arrays and texts can be spread into an array";
                    return Err(Failure::new(message));
                }
            }
        }
        Ok(Value::array(array))
    }

    fn object(&mut self, members: &[Member]) -> Evaluated<'a> {
        let mut object: Vec<(Text<'a>, Value<'a>)> = Vec::with_capacity(members.len());
        let mut set = |name: Text<'a>, value: Value<'a>| match object
            .iter_mut()
            .find(|(it, _)| *it == name)
        {
            Some((_, old)) => *old = value,
            None => object.push((name, value)),
        };
        for member in members {
            match member {
                Member::Named(name, value) => set(Text::from(name.clone()), self.value(value)?),
                Member::Computed(name, value) => {
                    let name = javascript_values::to_text(&self.value(name)?, false);
                    set(name, self.value(value)?);
                }
                Member::Spread(value) => {
                    let value = self.value(value)?;
                    // The engine spreads no texts into objects.
                    if value.as_text().is_some() {
                        continue;
                    }
                    for (name, value) in javascript_calls::members_of(&value) {
                        set(name, value);
                    }
                }
            }
        }
        Ok(Value::object(object))
    }

    fn call(&mut self, builtin: Builtin, arguments: &[Argument], span: &Span) -> Evaluated<'a> {
        let lambda = arguments.iter().find_map(|it| match it {
            Argument::Lambda(lambda) => Some(lambda),
            Argument::Value(_) => None,
        });
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            if let Argument::Value(value) = argument {
                values.push(self.value(value)?);
            }
        }
        made::check_call(builtin, &values)?;
        let at_place = |mut failure: Failure| {
            if !failure.is_limit && !failure.message.contains(" (at ") {
                failure.message = format!("{} (at {})", failure.message, span.start);
            }
            failure
        };
        let result = match self.dialect {
            Dialect::JavaScript => self.javascript_call(builtin, values, lambda),
            Dialect::CSharp => self.builtin(builtin, values, lambda),
        };
        result.map_err(at_place)
    }

    /// Calls a function or method of C#.
    fn builtin(
        &mut self,
        builtin: Builtin,
        mut values: Vec<Value<'a>>,
        lambda: Option<&Lambda>,
    ) -> Evaluated<'a> {
        let first = values.first().cloned().unwrap_or(Value::Undefined);
        Ok(match builtin {
            Builtin::Load => self.load(&values, true),
            Builtin::Id => {
                let id = metadata(&first).member("@id");
                if id.is_nothing() { Value::Null } else { id }
            }
            Builtin::Metadata => metadata(&first),
            Builtin::CreateField => return create_field(&values, to_text),
            Builtin::CreateSpatialField => create_spatial_field(&values),
            Builtin::Boost => Value::Special(Arc::new(Special::Boosted {
                factor: values.get(1).map_or(1.0, |it| to_number(it).as_f64()),
                value: first,
            })),
            Builtin::Recurse => return self.recurse(first, lambda),
            Builtin::ToInteger | Builtin::ToDouble if first.is_nothing() => Value::Null,
            Builtin::ToDouble => Value::Number(Number::Double(to_number(&first).as_f64())),
            Builtin::ToInteger | Builtin::Truncate => rounded(&first, f64::trunc),
            Builtin::Abs => rounded(&first, f64::abs),
            Builtin::Floor => rounded(&first, f64::floor),
            Builtin::Ceiling => rounded(&first, f64::ceil),
            Builtin::RoundEven => round_even(&first, values.get(1)),
            Builtin::SquareRoot => Value::Number(Number::Double(to_number(&first).as_f64().sqrt())),
            Builtin::FormatOne => match values.get(1) {
                Some(Value::Text(format)) => formatted(&first, format.as_str())?,
                _ => Value::Null,
            },
            Builtin::ToText if first.is_nothing() => Value::Null,
            Builtin::ToText => Value::Text(to_text(&first, false)),
            Builtin::Same => first,
            Builtin::IsNullOrEmpty => Value::Bool(!is_truthy(&first)),
            Builtin::Equals => {
                let other = values.pop().unwrap_or(Value::Undefined);
                Value::Bool(super::operators::is_equal(&first, &other))
            }
            Builtin::Format => return format_text(&values),
            _ => match first.opened() {
                Value::Text(text) if lambda.is_none() && !builtin.is_free_function() => {
                    return texts::call(builtin, &text, values.get(1..).unwrap_or_default());
                }
                target => {
                    if let Some(slot) = values.first_mut() {
                        *slot = target;
                    }
                    return arrays::call(self, builtin, values, lambda);
                }
            },
        })
    }

    pub(super) fn load(&mut self, values: &[Value<'a>], is_tracked: bool) -> Value<'a> {
        let collection = values.get(1).and_then(Value::as_text);
        let first = values.first().cloned().unwrap_or(Value::Undefined);
        if let Value::Text(id) = &first {
            return self.load_one(id.as_str(), collection, is_tracked);
        }
        let Some(ids) = first.items() else {
            return Value::Null;
        };
        let load = |id: &Value<'a>| match id.as_text() {
            Some(id) => self.load_one(id, collection, is_tracked),
            None => Value::Null,
        };
        Value::array(ids.iter().map(load).collect())
    }

    fn load_one(&mut self, id: &str, collection: Option<&str>, is_tracked: bool) -> Value<'a> {
        if id.is_empty() {
            return Value::Null;
        }
        let reference = Reference {
            id: id.to_owned(),
            collection: collection.map(str::to_owned),
            is_tracked,
        };
        if !self.references.contains(&reference) {
            self.references.push(reference);
        }
        match self.documents.find(id) {
            Some(document) => document.unwrap_or(Value::Null),
            None => {
                if !self.missing.iter().any(|it| it == id) {
                    self.missing.push(id.to_owned());
                }
                Value::Null
            }
        }
    }

    /// The value and all that the function leads to from there, once each.
    fn recurse(&mut self, start: Value<'a>, lambda: Option<&Lambda>) -> Evaluated<'a> {
        let Some(lambda) = lambda else {
            return Err(Failure::new("Recurse takes a value and a lambda"));
        };
        let mut found: Vec<Value<'a>> = Vec::new();
        let mut waiting = vec![start];
        while let Some(value) = waiting.pop() {
            self.step()?;
            match value.opened() {
                Value::Undefined | Value::Null => {}
                Value::Array(items) => waiting.extend(items.iter().rev().cloned()),
                value => {
                    if found.contains(&value) {
                        continue;
                    }
                    found.push(value.clone());
                    let next = self.apply(lambda, &[value])?;
                    waiting.push(next);
                }
            }
        }
        Ok(Value::array(found))
    }
}

/// A member, and what texts, arrays and dates have instead of members.
fn member<'a>(target: &Value<'a>, name: &str, dialect: Dialect) -> Value<'a> {
    if dialect == Dialect::JavaScript {
        return javascript_calls::member(target, name);
    }
    match (target, name) {
        (Value::Text(text), "length" | "Length") => Value::long(texts::length(text.as_str())),
        (Value::Raw(json), "length" | "Length" | "Count") if json.starts_with('[') => {
            member(&target.clone().opened(), name, dialect)
        }
        (Value::Array(items), "length" | "Length" | "Count") => {
            Value::long(i64::try_from(items.len()).unwrap_or(i64::MAX))
        }
        (Value::Text(text), "Year" | "Month" | "Day" | "Hour" | "Minute" | "Second" | "Date") => {
            date_part(text.as_str(), name)
        }
        (Value::Text(text), _) if let Some(value) = dates::member(text.as_str(), name) => value,
        (Value::Text(_) | Value::Number(_) | Value::Bool(_), "Value") => target.clone(),
        (Value::Text(_) | Value::Number(_) | Value::Bool(_), "HasValue") => Value::Bool(true),
        (Value::Undefined | Value::Null, "HasValue") => Value::Bool(false),
        _ => target.member(name),
    }
}

/// A value in a form of C#'s.
fn formatted<'a>(value: &Value<'a>, text: &str) -> Result<Value<'a>, Failure> {
    if value.is_nothing() {
        return Ok(Value::Null);
    }
    let written = dates::Format::parse(text).and_then(|format| format.write(text, value));
    written.ok_or_else(|| {
        let shown = to_text(value, false);
        Failure::new(format!(
            "'{}' cannot be written as '{text}'",
            shown.as_str()
        ))
    })
}

/// A part of a date's ISO text.
fn date_part<'a>(text: &str, name: &str) -> Value<'a> {
    let range = match name {
        "Year" => 0..4,
        "Month" => 5..7,
        "Day" => 8..10,
        "Hour" => 11..13,
        "Minute" => 14..16,
        "Second" => 17..19,
        _ => {
            let is_date = text.len() >= 10 && text.is_char_boundary(10);
            return match text.get(..10) {
                Some(date) if is_date => Value::text(format!("{date}T00:00:00.0000000")),
                _ => Value::Null,
            };
        }
    };
    let digits = text.get(range).and_then(|digits| digits.parse().ok());
    digits.map_or(Value::Null, Value::long)
}

fn at<'a>(target: Value<'a>, index: &Value<'a>) -> Value<'a> {
    match (target.opened(), index) {
        (Value::Array(items), Value::Number(number)) => {
            let place = number.as_f64();
            let exists = place >= 0.0 && place.fract() == 0.0;
            let found = items.get(texts::clamped(place)).filter(|_| exists);
            found.cloned().unwrap_or(Value::Undefined)
        }
        (Value::Text(text), Value::Number(number)) => {
            let single = texts::call(Builtin::CharAt, &text, &[Value::Number(*number)]);
            single.unwrap_or(Value::Undefined)
        }
        (target, index) => member(&target, to_text(index, false).as_str(), Dialect::CSharp),
    }
}

pub(super) fn metadata<'a>(document: &Value<'a>) -> Value<'a> {
    document.member("@metadata").opened()
}

/// To so many digits behind the point, halves to the even neighbour.
fn round_even<'a>(value: &Value<'a>, digits: Option<&Value<'a>>) -> Value<'a> {
    let digits = digits.map_or(0.0, |it| to_number(it).as_f64().clamp(0.0, 15.0));
    let scale = 10f64.powf(digits);
    rounded(value, |it| (it * scale).round_ties_even() / scale)
}

fn rounded<'a>(value: &Value<'a>, round: impl FnOnce(f64) -> f64) -> Value<'a> {
    #[expect(clippy::cast_possible_truncation, reason = "it was checked to fit")]
    match to_number(value) {
        Number::Long(whole) if whole >= 0 => Value::long(whole),
        number => {
            let rounded = round(number.as_f64());
            let fits = rounded.fract() == 0.0 && rounded.abs() < 9e15;
            Value::Number(if fits {
                Number::Long(rounded as i64)
            } else {
                Number::Double(rounded)
            })
        }
    }
}

pub(super) fn create_spatial_field<'a>(values: &[Value<'a>]) -> Value<'a> {
    Value::Special(Arc::new(match values {
        [latitude, longitude] => Special::Point {
            latitude: latitude.clone(),
            longitude: longitude.clone(),
        },
        _ => Special::Wkt(values.first().cloned().unwrap_or(Value::Undefined)),
    }))
}

pub(super) fn create_field<'a>(
    values: &[Value<'a>],
    to_text: fn(&Value<'a>, bool) -> Text<'a>,
) -> Evaluated<'a> {
    let options = values.get(2).cloned().unwrap_or(Value::Undefined);
    let option = |names: [&str; 2]| {
        let found = names
            .iter()
            .map(|it| options.member(it))
            .find(|it| !it.is_nothing());
        found.unwrap_or(Value::Undefined)
    };
    let (stored, indexing) = match &options {
        // C#'s form: CreateField(name, value, stored, analyzed).
        Value::Bool(stored) => {
            let analyzed = values.get(3).map(is_truthy);
            let indexing = analyzed.map(|it| if it { "Search" } else { "Exact" }.to_owned());
            (Some(*stored), indexing)
        }
        _ => {
            let storage = option(["storage", "Storage"]);
            let stored = match &storage {
                Value::Undefined => None,
                Value::Text(text) => Some(text.as_str() == "Yes"),
                value => Some(is_truthy(value)),
            };
            (
                stored,
                option(["indexing", "Indexing"])
                    .as_text()
                    .map(str::to_owned),
            )
        }
    };
    let name = to_text(values.first().unwrap_or(&Value::Undefined), false);
    Ok(Value::Special(Arc::new(Special::Field(CreatedField {
        name: name.as_str().to_owned(),
        value: values.get(1).cloned().unwrap_or(Value::Null),
        stored,
        indexing,
        term_vector: option(["termVector", "TermVector"])
            .as_text()
            .map(str::to_owned),
    }))))
}

/// C#'s `String.Format`, with plain holes.
fn format_text<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let form = to_text(values.first().unwrap_or(&Value::Undefined), true);
    let mut text = String::new();
    let mut rest = form.as_str();
    while let Some(start) = rest.find('{') {
        text.push_str(&rest[..start]);
        let Some(end) = rest[start..].find('}') else {
            return Err(Failure::new("String.Format: a '{' is not closed"));
        };
        let hole = &rest[start + 1..start + end];
        let Ok(place) = hole.parse::<usize>() else {
            return Err(Failure::new(format!(
                "String.Format: '{{{hole}}}' is not supported"
            )));
        };
        let value = values.get(place.saturating_add(1)).unwrap_or(&Value::Null);
        text.push_str(to_text(value, true).as_str());
        rest = &rest[start + end + 1..];
    }
    text.push_str(rest);
    Ok(Value::text(text))
}
