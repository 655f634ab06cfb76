//! A new life of a server's database: after a restore, or when somebody has seen more of it than it
//! remembers.
//!
//! Invariants:
//! - what the life before wrote after the restore, under etags that it had given out already, gets
//!   names of the new life, before any edge hears of the new life;
//! - that is done in steps, and goes on after a crash.

use bytes::Bytes;

use super::ReplicationOutcome;
use super::lost_write::name_of_version;
use super::records::{Stored, install, load, put_fact};
use crate::commands::Transaction;
use crate::commands::store_version::Previous;
use crate::schema::conflicts::DocumentVersion;
use crate::schema::documents::DocumentFlags;
use crate::schema::etags::{self, ItemKind};
use crate::schema::ledger::{self, Fact, FactKind};
use crate::schema::{DATABASE, Decoder, ETAGS, Encoder, LEDGER};
use crate::storage::{KeyRange, Snapshot};
use crate::version::{Entry, Etag, IncarnationId, IncarnationIndex, Siblings};
use crate::{Error, Result};

/// The key of a [`Renaming`] in `DATABASE`, while it goes on.
pub(crate) const RENAMING_KEY: &[u8] = b"renaming";
const FORMAT: u8 = 1;
/// How many etags one step looks at.
const RENAMED_AT_ONCE: usize = 256;

/// Gives the database a new identity; what it writes from then on cannot be taken for something it
/// wrote and forgot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MintIncarnation {
    /// The life that ends; nothing happens when it has ended already. `None` for whichever it is.
    pub ending: Option<IncarnationId>,
    /// What was written after this etag was written after the restore. `None` for nothing.
    pub restored_to: Option<Etag>,
}

impl MintIncarnation {
    pub(super) async fn run<S: Snapshot>(
        self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        let key = Bytes::from_static(RENAMING_KEY);
        let is_over = self
            .ending
            .is_some_and(|it| it != tx.incarnations().own_row().id);
        if is_over || tx.get(DATABASE, &key).await?.is_some() {
            return Ok(ReplicationOutcome::Done);
        }
        let id = IncarnationId::mint(&*tx.host.random)?;
        let before = tx.incarnations().own();
        let last = tx.last_etag();
        tx.found_again(id);
        if let Some(restored_to) = self.restored_to.filter(|it| *it < last) {
            tx.lower_seen(before, restored_to);
            let renaming = Renaming {
                before,
                after: restored_to,
                done: restored_to,
            };
            tx.put(DATABASE, key, renaming.encode());
        }
        tx.put_state_marker();
        Ok(ReplicationOutcome::Minted(id))
    }
}

/// One step of giving writes names of the new life; answers `Done` when all have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenameWrites;

/// Which writes get other names.
pub(crate) struct Renaming {
    /// They are this life's,
    before: IncarnationIndex,
    /// after this etag.
    after: Etag,
    /// Up to here it is done.
    done: Etag,
}

impl RenameWrites {
    pub(super) async fn run<S: Snapshot>(
        self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        let key = Bytes::from_static(RENAMING_KEY);
        let Some(stored) = tx.get(DATABASE, &key).await? else {
            return Ok(ReplicationOutcome::Done);
        };
        let mut renaming = Renaming::decode(&stored)?;
        let range = KeyRange::all().after(etags::key(renaming.done));
        let listed = tx.scan(ETAGS, &range, RENAMED_AT_ONCE).await?;
        // To the very end: what is written meanwhile over one of them names it too. What is renamed
        // comes again, and nothing of it is to be renamed then.
        let is_done = listed.len() < RENAMED_AT_ONCE;
        for (place, value) in listed {
            let etag = etags::decode_key(&place)?;
            let (kind, item) = etags::decode_value(&value)?;
            match kind {
                ItemKind::Document | ItemKind::Tombstone => renaming.rename(tx, &item).await?,
                ItemKind::Fact => renaming.rename_fact(tx, place, item).await?,
                ItemKind::Revision => {}
            }
            renaming.done = etag;
        }
        if is_done {
            tx.delete(DATABASE, key);
            return Ok(ReplicationOutcome::Continue(None));
        }
        tx.put(DATABASE, key, renaming.encode());
        Ok(ReplicationOutcome::Continue(None))
    }
}

impl Renaming {
    async fn rename<S: Snapshot>(&self, tx: &mut Transaction<S>, key: &Bytes) -> Result<()> {
        let Stored { previous, mut set } = load(tx, key).await?;
        let flags = match &previous {
            Previous::Nothing => return Ok(()),
            Previous::Document(record) => record.flags,
            Previous::Tombstone(tombstone) => tombstone.flags,
        };
        // What indexes compute never leaves this server.
        if flags.contains(DocumentFlags::ARTIFICIAL) {
            return Ok(());
        }
        let before = set.live.clone();
        if !self.rename_set(tx, &mut set) {
            return Ok(());
        }
        // An edge that heard of one under its name of before takes it for lost.
        let renamed = before.iter().zip(&set.live);
        for (before, after) in renamed.filter(|(before, after)| before.dot != after.dot) {
            let fact = Fact {
                origin: name_of_version(before, key, tx.incarnations())?,
                kind: FactKind::Is,
                dot: after.dot,
            };
            put_fact(tx, fact, key).await?;
        }
        let etag = tx.take_etag();
        install(tx, key, &previous, &set, etag).await
    }

    /// Whether something in the set had a name to be replaced.
    fn rename_set<S: Snapshot>(
        &self,
        tx: &Transaction<S>,
        set: &mut Siblings<DocumentVersion>,
    ) -> bool {
        let own = tx.incarnations().own();
        if set.context.get(self.before) <= self.after {
            return false;
        }
        // The same numbers: the new life gives out greater ones.
        let seen = set.context.entries().iter().flat_map(|entry| {
            let remembered = Entry {
                etag: entry.etag.min(self.after),
                ..*entry
            };
            match self.is_renamed(*entry) {
                false => vec![*entry],
                true => vec![remembered, self.renamed(*entry, own)],
            }
        });
        set.context = seen.filter(|it| it.etag > Etag::ZERO).collect();
        for live in &mut set.live {
            live.dot = self.renamed(live.dot, own);
        }
        true
    }

    async fn rename_fact<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        place: Bytes,
        item: Bytes,
    ) -> Result<()> {
        let fact = Fact::from_key(&item)?;
        if !self.is_renamed(fact.dot) {
            return Ok(());
        }
        let missing = || Error::corrupted("an etag names a fact that is not there");
        let value = tx.get(LEDGER, &item).await?.ok_or_else(missing)?;
        let (_, id_key) = ledger::decode_value(&value)?;
        tx.delete(LEDGER, item);
        tx.delete(ETAGS, place);
        let renamed = Fact {
            dot: self.renamed(fact.dot, tx.incarnations().own()),
            ..fact
        };
        put_fact(tx, renamed, &id_key).await.map(drop)
    }

    fn is_renamed(&self, entry: Entry) -> bool {
        entry.incarnation == self.before && entry.etag > self.after
    }

    fn renamed(&self, entry: Entry, own: IncarnationIndex) -> Entry {
        match self.is_renamed(entry) {
            true => Entry {
                incarnation: own,
                ..entry
            },
            false => entry,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(16);
        encoder.byte(FORMAT);
        encoder.varint(u64::from(self.before.number()));
        for etag in [self.after, self.done] {
            encoder.etag(etag);
        }
        encoder.finish()
    }

    /// Reads the stored form.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut decoder = Decoder::new("renaming", bytes);
        decoder.format(FORMAT)?;
        let before = u32::try_from(decoder.varint()?)
            .map_err(|_| Error::corrupted("a renaming names no incarnation"))?;
        let renaming = Self {
            before: IncarnationIndex(before),
            after: decoder.etag()?,
            done: decoder.etag()?,
        };
        decoder.end()?;
        Ok(renaming)
    }
}
