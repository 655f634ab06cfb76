//! Rows that a script makes: what formulas cannot express goes to the host's script engine.
//!
//! The engine is handed a row and the documents that are at hand, and answers the row's JSON or the
//! ids of documents without which it cannot be made.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::project::{AtHand, Row};
use super::rql::{Call, Expression, ExpressionKind, Method, Query, Script, Segment, SelectItem};
use super::values::{Parameters, json_value};
use crate::document::to_id_key;
use crate::host::{ScriptCall, ScriptEngine, ScriptPart, ScriptProgram, Timestamp, restore_texts};
use crate::{Error, ErrorKind, Result};

const PRELUDE: &str = include_str!("row_prelude.js");

/// A script that makes rows.
#[derive(Debug, Clone)]
pub struct RowScript {
    program: Arc<ScriptProgram>,
    alias: String,
    parameters: String,
}

/// What the engine answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Answered {
    needs: Vec<String>,
    result: Option<String>,
}

impl RowScript {
    /// A script whose rows are `script`'s objects.
    pub(super) fn of_object(query: &Query, parameters: &Parameters, script: &Script) -> Self {
        Self::new(query, parameters, &script.text)
    }

    /// A script whose rows a declared function makes.
    ///
    /// # Errors
    /// `InvalidRequest` for an argument that is no value.
    pub(super) fn of_call(query: &Query, parameters: &Parameters, call: &Call) -> Result<Self> {
        let arguments = call.arguments.iter();
        let arguments: Vec<String> = arguments
            .map(|it| argument(query, parameters, it))
            .collect::<Result<_>>()?;
        let text = format!("{}({})", call.name, arguments.join(", "));
        Ok(Self::new(query, parameters, &text))
    }

    /// A script whose rows have what declared functions make, beside fields.
    ///
    /// # Errors
    /// `InvalidRequest` for an argument that is no value, `Unsupported` for what stands beside no
    /// function.
    pub(super) fn of_items(
        query: &Query,
        parameters: &Parameters,
        items: &[SelectItem],
    ) -> Result<Self> {
        let mut members = Vec::with_capacity(items.len());
        for item in items {
            let (name, text) = match &item.value.kind {
                ExpressionKind::Call(call) if call.method == Method::Declared => {
                    let arguments = call.arguments.iter();
                    let arguments: Vec<String> = arguments
                        .map(|it| argument(query, parameters, it))
                        .collect::<Result<_>>()?;
                    (
                        call.name.clone(),
                        format!("{}({})", call.name, arguments.join(", ")),
                    )
                }
                ExpressionKind::Call(call) if call.method == Method::Id => {
                    ("id".to_owned(), format!("id({})", alias_of(query)))
                }
                ExpressionKind::Call(call) => {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        format!("{}() beside a declared function in 'select'", call.name),
                    ));
                }
                ExpressionKind::Field(path) => {
                    let from = path.loaded.clone().unwrap_or_else(|| alias_of(query));
                    let name = match path.segments.is_empty() {
                        true => from.clone(),
                        false => path.to_string(),
                    };
                    let steps: Vec<_> = path.segments.iter().map(step).collect();
                    (name, format!("valueAt({from}, {})", json!(steps)))
                }
                _ => {
                    let value = json_value(&item.value, parameters)?;
                    let name = value.as_str().map(str::to_owned);
                    (name.unwrap_or_else(|| value.to_string()), value.to_string())
                }
            };
            let name = item.alias.clone().unwrap_or(name);
            members.push(format!("{}: {text} ?? null", json!([name])));
        }
        Ok(Self::new(
            query,
            parameters,
            &format!("{{ {} }}", members.join(", ")),
        ))
    }

    fn new(query: &Query, parameters: &Parameters, row: &str) -> Self {
        let alias = alias_of(query);
        let mut names = vec![alias.clone()];
        names.extend(query.load.iter().map(|it| it.alias.clone()));
        let mut parts = vec![ScriptPart::prelude("prelude", PRELUDE)];
        parts.extend(query.functions.iter().map(|it| ScriptPart {
            name: it.name.clone(),
            text: it.script.text.clone(),
            lines_before: 0,
        }));
        parts.push(ScriptPart {
            name: "select".to_owned(),
            text: format!(
                "globalThis.main = makeRows(({{ {} }}) => (\n{row}\n));",
                names.join(", ")
            ),
            lines_before: 1,
        });
        Self {
            program: Arc::new(ScriptProgram { parts }),
            alias,
            parameters: serde_json::to_string(parameters).expect("parameters have text keys"),
        }
    }

    /// Makes a row, or answers the ids of documents without which it cannot be made.
    ///
    /// # Errors
    /// Those of the script.
    pub(super) async fn run(
        &self,
        engine: &dyn ScriptEngine,
        now: Timestamp,
        row: &Row<'_>,
        at_hand: &AtHand,
        asked: &[String],
        json: &mut Vec<u8>,
    ) -> Result<Vec<String>> {
        let call = ScriptCall {
            program: Arc::clone(&self.program),
            input: self.input(row, at_hand, asked)?,
            now,
        };
        let input = call.input.clone();
        let answer = engine.call(call).await?;
        let answer: Answered = serde_json::from_str(&answer).map_err(|reason| {
            Error::new(
                ErrorKind::Internal,
                format!("the script of a 'select' answered badly: {reason}"),
            )
        })?;
        let result = restore_texts(&input, answer.result.unwrap_or_else(|| "{}".to_owned()));
        match result.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
            Some(inner) => json.extend_from_slice(inner.as_bytes()),
            None => return Err(Error::invalid("'select' must make objects")),
        }
        Ok(answer.needs)
    }

    fn input(&self, row: &Row<'_>, at_hand: &AtHand, asked: &[String]) -> Result<String> {
        let own = row.own_text()?;
        let mut text = format!("{{\"row\":{{{}:{own}", json!(self.alias));
        for (name, document) in row.loaded {
            text.push_str(&format!(",{}:{document}", json!(name)));
        }
        text.push_str("},\"known\":{");
        for (at, id) in asked.iter().enumerate() {
            let document = at_hand.get(&to_id_key(id)).and_then(Option::as_deref);
            let comma = if at > 0 { "," } else { "" };
            text.push_str(&format!(
                "{comma}{}:{}",
                json!(id),
                document.unwrap_or("null")
            ));
        }
        text.push_str("},\"parameters\":");
        text.push_str(&self.parameters);
        text.push('}');
        Ok(text)
    }
}

fn alias_of(query: &Query) -> String {
    query.alias.clone().unwrap_or_else(|| "self".to_owned())
}

/// A step of a path as `valueAt` takes it: a name, a position, or null for each item.
fn step(segment: &Segment) -> serde_json::Value {
    match segment {
        Segment::Property(name) => json!(name),
        Segment::At(at) => json!(at),
        Segment::Each => serde_json::Value::Null,
    }
}

/// An argument of a declared function as JavaScript.
fn argument(query: &Query, parameters: &Parameters, argument: &Expression) -> Result<String> {
    let ExpressionKind::Field(path) = &argument.kind else {
        return Ok(json_value(argument, parameters)?.to_string());
    };
    let mut text = path.loaded.clone().unwrap_or_else(|| alias_of(query));
    for segment in &path.segments {
        match segment {
            Segment::Property(name) => text.push_str(&format!("?.[{}]", json!(name))),
            Segment::At(at) => text.push_str(&format!("?.[{at}]")),
            Segment::Each => {
                return Err(Error::invalid(
                    "functions take a list as a whole: leave out '[]'",
                ));
            }
        }
    }
    Ok(text)
}
