//! A query that was read: parsed, lowered, and what its results look like.

use super::facet::member;
use super::highlight::Highlight;
use super::lower::{Lowered, OnlyIds, OrderKey, Output, lower, only_ids};
use super::project::{Projection, ProjectionBehavior};
use super::rql::{self, Expression, ExpressionKind, Method, Query, Select, Source};
use super::values::Parameters;
use crate::document::IncludePath;
use crate::parts::{IS_WHOLE, not_loaded};
use crate::{Error, ErrorKind, Result};

/// A query, ready to be planned and answered.
#[derive(Debug, Clone)]
pub struct PreparedQuery {
    /// The syntax tree.
    pub query: Query,
    /// The parameters that came with it.
    pub parameters: Parameters,
    /// What an index is asked.
    pub lowered: Lowered,
    /// What results look like.
    pub projection: Projection,
    /// What results refer to that is wanted too.
    pub includes: Vec<IncludePath>,
    /// The texts of the includes.
    pub included_paths: Vec<String>,
    /// Of which revisions come along: paths of change vectors, or dates.
    pub included_revisions: Vec<String>,
    /// Whether equal results are shown once.
    pub is_distinct: bool,
    /// Whether the time that parts took is to be told.
    pub with_timings: bool,
    /// Texts that are shown with found words marked.
    pub highlights: Vec<Highlight>,
    /// Whether it is told why each result was found.
    pub with_explanations: bool,
    /// The field whose value explanations are listed under, instead of the document's id.
    pub explanation_key: Option<String>,
    /// Whether fan-out entries of one document are all shown.
    pub skips_duplicate_check: bool,
    /// Where fields come from that the index keeps too.
    pub projection_behavior: ProjectionBehavior,
}

impl PreparedQuery {
    /// Reads a query.
    ///
    /// # Errors
    /// `InvalidRequest` with line and column; `Unsupported` for what this version cannot do.
    pub fn parse(text: &str, parameters: Parameters) -> Result<Self> {
        let query = rql::parse(text).map_err(|error| error.into_error(text))?;
        Self::of(query, parameters)
    }

    /// Prepares a syntax tree.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn of(query: Query, parameters: Parameters) -> Result<Self> {
        let lowered = lower(&query, &parameters)?;
        let projection = match lowered.output {
            Output::Rows => Projection::of(&query, &parameters)?,
            _ => Projection::Whole,
        };
        let (mut includes, mut included_paths, mut with_timings) = (Vec::new(), Vec::new(), false);
        let mut included_revisions = Vec::new();
        let (mut highlights, mut with_explanations) = (Vec::new(), false);
        let mut explanation_key = None;
        for include in &query.include {
            match include_of(include, &parameters)? {
                Include::Path(path) => {
                    includes.push(IncludePath::parse(&path)?);
                    included_paths.push(path);
                }
                Include::Revisions(texts) => included_revisions.extend(texts),
                Include::Timings => with_timings = true,
                Include::Explanations(key) => {
                    with_explanations = true;
                    explanation_key = key;
                }
                Include::Highlight(highlight) => highlights.push(highlight),
            }
        }
        let is_distinct = match &query.select {
            // No document is the same as another.
            Some(Select::Items { items, .. }) if items.is_empty() => false,
            Some(Select::Items { distinct, .. } | Select::Object { distinct, .. }) => *distinct,
            None => false,
        };
        Ok(Self {
            query,
            parameters,
            lowered,
            projection,
            includes,
            included_paths,
            included_revisions,
            is_distinct,
            with_timings,
            highlights,
            with_explanations,
            explanation_key,
            skips_duplicate_check: false,
            projection_behavior: ProjectionBehavior::default(),
        })
    }

    /// What documents answer without an index, if they do.
    pub fn only_ids(&self) -> Option<OnlyIds> {
        if self.lowered.needs_index || self.is_distinct {
            return None;
        }
        only_ids(&self.lowered.conditions)
    }

    /// Whether results are whole documents, and nothing but the index decides which.
    pub(super) fn shows_only_documents(&self) -> bool {
        let mut orders = self.lowered.orders.iter();
        matches!(self.lowered.output, Output::Rows)
            && matches!(self.projection, Projection::Whole)
            && self.lowered.filter.is_none()
            && self.includes.is_empty()
            && self.highlights.is_empty()
            && !self.with_explanations
            && !orders.any(|it| matches!(it.by, OrderKey::Distance { .. }))
    }

    /// Whether the same states always give the same answer.
    pub fn is_repeatable(&self) -> bool {
        let mut orders = self.lowered.orders.iter();
        !orders.any(|it| matches!(it.by, OrderKey::Random(None)))
    }

    /// Checks that the answer is made of documents or groups.
    ///
    /// # Errors
    /// `InvalidRequest` when it is made of facets or suggestions; `what` says what needs documents.
    pub fn check_rows(&self, what: &str) -> Result<()> {
        match self.lowered.output {
            Output::Rows => Ok(()),
            _ => Err(Error::invalid(format!(
                "{what} needs documents; this query asks for facets or suggestions"
            ))),
        }
    }

    /// The name of the collection, if it is one's documents that are asked for.
    pub fn collection(&self) -> Option<&str> {
        match &self.query.source {
            Source::Collection(name) => Some(name),
            Source::AllDocuments | Source::Index(_) => None,
        }
    }
}

enum Include {
    Path(String),
    Revisions(Vec<String>),
    Timings,
    Explanations(Option<String>),
    Highlight(Highlight),
}

fn include_of(expression: &Expression, parameters: &Parameters) -> Result<Include> {
    match &expression.kind {
        ExpressionKind::Field(path) => Ok(Include::Path(path.to_string())),
        ExpressionKind::Literal(rql::Literal::Text(text)) => Ok(Include::Path(text.clone())),
        ExpressionKind::Call(call) if call.method == Method::Timings => Ok(Include::Timings),
        ExpressionKind::Call(call)
            if !IS_WHOLE && matches!(call.method, Method::Explanations | Method::Highlight) =>
        {
            Err(not_loaded(&format!("including {}()", call.name)))
        }
        ExpressionKind::Call(call) if call.method == Method::Explanations => {
            let options = call.arguments.first();
            let options = options.map(|it| super::values::json_value(it, parameters));
            let options = options.transpose()?.unwrap_or_default();
            let key = member(&options, "GroupKey").and_then(serde_json::Value::as_str);
            let key = key.filter(|it| !it.is_empty()).map(str::to_owned);
            Ok(Include::Explanations(key))
        }
        ExpressionKind::Call(call) if call.method == Method::Highlight => {
            Highlight::of_call(call, parameters).map(Include::Highlight)
        }
        ExpressionKind::Call(call) if call.method == Method::Revisions => {
            let texts = call.arguments.iter().map(|it| match &it.kind {
                ExpressionKind::Field(path) => Ok(path.to_string()),
                _ => super::values::text(it, parameters),
            });
            texts.collect::<Result<_>>().map(Include::Revisions)
        }
        ExpressionKind::Call(call) => Err(unsupported(&format!("including {}()", call.name))),
        _ => Err(Error::invalid("a path must stand in 'include'")),
    }
}

fn unsupported(what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{what} is not implemented yet"),
    )
}
