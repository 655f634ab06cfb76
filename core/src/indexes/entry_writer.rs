//! Writing entries: what changes between the old entries of a source and the new ones.
//!
//! Invariant: for every term of every stored entry there is exactly one posting, and no other.

use std::cmp::Ordering;

use bytes::Bytes;

use super::blocks::{self, Changes};
use super::tables::{
    ENTRIES, Entry, EntryField, POSTINGS, Posted, Progress, SLOTS, SOURCES, decode_numbers,
    encode_numbers, entry_key,
};
use crate::storage::{Snapshot, WriteBatch};
use crate::{Error, Result};

/// A source and what its entries are to be; none to remove them.
pub struct SourceEntries {
    /// The document's key, or the group's.
    pub source: Bytes,
    /// The entries.
    pub entries: Vec<Entry>,
}

/// Gathers the writes of a batch.
#[derive(Default)]
pub struct EntryWriter {
    entries: Changes,
    sources: Changes,
    postings: Changes,
    slots: Changes,
    batch: WriteBatch,
}

impl EntryWriter {
    /// About how many bytes will be written.
    pub fn byte_count(&self) -> usize {
        let packed = [&self.entries, &self.sources, &self.postings, &self.slots];
        let packed: usize = packed.iter().map(|it| it.byte_count()).sum();
        packed + self.batch.byte_count()
    }

    /// What else belongs to the batch.
    pub fn batch(&mut self) -> &mut WriteBatch {
        &mut self.batch
    }

    /// Puts the slots of a document's outputs; empty to delete them.
    pub fn put_slots(&mut self, source: &[u8], slots: &[u8]) {
        if slots.is_empty() {
            self.slots.delete(&[source]);
        } else {
            self.slots.put(&[source], slots);
        }
    }

    /// The whole batch, for a store that stands as `snapshot`.
    ///
    /// # Errors
    /// Whatever the store reports; `Corrupted` when a block does not fit.
    pub async fn finish<S: Snapshot>(mut self, snapshot: &S) -> Result<WriteBatch> {
        for (space, mut changes) in [
            (ENTRIES, self.entries),
            (SOURCES, self.sources),
            (POSTINGS, self.postings),
            (SLOTS, self.slots),
        ] {
            blocks::merge(snapshot, space, &mut changes, &mut self.batch).await?;
        }
        Ok(self.batch)
    }

    /// Replaces the entries of sources, each of which stands in the list once.
    ///
    /// # Errors
    /// Whatever the store reports; `Corrupted` when a record does not fit.
    pub async fn replace<S: Snapshot>(
        &mut self,
        snapshot: &S,
        progress: &mut Progress,
        sources: Vec<SourceEntries>,
    ) -> Result<()> {
        let keys: Vec<Bytes> = sources.iter().map(|it| it.source.clone()).collect();
        let found = blocks::get_many(snapshot, SOURCES, &keys).await?;
        let numbers: Vec<Vec<u64>> = found
            .iter()
            .map(|it| it.as_deref().map_or(Ok(Vec::new()), decode_numbers))
            .collect::<Result<_>>()?;
        let keys: Vec<Bytes> = numbers.iter().flatten().map(|it| entry_key(*it)).collect();
        let mut stored = if keys.is_empty() {
            Vec::new()
        } else {
            blocks::get_many(snapshot, ENTRIES, &keys).await?
        }
        .into_iter();
        for (source, numbers) in sources.into_iter().zip(numbers) {
            let old: Vec<(u64, Bytes)> = numbers
                .iter()
                .map(|number| {
                    let entry = stored.next().flatten().ok_or_else(|| {
                        Error::corrupted(format!("the index entry {number} is missing"))
                    })?;
                    Ok((*number, entry))
                })
                .collect::<Result<_>>()?;
            self.replace_source(progress, source, &old)?;
        }
        Ok(())
    }

    fn replace_source(
        &mut self,
        progress: &mut Progress,
        new: SourceEntries,
        old: &[(u64, Bytes)],
    ) -> Result<()> {
        let mut numbers = Vec::with_capacity(new.entries.len());
        let kept = old.len().min(new.entries.len());
        for (at, entry) in new.entries.iter().enumerate() {
            let number = match old.get(at) {
                Some((number, _)) => *number,
                None => {
                    progress.next_entry += 1;
                    progress.entry_count += 1;
                    progress.next_entry - 1
                }
            };
            numbers.push(number);
            let before = old.get(at).map(|(_, bytes)| bytes);
            self.put_entry(progress, number, before, entry)?;
        }
        for (number, bytes) in &old[kept..] {
            let entry = Entry::decode(bytes)?;
            self.change_postings(progress, *number, &entry.fields, &[]);
            self.entries.delete(&[&number.to_be_bytes()]);
            progress.entry_count = progress.entry_count.saturating_sub(1);
        }
        if numbers.len() == old.len() {
            return Ok(());
        }
        if numbers.is_empty() {
            self.sources.delete(&[&new.source]);
        } else {
            self.sources.put(&[&new.source], &encode_numbers(&numbers));
        }
        Ok(())
    }

    fn put_entry(
        &mut self,
        progress: &mut Progress,
        number: u64,
        before: Option<&Bytes>,
        entry: &Entry,
    ) -> Result<()> {
        let encoded = entry.encode();
        let old = match before {
            // Most changes of documents concern no indexed field.
            Some(bytes) if **bytes == *encoded => return Ok(()),
            Some(bytes) => Entry::decode(bytes)?,
            None => Entry::default(),
        };
        self.change_postings(progress, number, &old.fields, &entry.fields);
        self.entries.put(&[&number.to_be_bytes()], &encoded);
        Ok(())
    }

    fn change_postings(
        &mut self,
        progress: &mut Progress,
        number: u64,
        old: &[EntryField],
        new: &[EntryField],
    ) {
        let count = |progress: &mut Progress, field: &EntryField, sign: bool| {
            if let Some(state) = progress.fields.get_mut(usize::from(field.field)) {
                let words = u64::from(field.words);
                if sign {
                    state.entries += 1;
                    state.words += words;
                } else {
                    state.entries = state.entries.saturating_sub(1);
                    state.words = state.words.saturating_sub(words);
                }
            }
        };
        old.iter().for_each(|field| count(progress, field, false));
        new.iter().for_each(|field| count(progress, field, true));
        let mut old = flat(old).peekable();
        let mut new = flat(new).peekable();
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => (old.0, &old.1.term).cmp(&(new.0, &new.1.term)),
            };
            match order {
                Ordering::Less => self.posting(old.next(), number, false),
                Ordering::Greater => self.posting(new.next(), number, true),
                Ordering::Equal => {
                    let is_moved = old.next().map(|it| &it.1.positions)
                        != new.peek().map(|it| &it.1.positions);
                    let posting = new.next();
                    if is_moved {
                        self.posting(posting, number, true);
                    }
                }
            }
        }
    }

    fn posting(&mut self, posting: Option<(u16, &Posted)>, number: u64, is_put: bool) {
        let Some((field, posted)) = posting else {
            return;
        };
        let (field, number) = (field.to_be_bytes(), number.to_be_bytes());
        let key: [&[u8]; 3] = [&field, posted.term.as_bytes(), &number];
        if is_put {
            self.postings.put(&key, &posted.positions);
        } else {
            self.postings.delete(&key);
        }
    }
}

/// The terms of all fields, in the order of postings.
fn flat(fields: &[EntryField]) -> impl Iterator<Item = (u16, &Posted)> {
    fields
        .iter()
        .flat_map(|it| it.terms.iter().map(move |posted| (it.field, posted)))
}
