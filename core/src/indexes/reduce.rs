//! Map-reduce: the outputs of maps by group, with the results of parts kept in a tree.
//!
//! A group's outputs stand in numbered slots without holes. Pages of [`FAN_OUT`] slots are the
//! leaves of a tree; each page above holds the results of the pages below, up to one root whose
//! reduce is the group's result. A changed output costs one reduce for each level: O(log n). A
//! removed output is replaced by the group's last one, so trees shrink as they grew.
//!
//! Invariant: a page above the leaves holds a result for each page below it that has any, or is
//! repaired when it is next touched.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::blocks;
use super::created_field::refuse_options;
use super::entry_builder::fields_of_object;
use super::entry_writer::SourceEntries;
use super::map::Object;
use super::step::Step;
use super::tables::{Entry, GROUPS, PAGES, SLOTS};
use crate::schema::{Decoder, Encoder};
use crate::storage::{KeySpace, Snapshot, Store};
use crate::{Error, Result};

/// Slots of a leaf, and results of a page above.
const FAN_OUT: u64 = 32;
/// Longer keys of groups are cut and told apart by a hash.
const MAX_KEY_BYTES: usize = 400;

/// One group.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    number: u64,
    size: u64,
    key: Arc<Value>,
}

/// An output of a map in its slot, or the result of a page in the page above.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Item {
    /// The document, in leaves.
    source: Bytes,
    /// JSON; empty in pages above for a result that is not known.
    value: Bytes,
}

type PageKey = (u64, u8, u64);

/// What a batch changed in the groups of an index.
#[derive(Default)]
pub struct GroupWriter {
    groups: HashMap<Bytes, Option<Group>>,
    /// The levels a dirty group had before the batch.
    levels_before: HashMap<Bytes, u8>,
    pages: HashMap<PageKey, Vec<Item>>,
    dirty: BTreeMap<Bytes, BTreeSet<u64>>,
    slots: HashMap<Bytes, Vec<(Bytes, u64)>>,
    byte_count: usize,
}

impl GroupWriter {
    /// About how many bytes will be written.
    pub fn byte_count(&self) -> usize {
        self.byte_count
    }
}

/// The bytes that stand for a group.
fn group_key(key: &Value) -> Bytes {
    let text = if has_numbers(key) {
        canonical(key).to_string()
    } else {
        key.to_string()
    };
    let text = text.into_bytes();
    if text.len() <= MAX_KEY_BYTES {
        return text.into();
    }
    let hash = xxhash_rust::xxh3::xxh3_128(&text);
    [&text[..MAX_KEY_BYTES], &hash.to_be_bytes()]
        .concat()
        .into()
}

fn has_numbers(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::Array(items) => items.iter().any(has_numbers),
        Value::Object(members) => members.values().any(has_numbers),
        _ => false,
    }
}

/// Equal numbers written alike.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            let text = super::Number::from_json(number).to_text();
            serde_json::from_str(&text).unwrap_or_else(|_| value.clone())
        }
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), canonical(value)))
            .collect(),
        other => other.clone(),
    }
}

/// The level of the root of a group of `size` slots.
fn root_level(size: u64) -> u8 {
    let (mut level, mut room) = (0, FAN_OUT);
    while room < size {
        room = room.saturating_mul(FAN_OUT);
        level += 1;
    }
    level
}

/// How many pages a group of `size` slots has at `level`.
fn pages_at(size: u64, level: u8) -> u64 {
    let mut count = size.div_ceil(FAN_OUT);
    for _ in 0..level {
        count = count.div_ceil(FAN_OUT);
    }
    count
}

impl<D: Store, S: Store> Step<'_, D, S> {
    /// Replaces the outputs of documents.
    pub(super) async fn group(&mut self, documents: Vec<(Bytes, Vec<Object>)>) -> Result<()> {
        let Some(reduce) = self.index.compiled.reduce.clone() else {
            return Ok(());
        };
        let counts: Vec<usize> = documents.iter().map(|it| it.1.len()).collect();
        let (sources, objects): (Vec<Bytes>, Vec<Vec<Object>>) = documents.into_iter().unzip();
        let objects: Vec<Object> = objects.into_iter().flatten().collect();
        let keys = reduce.keys(&objects);
        let mut outputs = objects.into_iter().zip(keys);
        for (source, count) in sources.into_iter().zip(counts) {
            let outputs = outputs.by_ref().take(count).collect();
            self.group_document(source, outputs).await?;
        }
        Ok(())
    }

    async fn group_document(
        &mut self,
        source: Bytes,
        outputs: Vec<(Object, Result<Value>)>,
    ) -> Result<()> {
        let mut wanted: Vec<(Bytes, Value, Bytes)> = Vec::with_capacity(outputs.len());
        for (object, key) in outputs {
            match key {
                Ok(key) => {
                    let value = serde_json::to_vec(&object).expect("objects have text keys");
                    wanted.push((group_key(&key), key, value.into()));
                }
                Err(error) => {
                    let document = String::from_utf8_lossy(&source).into_owned();
                    self.progress.map_errors += 1;
                    self.record_error("Map", Some(&document), &error);
                    wanted.clear();
                    break;
                }
            }
        }
        let mut kept = vec![false; wanted.len()];
        // Outputs that stay in their group take the place of old ones; the rest goes or comes.
        let mut at = 0;
        while let Some((group, slot)) = self.slots_of(&source).await?.get(at).cloned() {
            let same = wanted
                .iter()
                .enumerate()
                .find(|(number, it)| !kept[*number] && it.0 == group)
                .map(|(number, _)| number);
            match same {
                Some(number) => {
                    kept[number] = true;
                    let value = wanted[number].2.clone();
                    self.put_slot(&group, slot, &source, value).await?;
                    at += 1;
                }
                None => self.remove_slot(&group, slot, &source).await?,
            }
        }
        for ((group, key, value), kept) in wanted.into_iter().zip(kept) {
            if !kept {
                self.append_slot(group, key, &source, value).await?;
            }
        }
        Ok(())
    }

    async fn stored(&self, space: KeySpace, key: Bytes) -> Result<Option<Bytes>> {
        let found = self.view.snapshot.get_many(space, &[key]).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// Reads the slots of several documents at once.
    pub(super) async fn fetch_slots(&mut self, sources: &[Bytes]) -> Result<()> {
        let known = |it: &&Bytes| !self.groups.slots.contains_key(*it);
        let sources: Vec<Bytes> = sources.iter().filter(known).cloned().collect();
        let stored = blocks::get_many(&self.view.snapshot, SLOTS, &sources).await?;
        for (source, stored) in sources.into_iter().zip(stored) {
            let slots = stored.map_or(Ok(Vec::new()), |bytes| decode_slots(&bytes))?;
            self.groups.slots.insert(source, slots);
        }
        Ok(())
    }

    async fn slots_of(&mut self, source: &Bytes) -> Result<&mut Vec<(Bytes, u64)>> {
        if !self.groups.slots.contains_key(source) {
            self.fetch_slots(std::slice::from_ref(source)).await?;
        }
        Ok(self.groups.slots.entry(source.clone()).or_default())
    }

    async fn group_of(&mut self, key: &Bytes) -> Result<Option<Group>> {
        if let Some(group) = self.groups.groups.get(key) {
            return Ok(group.clone());
        }
        let stored = self.stored(GROUPS, key.clone()).await?;
        let group = stored.map(|bytes| decode_group(&bytes)).transpose()?;
        let levels = group.as_ref().map_or(0, |it| root_level(it.size));
        self.groups.levels_before.insert(key.clone(), levels);
        self.groups.groups.insert(key.clone(), group.clone());
        Ok(group)
    }

    async fn page(&mut self, key: PageKey) -> Result<&mut Vec<Item>> {
        if !self.groups.pages.contains_key(&key) {
            let stored = self.stored(PAGES, page_key(key)).await?;
            let items = stored.map_or(Ok(Vec::new()), |bytes| decode_page(&bytes))?;
            self.groups.pages.insert(key, items);
        }
        Ok(self.groups.pages.entry(key).or_default())
    }

    fn touch(&mut self, group: &Bytes, slot: u64, byte_count: usize) {
        let leaves = self.groups.dirty.entry(group.clone()).or_default();
        leaves.insert(slot / FAN_OUT);
        self.groups.byte_count += byte_count;
    }

    async fn existing_group(&mut self, key: &Bytes) -> Result<Group> {
        let group = self.group_of(key).await?;
        group.ok_or_else(|| Error::corrupted("a slot of an index names a missing group"))
    }

    async fn put_slot(
        &mut self,
        group_key: &Bytes,
        slot: u64,
        source: &Bytes,
        value: Bytes,
    ) -> Result<()> {
        let group = self.existing_group(group_key).await?;
        let page = self.page((group.number, 0, slot / FAN_OUT)).await?;
        let at = usize::try_from(slot % FAN_OUT).unwrap_or(0);
        let item = Item {
            source: source.clone(),
            value,
        };
        if page.get(at) == Some(&item) {
            return Ok(());
        }
        let byte_count = item.value.len();
        if page.len() <= at {
            page.resize(at + 1, Item::default());
        }
        page[at] = item;
        self.touch(group_key, slot, byte_count);
        Ok(())
    }

    async fn append_slot(
        &mut self,
        group_key: Bytes,
        key: Value,
        source: &Bytes,
        value: Bytes,
    ) -> Result<()> {
        let mut group = match self.group_of(&group_key).await? {
            Some(group) => group,
            None => {
                self.progress.next_group += 1;
                Group {
                    number: self.progress.next_group - 1,
                    size: 0,
                    key: Arc::new(key),
                }
            }
        };
        let slot = group.size;
        group.size += 1;
        self.groups.groups.insert(group_key.clone(), Some(group));
        self.slots_of(source).await?.push((group_key.clone(), slot));
        self.put_slot(&group_key, slot, source, value).await
    }

    /// Takes an output away; the last one of the group moves into its place.
    async fn remove_slot(&mut self, group_key: &Bytes, slot: u64, source: &Bytes) -> Result<()> {
        let mut group = self.existing_group(group_key).await?;
        let last = group
            .size
            .checked_sub(1)
            .ok_or_else(|| Error::corrupted("a slot of an index lies in an empty group"))?;
        let gone = (group_key.clone(), slot);
        self.slots_of(source).await?.retain(|it| *it != gone);
        let page = self.page((group.number, 0, last / FAN_OUT)).await?;
        let moved = page
            .pop()
            .ok_or_else(|| Error::corrupted("the last slot of a group of an index is missing"))?;
        self.touch(group_key, last, 16);
        group.size = last;
        self.groups.groups.insert(group_key.clone(), Some(group));
        if last == slot {
            return Ok(());
        }
        for place in self.slots_of(&moved.source).await? {
            if *place == (group_key.clone(), last) {
                place.1 = slot;
            }
        }
        self.put_slot(group_key, slot, &moved.source, moved.value)
            .await
    }

    /// Brings the trees and results of all touched groups up to date and adds them to the batch.
    pub(super) async fn reduce_groups(&mut self) -> Result<()> {
        let dirty = std::mem::take(&mut self.groups.dirty);
        let mut results = Vec::with_capacity(dirty.len());
        for (key, leaves) in dirty {
            self.check_stop()?;
            let group = self.existing_group(&key).await?;
            let result = self.reduce_group(&key, &group, leaves).await;
            let entries = match result {
                Ok(None) => {
                    self.follow_result(&key, None).await?;
                    Vec::new()
                }
                Ok(Some(result)) => {
                    self.follow_result(&key, Some(&result)).await?;
                    let fields = fields_of_object(&result, &self.index.forms, &mut self.progress)?;
                    vec![Entry {
                        source: key.clone(),
                        fields,
                        stored: serde_json::to_vec(&result).expect("objects have text keys"),
                    }]
                }
                Err(error) if !is_of_function(&error) => return Err(error),
                Err(error) => {
                    self.progress.reduce_errors += 1;
                    self.record_error("Reduce", None, &error);
                    self.follow_result(&key, None).await?;
                    Vec::new()
                }
            };
            results.push(SourceEntries {
                source: key,
                entries,
            });
        }
        self.write_groups();
        if results.is_empty() {
            return Ok(());
        }
        self.writer
            .replace(&self.view.snapshot, &mut self.progress, results)
            .await
    }

    async fn reduce_group(
        &mut self,
        key: &Bytes,
        group: &Group,
        leaves: BTreeSet<u64>,
    ) -> Result<Option<Object>> {
        let root = root_level(group.size);
        let before = self.groups.levels_before.get(key).copied().unwrap_or(0);
        for level in root + 1..=before {
            self.page((group.number, level, 0)).await?.clear();
        }
        let mut touched = leaves;
        for level in 0..root {
            let mut above = BTreeSet::new();
            for number in touched {
                let result = self.page_result(group, level, number).await?;
                let at = usize::try_from(number % FAN_OUT).unwrap_or(0);
                above.insert(number / FAN_OUT);
                let page = self
                    .page((group.number, level + 1, number / FAN_OUT))
                    .await?;
                match result {
                    Some(value) => {
                        if page.len() <= at {
                            page.resize(at + 1, Item::default());
                        }
                        page[at].value = value;
                    }
                    None => page.truncate(at),
                }
            }
            touched = above;
            self.repair(group, level + 1, &touched).await?;
        }
        match self.page_result(group, root, 0).await? {
            None => Ok(None),
            Some(value) => serde_json::from_slice(&value)
                .map(Some)
                .map_err(|reason| Error::corrupted(format!("a result of a reduce: {reason}"))),
        }
    }

    /// Computes results that pages above lack: they were made before these pages existed, or
    /// failed before.
    async fn repair(&mut self, group: &Group, level: u8, pages: &BTreeSet<u64>) -> Result<()> {
        let below = pages_at(group.size, level - 1);
        for number in pages {
            let first = number * FAN_OUT;
            let count = below.saturating_sub(first).min(FAN_OUT);
            for child in 0..count {
                let at = usize::try_from(child).unwrap_or(0);
                let page = self.page((group.number, level, *number)).await?;
                if page.get(at).is_some_and(|it| !it.value.is_empty()) {
                    continue;
                }
                let result = self.page_result(group, level - 1, first + child).await?;
                let page = self.page((group.number, level, *number)).await?;
                if page.len() <= at {
                    page.resize(at + 1, Item::default());
                }
                page[at].value = result.unwrap_or_default();
            }
        }
        Ok(())
    }

    /// The reduce of one page; `None` when it has nothing.
    async fn page_result(
        &mut self,
        group: &Group,
        level: u8,
        number: u64,
    ) -> Result<Option<Bytes>> {
        let Some(reduce) = self.index.compiled.reduce.clone() else {
            return Ok(None);
        };
        let page = self.page((group.number, level, number)).await?;
        let inputs: Vec<&str> = page
            .iter()
            .filter(|it| !it.value.is_empty())
            .map(|it| {
                std::str::from_utf8(&it.value)
                    .map_err(|reason| Error::corrupted(format!("an input of a reduce: {reason}")))
            })
            .collect::<Result<_>>()?;
        if inputs.is_empty() {
            return Ok(None);
        }
        let result = reduce.reduce_texts(&group.key, &inputs);
        self.progress.reduce_attempts += 1;
        let result = result?;
        refuse_options(&result)?;
        let result = serde_json::to_vec(&result).expect("objects have text keys");
        Ok(Some(result.into()))
    }

    fn write_groups(&mut self) {
        let groups = std::mem::take(&mut self.groups);
        for (source, slots) in groups.slots {
            self.writer.put_slots(&source, &encode_slots(&slots));
        }
        let batch = self.writer.batch();
        // A tree takes neighbours with less effort.
        let in_order: BTreeMap<_, _> = groups.groups.into_iter().collect();
        for (key, group) in in_order {
            match group {
                Some(group) if group.size > 0 => batch.put(GROUPS, key, encode_group(&group)),
                _ => batch.delete(GROUPS, key),
            }
        }
        let in_order: BTreeMap<_, _> = groups.pages.into_iter().collect();
        for (key, items) in in_order {
            if items.is_empty() {
                batch.delete(PAGES, page_key(key));
            } else {
                batch.put(PAGES, page_key(key), encode_page(&items));
            }
        }
    }
}

fn page_key((group, level, page): PageKey) -> Bytes {
    let mut key = Vec::with_capacity(17);
    key.extend_from_slice(&group.to_be_bytes());
    key.push(level);
    key.extend_from_slice(&page.to_be_bytes());
    key.into()
}

fn encode_group(group: &Group) -> Vec<u8> {
    let mut encoder = Encoder::with_capacity(32);
    encoder.varint(group.number);
    encoder.varint(group.size);
    encoder.text(&group.key.to_string());
    encoder.finish()
}

fn decode_group(bytes: &[u8]) -> Result<Group> {
    let mut decoder = Decoder::new("index groups", bytes);
    let (number, size) = (decoder.varint()?, decoder.varint()?);
    let key: Value = serde_json::from_str(decoder.text()?)
        .map_err(|reason| Error::corrupted(format!("the key of a group: {reason}")))?;
    decoder.end()?;
    let key = Arc::new(key);
    Ok(Group { number, size, key })
}

fn encode_page(items: &[Item]) -> Vec<u8> {
    let mut encoder = Encoder::with_capacity(64 * items.len());
    for item in items {
        for bytes in [&item.source[..], &item.value] {
            encoder.varint(bytes.len() as u64);
            encoder.raw(bytes);
        }
    }
    encoder.finish()
}

fn decode_page(bytes: &Bytes) -> Result<Vec<Item>> {
    let mut decoder = Decoder::new("index pages", bytes);
    let mut items = Vec::new();
    while decoder.position() < bytes.len() {
        let length = decoder.length()?;
        let source = bytes.slice_ref(decoder.raw(length)?);
        let length = decoder.length()?;
        let value = bytes.slice_ref(decoder.raw(length)?);
        items.push(Item { source, value });
    }
    Ok(items)
}

fn encode_slots(slots: &[(Bytes, u64)]) -> Vec<u8> {
    let mut encoder = Encoder::with_capacity(32 * slots.len());
    for (group, slot) in slots {
        encoder.varint(group.len() as u64);
        encoder.raw(group);
        encoder.varint(*slot);
    }
    encoder.finish()
}

fn decode_slots(bytes: &[u8]) -> Result<Vec<(Bytes, u64)>> {
    let mut decoder = Decoder::new("index slots", bytes);
    let mut slots = Vec::new();
    while decoder.position() < bytes.len() {
        let length = decoder.length()?;
        let group = Bytes::copy_from_slice(decoder.raw(length)?);
        slots.push((group, decoder.varint()?));
    }
    Ok(slots)
}

/// The value of a record of groups, pages or slots, read and written again.
///
/// # Errors
/// `Corrupted` when it does not fit.
pub(super) fn rewrite_record(space: KeySpace, value: &Bytes) -> Result<Vec<u8>> {
    Ok(match space {
        GROUPS => encode_group(&decode_group(value)?),
        PAGES => encode_page(&decode_page(value)?),
        _ => encode_slots(&decode_slots(value)?),
    })
}

/// Whether a reduce's function is to blame. What the storage could not do is tried again with the
/// whole step: taken for a failure of the function it would leave the group without a result.
fn is_of_function(error: &Error) -> bool {
    use crate::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::InvalidRequest | ErrorKind::LimitExceeded | ErrorKind::Unsupported
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_have_the_levels_they_need() {
        let root = |size| (root_level(size), pages_at(size, root_level(size)));
        assert_eq!(root(1), (0, 1));
        assert_eq!(root(32), (0, 1));
        assert_eq!(root(33), (1, 1));
        assert_eq!(root(1024), (1, 1));
        assert_eq!(root(1025), (2, 1));
        assert_eq!(pages_at(1025, 0), 33);
        assert_eq!(pages_at(1025, 1), 2);
        assert_eq!(pages_at(0, 0), 0);
    }

    #[test]
    fn equal_keys_are_one_group() {
        let key = |text: &str| group_key(&serde_json::from_str(text).unwrap());
        assert_eq!(key(r#"{"a":1}"#), key(r#"{"a":1.0}"#));
        assert_ne!(key(r#"{"a":1}"#), key(r#"{"a":"1"}"#));
        assert!(key(&format!("\"{}\"", "x".repeat(1000))).len() < 500);
    }
}
