//! What a client wants exported or imported.

use pinyon_core::host::Timestamp;
use pinyon_core::smuggler::Selection;
use pinyon_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::http::JsonObject;

/// The protocol's options, as far as they mean anything here.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Options {
    /// Kinds of items, separated by commas; without them the clients' usual ones.
    pub operate_on_types: Option<String>,
    /// Only these, unless there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    collections: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_expired: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_artificial: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transform_script: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compression_algorithm: Option<String>,
    /// Whether items that cannot be imported are left out and told.
    pub skip_corrupted_data: Option<bool>,
}

/// What clients mean when they say nothing.
const USUAL: &str = "Documents,RevisionDocuments,DatabaseRecord,Identities,Attachments,Indexes";
/// Everything that there is here.
pub const EVERYTHING: &str =
    "Documents,RevisionDocuments,DatabaseRecord,Identities,Attachments,Tombstones,Indexes";

impl Options {
    /// Reads the protocol's JSON; an empty text has no options.
    ///
    /// # Errors
    /// `InvalidRequest` for what does not fit; `Unsupported` for what is asked for in vain.
    pub fn parse(text: &str) -> Result<Self> {
        let text = match text.trim() {
            "" => "{}",
            text => text,
        };
        let options: JsonObject<Self> = serde_json::from_str(text)
            .map_err(|reason| Error::invalid(format!("the options do not fit: {reason}")))?;
        options.0.check()
    }

    /// All kinds of items.
    pub fn everything(skip_errors: bool) -> Self {
        Self {
            operate_on_types: Some(EVERYTHING.to_owned()),
            skip_corrupted_data: Some(skip_errors),
            ..Self::default()
        }
    }

    fn check(self) -> Result<Self> {
        let is_given = |text: &Option<String>| text.as_ref().is_some_and(|it| !it.is_empty());
        let missing = match () {
            () if is_given(&self.transform_script) => "TransformScript",
            () if is_given(&self.encryption_key) => "EncryptionKey",
            () if self.algorithm().is_some_and(|it| it != "gzip") => "CompressionAlgorithm",
            () => return Ok(self),
        };
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("the option {missing} is not supported"),
        ))
    }

    fn algorithm(&self) -> Option<String> {
        let given = self.compression_algorithm.as_deref();
        given.map(str::to_lowercase).filter(|it| !it.is_empty())
    }

    /// What is meant, at the moment `now`.
    pub fn selection(&self, now: Timestamp) -> Selection {
        let types = self.operate_on_types.as_deref().unwrap_or(USUAL);
        let has = |wanted: &str| {
            let mut types = types.split(',').map(str::trim);
            types.any(|it| it.eq_ignore_ascii_case(wanted))
        };
        let collections = self.collections.iter().flatten();
        Selection {
            documents: has("Documents"),
            revisions: has("RevisionDocuments"),
            tombstones: has("Tombstones"),
            identities: has("Identities"),
            indexes: has("Indexes"),
            artificial: self.include_artificial.unwrap_or_default(),
            configurations: has("DatabaseRecord"),
            collections: collections.map(|name| name.to_lowercase()).collect(),
            expired_by: (self.include_expired == Some(false)).then_some(now),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ticks(0);

    #[test]
    fn without_options_the_usual_is_meant() {
        let usual = Options::parse("").unwrap().selection(NOW);
        assert!(usual.documents && usual.revisions && usual.identities && usual.configurations);
        assert!(!usual.tombstones && usual.collections.is_empty() && usual.expired_by.is_none());
        let everything = Options::everything(false).selection(NOW);
        assert_eq!(everything, Selection::default());
    }

    #[test]
    fn what_is_named_is_meant() {
        let text = r#"{"OperateOnTypes":"indexes, Documents ,TOMBSTONES","Collections":["Users"],
            "IncludeExpired":false,"TransformScript":null,"CompressionAlgorithm":"Gzip","New":1}"#;
        let selection = Options::parse(text).unwrap().selection(NOW);
        assert!(selection.documents && selection.tombstones && !selection.revisions);
        assert!(selection.indexes && !selection.identities && !selection.artificial);
        assert_eq!(selection.collections, ["users"]);
        assert_eq!(selection.expired_by, Some(NOW));
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        for text in [
            "[]",
            "7",
            r#"{"OperateOnTypes":7}"#,
            r#"{"TransformScript":"this.a = 1"}"#,
            r#"{"EncryptionKey":"k"}"#,
            r#"{"CompressionAlgorithm":"Zstd"}"#,
        ] {
            assert!(Options::parse(text).is_err(), "{text}");
        }
    }
}
