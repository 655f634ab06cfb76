//! Log records: the batch of one commit, in order, in one record or several.

use bytes::Bytes;
use pinyon_core::Result;
use pinyon_core::storage::{KeySpace, Write, WriteBatch};

use crate::fields::{Fields, push_bytes, push_number};

/// Set in the byte of the key space when the write is a delete.
const DELETE: u8 = 0x80;

/// The records of a batch: a write that would make one longer than `max_bytes` begins the next.
pub(crate) fn encode(batch: &WriteBatch, max_bytes: usize) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut draft = Draft::default();
    for write in batch.writes() {
        let (key, value) = match write {
            Write::Put { key, value, .. } => (key, value.len()),
            Write::Delete { key, .. } => (key, 0),
        };
        if draft.count > 0 && draft.writes.len() + key.len() + value > max_bytes {
            records.push(std::mem::take(&mut draft).finish());
        }
        draft.push(write);
    }
    // A batch of nothing is a record too: it makes what came before it durable.
    records.push(draft.finish());
    records
}

/// A record that still takes writes.
#[derive(Default)]
struct Draft {
    count: u64,
    writes: Vec<u8>,
}

impl Draft {
    fn push(&mut self, write: &Write) {
        self.count += 1;
        match write {
            Write::Put { space, key, value } => {
                self.writes.push(space.number());
                push_bytes(&mut self.writes, key);
                push_bytes(&mut self.writes, value);
            }
            Write::Delete { space, key } => {
                self.writes.push(space.number() | DELETE);
                push_bytes(&mut self.writes, key);
            }
        }
    }

    fn finish(self) -> Vec<u8> {
        // With room for the count and for the checksum that follows.
        let mut record = Vec::with_capacity(self.writes.len() + 24);
        push_number(&mut record, self.count);
        record.extend_from_slice(&self.writes);
        record
    }
}

/// The writes of one record, in order: key space, key, and the value unless it is a delete.
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
        let records = encode(&batch, 1_000);
        let [record] = records.try_into().expect("it fits into one");
        let record = Bytes::from(record);
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

    #[test]
    fn a_large_batch_is_several_records_in_order() {
        let space = KeySpace::new(3);
        let mut batch = WriteBatch::default();
        let mut expected = Vec::new();
        for (number, length) in [10, 300, 90, 0, 20, 101].into_iter().enumerate() {
            let (key, value) = (format!("{number}"), Bytes::from(vec![1; length]));
            batch.put(space, key.clone(), value.clone());
            expected.push((space, Bytes::from(key), Some(value)));
        }
        let records = encode(&batch, 100);
        assert_eq!(records.len(), 5, "10; 300; 90 and 0; 20; 101");
        let read = records
            .into_iter()
            .flat_map(|it| decode(it.into()).unwrap());
        assert_eq!(read.collect::<Vec<_>>(), expected);
        assert_eq!(encode(&WriteBatch::default(), 100).len(), 1);
    }
}
