//! A patch's script as a program for the script engine.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::host::{ScriptPart, ScriptProgram};
use crate::query::rql;
use crate::query::rql::{ExpressionKind, Literal, Query, Segment};
use crate::{Error, Result};

/// The functions that scripts of patches have, and what runs them.
const PRELUDE: &str = include_str!("prelude.js");

/// A script and the values it is given. Clones share the program.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchScript {
    pub(super) program: Arc<ScriptProgram>,
    /// An object, as JSON.
    pub(super) values: Arc<str>,
    pub(super) names: Arc<[String]>,
}

impl PatchScript {
    /// The script `text`, in which `this` is the document. `values` is a JSON object or empty; the
    /// script finds it as `args`, and each member also as `$name`.
    ///
    /// # Errors
    /// `InvalidRequest` when `values` is no object.
    pub fn new(text: &str, values: &str) -> Result<Self> {
        Self::build(text, values, "", &[])
    }

    /// The script of a query that ends in `update { … }`, with the query's parameters.
    ///
    /// # Errors
    /// `InvalidRequest` when the query has no `update`; `Unsupported` for a `load` of other than
    /// plain fields.
    pub fn from_query(query: &Query, parameters: &str) -> Result<Self> {
        let Some(update) = &query.update else {
            return Err(Error::invalid("a query that patches ends in update { … }"));
        };
        let mut before = String::new();
        if let Some(alias) = &query.alias {
            before.push_str(&format!("const {} = this;", identifier(alias)?));
        }
        for load in &query.load {
            let alias = identifier(&load.alias)?;
            // As 'select' has it: a list with a place for each id, or one document.
            let found = format!("[load({} ?? null)].flat()", load_argument(&load.id.kind)?);
            let found = if load.many {
                found
            } else {
                format!("{found}.find((it) => it) ?? null")
            };
            before.push_str(&format!("const {alias} = {found};"));
        }
        Self::build(&update.text, parameters, &before, &query.functions)
    }

    fn build(text: &str, values: &str, before: &str, functions: &[rql::Function]) -> Result<Self> {
        let values = match values.trim() {
            "" | "null" => "{}",
            values => values,
        };
        let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(values)
            .map_err(|reason| {
                Error::invalid(format!("the values of a patch must be an object: {reason}"))
            })?;
        let names: Vec<String> = members
            .keys()
            .filter(|name| is_identifier(name))
            .cloned()
            .collect();
        let parameters: String = names.iter().map(|name| format!(", ${name}")).collect();
        let part = |name: &str, text: String, lines_before| ScriptPart {
            name: name.to_owned(),
            text,
            lines_before,
        };
        let mut parts = vec![ScriptPart::prelude("patching", PRELUDE)];
        for function in functions {
            parts.push(part("function", function.script.text.clone(), 0));
        }
        // The author's text stands on lines of its own, so that a comment at its end hides nothing.
        let text = format!(
            "\"use strict\"; globalThis.$patch = function (args{parameters}) {{ {before}\n{text}\n}};"
        );
        parts.push(part("patch", text, 1));
        Ok(Self {
            program: Arc::new(ScriptProgram { parts }),
            values: values.into(),
            names: names.into(),
        })
    }
}

/// Batches hold scripts by value; equal scripts of one batch may share a program.
impl PatchScript {
    /// What runs.
    pub(crate) fn program(&self) -> Arc<ScriptProgram> {
        Arc::clone(&self.program)
    }

    /// Takes over the program of `other` if it is the same.
    pub fn share(&mut self, other: &Self) {
        if self.program == other.program {
            self.program = Arc::clone(&other.program);
        }
    }
}

/// What `load` is called with in JavaScript.
fn load_argument(id: &ExpressionKind) -> Result<String> {
    match id {
        ExpressionKind::Literal(Literal::Text(id)) => Ok(json_text(id)),
        ExpressionKind::Parameter(name) => Ok(format!("args[{}]", json_text(name))),
        ExpressionKind::Field(path) => {
            let mut argument = match &path.loaded {
                Some(alias) => identifier(alias)?.to_owned(),
                None => "this".to_owned(),
            };
            // Behind `[]` there are many, and each step is taken from each of them.
            let mut is_many = false;
            for segment in &path.segments {
                let step = match segment {
                    Segment::Property(name) => format!("?.[{}]", json_text(name)),
                    Segment::At(index) => format!("?.[{index}]"),
                    Segment::Each => {
                        argument = format!("[{argument} ?? []].flat(2)");
                        is_many = true;
                        continue;
                    }
                };
                if is_many {
                    argument = format!("{argument}.map((it) => it{step})");
                } else {
                    argument.push_str(&step);
                }
            }
            Ok(if is_many {
                format!("{argument}.filter((it) => it ?? false)")
            } else {
                argument
            })
        }
        _ => Err(Error::invalid(
            "before 'update', 'load' takes a field, an id or a parameter",
        )),
    }
}

fn json_text(text: &str) -> String {
    serde_json::to_string(text).expect("any text can be a JSON string")
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn identifier(name: &str) -> Result<&str> {
    if is_identifier(name) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(name);
    }
    Err(Error::invalid(format!(
        "the alias '{name}' is no name in JavaScript"
    )))
}

/// Checks that a JSON text is an object, for callers that hold it raw.
pub(super) fn raw(text: &str) -> Result<Box<RawValue>> {
    RawValue::from_string(text.to_owned())
        .map_err(|reason| Error::invalid(format!("the JSON is not valid: {reason}")))
}
