//! The map and reduce of `group by`: counts, sums, the least, the greatest and averages.
//!
//! An average is kept with its sum and count beside it, so that averages can be reduced again.

use std::sync::Arc;

use serde_json::{Number as JsonNumber, Value};

use super::auto::{Aggregation, GroupField, Grouping};
use super::field_path::items_of;
use super::map::{CompiledIndex, CompiledMap, Loads, Object, ObjectMap, ObjectReduce};
use super::{FieldPath, FieldValue, Term};
use crate::document::{CollectionName, StoredDocument};
use crate::{Error, Result};

/// The map and the reduce of a grouping.
pub(super) fn compile(
    collection: Option<CollectionName>,
    grouping: &Grouping,
) -> Result<CompiledIndex> {
    if grouping.fields.is_empty() {
        return Err(Error::invalid("documents must be grouped by something"));
    }
    let fields: Vec<(String, PathInList)> = grouping
        .fields
        .iter()
        .map(|field| {
            Ok((
                result_name(field),
                PathInList::parse(&field.path, field.whole_list)?,
            ))
        })
        .collect::<Result<_>>()?;
    let lists: Vec<&FieldPath> = fields
        .iter()
        .filter_map(|(_, path)| path.list.as_ref())
        .collect();
    if lists.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(Error::invalid(
            "documents cannot be grouped by the items of two different lists",
        ));
    }
    let list = lists.first().map(|it| (*it).clone());
    let results = grouping
        .aggregations
        .iter()
        .map(Folded::of)
        .collect::<Result<Vec<_>>>()?;
    let keys = fields.iter().map(|(name, _)| name.clone()).collect();
    Ok(CompiledIndex {
        maps: vec![CompiledMap::Objects(Arc::new(GroupMap {
            collection,
            list,
            fields,
            results: results.clone(),
        }))],
        reduce: Some(Arc::new(GroupReduce { keys, results })),
    })
}

/// The name of a group field in results.
pub fn result_name(field: &GroupField) -> String {
    field.path.clone()
}

/// A path that may lead through the items of one list.
#[derive(Debug, Clone)]
struct PathInList {
    list: Option<FieldPath>,
    /// The path in the document or in an item; `None` for the item itself.
    rest: Option<FieldPath>,
    /// Whether all that the path leads to is one value.
    is_whole: bool,
    is_metadata: bool,
}

/// What the paths of a grouping are read from.
struct Source<'a> {
    body: &'a str,
    metadata: &'a str,
    /// An item of the list, or the body.
    item: &'a str,
}

impl PathInList {
    fn parse(text: &str, is_whole: bool) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::invalid("a field to group by has no name"));
        }
        let split = match is_whole {
            true => None,
            false => text.split_once("[]"),
        };
        let path = |text: &str| match text.trim_start_matches('.') {
            "" => Ok(None),
            text => FieldPath::parse(text).map(Some),
        };
        let (list, rest) = match split {
            None => (None, path(text)?),
            Some((list, rest)) => (path(list)?, path(rest)?),
        };
        let within = rest.as_ref().filter(|_| list.is_none());
        let within = within.and_then(FieldPath::in_metadata);
        Ok(Self {
            list,
            is_whole,
            is_metadata: within.is_some(),
            rest: within.or(rest),
        })
    }

    /// The value in a document, or in an item if the path leads through its list.
    fn find(&self, source: &Source<'_>) -> Option<Value> {
        let from = match (&self.list, self.is_metadata) {
            (Some(_), _) => source.item,
            (None, true) => source.metadata,
            (None, false) => source.body,
        };
        let Some(rest) = &self.rest else {
            return serde_json::from_str(from).ok();
        };
        if let Some(text) = rest.find(from) {
            return serde_json::from_str(text).ok();
        }
        if !self.is_whole {
            return None;
        }
        // The list of what lists on the way have there.
        let found = rest.find_all(from);
        let values = found.iter().filter_map(|it| serde_json::from_str(it).ok());
        (!found.is_empty()).then(|| Value::Array(values.collect()))
    }
}

#[derive(Debug)]
struct GroupMap {
    collection: Option<CollectionName>,
    list: Option<FieldPath>,
    fields: Vec<(String, PathInList)>,
    results: Vec<Folded>,
}

impl GroupMap {
    fn output(&self, source: &Source<'_>) -> Object {
        let mut output = Object::new();
        for (name, path) in &self.fields {
            output.insert(name.clone(), path.find(source).unwrap_or(Value::Null));
        }
        for folded in &self.results {
            let values = match &folded.path {
                None => Vec::new(),
                // A list of the document is folded whole when items are not told apart.
                Some(path) => match path.list.as_ref().filter(|_| self.list != path.list) {
                    None => path.find(source).into_iter().collect(),
                    Some(list) => {
                        let items = list.find(source.body).map_or(Vec::new(), items_of);
                        let found = items.iter().filter_map(|it| match &path.rest {
                            Some(rest) => rest.find(it.get()),
                            None => Some(it.get()),
                        });
                        found
                            .filter_map(|it| serde_json::from_str(it).ok())
                            .collect()
                    }
                },
            };
            folded.add_first(&values, &mut output);
        }
        output
    }
}

impl ObjectMap for GroupMap {
    fn collection(&self) -> Option<&CollectionName> {
        self.collection.as_ref()
    }

    fn map(&self, document: &StoredDocument, _: &mut Loads) -> Result<Vec<Object>> {
        let body = document.body();
        let mut metadata = Vec::new();
        if self.fields.iter().any(|(_, path)| path.is_metadata) {
            document.write_metadata_object(&mut metadata);
        }
        let metadata = std::str::from_utf8(&metadata)
            .map_err(|_| Error::corrupted("a document's metadata is not UTF-8"))?;
        let of = |item| {
            self.output(&Source {
                body,
                metadata,
                item,
            })
        };
        Ok(match &self.list {
            None => vec![of(body)],
            Some(list) => {
                let items = list.find(body).map_or(Vec::new(), items_of);
                items.iter().map(|it| of(it.get())).collect()
            }
        })
    }
}

#[derive(Debug)]
struct GroupReduce {
    keys: Vec<String>,
    results: Vec<Folded>,
}

impl ObjectReduce for GroupReduce {
    fn key(&self, input: &Object) -> Result<Value> {
        let member = |name: &String| {
            let value = input.get(name).cloned().unwrap_or(Value::Null);
            (name.clone(), value)
        };
        Ok(Value::Object(self.keys.iter().map(member).collect()))
    }

    fn reduce(&self, key: &Value, inputs: &[Object]) -> Result<Object> {
        let mut result = key.as_object().cloned().unwrap_or_default();
        for folded in &self.results {
            folded.add_again(inputs, &mut result);
        }
        Ok(result)
    }
}

/// How a result is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Count,
    Sum,
    Least,
    Greatest,
    Average,
}

/// One result of a group.
#[derive(Debug, Clone)]
struct Folded {
    name: String,
    by: By,
    /// What it is computed of; nothing for a count.
    path: Option<PathInList>,
}

impl Folded {
    fn of(aggregation: &Aggregation) -> Result<Self> {
        let (by, path) = match aggregation {
            Aggregation::Count => (By::Count, None),
            Aggregation::Sum(path) => (By::Sum, Some(path)),
            Aggregation::Min(path) => (By::Least, Some(path)),
            Aggregation::Max(path) => (By::Greatest, Some(path)),
            Aggregation::Average(path) => (By::Average, Some(path)),
        };
        Ok(Self {
            name: aggregation.field_name().into_owned(),
            by,
            path: path.map(|it| PathInList::parse(it, false)).transpose()?,
        })
    }

    fn part_name(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }

    /// The result of values of one document or item.
    fn add_first(&self, values: &[Value], output: &mut Object) {
        let mut values: Vec<&Value> = values
            .iter()
            .flat_map(|it| {
                it.as_array()
                    .map_or(std::slice::from_ref(it), Vec::as_slice)
            })
            .collect();
        let value = match self.by {
            By::Count => Value::from(1),
            By::Sum => sum(values),
            By::Least => extreme(values, false),
            By::Greatest => extreme(values, true),
            By::Average => {
                values.retain(|it| it.is_number());
                let count = Value::from(values.len());
                self.add_average(sum(values), count, output);
                return;
            }
        };
        output.insert(self.name.clone(), value);
    }

    /// The result of results.
    fn add_again(&self, inputs: &[Object], output: &mut Object) {
        let of = |name: &str| {
            let values = inputs.iter().filter_map(|it| it.get(name));
            values.collect::<Vec<&Value>>()
        };
        let value = match self.by {
            By::Count | By::Sum => sum(of(&self.name)),
            By::Least => extreme(of(&self.name), false),
            By::Greatest => extreme(of(&self.name), true),
            By::Average => {
                let total = sum(of(&self.part_name("sum")));
                let count = sum(of(&self.part_name("count")));
                self.add_average(total, count, output);
                return;
            }
        };
        output.insert(self.name.clone(), value);
    }

    fn add_average(&self, total: Value, count: Value, output: &mut Object) {
        let average = match (total.as_f64(), count.as_f64()) {
            (Some(total), Some(count)) if count > 0.0 => JsonNumber::from_f64(total / count),
            _ => None,
        };
        let average = average.map_or(Value::Null, Value::Number);
        output.insert(self.name.clone(), average);
        output.insert(self.part_name("sum"), total);
        output.insert(self.part_name("count"), count);
    }
}

fn sum(values: Vec<&Value>) -> Value {
    let mut sum = Sum::default();
    values.into_iter().for_each(|it| sum.add(it));
    sum.to_json()
}

/// The least or greatest value as queries compare them; nulls and objects are none.
fn extreme(values: Vec<&Value>, greatest: bool) -> Value {
    let mut best: Option<(Term, &Value)> = None;
    for value in values {
        let term = match value {
            Value::Number(number) => Term::number(super::Number::from_json(number)),
            Value::String(text) => Term::of_value(&FieldValue::Text(text.clone()), true),
            _ => continue,
        };
        let is_better = best.as_ref().is_none_or(|(known, _)| {
            if greatest {
                term > *known
            } else {
                term < *known
            }
        });
        if is_better {
            best = Some((term, value));
        }
    }
    best.map_or(Value::Null, |(_, value)| value.clone())
}

/// A sum that stays exact while all it adds are integers.
#[derive(Debug, Default)]
struct Sum {
    integers: i128,
    fractions: f64,
    has_fractions: bool,
}

impl Sum {
    fn add(&mut self, value: &Value) {
        let Value::Number(number) = value else {
            return;
        };
        let number = super::Number::from_json(number);
        match number.to_integer() {
            Some(integer) => self.integers = self.integers.saturating_add(integer),
            None => {
                self.fractions += number.to_f64();
                self.has_fractions = true;
            }
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn to_json(&self) -> Value {
        if !self.has_fractions {
            if let Ok(integer) = i64::try_from(self.integers) {
                return integer.into();
            }
            if let Ok(integer) = u64::try_from(self.integers) {
                return integer.into();
            }
        }
        let sum = self.integers as f64 + self.fractions;
        JsonNumber::from_f64(sum).map_or(Value::Null, Value::Number)
    }
}
