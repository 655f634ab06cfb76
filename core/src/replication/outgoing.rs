//! What a replica streams: everything after an etag, in the order of etags, from one snapshot.
//!
//! Invariants:
//! - what one operation wrote is never split between two parts;
//! - a part says up to which etag it tells everything, so what is left out moves the position too.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use super::Scope;
use super::content_fetch::hashes_of;
use super::wire::{WireEntry, WireFact, WireState, fact_to_wire, seen_to_wire, set_to_wire};
use crate::conflicts::{of_record, of_tombstone};
use crate::reader::Pages;
use crate::schema::blobs::ContentHash;
use crate::schema::conflicts::{self, DocumentVersion};
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::schema::etags::{self, ItemKind};
use crate::schema::ledger::{self, Fact};
use crate::schema::tombstones::Tombstone;
use crate::schema::{CONFLICTS, DOCUMENTS, ETAGS, LEDGER, TOMBSTONES};
use crate::storage::{Direction, KeyRange, KeySpace, Snapshot};
use crate::version::{Etag, Siblings};
use crate::{Error, ReadTransaction, Result};

/// How many entries are looked up at once.
const PAGE: usize = 64;

/// When a part ends, at the next end of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// After this many documents and facts.
    pub max_items: usize,
    /// After this many bytes.
    pub max_bytes: usize,
    /// After this many entries, sent or not.
    pub max_entries: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            max_items: 512,
            max_bytes: 1 << 20,
            max_entries: 8192,
        }
    }
}

/// A part of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPart {
    /// The ledger; only for servers.
    pub facts: Vec<WireFact>,
    /// The documents.
    pub states: Vec<WireState>,
    /// Of each life of a server, up to where everything of it is here. Only for servers, at the end.
    pub seen: Vec<WireEntry>,
    /// Everything up to here is told.
    pub up_to: Etag,
    /// Whether that is all there is.
    pub is_end: bool,
}

/// An entry of the stream, loaded.
enum Item {
    State(Siblings<DocumentVersion>),
    Fact(Fact, Bytes),
}

/// What a stream is made of.
pub(super) struct Selection<'a> {
    /// What an edge may see; a server gets everything, the ledger too.
    pub(super) scope: Option<&'a Scope>,
    /// What the other side has already heard by an answer.
    pub(super) told: &'a BTreeSet<Etag>,
}

/// What an index computes, each replica computes for itself.
fn is_artificial(flags: DocumentFlags) -> bool {
    flags.contains(DocumentFlags::ARTIFICIAL)
}

impl<S: Snapshot> ReadTransaction<S> {
    /// The stream for another server, after its etag `after`.
    ///
    /// # Errors
    /// Whatever the store reports; `Corrupted` when a record does not fit.
    pub async fn stream_to_server(&self, after: Etag, limits: &StreamLimits) -> Result<StreamPart> {
        let told = BTreeSet::new();
        let selection = Selection {
            scope: None,
            told: &told,
        };
        let mut part = self.stream_part(after, &selection, limits).await?;
        if part.is_end {
            part.seen = seen_to_wire(&self.incarnations);
        }
        Ok(part)
    }

    pub(super) async fn stream_part(
        &self,
        after: Etag,
        selection: &Selection<'_>,
        limits: &StreamLimits,
    ) -> Result<StreamPart> {
        let range = KeyRange::all().after(etags::key(after));
        let mut pages = Pages::new(ETAGS, range, Direction::Forward, PAGE);
        let mut part = StreamPart {
            facts: Vec::new(),
            states: Vec::new(),
            seen: Vec::new(),
            up_to: after,
            is_end: false,
        };
        let (mut first_of_last, mut bytes, mut entries) = (None, 0, 0);
        while let Some(page) = pages.next(&self.snapshot).await? {
            for (etag, first, item) in self.load_page(page, selection).await? {
                let is_full = part.states.len() + part.facts.len() >= limits.max_items.max(1)
                    || bytes >= limits.max_bytes
                    || entries >= limits.max_entries.max(1);
                if is_full && first_of_last != Some(first) {
                    return Ok(part);
                }
                first_of_last = Some(first);
                entries += 1;
                part.up_to = etag;
                match item {
                    Some(Item::State(set)) => {
                        bytes += set
                            .live
                            .iter()
                            .map(|it| it.value.byte_count())
                            .sum::<usize>();
                        part.states.push(set_to_wire(set, &self.incarnations)?);
                    }
                    Some(Item::Fact(fact, id_key)) => {
                        part.facts
                            .push(fact_to_wire(fact, &id_key, &self.incarnations)?);
                    }
                    None => {}
                }
            }
        }
        part.up_to = part.up_to.max(self.state().await?.last_etag);
        part.is_end = true;
        Ok(part)
    }

    /// For each entry its etag, the first etag of its operation, and what to send of it.
    async fn load_page(
        &self,
        page: Vec<(Bytes, Bytes)>,
        selection: &Selection<'_>,
    ) -> Result<Vec<(Etag, Etag, Option<Item>)>> {
        let mut listed = Vec::with_capacity(page.len());
        let mut wanted: HashMap<KeySpace, Vec<Bytes>> = HashMap::new();
        for (key, value) in page {
            let etag = etags::decode_key(&key)?;
            let (kind, item, offset) = etags::decode_value_at(&value)?;
            let first = Etag::new(etag.number().saturating_sub(offset));
            let space = match kind {
                ItemKind::Document => Some(DOCUMENTS),
                ItemKind::Tombstone => Some(TOMBSTONES),
                ItemKind::Fact if selection.scope.is_none() => Some(LEDGER),
                ItemKind::Fact | ItemKind::Revision => None,
            };
            let space = space.filter(|_| !selection.told.contains(&etag));
            if let Some(space) = space {
                wanted.entry(space).or_default().push(item.clone());
            }
            listed.push((etag, first, space.map(|space| (space, item))));
        }
        let mut found: HashMap<(KeySpace, Bytes), Bytes> = HashMap::new();
        for (space, keys) in wanted {
            let values = self.snapshot.get_many(space, &keys).await?;
            let values = keys.into_iter().zip(values);
            found.extend(values.filter_map(|(key, value)| Some(((space, key), value?))));
        }
        let mut items = Vec::with_capacity(listed.len());
        for (etag, first, place) in listed {
            let item = match place {
                None => None,
                Some(place) => {
                    let missing = || Error::corrupted(format!("etag {etag} names nothing"));
                    let value = found.get(&place).cloned().ok_or_else(missing)?;
                    self.item(place.0, place.1, value, selection).await?
                }
            };
            items.push((etag, first, item));
        }
        Ok(items)
    }

    async fn item(
        &self,
        space: KeySpace,
        key: Bytes,
        value: Bytes,
        selection: &Selection<'_>,
    ) -> Result<Option<Item>> {
        if space == LEDGER {
            let (_, id_key) = ledger::decode_value(&value)?;
            return Ok(Some(Item::Fact(Fact::from_key(&key)?, id_key)));
        }
        let in_scope = |it: &str| selection.scope.is_none_or(|scope| scope.contains(&key, it));
        if space == DOCUMENTS {
            let record = DocumentRecord::decode(value)?;
            let is_in = in_scope(record.collection()) && !is_artificial(record.flags);
            return Ok(is_in.then(|| Item::State(of_record(&key, &record))));
        }
        let tombstone = Tombstone::decode(&value)?;
        if !tombstone.is_conflict() {
            let is_in = in_scope(&tombstone.collection) && !is_artificial(tombstone.flags);
            return Ok(is_in.then(|| Item::State(of_tombstone(&tombstone))));
        }
        let stored = self
            .snapshot
            .get_many(CONFLICTS, std::slice::from_ref(&key))
            .await?;
        let missing = || Error::corrupted("a document in conflict has no versions");
        let set = conflicts::decode(&stored.into_iter().next().flatten().ok_or_else(missing)?)?;
        // A version that may not be seen hides the whole document.
        let is_in = set.live.iter().all(|it| in_scope(&it.value.collection));
        Ok(is_in.then_some(Item::State(set)))
    }

    /// Whether an edge that sees `scope` gets the document with this lower-cased id.
    pub(super) async fn shows(&self, key: &Bytes, scope: &Scope) -> Result<bool> {
        Ok(self.shown(key, scope).await?.is_some())
    }

    /// Whether an edge that sees `scope` gets a document that has a content with `hash`.
    pub(super) async fn shows_content(
        &self,
        key: &Bytes,
        hash: &ContentHash,
        scope: &Scope,
    ) -> Result<bool> {
        let Some(set) = self.shown(key, scope).await? else {
            return Ok(false);
        };
        let lists = set.live.iter().map(|it| it.value.attachments.as_str());
        Ok(hashes_of(lists).contains(hash))
    }

    /// What an edge that sees `scope` gets of a document.
    async fn shown(&self, key: &Bytes, scope: &Scope) -> Result<Option<Siblings<DocumentVersion>>> {
        let told = BTreeSet::new();
        let selection = Selection {
            scope: Some(scope),
            told: &told,
        };
        for space in [DOCUMENTS, TOMBSTONES] {
            let keys = std::slice::from_ref(key);
            let found = self.snapshot.get_many(space, keys).await?;
            if let Some(value) = found.into_iter().next().flatten() {
                let shown = self.item(space, key.clone(), value, &selection).await?;
                return Ok(match shown {
                    Some(Item::State(set)) => Some(set),
                    _ => None,
                });
            }
        }
        Ok(None)
    }

    /// Up to where tombstones may be gone.
    pub(super) async fn purged(&self) -> Result<Etag> {
        let key = Bytes::from_static(crate::schema::configuration::PURGED_KEY);
        let stored = self
            .snapshot
            .get_many(crate::schema::DATABASE, &[key])
            .await?;
        match stored.into_iter().next().flatten() {
            Some(text) => super::parse_purged(&String::from_utf8_lossy(&text)),
            None => Ok(Etag::ZERO),
        }
    }
}
