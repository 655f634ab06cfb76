//! `LEDGER`: which writes of edges were taken in here or elsewhere; `REPLICAS`: where each stands.
//!
//! `LEDGER`: key: origin (replica, sequence, hash), kind byte, incarnation index (4 bytes), etag,
//! all big-endian; value: the fact's own etag (varint), then the lower-cased id. A fact says either
//! that a dot *is* the write, or that the author of a dot *had seen* it. Facts never change, so in
//! the order of etags a fact comes before every state whose context covers its dot.
//!
//! `REPLICAS`: key: replica; value: format 1, the highest sequence taken in, its hash, up to where
//! the replica has heard of everything, when it was last heard of.

use bytes::Bytes;

use super::{Decoder, Encoder};
use crate::host::Timestamp;
use crate::storage::KeyRange;
use crate::version::{Dot, Entry, Etag, IncarnationIndex, Origin, ReplicaId};
use crate::{Error, Result};

const FORMAT: u8 = 1;
const KEY_BYTES: usize = Origin::KEY_BYTES + 13;

/// What a fact says of its origin and its dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FactKind {
    /// The dot is the origin's write.
    Is = 1,
    /// The dot's author had seen the origin's write.
    HasSeen = 2,
}

/// One fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact {
    /// The edge's write.
    pub origin: Origin,
    /// What is said.
    pub kind: FactKind,
    /// The server's write.
    pub dot: Dot,
}

impl Fact {
    /// The key.
    pub fn to_key(&self) -> Bytes {
        let mut key = Vec::with_capacity(KEY_BYTES);
        key.extend_from_slice(&self.origin.to_key());
        key.push(self.kind as u8);
        key.extend_from_slice(&self.dot.incarnation.number().to_be_bytes());
        key.extend_from_slice(&self.dot.etag.to_key());
        key.into()
    }

    /// Reads a key back.
    ///
    /// # Errors
    /// `Corrupted` when it does not have that form.
    pub fn from_key(key: &[u8]) -> Result<Self> {
        let broken = || Error::corrupted("a key of 'ledger' does not fit");
        if key.len() != KEY_BYTES {
            return Err(broken());
        }
        let (origin, rest) = key.split_at(Origin::KEY_BYTES);
        let kind = match rest[0] {
            1 => FactKind::Is,
            2 => FactKind::HasSeen,
            _ => return Err(broken()),
        };
        let (index, etag) = rest[1..].split_first_chunk::<4>().ok_or_else(broken)?;
        Ok(Self {
            origin: Origin::from_key(origin)?,
            kind,
            dot: Entry {
                incarnation: IncarnationIndex(u32::from_be_bytes(*index)),
                etag: super::etags::decode_key(etag)?,
            },
        })
    }
}

/// The value of a fact.
pub fn value(etag: Etag, id_key: &[u8]) -> Bytes {
    let mut encoder = Encoder::with_capacity(10 + id_key.len());
    encoder.etag(etag);
    encoder.raw(id_key);
    encoder.finish().into()
}

/// Reads a value back: the fact's etag, the lower-cased id.
///
/// # Errors
/// `Corrupted` when it does not fit.
pub fn decode_value(value: &Bytes) -> Result<(Etag, Bytes)> {
    let mut decoder = Decoder::new("ledger", value);
    let etag = decoder.etag()?;
    Ok((etag, value.slice(decoder.position()..)))
}

/// All facts of one origin.
pub fn of_origin(origin: &Origin) -> KeyRange {
    KeyRange::prefix(&origin.to_key())
}

/// All facts of one replica's write with this sequence, whatever its hash.
pub fn of_sequence(replica: &ReplicaId, sequence: u64) -> KeyRange {
    let mut prefix = replica.bytes().to_vec();
    prefix.extend_from_slice(&sequence.to_be_bytes());
    KeyRange::prefix(&prefix)
}

/// All facts of one replica's writes up to `sequence`.
pub fn up_to(replica: &ReplicaId, sequence: u64) -> KeyRange {
    let mut end = replica.bytes().to_vec();
    end.extend_from_slice(&sequence.saturating_add(1).to_be_bytes());
    KeyRange::prefix(replica.bytes()).before(Bytes::from(end))
}

/// Where a replica stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplicaRecord {
    /// Its highest sequence that was taken in.
    pub sequence: u64,
    /// The hash of that write.
    pub hash: [u8; 8],
    /// It needs no answer any more for writes up to here.
    pub settled: u64,
    /// When it last wrote.
    pub last_heard: Timestamp,
}

impl ReplicaRecord {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(32);
        encoder.byte(FORMAT);
        encoder.varint(self.sequence);
        encoder.raw(&self.hash);
        encoder.varint(self.settled);
        encoder.fixed_i64(self.last_heard.ticks());
        encoder.finish()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut decoder = Decoder::new("replicas", bytes);
        decoder.format(FORMAT)?;
        let record = Self {
            sequence: decoder.varint()?,
            hash: decoder.raw(8)?.try_into().expect("raw(8) gives 8 bytes"),
            settled: decoder.varint()?,
            last_heard: Timestamp::from_ticks(decoder.fixed_i64()?),
        };
        decoder.end()?;
        Ok(record)
    }
}
