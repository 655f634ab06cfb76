//! Read transactions: documents, prefixes, pages and counts, all from one snapshot.

use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::conflicts::ConflictsConfiguration;
use crate::document::{
    CollectionName, IdPattern, IncludePath, ServedDocument, StoredDocument, to_id_key,
};
use crate::expiration::{ExpirationConfiguration, RefreshConfiguration};
use crate::revisions::{RevisionBinConfiguration, RevisionsConfiguration};
use crate::schema::collections::CollectionStatistics;
use crate::schema::configuration::{
    CONFLICTS_KEY, EXPIRATION_KEY, REFRESH_KEY, REVISION_BIN_KEY, REVISIONS_KEY, VALIDATION_KEY,
};
use crate::schema::database_state::{DatabaseState, STATE_KEY};
use crate::schema::etags::{self, ItemKind};
use crate::schema::identities::Identity;
use crate::schema::tombstones::Tombstone;
use crate::schema::{
    COLLECTION_ETAGS, COLLECTIONS, DATABASE, DOCUMENTS, ETAGS, IDENTITIES, TOMBSTONES,
    collection_etags,
};
use crate::storage::{Direction, KeyRange, KeySpace, PageLimits, Snapshot};
use crate::validation::ValidationConfiguration;
use crate::version::{Etag, Incarnations};
use crate::{Error, Result};

/// Reads from one state of the database, whatever is written meanwhile.
pub struct ReadTransaction<S> {
    pub(crate) snapshot: S,
    pub(crate) incarnations: Arc<Incarnations>,
}

/// Which documents a prefix read returns.
#[derive(Debug, Clone, Default)]
pub struct PrefixQuery {
    /// The beginning of the ids, of any case; empty for all.
    pub prefix: String,
    /// If not empty: what must follow the prefix (`*`, `?`, alternatives with `|`).
    pub matches: String,
    /// If not empty: what must not follow the prefix.
    pub exclude: String,
    /// If not empty: only ids after this one, in key order.
    pub start_after: String,
    /// How many matching documents to skip.
    pub start: usize,
    /// The most documents to return.
    pub page_size: usize,
    /// If not 0: stop behind the document with which this many bytes are reached, though more
    /// documents may follow.
    pub max_bytes: usize,
}

/// Which documents a read by age returns, the newest first.
#[derive(Debug, Clone, Default)]
pub struct NewestQuery {
    /// Only those of this collection.
    pub collection: Option<String>,
    /// Only those with a lower etag.
    pub before: Option<Etag>,
    /// How many to skip.
    pub start: usize,
    /// The most documents to return.
    pub page_size: usize,
    /// As in [`PrefixQuery::max_bytes`].
    pub max_bytes: usize,
}

/// Counts of a whole database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DatabaseStatistics {
    /// Live documents.
    pub document_count: u64,
    /// Tombstones not yet cleaned.
    pub tombstone_count: u64,
    /// Revisions.
    pub revision_count: u64,
    /// The newest etag.
    pub last_etag: Etag,
}

/// An item in etag order.
#[derive(Debug, Clone)]
pub enum Item {
    /// A live document.
    Document(StoredDocument),
    /// A deleted one.
    Tombstone(Tombstone),
    /// A revision.
    Revision(StoredDocument),
}

impl<S: Snapshot> ReadTransaction<S> {
    pub(crate) fn new(snapshot: S, incarnations: Arc<Incarnations>) -> Self {
        Self {
            snapshot,
            incarnations,
        }
    }

    /// The incarnations that change vectors of this transaction name.
    pub fn incarnations(&self) -> &Incarnations {
        &self.incarnations
    }

    /// Where the database stands.
    ///
    /// # Errors
    /// `Corrupted` when its own record is missing or does not fit.
    pub async fn state(&self) -> Result<DatabaseState> {
        let key = Bytes::from_static(STATE_KEY);
        let stored = self
            .snapshot
            .get_many(DATABASE, &[key])
            .await?
            .pop()
            .flatten();
        let encoded = stored.ok_or_else(|| Error::corrupted("the database state is missing"))?;
        DatabaseState::decode(&encoded)
    }

    /// The database's change vector as text.
    ///
    /// # Errors
    /// As [`Self::state`].
    pub async fn change_vector(&self) -> Result<String> {
        let state = self.state().await?;
        state.change_vector().to_text(&state.incarnations)
    }

    /// One document by id, of any case.
    ///
    /// # Errors
    /// Whatever the store reports; `Corrupted` when the record does not fit; `DocumentConflict` when
    /// several versions of it live.
    pub async fn document(&self, id: &str) -> Result<Option<StoredDocument>> {
        let served = self.served_document(id).await?;
        served.map(ServedDocument::read).transpose()
    }

    /// As [`Self::document`], to be sent on.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn served_document(&self, id: &str) -> Result<Option<ServedDocument>> {
        let keys = [to_id_key(id)];
        let value = self.snapshot.get_many(DOCUMENTS, &keys).await?;
        match value.into_iter().next().flatten() {
            Some(value) => {
                let [key] = keys;
                ServedDocument::new(key, value, &self.incarnations).map(Some)
            }
            None => self.refuse_conflicts(&keys).await.map(|()| None),
        }
    }

    /// Documents by id, in the order of `ids`.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn documents<I: AsRef<str>>(&self, ids: &[I]) -> Result<Vec<Option<StoredDocument>>> {
        let served = self.served_documents(ids).await?.into_iter();
        served
            .map(|it| it.map(ServedDocument::read).transpose())
            .collect()
    }

    /// As [`Self::documents`], to be sent on.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn served_documents<I: AsRef<str>>(
        &self,
        ids: &[I],
    ) -> Result<Vec<Option<ServedDocument>>> {
        let keys: Vec<Bytes> = ids.iter().map(|id| to_id_key(id.as_ref())).collect();
        let found = self.served_by_key(keys.clone()).await?;
        let missing = keys.into_iter().zip(&found).filter(|(_, it)| it.is_none());
        let missing: Vec<Bytes> = missing.map(|(key, _)| key).collect();
        self.refuse_conflicts(&missing).await?;
        Ok(found)
    }

    pub(crate) async fn documents_by_key(
        &self,
        keys: Vec<Bytes>,
    ) -> Result<Vec<Option<StoredDocument>>> {
        let served = self.served_by_key(keys).await?.into_iter();
        served
            .map(|it| it.map(ServedDocument::read).transpose())
            .collect()
    }

    async fn served_by_key(&self, keys: Vec<Bytes>) -> Result<Vec<Option<ServedDocument>>> {
        let values = self.snapshot.get_many(DOCUMENTS, &keys).await?;
        let found = keys.into_iter().zip(values);
        found
            .map(|(key, value)| {
                value
                    .map(|value| ServedDocument::new(key, value, &self.incarnations))
                    .transpose()
            })
            .collect()
    }

    /// Documents whose ids begin with a prefix, in id order.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn documents_by_prefix(&self, query: &PrefixQuery) -> Result<Vec<StoredDocument>> {
        let served = self.served_by_prefix(query).await?.into_iter();
        served.map(ServedDocument::read).collect()
    }

    /// As [`Self::documents_by_prefix`], to be sent on.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn served_by_prefix(&self, query: &PrefixQuery) -> Result<Vec<ServedDocument>> {
        let prefix_key = to_id_key(&query.prefix);
        let pattern = |text: &str| (!text.is_empty()).then(|| IdPattern::parse(text));
        let (matches, exclude) = (pattern(&query.matches), pattern(&query.exclude));
        let mut range = KeyRange::prefix(&prefix_key);
        if !query.start_after.is_empty() {
            let start_after = to_id_key(&query.start_after);
            if start_after >= prefix_key {
                range = range.after(start_after);
            }
        }
        let (mut found, mut to_skip) = (Vec::new(), query.start);
        if query.page_size == 0 {
            return Ok(found);
        }
        let mut pages = Pages::new(
            DOCUMENTS,
            range,
            Direction::Forward,
            query.page_size.saturating_add(to_skip),
        );
        let mut room = Room::new(query.page_size, query.max_bytes);
        while let Some(entries) = pages.next(&self.snapshot).await? {
            for (key, value) in entries {
                let rest = std::str::from_utf8(&key[prefix_key.len()..]).unwrap_or_default();
                let wanted = matches.as_ref().is_none_or(|pattern| pattern.matches(rest))
                    && !exclude
                        .as_ref()
                        .is_some_and(|pattern| pattern.matches(rest));
                if !wanted {
                    continue;
                }
                if to_skip > 0 {
                    to_skip -= 1;
                    continue;
                }
                let document = ServedDocument::new(key, value, &self.incarnations)?;
                let is_last = !room.take(&document);
                found.push(document);
                if is_last {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// The newest documents of the database, newest first.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn newest_documents(&self, start: usize, size: usize) -> Result<Vec<StoredDocument>> {
        self.newest_to_read(&NewestQuery {
            start,
            page_size: size,
            ..NewestQuery::default()
        })
        .await
    }

    /// The documents of a collection, newest first.
    ///
    /// # Errors
    /// `InvalidRequest` for an impossible name; as [`Self::document`].
    pub async fn newest_of_collection(
        &self,
        collection: &str,
        start: usize,
        size: usize,
    ) -> Result<Vec<StoredDocument>> {
        self.newest_to_read(&NewestQuery {
            collection: Some(collection.to_owned()),
            start,
            page_size: size,
            ..NewestQuery::default()
        })
        .await
    }

    async fn newest_to_read(&self, query: &NewestQuery) -> Result<Vec<StoredDocument>> {
        let served = self.served_newest(query).await?.into_iter();
        served.map(ServedDocument::read).collect()
    }

    /// Documents of the database or of a collection, newest first, to be sent on.
    ///
    /// # Errors
    /// `InvalidRequest` for an impossible collection; as [`Self::document`].
    pub async fn served_newest(&self, query: &NewestQuery) -> Result<Vec<ServedDocument>> {
        /// Few enough to waste little when the bytes are used up.
        const LOADED_AT_ONCE: usize = 64;
        let mut found = Vec::new();
        if query.page_size == 0 {
            return Ok(found);
        }
        let mut room = Room::new(query.page_size, query.max_bytes);
        let mut to_skip = query.start;
        let wanted = query.page_size.saturating_add(to_skip);
        let mut pages = newest_pages(query, wanted)?;
        while let Some(entries) = pages.next(&self.snapshot).await? {
            let mut keys = Vec::with_capacity(entries.len());
            for (_, value) in entries {
                let key = match &query.collection {
                    Some(_) => value,
                    None => match etags::decode_value(&value)? {
                        (ItemKind::Document, key) => key,
                        (ItemKind::Tombstone | ItemKind::Revision | ItemKind::Fact, _) => {
                            continue;
                        }
                    },
                };
                if to_skip > 0 {
                    to_skip -= 1;
                } else {
                    keys.push(key);
                }
            }
            for keys in keys.chunks(LOADED_AT_ONCE) {
                for document in self.served_existing(keys.to_vec()).await? {
                    let is_last = !room.take(&document);
                    found.push(document);
                    if is_last {
                        return Ok(found);
                    }
                }
            }
        }
        Ok(found)
    }

    async fn existing(&self, keys: Vec<Bytes>) -> Result<Vec<StoredDocument>> {
        let served = self.served_existing(keys).await?.into_iter();
        served.map(ServedDocument::read).collect()
    }

    async fn served_existing(&self, keys: Vec<Bytes>) -> Result<Vec<ServedDocument>> {
        let documents = self.served_by_key(keys).await?;
        documents
            .into_iter()
            .map(|it| it.ok_or_else(|| Error::corrupted("an etag names a missing document")))
            .collect()
    }

    /// What the documents refer to by `paths`: each id once, in the order met, without those among
    /// `documents` themselves; `None` for an id without document.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn includes(
        &self,
        documents: &[&StoredDocument],
        paths: &[IncludePath],
    ) -> Result<Vec<(String, Option<StoredDocument>)>> {
        let keys: Vec<Bytes> = documents.iter().map(|it| it.key().clone()).collect();
        let texts: Vec<&str> = documents.iter().map(|it| it.body()).collect();
        self.includes_of(&keys, &texts, paths).await
    }

    /// What JSON texts refer to by `paths`, but for those known by `keys`.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn includes_of(
        &self,
        keys: &[Bytes],
        texts: &[&str],
        paths: &[IncludePath],
    ) -> Result<Vec<(String, Option<StoredDocument>)>> {
        let mut seen: HashSet<Bytes> = keys.iter().cloned().collect();
        let mut ids = Vec::new();
        for text in texts {
            for id in paths.iter().flat_map(|path| path.ids(text)) {
                if seen.insert(to_id_key(&id)) {
                    ids.push(id);
                }
            }
        }
        let keys = ids.iter().map(|id| to_id_key(id)).collect();
        let found = self.documents_by_key(keys).await?;
        Ok(ids.into_iter().zip(found).collect())
    }

    /// Everything written after `after`, in etag order, at most `limit` items.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn items_after(&self, after: Etag, limit: usize) -> Result<Vec<Item>> {
        let range = KeyRange::all().after(etags::key(after));
        let mut pages = Pages::new(ETAGS, range, Direction::Forward, limit);
        let mut items = Vec::new();
        while let Some(entries) = pages.next(&self.snapshot).await? {
            let room = limit - items.len();
            let listed: Vec<(ItemKind, Bytes)> = entries
                .iter()
                .take(room)
                .map(|(_, value)| etags::decode_value(value))
                .filter(|it| !matches!(it, Ok((ItemKind::Fact, _))))
                .collect::<Result<_>>()?;
            self.push_items(listed, &mut items).await?;
            if items.len() >= limit {
                break;
            }
        }
        Ok(items)
    }

    /// Live documents or revisions written after `after`, in etag order, at most `limit`; and the
    /// etag to go on after, `None` when there are no more.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn of_kind_after(
        &self,
        kind: ItemKind,
        after: Etag,
        limit: usize,
    ) -> Result<(Vec<StoredDocument>, Option<Etag>)> {
        let range = KeyRange::all().after(etags::key(after));
        let mut pages = Pages::new(ETAGS, range, Direction::Forward, usize::MAX);
        let Some(entries) = pages.next(&self.snapshot).await? else {
            return Ok((Vec::new(), None));
        };
        let (mut keys, mut last) = (Vec::new(), after);
        for (etag, value) in entries {
            if keys.len() >= limit {
                break;
            }
            last = etags::decode_key(&etag)?;
            let (of_kind, key) = etags::decode_value(&value)?;
            if of_kind == kind {
                keys.push(key);
            }
        }
        let found = match kind {
            ItemKind::Revision => self.revisions_by_key(keys).await?,
            _ => self.existing(keys).await?,
        };
        Ok((found, Some(last)))
    }

    async fn push_items(
        &self,
        listed: Vec<(ItemKind, Bytes)>,
        items: &mut Vec<Item>,
    ) -> Result<()> {
        let of_kind = |wanted: ItemKind| {
            let keys = listed.iter().filter(move |(kind, _)| *kind == wanted);
            keys.map(|(_, key)| key.clone()).collect::<Vec<Bytes>>()
        };
        let mut documents = self
            .existing(of_kind(ItemKind::Document))
            .await?
            .into_iter();
        let tombstones = self
            .snapshot
            .get_many(TOMBSTONES, &of_kind(ItemKind::Tombstone))
            .await?;
        let mut tombstones = tombstones.into_iter();
        let mut revisions = self
            .revisions_by_key(of_kind(ItemKind::Revision))
            .await?
            .into_iter();
        for (kind, _) in &listed {
            items.push(match kind {
                ItemKind::Document => Item::Document(documents.next().expect("one for each key")),
                // Left out above.
                ItemKind::Fact => continue,
                ItemKind::Revision => Item::Revision(revisions.next().expect("one for each key")),
                ItemKind::Tombstone => {
                    let value = tombstones.next().expect("one for each key");
                    let value = value
                        .ok_or_else(|| Error::corrupted("an etag names a missing tombstone"))?;
                    Item::Tombstone(Tombstone::decode(&value)?)
                }
            });
        }
        Ok(())
    }

    /// The counts of every collection that has documents or tombstones, by name.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn collections(&self) -> Result<Vec<CollectionStatistics>> {
        let entries = self.all(COLLECTIONS).await?;
        let mut collections = Vec::with_capacity(entries.len());
        for (_, value) in entries {
            let statistics = CollectionStatistics::decode(&value)?;
            if statistics.document_count + statistics.tombstone_count + statistics.revision_count
                > 0
            {
                collections.push(statistics);
            }
        }
        collections.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(collections)
    }

    /// The counts of the whole database.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn statistics(&self) -> Result<DatabaseStatistics> {
        let mut statistics = DatabaseStatistics {
            last_etag: self.state().await?.last_etag,
            ..DatabaseStatistics::default()
        };
        for collection in self.collections().await? {
            statistics.document_count += collection.document_count;
            statistics.tombstone_count += collection.tombstone_count;
            statistics.revision_count += collection.revision_count;
        }
        Ok(statistics)
    }

    /// Every identity, by name.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn identities(&self) -> Result<Vec<Identity>> {
        let entries = self.all(IDENTITIES).await?;
        entries
            .into_iter()
            .map(|(_, value)| Identity::decode(&value))
            .collect()
    }

    async fn all(&self, space: KeySpace) -> Result<Vec<(Bytes, Bytes)>> {
        Pages::new(space, KeyRange::all(), Direction::Forward, usize::MAX)
            .all(&self.snapshot)
            .await
    }

    async fn configuration(&self, key: &'static [u8]) -> Result<Option<String>> {
        let stored = self
            .snapshot
            .get_many(DATABASE, &[Bytes::from_static(key)])
            .await?;
        let Some(text) = stored.into_iter().next().flatten() else {
            return Ok(None);
        };
        String::from_utf8(text.into())
            .map(Some)
            .map_err(|_| Error::corrupted("a configuration is not UTF-8"))
    }

    /// What is kept of revisions; `None` when that was never configured.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn revisions_configuration(&self) -> Result<Option<RevisionsConfiguration>> {
        let text = self.configuration(REVISIONS_KEY).await?;
        text.map(|text| RevisionsConfiguration::parse(&text))
            .transpose()
    }

    /// How the revision bin is emptied; `None` when that was never configured.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn revision_bin_configuration(&self) -> Result<Option<RevisionBinConfiguration>> {
        let text = self.configuration(REVISION_BIN_KEY).await?;
        text.map(|text| RevisionBinConfiguration::parse(&text))
            .transpose()
    }

    /// How expired documents are swept; `None` when that was never configured.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn expiration_configuration(&self) -> Result<Option<ExpirationConfiguration>> {
        let text = self.configuration(EXPIRATION_KEY).await?;
        text.map(|text| ExpirationConfiguration::parse(&text))
            .transpose()
    }

    /// How documents are refreshed; `None` when that was never configured.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn refresh_configuration(&self) -> Result<Option<RefreshConfiguration>> {
        let text = self.configuration(REFRESH_KEY).await?;
        text.map(|text| RefreshConfiguration::parse(&text))
            .transpose()
    }

    /// How conflicts are resolved; `None` when that was never configured.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn conflicts_configuration(&self) -> Result<Option<ConflictsConfiguration>> {
        let text = self.configuration(CONFLICTS_KEY).await?;
        text.map(|text| ConflictsConfiguration::parse(&text))
            .transpose()
    }

    /// What edges may write, by functions; `None` when that was never configured.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn validation_configuration(&self) -> Result<Option<ValidationConfiguration>> {
        let text = self.configuration(VALIDATION_KEY).await?;
        text.map(|text| ValidationConfiguration::parse(&text))
            .transpose()
    }

    /// The snapshot itself, for whoever checks or copies whole stores.
    pub fn snapshot(&self) -> &S {
        &self.snapshot
    }
}

/// What a page may still take.
struct Room {
    documents: usize,
    bytes: usize,
}

impl Room {
    fn new(page_size: usize, max_bytes: usize) -> Self {
        Self {
            documents: page_size,
            bytes: if max_bytes == 0 {
                usize::MAX
            } else {
                max_bytes
            },
        }
    }

    /// Counts `document`; whether another may follow.
    fn take(&mut self, document: &ServedDocument) -> bool {
        self.documents -= 1;
        self.bytes = self.bytes.saturating_sub(document.byte_count());
        self.documents > 0 && self.bytes > 0
    }
}

/// The index that lists what `query` wants, from its newest end.
fn newest_pages(query: &NewestQuery, wanted: usize) -> Result<Pages> {
    let (space, mut range) = match &query.collection {
        None => (ETAGS, KeyRange::all()),
        Some(name) => {
            let collection = CollectionName::new(name.as_str())?;
            let range = collection_etags::range(collection.key(), ItemKind::Document);
            (COLLECTION_ETAGS, range)
        }
    };
    if let Some(before) = query.before {
        range = range.before(match &query.collection {
            None => etags::key(before),
            Some(name) => {
                let collection = CollectionName::new(name.as_str())?;
                collection_etags::key(collection.key(), ItemKind::Document, before)
            }
        });
    }
    Ok(Pages::new(space, range, Direction::Backward, wanted))
}

/// Walks a range page by page.
pub(crate) struct Pages {
    space: KeySpace,
    range: Option<KeyRange>,
    direction: Direction,
    limits: PageLimits,
}

impl Pages {
    /// Pages of at most `wanted` entries, and never more than is good for memory.
    pub(crate) fn new(
        space: KeySpace,
        range: KeyRange,
        direction: Direction,
        wanted: usize,
    ) -> Self {
        let limits = PageLimits {
            entries: wanted.clamp(1, 1024),
            ..PageLimits::default()
        };
        Self {
            space,
            range: Some(range),
            direction,
            limits,
        }
    }

    /// Everything that is left.
    pub(crate) async fn all<S: Snapshot>(mut self, snapshot: &S) -> Result<Vec<(Bytes, Bytes)>> {
        let mut all = Vec::new();
        while let Some(entries) = self.next(snapshot).await? {
            all.extend(entries);
        }
        Ok(all)
    }

    pub(crate) async fn next<S: Snapshot>(
        &mut self,
        snapshot: &S,
    ) -> Result<Option<Vec<(Bytes, Bytes)>>> {
        let Some(range) = self.range.take() else {
            return Ok(None);
        };
        let page = snapshot
            .scan(self.space, &range, self.direction, self.limits)
            .await?;
        if let (true, Some((last, _))) = (page.has_more, page.entries.last()) {
            self.range = Some(match self.direction {
                Direction::Forward => range.after(last.clone()),
                Direction::Backward => KeyRange {
                    end: Bound::Excluded(last.clone()),
                    ..range
                },
            });
        }
        Ok((!page.entries.is_empty()).then_some(page.entries))
    }
}
