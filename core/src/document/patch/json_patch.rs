//! JSON Patch (RFC 6902) and changes of fields, over a document.

use serde_json::Value;

use super::FieldPatch;
use super::number_texts::keep_number_texts;
use crate::document::{DocumentText, StoredDocument, parse_document};
use crate::limits::Limits;
use crate::{Error, Result};

/// A patch that needs no script: the operations of a JSON Patch, or changes of fields.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPatch(Operations);

#[derive(Debug, Clone, PartialEq)]
enum Operations {
    Standard(json_patch::Patch),
    Fields(FieldPatch),
}

impl From<FieldPatch> for JsonPatch {
    fn from(patch: FieldPatch) -> Self {
        Self(Operations::Fields(patch))
    }
}

impl JsonPatch {
    /// Reads an array of operations.
    ///
    /// # Errors
    /// `InvalidRequest` when it is none.
    pub fn parse(operations: &str) -> Result<Self> {
        let patch = serde_json::from_str(operations);
        let patch = patch.map(|it| Self(Operations::Standard(it)));
        patch.map_err(|reason| {
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
        let named = |reason: &str| Error::invalid(format!("'{}': {reason}", stored.id()));
        match &self.0 {
            Operations::Standard(patch) => json_patch::patch(&mut document, patch)
                .map_err(|reason| named(&reason.to_string()))?,
            Operations::Fields(patch) => patch
                .apply(&mut document)
                .map_err(|error| named(error.message()))?,
        }
        let mut patched = parse_document(&document.to_string(), limits)?;
        patched.body = keep_number_texts(stored.body(), &patched.body);
        let is_same = patched.body == stored.body() && patched.metadata == stored.stored_metadata();
        Ok((!is_same).then_some(patched))
    }
}
