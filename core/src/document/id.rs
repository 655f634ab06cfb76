//! Document ids and the four ways to ask for one (semantics.md §1).
//!
//! Invariants: ids that differ only in case are the same id; the key is the id with each character
//! lower-cased on its own, so the key of a prefix is a prefix of the key.

use bytes::Bytes;

use crate::host::{Random, random_uuid};
use crate::version::Etag;
use crate::{Error, ErrorKind, Result};

/// The storage key of an id, or of a prefix of ids.
pub fn to_id_key(id: &str) -> Bytes {
    if id.is_ascii() {
        return id.to_ascii_lowercase().into_bytes().into();
    }
    // Not str::to_lowercase: it treats a final sigma by its context, which breaks prefixes.
    let lower: String = id.chars().flat_map(char::to_lowercase).collect();
    lower.into_bytes().into()
}

/// A checked, complete id with its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DocumentId {
    text: String,
    key: Bytes,
}

impl DocumentId {
    /// Checks a complete id.
    ///
    /// # Errors
    /// `InvalidRequest` when it is empty or ends in `/` or `|`; `LimitExceeded` when it is longer
    /// than `max_bytes`.
    pub fn new(text: impl Into<String>, max_bytes: usize) -> Result<Self> {
        let text = text.into();
        if text.is_empty() {
            return Err(Error::invalid("a document id must not be empty"));
        }
        if text.ends_with(['/', '|']) {
            return Err(Error::invalid(format!(
                "the document id '{text}' must not end in / or |"
            )));
        }
        check_length(&text, max_bytes)?;
        let key = to_id_key(&text);
        Ok(Self { text, key })
    }

    /// The id as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The storage key.
    pub fn key(&self) -> &Bytes {
        &self.key
    }
}

fn check_length(text: &str, max_bytes: usize) -> Result<()> {
    if text.len() <= max_bytes {
        return Ok(());
    }
    let start: String = text.chars().take(60).collect();
    Err(Error::new(
        ErrorKind::LimitExceeded,
        format!(
            "the document id '{start}…' has {} bytes; the limit is {max_bytes}",
            text.len()
        ),
    ))
}

/// How the id of a document to be stored is chosen.
///
/// ```
/// use pinyon_core::document::IdRequest;
/// assert!(matches!(IdRequest::parse("users/", 512), Ok(IdRequest::ServerSide(_))));
/// assert!(matches!(IdRequest::parse("users|", 512), Ok(IdRequest::Identity(_))));
/// assert!(matches!(IdRequest::parse("users/1-A", 512), Ok(IdRequest::Semantic(_))));
/// assert!(matches!(IdRequest::parse("", 512), Ok(IdRequest::Random)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdRequest {
    /// Nothing given: a random UUID.
    Random,
    /// `users/`: the prefix, then the new etag in 19 digits and the node's tag.
    ServerSide(String),
    /// `users|`: the prefix with `/` and the next number of the identity counter `users|`.
    Identity(String),
    /// Anything else: the id itself.
    Semantic(DocumentId),
}

impl IdRequest {
    /// The bytes a server-side id adds to its prefix: 19 digits, `-`, up to 4 letters.
    const SUFFIX_BYTES: usize = 24;

    /// Reads what a client gave as id.
    ///
    /// # Errors
    /// `InvalidRequest` for a lone separator; `LimitExceeded` when the id is, or would become,
    /// longer than `max_bytes`.
    pub fn parse(text: &str, max_bytes: usize) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::Random);
        }
        if text == "/" || text == "|" {
            return Err(Error::invalid(format!(
                "the document id '{text}' lacks a prefix"
            )));
        }
        if text.ends_with(['/', '|']) {
            check_length(text, max_bytes.saturating_sub(Self::SUFFIX_BYTES))?;
            let server_side = text.ends_with('/');
            let text = text.to_owned();
            return Ok(if server_side {
                Self::ServerSide(text)
            } else {
                Self::Identity(text)
            });
        }
        Ok(Self::Semantic(DocumentId::new(text, max_bytes)?))
    }

    /// The id that [`Self::ServerSide`] becomes.
    pub fn server_side_id(prefix: &str, etag: Etag, suffix: &str) -> String {
        format!("{prefix}{:019}-{suffix}", etag.number())
    }

    /// The id that [`Self::Identity`] becomes with `number`.
    pub fn identity_id(name: &str, number: i64) -> String {
        format!("{}/{number}", name.trim_end_matches('|'))
    }

    /// The id that [`Self::Random`] becomes.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn random_id(random: &dyn Random) -> Result<String> {
        random_uuid(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rules_are_kept() {
        assert!(DocumentId::new("users/", 512).is_err());
        assert!(DocumentId::new("users|", 512).is_err());
        assert!(IdRequest::parse("|", 512).is_err());
        let long = "x".repeat(513);
        assert_eq!(
            DocumentId::new(long, 512).unwrap_err().kind(),
            ErrorKind::LimitExceeded
        );
        let id = DocumentId::new("Users/1-A", 512).unwrap();
        assert_eq!(
            (id.as_str(), &id.key()[..]),
            ("Users/1-A", &b"users/1-a"[..])
        );
    }

    #[test]
    fn generated_ids_have_the_documented_form() {
        let id = IdRequest::server_side_id("people/", Etag::new(19), "A");
        assert_eq!(id, "people/0000000000000000019-A");
        assert_eq!(IdRequest::identity_id("people|", 7), "people/7");
    }

    proptest! {
        #[test]
        fn the_key_of_a_prefix_is_a_prefix_of_the_key(head: String, tail: String) {
            let whole = format!("{head}{tail}");
            prop_assert!(to_id_key(&whole).starts_with(&to_id_key(&head)));
        }
    }
}
