//! When a server's database was opened: what tells that its files were put back to an older state.
//!
//! A copy of older files goes on under the same identity and gives out the same etags once more, and
//! with some writes it is soon as far as it was. So each opening has a mark, and an edge's position
//! says under which it was reached: one that is further than its opening went is of a life that these
//! files know nothing of.
//!
//! Invariants:
//! - marks are written down with the first write after the opening, and before an edge hears of them:
//!   what is written between a restore and the next opening is not taken for common history;
//! - an opening ends with the etag at which the next one began.

use bytes::Bytes;

use super::ReplicationOutcome;
use crate::commands::Transaction;
use crate::schema::{DATABASE, Decoder, Encoder};
use crate::storage::Snapshot;
use crate::version::Etag;
use crate::{ReadTransaction, Result};

/// The key of the list in `DATABASE`.
pub(crate) const OPENINGS_KEY: &[u8] = b"openings";
const FORMAT: u8 = 1;
/// Positions from openings before these count by their etags alone.
const KEPT: usize = 256;
/// How many marks an edge is told, the newest: the last one that it has in common with the files says
/// where these were copied.
const TOLD: usize = 32;

/// One opening of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// A random number.
    pub mark: u64,
    /// Where the database stood.
    pub from: Etag,
}

/// Writes down that the database was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoteOpening(
    /// The opening.
    pub Opening,
);

impl NoteOpening {
    pub(super) async fn run<S: Snapshot>(
        self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        let key = Bytes::from_static(OPENINGS_KEY);
        let stored = tx.get(DATABASE, &key).await?;
        if let Some(openings) = with_opening(stored.as_ref(), self.0)? {
            tx.put(DATABASE, key, openings);
        }
        Ok(ReplicationOutcome::Done)
    }
}

/// The stored list with `opening` at its end; `None` if it is there.
pub(crate) fn with_opening(stored: Option<&Bytes>, opening: Opening) -> Result<Option<Vec<u8>>> {
    let mut openings = decode_openings(stored.map_or(&[], |it| it))?;
    if openings.last() == Some(&opening) {
        return Ok(None);
    }
    openings.push(opening);
    let from = openings.len().saturating_sub(KEPT);
    Ok(Some(encode(&openings[from..])))
}

impl<S: Snapshot> ReadTransaction<S> {
    /// The openings in their order, as far as edges heard of them.
    pub(super) async fn openings(&self) -> Result<Vec<Opening>> {
        let key = [Bytes::from_static(OPENINGS_KEY)];
        let stored = self.snapshot.get_many(DATABASE, &key).await?;
        decode_openings(&stored.into_iter().next().flatten().unwrap_or_default())
    }
}

/// The marks of the newest openings, the last one last.
pub(super) fn newest_marks(openings: &[Opening]) -> Vec<u64> {
    let from = openings.len().saturating_sub(TOLD);
    openings[from..].iter().map(|it| it.mark).collect()
}

/// Up to where these files, whose last etag is `last_etag`, have the history of whoever was told
/// `marks`: to the end of the last opening that both know. The last of the files goes on.
pub(super) fn end_of(openings: &[Opening], marks: &[u64], last_etag: Etag) -> Etag {
    let known = |mark: &u64| openings.iter().rposition(|it| it.mark == *mark);
    match marks.iter().rev().find_map(known) {
        Some(at) => openings.get(at + 1).map_or(last_etag, |next| next.from),
        // Positions of before have none.
        None if marks.is_empty() => last_etag,
        // All of the time after the copy, or so old that they are forgotten; then the position is
        // below all that are known.
        None => openings.last().map_or(last_etag, |it| it.from),
    }
}

fn encode(openings: &[Opening]) -> Vec<u8> {
    let mut encoder = Encoder::with_capacity(2 + 12 * openings.len());
    encoder.byte(FORMAT);
    encoder.varint(openings.len() as u64);
    for opening in openings {
        encoder.raw(&opening.mark.to_le_bytes());
        encoder.etag(opening.from);
    }
    encoder.finish()
}

/// Reads the list; what is not there is empty.
pub(crate) fn decode_openings(bytes: &[u8]) -> Result<Vec<Opening>> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut decoder = Decoder::new("openings", bytes);
    decoder.format(FORMAT)?;
    let mut openings = Vec::new();
    for _ in 0..decoder.length()? {
        let mark = decoder.raw(8)?.try_into().expect("raw(8) gives 8 bytes");
        openings.push(Opening {
            mark: u64::from_le_bytes(mark),
            from: decoder.etag()?,
        });
    }
    decoder.end()?;
    Ok(openings)
}
