//! Which collections keep revisions, and how many.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::{HILO_COLLECTION, parse_object};
use crate::host::TimeSpan;
use crate::{Error, Result};

/// What one collection keeps. The names are the protocol's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CollectionRevisions {
    /// Whether new revisions are not made.
    pub disabled: bool,
    /// Keep at least this many of each document; `None` for no bound.
    pub minimum_revisions_to_keep: Option<u64>,
    /// Keep revisions at least this long; alone: remove older ones.
    pub minimum_revision_age_to_keep: Option<TimeSpan>,
    /// Whether deleting a document removes its revisions.
    pub purge_on_delete: bool,
    /// The most revisions one write removes; `None` for all that are due.
    pub maximum_revisions_to_delete_upon_document_update: Option<u64>,
}

/// What a database keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RevisionsConfiguration {
    /// For collections without a configuration of their own, but not for the ranges of ids that were
    /// given out.
    pub default: Option<CollectionRevisions>,
    /// By collection, names of any case.
    pub collections: BTreeMap<String, CollectionRevisions>,
}

impl RevisionsConfiguration {
    /// Reads the protocol's JSON.
    ///
    /// # Errors
    /// `InvalidRequest` that names the member which does not fit.
    pub fn parse(json: &str) -> Result<Self> {
        let configuration: Self = parse_object(json).map_err(|reason| {
            Error::invalid(format!(
                "the revisions configuration does not fit: {reason}"
            ))
        })?;
        let mut names: Vec<String> = configuration
            .collections
            .keys()
            .map(|name| name.to_lowercase())
            .collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::invalid(format!(
                "the collection '{}' is configured twice",
                pair[0]
            )));
        }
        let all = configuration
            .collections
            .values()
            .chain(&configuration.default);
        for collection in all {
            if collection.maximum_revisions_to_delete_upon_document_update == Some(0) {
                return Err(Error::invalid(
                    "MaximumRevisionsToDeleteUponDocumentUpdate must be above 0, or null",
                ));
            }
        }
        Ok(configuration)
    }

    /// What holds for a collection, if it keeps revisions.
    pub fn of_collection(&self, collection_key: &str) -> Option<&CollectionRevisions> {
        let own = self
            .collections
            .iter()
            .find(|(name, _)| name.to_lowercase() == collection_key);
        let default = self.default.as_ref();
        let default = default.filter(|_| collection_key != HILO_COLLECTION);
        let configured = own.map(|(_, own)| own).or(default);
        configured.filter(|it| !it.disabled)
    }
}
