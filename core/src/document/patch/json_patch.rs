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
            Operations::Standard(patch) => {
                apply_standard(patch, &mut document).map_err(|reason| named(&reason.to_string()))?
            }
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

/// Applies the operations; what a failure leaves is not to be used.
fn apply_standard(
    patch: &[json_patch::PatchOperation],
    document: &mut Value,
) -> std::result::Result<(), json_patch::PatchError> {
    for (place, operation) in patch.iter().enumerate() {
        if let json_patch::PatchOperation::Test(test) = operation
            && let Some(found) = document.pointer(test.path.as_str())
            && is_equal(found, &test.value)
        {
            continue;
        }
        json_patch::patch(document, std::slice::from_ref(operation)).map_err(|mut error| {
            error.operation = place;
            error
        })?;
    }
    Ok(())
}

/// As RFC 6902 has it for `test`: numbers are equal by value, however they are written.
fn is_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => {
            let is_whole = |it: &serde_json::Number| !it.to_string().contains(['.', 'e', 'E']);
            // Whole numbers have digits that floating point has not, and it ends somewhere.
            let value = |it: &serde_json::Number| it.as_f64().filter(|it| it.is_finite());
            a == b || !(is_whole(a) && is_whole(b)) && value(a).is_some() && value(a) == value(b)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let mut members = a.iter();
            a.len() == b.len()
                && members.all(|(name, a)| b.get(name).is_some_and(|b| is_equal(a, b)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_tested_by_value() {
        let tested = |value: &str| {
            let patch = JsonPatch::parse(&format!(
                r#"[{{"op":"add","path":"/y","value":0}},{{"op":"test","path":"/x","value":{value}}}]"#
            ));
            let Operations::Standard(patch) = patch.unwrap().0 else {
                panic!("operations of the standard were read");
            };
            let text = r#"{"x":{"a":[1,2.50,9007199254740993],"b":"1"}}"#;
            let mut document: Value = serde_json::from_str(text).unwrap();
            apply_standard(&patch, &mut document)
        };
        for equal in [
            r#"{"a":[1.0,2.5,9007199254740993],"b":"1"}"#,
            r#"{"b":"1","a":[1e0,25e-1,9007199254740993]}"#,
        ] {
            assert!(tested(equal).is_ok(), "{equal}");
        }
        for other in [
            r#"{"a":[1.5,2.5,9007199254740993],"b":"1"}"#,
            r#"{"a":[1,2.5,9007199254740992],"b":"1"}"#,
            r#"{"a":[1,2.5,9007199254740993],"b":1}"#,
            r#"{"a":[1,2.5],"b":"1"}"#,
            r#"{"a":[1,2.5,9007199254740993],"c":"1"}"#,
            "null",
        ] {
            let error = tested(other).expect_err(other);
            assert_eq!(error.operation, 1, "{other}");
        }
    }
}
