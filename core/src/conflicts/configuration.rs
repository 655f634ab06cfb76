//! How conflicts are resolved without anybody being asked.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The configuration, named as in the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConflictsConfiguration {
    /// Whether the version with the latest time wins; else all are kept until somebody decides.
    pub resolve_to_latest: bool,
}

impl ConflictsConfiguration {
    /// Reads the protocol's JSON.
    ///
    /// # Errors
    /// `InvalidRequest` that says what does not fit.
    pub fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|reason| Error::invalid(format!("the configuration of conflicts: {reason}")))
    }
}
