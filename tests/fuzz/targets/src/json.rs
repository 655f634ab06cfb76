//! The JSON edge and what reads stored documents.

use pinyon_core::Limits;
use pinyon_core::document::{IncludePath, check_json, find_property, parse_document};
use serde_json::Value;

use crate::two_texts;

/// JSON: what is accepted means the same to serde_json before and after it is taken apart.
pub fn json(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let limits = Limits::default();
    let is_valid = check_json(text, limits.max_json_depth).is_ok();
    let parsed: Result<Value, _> = serde_json::from_str(text);
    assert!(parsed.is_ok() || !is_valid, "serde_json refuses '{text}'");
    let Ok(document) = parse_document(text, &limits) else {
        return;
    };
    assert!(is_valid, "a document of invalid JSON: '{text}'");
    let Ok(Value::Object(mut expected)) = parsed else {
        panic!("'{text}' became a document");
    };
    let metadata = expected.shift_remove("@metadata");
    let body: Value = serde_json::from_str(&document.body).expect("a body is JSON");
    assert_eq!(body, Value::Object(expected), "'{text}'");
    let stored = format!("{{{}}}", document.metadata);
    let Ok(Value::Object(stored_metadata)) = serde_json::from_str(&stored) else {
        panic!("metadata '{stored}' is no object");
    };
    for (name, value) in &stored_metadata {
        let given = metadata.as_ref().and_then(|metadata| metadata.get(name));
        assert_eq!(given, Some(value), "metadata '{name}' of '{text}'");
    }
    // What is stored is already in the form in which it is stored.
    let whole = if document.body == "{}" {
        format!("{{\"@metadata\":{stored}}}")
    } else {
        let open = document
            .body
            .strip_suffix('}')
            .expect("a body is an object");
        format!("{open},\"@metadata\":{stored}}}")
    };
    let again = parse_document(&whole, &limits).expect("what was stored can be stored");
    assert_eq!(again, document, "'{text}'");
}

/// Includes: any path over any document; a plain property means that property.
pub fn include_path(input: &[u8]) {
    let Some((path, text)) = two_texts(input) else {
        return;
    };
    let Ok(parsed) = IncludePath::parse(path) else {
        return;
    };
    let Ok(document) = parse_document(text, &Limits::default()) else {
        return;
    };
    let ids = parsed.ids(&document.body);
    let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric());
    if is_plain && let Some(value) = find_property(&document.body, path) {
        match serde_json::from_str(value) {
            Ok(Value::String(id)) if id.is_empty() => assert!(ids.is_empty()),
            Ok(Value::String(id)) => assert_eq!(ids, [id]),
            Ok(Value::Number(_)) => assert_eq!(ids, [value]),
            Ok(Value::Array(_)) => {}
            Ok(_) => assert!(ids.is_empty(), "{value} is no reference"),
            Err(reason) => panic!("a stored property is no JSON: {reason}"),
        }
    }
}
