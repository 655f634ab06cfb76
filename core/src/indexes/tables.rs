//! The stored form of an index: key spaces of its store and the codecs of their records.
//!
//! See `docs/decisions/0009-indexes.md`. A store whose format differs is rebuilt, never converted.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{FieldKey, FieldKind, Term};
use crate::schema::{Decoder, Encoder};
use crate::storage::{KeyRange, KeySpace};
use crate::{Error, Result};

/// The index's own record: [`Progress`].
pub const STATE: KeySpace = KeySpace::new(0);
/// Entries by number: [`Entry`]. In blocks, as are sources, postings and slots.
pub const ENTRIES: KeySpace = KeySpace::new(1);
/// The numbers of a source's entries, by document key (or by reduce key).
pub const SOURCES: KeySpace = KeySpace::new(2);
/// Field, term, entry number; the value says how often and where.
pub const POSTINGS: KeySpace = KeySpace::new(3);
/// What failed, by number: JSON.
pub const ERRORS: KeySpace = KeySpace::new(4);
/// Collection, referenced document, referring document; no value.
pub const REFERENCES: KeySpace = KeySpace::new(5);
/// What a document refers to, by document key.
pub const REFERRERS: KeySpace = KeySpace::new(6);
/// Groups of a map-reduce by reduce key.
pub const GROUPS: KeySpace = KeySpace::new(7);
/// Pages of the trees below groups: group number, level, page.
pub const PAGES: KeySpace = KeySpace::new(8);
/// Which slots of which groups a document's outputs stand in, by document key.
pub const SLOTS: KeySpace = KeySpace::new(9);

/// Of an index that writes its results as documents: what they shall be and are not yet, by
/// document key.
pub const PENDING_OUTPUTS: KeySpace = KeySpace::new(10);
/// The documents that results became, by document key; the value is the id of the document that
/// lists it, or empty.
pub const OUTPUTS: KeySpace = KeySpace::new(11);
/// Key of a document that lists results, a zero, key of the result; the value is the result's id.
pub const OUTPUT_LISTS: KeySpace = KeySpace::new(12);

/// The key of [`Progress`].
pub const STATE_KEY: &[u8] = b"progress";
/// The format of everything in an index's store.
pub const FORMAT: u8 = 3;

/// How far a collection was followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The newest document that is in the index.
    pub documents: u64,
    /// The newest deletion that is.
    pub tombstones: u64,
}

/// What is counted for a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldState {
    /// The field; its place in the list is its number in keys.
    pub key: FieldKey,
    /// How many entries have it.
    pub entries: u64,
    /// Of a searched field, how many words they have in all.
    pub words: u64,
}

/// Where an index stands; it is committed with what it tells of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// [`FORMAT`].
    pub format: u8,
    /// By collection key; `@all_docs` for all.
    pub cursors: BTreeMap<String, Cursor>,
    /// By referenced collection.
    pub references: BTreeMap<String, Cursor>,
    /// The fields met so far.
    pub fields: Vec<FieldState>,
    /// Their numbers, in the order of their names and kinds.
    #[serde(skip)]
    pub(super) fields_by_name: Vec<u16>,
    /// The number of the next entry.
    pub next_entry: u64,
    /// The number of the next group of a map-reduce.
    pub next_group: u64,
    /// How many entries there are.
    pub entry_count: u64,
    /// Documents handed to maps.
    pub map_attempts: u64,
    /// Of those, how many failed.
    pub map_errors: u64,
    /// Runs of the reduce.
    pub reduce_attempts: u64,
    /// Of those, how many failed.
    pub reduce_errors: u64,
    /// The most outputs that a document had.
    pub most_outputs: u64,
    /// When the last batch was committed, in ticks.
    pub last_indexed_at_ticks: i64,
    /// The number of the next error.
    pub next_error: u64,
    /// Why it stopped for good.
    pub failure: Option<String>,
    /// A number that grows with every batch.
    pub batches: u64,
    /// Whether results are not yet the documents that they shall be.
    #[serde(default)]
    pub has_pending_outputs: bool,
    /// How far collections were searched for documents that an earlier life of the index made and
    /// that it makes no more; by collection, `u64::MAX` when it was searched to the end.
    #[serde(default)]
    pub searched_outputs: BTreeMap<String, u64>,
}

impl Progress {
    /// The number of a field, given out if it is new.
    ///
    /// # Errors
    /// `LimitExceeded` when there are too many.
    pub fn field_number(&mut self, name: &str, kind: FieldKind) -> Result<u16> {
        let place = match self.place_of_field(name, kind) {
            Ok(at) => return Ok(self.fields_by_name[at]),
            Err(place) => place,
        };
        let number = u16::try_from(self.fields.len()).map_err(|_| {
            Error::new(
                crate::ErrorKind::LimitExceeded,
                format!("an index has at most 65536 fields, and '{name}' would be one more"),
            )
        })?;
        self.fields.push(FieldState {
            key: FieldKey::new(name, kind),
            entries: 0,
            words: 0,
        });
        self.fields_by_name.insert(place, number);
        Ok(number)
    }

    /// The number of a field that is known.
    pub fn find_field(&self, name: &str, kind: FieldKind) -> Option<u16> {
        let found = self.place_of_field(name, kind);
        found.ok().map(|at| self.fields_by_name[at])
    }

    /// Forgets the fields that came after the first `count`: what had them did not come into the index.
    pub fn forget_fields_after(&mut self, count: usize) {
        self.fields.truncate(count);
        self.fields_by_name
            .retain(|number| usize::from(*number) < count);
    }

    /// Where the field stands among the names, or would stand.
    fn place_of_field(&self, name: &str, kind: FieldKind) -> std::result::Result<usize, usize> {
        self.fields_by_name.binary_search_by(|number| {
            let key = &self.fields[usize::from(*number)].key;
            (key.name.as_str(), key.kind).cmp(&(name, kind))
        })
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("progress has text keys")
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut progress: Self = serde_json::from_slice(bytes)
            .map_err(|reason| Error::corrupted(format!("the progress of an index: {reason}")))?;
        if progress.format != FORMAT {
            return Err(Error::corrupted(format!(
                "an index has format {}; this version reads format {FORMAT}",
                progress.format
            )));
        }
        for number in 0..progress.fields.len() {
            let key = &progress.fields[number].key;
            if let Err(place) = progress.place_of_field(&key.name, key.kind) {
                let number = u16::try_from(number)
                    .map_err(|_| Error::corrupted("an index has more fields than there may be"))?;
                progress.fields_by_name.insert(place, number);
            }
        }
        Ok(progress)
    }
}

/// A term of an entry, with what a posting keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Posted {
    /// The term.
    pub term: Term,
    /// Of a word: where it stands.
    pub positions: Vec<u8>,
}

/// The terms of one field of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryField {
    /// The field's number.
    pub field: u16,
    /// Of a searched field, how many words it has.
    pub words: u32,
    /// In order, each once.
    pub terms: Vec<Posted>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// The document's key, or the group's for a result.
    pub source: Bytes,
    /// By number.
    pub fields: Vec<EntryField>,
    /// Stored values: a JSON object's text, or empty.
    pub stored: Vec<u8>,
}

impl Entry {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(64 + self.source.len() + self.stored.len());
        encoder.varint(self.source.len() as u64);
        encoder.raw(&self.source);
        encoder.varint(self.fields.len() as u64);
        for field in &self.fields {
            encoder.varint(field.field.into());
            encoder.varint(field.words.into());
            encoder.varint(field.terms.len() as u64);
            for posted in &field.terms {
                let term = posted.term.as_bytes();
                encoder.varint(term.len() as u64);
                encoder.raw(term);
                encoder.varint(posted.positions.len() as u64);
                encoder.raw(&posted.positions);
            }
        }
        encoder.raw(&self.stored);
        encoder.finish()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode(bytes: &Bytes) -> Result<Self> {
        Self::decode_fields(bytes, |_| true)
    }

    /// As [`Self::decode`], without the fields that are not wanted.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_fields(bytes: &Bytes, is_wanted: impl Fn(u16) -> bool) -> Result<Self> {
        let mut decoder = Decoder::new("index entries", bytes);
        let length = decoder.length()?;
        let start = decoder.position();
        decoder.raw(length)?;
        let source = bytes.slice(start..start + length);
        let mut fields = Vec::new();
        for _ in 0..decoder.length()? {
            let field = u16::try_from(decoder.varint()?)
                .map_err(|_| Error::corrupted("an index entry has an impossible field"))?;
            let words = u32::try_from(decoder.varint()?)
                .map_err(|_| Error::corrupted("an index entry has too many words"))?;
            let (mut terms, is_wanted) = (Vec::new(), is_wanted(field));
            for _ in 0..decoder.length()? {
                let length = decoder.length()?;
                let term = decoder.raw(length)?;
                let length = decoder.length()?;
                let positions = decoder.raw(length)?;
                if is_wanted {
                    terms.push(Posted {
                        term: Term::from_bytes(term),
                        positions: positions.to_vec(),
                    });
                }
            }
            if is_wanted {
                fields.push(EntryField {
                    field,
                    words,
                    terms,
                });
            }
        }
        let stored = bytes[decoder.position()..].to_vec();
        Ok(Self {
            source,
            fields,
            stored,
        })
    }

    /// The document's key in a stored entry, without reading the rest.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn source_of(bytes: &Bytes) -> Result<Bytes> {
        let mut decoder = Decoder::new("index entries", bytes);
        let length = decoder.length()?;
        let start = decoder.position();
        decoder.raw(length)?;
        Ok(bytes.slice(start..start + length))
    }

    /// The terms of a field.
    pub fn terms(&self, field: u16) -> &[Posted] {
        let found = self.fields.iter().find(|it| it.field == field);
        found.map_or(&[], |it| &it.terms)
    }
}

/// The key of an entry.
pub fn entry_key(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

/// The number in the last eight bytes of a key.
///
/// # Errors
/// `Corrupted` when there are not as many.
#[inline]
pub fn decode_number(key: &[u8]) -> Result<u64> {
    let bytes = key
        .len()
        .checked_sub(8)
        .and_then(|at| key[at..].try_into().ok())
        .ok_or_else(|| Error::corrupted("a key of an index breaks off"))?;
    Ok(u64::from_be_bytes(bytes))
}

/// What the postings of terms from `from` on have in common with a field.
pub fn posting_bound(field: u16, from: &[u8]) -> Bytes {
    let mut key = Vec::with_capacity(2 + from.len());
    key.extend_from_slice(&field.to_be_bytes());
    key.extend_from_slice(from);
    key.into()
}

/// All postings of a field whose terms begin with `prefix`.
pub fn posting_range(field: u16, prefix: &[u8]) -> KeyRange {
    KeyRange::prefix(&posting_bound(field, prefix))
}

/// The term and the entry in a posting's key.
///
/// # Errors
/// `Corrupted` when it does not have that form.
#[inline]
pub fn decode_posting(key: &[u8]) -> Result<(&[u8], u64)> {
    let number = decode_number(key)?;
    let term = key
        .get(2..key.len() - 8)
        .ok_or_else(|| Error::corrupted("a posting breaks off"))?;
    Ok((term, number))
}

/// The stored form of a source's entry numbers.
pub fn encode_numbers(numbers: &[u64]) -> Vec<u8> {
    let mut encoder = Encoder::with_capacity(8 * numbers.len());
    for number in numbers {
        encoder.varint(*number);
    }
    encoder.finish()
}

/// Reads [`encode_numbers`] back.
///
/// # Errors
/// `Corrupted` when it does not fit.
pub fn decode_numbers(bytes: &[u8]) -> Result<Vec<u64>> {
    let mut decoder = Decoder::new("index sources", bytes);
    let mut numbers = Vec::new();
    while decoder.position() < bytes.len() {
        numbers.push(decoder.varint()?);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail_without_panic(bytes: Vec<u8>) {
            let bytes = Bytes::from(bytes);
            let _ = Entry::decode(&bytes);
            let _ = Entry::source_of(&bytes);
            let _ = decode_numbers(&bytes);
            let _ = decode_posting(&bytes);
            let _ = Progress::decode(&bytes);
        }

        #[test]
        fn entries_round_trip(source: Vec<u8>, texts: Vec<(u16, u32, Vec<String>)>, stored: Vec<u8>) {
            let fields = texts.into_iter().map(|(field, words, texts)| EntryField {
                field,
                words,
                terms: texts.iter().map(|it| Posted {
                    term: Term::text(it),
                    positions: it.as_bytes().to_vec(),
                }).collect(),
            }).collect();
            let entry = Entry { source: source.into(), fields, stored };
            let bytes = Bytes::from(entry.encode());
            prop_assert_eq!(Entry::source_of(&bytes).unwrap(), entry.source.clone());
            prop_assert_eq!(Entry::decode(&bytes).unwrap(), entry);
        }
    }
}
