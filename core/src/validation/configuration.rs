//! Which collections have a validation function.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::document::CollectionName;
use crate::host::{ScriptEngine, ScriptPart, ScriptProgram, Timestamp, check_program};
use crate::schema::conflicts::DocumentVersion;
use crate::version::Siblings;
use crate::{Error, Result};

const PRELUDE: &str = include_str!("prelude.js");
/// The longest text of a function.
const MAX_SCRIPT_BYTES: usize = 256 << 10;

/// The functions, by collection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ValidationConfiguration {
    /// By the name of the collection.
    pub collections: BTreeMap<String, Validator>,
}

/// The function of one collection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Validator {
    /// The body of a function of `doc`, `old`, `id` and `user`; what it throws is the reason.
    pub script: String,
    /// Whether it is passed over for now.
    #[serde(default)]
    pub disabled: bool,
}

impl ValidationConfiguration {
    /// Reads the JSON of the endpoint.
    ///
    /// # Errors
    /// `InvalidRequest` that says what does not fit.
    pub fn parse(text: &str) -> Result<Self> {
        let read: Self = serde_json::from_str(text).map_err(|reason| {
            Error::invalid(format!("the configuration of validation: {reason}"))
        })?;
        let mut keys = Vec::new();
        for (name, validator) in &read.collections {
            let collection = CollectionName::new(name.as_str())?;
            let key = collection.key().to_owned();
            if keys.contains(&key) {
                return Err(Error::invalid(format!(
                    "the collection '{name}' has two validation functions"
                )));
            }
            keys.push(key);
            if validator.script.len() > MAX_SCRIPT_BYTES {
                return Err(Error::invalid(format!(
                    "the validation function of '{name}' is longer than {MAX_SCRIPT_BYTES} bytes"
                )));
            }
        }
        Ok(read)
    }

    /// Compiles every function.
    ///
    /// # Errors
    /// `InvalidRequest` that names the collection and the place; whatever the engine reports.
    pub async fn check(&self, engine: &dyn ScriptEngine, now: Timestamp) -> Result<()> {
        for (name, validator) in &self.collections {
            let what = format!("the validation function of '{name}'");
            check_program(engine, validator.program(), now, &what).await?;
        }
        Ok(())
    }

    /// The functions that a write of `new` over `stored` must satisfy: that of the collection it
    /// goes to, and those of the collections it comes from.
    pub(crate) fn functions_for(
        &self,
        new: &DocumentVersion,
        stored: &Siblings<DocumentVersion>,
    ) -> Vec<(&str, &Validator)> {
        let old = stored.live.iter().map(|it| &it.value);
        let concerned: Vec<&str> = [new]
            .into_iter()
            .chain(old)
            .map(|it| it.collection.as_str())
            .collect();
        let of_all = self.collections.iter();
        of_all
            .filter(|(name, validator)| {
                let is_concerned = |it: &&str| it.eq_ignore_ascii_case(name);
                !validator.disabled && concerned.iter().any(is_concerned)
            })
            .map(|(name, validator)| (name.as_str(), validator))
            .collect()
    }

    /// Tells configurations apart within a process.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

impl Validator {
    pub(super) fn program(&self) -> Arc<ScriptProgram> {
        // The author's text stands on lines of its own, so that a comment at its end hides nothing.
        let text = format!(
            "\"use strict\"; globalThis.$validate = function (doc, old, id, user) {{\n{}\n}};",
            self.script
        );
        let part = |name: &str, text, lines_before| ScriptPart {
            name: name.to_owned(),
            text,
            lines_before,
        };
        Arc::new(ScriptProgram {
            parts: vec![
                ScriptPart::prelude("validating", PRELUDE),
                part("validate", text, 1),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_does_not_fit_is_refused() {
        let good = r#"{"Collections":{"Notes":{"Script":"throw 'no'"}}}"#;
        assert!(!ValidationConfiguration::parse(good).unwrap().collections["Notes"].disabled);
        for bad in [
            "",
            "{}",
            r#"{"Collections":{"Notes":{}}}"#,
            r#"{"Collections":{"Notes":{"Script":"","Enabled":true}}}"#,
            r#"{"Collections":{"Notes":{"Script":""},"notes":{"Script":""}}}"#,
            r#"{"Collections":{"":{"Script":""}}}"#,
        ] {
            assert!(ValidationConfiguration::parse(bad).is_err(), "{bad}");
        }
    }
}
