//! Definitions as dumps carry them: a client's as it was sent, the optimizer's by their fields.

use serde::Deserialize;
use serde_json::{Value, json};

use super::auto::{Aggregation, AutoDefinition, GroupField, Grouping};
use super::definition::{
    IndexDefinition, IndexRecord, IndexSource, IndexState, LockMode, Priority,
};
use super::{FieldKey, FieldKind};
use crate::document::find_property;
use crate::{Error, ErrorKind, Result};

/// The name under which an automatic definition stands as this version keeps it.
const EXACT: &str = "PinyonDefinition";
const ALL_DOCUMENTS: &str = "@all_docs";

impl IndexRecord {
    /// What kind of index it is, in the protocol's words.
    pub fn index_type(&self) -> &'static str {
        match &self.source {
            IndexSource::Auto(definition) if definition.grouping.is_some() => "AutoMapReduce",
            IndexSource::Auto(_) => "AutoMap",
            IndexSource::Static(definition) => {
                let is_script = definition.maps.iter().any(|it| {
                    let text = it.trim_start();
                    text.starts_with("map(") || text.starts_with("map (")
                });
                match (is_script, definition.reduce.is_some()) {
                    (true, true) => "JavaScriptMapReduce",
                    (true, false) => "JavaScriptMap",
                    (false, true) => "MapReduce",
                    (false, false) => "Map",
                }
            }
        }
    }

    /// The item that stands for it in a dump.
    pub fn to_portable(&self) -> Value {
        let state = if self.is_disabled {
            IndexState::Disabled
        } else {
            IndexState::Normal
        };
        let definition = match &self.source {
            IndexSource::Static(definition) => {
                let mut definition = (**definition).clone();
                definition.name.clone_from(&self.name);
                definition.index_type = Some(self.index_type().to_owned());
                definition.lock_mode = self.lock_mode;
                definition.priority = self.priority;
                definition.state = state;
                serde_json::to_value(definition).expect("definitions have text keys")
            }
            IndexSource::Auto(definition) => {
                let mut shown = auto_to_portable(definition);
                shown["Name"] = self.name.clone().into();
                // Of these, RavenDB writes and expects the numbers.
                shown["LockMode"] = json!(self.lock_mode as u8);
                shown["Priority"] = json!(self.priority as u8);
                shown["State"] = json!(u8::from(self.is_disabled));
                shown
            }
        };
        json!({ "Type": self.index_type(), "IndexDefinition": definition })
    }
}

fn auto_to_portable(definition: &AutoDefinition) -> Value {
    let collection = definition.collection.as_deref().unwrap_or(ALL_DOCUMENTS);
    let indexing = |name: &str| {
        let kinds: Vec<&str> = definition
            .fields
            .iter()
            .filter(|it| it.name == name)
            .filter_map(|it| match it.kind {
                FieldKind::Default => Some("Default"),
                FieldKind::Exact => Some("Exact"),
                FieldKind::Search => Some("Search"),
                // RavenDB names these otherwise; they stand in this version's own form.
                FieldKind::Spatial => None,
            })
            .collect();
        match kinds.is_empty() {
            true => "Default".to_owned(),
            false => kinds.join(", "),
        }
    };
    let mut shown = json!({
        "Collections": [collection],
        EXACT: definition,
    });
    let Some(grouping) = &definition.grouping else {
        let mut names: Vec<&str> = definition
            .fields
            .iter()
            .filter(|it| it.kind != FieldKind::Spatial)
            .map(|it| it.name.as_str())
            .collect();
        names.dedup();
        let fields = names.into_iter().map(|name| {
            json!({ "Name": name, "Indexing": indexing(name), "Aggregation": 0, "HasQuotedName": false })
        });
        shown["MapFields"] = fields.collect();
        return shown;
    };
    let sums = grouping.aggregations.iter().filter_map(|it| {
        let number = match it {
            Aggregation::Count => 1,
            Aggregation::Sum(_) => 2,
            // RavenDB knows none of these.
            Aggregation::Min(_) | Aggregation::Max(_) | Aggregation::Average(_) => return None,
        };
        let name = it.field_name();
        Some(json!({
            "Name": name,
            "Indexing": indexing(&name),
            "Aggregation": number,
            "HasQuotedName": false,
        }))
    });
    shown["MapFields"] = sums.collect();
    let groups = grouping.fields.iter().map(|it| {
        let behaviour = match (it.whole_list, it.path.contains("[]")) {
            (true, _) => "ByContent",
            (false, true) => "ByIndividualValues",
            (false, false) => "NotApplicable",
        };
        let name = &it.path;
        json!({
            "Name": name,
            "Indexing": indexing(name),
            "GroupByArrayBehavior": behaviour,
            "HasQuotedName": false,
        })
    });
    shown["GroupByFields"] = groups.collect();
    shown["GroupByFieldNames"] = grouping.fields.iter().map(|it| it.path.clone()).collect();
    shown
}

/// A definition that came in a dump.
#[derive(Debug, Clone, PartialEq)]
pub struct PortableIndex {
    /// Its name.
    pub name: String,
    /// What it is made from.
    pub source: IndexSource,
    /// Who may change it.
    pub lock_mode: LockMode,
    /// How eagerly it is kept up to date.
    pub priority: Priority,
    /// Whether it is switched off.
    pub is_disabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AutoItem {
    collections: Vec<String>,
    #[serde(default)]
    map_fields: Vec<AutoField>,
    #[serde(default)]
    group_by_fields: Vec<AutoField>,
    #[serde(default)]
    lock_mode: u8,
    #[serde(default = "normal_priority")]
    priority: u8,
    #[serde(default)]
    state: u8,
    #[serde(rename = "PinyonDefinition")]
    exact: Option<AutoDefinition>,
}

const fn normal_priority() -> u8 {
    1
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AutoField {
    name: String,
    #[serde(default)]
    indexing: String,
    #[serde(default)]
    aggregation: u8,
    #[serde(default)]
    group_by_array_behavior: String,
}

impl PortableIndex {
    /// Reads the item of a dump.
    ///
    /// # Errors
    /// `InvalidRequest` when it is malformed; `Unsupported` for a kind of index that is not known.
    pub fn parse(text: &str) -> Result<Self> {
        let missing = |what: &str| Error::invalid(format!("the index has no {what}"));
        let kind = find_property(text, "Type").ok_or_else(|| missing("Type"))?;
        let kind: String = serde_json::from_str(kind)
            .map_err(|_| Error::invalid(format!("the index has the Type {kind}")))?;
        let definition = find_property(text, "IndexDefinition")
            .or_else(|| find_property(text, "Index"))
            .ok_or_else(|| missing("IndexDefinition"))?;
        match kind.as_str() {
            "Map" | "MapReduce" | "JavaScriptMap" | "JavaScriptMapReduce" => {
                let definition = IndexDefinition::parse(definition)?;
                Ok(Self {
                    name: definition.name.clone(),
                    lock_mode: definition.lock_mode,
                    priority: definition.priority,
                    is_disabled: definition.state == IndexState::Disabled,
                    source: IndexSource::Static(Box::new(definition)),
                })
            }
            "AutoMap" | "AutoMapReduce" => {
                let item: AutoItem = serde_json::from_str(definition).map_err(|reason| {
                    Error::invalid(format!("an automatic index is not valid: {reason}"))
                })?;
                item.into_portable()
            }
            _ => Err(Error::new(
                ErrorKind::Unsupported,
                format!("indexes of the type '{kind}' are not supported"),
            )),
        }
    }

    /// The record of the index in a database that nothing has opened: it is given a store when the
    /// indexes are opened.
    pub fn to_record(&self, created_at_ticks: i64) -> IndexRecord {
        IndexRecord {
            name: self.name.clone(),
            store: String::new(),
            created_at_ticks,
            lock_mode: self.lock_mode,
            priority: self.priority,
            is_disabled: self.is_disabled,
            idle_since_query_ticks: None,
            abandoned_outputs: Vec::new(),
            source: self.source.clone(),
        }
    }
}

impl AutoItem {
    fn into_portable(self) -> Result<PortableIndex> {
        let lock_mode = match self.lock_mode {
            0 => LockMode::Unlock,
            1 => LockMode::LockedIgnore,
            2 => LockMode::LockedError,
            other => return Err(Error::invalid(format!("there is no LockMode {other}"))),
        };
        let priority = match self.priority {
            0 => Priority::Low,
            1 => Priority::Normal,
            2 => Priority::High,
            other => return Err(Error::invalid(format!("there is no Priority {other}"))),
        };
        let is_disabled = self.state == 1;
        let definition = match &self.exact {
            Some(exact) => exact.clone(),
            None => self.definition()?,
        };
        Ok(PortableIndex {
            name: definition.name(),
            source: IndexSource::Auto(definition),
            lock_mode,
            priority,
            is_disabled,
        })
    }

    fn definition(&self) -> Result<AutoDefinition> {
        let [collection] = self.collections.as_slice() else {
            return Err(Error::invalid("an automatic index has one collection"));
        };
        let mut fields = std::collections::BTreeSet::new();
        let mut aggregations = std::collections::BTreeSet::new();
        for field in &self.map_fields {
            match field.aggregation {
                0 => add_kinds(field, &mut fields)?,
                1 => {
                    aggregations.insert(Aggregation::Count);
                }
                2 => {
                    aggregations.insert(Aggregation::Sum(field.name.clone()));
                }
                other => {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        format!("the aggregation {other} of '{}' is not known", field.name),
                    ));
                }
            }
        }
        let mut groups = Vec::new();
        for field in &self.group_by_fields {
            add_kinds(field, &mut fields)?;
            groups.push(GroupField {
                path: field.name.clone(),
                whole_list: field.group_by_array_behavior == "ByContent",
            });
        }
        Ok(AutoDefinition {
            collection: (collection != ALL_DOCUMENTS).then(|| collection.clone()),
            fields,
            grouping: (!groups.is_empty()).then_some(Grouping {
                fields: groups,
                aggregations,
            }),
        })
    }
}

fn add_kinds(field: &AutoField, fields: &mut std::collections::BTreeSet<FieldKey>) -> Result<()> {
    for kind in field.indexing.split(',').map(str::trim) {
        let kind = match kind {
            "" | "Default" => FieldKind::Default,
            "Exact" => FieldKind::Exact,
            "Search" | "Highlighting" => FieldKind::Search,
            "No" => continue,
            other => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "'{}' is indexed as '{other}', which is not known",
                        field.name
                    ),
                ));
            }
        };
        fields.insert(FieldKey::new(field.name.clone(), kind));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn record(source: IndexSource) -> IndexRecord {
        let portable = PortableIndex {
            name: match &source {
                IndexSource::Auto(definition) => definition.name(),
                IndexSource::Static(definition) => definition.name.clone(),
            },
            source,
            lock_mode: LockMode::LockedError,
            priority: Priority::High,
            is_disabled: true,
        };
        portable.to_record(7)
    }

    #[test]
    fn definitions_round_trip() {
        let map = r#"{"Name":"A","Maps":["map('X', x => x)"],"Fields":{"a":{"Storage":"Yes"}},"Own":[1]}"#;
        let auto = |grouping| AutoDefinition {
            collection: Some("X".to_owned()),
            fields: [
                FieldKey::new("a", FieldKind::Default),
                FieldKey::new("a", FieldKind::Search),
            ]
            .into(),
            grouping,
        };
        let grouping = Grouping {
            fields: vec![GroupField {
                path: "l[].p".to_owned(),
                whole_list: false,
            }],
            aggregations: [Aggregation::Count, Aggregation::Sum("n".to_owned())].into(),
        };
        for source in [
            IndexSource::Static(Box::new(IndexDefinition::parse(map).unwrap())),
            IndexSource::Auto(auto(None)),
            IndexSource::Auto(auto(Some(grouping))),
        ] {
            let record = record(source);
            let read = PortableIndex::parse(&record.to_portable().to_string()).unwrap();
            let mut again = read.to_record(7);
            if let (IndexSource::Static(a), IndexSource::Static(b)) =
                (&mut again.source, &record.source)
            {
                assert!(a.is_same_index(b) && a.other == b.other);
                again.source = record.source.clone();
            }
            assert_eq!(again, record);
        }
    }

    #[test]
    fn ravendbs_automatic_indexes_are_read() {
        let item = r#"{"Type":"AutoMapReduce","IndexDefinition":{"Name":"Auto/Orders/ByCountReducedByCompany",
            "LockMode":0,"Priority":1,"State":0,"Collections":["Orders"],
            "MapFields":[{"Name":"Count","Indexing":"Default","Aggregation":1,"HasQuotedName":false}],
            "GroupByFields":[{"Name":"Company","Indexing":"Default","GroupByArrayBehavior":"NotApplicable"}]}}"#;
        let read = PortableIndex::parse(item).unwrap();
        assert_eq!(read.name, "Auto/Orders/ByCountReducedByCompany");
        let item = r#"{"Type":"AutoMap","IndexDefinition":{"Collections":["@all_docs"],
            "MapFields":[{"Name":"Name","Indexing":"Search, Exact","Aggregation":0}]}}"#;
        let IndexSource::Auto(read) = PortableIndex::parse(item).unwrap().source else {
            panic!("it is automatic");
        };
        assert_eq!((read.collection, read.fields.len()), (None, 2));
        for wrong in [
            "{}",
            r#"{"Type":"Map"}"#,
            r#"{"Type":"Vector","IndexDefinition":{}}"#,
            r#"{"Type":"AutoMap","IndexDefinition":{"Collections":[]}}"#,
            r#"{"Type":"AutoMap","IndexDefinition":{"Collections":["A"],"MapFields":[{"Name":"n","Aggregation":9}]}}"#,
            r#"{"Type":"Map","IndexDefinition":{"Name":"a","Maps":[]}}"#,
        ] {
            assert!(PortableIndex::parse(wrong).is_err(), "{wrong}");
        }
    }
}
