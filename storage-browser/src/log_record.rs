//! A log record: the batch of one commit.

use bytes::Bytes;
use pinyon_core::Result;
use pinyon_core::storage::{KeySpace, Write, WriteBatch};

use crate::fields::{Fields, push_bytes, push_number};

/// Set in the byte of the key space when the write is a delete.
const DELETE: u8 = 0x80;

pub(crate) fn encode(batch: &WriteBatch) -> Vec<u8> {
    const PER_WRITE: usize = 8;
    let mut out = Vec::with_capacity(batch.byte_count() + batch.len() * PER_WRITE + 16);
    push_number(&mut out, batch.len() as u64);
    for write in batch.writes() {
        match write {
            Write::Put { space, key, value } => {
                out.push(space.number());
                push_bytes(&mut out, key);
                push_bytes(&mut out, value);
            }
            Write::Delete { space, key } => {
                out.push(space.number() | DELETE);
                push_bytes(&mut out, key);
            }
        }
    }
    out
}

/// The writes of a record, in order: key space, key, and the value unless it is a delete.
pub(crate) fn decode(record: Bytes) -> Result<Vec<(KeySpace, Bytes, Option<Bytes>)>> {
    let mut fields = Fields::new("a log record", record);
    let count = fields.length()?;
    let mut writes = Vec::new();
    for _ in 0..count {
        let tag = fields.byte()?;
        let space = tag & !DELETE;
        if space >= KeySpace::COUNT {
            return Err(fields.broken());
        }
        let key = fields.bytes()?;
        let value = match tag & DELETE {
            0 => Some(fields.bytes()?),
            _ => None,
        };
        writes.push((KeySpace::new(space), key, value));
    }
    if !fields.is_at_end() {
        return Err(fields.broken());
    }
    Ok(writes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_round_trips_and_broken_records_are_refused() {
        let space = KeySpace::new(31);
        let mut batch = WriteBatch::default();
        batch.put(space, "key", vec![7; 300]);
        batch.put(space, "", "");
        batch.delete(KeySpace::new(0), "gone");
        let record = Bytes::from(encode(&batch));
        let expected = vec![
            (space, Bytes::from("key"), Some(Bytes::from(vec![7; 300]))),
            (space, Bytes::new(), Some(Bytes::new())),
            (KeySpace::new(0), Bytes::from("gone"), None),
        ];
        assert_eq!(decode(record.clone()).unwrap(), expected);
        for length in 0..record.len() {
            assert!(decode(record.slice(..length)).is_err(), "{length}");
        }
        assert!(decode(Bytes::from(vec![1, 32, 0, 0])).is_err(), "space 32");
    }
}
