//! The map and reduce of `group by`: counts and sums.

use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Number as JsonNumber, Value};

use super::auto::{Aggregation, GroupField, Grouping};
use super::map::{CompiledIndex, CompiledMap, Loads, Object, ObjectMap, ObjectReduce};
use crate::document::{CollectionName, StoredDocument, find_property};
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
    let lists: Vec<&Vec<String>> = fields
        .iter()
        .filter_map(|(_, path)| path.list.as_ref())
        .collect();
    if lists.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(Error::invalid(
            "documents cannot be grouped by the items of two different lists",
        ));
    }
    let list = lists.first().map(|it| (*it).clone());
    let sums = grouping
        .aggregations
        .iter()
        .map(|it| match it {
            Aggregation::Count => Ok(("Count".to_owned(), None)),
            Aggregation::Sum(path) => Ok((path.clone(), Some(PathInList::parse(path, false)?))),
        })
        .collect::<Result<Vec<_>>>()?;
    let names = sums.iter().map(|(name, _)| name.clone()).collect();
    let keys = fields.iter().map(|(name, _)| name.clone()).collect();
    Ok(CompiledIndex {
        maps: vec![CompiledMap::Objects(Arc::new(GroupMap {
            collection,
            list,
            fields,
            sums,
        }))],
        reduce: Some(Arc::new(GroupReduce { keys, sums: names })),
    })
}

/// The name of a group field in results.
pub fn result_name(field: &GroupField) -> String {
    field.path.clone()
}

/// A path that may lead through the items of one list.
#[derive(Debug, Clone)]
struct PathInList {
    list: Option<Vec<String>>,
    names: Vec<String>,
}

impl PathInList {
    fn parse(text: &str, whole_list: bool) -> Result<Self> {
        let split = if whole_list {
            None
        } else {
            text.split_once("[]")
        };
        let names = |text: &str| -> Result<Vec<String>> {
            let text = text.trim_start_matches('.').replace("[]", "");
            if text.is_empty() {
                return Ok(Vec::new());
            }
            Ok(super::FieldPath::parse(&text)?.names().to_vec())
        };
        if text.is_empty() {
            return Err(Error::invalid("a field to group by has no name"));
        }
        Ok(match split {
            None => Self {
                list: None,
                names: names(text)?,
            },
            Some((list, rest)) => Self {
                list: Some(names(list)?),
                names: names(rest)?,
            },
        })
    }

    /// The JSON text of the value in `document`, or in `item` if the path leads through its list.
    fn find<'a>(&self, document: &'a str, item: &'a str) -> Option<&'a str> {
        let from = if self.list.is_some() { item } else { document };
        descend(from, &self.names)
    }
}

fn descend<'a>(text: &'a str, names: &[String]) -> Option<&'a str> {
    names
        .iter()
        .try_fold(text, |text, name| find_property(text, name))
}

#[derive(Debug)]
struct GroupMap {
    collection: Option<CollectionName>,
    list: Option<Vec<String>>,
    fields: Vec<(String, PathInList)>,
    /// Each aggregation's name, with what is summed; nothing for a count.
    sums: Vec<(String, Option<PathInList>)>,
}

impl GroupMap {
    fn output(&self, document: &str, item: &str) -> Object {
        let json = |path: &PathInList| {
            let found = path.find(document, item);
            found.and_then(|text| serde_json::from_str::<Value>(text).ok())
        };
        let mut output = Object::new();
        for (name, path) in &self.fields {
            output.insert(name.clone(), json(path).unwrap_or(Value::Null));
        }
        for (name, path) in &self.sums {
            let value = match path {
                None => Value::from(1),
                Some(path) => {
                    let mut sum = Sum::default();
                    // A list of the document is summed whole when items are not told apart.
                    match path.list.as_ref().filter(|_| self.list != path.list) {
                        None => sum.add(&json(path).unwrap_or(Value::Null)),
                        Some(list) => {
                            let items = descend(document, list).map_or(Vec::new(), list_items);
                            for item in items {
                                let found = descend(item.get(), &path.names);
                                let value = found.and_then(|it| serde_json::from_str(it).ok());
                                sum.add(&value.unwrap_or(Value::Null));
                            }
                        }
                    }
                    sum.to_json()
                }
            };
            output.insert(name.clone(), value);
        }
        output
    }
}

fn list_items(text: &str) -> Vec<&RawValue> {
    serde_json::from_str(text).unwrap_or_default()
}

impl ObjectMap for GroupMap {
    fn collection(&self) -> Option<&CollectionName> {
        self.collection.as_ref()
    }

    fn map(&self, document: &StoredDocument, _: &mut Loads) -> Result<Vec<Object>> {
        let body = document.body();
        Ok(match &self.list {
            None => vec![self.output(body, body)],
            Some(list) => {
                let items = descend(body, list).map_or(Vec::new(), list_items);
                items.iter().map(|it| self.output(body, it.get())).collect()
            }
        })
    }
}

#[derive(Debug)]
struct GroupReduce {
    keys: Vec<String>,
    sums: Vec<String>,
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
        for name in &self.sums {
            let mut sum = Sum::default();
            for input in inputs {
                sum.add(input.get(name).unwrap_or(&Value::Null));
            }
            result.insert(name.clone(), sum.to_json());
        }
        Ok(result)
    }
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
