//! Declared functions as conditions of `filter`, translated to formulas.
//!
//! A function is asked of one document or group after the other, so it must not need a script engine
//! or other documents.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::rql::{Call, Expression, ExpressionKind, Query, Segment};
use super::values::{Parameters, json_value};
use crate::formula::{Formula, Value};
use crate::parts::{IS_WHOLE, not_loaded};
use crate::{Error, ErrorKind, Result};

/// The name of what is tested, which no function's author writes.
const ROW: &str = "$row";

/// A declared function with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct RowTest {
    formula: Formula,
}

impl RowTest {
    /// The call of a declared function in `filter`.
    ///
    /// # Errors
    /// `Unsupported` when the function cannot be translated, `InvalidRequest` for arguments that
    /// are no values.
    pub(super) fn of_call(query: &Query, parameters: &Parameters, call: &Call) -> Result<Self> {
        if !IS_WHOLE {
            return Err(not_loaded(&call.name));
        }
        let function = query.functions.iter().find(|it| it.name == call.name);
        let text = function.map(|it| it.script.text.as_str());
        let (names, body) = text
            .and_then(taken_apart)
            .ok_or_else(|| refused(call, "its parameters are not plain names"))?;
        if names.len() < call.arguments.len() {
            return Err(refused(call, "it has fewer parameters than arguments"));
        }
        let mut constants = String::new();
        for (at, name) in names.iter().enumerate() {
            let value = match call.arguments.get(at) {
                Some(argument) => source_of(argument, parameters)?,
                None => Cow::Borrowed("undefined"),
            };
            constants.push_str(&format!("const {name} = {value}; "));
        }
        let text = format!("{ROW} => {{ {constants}{body} }}");
        let formula = Formula::from_javascript(&text)
            .map_err(|reason| refused(call, &format!("it needs a script engine ({reason})")))?;
        if formula.loads() {
            return Err(refused(call, "it loads documents"));
        }
        Ok(Self { formula })
    }

    /// Whether the function says yes to a document or group, given as JSON.
    ///
    /// # Errors
    /// What the function cannot do with it.
    pub(super) fn holds(&self, row: &str) -> Result<bool> {
        if !IS_WHOLE {
            return Err(not_loaded("a declared function"));
        }
        self.formula.holds(Value::from_json(row))
    }
}

fn refused(call: &Call, why: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "'filter' cannot call the declared function '{}': {why}",
            call.name
        ),
    )
}

/// The names of the parameters, and the body.
fn taken_apart(function: &str) -> Option<(Vec<&str>, &str)> {
    let (head, body) = function.split_once('{')?;
    let body = body.trim_end().strip_suffix('}')?;
    let names = head.split_once('(')?.1.trim_end().strip_suffix(')')?;
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    let is_plain = |name: &&str| {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
        !name.is_empty() && name.chars().all(is_part)
    };
    match names.as_slice() {
        [""] => Some((Vec::new(), body)),
        names if names.iter().all(is_plain) => Some((names.to_vec(), body)),
        _ => None,
    }
}

/// An argument as JavaScript.
fn source_of(argument: &Expression, parameters: &Parameters) -> Result<Cow<'static, str>> {
    let ExpressionKind::Field(path) = &argument.kind else {
        return Ok(Cow::Owned(json_value(argument, parameters)?.to_string()));
    };
    if path.loaded.is_some() {
        return Err(Error::invalid(
            "loaded documents cannot be filtered by; 'load' serves 'select' only",
        ));
    }
    let mut source = ROW.to_owned();
    for segment in &path.segments {
        match segment {
            Segment::Property(name) => source.push_str(&format!("[{}]", Json::from(name.as_str()))),
            Segment::At(at) => source.push_str(&format!("[{at}]")),
            Segment::Each => {
                return Err(Error::invalid(
                    "functions take a list as a whole: leave out '[]'",
                ));
            }
        }
    }
    Ok(Cow::Owned(source))
}
