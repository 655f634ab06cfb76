//! Core incarnations: the only owners of entries in change vectors.
//!
//! An incarnation is one life of one server database. Its id is random and minted anew on restore
//! or doubt, so a reused node tag cannot lie. Inside a store incarnations are interned: records
//! hold small indices into the store's table, which only grows.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::Etag;
use crate::host::Random;
use crate::{Error, Result};

/// The random 128-bit identity of an incarnation; as text, 22 base-64 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncarnationId([u8; 16]);

impl IncarnationId {
    /// The length of the text form.
    pub const TEXT_LENGTH: usize = 22;

    /// A fresh identity.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn mint(random: &dyn Random) -> Result<Self> {
        let mut bytes = [0; 16];
        random.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the 22-character text form.
    ///
    /// # Errors
    /// `InvalidRequest` when it is not that.
    pub fn parse(text: &str) -> Result<Self> {
        let mut bytes = [0; 16];
        match STANDARD_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) if text.len() == Self::TEXT_LENGTH => Ok(Self(bytes)),
            _ => Err(Error::invalid(format!(
                "'{text}' is not a database id: expected 22 base-64 characters"
            ))),
        }
    }
}

impl IncarnationId {
    /// Appends the text form.
    pub(super) fn push_text(&self, text: &mut String) {
        STANDARD_NO_PAD.encode_string(self.0, text);
    }
}

impl fmt::Display for IncarnationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(Self::TEXT_LENGTH);
        self.push_text(&mut text);
        f.write_str(&text)
    }
}

/// The label of a node: one to four letters A–Z. It names, but never identifies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeTag(String);

impl NodeTag {
    /// Checks the letters.
    ///
    /// # Errors
    /// `InvalidRequest` when `text` is not one to four letters A–Z, or is a reserved word.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let letters = text.bytes().all(|byte| byte.is_ascii_uppercase());
        let reserved = ["RAFT", "TRXN", "SINK", "MOVE"].contains(&text.as_str());
        if text.is_empty() || text.len() > 4 || !letters || reserved {
            return Err(Error::invalid(format!(
                "node tag '{text}' must be one to four letters A-Z, not RAFT, TRXN, SINK or MOVE"
            )));
        }
        Ok(Self(text))
    }

    /// The letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The place of an incarnation in a store's table; meaningless outside that store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncarnationIndex(pub(crate) u32);

impl IncarnationIndex {
    /// The index as a number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// One row of a store's table of incarnations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incarnation {
    /// Who.
    pub id: IncarnationId,
    /// Its label.
    pub tag: NodeTag,
    /// The largest etag of it this database has taken in: its entry in the database's vector.
    pub seen: Etag,
}

/// A store's table of incarnations, with the database's own among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incarnations {
    pub(crate) rows: Vec<Incarnation>,
    pub(crate) own: IncarnationIndex,
}

impl Incarnations {
    /// A table that knows only the database itself.
    pub fn founded_by(own: Incarnation) -> Self {
        Self {
            rows: vec![own],
            own: IncarnationIndex(0),
        }
    }

    /// The database's own index.
    pub fn own(&self) -> IncarnationIndex {
        self.own
    }

    /// The database's own row.
    pub fn own_row(&self) -> &Incarnation {
        &self.rows[self.own.0 as usize]
    }

    /// The row at `index`.
    ///
    /// # Errors
    /// `Corrupted` when a record names an index that the table lacks.
    pub fn row(&self, index: IncarnationIndex) -> Result<&Incarnation> {
        self.rows.get(index.0 as usize).ok_or_else(|| {
            Error::corrupted(format!(
                "a record names incarnation {}, which is unknown",
                index.0
            ))
        })
    }

    /// Where `id` stands, if it is known.
    pub fn find(&self, id: &IncarnationId) -> Option<IncarnationIndex> {
        let position = self.rows.iter().position(|row| row.id == *id)?;
        u32::try_from(position).ok().map(IncarnationIndex)
    }

    /// Where `id` stands, adding it with `tag` when it is new.
    pub fn intern(&mut self, id: IncarnationId, tag: NodeTag) -> IncarnationIndex {
        if let Some(index) = self.find(&id) {
            return index;
        }
        self.rows.push(Incarnation {
            id,
            tag,
            seen: Etag::ZERO,
        });
        IncarnationIndex(u32::try_from(self.rows.len() - 1).expect("fewer than 2^32 incarnations"))
    }

    /// All rows, by index.
    pub fn rows(&self) -> &[Incarnation] {
        &self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::SeededRandom;

    #[test]
    fn id_text_round_trips() {
        let id = IncarnationId::mint(&SeededRandom::new(7)).unwrap();
        let text = id.to_string();
        assert_eq!(text.len(), IncarnationId::TEXT_LENGTH);
        assert_eq!(IncarnationId::parse(&text).unwrap(), id);
        for bad in ["", "wrongwrongwrongwrong", "AAAAAAAAAAAAAAAAAAAAAAAA", "é"] {
            assert!(IncarnationId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tags_are_checked() {
        assert!(NodeTag::new("A").is_ok());
        for bad in ["", "a", "ABCDE", "SINK", "Ä"] {
            assert!(NodeTag::new(bad).is_err(), "{bad}");
        }
    }
}
