//! How conflicts are resolved without anybody being asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::host::{ScriptEngine, ScriptPart, ScriptProgram, Timestamp, check_program};
use crate::schema::conflicts::DocumentVersion;
use crate::version::Siblings;
use crate::{Error, Result};

const PRELUDE: &str = include_str!("prelude.js");

/// The configuration, named as in the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConflictsConfiguration {
    /// Whether the version with the latest time wins; else all are kept until somebody decides.
    pub resolve_to_latest: bool,
    /// Scripts, by collection. They come first.
    #[serde(deserialize_with = "or_default")]
    pub resolve_by_collection: BTreeMap<String, ScriptResolver>,
}

/// The script of one collection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ScriptResolver {
    /// The body of a function of `docs`, `hasTombstone`, `resolveToTombstone` and `base`.
    pub script: String,
    /// When it was written, as clients say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified_time: Option<String>,
}

/// Clients send `null` for nothing.
fn or_default<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
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

    /// Compiles every script.
    ///
    /// # Errors
    /// `InvalidRequest` that names the collection and the place; whatever the engine reports.
    pub async fn check(&self, engine: &dyn ScriptEngine, now: Timestamp) -> Result<()> {
        for (name, resolver) in &self.resolve_by_collection {
            let what = format!("the conflict script of '{name}'");
            check_program(engine, resolver.program(), now, &what).await?;
        }
        Ok(())
    }

    /// The script for a conflict: all its versions must be of one collection.
    pub(crate) fn resolver_for(&self, set: &Siblings<DocumentVersion>) -> Option<&ScriptResolver> {
        let mut collections = set.live.iter().map(|it| it.value.collection.as_str());
        let first = collections.next()?;
        if !collections.all(|it| it.eq_ignore_ascii_case(first)) {
            return None;
        }
        let mut resolvers = self.resolve_by_collection.iter();
        resolvers
            .find(|(name, it)| name.eq_ignore_ascii_case(first) && !it.script.trim().is_empty())
            .map(|(_, resolver)| resolver)
    }
}

impl ScriptResolver {
    pub(super) fn program(&self) -> Arc<ScriptProgram> {
        // The author's text stands on lines of its own, so that a comment at its end hides nothing.
        let text = format!(
            "\"use strict\"; globalThis.$resolve = function (docs, hasTombstone, \
             resolveToTombstone, base) {{\n{}\n}};",
            self.script
        );
        let part = |name: &str, text, lines_before| ScriptPart {
            name: name.to_owned(),
            text,
            lines_before,
        };
        Arc::new(ScriptProgram {
            parts: vec![
                ScriptPart::prelude("resolving", PRELUDE),
                part("resolve", text, 1),
            ],
        })
    }
}
