//! The write transaction: a snapshot, the commit still in flight, and what came since.
//!
//! Reads look through three layers, newest first: the batch with the running operation, the commit
//! in flight, the snapshot. What an operation changed in the batch is taken back when it fails, so
//! that it leaves no trace.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::{Changes, UndoLog};
use crate::host::{Host, Timestamp};
use crate::limits::Limits;
use crate::notices::Notice;
use crate::replication::{Acknowledged, OPENINGS_KEY, Opening, with_opening};
use crate::revisions::{CollectionRevisions, RevisionsConfiguration};
use crate::schema::collections::CollectionStatistics;
use crate::schema::configuration;
use crate::schema::database_state::{DatabaseState, STATE_KEY};
use crate::schema::edge::{EDGE_KEY, EdgeRecord};
use crate::schema::etags::{self, ItemKind};
use crate::schema::{COLLECTIONS, DATABASE, ETAGS};
use crate::storage::{Direction, KeyRange, KeySpace, PageLimits, Snapshot};
use crate::version::{
    Dot, Entry, Etag, IncarnationId, IncarnationIndex, Incarnations, NodeTag, ReplicaId,
};
use crate::{Error, Result};

/// What keeps ids made in a database apart from those made elsewhere: a server's tag, or what is left
/// of an edge's identity when it must fit into an id. A device has one before it ever met a server.
pub(crate) fn id_suffix(
    incarnations: &Incarnations,
    edge: Option<&EdgeRecord>,
    is_device: bool,
) -> String {
    let own = incarnations.own_row();
    let identity = match edge {
        Some(edge) => edge.replica,
        None if is_device => ReplicaId::from_bytes(*own.id.bytes()),
        None => return own.tag.to_string(),
    };
    // Hexadecimal: ids that differ only in case are the same id.
    identity.to_string()[..16].to_owned()
}

/// What operations run in.
pub struct Transaction<S> {
    snapshot: S,
    in_flight: Arc<Changes>,
    loaded: HashMap<(KeySpace, Bytes), Option<Bytes>>,
    batch: Changes,
    undo: UndoLog,
    state: DatabaseState,
    /// The last etag before the running operation.
    etag_before: Etag,
    knew_revisions_before: bool,
    /// How many incarnations were known before the running operation, and before all of them.
    known_before: usize,
    known_at_first: usize,
    /// Set on an edge; and as it was before the running operation.
    edge: Option<EdgeRecord>,
    edge_before: Option<EdgeRecord>,
    revisions: Option<(Bytes, RevisionsConfiguration)>,
    notices: Vec<Notice>,
    notices_before: usize,
    now: Timestamp,
    pub(crate) host: Host,
    pub(crate) limits: Arc<Limits>,
    pub(crate) acknowledged: Arc<Acknowledged>,
    is_device: bool,
    /// The list of openings, to be stored with the first change of this one.
    openings: Option<Vec<u8>>,
}

impl<S: Snapshot> Transaction<S> {
    pub(crate) async fn begin(
        snapshot: S,
        in_flight: Arc<Changes>,
        host: Host,
        limits: Arc<Limits>,
        acknowledged: Arc<Acknowledged>,
        is_device: bool,
        opening: Option<Opening>,
    ) -> Result<Self> {
        let keys = [STATE_KEY, EDGE_KEY].into_iter();
        let keys = keys.chain(opening.map(|_| OPENINGS_KEY));
        let keys: Vec<Bytes> = keys.map(Bytes::from_static).collect();
        let mut stored = snapshot.get_many(DATABASE, &keys).await?;
        for (key, value) in keys.iter().zip(&mut stored) {
            if let Some(changed) = in_flight.get(DATABASE, key) {
                value.clone_from(changed);
            }
        }
        let openings = match opening {
            Some(opening) => with_opening(stored.pop().flatten().as_ref(), opening)?,
            None => None,
        };
        let edge = stored.pop().flatten();
        let edge = edge.map(|value| EdgeRecord::decode(&value)).transpose()?;
        let encoded = stored.pop().flatten();
        let encoded = encoded.ok_or_else(|| Error::corrupted("the database state is missing"))?;
        let state = DatabaseState::decode(&encoded)?;
        Ok(Self {
            snapshot,
            in_flight,
            loaded: HashMap::new(),
            batch: Changes::default(),
            undo: UndoLog::default(),
            etag_before: state.last_etag,
            knew_revisions_before: state.knows_revisions,
            known_before: state.incarnations.rows().len(),
            known_at_first: state.incarnations.rows().len(),
            state,
            edge_before: edge.clone(),
            edge,
            revisions: None,
            notices: Vec::new(),
            notices_before: 0,
            now: host.clock.now(),
            host,
            limits,
            acknowledged,
            is_device,
            openings,
        })
    }

    /// The time of the running operation; one reading for all it writes.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The database's incarnations.
    pub fn incarnations(&self) -> &Incarnations {
        &self.state.incarnations
    }

    /// Begins a new life of the database under `id`.
    pub(crate) fn found_again(&mut self, id: IncarnationId) {
        let tag = self.incarnations().own_row().tag.clone();
        self.state.incarnations.own = self.state.incarnations.intern(id, tag);
    }

    /// Notes that of `incarnation` only what it wrote up to `etag` is here under its name.
    pub(crate) fn lower_seen(&mut self, incarnation: IncarnationIndex, etag: Etag) {
        self.state.incarnations.rows[incarnation.number() as usize].seen = etag;
    }

    /// Makes sure that the state is written though no record changes.
    pub(crate) fn put_state_marker(&mut self) {
        let state = self.state.encode();
        self.put(DATABASE, Bytes::from_static(STATE_KEY), state);
    }

    /// Adds an incarnation to those that are known.
    pub(crate) fn intern(&mut self, id: IncarnationId, tag: NodeTag) -> IncarnationIndex {
        self.state.incarnations.intern(id, tag)
    }

    /// Replaces the table of incarnations by one that knows more.
    pub(crate) fn set_incarnations(&mut self, known: Incarnations) {
        self.state.incarnations = known;
    }

    /// The newest etag given out so far.
    pub fn last_etag(&self) -> Etag {
        self.state.last_etag
    }

    /// The etag that the next write will get.
    pub fn peek_etag(&self) -> Etag {
        self.state.last_etag.next()
    }

    /// Takes the next etag; the dot is this database's own write of that number.
    pub fn take_dot(&mut self) -> Dot {
        let etag = self.state.last_etag.next();
        self.state.last_etag = etag;
        Entry {
            incarnation: self.state.incarnations.own(),
            etag,
        }
    }

    /// Whether `dot` is this database's own and was taken by the running operation: no record of
    /// earlier ones can name it.
    pub fn made_just_now(&self, dot: Dot) -> bool {
        dot.incarnation == self.state.incarnations.own() && dot.etag > self.etag_before
    }

    /// Takes the next etag for an item that is no write of a document.
    pub fn take_etag(&mut self) -> Etag {
        self.take_dot().etag
    }

    /// Whether there may be revisions, or a configuration of them.
    pub fn knows_revisions(&self) -> bool {
        self.state.knows_revisions
    }

    /// From now on there may be revisions, or a configuration of them.
    pub fn learn_revisions(&mut self) {
        self.state.knows_revisions = true;
    }

    /// Lists an item of the running operation in the order of etags.
    pub fn list_etag(&mut self, kind: ItemKind, etag: Etag, item_key: &[u8]) {
        let first = self.etag_before.next().number();
        let offset = etag.number().saturating_sub(first);
        let value = etags::value_at(kind, item_key, offset);
        self.put(ETAGS, etags::key(etag), value);
    }

    /// Who this database is to servers, if it is an edge.
    pub fn edge(&self) -> Option<&EdgeRecord> {
        self.edge.as_ref()
    }

    /// What keeps ids made here apart from those made elsewhere.
    pub fn id_suffix(&self) -> String {
        id_suffix(self.incarnations(), self.edge.as_ref(), self.is_device)
    }

    /// Changes who it is.
    pub(crate) fn set_edge(&mut self, edge: EdgeRecord) {
        self.put(DATABASE, Bytes::from_static(EDGE_KEY), edge.encode());
        self.edge = Some(edge);
    }

    /// Notes that everything which `incarnation` wrote up to `etag` was taken in.
    pub(crate) fn raise_seen(&mut self, incarnation: IncarnationIndex, etag: Etag) {
        let row = &mut self.state.incarnations.rows[incarnation.number() as usize];
        row.seen = row.seen.max(etag);
    }

    /// What a collection keeps of revisions, if it keeps any.
    pub async fn kept_revisions(
        &mut self,
        collection_key: &str,
    ) -> Result<Option<CollectionRevisions>> {
        if !self.state.knows_revisions {
            return Ok(None);
        }
        let key = Bytes::from_static(configuration::REVISIONS_KEY);
        let Some(stored) = self.get(DATABASE, &key).await? else {
            return Ok(None);
        };
        // Parsed once for as long as the same bytes stand there.
        if self
            .revisions
            .as_ref()
            .is_none_or(|(parsed, _)| *parsed != stored)
        {
            let text = std::str::from_utf8(&stored)
                .map_err(|_| Error::corrupted("the revisions configuration is not UTF-8"))?;
            self.revisions = Some((stored.clone(), RevisionsConfiguration::parse(text)?));
        }
        let (_, parsed) = self.revisions.as_ref().expect("just set");
        Ok(parsed.of_collection(collection_key).cloned())
    }

    /// Tells the database's owner something; forgotten if the operation fails.
    pub fn add_notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    fn changed(&self, space: KeySpace, key: &[u8]) -> Option<&Option<Bytes>> {
        self.batch
            .get(space, key)
            .or_else(|| self.in_flight.get(space, key))
    }

    /// Reads what `keys` hold in the snapshot, in one call, for later `get`s.
    pub async fn preload(&mut self, space: KeySpace, keys: Vec<Bytes>) -> Result<()> {
        let unknown: Vec<Bytes> = keys
            .into_iter()
            .filter(|key| {
                self.changed(space, key).is_none()
                    && (self.loaded.is_empty() || !self.loaded.contains_key(&(space, key.clone())))
            })
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let values = self.snapshot.get_many(space, &unknown).await?;
        self.loaded
            .extend(unknown.into_iter().map(|key| (space, key)).zip(values));
        Ok(())
    }

    /// The value of `key`, as the operation would see it after its own changes.
    pub async fn get(&mut self, space: KeySpace, key: &Bytes) -> Result<Option<Bytes>> {
        if let Some(changed) = self.changed(space, key) {
            return Ok(changed.clone());
        }
        if let Some(value) = self.loaded.get(&(space, key.clone())) {
            return Ok(value.clone());
        }
        let value = self
            .snapshot
            .get_many(space, std::slice::from_ref(key))
            .await?
            .pop()
            .flatten();
        self.loaded.insert((space, key.clone()), value.clone());
        Ok(value)
    }

    /// The values of `keys`, as the operation would see them; not kept for later `get`s.
    pub async fn get_many(&self, space: KeySpace, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>> {
        let mut values: Vec<Option<Bytes>> = Vec::with_capacity(keys.len());
        let (mut places, mut unchanged) = (Vec::new(), Vec::new());
        for (at, key) in keys.iter().enumerate() {
            let changed = self.changed(space, key);
            if changed.is_none() {
                places.push(at);
                unchanged.push(key.clone());
            }
            values.push(changed.cloned().flatten());
        }
        if !unchanged.is_empty() {
            let stored = self.snapshot.get_many(space, &unchanged).await?;
            for (at, value) in places.into_iter().zip(stored) {
                values[at] = value;
            }
        }
        Ok(values)
    }

    /// As [`Self::get`], for what is hardly asked for twice: what is stored is not remembered.
    pub async fn get_once(&self, space: KeySpace, key: &Bytes) -> Result<Option<Bytes>> {
        if let Some(changed) = self.changed(space, key) {
            return Ok(changed.clone());
        }
        let keys = std::slice::from_ref(key);
        Ok(self.snapshot.get_many(space, keys).await?.pop().flatten())
    }

    /// Up to `limit` entries of `range`, ascending, as the operation would see them.
    pub async fn scan(
        &self,
        space: KeySpace,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        let mut changed: BTreeMap<&Bytes, &Option<Bytes>> = BTreeMap::new();
        for layer in [&*self.in_flight, &self.batch] {
            changed.extend(layer.range(space, range));
        }
        let mut entries: BTreeMap<Bytes, Bytes> = BTreeMap::new();
        let mut rest = range.clone();
        let limits = PageLimits {
            entries: limit.clamp(1, 1024),
            ..PageLimits::default()
        };
        loop {
            let page = self
                .snapshot
                .scan(space, &rest, Direction::Forward, limits)
                .await?;
            let last = page.entries.last().map(|(key, _)| key.clone());
            let unchanged = page
                .entries
                .into_iter()
                .filter(|(key, _)| !changed.contains_key(key));
            entries.extend(unchanged);
            match last {
                Some(last) if page.has_more && entries.len() < limit => rest = rest.after(last),
                last => {
                    // Changed keys beyond what was read must wait for a later scan.
                    let complete_to = if page.has_more { last } else { None };
                    let visible = changed.into_iter().filter(|(key, _)| {
                        complete_to
                            .as_ref()
                            .is_none_or(|complete_to| *key <= complete_to)
                    });
                    entries.extend(
                        visible.filter_map(|(key, value)| Some((key.clone(), value.clone()?))),
                    );
                    break;
                }
            }
        }
        Ok(entries.into_iter().take(limit).collect())
    }

    /// Sets `key`.
    pub fn put(&mut self, space: KeySpace, key: Bytes, value: impl Into<Bytes>) {
        self.undo.put(&mut self.batch, space, key, value.into());
    }

    /// Removes `key`.
    pub fn delete(&mut self, space: KeySpace, key: Bytes) {
        self.undo.delete(&mut self.batch, space, key);
    }

    /// The counts of a collection, zero when it is new.
    pub async fn collection_statistics(
        &mut self,
        name: &str,
        key: &str,
    ) -> Result<CollectionStatistics> {
        match self
            .get(COLLECTIONS, &Bytes::copy_from_slice(key.as_bytes()))
            .await?
        {
            Some(encoded) => CollectionStatistics::decode(&encoded),
            None => Ok(CollectionStatistics {
                name: name.to_owned(),
                ..CollectionStatistics::default()
            }),
        }
    }

    /// Sets the counts of a collection.
    pub fn put_collection_statistics(&mut self, key: &str, statistics: &CollectionStatistics) {
        self.put(
            COLLECTIONS,
            Bytes::copy_from_slice(key.as_bytes()),
            statistics.encode(),
        );
    }

    pub(crate) fn begin_operation(&mut self) {
        self.now = self.host.clock.now();
        self.undo.begin(&self.batch);
        self.etag_before = self.state.last_etag;
        self.knew_revisions_before = self.state.knows_revisions;
        self.known_before = self.state.incarnations.rows().len();
        self.notices_before = self.notices.len();
        if self.edge.is_some() || self.edge_before.is_some() {
            self.edge_before.clone_from(&self.edge);
        }
    }

    pub(crate) fn undo_operation(&mut self) {
        self.undo.undo(&mut self.batch);
        self.state.last_etag = self.etag_before;
        self.state.knows_revisions = self.knew_revisions_before;
        self.state.incarnations.rows.truncate(self.known_before);
        self.notices.truncate(self.notices_before);
        if self.edge.is_some() || self.edge_before.is_some() {
            self.edge.clone_from(&self.edge_before);
        }
    }

    /// Bytes changed so far by all kept operations.
    pub(crate) fn byte_count(&self) -> usize {
        self.batch.byte_count()
    }

    /// Everything to commit, what to tell the owner afterwards, and the table of incarnations if
    /// there are new ones.
    pub(crate) fn finish(mut self) -> (Changes, Vec<Notice>, Option<Incarnations>) {
        if !self.batch.is_empty() {
            let own = self.state.incarnations.own();
            self.state.incarnations.rows[own.number() as usize].seen = self.state.last_etag;
            let state = self.state.encode();
            self.batch
                .put(DATABASE, Bytes::from_static(STATE_KEY), state.into());
            if let Some(openings) = self.openings {
                let key = Bytes::from_static(OPENINGS_KEY);
                self.batch.put(DATABASE, key, openings.into());
            }
        }
        let is_known = self.state.incarnations.rows().len() == self.known_at_first;
        let new = (!is_known).then_some(self.state.incarnations);
        (self.batch, self.notices, new)
    }
}
