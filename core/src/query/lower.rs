//! From the syntax tree of a query to what an index is asked.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::condition::{Condition, Conditions, Leaf, Search};
use super::facet::{self, FacetSource};
use super::filter::Filter;
use super::lucene;
use super::row_test::RowTest;
use super::rql::{
    Call, Comparison, Expression, ExpressionKind, GroupKey, Method, OrderBy, OrderType, Path,
    Query, Select, Source,
};
use super::suggestion::{self, Suggestion};
use super::values::{self, Parameters};
use crate::document::to_id_key;
use crate::indexes::{
    Aggregation, AutoDefinition, FieldKey, FieldKind, FieldValue, GroupField, Grouping,
};
use crate::parts::{IS_WHOLE, not_loaded};
use crate::spatial::Shape;
use crate::storage::KeyRange;
use crate::{Error, ErrorKind, Result};

/// What results are sorted by.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// What is compared.
    pub by: OrderKey,
    /// How, if the query says so.
    pub order_type: Option<OrderType>,
    /// From the greatest to the least.
    pub descending: bool,
    /// Whether results without a value come first; by default where the least come.
    pub nulls_first: Option<bool>,
}

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderKey {
    /// A field.
    Field(FieldKey),
    /// The document's id.
    Id,
    /// How well it matches, best first.
    Score,
    /// How far it is from a place.
    Distance {
        /// The field with places.
        field: FieldKey,
        /// From where.
        from: Arc<Shape>,
        /// Distances within the same step count as equal; 0 for exact ones.
        step_km: f64,
    },
    /// Chance, by a seed if there is one.
    Random(Option<String>),
}

/// What the answer lists.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Documents, groups or projections of them.
    Rows,
    /// What is in groups of them.
    Facets(Vec<FacetSource>),
    /// Terms like those that were typed.
    Suggestions(Vec<Suggestion>),
}

/// A query, ready to be answered.
#[derive(Debug, Clone)]
pub struct Lowered {
    /// What is answered.
    pub output: Output,
    /// The condition.
    pub conditions: Conditions,
    /// What is checked on each document that was found.
    pub filter: Option<Arc<Filter>>,
    /// After how many documents the check stops.
    pub filter_limit: usize,
    /// The order.
    pub orders: Vec<Order>,
    /// The automatic index that could answer it.
    pub wanted: AutoDefinition,
    /// How many results to skip.
    pub skip: usize,
    /// The most results; `None` for all.
    pub take: Option<usize>,
    /// Whether anything but ids is asked for.
    pub needs_index: bool,
}

/// Lowers a query.
///
/// # Errors
/// `InvalidRequest` for what makes no sense, `Unsupported` for what this version cannot do.
pub fn lower(query: &Query, parameters: &Parameters) -> Result<Lowered> {
    let mut lowering = Lowering::new(query, parameters)?;
    let root = match &query.condition {
        Some(condition) => lowering.condition(condition, false)?,
        None => Condition::All,
    };
    let orders = query
        .order_by
        .iter()
        .map(|order| lowering.order(order))
        .collect::<Result<Vec<_>>>()?;
    lowering.add_selected(query)?;
    let output = lowering.output(query)?;
    let conditions = Conditions {
        root,
        leaves: std::mem::take(&mut lowering.leaves),
    };
    let filter = lowering.filter(query)?;
    if filter.is_some() && output != Output::Rows {
        return Err(Error::invalid(
            "facets and suggestions are of all that 'where' finds: 'filter' cannot stand beside them",
        ));
    }
    // Clients write `limit $p0, $p1` and leave one of the two without a value.
    let paging = |part: &Option<Expression>| match part {
        None => Ok(None),
        Some(part) => match values::json_value(part, parameters)? {
            serde_json::Value::Null => Ok(None),
            _ => values::count(part, parameters).map(Some),
        },
    };
    let (skip, take) = (paging(&query.paging.skip)?, paging(&query.paging.take)?);
    let filter_limit = paging(&query.paging.filter_limit)?;
    let needs_index = lowering.needs_index || !orders.is_empty();
    Ok(Lowered {
        output,
        conditions,
        filter,
        filter_limit: filter_limit.unwrap_or(usize::MAX),
        orders,
        wanted: lowering.wanted,
        skip: skip.unwrap_or(0),
        take,
        needs_index,
    })
}

/// The facets of a query that has nothing else.
///
/// # Errors
/// As [`lower`].
pub(super) fn lower_facets(query: &Query, parameters: &Parameters) -> Result<Vec<FacetSource>> {
    match Lowering::new(query, parameters)?.output(query)? {
        Output::Facets(sources) => Ok(sources),
        _ => Ok(Vec::new()),
    }
}

pub(super) struct Lowering<'a> {
    query: &'a Query,
    pub(super) parameters: &'a Parameters,
    pub(super) leaves: Vec<Leaf>,
    pub(super) wanted: AutoDefinition,
    is_grouped: bool,
    is_of_index: bool,
    group_by: &'a [GroupKey],
    needs_index: bool,
}

fn unsupported(what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{what} is not implemented yet"),
    )
}

impl<'a> Lowering<'a> {
    pub(super) fn new(query: &'a Query, parameters: &'a Parameters) -> Result<Self> {
        let collection = match &query.source {
            Source::Collection(name) => Some(name.clone()),
            Source::AllDocuments | Source::Index(_) => None,
        };
        let is_grouped = !query.group_by.is_empty();
        if is_grouped && matches!(query.source, Source::Index(_)) {
            return Err(Error::invalid(
                "an index groups by itself: 'group by' stands in queries of collections only",
            ));
        }
        let grouping = is_grouped.then(|| Grouping {
            fields: query.group_by.iter().map(group_field).collect(),
            aggregations: BTreeSet::new(),
        });
        Ok(Self {
            query,
            parameters,
            leaves: Vec::new(),
            wanted: AutoDefinition {
                collection,
                fields: BTreeSet::new(),
                grouping,
            },
            is_grouped,
            is_of_index: matches!(query.source, Source::Index(_)),
            group_by: &query.group_by,
            needs_index: is_grouped || matches!(query.source, Source::Index(_)),
        })
    }

    /// What results show of a group has to be computed; distinct values have to be known.
    fn add_selected(&mut self, query: &Query) -> Result<()> {
        if let Some(Select::Items { distinct, items }) = &query.select {
            for item in items {
                match &item.value.kind {
                    ExpressionKind::Call(call) if self.is_grouped => {
                        self.group_result(call)?;
                    }
                    // Results of an index may show what only their documents have.
                    ExpressionKind::Field(path)
                        if *distinct && path.loaded.is_none() && !self.is_of_index =>
                    {
                        self.field(path, FieldKind::Default);
                    }
                    _ => {}
                }
            }
        }
        if let Some(grouping) = &mut self.wanted.grouping
            && grouping.aggregations.is_empty()
        {
            grouping.aggregations.insert(Aggregation::Count);
        }
        Ok(())
    }

    fn output(&mut self, query: &Query) -> Result<Output> {
        let Some(Select::Items { items, .. }) = &query.select else {
            return Ok(Output::Rows);
        };
        let is_of_facets = facet::are_facets(items)?;
        if !is_of_facets && !suggestion::are_suggestions(items)? {
            return Ok(Output::Rows);
        }
        if !IS_WHOLE {
            return Err(not_loaded("selecting facets and suggestions"));
        }
        if self.is_grouped {
            return Err(Error::invalid(
                "facets and suggestions are of documents or of an index, not of 'group by'",
            ));
        }
        self.needs_index = true;
        if !is_of_facets {
            let suggestions = items.iter().map(|it| self.suggestion(it, &query.source));
            return suggestions.collect::<Result<_>>().map(Output::Suggestions);
        }
        let sources = items.iter().map(|it| self.facet_source(it));
        let sources: Vec<FacetSource> = sources.collect::<Result<_>>()?;
        let has_set_up = sources.iter().any(|it| matches!(it, FacetSource::SetUp(_)));
        if has_set_up && !matches!(query.source, Source::Index(_)) {
            return Err(Error::invalid(
                "a facet set-up needs an index: 'from index …' must name one",
            ));
        }
        Ok(Output::Facets(sources))
    }

    pub(super) fn leaf(&mut self, leaf: Leaf) -> Condition {
        self.leaves.push(leaf);
        Condition::Leaf(self.leaves.len() - 1)
    }

    pub(super) fn field(&mut self, path: &Path, kind: FieldKind) -> FieldKey {
        self.needs_index = true;
        let mut name = path.to_string();
        if self.is_of_index && name.contains("[]") {
            // What its objects hold in lists has the names of their members.
            name = name.replace("[]", "");
        }
        let key = FieldKey::new(name, kind);
        let is_key = || self.group_by.iter().any(|it| it.path == *path);
        if !self.is_grouped || (kind != FieldKind::Default && is_key()) {
            self.wanted.fields.insert(key.clone());
            return key;
        }
        FieldKey::new(key.name, FieldKind::Default)
    }

    /// In a grouped query only the keys have words.
    fn check_has_words(&self, path: &Path) -> Result<()> {
        if self.is_grouped && !self.group_by.iter().any(|it| it.path == *path) {
            return Err(Error::invalid(format!(
                "grouped queries search for words in what they group by; '{path}' is nothing of \
                 that"
            )));
        }
        Ok(())
    }

    pub(super) fn is_of_index(&self) -> bool {
        self.is_of_index
    }

    /// A spatial field, which an automatic index has to have.
    pub(super) fn spatial_key(&mut self, name: String) -> Result<FieldKey> {
        if self.is_grouped {
            return Err(Error::invalid(
                "groups lie nowhere: places are searched in documents and in indexes, not after \
                 'group by'",
            ));
        }
        self.needs_index = true;
        let key = FieldKey::new(name, FieldKind::Spatial);
        self.wanted.fields.insert(key.clone());
        Ok(key)
    }

    /// The field of a group's result that a call stands for.
    fn group_result(&mut self, call: &Call) -> Result<Option<FieldKey>> {
        let Some(grouping) = &mut self.wanted.grouping else {
            return Ok(None);
        };
        if call.method == Method::Key {
            return match self.group_by {
                [key] => Ok(Some(FieldKey::new(
                    key.path.to_string(),
                    FieldKind::Default,
                ))),
                _ => Ok(None),
            };
        }
        let Some(aggregation) = aggregation_of(call)? else {
            return Ok(None);
        };
        let name = aggregation.field_name().into_owned();
        grouping.aggregations.insert(aggregation);
        Ok(Some(FieldKey::new(name, FieldKind::Default)))
    }

    fn operand(&mut self, expression: &Expression, exact: bool) -> Result<Operand> {
        match &expression.kind {
            ExpressionKind::Field(path) if path.loaded.is_some() => Err(Error::invalid(
                "loaded documents cannot be filtered by; 'load' serves 'select' only",
            )),
            ExpressionKind::Field(path) => {
                let kind = if exact {
                    FieldKind::Exact
                } else {
                    FieldKind::Default
                };
                let path = self.group_alias(path);
                Ok(Operand::Field(self.field(&path, kind)))
            }
            ExpressionKind::Call(call) if call.method == Method::Id => Ok(Operand::Id),
            ExpressionKind::Call(call) if self.is_grouped => match self.group_result(call)? {
                Some(field) => Ok(Operand::Field(field)),
                None => Err(Error::invalid(format!(
                    "{}() cannot be compared here",
                    call.name
                ))),
            },
            ExpressionKind::Call(call) => {
                Err(Error::invalid(format!("{}() needs 'group by'", call.name)))
            }
            _ => Err(Error::invalid("a field must stand before the operator")),
        }
    }

    /// In a grouped query, the path that an alias of a key stands for.
    fn group_alias(&self, path: &Path) -> Path {
        let alias = path.as_property();
        let key = self
            .group_by
            .iter()
            .find(|it| alias.is_some() && it.alias.as_deref() == alias);
        key.map_or_else(|| path.clone(), |it| it.path.clone())
    }

    pub(super) fn condition(&mut self, expression: &Expression, exact: bool) -> Result<Condition> {
        match &expression.kind {
            ExpressionKind::Literal(super::rql::Literal::Bool(value)) => Ok(if *value {
                Condition::All
            } else {
                Condition::Nothing
            }),
            ExpressionKind::Not(inner) => {
                Ok(Condition::Not(Box::new(self.condition(inner, exact)?)))
            }
            ExpressionKind::And(parts) => self.conditions(parts, exact).map(Condition::And),
            ExpressionKind::Or(parts) => self.conditions(parts, exact).map(Condition::Or),
            ExpressionKind::Compare {
                comparison,
                left,
                right,
            } => self.compare(*comparison, left, right, exact),
            ExpressionKind::Between { value, from, to } => {
                let from = values::field_value(from, self.parameters)?;
                let to = values::field_value(to, self.parameters)?;
                if std::mem::discriminant(&from) != std::mem::discriminant(&to) {
                    return Err(Error::invalid(
                        "the two values of 'between' must be of the same type",
                    ));
                }
                match self.operand(value, exact)? {
                    Operand::Field(field) => Ok(self.leaf(Leaf::Between {
                        field,
                        from: Some((from, true)),
                        to: Some((to, true)),
                    })),
                    Operand::Id => Ok(self.leaf(Leaf::IdBetween(KeyRange {
                        start: Bound::Included(to_id_key(&from.to_text())),
                        end: Bound::Included(to_id_key(&to.to_text())),
                    }))),
                }
            }
            ExpressionKind::In { value, list, all } => {
                let values = values::field_values(list, self.parameters)?;
                let operand = self.operand(value, exact)?;
                Ok(self.any_of(operand, values, *all))
            }
            ExpressionKind::Call(call) => self.call(call, exact),
            _ => Err(Error::invalid("a condition must stand here")),
        }
    }

    fn conditions(&mut self, parts: &[Expression], exact: bool) -> Result<Vec<Condition>> {
        parts.iter().map(|it| self.condition(it, exact)).collect()
    }

    fn any_of(&mut self, operand: Operand, values: Vec<FieldValue>, all: bool) -> Condition {
        let field = match operand {
            Operand::Field(field) => field,
            Operand::Id => {
                let keys = values.iter().map(|it| to_id_key(&it.to_text())).collect();
                return self.leaf(Leaf::Ids(keys));
            }
        };
        if values.is_empty() {
            return if all {
                Condition::All
            } else {
                Condition::Nothing
            };
        }
        if !all {
            return self.leaf(Leaf::AnyOf { field, values });
        }
        let mut parts = Vec::with_capacity(values.len());
        for value in values {
            parts.push(self.leaf(Leaf::AnyOf {
                field: field.clone(),
                values: vec![value],
            }));
        }
        Condition::And(parts)
    }

    fn compare(
        &mut self,
        comparison: Comparison,
        left: &Expression,
        right: &Expression,
        exact: bool,
    ) -> Result<Condition> {
        let value = values::field_value(right, self.parameters)?;
        let operand = self.operand(left, exact)?;
        match comparison {
            Comparison::Equal => return Ok(self.any_of(operand, vec![value], false)),
            Comparison::NotEqual => {
                let exists = match &operand {
                    Operand::Field(field) => Some(field.name.clone()),
                    Operand::Id => None,
                };
                let equal = self.any_of(operand, vec![value], false);
                let differs = Condition::Not(Box::new(equal));
                return Ok(match exists {
                    None => differs,
                    Some(name) => Condition::And(vec![self.leaf(Leaf::Exists { name }), differs]),
                });
            }
            _ => {}
        }
        let Operand::Field(field) = operand else {
            let key = to_id_key(&value.to_text());
            let (start, end) = match comparison {
                Comparison::Less => (Bound::Unbounded, Bound::Excluded(key)),
                Comparison::LessOrEqual => (Bound::Unbounded, Bound::Included(key)),
                Comparison::Greater => (Bound::Excluded(key), Bound::Unbounded),
                _ => (Bound::Included(key), Bound::Unbounded),
            };
            return Ok(self.leaf(Leaf::IdBetween(KeyRange { start, end })));
        };
        let (from, to) = match comparison {
            Comparison::Less => (None, Some((value, false))),
            Comparison::LessOrEqual => (None, Some((value, true))),
            Comparison::Greater => (Some((value, false)), None),
            _ => (Some((value, true)), None),
        };
        Ok(self.leaf(Leaf::Between { field, from, to }))
    }

    fn call(&mut self, call: &Call, exact: bool) -> Result<Condition> {
        let argument = |at: usize| {
            call.arguments
                .get(at)
                .ok_or_else(|| Error::invalid(format!("{}() lacks an argument", call.name)))
        };
        match call.method {
            Method::Declared => {
                let test = RowTest::of_call(self.query, self.parameters, call)?;
                Ok(self.leaf(Leaf::Function(Box::new(test))))
            }
            Method::Exact => self.condition(argument(0)?, true),
            Method::Boost => {
                let inner = self.condition(argument(0)?, exact)?;
                #[allow(clippy::cast_possible_truncation)]
                let factor = values::number(argument(1)?, self.parameters)? as f32;
                Ok(Condition::Boost(Box::new(inner), factor))
            }
            Method::Intersect => self.conditions(&call.arguments, exact).map(Condition::And),
            Method::Exists => {
                let ExpressionKind::Field(path) = &argument(0)?.kind else {
                    return Err(Error::invalid("exists() takes a field"));
                };
                let name = self.field(path, FieldKind::Default).name;
                Ok(self.leaf(Leaf::Exists { name }))
            }
            Method::StartsWith => {
                let prefix = values::text(argument(1)?, self.parameters)?;
                match self.operand(argument(0)?, exact)? {
                    Operand::Id => Ok(self.leaf(Leaf::IdStartsWith(to_id_key(&prefix)))),
                    Operand::Field(field) => Ok(self.leaf(Leaf::StartsWith { field, prefix })),
                }
            }
            Method::EndsWith => {
                let suffix = values::text(argument(1)?, self.parameters)?;
                self.needs_index = true;
                match self.operand(argument(0)?, exact)? {
                    Operand::Id => Ok(self.leaf(Leaf::IdEndsWith(to_id_key(&suffix)))),
                    Operand::Field(field) => Ok(self.leaf(Leaf::EndsWith { field, suffix })),
                }
            }
            Method::Regex => {
                if !IS_WHOLE {
                    return Err(not_loaded("regex()"));
                }
                let pattern = values::text(argument(1)?, self.parameters)?;
                match self.operand(argument(0)?, exact)? {
                    Operand::Field(field) => Ok(self.leaf(Leaf::Matches { field, pattern })),
                    Operand::Id => Err(unsupported("regex() of ids")),
                }
            }
            _ => self.searching_call(call, exact),
        }
    }

    /// What searches for words, places and likeness.
    fn searching_call(&mut self, call: &Call, exact: bool) -> Result<Condition> {
        if !IS_WHOLE {
            return Err(not_loaded(&format!("{}()", call.name)));
        }
        let argument = |at: usize| {
            call.arguments
                .get(at)
                .ok_or_else(|| Error::invalid(format!("{}() lacks an argument", call.name)))
        };
        match call.method {
            Method::Search => self.search(call),
            Method::Lucene => {
                let ExpressionKind::Field(path) = &argument(0)?.kind else {
                    return Err(Error::invalid("lucene() takes a field"));
                };
                let path = &self.group_alias(path);
                self.check_has_words(path)?;
                let text = values::text(argument(1)?, self.parameters)?;
                lucene::Reader::new(self, &text).read(path)
            }
            Method::MoreLikeThis => {
                let wanted = self.more_like_this(call)?;
                Ok(self.leaf(Leaf::MoreLikeThis(wanted)))
            }
            Method::SpatialWithin
            | Method::SpatialContains
            | Method::SpatialDisjoint
            | Method::SpatialIntersects => {
                let place = self.place(call)?;
                Ok(self.leaf(Leaf::Place(place)))
            }
            Method::Fuzzy => {
                #[allow(clippy::cast_possible_truncation)]
                let similarity = values::number(argument(1)?, self.parameters)? as f32;
                self.similar(argument(0)?, similarity)
            }
            Method::Proximity => {
                let distance = values::count(argument(1)?, self.parameters)?;
                let inner = self.condition(argument(0)?, exact)?;
                let Condition::Leaf(at) = inner else {
                    return Err(Error::invalid("proximity() takes search()"));
                };
                match &mut self.leaves[at] {
                    Leaf::Search(search) => {
                        search.proximity = Some(u32::try_from(distance).unwrap_or(u32::MAX));
                        Ok(inner)
                    }
                    _ => Err(Error::invalid("proximity() takes search()")),
                }
            }
            _ => Err(unsupported(&format!("{}()", call.name))),
        }
    }

    fn search(&mut self, call: &Call) -> Result<Condition> {
        let [field, text, rest @ ..] = call.arguments.as_slice() else {
            return Err(Error::invalid("search() takes a field and a text"));
        };
        let ExpressionKind::Field(path) = &field.kind else {
            return Err(Error::invalid("search() takes a field"));
        };
        let path = &self.group_alias(path);
        self.check_has_words(path)?;
        let all = match rest.first() {
            Some(operator) => values::text(operator, self.parameters)?.eq_ignore_ascii_case("and"),
            None => false,
        };
        let text = match values::json_value(text, self.parameters)? {
            serde_json::Value::Array(items) => {
                let texts = items.iter().map(|it| match it {
                    serde_json::Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
                texts.collect::<Vec<_>>().join(" ")
            }
            _ => values::text(text, self.parameters)?,
        };
        let name = self.field(path, FieldKind::Search).name;
        Ok(self.leaf(Leaf::Search(Search {
            name,
            text,
            all,
            fuzzy: None,
            proximity: None,
        })))
    }

    /// `fuzzy(Name = 'x', 0.5)`.
    fn similar(&mut self, inner: &Expression, similarity: f32) -> Result<Condition> {
        let ExpressionKind::Compare {
            comparison: Comparison::Equal,
            left,
            right,
        } = &inner.kind
        else {
            return Err(Error::invalid("fuzzy() takes an equation"));
        };
        let text = values::text(right, self.parameters)?;
        match self.operand(left, false)? {
            Operand::Field(field) => Ok(self.leaf(Leaf::Search(Search {
                name: field.name,
                text,
                all: true,
                fuzzy: Some(similarity.clamp(0.0, 1.0)),
                proximity: None,
            }))),
            Operand::Id => Err(unsupported("fuzzy() of ids")),
        }
    }

    fn order(&mut self, order: &OrderBy) -> Result<Order> {
        self.needs_index = true;
        let by = match &order.value.kind {
            ExpressionKind::Call(call) => match call.method {
                Method::Score => OrderKey::Score,
                Method::SpatialDistance if !IS_WHOLE => return Err(not_loaded(&call.name)),
                Method::SpatialDistance => self.distance(call)?,
                Method::Random => {
                    let seed = call.arguments.first();
                    let seed = seed
                        .map(|it| values::text(it, self.parameters))
                        .transpose()?;
                    OrderKey::Random(seed)
                }
                Method::Id
                | Method::Key
                | Method::Count
                | Method::Sum
                | Method::Min
                | Method::Max
                | Method::Average => match self.operand(&order.value, false)? {
                    Operand::Id => OrderKey::Id,
                    Operand::Field(field) => OrderKey::Field(field),
                },
                _ => return Err(unsupported(&format!("ordering by {}()", call.name))),
            },
            _ => match self.operand(&order.value, false)? {
                Operand::Id => OrderKey::Id,
                Operand::Field(field) => OrderKey::Field(field),
            },
        };
        Ok(Order {
            by,
            order_type: order.order_type,
            descending: order.descending,
            nulls_first: order.nulls.map(|it| it == super::rql::NullsOrder::First),
        })
    }
}

/// What a call computes of a group.
///
/// # Errors
/// `InvalidRequest` when it is not of a field.
pub(super) fn aggregation_of(call: &Call) -> Result<Option<Aggregation>> {
    let of_path = match call.method {
        Method::Count => return Ok(Some(Aggregation::Count)),
        Method::Sum => Aggregation::Sum,
        Method::Min => Aggregation::Min,
        Method::Max => Aggregation::Max,
        Method::Average => Aggregation::Average,
        _ => return Ok(None),
    };
    match call.arguments.first().map(|it| &it.kind) {
        Some(ExpressionKind::Field(path)) => Ok(Some(of_path(path.to_string()))),
        _ => Err(Error::invalid(format!("{}() takes a field", call.name))),
    }
}

enum Operand {
    Field(FieldKey),
    Id,
}

fn group_field(key: &GroupKey) -> GroupField {
    GroupField {
        path: key.path.to_string(),
        whole_list: key.whole_array,
    }
}

/// The ids that a condition asks for, if it asks for nothing else.
pub fn only_ids(conditions: &Conditions) -> Option<OnlyIds> {
    match (&conditions.root, conditions.leaves.as_slice()) {
        (Condition::All, _) => Some(OnlyIds::All),
        (Condition::Nothing, _) => Some(OnlyIds::These(Vec::new())),
        (Condition::Leaf(0), [Leaf::Ids(keys)]) => Some(OnlyIds::These(keys.clone())),
        (Condition::Leaf(0), [Leaf::IdStartsWith(prefix)]) => {
            Some(OnlyIds::Between(KeyRange::prefix(prefix)))
        }
        (Condition::Leaf(0), [Leaf::IdBetween(range)]) => Some(OnlyIds::Between(range.clone())),
        _ => None,
    }
}

/// What can be read from documents without an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnlyIds {
    /// All of the collection.
    All,
    /// Documents by key.
    These(Vec<Bytes>),
    /// Documents whose key is in a range.
    Between(KeyRange),
}
