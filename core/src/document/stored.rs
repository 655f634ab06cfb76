//! A document as a reader gets it: the stored record and the means to show it.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

use super::json::top_properties;
use crate::host::Timestamp;
use crate::schema::documents::{DocumentFlags, DocumentParts, DocumentRecord};
use crate::version::{ChangeVector, Etag, Incarnations};
use crate::{Error, Result};

/// A live document of one snapshot, to be sent on: nobody looks into its body. Cloning it copies no
/// text.
#[derive(Debug, Clone)]
pub struct ServedDocument {
    key: Bytes,
    /// Its body is not checked.
    record: DocumentRecord,
    change_vector: String,
}

/// A live document of one snapshot, to be read. Cloning it copies no text.
#[derive(Debug, Clone)]
pub struct StoredDocument {
    /// Its body is checked.
    served: ServedDocument,
}

impl Deref for StoredDocument {
    type Target = ServedDocument;

    fn deref(&self) -> &ServedDocument {
        &self.served
    }
}

impl From<StoredDocument> for ServedDocument {
    fn from(document: StoredDocument) -> Self {
        document.served
    }
}

impl StoredDocument {
    pub(crate) fn new(key: Bytes, value: Bytes, incarnations: &Arc<Incarnations>) -> Result<Self> {
        ServedDocument::new(key, value, incarnations)?.read()
    }

    /// The same with an empty body, for those who want to know of many and read none.
    ///
    /// # Errors
    /// `Corrupted` when its record cannot be made.
    pub(crate) fn without_body(self) -> Result<Self> {
        let parts = DocumentParts {
            body: "{}",
            ..DocumentParts::of_record(self.record(), self.key())
        };
        let served = ServedDocument {
            record: DocumentRecord::decode(parts.encode().into())?,
            ..self.served
        };
        Ok(Self { served })
    }

    /// The change vector.
    pub fn context(&self) -> &ChangeVector {
        &self.record().context
    }

    /// The text without `@metadata`, braces included.
    pub fn body(&self) -> &str {
        self.record().body()
    }

    /// The stored record.
    pub fn record(&self) -> &DocumentRecord {
        &self.served.record
    }

    /// As [`ServedDocument::write_json`], of the body's `members` only, and with the metadata if they name it.
    ///
    /// # Errors
    /// `Corrupted` when the body is no JSON object.
    pub fn write_members_json(&self, members: &BTreeSet<String>, json: &mut Vec<u8>) -> Result<()> {
        let properties = top_properties(self.body())
            .map_err(|reason| Error::corrupted(format!("'{}': {}", self.id(), reason.message())))?;
        json.push(b'{');
        for (name, value) in properties {
            if members.contains(&*name) {
                serde_json::to_writer(&mut *json, &name).expect("a Vec takes any text");
                json.push(b':');
                json.extend_from_slice(value.as_bytes());
                json.push(b',');
            }
        }
        if members.contains("@metadata") {
            json.extend_from_slice(b"\"@metadata\":");
            self.write_metadata_object(json);
        } else if json.last() == Some(&b',') {
            json.pop();
        }
        json.push(b'}');
        Ok(())
    }
}

impl ServedDocument {
    pub(crate) fn new(key: Bytes, value: Bytes, incarnations: &Arc<Incarnations>) -> Result<Self> {
        let record = DocumentRecord::decode_around_body(value)?;
        let change_vector = record.context.to_text(incarnations)?;
        Ok(Self {
            key,
            record,
            change_vector,
        })
    }

    /// The document to be read.
    ///
    /// # Errors
    /// `Corrupted` when its body is no text.
    pub(crate) fn read(self) -> Result<StoredDocument> {
        self.record.check_body()?;
        Ok(StoredDocument { served: self })
    }

    /// The id as written.
    pub fn id(&self) -> &str {
        match self.record.id() {
            "" => std::str::from_utf8(&self.key).unwrap_or_default(),
            id => id,
        }
    }

    /// The lower-cased id.
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    /// The local etag.
    pub fn etag(&self) -> Etag {
        self.record.etag
    }

    /// The change vector's text.
    pub fn change_vector(&self) -> &str {
        &self.change_vector
    }

    /// When it was last written, by the writer's clock.
    pub fn last_modified(&self) -> Timestamp {
        self.record.last_modified
    }

    /// Its flags.
    pub fn flags(&self) -> DocumentFlags {
        self.record.flags
    }

    /// The collection as written.
    pub fn collection(&self) -> &str {
        self.record.collection()
    }

    /// The list of attachments as JSON text; empty for none.
    pub fn attachments(&self) -> &str {
        self.record.attachments()
    }

    /// The stored metadata, as JSON properties without the braces around them.
    pub fn stored_metadata(&self) -> &str {
        self.record.metadata()
    }

    /// The bytes of the stored record.
    pub fn byte_count(&self) -> usize {
        self.record.byte_count()
    }

    /// Appends the whole document as clients read it: body, then `@metadata`.
    pub fn write_json(&self, json: &mut Vec<u8>) {
        let body = self.record.body_bytes();
        // The body ends in `}`; the metadata goes before it.
        json.extend_from_slice(&body[..body.len().saturating_sub(1)]);
        self.write_json_end(json);
    }

    /// What [`Self::write_json`] writes of the body, for those who need not copy it;
    /// [`Self::write_json_end`] writes the rest.
    pub fn json_start(&self) -> Bytes {
        let body = self.record.body_shared();
        body.slice(..body.len().saturating_sub(1))
    }

    /// What [`Self::write_json`] writes after [`Self::json_start`].
    pub fn write_json_end(&self, json: &mut Vec<u8>) {
        if self.record.body_bytes().len() > 2 {
            json.push(b',');
        }
        json.extend_from_slice(b"\"@metadata\":");
        self.write_metadata_object(json);
        json.push(b'}');
    }

    /// Appends the document with its metadata only.
    pub fn write_metadata_json(&self, json: &mut Vec<u8>) {
        json.extend_from_slice(b"{\"@metadata\":");
        self.write_metadata_object(json);
        json.push(b'}');
    }

    /// Appends the value of `@metadata`: what is stored, then what is computed.
    pub fn write_metadata_object(&self, json: &mut Vec<u8>) {
        json.push(b'{');
        let attachments = self.record.attachments();
        if !attachments.is_empty() {
            json.extend_from_slice(b"\"@attachments\":");
            json.extend_from_slice(attachments.as_bytes());
            json.push(b',');
        }
        let stored = self.stored_metadata();
        if !stored.is_empty() {
            json.extend_from_slice(stored.as_bytes());
            json.push(b',');
        }
        json.extend_from_slice(b"\"@change-vector\":\"");
        json.extend_from_slice(self.change_vector.as_bytes());
        json.push(b'"');
        if !self.flags().is_empty() {
            json.extend_from_slice(b",\"@flags\":\"");
            json.extend_from_slice(self.flags().to_text().as_bytes());
            json.push(b'"');
        }
        json.extend_from_slice(b",\"@id\":");
        serde_json::to_writer(&mut *json, self.id()).expect("a Vec takes any text");
        json.extend_from_slice(b",\"@last-modified\":\"");
        json.extend_from_slice(&self.last_modified().to_ascii());
        json.extend_from_slice(b"\"}");
    }
}
