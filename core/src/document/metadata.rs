//! Taking a document's text apart: the body, the metadata that is stored, and the collection.
//!
//! Metadata that the server computes (`@id`, `@change-vector`, `@last-modified`, `@flags` and the
//! like) is dropped when it comes in and added again when the document is read, so a client can
//! send back what it was given, and cannot forge it.

use super::json::{Properties, check_document, cut_property, push_compact, top_properties};
use super::schedule::{EXPIRES, REFRESH, Schedule, parse_time};
use super::{ALL_DOCUMENTS, CollectionName};
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
    take_apart(text, limits, &mut parse_metadata).map(|(document, _)| document)
}

/// Parses many documents: what the metadata of one has in common with the next is read once.
#[derive(Debug)]
pub struct DocumentParser<'l> {
    limits: &'l Limits,
    /// The metadata read last: its text, and what that means.
    last: Option<(String, StoredMetadata)>,
}

/// Where a document belongs, the metadata to store, and what is due.
type StoredMetadata = (CollectionName, String, Schedule);

impl<'l> DocumentParser<'l> {
    /// A parser that keeps to `limits`.
    pub fn new(limits: &'l Limits) -> Self {
        Self { limits, last: None }
    }

    /// As [`parse_document`].
    ///
    /// # Errors
    /// As [`parse_document`].
    pub fn parse(&mut self, text: &str) -> Result<DocumentText> {
        let limits = self.limits;
        let taken = take_apart(text, limits, &mut |metadata| self.metadata(metadata));
        taken.map(|(document, _)| document)
    }

    fn metadata(&mut self, text: Option<&str>) -> Result<StoredMetadata> {
        if let (Some(text), Some((known, parsed))) = (text, &self.last)
            && known == text
        {
            return Ok(parsed.clone());
        }
        let parsed = parse_metadata(text)?;
        self.last = text.map(|text| (text.to_owned(), parsed.clone()));
        Ok(parsed)
    }
}

/// As [`parse_document`], with the id that stands in `@metadata.@id`, as exported documents have.
///
/// # Errors
/// As [`parse_document`]; `InvalidRequest` when the id is no string.
pub fn parse_document_with_id(
    text: &str,
    limits: &Limits,
) -> Result<(DocumentText, Option<String>)> {
    let (document, metadata) = take_apart(text, limits, &mut parse_metadata)?;
    let id = metadata.and_then(|metadata| super::find_property(metadata, "@id"));
    let id = id.map(|id| {
        serde_json::from_str::<Option<String>>(id)
            .map_err(|_| Error::invalid(format!("@metadata.@id must be a string, not {id}")))
    });
    Ok((document, id.transpose()?.flatten()))
}

/// The document and the text of its whole metadata, which `read` reads.
fn take_apart<'a>(
    text: &'a str,
    limits: &Limits,
    read: &mut dyn FnMut(Option<&str>) -> Result<StoredMetadata>,
) -> Result<(DocumentText, Option<&'a str>)> {
    let properties = check_document(text, limits.max_json_depth)?;
    let whole_metadata = properties.iter().find(|(name, _)| name == METADATA);
    let whole_metadata = whole_metadata.map(|(_, value)| *value);
    let body = cut_property(text, &properties, METADATA).unwrap_or_else(|| rebuild(&properties));
    let (collection, metadata, schedule) = read(whole_metadata)?;
    let byte_count = body.len() + metadata.len();
    if byte_count > limits.max_document_bytes {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!(
                "the document has {byte_count} bytes; the limit is {}",
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

/// The document without its metadata and white space.
fn rebuild(properties: &Properties<'_>) -> String {
    let mut body = String::from("{");
    for (name, value) in properties.iter().filter(|(name, _)| name != METADATA) {
        push_property(name, value, 1, &mut body);
    }
    body.push('}');
    body
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

fn parse_metadata(text: Option<&str>) -> Result<StoredMetadata> {
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
                Ok(Some(given)) if given.eq_ignore_ascii_case(ALL_DOCUMENTS) => {
                    return Err(Error::invalid(format!(
                        "@metadata.@collection must not be {ALL_DOCUMENTS}, which stands for all \
                         documents"
                    )));
                }
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
    fn no_document_is_in_the_collection_of_all() {
        for name in ["@all_docs", "@All_Docs"] {
            let text = format!(r#"{{"@metadata":{{"@collection":"{name}"}}}}"#);
            let error = parse(&text).expect_err("reserved");
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        }
        assert!(parse(r#"{"@metadata":{"@collection":"@all"}}"#).is_ok());
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
    fn compact_documents_lose_their_metadata_alone() {
        for (text, expected) in [
            (r#"{"@metadata":{}}"#, "{}"),
            (r#"{"@metadata":{},"a":1}"#, r#"{"a":1}"#),
            (r#"{"a":1,"@metadata":null}"#, r#"{"a":1}"#),
            (
                r#"{"a":",","@metadata":{"b":{}},"c":[{}]}"#,
                r#"{"a":",","c":[{}]}"#,
            ),
            (r#"{"@metadata":{},"a":" "}"#, r#"{"a":" "}"#),
        ] {
            assert_eq!(parse(text).unwrap().body, expected, "{text}");
        }
    }

    #[test]
    fn metadata_that_repeats_means_the_same() {
        let limits = Limits::default();
        let mut parser = DocumentParser::new(&limits);
        for (metadata, collection) in [
            (r#","@metadata":{"@collection":"People"}"#, "People"),
            (r#","@metadata":{"@collection":"People"}"#, "People"),
            (r#","@metadata":{"@collection":"Orders"}"#, "Orders"),
            ("", "@empty"),
            (r#","@metadata":{"@collection":"Orders"}"#, "Orders"),
        ] {
            let text = format!(r#"{{"a":1{metadata}}}"#);
            let parsed = parser.parse(&text).unwrap();
            assert_eq!(parsed.collection.as_str(), collection);
            assert_eq!(parsed, parse(&text).unwrap());
        }
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
