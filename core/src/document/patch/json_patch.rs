//! JSON Patch (RFC 6902) over a document.

use serde_json::Value;

use super::number_texts::keep_number_texts;
use crate::document::{DocumentText, StoredDocument, parse_document};
use crate::limits::Limits;
use crate::{Error, Result};

/// The operations of a JSON Patch.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPatch(json_patch::Patch);

impl JsonPatch {
    /// Reads an array of operations.
    ///
    /// # Errors
    /// `InvalidRequest` when it is none.
    pub fn parse(operations: &str) -> Result<Self> {
        let patch = serde_json::from_str(operations);
        patch.map(Self).map_err(|reason| {
            Error::invalid(format!(
                "the operations of a JSON Patch are not valid: {reason}"
            ))
        })
    }

    /// What the patch makes of a document; `None` if nothing changes.
    pub(crate) fn apply(
        &self,
        stored: &StoredDocument,
        limits: &Limits,
    ) -> Result<Option<DocumentText>> {
        let mut json = Vec::new();
        stored.write_json(&mut json);
        let mut document: Value = serde_json::from_slice(&json)
            .map_err(|reason| Error::corrupted(format!("'{}': {reason}", stored.id())))?;
        json_patch::patch(&mut document, &self.0)
            .map_err(|reason| Error::invalid(format!("'{}': {reason}", stored.id())))?;
        let mut patched = parse_document(&document.to_string(), limits)?;
        patched.body = keep_number_texts(stored.body(), &patched.body);
        let is_same = patched.body == stored.body() && patched.metadata == stored.stored_metadata();
        Ok((!is_same).then_some(patched))
    }
}
