//! From the text of an item to the command that stores it.

use serde::Deserialize;

use super::Item;
use crate::attachments::ImportedAttachment;
use crate::commands::{Configure, ExpectedVersion, PutDocument};
use crate::conflicts::ConflictsConfiguration;
use crate::document::{
    CollectionName, DocumentId, DocumentText, EMPTY_COLLECTION, HILO_COLLECTION, IdRequest,
    find_property, parse_document_with_id,
};
use crate::expiration::{ExpirationConfiguration, RefreshConfiguration};
use crate::host::Timestamp;
use crate::limits::Limits;
use crate::revisions::{ImportRevision, RevisionBinConfiguration, RevisionsConfiguration};
use crate::schema::documents::DocumentFlags;
use crate::validation::ValidationConfiguration;
use crate::{Error, Result};

/// How documents are read from items.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DocumentRules {
    /// The collection of documents that name none.
    pub collection: Option<CollectionName>,
    /// The property that holds the id of documents without `@metadata.@id`.
    pub id_property: Option<String>,
    /// What goes before the value of [`Self::id_property`]; without that, the `prefix/` or
    /// `prefix|` by which the database makes ids. If there is neither, the collection's name.
    pub id_prefix: Option<String>,
    /// Whether every document must carry its own id, as in dumps.
    pub require_id: bool,
    /// What the database accepts.
    pub limits: Limits,
}

impl DocumentRules {
    /// Checks an item and makes it a command.
    ///
    /// # Errors
    /// `InvalidRequest` or `LimitExceeded` that say what is wrong with it, not where it stands.
    pub fn to_put(&self, item: Item<'_>) -> Result<PutDocument> {
        let text = to_text(item.bytes)?;
        let (mut document, id) = parse_document_with_id(text, &self.limits)?;
        if let Some(collection) = &self.collection {
            set_missing_collection(&mut document, collection);
        }
        let id = match id {
            Some(id) => self.complete(id)?,
            None if self.require_id => return Err(Error::invalid("@metadata.@id is missing")),
            None => self.make_id(&document)?,
        };
        Ok(PutDocument {
            id,
            expected: ExpectedVersion::Any,
            document,
        })
    }

    /// Checks the item of a revision and makes it a command.
    ///
    /// # Errors
    /// As [`Self::to_put`].
    pub fn to_revision(
        &self,
        item: Item<'_>,
        attachments: Vec<ImportedAttachment>,
    ) -> Result<ImportRevision> {
        let text = to_text(item.bytes)?;
        let (document, id) = parse_document_with_id(text, &self.limits)?;
        let id = id.ok_or_else(|| Error::invalid("@metadata.@id is missing"))?;
        let property = |name| metadata_text(item, name);
        Ok(ImportRevision {
            id: DocumentId::new(id, self.limits.max_id_bytes)?,
            document,
            change_vector: property("@change-vector")?,
            last_modified: last_modified_of(item)?,
            flags: DocumentFlags::from_text(&property("@flags")?.unwrap_or_default()),
            attachments,
        })
    }

    fn complete(&self, id: String) -> Result<IdRequest> {
        DocumentId::new(id, self.limits.max_id_bytes).map(IdRequest::Semantic)
    }

    fn make_id(&self, document: &DocumentText) -> Result<IdRequest> {
        let prefix = self.id_prefix.as_deref();
        if let Some(property) = &self.id_property {
            let value = find_property(&document.body, property)
                .ok_or_else(|| Error::invalid(format!("it lacks the property '{property}'")))?;
            let part = id_part(value).ok_or_else(|| {
                Error::invalid(format!("its '{property}' is no string or number: {value}"))
            })?;
            return self.complete(format!("{}{part}", prefix.unwrap_or_default()));
        }
        let max_bytes = self.limits.max_id_bytes;
        match prefix {
            Some(prefix) if !prefix.ends_with(['/', '|']) => Err(Error::invalid(format!(
                "the id prefix '{prefix}' must end in / or | for the database to number ids"
            ))),
            Some(prefix) => IdRequest::parse(prefix, max_bytes),
            None if document.collection.as_str() == EMPTY_COLLECTION => Ok(IdRequest::Random),
            None => IdRequest::parse(&id_prefix_of(document.collection.as_str()), max_bytes),
        }
    }
}

/// What clients put before the ids of a collection: its name in lower case, unless it has several
/// capitals.
fn id_prefix_of(collection: &str) -> String {
    let capitals = collection.chars().filter(|c| c.is_uppercase()).count();
    if capitals > 1 {
        format!("{collection}/")
    } else {
        format!("{}/", collection.to_lowercase())
    }
}

fn id_part(value: &str) -> Option<String> {
    if value.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Some(value.to_owned());
    }
    let text: String = serde_json::from_str(value).ok()?;
    (!text.is_empty()).then_some(text)
}

fn set_missing_collection(document: &mut DocumentText, collection: &CollectionName) {
    let metadata = &document.metadata;
    let is_missing = document.collection.as_str() == EMPTY_COLLECTION
        && find_property(&format!("{{{metadata}}}"), "@collection").is_none();
    if !is_missing {
        return;
    }
    let name = serde_json::to_string(collection.as_str()).expect("any text can be a JSON string");
    let separator = if metadata.is_empty() { "" } else { "," };
    document.metadata = format!("\"@collection\":{name}{separator}{metadata}");
    document.collection = collection.clone();
}

/// Whether a document holds a HiLo range, whose `Max` may only grow.
pub(super) fn is_hilo(put: &PutDocument) -> bool {
    put.document.collection.key() == HILO_COLLECTION
}

/// The configurations that a database record holds.
pub(super) fn configurations_of(item: Item<'_>) -> Result<Vec<Configure>> {
    let text = to_text(item.bytes)?;
    let given = |name| find_property(text, name).filter(|value| *value != "null");
    let mut found = Vec::new();
    if let Some(value) = given("Revisions") {
        found.push(Configure::Revisions(RevisionsConfiguration::parse(value)?));
    }
    if let Some(value) = given("RevisionsBin") {
        let bin = RevisionBinConfiguration::parse(value)?;
        found.push(Configure::RevisionBin(bin));
    }
    if let Some(value) = given("Expiration") {
        let expiration = ExpirationConfiguration::parse(value)?;
        found.push(Configure::Expiration(expiration));
    }
    if let Some(value) = given("Refresh") {
        found.push(Configure::Refresh(RefreshConfiguration::parse(value)?));
    }
    if let Some(value) = given("ConflictSolverConfig") {
        let conflicts = ConflictsConfiguration::parse(value)?;
        found.push(Configure::Conflicts(conflicts));
    }
    if let Some(value) = given("Validation") {
        let validation = ValidationConfiguration::parse(value)?;
        found.push(Configure::Validation(validation));
    }
    Ok(found)
}

pub(super) fn to_text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes)
        .map_err(|reason| Error::invalid(format!("it is not UTF-8: {reason}")))
}

/// Reads an object; a derived struct would also be read from an array of its fields.
fn from_object<'a, T: Deserialize<'a>>(item: Item<'a>) -> Result<T> {
    let text = to_text(item.bytes)?;
    if !text.starts_with('{') {
        return Err(Error::invalid("it is no JSON object"));
    }
    serde_json::from_str(text).map_err(to_invalid)
}

#[derive(Deserialize)]
struct Deletion {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Type", default)]
    kind: Option<String>,
    #[serde(rename = "Flags", default)]
    flags: Option<String>,
}

/// The id of the document that an item says was deleted; `None` when it speaks of something else.
/// The tombstone of a document in conflict stands for versions that live.
pub(super) fn deleted_id(item: Item<'_>, limits: &Limits) -> Result<Option<DocumentId>> {
    let deletion: Deletion = from_object(item)?;
    let flags = deletion.flags.as_deref().unwrap_or_default();
    if flags.split(',').any(|flag| flag.trim() == "Conflicted") {
        return Ok(None);
    }
    match deletion.kind.as_deref() {
        None | Some("Document") => DocumentId::new(deletion.key, limits.max_id_bytes).map(Some),
        Some(_) => Ok(None),
    }
}

#[derive(Deserialize)]
struct IdentityItem {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Value")]
    value: IdentityValue,
}

/// Dumps write the number as a string.
#[derive(Deserialize)]
#[serde(untagged)]
enum IdentityValue {
    Number(i64),
    Text(String),
}

/// An identity's name and last number.
pub(super) fn identity_of(item: Item<'_>) -> Result<(String, i64)> {
    let identity: IdentityItem = from_object(item)?;
    let value = match identity.value {
        IdentityValue::Number(value) => value,
        IdentityValue::Text(text) => text.parse().map_err(|_| {
            Error::invalid(format!(
                "the value '{text}' of '{}' is no number",
                identity.key
            ))
        })?,
    };
    Ok((identity.key, value))
}

/// The flags that a document had where it comes from.
pub(super) fn flags_of(item: Item<'_>) -> Result<DocumentFlags> {
    let flags = metadata_text(item, "@flags")?;
    Ok(DocumentFlags::from_text(&flags.unwrap_or_default()))
}

/// When a document was written where it comes from, if it says so.
pub(super) fn last_modified_of(item: Item<'_>) -> Result<Option<Timestamp>> {
    metadata_text(item, "@last-modified")?
        .map(|text| {
            Timestamp::parse(&text)
                .map_err(|reason| Error::invalid(format!("@metadata.@last-modified: {reason}")))
        })
        .transpose()
}

/// A text in the metadata; `None` when it is missing or null.
fn metadata_text(item: Item<'_>, name: &str) -> Result<Option<String>> {
    let metadata = find_property(to_text(item.bytes)?, "@metadata").unwrap_or("{}");
    let value = find_property(metadata, name).unwrap_or("null");
    serde_json::from_str(value)
        .map_err(|_| Error::invalid(format!("@metadata.{name} must be a string")))
}

fn to_invalid(reason: serde_json::Error) -> Error {
    Error::invalid(format!("the JSON is not valid: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::super::{Place, Section};
    use super::*;

    fn item(text: &str) -> Item<'_> {
        let place = Place {
            section: Section::Documents,
            number: 1,
            line: 1,
            offset: 0,
        };
        Item {
            place,
            bytes: text.as_bytes(),
        }
    }

    fn semantic(put: &PutDocument) -> &str {
        match &put.id {
            IdRequest::Semantic(id) => id.as_str(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ids_come_from_metadata_then_property_then_prefix() {
        let mut rules = DocumentRules {
            collection: Some(CollectionName::new("Cities").unwrap()),
            ..DocumentRules::default()
        };
        let with_id = r#"{"No":7,"@metadata":{"@id":"Towns/1"}}"#;
        assert_eq!(semantic(&rules.to_put(item(with_id)).unwrap()), "Towns/1");
        let without = r#"{"No":7}"#;
        let put = rules.to_put(item(without)).unwrap();
        assert_eq!(put.id, IdRequest::ServerSide("cities/".to_owned()));
        rules.id_property = Some("No".to_owned());
        assert_eq!(semantic(&rules.to_put(item(without)).unwrap()), "7");
        rules.id_prefix = Some("cities/".to_owned());
        assert_eq!(semantic(&rules.to_put(item(without)).unwrap()), "cities/7");
        assert!(rules.to_put(item("{}")).is_err());
        assert!(rules.to_put(item(r#"{"No":null}"#)).is_err());
        rules.id_property = None;
        rules.id_prefix = Some("cities".to_owned());
        assert!(rules.to_put(item(without)).is_err());
    }

    #[test]
    fn documents_of_no_collection_get_the_given_one() {
        let rules = DocumentRules {
            collection: Some(CollectionName::new("Cities").unwrap()),
            ..DocumentRules::default()
        };
        for (text, collection, metadata) in [
            ("{}", "Cities", r#""@collection":"Cities""#),
            (
                r#"{"@metadata":{"a":1}}"#,
                "Cities",
                r#""@collection":"Cities","a":1"#,
            ),
            (
                r#"{"@metadata":{"@collection":"@empty"}}"#,
                "@empty",
                r#""@collection":"@empty""#,
            ),
            (
                r#"{"@metadata":{"@collection":"X"}}"#,
                "X",
                r#""@collection":"X""#,
            ),
        ] {
            let document = rules.to_put(item(text)).unwrap().document;
            assert_eq!(document.collection.as_str(), collection, "{text}");
            assert_eq!(document.metadata, metadata, "{text}");
        }
    }

    #[test]
    fn other_items_are_read() {
        let limits = Limits::default();
        let deleted = |text| deleted_id(item(text), &limits);
        let id = deleted(r#"{"Key":"users/1","Type":"Document","Etag":4}"#).unwrap();
        assert_eq!(id.unwrap().as_str(), "users/1");
        assert!(
            deleted(r#"{"Key":"x","Type":"Revision"}"#)
                .unwrap()
                .is_none()
        );
        assert!(deleted(r#"{"Type":"Document"}"#).is_err());
        let identity = |text| identity_of(item(text));
        let expected = ("users|".to_owned(), 12);
        assert_eq!(
            identity(r#"{"Key":"users|","Value":"12"}"#).unwrap(),
            expected
        );
        assert_eq!(
            identity(r#"{"Key":"users|","Value":12}"#).unwrap(),
            expected
        );
        assert!(identity(r#"{"Key":"users|","Value":"many"}"#).is_err());
        assert!(identity(r#"["users|",12]"#).is_err());
        assert!(deleted(r#"["users/1","Document"]"#).is_err());
    }
}
