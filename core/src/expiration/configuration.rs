//! Whether and how often due documents are swept.

use serde::{Deserialize, Serialize};

use crate::document::parse_object;
use crate::{Error, Result};

/// How expired documents are deleted. The names are the protocol's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExpirationConfiguration {
    /// Whether nothing is swept.
    pub disabled: bool,
    /// Seconds between sweeps; `None` for 60.
    pub delete_frequency_in_sec: Option<u64>,
    /// The most documents one sweep deletes; `None` for all that are due.
    pub max_items_to_process: Option<u64>,
}

impl Default for ExpirationConfiguration {
    fn default() -> Self {
        Self {
            disabled: true,
            delete_frequency_in_sec: None,
            max_items_to_process: None,
        }
    }
}

/// How documents with `@refresh` are refreshed. The names are the protocol's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RefreshConfiguration {
    /// Whether nothing is swept.
    pub disabled: bool,
    /// Seconds between sweeps; `None` for 60.
    pub refresh_frequency_in_sec: Option<u64>,
    /// The most documents one sweep refreshes; `None` for all that are due.
    pub max_items_to_process: Option<u64>,
}

impl Default for RefreshConfiguration {
    fn default() -> Self {
        Self {
            disabled: true,
            refresh_frequency_in_sec: None,
            max_items_to_process: None,
        }
    }
}

/// Seconds between sweeps when the configuration names none.
pub const DEFAULT_FREQUENCY_S: u64 = 60;

fn check_frequency(member: &str, seconds: Option<u64>) -> Result<()> {
    if seconds == Some(0) {
        return Err(Error::invalid(format!("{member} must be above 0, or null")));
    }
    Ok(())
}

impl ExpirationConfiguration {
    /// Reads the protocol's JSON.
    ///
    /// # Errors
    /// `InvalidRequest` that names the member which does not fit.
    pub fn parse(json: &str) -> Result<Self> {
        let configuration: Self = parse_object(json).map_err(|reason| {
            Error::invalid(format!(
                "the expiration configuration does not fit: {reason}"
            ))
        })?;
        check_frequency(
            "DeleteFrequencyInSec",
            configuration.delete_frequency_in_sec,
        )?;
        Ok(configuration)
    }
}

impl RefreshConfiguration {
    /// Reads the protocol's JSON.
    ///
    /// # Errors
    /// `InvalidRequest` that names the member which does not fit.
    pub fn parse(json: &str) -> Result<Self> {
        let configuration: Self = parse_object(json).map_err(|reason| {
            Error::invalid(format!("the refresh configuration does not fit: {reason}"))
        })?;
        check_frequency(
            "RefreshFrequencyInSec",
            configuration.refresh_frequency_in_sec,
        )?;
        Ok(configuration)
    }
}
