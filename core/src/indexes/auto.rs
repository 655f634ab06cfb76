//! Automatic indexes: what queries need, named after it, and merged as queries come.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{FieldKey, FieldKind};

/// An aggregation over the documents of a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Aggregation {
    /// How many documents (or items of a list) there are.
    Count,
    /// The sum of a field's numbers.
    Sum(String),
    /// The least of a field's values.
    Min(String),
    /// The greatest of a field's values.
    Max(String),
    /// The average of a field's numbers.
    Average(String),
}

impl Aggregation {
    /// The name of its result.
    pub fn field_name(&self) -> Cow<'_, str> {
        match self {
            Self::Count => Cow::Borrowed("Count"),
            Self::Sum(path) => Cow::Borrowed(path),
            Self::Min(path) => Cow::Owned(format!("min({path})")),
            Self::Max(path) => Cow::Owned(format!("max({path})")),
            Self::Average(path) => Cow::Owned(format!("avg({path})")),
        }
    }

    /// The names of what is kept beside its result, so that it can be computed again.
    pub fn part_names(&self) -> Vec<String> {
        match self {
            Self::Average(_) => {
                let name = self.field_name();
                ["sum", "count"].map(|it| format!("{name}.{it}")).into()
            }
            _ => Vec::new(),
        }
    }
}

/// A field that documents are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupField {
    /// The path.
    pub path: String,
    /// Whether a list counts as a whole instead of item by item.
    pub whole_list: bool,
}

/// How documents are grouped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Grouping {
    /// By what.
    pub fields: Vec<GroupField>,
    /// What is computed for each group.
    pub aggregations: BTreeSet<Aggregation>,
}

/// What an automatic index holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AutoDefinition {
    /// The collection; `None` for all documents.
    pub collection: Option<String>,
    /// The fields.
    pub fields: BTreeSet<FieldKey>,
    /// For `group by`.
    pub grouping: Option<Grouping>,
}

impl AutoDefinition {
    /// The protocol's name for it.
    ///
    /// ```
    /// use pinyon_core::indexes::{AutoDefinition, FieldKey, FieldKind};
    /// let definition = AutoDefinition {
    ///     collection: Some("Users".to_owned()),
    ///     fields: ["Name", "Age"].map(|it| FieldKey::new(it, FieldKind::Default)).into(),
    ///     grouping: None,
    /// };
    /// assert_eq!(definition.name(), "Auto/Users/ByAgeAndName");
    /// ```
    pub fn name(&self) -> String {
        let collection = self.collection.as_deref().unwrap_or("AllDocs");
        let mut parts: Vec<String> = match &self.grouping {
            None => self.fields.iter().map(show_field).collect(),
            Some(grouping) => {
                let results = grouping.aggregations.iter().map(Aggregation::field_name);
                let results = results.map(Cow::into_owned);
                let searched = self
                    .fields
                    .iter()
                    .filter(|it| it.kind != FieldKind::Default);
                results.chain(searched.map(show_field)).collect()
            }
        };
        parts.sort();
        let mut name = format!("Auto/{collection}");
        if !parts.is_empty() {
            name.push_str("/By");
            name.push_str(&parts.join("And"));
        }
        if let Some(grouping) = &self.grouping {
            let mut keys: Vec<String> = grouping.fields.iter().map(show_group).collect();
            keys.sort();
            name.push_str(if parts.is_empty() { "/By" } else { "" });
            name.push_str("ReducedBy");
            name.push_str(&keys.join("And"));
        }
        shorten(name)
    }

    /// Whether it can answer what needs `wanted`.
    pub fn covers(&self, wanted: &Self) -> bool {
        self.is_of_same_kind(wanted)
            && wanted.fields.is_subset(&self.fields)
            && match (&self.grouping, &wanted.grouping) {
                (Some(own), Some(wanted)) => wanted.aggregations.is_subset(&own.aggregations),
                _ => true,
            }
    }

    /// Whether both could be one index.
    pub fn is_of_same_kind(&self, other: &Self) -> bool {
        let is_same_collection = match (&self.collection, &other.collection) {
            (Some(own), Some(other)) => {
                own == other || super::to_name_key(own) == super::to_name_key(other)
            }
            (own, other) => own == other,
        };
        let keys = |it: &Grouping| BTreeSet::from_iter(it.fields.iter().cloned());
        is_same_collection
            && match (&self.grouping, &other.grouping) {
                (Some(own), Some(other)) => own.fields == other.fields || keys(own) == keys(other),
                (own, other) => own.is_none() && other.is_none(),
            }
    }

    /// The index that answers what either does.
    #[must_use]
    pub fn merged_with(&self, other: &Self) -> Self {
        let mut merged = self.clone();
        merged.fields.extend(other.fields.iter().cloned());
        if let (Some(own), Some(other)) = (&mut merged.grouping, &other.grouping) {
            own.aggregations.extend(other.aggregations.iter().cloned());
        }
        merged
    }

    /// How much it holds.
    pub fn width(&self) -> usize {
        let results = self.grouping.as_ref().map_or(0, |it| it.aggregations.len());
        self.fields.len() + results
    }
}

fn show_field(field: &FieldKey) -> String {
    match field.kind {
        FieldKind::Default => field.name.clone(),
        FieldKind::Exact => format!("Exact({})", field.name),
        FieldKind::Search => format!("Search({})", field.name),
        // As the protocol has it: `BySpatial.point(…)`.
        FieldKind::Spatial => field.name.replacen('s', "S", 1),
    }
}

fn show_group(field: &GroupField) -> String {
    if field.whole_list {
        format!("array({})", field.path)
    } else {
        field.path.clone()
    }
}

/// Store names and people have limits.
fn shorten(name: String) -> String {
    const LONGEST: usize = 200;
    if name.len() <= LONGEST {
        return name;
    }
    let hash = xxhash_rust::xxh3::xxh3_64(name.as_bytes());
    let mut end = LONGEST;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…{hash:016x}", &name[..end])
}
