//! Facets: what `facet(…)` and set-up documents ask to be counted.
//!
//! Invariant: how many facets, ranges and aggregations there are is bounded before anything is
//! read.

use std::collections::BTreeSet;

use serde_json::Value;

use super::condition::Conditions;
use super::lower::{Lowering, lower_facets};
use super::rql::{self, Call, Expression, ExpressionKind, Method, Query, SelectItem};
use super::values::{self, Parameters};
use crate::indexes::{FieldKey, FieldKind};
use crate::{Error, ErrorKind, Result};

/// The most facets of a query, set-ups included.
pub const MAX_FACETS: usize = 128;
/// The most ranges of a facet, and the most aggregations.
pub const MAX_FACET_PARTS: usize = 512;

/// The name of the group of all results.
const ALL_RESULTS: &str = "@AllResults";

/// One `facet(…)` of a `select`.
#[derive(Debug, Clone, PartialEq)]
pub enum FacetSource {
    /// A facet that the query spells out.
    Facet(Facet),
    /// The id of a document with facets.
    SetUp(String),
}

/// A way to group results, and what is computed for each group.
#[derive(Debug, Clone, PartialEq)]
pub struct Facet {
    /// Its name in the answer.
    pub name: String,
    /// The groups.
    pub by: FacetBy,
    /// What is computed beside the count.
    pub aggregations: Vec<FacetAggregation>,
    /// Which groups are shown, and in which order.
    pub options: FacetOptions,
}

/// What makes a group.
#[derive(Debug, Clone, PartialEq)]
pub enum FacetBy {
    /// All results together.
    All,
    /// Each term of a field.
    Terms(FieldKey),
    /// Ranges of a field's values.
    Ranges(Vec<FacetRange>),
}

/// One range.
#[derive(Debug, Clone, PartialEq)]
pub struct FacetRange {
    /// Its text, with the values of parameters.
    pub label: String,
    /// What is in it.
    pub conditions: Conditions,
}

/// What is computed of one field.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "any of four may be asked for"
)]
pub struct FacetAggregation {
    /// The field.
    pub field: FieldKey,
    /// Its name in the answer.
    pub name: String,
    /// `sum(…)`.
    pub sum: bool,
    /// `min(…)`.
    pub min: bool,
    /// `max(…)`.
    pub max: bool,
    /// `avg(…)`.
    pub average: bool,
}

/// Which groups are shown, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetOptions {
    /// By how many results, instead of by value.
    pub by_count: bool,
    /// The greatest first.
    pub descending: bool,
    /// Whether groups beyond the page are named.
    pub include_remaining: bool,
    /// How many groups to skip.
    pub start: usize,
    /// The most groups.
    pub page_size: usize,
}

impl Default for FacetOptions {
    fn default() -> Self {
        Self {
            by_count: false,
            descending: false,
            include_remaining: false,
            start: 0,
            page_size: usize::MAX,
        }
    }
}

impl FacetOptions {
    /// Reads options; clients write their names in either case.
    fn of_json(json: &Value) -> Result<Self> {
        let mut options = Self::default();
        match json {
            Value::Null => return Ok(options),
            Value::Object(_) => {}
            _ => return Err(Error::invalid("the options of a facet are an object")),
        }
        match member(json, "TermSortMode") {
            Some(Value::String(mode)) => {
                (options.by_count, options.descending) = match mode.as_str() {
                    "ValueAsc" => (false, false),
                    "ValueDesc" => (false, true),
                    "CountAsc" => (true, false),
                    "CountDesc" => (true, true),
                    other => {
                        return Err(Error::invalid(format!(
                            "'{}' is no order of a facet's terms; expected ValueAsc, ValueDesc, \
                             CountAsc or CountDesc",
                            other.escape_debug()
                        )));
                    }
                };
            }
            Some(Value::Null) | None => {}
            Some(_) => return Err(Error::invalid("'TermSortMode' is a text")),
        }
        options.include_remaining =
            member(json, "IncludeRemainingTerms").is_some_and(|it| *it == Value::Bool(true));
        let count = |name: &str| match member(json, name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64() {
                Some(count) => Ok(Some(usize::try_from(count).unwrap_or(usize::MAX))),
                None => Err(Error::invalid(format!(
                    "'{name}' of a facet is a whole number, not {value}"
                ))),
            },
        };
        options.start = count("Start")?.unwrap_or(0);
        options.page_size = count("PageSize")?.unwrap_or(usize::MAX);
        Ok(options)
    }
}

/// A member of an object, without regard to the case of its name.
pub(super) fn member<'a>(json: &'a Value, name: &str) -> Option<&'a Value> {
    let members = json.as_object()?;
    members
        .iter()
        .find(|(it, _)| it.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// Whether `items` are facets.
///
/// # Errors
/// `InvalidRequest` when only some are.
pub(super) fn are_facets(items: &[SelectItem]) -> Result<bool> {
    let is_facet = |it: &SelectItem| matches!(&it.value.kind, ExpressionKind::Call(call) if call.method == Method::Facet);
    let count = items.iter().filter(|it| is_facet(it)).count();
    if count == 0 {
        return Ok(false);
    }
    if count < items.len() {
        return Err(Error::invalid(
            "facets stand alone in 'select': other items cannot stand beside them",
        ));
    }
    if count > MAX_FACETS {
        return Err(too_many("facets in a query", MAX_FACETS));
    }
    Ok(true)
}

fn too_many(what: &str, limit: usize) -> Error {
    Error::new(
        ErrorKind::LimitExceeded,
        format!("there are more than {limit} {what}"),
    )
}

impl Lowering<'_> {
    /// Reads one `facet(…)`.
    pub(super) fn facet_source(&mut self, item: &SelectItem) -> Result<FacetSource> {
        let ExpressionKind::Call(call) = &item.value.kind else {
            return Err(Error::invalid("a facet must stand here"));
        };
        if let [only] = call.arguments.as_slice()
            && let ExpressionKind::Call(id) = &only.kind
            && id.method == Method::Id
        {
            let Some(document) = id.arguments.first() else {
                return Err(Error::invalid("id() in facet() takes the id of a set-up"));
            };
            // Text in quotes may have been read as a field.
            let id = match &document.kind {
                ExpressionKind::Field(path) => path.to_string(),
                _ => values::text(document, self.parameters)?,
            };
            return Ok(FacetSource::SetUp(id));
        }
        self.facet(call, item.alias.as_deref())
            .map(FacetSource::Facet)
    }

    fn facet(&mut self, call: &Call, alias: Option<&str>) -> Result<Facet> {
        if call.arguments.len() > MAX_FACET_PARTS {
            return Err(too_many("parts in a facet", MAX_FACET_PARTS));
        }
        let (mut name, mut terms, mut ranges) = (None, None, Vec::new());
        let mut ranged: Option<String> = None;
        let mut aggregations: Vec<FacetAggregation> = Vec::new();
        let mut options = FacetOptions::default();
        for argument in &call.arguments {
            match &argument.kind {
                ExpressionKind::Field(path) if terms.is_none() && ranges.is_empty() => {
                    name.get_or_insert_with(|| path.to_string());
                    terms = Some(self.field(path, FieldKind::Default));
                }
                ExpressionKind::Named { value, name: text } if is_range(value) => {
                    if terms.is_some() {
                        return Err(Error::invalid(
                            "a facet groups by the terms of a field or by ranges, not by both",
                        ));
                    }
                    let mut fields = BTreeSet::new();
                    range_fields(value, &mut fields);
                    fields.extend(ranged.take());
                    if fields.len() > 1 {
                        let names: Vec<String> = fields.into_iter().collect();
                        return Err(Error::invalid(format!(
                            "the ranges of a facet are of one field, not of {}; each field has a \
                             facet of its own",
                            names.join(" and ")
                        )));
                    }
                    ranged = fields.pop_first();
                    name = name.or_else(|| ranged.clone());
                    ranges.push(self.facet_range(value, text)?);
                }
                ExpressionKind::Named { value, name } => match &value.kind {
                    ExpressionKind::Call(call) => {
                        self.facet_aggregation(call, Some(name), &mut aggregations)?;
                    }
                    _ => return Err(Error::invalid("only aggregations have names in facet()")),
                },
                ExpressionKind::Call(call) => {
                    self.facet_aggregation(call, None, &mut aggregations)?;
                }
                ExpressionKind::Parameter(_) => {
                    let json = values::json_value(argument, self.parameters)?;
                    options = FacetOptions::of_json(&json)?;
                }
                _ => return Err(Error::invalid("this cannot stand in facet()")),
            }
        }
        let by = match terms {
            Some(field) => FacetBy::Terms(field),
            None if ranges.is_empty() => FacetBy::All,
            None => FacetBy::Ranges(ranges),
        };
        let name = alias.map(str::to_owned).or(name);
        Ok(Facet {
            name: name.unwrap_or_else(|| ALL_RESULTS.to_owned()),
            by,
            aggregations,
            options,
        })
    }

    fn facet_range(&mut self, range: &Expression, text: &str) -> Result<FacetRange> {
        let others = std::mem::take(&mut self.leaves);
        let root = self.condition(range, false);
        let leaves = std::mem::replace(&mut self.leaves, others);
        Ok(FacetRange {
            label: self.label(range, text)?,
            conditions: Conditions {
                root: root?,
                leaves,
            },
        })
    }

    /// The text of a range with values in place of parameters.
    fn label(&self, range: &Expression, text: &str) -> Result<String> {
        let mut parameters = Vec::new();
        find_parameters(range, &mut parameters);
        parameters.sort_by_key(|it| it.span.start);
        let mut label = String::with_capacity(text.len());
        let mut at = 0;
        for parameter in parameters {
            let from = parameter.span.start.saturating_sub(range.span.start);
            label.push_str(text.get(at..from).unwrap_or_default());
            label.push_str(&values::text(parameter, self.parameters)?);
            at = parameter.span.end.saturating_sub(range.span.start);
        }
        label.push_str(text.get(at..).unwrap_or_default());
        Ok(label)
    }

    fn facet_aggregation(
        &mut self,
        call: &Call,
        name: Option<&String>,
        aggregations: &mut Vec<FacetAggregation>,
    ) -> Result<()> {
        if call.method == Method::Count {
            // Counts are always there.
            return Ok(());
        }
        let Some(ExpressionKind::Field(path)) = call.arguments.first().map(|it| &it.kind) else {
            return Err(Error::invalid(format!("{}() takes a field", call.name)));
        };
        let field = self.field(path, FieldKind::Default);
        let name = name.cloned().unwrap_or_else(|| path.to_string());
        add_aggregation(aggregations, field, name, call.method)
    }
}

fn add_aggregation(
    aggregations: &mut Vec<FacetAggregation>,
    field: FieldKey,
    name: String,
    method: Method,
) -> Result<()> {
    let known = aggregations
        .iter()
        .position(|it| it.field == field && it.name == name);
    let at = known.unwrap_or_else(|| {
        aggregations.push(FacetAggregation {
            field,
            name,
            sum: false,
            min: false,
            max: false,
            average: false,
        });
        aggregations.len() - 1
    });
    let aggregation = &mut aggregations[at];
    match method {
        Method::Sum => aggregation.sum = true,
        Method::Min => aggregation.min = true,
        Method::Max => aggregation.max = true,
        Method::Average => aggregation.average = true,
        _ => {
            return Err(Error::invalid(
                "facets aggregate by count(), sum(), min(), max() and avg()",
            ));
        }
    }
    Ok(())
}

fn is_range(expression: &Expression) -> bool {
    matches!(
        expression.kind,
        ExpressionKind::Compare { .. }
            | ExpressionKind::Between { .. }
            | ExpressionKind::And(_)
            | ExpressionKind::Not(_)
    )
}

/// The fields that a range is of.
fn range_fields(range: &Expression, fields: &mut BTreeSet<String>) {
    match &range.kind {
        ExpressionKind::Compare { left: value, .. } | ExpressionKind::Between { value, .. } => {
            if let ExpressionKind::Field(path) = &value.kind {
                fields.insert(path.to_string());
            }
        }
        ExpressionKind::And(parts) => parts.iter().for_each(|it| range_fields(it, fields)),
        ExpressionKind::Not(inner) => range_fields(inner, fields),
        _ => {}
    }
}

fn find_parameters<'a>(expression: &'a Expression, found: &mut Vec<&'a Expression>) {
    match &expression.kind {
        ExpressionKind::Parameter(_) => found.push(expression),
        ExpressionKind::And(parts) | ExpressionKind::Or(parts) => {
            parts.iter().for_each(|it| find_parameters(it, found));
        }
        ExpressionKind::Not(inner) => find_parameters(inner, found),
        ExpressionKind::Compare { left, right, .. } => {
            find_parameters(left, found);
            find_parameters(right, found);
        }
        ExpressionKind::Between { value, from, to } => {
            [value, from, to]
                .into_iter()
                .for_each(|it| find_parameters(it, found));
        }
        ExpressionKind::In { value, list, .. } => {
            find_parameters(value, found);
            list.iter().for_each(|it| find_parameters(it, found));
        }
        _ => {}
    }
}

/// The facets of a set-up document.
///
/// # Errors
/// `InvalidRequest` that names the document and what is wrong with it.
pub(super) fn facets_of_set_up(
    id: &str,
    body: &str,
    query: &Query,
    parameters: &Parameters,
) -> Result<Vec<Facet>> {
    let wrong = |what: String| Error::invalid(format!("the facet set-up '{id}': {what}"));
    let json: Value = serde_json::from_str(body)
        .map_err(|reason| Error::corrupted(format!("the document '{id}': {reason}")))?;
    let list = |name: &str| match member(&json, name) {
        None | Some(Value::Null) => Ok(&[][..]),
        Some(Value::Array(items)) => Ok(items.as_slice()),
        Some(_) => Err(wrong(format!("'{name}' is a list"))),
    };
    let mut facets = Vec::new();
    for facet in list("Facets")? {
        let field = member(facet, "FieldName").and_then(Value::as_str);
        let field = field.filter(|it| !it.is_empty());
        let display = member(facet, "DisplayFieldName").and_then(Value::as_str);
        let options = member(facet, "Options").unwrap_or(&Value::Null);
        facets.push(Facet {
            name: display.or(field).unwrap_or(ALL_RESULTS).to_owned(),
            by: field.map_or(FacetBy::All, |it| {
                FacetBy::Terms(FieldKey::new(it, FieldKind::Default))
            }),
            aggregations: aggregations_of(facet).map_err(wrong)?,
            options: FacetOptions::of_json(options).map_err(|it| wrong(it.message().to_owned()))?,
        });
    }
    for facet in list("RangeFacets")? {
        let ranges = member(facet, "Ranges").and_then(Value::as_array);
        let ranges: Vec<&str> = ranges
            .map_or(&[][..], Vec::as_slice)
            .iter()
            .map(|it| {
                it.as_str()
                    .ok_or_else(|| wrong("a range is a text".to_owned()))
            })
            .collect::<Result<_>>()?;
        if ranges.is_empty() {
            return Err(wrong("a range facet lacks 'Ranges'".to_owned()));
        }
        let text = format!("from @all_docs select facet({})", ranges.join(", "));
        let parsed = rql::parse(&text).map_err(|it| wrong(it.render(&text)))?;
        let parsed = Query {
            source: query.source.clone(),
            ..parsed
        };
        for source in lower_facets(&parsed, parameters)? {
            let FacetSource::Facet(mut made) = source else {
                return Err(wrong("a range facet names another set-up".to_owned()));
            };
            made.aggregations = aggregations_of(facet).map_err(wrong)?;
            if let Some(name) = member(facet, "DisplayFieldName").and_then(Value::as_str) {
                name.clone_into(&mut made.name);
            }
            facets.push(made);
        }
    }
    if facets.len() > MAX_FACETS {
        return Err(too_many("facets in a set-up", MAX_FACETS));
    }
    Ok(facets)
}

/// `{"Sum": [{"Name": "Price", "DisplayName": "total"}], …}`; older set-ups have plain names.
fn aggregations_of(facet: &Value) -> Result<Vec<FacetAggregation>, String> {
    let mut aggregations = Vec::new();
    let Some(Value::Object(members)) = member(facet, "Aggregations") else {
        return Ok(aggregations);
    };
    for (kind, fields) in members {
        let method = match kind.to_ascii_lowercase().as_str() {
            "sum" => Method::Sum,
            "min" => Method::Min,
            "max" => Method::Max,
            "average" => Method::Average,
            "none" | "count" => continue,
            _ => return Err(format!("there is no aggregation '{}'", kind.escape_debug())),
        };
        let one = std::slice::from_ref(fields);
        for field in fields.as_array().map_or(one, Vec::as_slice) {
            let name = field
                .as_str()
                .or_else(|| member(field, "Name").and_then(Value::as_str))
                .ok_or_else(|| format!("{kind} lacks the name of a field"))?;
            let display = member(field, "DisplayName").and_then(Value::as_str);
            let display = display.unwrap_or(name).to_owned();
            let key = FieldKey::new(name, FieldKind::Default);
            add_aggregation(&mut aggregations, key, display, method)
                .map_err(|it| it.message().to_owned())?;
        }
        if aggregations.len() > MAX_FACET_PARTS {
            return Err(format!(
                "there are more than {MAX_FACET_PARTS} aggregations"
            ));
        }
    }
    Ok(aggregations)
}
