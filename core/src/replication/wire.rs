//! What is exchanged, with everything named in full: indices mean nothing outside their store.

use crate::Result;
use crate::commands::Transaction;
use crate::host::Timestamp;
use crate::schema::conflicts::DocumentVersion;
use crate::schema::edge::Refusal;
use crate::schema::ledger::{Fact, FactKind};
use crate::storage::Snapshot;
use crate::version::{
    ChangeVector, Dot, Entry, Etag, Incarnation, IncarnationId, Incarnations, Live, NodeTag,
    Origin, Siblings,
};

/// An incarnation and its label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Who.
    pub id: IncarnationId,
    /// Its label.
    pub tag: NodeTag,
}

impl From<&Incarnation> for Name {
    fn from(row: &Incarnation) -> Self {
        Self {
            id: row.id,
            tag: row.tag.clone(),
        }
    }
}

/// An entry of a change vector, or a dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WireEntry {
    /// Whose writes.
    pub name: Name,
    /// Up to which, or which.
    pub etag: Etag,
}

/// A live version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireVersion {
    /// The write that made it.
    pub dot: WireEntry,
    /// The edge's write that it is, if an edge made it.
    pub origin: Option<Origin>,
    /// What was written.
    pub version: DocumentVersion,
}

/// Everything that lives under one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireState {
    /// The id.
    pub id: String,
    /// Everything that was ever seen of it.
    pub context: Vec<WireEntry>,
    /// The versions that live.
    pub live: Vec<WireVersion>,
}

/// A fact of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireFact {
    /// The edge's write.
    pub origin: Origin,
    /// What is said.
    pub kind: FactKind,
    /// The server's write.
    pub dot: WireEntry,
    /// The document, lower-cased.
    pub id_key: Vec<u8>,
}

/// A write that an edge offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeWrite {
    /// Which of its writes.
    pub sequence: u64,
    /// The hash of what was written.
    pub hash: [u8; 8],
    /// The context of what its author had.
    pub base: Vec<WireEntry>,
    /// The versions its author had.
    pub replaces: Vec<WireEntry>,
    /// The same by their origins.
    pub replaced_origins: Vec<Origin>,
    /// Earlier writes of this edge that it replaces.
    pub chain: Vec<Origin>,
    /// The dot by which a server had taken it and lost it, if that is what it is.
    pub lost: Option<WireEntry>,
    /// What was written.
    pub version: DocumentVersion,
}

impl EdgeWrite {
    /// How many bytes of a frame it takes, at most.
    pub(crate) fn frame_bytes(&self) -> usize {
        const EACH_BYTES: usize = 64;
        let entries = self.base.len() + self.replaces.len();
        let origins = self.replaced_origins.len() + self.chain.len();
        EACH_BYTES * (2 + entries + origins) + self.version.byte_count()
    }
}

/// What became of an offered write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is on the server.
    Accepted {
        /// The dot it got.
        dot: WireEntry,
        /// If it is the only live version: everything that was ever seen of the document, and the
        /// time the server wrote down. Else the state comes by the stream.
        sole: Option<(Vec<WireEntry>, Timestamp)>,
    },
    /// The server has not yet seen what its author had: offer it later.
    Behind,
    /// The server does not take it.
    Refused(Refusal),
    /// Another write has its sequence: this replica was rolled back or cloned.
    Forked,
}

/// The verdict on one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOutcome {
    /// The write.
    pub origin: Origin,
    /// What became of it.
    pub verdict: Verdict,
}

/// Names an entry in full.
pub(crate) fn entry_to_wire(entry: Entry, names: &Incarnations) -> Result<WireEntry> {
    Ok(WireEntry {
        name: names.row(entry.incarnation)?.into(),
        etag: entry.etag,
    })
}

/// Names all entries of a vector in full.
pub(crate) fn vector_to_wire(
    vector: &ChangeVector,
    names: &Incarnations,
) -> Result<Vec<WireEntry>> {
    vector
        .entries()
        .iter()
        .map(|entry| entry_to_wire(*entry, names))
        .collect()
}

/// Names a set in full.
pub(crate) fn set_to_wire(
    set: Siblings<DocumentVersion>,
    names: &Incarnations,
) -> Result<WireState> {
    let id = set
        .live
        .first()
        .map(|it| it.value.id.clone())
        .unwrap_or_default();
    let context = vector_to_wire(&set.context, names)?;
    let live = set.live.into_iter().map(|live| {
        Ok(WireVersion {
            dot: entry_to_wire(live.dot, names)?,
            origin: live.origin,
            version: live.value,
        })
    });
    Ok(WireState {
        id,
        context,
        live: live.collect::<Result<_>>()?,
    })
}

/// Names a fact in full.
pub(crate) fn fact_to_wire(fact: Fact, id_key: &[u8], names: &Incarnations) -> Result<WireFact> {
    Ok(WireFact {
        origin: fact.origin,
        kind: fact.kind,
        dot: entry_to_wire(fact.dot, names)?,
        id_key: id_key.to_vec(),
    })
}

/// Of each life of a server, up to where everything of it is here.
pub(crate) fn seen_to_wire(names: &Incarnations) -> Vec<WireEntry> {
    let rows = names.rows().iter();
    rows.map(|row| WireEntry {
        name: row.into(),
        etag: row.seen,
    })
    .collect()
}

impl<S: Snapshot> Transaction<S> {
    /// The entry in this store's terms; its incarnation becomes known. Only for what a server said.
    pub(crate) fn learn(&mut self, entry: &WireEntry) -> Entry {
        Entry {
            incarnation: self.learn_name(&entry.name),
            etag: entry.etag,
        }
    }

    pub(crate) fn learn_name(&mut self, name: &Name) -> crate::version::IncarnationIndex {
        match self.incarnations().find(&name.id) {
            Some(index) => index,
            None => self.intern(name.id, name.tag.clone()),
        }
    }

    pub(crate) fn learn_set(&mut self, state: &WireState) -> Siblings<DocumentVersion> {
        let context = state
            .context
            .iter()
            .map(|entry| self.learn(entry))
            .collect();
        let live = state.live.iter().map(|version| Live {
            dot: self.learn(&version.dot),
            origin: version.origin,
            value: version.version.clone(),
        });
        Siblings {
            live: live.collect(),
            context,
        }
    }

    /// The dot in this store's terms, if its incarnation is known. For what anybody may say.
    pub(crate) fn known_entry(&self, entry: &WireEntry) -> Option<Dot> {
        let incarnation = self.incarnations().find(&entry.name.id)?;
        Some(Entry {
            incarnation,
            etag: entry.etag,
        })
    }
}
