//! Collections: the `@collection` a document belongs to.

use crate::{Error, Result};

/// The collection of documents without `@collection`.
pub const EMPTY_COLLECTION: &str = "@empty";
/// The collection of the documents that hold HiLo ranges.
pub const HILO_COLLECTION: &str = "@hilo";

/// What queries call the documents of all collections; no document can be in it.
pub const ALL_DOCUMENTS: &str = "@all_docs";

/// A checked collection name; names that differ only in case mean the same collection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CollectionName {
    text: String,
    key: String,
}

impl CollectionName {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Checks a name.
    ///
    /// # Errors
    /// `InvalidRequest` when it is empty, too long, or holds control characters.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if text.is_empty() || text.len() > Self::MAX_BYTES || text.chars().any(char::is_control) {
            let shown: String = text.chars().take(Self::MAX_BYTES).collect();
            return Err(Error::invalid(format!(
                "the collection '{}' must have 1 to {} bytes and no control characters",
                shown.escape_debug(),
                Self::MAX_BYTES
            )));
        }
        let key = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            text.chars().flat_map(char::to_lowercase).collect()
        };
        Ok(Self { text, key })
    }

    /// The collection of documents that name none.
    pub fn empty() -> Self {
        Self {
            text: EMPTY_COLLECTION.to_owned(),
            key: EMPTY_COLLECTION.to_owned(),
        }
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
