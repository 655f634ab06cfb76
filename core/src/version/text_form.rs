//! The text of change vectors: `A:12-<22 characters>`, joined by `, ` (semantics.md §1).
//!
//! Texts are opaque to clients and compared exactly, so the entries always stand in one order: by
//! tag, then by id.

use super::{ChangeVector, Entry, Etag, Incarnation, IncarnationId, Incarnations, NodeTag};
use crate::{Error, Result};

impl ChangeVector {
    /// Appends the text form, naming incarnations from `table`.
    ///
    /// # Errors
    /// `Corrupted` when an entry's incarnation is unknown to `table`.
    pub fn write_text(&self, table: &Incarnations, text: &mut String) -> Result<()> {
        // Most databases never met another; every document read comes this way.
        if let [entry] = self.entries() {
            push_entry(table.row(entry.incarnation)?, entry.etag, text);
            return Ok(());
        }
        let mut rows = Vec::with_capacity(self.entries().len());
        for entry in self.entries() {
            let row = table.row(entry.incarnation)?;
            rows.push((row.tag.as_str(), row.id, entry.etag, row));
        }
        rows.sort_unstable_by_key(|(tag, id, etag, _)| (*tag, *id, *etag));
        for (position, (_, _, etag, row)) in rows.into_iter().enumerate() {
            if position > 0 {
                text.push_str(", ");
            }
            push_entry(row, etag, text);
        }
        Ok(())
    }

    /// The text form.
    ///
    /// # Errors
    /// As [`Self::write_text`].
    pub fn to_text(&self, table: &Incarnations) -> Result<String> {
        let mut text = String::with_capacity(32 * self.entries().len());
        self.write_text(table, &mut text)?;
        Ok(text)
    }

    /// Reads a text form, adding incarnations it did not know to `table`.
    ///
    /// # Errors
    /// `InvalidRequest` that quotes the entry which is not `TAG:ETAG-DATABASEID`.
    pub fn parse(text: &str, table: &mut Incarnations) -> Result<Self> {
        let mut vector = Self::empty();
        for entry in text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            let (tag, etag, id) = split_entry(entry).ok_or_else(|| {
                Error::invalid(format!(
                    "'{entry}' in a change vector is not TAG:ETAG-DATABASEID"
                ))
            })?;
            let incarnation = table.intern(IncarnationId::parse(id)?, NodeTag::new(tag)?);
            vector.include(Entry { incarnation, etag });
        }
        Ok(vector)
    }
}

fn push_entry(row: &Incarnation, etag: Etag, text: &mut String) {
    text.push_str(row.tag.as_str());
    text.push(':');
    text.push_str(itoa::Buffer::new().format(etag.number()));
    text.push('-');
    row.id.push_text(text);
}

fn split_entry(entry: &str) -> Option<(&str, Etag, &str)> {
    let (tag, rest) = entry.split_once(':')?;
    let (etag, id) = rest.split_once('-')?;
    let digits = !etag.is_empty() && etag.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| etag.parse().ok())
        .flatten()
        .map(|number| (tag, Etag::new(number), id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Incarnation;

    fn table() -> Incarnations {
        Incarnations::founded_by(Incarnation {
            id: IncarnationId::from_bytes([1; 16]),
            tag: NodeTag::new("A").unwrap(),
            seen: Etag::ZERO,
        })
    }

    #[test]
    fn text_round_trips_in_one_order() {
        let mut table = table();
        let b = IncarnationId::from_bytes([2; 16]);
        let a = IncarnationId::from_bytes([1; 16]);
        let vector = ChangeVector::parse(&format!("B:7-{b}, A:12-{a}"), &mut table).unwrap();
        assert_eq!(
            vector.to_text(&table).unwrap(),
            format!("A:12-{a}, B:7-{b}")
        );
        assert_eq!(table.rows().len(), 2);
    }

    #[test]
    fn bad_texts_are_refused_by_name() {
        for bad in [
            "A",
            "A:1",
            "A:x-y",
            "A:-1-AAAAAAAAAAAAAAAAAAAAAA",
            "A:1-short",
            "a:1-x",
        ] {
            let error = ChangeVector::parse(bad, &mut table()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidRequest, "{bad}");
        }
        assert!(ChangeVector::parse("", &mut table()).unwrap().is_empty());
    }
}
