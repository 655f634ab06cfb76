//! Definitions of indexes: as clients send them, and as the optimizer makes them.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::auto::AutoDefinition;
use crate::document::parse_object;
use crate::host::Timestamp;
use crate::parts::IS_WHOLE;
use crate::storage::StoreName;
use crate::{Error, Result};

/// The longest name of an index, in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// What the name of an index that shall replace another begins with.
pub const REPLACEMENT_PREFIX: &str = "ReplacementOf/";

/// Members of a definition that clients send and read, and that nothing here looks into.
const PASSIVE_MEMBERS: [&str; 8] = [
    "AdditionalAssemblies",
    "ArchivedDataProcessingBehavior",
    "ClusterState",
    "CompoundFields",
    "ReduceOutputIndex",
    "SchemaDefinitions",
    "SearchEngineType",
    "SourceDefinition",
];
/// The same, of the options of a field.
const PASSIVE_OPTIONS: [&str; 3] = ["Spatial", "TermVector", "Vector"];

/// How a field is made into terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FieldKind {
    /// Each value is one term, without regard to case.
    Default,
    /// Each value is one term, as it is.
    Exact,
    /// Texts are cut into words by an analyzer.
    Search,
    /// Values are shapes on the earth.
    Spatial,
}

/// A field of an index: a name and how it is made into terms.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FieldKey {
    /// The name, or the path of an automatic index's field.
    pub name: String,
    /// How it is made into terms.
    pub kind: FieldKind,
}

impl FieldKey {
    /// A field of `kind`.
    pub fn new(name: impl Into<String>, kind: FieldKind) -> Self {
        Self {
            name: name.into(),
            kind,
        }
    }
}

/// What a client wants for one field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FieldOptions {
    /// `Yes` to keep values for projections.
    pub storage: Option<Value>,
    /// `No`, `Search`, `Exact`, `Default`, `Highlighting`.
    pub indexing: Option<String>,
    /// The analyzer of a searched field.
    pub analyzer: Option<String>,
    /// Whether suggestions are asked for.
    pub suggestions: Option<bool>,
    /// What this version does not look into, kept to be shown again.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl FieldOptions {
    /// All members that clients read, those without a value too.
    pub fn to_json(&self) -> Value {
        let mut json = serde_json::to_value(self).expect("options have text keys");
        if let Value::Object(members) = &mut json {
            for name in PASSIVE_OPTIONS {
                members.entry(name).or_insert(Value::Null);
            }
        }
        json
    }

    /// Whether values are kept for projections.
    pub fn is_stored(&self) -> bool {
        match &self.storage {
            Some(Value::String(text)) => text.eq_ignore_ascii_case("yes"),
            Some(Value::Bool(stored)) => *stored,
            _ => false,
        }
    }
}

/// A definition as clients send and read it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IndexDefinition {
    /// The name, unique without regard to case.
    pub name: String,
    /// `Documents`.
    pub source_type: Option<String>,
    /// As it was recognised: `Map`, `MapReduce`, `JavaScriptMap`, …
    #[serde(rename = "Type")]
    pub index_type: Option<String>,
    /// Who may change it.
    pub lock_mode: LockMode,
    /// How eagerly it is kept up to date.
    pub priority: Priority,
    /// `Normal`, `Disabled`, …
    pub state: IndexState,
    /// The collection that results are written to as documents.
    pub output_reduce_to_collection: Option<String>,
    /// Ids of documents that list results, with fields of theirs: `reports/{Day:yyyy-MM}`.
    pub pattern_for_output_reduce_to_collection_references: Option<String>,
    /// The collection of those documents.
    pub pattern_references_collection_name: Option<String>,
    /// `Rolling` or `Parallel`.
    pub deployment_mode: Option<String>,
    /// Settings.
    pub configuration: Map<String, Value>,
    /// Further code, by name.
    pub additional_sources: BTreeMap<String, String>,
    /// The texts of the reduce and map functions.
    pub reduce: Option<String>,
    /// One text for each map.
    pub maps: Vec<String>,
    /// Options by field; `__all_fields` stands for all others.
    pub fields: BTreeMap<String, FieldOptions>,
    /// What this version does not look into, kept to be shown again.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Who may change a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LockMode {
    /// Everybody.
    #[default]
    Unlock,
    /// Nobody; attempts are passed over.
    LockedIgnore,
    /// Nobody; attempts fail.
    LockedError,
}

/// How eagerly an index is kept up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Priority {
    /// When there is nothing else to do.
    Low,
    /// Beside requests.
    #[default]
    Normal,
    /// Before other indexes.
    High,
}

/// What an index does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum IndexState {
    /// It follows the documents.
    #[default]
    Normal,
    /// It was switched off.
    Disabled,
    /// Nobody has asked it for long; it follows when somebody does.
    Idle,
    /// It failed too often and answers no more.
    Error,
}

impl IndexDefinition {
    /// Reads a definition.
    ///
    /// # Errors
    /// `InvalidRequest` when it is malformed or its name is impossible.
    pub fn parse(text: &str) -> Result<Self> {
        let mut definition: Self = parse_object(text).map_err(|reason| {
            Error::invalid(format!("an index definition is not valid: {reason}"))
        })?;
        let other = &mut definition.other;
        other.retain(|name, _| PASSIVE_MEMBERS.contains(&name.as_str()));
        for options in definition.fields.values_mut() {
            let other = &mut options.other;
            let is_known = |name: &str| PASSIVE_OPTIONS.contains(&name);
            other.retain(|name, value| is_known(name) && !value.is_null());
        }
        check_name(&definition.name)?;
        if definition.maps.is_empty() {
            return Err(Error::invalid(format!(
                "the index '{}' must have at least one map",
                definition.name
            )));
        }
        Ok(definition)
    }

    /// Whether the other would index the same.
    pub fn is_same_index(&self, other: &Self) -> bool {
        self.maps == other.maps
            && self.reduce == other.reduce
            && self.fields == other.fields
            && self.additional_sources == other.additional_sources
            && self.configuration == other.configuration
            && self.output_reduce_to_collection == other.output_reduce_to_collection
            && self.pattern_for_output_reduce_to_collection_references
                == other.pattern_for_output_reduce_to_collection_references
            && self.pattern_references_collection_name == other.pattern_references_collection_name
    }

    /// What is wanted for a field.
    pub fn field_options(&self, name: &str) -> Option<&FieldOptions> {
        self.fields
            .get(name)
            .or_else(|| self.fields.get("__all_fields"))
    }
}

fn check_name(name: &str) -> Result<()> {
    let why = if name.trim().is_empty() {
        "must not be empty"
    } else if name.len() > MAX_NAME_BYTES {
        "is longer than 256 bytes"
    } else if name.chars().any(char::is_control) {
        "must not hold control characters"
    } else if name.starts_with(REPLACEMENT_PREFIX) || name.starts_with("Auto/") {
        "begins as only the server's own names do"
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!(
        "the index name '{}' {why}",
        name.escape_debug()
    )))
}

impl IndexDefinition {
    /// Whether its functions may make a field of this name, as far as their texts tell.
    pub fn may_have_field(&self, name: &str) -> bool {
        let texts = || {
            let maps = self.maps.iter().chain(&self.reduce);
            maps.chain(self.additional_sources.values())
        };
        // These make fields by whatever name.
        let makes_any = |text: &String| {
            let lower = text.to_ascii_lowercase();
            lower.contains("createfield") || !lower.contains('{')
        };
        self.fields.contains_key(name)
            || texts().any(|text| text.contains(name) || text.contains("...") || makes_any(text))
    }
}

/// What an index is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum IndexSource {
    /// The optimizer made it for queries.
    Auto(AutoDefinition),
    /// A client sent it.
    Static(#[serde(deserialize_with = "read_sent")] Box<IndexDefinition>),
}

/// A build that opens no such index does not look into it.
fn read_sent<'de, D: Deserializer<'de>>(source: D) -> Result<Box<IndexDefinition>, D::Error> {
    if !IS_WHOLE {
        return IgnoredAny::deserialize(source).map(|_| Box::default());
    }
    Box::deserialize(source)
}

/// What a database keeps about an index, beside the index's own store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexRecord {
    /// The name as written.
    pub name: String,
    /// The store with its entries. A rebuilt index gets a new one.
    pub store: String,
    /// When it was defined, in ticks.
    pub created_at_ticks: i64,
    /// Who may change it.
    pub lock_mode: LockMode,
    /// How eagerly it is kept up to date.
    pub priority: Priority,
    /// Whether it was switched off.
    pub is_disabled: bool,
    /// Set while it is idle: when it was last asked before, in ticks.
    #[serde(default)]
    pub idle_since_query_ticks: Option<i64>,
    /// Collections that the index it replaced wrote and it does not, until they are cleared.
    #[serde(default)]
    pub abandoned_outputs: Vec<String>,
    /// What it is made from.
    pub source: IndexSource,
}

impl IndexRecord {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("records have text keys")
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|reason| Error::corrupted(format!("a record of 'indexes': {reason}")))
    }

    /// Whether it rests because nobody asked it for long.
    pub fn is_idle(&self) -> bool {
        self.idle_since_query_ticks.is_some()
    }

    /// The store's name.
    ///
    /// # Errors
    /// `Corrupted` when it cannot be one.
    pub fn store_name(&self) -> Result<StoreName> {
        StoreName::new(self.store.as_str())
            .map_err(|reason| Error::corrupted(format!("the index '{}': {reason}", self.name)))
    }

    /// When it was defined.
    pub fn created_at(&self) -> Timestamp {
        Timestamp::from_ticks(self.created_at_ticks)
    }
}

/// What names of indexes are compared by.
pub fn to_name_key(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}
