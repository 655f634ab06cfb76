//! What an edge keeps beside its documents: who it is, and what it has not yet brought to a server.
//!
//! `DATABASE`, key `edge`: an [`EdgeRecord`]. `PENDING`: key: lower-cased id; value: a
//! [`PendingWrite`]. `PENDING_ORDER`: key: sequence big-endian; value: lower-cased id.
//! `EDGE_STATES`: key: kind byte, lower-cased id; value: a set of [`super::conflicts`] (what the
//! writer had before it, what the server has meanwhile), or empty (met in a resync).

use bytes::Bytes;

use super::{Decoder, Encoder};
use crate::version::{ChangeVector, Dot, Etag, IncarnationIndex, Origin, ReplicaId};
use crate::{Error, Result};

const FORMAT: u8 = 1;

/// The key of the record in `DATABASE`.
pub const EDGE_KEY: &[u8] = b"edge";

/// How far an edge has followed one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubCursor {
    /// The server.
    pub hub: IncarnationIndex,
    /// Its etag up to which everything was taken in.
    pub etag: Etag,
    /// Its greatest etag that this edge has heard of, also as an answer to a write.
    pub reached: Etag,
    /// The marks of the server's openings that it told, the newest last.
    pub openings: Vec<u64>,
    /// What the server let through, hashed.
    pub filter: u64,
    /// While a full resync runs: the etag with which it is complete.
    pub resync_until: Option<Etag>,
}

/// Who an edge is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeRecord {
    /// This life of the edge's database.
    pub replica: ReplicaId,
    /// The sequence of its last write.
    pub last_sequence: u64,
    /// The hash of that write.
    pub last_hash: [u8; 8],
    /// Documents that were there before it became an edge are listed up to this key; `None` when
    /// all are.
    pub joined_up_to: Option<Bytes>,
    /// The servers it knows.
    pub cursors: Vec<HubCursor>,
}

impl EdgeRecord {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(64);
        encoder.byte(FORMAT);
        encoder.raw(self.replica.bytes());
        encoder.varint(self.last_sequence);
        encoder.raw(&self.last_hash);
        match &self.joined_up_to {
            None => encoder.byte(0),
            Some(key) => {
                encoder.byte(1);
                encoder.varint(key.len() as u64);
                encoder.raw(key);
            }
        }
        encoder.varint(self.cursors.len() as u64);
        for cursor in &self.cursors {
            encoder.varint(u64::from(cursor.hub.number()));
            encoder.etag(cursor.etag);
            encoder.raw(&cursor.filter.to_le_bytes());
            encoder.etag(cursor.resync_until.unwrap_or(Etag::ZERO));
        }
        for cursor in &self.cursors {
            encoder.etag(cursor.reached);
            encoder.varint(cursor.openings.len() as u64);
            for mark in &cursor.openings {
                encoder.raw(&mark.to_le_bytes());
            }
        }
        encoder.finish()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut decoder = Decoder::new("edge", bytes);
        decoder.format(FORMAT)?;
        let replica = decoder.raw(16)?.try_into().expect("raw(16) gives 16 bytes");
        let last_sequence = decoder.varint()?;
        let last_hash = decoder.raw(8)?.try_into().expect("raw(8) gives 8 bytes");
        let joined_up_to = match decoder.flag()? {
            false => None,
            true => {
                let length = decoder.length()?;
                Some(Bytes::copy_from_slice(decoder.raw(length)?))
            }
        };
        let mut cursors = Vec::new();
        for _ in 0..decoder.length()? {
            let hub = u32::try_from(decoder.varint()?)
                .map_err(|_| Error::corrupted("an edge's cursor names no server"))?;
            let etag = decoder.etag()?;
            let filter = decoder.raw(8)?.try_into().expect("raw(8) gives 8 bytes");
            let until = decoder.etag()?;
            cursors.push(HubCursor {
                hub: IncarnationIndex(hub),
                etag,
                reached: etag,
                openings: Vec::new(),
                filter: u64::from_le_bytes(filter),
                resync_until: (until != Etag::ZERO).then_some(until),
            });
        }
        // Records of before have none.
        if !decoder.is_at_end() {
            for cursor in &mut cursors {
                cursor.reached = decoder.etag()?;
                for _ in 0..decoder.length()? {
                    let mark = decoder.raw(8)?.try_into().expect("raw(8) gives 8 bytes");
                    cursor.openings.push(u64::from_le_bytes(mark));
                }
            }
        }
        decoder.end()?;
        Ok(Self {
            replica: ReplicaId::from_bytes(replica),
            last_sequence,
            last_hash,
            joined_up_to,
            cursors,
        })
    }
}

/// Why a server did not take a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For a program.
    pub code: String,
    /// For a person.
    pub reason: String,
}

/// A write that no server is known to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingWrite {
    /// Its name.
    pub origin: Origin,
    /// The context of what its author had.
    pub base: ChangeVector,
    /// The versions its author had, which it replaces.
    pub replaces: Vec<Dot>,
    /// The same versions by their origins: another server may know them by other dots.
    pub replaced_origins: Vec<Origin>,
    /// Earlier writes of this edge that this one replaces and that a server may have taken.
    pub chain: Vec<Origin>,
    /// Whether a server may have taken it.
    pub is_sent: bool,
    /// The dot a server gave it, when the state that holds it has not arrived yet.
    pub accepted: Option<Dot>,
    /// Why a server refused it.
    pub refusal: Option<Refusal>,
    /// The dot of a write that a server had taken and lost, when that is what is offered again.
    pub lost: Option<Dot>,
}

impl PendingWrite {
    /// The lowest sequence for which an answer still matters.
    pub fn oldest_sequence(&self) -> u64 {
        // What is called by the dot of a lost write has no sequence of this edge.
        let own = self
            .chain
            .iter()
            .filter(|it| it.replica == self.origin.replica);
        own.map(|origin| origin.sequence)
            .fold(self.origin.sequence, u64::min)
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(96);
        encoder.byte(FORMAT);
        encoder.raw(&self.origin.to_key());
        encoder.vector(&self.base);
        encoder.varint(self.replaces.len() as u64);
        for dot in &self.replaces {
            encoder.entry(*dot);
        }
        for origins in [&self.replaced_origins, &self.chain] {
            encoder.varint(origins.len() as u64);
            for origin in origins {
                encoder.raw(&origin.to_key());
            }
        }
        encoder.byte(u8::from(self.is_sent));
        encoder.varint(u64::from(self.accepted.is_some()));
        if let Some(dot) = self.accepted {
            encoder.entry(dot);
        }
        encoder.byte(u8::from(self.refusal.is_some()));
        if let Some(refusal) = &self.refusal {
            encoder.text(&refusal.code);
            encoder.text(&refusal.reason);
        }
        // Not there at all where nothing was lost, as in records of before.
        if let Some(dot) = self.lost {
            encoder.entry(dot);
        }
        encoder.finish()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut decoder = Decoder::new("pending", bytes);
        decoder.format(FORMAT)?;
        let origin = Origin::from_key(decoder.raw(Origin::KEY_BYTES)?)?;
        let base = decoder.vector()?;
        let count = decoder.length()?;
        let replaces = (0..count)
            .map(|_| decoder.entry())
            .collect::<Result<Vec<Dot>>>()?;
        let replaced_origins = decoder.origins()?;
        let chain = decoder.origins()?;
        let is_sent = decoder.flag()?;
        let accepted = match decoder.flag()? {
            true => Some(decoder.entry()?),
            false => None,
        };
        let refusal = match decoder.flag()? {
            true => Some(Refusal {
                code: decoder.text()?.to_owned(),
                reason: decoder.text()?.to_owned(),
            }),
            false => None,
        };
        let lost = match decoder.is_at_end() {
            true => None,
            false => Some(decoder.entry()?),
        };
        decoder.end()?;
        Ok(Self {
            origin,
            base,
            replaces,
            replaced_origins,
            chain,
            is_sent,
            accepted,
            refusal,
            lost,
        })
    }
}

/// What else is kept of a document with a pending write, in conflict, or in a resync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EdgeStateKind {
    /// What its writer had before it.
    Base = 1,
    /// What the server has meanwhile.
    Pulled = 2,
    /// That the running resync has met it.
    Met = 3,
    /// Of a conflict: what the author of this edge's version had before it.
    ConflictBase = 4,
}

/// The key in `EDGE_STATES`.
pub fn state_key(kind: EdgeStateKind, id_key: &[u8]) -> Bytes {
    let mut key = Vec::with_capacity(1 + id_key.len());
    key.push(kind as u8);
    key.extend_from_slice(id_key);
    key.into()
}

/// The key in `PENDING_ORDER`.
pub fn order_key(sequence: u64) -> Bytes {
    Bytes::copy_from_slice(&sequence.to_be_bytes())
}

/// Reads a key of `PENDING_ORDER` back.
///
/// # Errors
/// `Corrupted` when it is not eight bytes.
pub fn decode_order_key(key: &[u8]) -> Result<u64> {
    let bytes = key
        .try_into()
        .map_err(|_| Error::corrupted("a key of 'pending order' does not have eight bytes"))?;
    Ok(u64::from_be_bytes(bytes))
}
