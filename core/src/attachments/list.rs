//! A document's list of attachments, as clients see it in `@attachments`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::schema::blobs::{AttachmentRecord, ContentHash};
use crate::{Error, Result};

/// One entry of `@attachments`. The names are the protocol's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListedAttachment {
    /// Its name.
    pub name: String,
    /// Its hash, as base-64.
    pub hash: String,
    /// Its media type.
    pub content_type: String,
    /// Its length in bytes.
    pub size: u64,
}

impl ListedAttachment {
    /// Reads a list as it is stored; an empty text is an empty list.
    ///
    /// # Errors
    /// `Corrupted` when it is no such list.
    pub fn parse_list(text: &str) -> Result<Vec<Self>> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        serde_json::from_str(text).map_err(|reason| {
            Error::corrupted("a list of attachments does not fit").with_source(reason)
        })
    }

    /// The list as it is stored; empty for none.
    pub(crate) fn list_text(records: &[AttachmentRecord]) -> String {
        let list: Vec<Self> = records.iter().map(Self::from).collect();
        Self::text_of(&list)
    }

    /// A list as it is stored.
    pub(crate) fn text_of(list: &[Self]) -> String {
        if list.is_empty() {
            return String::new();
        }
        serde_json::to_string(list).expect("attachments are plain data")
    }
}

impl From<&AttachmentRecord> for ListedAttachment {
    fn from(record: &AttachmentRecord) -> Self {
        Self {
            name: record.name.clone(),
            hash: hash_text(&record.hash),
            content_type: record.content_type.clone(),
            size: record.size,
        }
    }
}

/// A hash as clients see it: base-64.
pub fn hash_text(hash: &ContentHash) -> String {
    STANDARD.encode(hash)
}

/// Reads a hash as clients send it.
///
/// # Errors
/// `InvalidRequest` when it is not 32 bytes in base-64.
pub fn parse_hash(text: &str) -> Result<ContentHash> {
    let decoded = STANDARD
        .decode(text)
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    decoded
        .ok_or_else(|| Error::invalid(format!("'{text}' is no hash: expected base-64 of 32 bytes")))
}

/// A checked name; names that differ only in case are the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentName {
    text: String,
    key: String,
}

impl AttachmentName {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 512;

    /// Checks a name.
    ///
    /// # Errors
    /// `InvalidRequest` when it is empty, too long, or holds control characters.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if text.is_empty() || text.len() > Self::MAX_BYTES || text.chars().any(char::is_control) {
            return Err(Error::invalid(format!(
                "the attachment name '{}' must have 1 to {} bytes and no control characters",
                text.escape_debug(),
                Self::MAX_BYTES
            )));
        }
        let key = text.chars().flat_map(char::to_lowercase).collect();
        Ok(Self { text, key })
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The lower-cased name.
    pub fn key(&self) -> &str {
        &self.key
    }
}
