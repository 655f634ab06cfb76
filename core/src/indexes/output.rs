//! Results of a reduce as documents: where they go and what they are called.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::definition::IndexDefinition;
use super::map::Object;
use super::output_pattern::OutputPattern;
use crate::document::{CollectionName, to_id_key};
use crate::{Error, Result};

/// Where an index writes its results as documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The collection of the results.
    pub collection: CollectionName,
    /// What lists them.
    pub lists: Option<OutputLists>,
}

/// Documents that list results, under ids that can be told beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLists {
    /// Their ids.
    pub pattern: OutputPattern,
    /// Their collection.
    pub collection: CollectionName,
}

/// What a document shall be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PendingOutput {
    /// A result; none when its group is empty.
    Result {
        /// Its id.
        id: String,
        /// The result.
        result: Option<Object>,
    },
    /// A list of the results that stand in [`super::tables::OUTPUT_LISTS`] then.
    List {
        /// Its id.
        id: String,
    },
}

impl Output {
    /// What a definition wants.
    ///
    /// # Errors
    /// `InvalidRequest` when it cannot be.
    pub fn of_definition(definition: &IndexDefinition) -> Result<Option<Self>> {
        fn given(text: Option<&String>) -> Option<&str> {
            text.map(|it| it.trim()).filter(|it| !it.is_empty())
        }
        let failed = |what: &str| {
            Error::invalid(format!(
                "Failed to compile index '{}': {what}",
                definition.name
            ))
        };
        let pattern = given(
            definition
                .pattern_for_output_reduce_to_collection_references
                .as_ref(),
        );
        let Some(name) = given(definition.output_reduce_to_collection.as_ref()) else {
            return match pattern {
                Some(_) => Err(failed(
                    "PatternForOutputReduceToCollectionReferences needs OutputReduceToCollection",
                )),
                None => Ok(None),
            };
        };
        if given(definition.reduce.as_ref()).is_none() {
            return Err(failed(
                "OutputReduceToCollection needs a reduce, whose results are written",
            ));
        }
        if name.starts_with('@') {
            return Err(failed(&format!(
                "results cannot be written to the collection '{name}'"
            )));
        }
        let lists = pattern.map(|pattern| {
            let named = given(definition.pattern_references_collection_name.as_ref());
            let named = named.map_or_else(|| format!("{name}/References"), str::to_owned);
            Ok::<_, Error>(OutputLists {
                pattern: OutputPattern::parse(pattern).map_err(|error| failed(error.message()))?,
                collection: CollectionName::new(named)?,
            })
        });
        let output = Self {
            collection: CollectionName::new(name)?,
            lists: lists.transpose()?,
        };
        let is_twice = |it: &OutputLists| it.collection.key() == output.collection.key();
        if output.lists.as_ref().is_some_and(is_twice) {
            return Err(failed(
                "results and the references to them need different collections",
            ));
        }
        Ok(Some(output))
    }

    /// The keys of the collections that it writes.
    pub fn collections(&self) -> Vec<&str> {
        let lists = self.lists.iter().map(|it| it.collection.key());
        std::iter::once(self.collection.key())
            .chain(lists)
            .collect()
    }

    /// The id of the result of a group.
    pub fn id_of(&self, group: &[u8]) -> String {
        let hash = xxhash_rust::xxh3::xxh3_128(group);
        format!("{}/{hash:032x}", self.collection.as_str())
    }

    /// Whether documents of `collection`, or the one called `key`, are this index's own.
    pub fn owns(&self, collection: &str, key: &[u8]) -> bool {
        let is_result = || {
            let name = self.collection.as_str();
            key.starts_with(&to_id_key(&format!("{name}/")))
        };
        self.collections().contains(&collection) || is_result()
    }
}

impl PendingOutput {
    /// The key of the document.
    pub fn key(&self) -> Bytes {
        match self {
            Self::Result { id, .. } | Self::List { id } => to_id_key(id),
        }
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data")
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|reason| Error::corrupted(format!("a pending output of an index: {reason}")))
    }
}

/// The text of a document of `collection`.
pub fn to_document(mut body: Map<String, Value>, collection: &CollectionName) -> String {
    let metadata = json!({ "@collection": collection.as_str() });
    body.insert("@metadata".to_owned(), metadata);
    Value::Object(body).to_string()
}

/// What the keys of the results in a list begin with.
pub fn list_prefix(list: &str) -> Vec<u8> {
    let mut prefix = to_id_key(list).to_vec();
    prefix.push(0);
    prefix
}

/// The place of a result in a list.
pub fn list_key(list: &str, result: &[u8]) -> Bytes {
    [&list_prefix(list)[..], result].concat().into()
}
