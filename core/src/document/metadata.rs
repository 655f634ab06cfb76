//! Taking a document's text apart: the body, the metadata that is stored, and the collection.
//!
//! Metadata that the server computes (`@id`, `@change-vector`, `@last-modified`, `@flags` and the
//! like) is dropped when it comes in and added again when the document is read, so a client can
//! send back what it was given, and cannot forge it.

use super::CollectionName;
use super::json::{check_document, push_compact, top_properties};
use super::schedule::{EXPIRES, REFRESH, Schedule, parse_time};
use crate::limits::Limits;
use crate::{Error, ErrorKind, Result};

/// Metadata that is computed, never stored.
const COMPUTED: [&str; 10] = [
    "@attachments",
    "@change-vector",
    "@counters",
    "@flags",
    "@id",
    "@index-score",
    "@last-modified",
    "@projection",
    "@spatial",
    "@timeseries",
];

/// The name under which documents carry their metadata.
const METADATA: &str = "@metadata";

/// A document's text, checked and taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentText {
    /// Where the document belongs.
    pub collection: CollectionName,
    /// The metadata to store, as JSON properties without the braces around them.
    pub metadata: String,
    /// What is due for it, and when.
    pub schedule: Schedule,
    /// The document without `@metadata`, braces included, without white space between tokens.
    pub body: String,
}

/// Checks a document's text and takes it apart.
///
/// # Errors
/// `InvalidRequest` when it is not a strict JSON object or its metadata is malformed;
/// `LimitExceeded` when it is too large.
///
/// ```
/// use pinyon_core::{Limits, document::parse_document};
/// let text = r#"{"Name": "Eva", "@metadata": {"@collection": "People", "@id": "x"}}"#;
/// let document = parse_document(text, &Limits::default()).unwrap();
/// assert_eq!(document.body, r#"{"Name":"Eva"}"#);
/// assert_eq!(document.metadata, r#""@collection":"People""#);
/// ```
pub fn parse_document(text: &str, limits: &Limits) -> Result<DocumentText> {
    take_apart(text, limits).map(|(document, _)| document)
}

/// As [`parse_document`], with the id that stands in `@metadata.@id`, as exported documents have.
///
/// # Errors
/// As [`parse_document`]; `InvalidRequest` when the id is no string.
pub fn parse_document_with_id(
    text: &str,
    limits: &Limits,
) -> Result<(DocumentText, Option<String>)> {
    let (document, metadata) = take_apart(text, limits)?;
    let id = metadata.and_then(|metadata| super::find_property(metadata, "@id"));
    let id = id.map(|id| {
        serde_json::from_str::<Option<String>>(id)
            .map_err(|_| Error::invalid(format!("@metadata.@id must be a string, not {id}")))
    });
    Ok((document, id.transpose()?.flatten()))
}

/// The document and the text of its whole metadata.
fn take_apart<'a>(text: &'a str, limits: &Limits) -> Result<(DocumentText, Option<&'a str>)> {
    let properties = check_document(text, limits.max_json_depth)?;
    let mut body = String::with_capacity(text.len());
    body.push('{');
    let mut metadata = None;
    for (name, value) in &properties {
        if name == METADATA {
            metadata = Some(*value);
        } else {
            push_property(name, value, 1, &mut body);
        }
    }
    body.push('}');
    let whole_metadata = metadata;
    let (collection, metadata, schedule) = parse_metadata(whole_metadata)?;
    if body.len() + metadata.len() > limits.max_document_bytes {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!(
                "the document has {} bytes; the limit is {}",
                body.len() + metadata.len(),
                limits.max_document_bytes
            ),
        ));
    }
    let document = DocumentText {
        collection,
        metadata,
        schedule,
        body,
    };
    Ok((document, whole_metadata))
}

/// Appends `"name":value`, after a comma unless `out` has only its first `opening` bytes.
fn push_property(name: &str, value: &str, opening: usize, out: &mut String) {
    if out.len() > opening {
        out.push(',');
    }
    out.push_str(&serde_json::to_string(name).expect("any text can be a JSON string"));
    out.push(':');
    push_compact(value, out);
}

fn parse_metadata(text: Option<&str>) -> Result<(CollectionName, String, Schedule)> {
    let mut collection = CollectionName::empty();
    let mut schedule = Schedule::default();
    let mut stored = String::new();
    let Some(text) = text.filter(|text| *text != "null") else {
        return Ok((collection, stored, schedule));
    };
    let properties = top_properties(text)
        .map_err(|reason| Error::invalid(format!("@metadata must be a JSON object: {reason}")))?;
    for (name, value) in properties {
        if COMPUTED.contains(&name.as_ref()) {
            continue;
        }
        match name.as_ref() {
            EXPIRES => schedule.expires = parse_time(EXPIRES, value)?,
            REFRESH => schedule.refresh = parse_time(REFRESH, value)?,
            _ => {}
        }
        if name == "@collection" {
            match serde_json::from_str::<Option<String>>(value) {
                Ok(Some(given)) if !given.is_empty() => collection = CollectionName::new(given)?,
                Ok(_) => continue,
                Err(_) => {
                    return Err(Error::invalid(format!(
                        "@metadata.@collection must be a string, not {value}"
                    )));
                }
            }
        }
        push_property(&name, value, 0, &mut stored);
    }
    Ok((collection, stored, schedule))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<DocumentText> {
        parse_document(text, &Limits::default())
    }

    #[test]
    fn order_and_number_text_survive() {
        let parsed = parse(r#"{ "z": 1.50, "a": 12345678901234567890123, "m": [1E5, -0] }"#);
        let body = parsed.unwrap().body;
        assert_eq!(
            body,
            r#"{"z":1.50,"a":12345678901234567890123,"m":[1E5,-0]}"#
        );
    }

    #[test]
    fn names_written_with_escapes_are_found() {
        let parsed = parse(r#"{"a":1, "\u0062":[2 ,3], "@\u006detadata":{"\u0061":1}}"#).unwrap();
        assert_eq!(parsed.body, r#"{"a":1,"b":[2,3]}"#);
        assert_eq!(parsed.metadata, r#""a":1"#);
        let parsed = parse(" {\"\" : \",\\\":\" ,\"b\":{}}\n").unwrap();
        assert_eq!(parsed.body, r#"{"":",\":","b":{}}"#);
    }

    #[test]
    fn computed_metadata_is_dropped_and_the_rest_kept() {
        let text = r#"{"@metadata":{"@id":"x","@change-vector":"A:1-x","My":{"a":1},
            "@collection":"People","@expires":"2030-01-01T00:00:00Z"},"a":1}"#;
        let parsed = parse(text).unwrap();
        assert_eq!(parsed.collection.as_str(), "People");
        assert_eq!(
            parsed.metadata,
            r#""My":{"a":1},"@collection":"People","@expires":"2030-01-01T00:00:00Z""#
        );
        assert_eq!(parsed.body, r#"{"a":1}"#);
    }

    #[test]
    fn documents_without_collection_are_in_empty() {
        for text in [
            "{}",
            r#"{"@metadata":null}"#,
            r#"{"@metadata":{"@collection":null}}"#,
        ] {
            assert_eq!(parse(text).unwrap().collection.as_str(), "@empty", "{text}");
        }
    }

    #[test]
    fn malformed_documents_are_refused() {
        let refused = [
            "[]",
            "1",
            "null",
            r#"{"@metadata":[]}"#,
            r#"{"@metadata":{"@collection":5}}"#,
            r#"{"@metadata":{"@collection":"a\u0000b"}}"#,
            r#"{"@metadata":{},"@metadata":{}}"#,
            r#"{"@metadata":{"a":1,"a":2}}"#,
        ];
        for text in refused {
            assert_eq!(
                parse(text).unwrap_err().kind(),
                ErrorKind::InvalidRequest,
                "{text}"
            );
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|properties| Value::Object(properties.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_object_round_trips(
            properties in proptest::collection::vec((any::<String>(), any_json()), 0..6),
        ) {
            let object: serde_json::Map<_, _> = properties.into_iter().collect();
            prop_assume!(!object.contains_key(METADATA));
            let text = serde_json::to_string_pretty(&object).unwrap();
            let body = parse(&text).unwrap().body;
            prop_assert_eq!(&body, &serde_json::to_string(&object).unwrap());
        }
    }
}
