//! The writer: one thread per open store, the only one that changes its files.
//!
//! Commits come through a bounded channel and are answered through one-shot replies, so that no
//! async worker ever waits for a sync.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use futures_channel::oneshot;
use pinyon_core::storage::{Durability, Write, WriteBatch};
use pinyon_core::{ErrorKind, Result};
use redb::Database;

use crate::error::redb_error;
use crate::store::Shared;
use crate::{table, value};

/// What a store asks of its writer.
pub(crate) enum Request {
    Commit {
        batch: WriteBatch,
        durability: Durability,
        reply: oneshot::Sender<Result<()>>,
    },
    Close {
        reply: oneshot::Sender<Result<()>>,
    },
}

/// Serves requests until the store is closed or dropped.
pub(crate) fn run(shared: &Arc<Shared>, requests: &Receiver<Request>) {
    while let Ok(request) = requests.recv() {
        match request {
            Request::Commit {
                batch,
                durability,
                reply,
            } => {
                let result = commit(shared, batch, durability);
                // A caller that gave up waiting has no use for the answer.
                let _ = reply.send(result);
            }
            Request::Close { reply } => {
                let result = close(shared);
                let _ = reply.send(result);
                return;
            }
        }
    }
    // Dropped without `close`: nobody is left to tell. What was acknowledged is on disk already.
    let _ = close(shared);
}

fn close(shared: &Shared) -> Result<()> {
    let result = match shared.take_database() {
        Some(database) => database
            .close()
            .map_err(|reason| redb_error(shared.name(), "close", reason)),
        None => Ok(()),
    };
    shared.release();
    result
}

fn commit(shared: &Shared, batch: WriteBatch, durability: Durability) -> Result<()> {
    let database = shared.database()?;
    // A state nobody reads any more would only keep its pages from being used again.
    shared.forget_newest();
    let result = apply(shared.name(), &database, batch, durability);
    match &result {
        Err(error) if error.kind() == ErrorKind::Closed => shared.poison(error.clone()),
        _ => shared.forget_newest(),
    }
    result
}

fn apply(
    store: &str,
    database: &Database,
    batch: WriteBatch,
    durability: Durability,
) -> Result<()> {
    let failed = |reason: redb::Error| redb_error(store, "commit", reason);
    let mut transaction = database.begin_write().map_err(|e| failed(e.into()))?;
    let durability = match durability {
        Durability::Durable => redb::Durability::Immediate,
        Durability::Relaxed => redb::Durability::None,
    };
    transaction
        .set_durability(durability)
        .map_err(|e| failed(e.into()))?;
    transaction.set_quick_repair(true);
    put_all(&transaction, batch).map_err(failed)?;
    transaction.commit().map_err(|e| failed(e.into()))
}

/// Applies the writes in order. The tables of all spaces stay open over the batch, because
/// opening one costs as much as a small write.
fn put_all(transaction: &redb::WriteTransaction, batch: WriteBatch) -> Result<(), redb::Error> {
    let mut tables: [Option<redb::Table<'_, &'static [u8], &'static [u8]>>; 32] =
        std::array::from_fn(|_| None);
    for write in batch.into_writes() {
        let (Write::Put { space, .. } | Write::Delete { space, .. }) = &write;
        let slot = &mut tables[usize::from(space.number())];
        if slot.is_none() {
            *slot = Some(transaction.open_table(table::table_of(*space))?);
        }
        let table = slot.as_mut().expect("the table was opened just above");
        match write {
            Write::Put { space, key, value } => {
                let mut stored = table.insert_reserve(&key[..], value::encoded_len(&value))?;
                value::encode_into(stored.as_mut(), space, &key, &value);
            }
            Write::Delete { key, .. } => {
                table.remove(&key[..])?;
            }
        }
    }
    Ok(())
}
