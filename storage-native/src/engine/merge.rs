//! Bringing changes into redb's tables.

use bytes::Bytes;
use pinyon_core::storage::{KeySpace, Write, WriteBatch};
use redb::ReadableTable;

use crate::overlay::Overlay;
use crate::{table, value};

type OpenTable<'txn> = redb::Table<'txn, &'static [u8], &'static [u8]>;
/// A key and what became of it.
type Entry<'a> = (&'a Bytes, Option<&'a Bytes>);

/// After as many keys that are no run, the next are not looked at.
const LONGEST_BREAK: usize = 16;

/// Puts what became of each key of `space` into redb.
pub(super) fn merge_overlay(
    transaction: &redb::WriteTransaction,
    overlay: &Overlay,
    space: KeySpace,
) -> Result<(), redb::Error> {
    overlay.with_newest(space, |entries| {
        // A space that was never written has no table.
        if entries.is_empty() {
            return Ok(());
        }
        let mut table = transaction.open_table(table::table_of(space))?;
        merge_entries(&mut table, space, entries)
    })
}

/// Puts ascending entries into a table. New keys that stand in a row there are put in as one:
/// what is added behind everything else, or behind all of one kind, is most of what is written.
fn merge_entries(
    table: &mut OpenTable<'_>,
    space: KeySpace,
    entries: &[Entry<'_>],
) -> Result<(), redb::Error> {
    let mut rest = entries;
    let (mut failures, mut pause) = (0, 0);
    while let Some(((key, change), behind)) = rest.split_first() {
        if pause == 0 && change.is_some() {
            let run = run_len(table, rest)?;
            if run > 1 {
                insert_run(table, space, &rest[..run])?;
                rest = &rest[run..];
                failures = 0;
                continue;
            }
            failures += 1;
            pause = LONGEST_BREAK.min(failures);
        }
        pause = pause.saturating_sub(1);
        write_entry(table, space, key, *change)?;
        rest = behind;
    }
    Ok(())
}

/// How many of `entries` come before the first key of the table that is not below all of them;
/// none if that is the first entry's own.
fn run_len(table: &OpenTable<'_>, entries: &[Entry<'_>]) -> Result<usize, redb::Error> {
    let (first, _) = entries[0];
    let next = table.range::<&[u8]>(&first[..]..)?.next().transpose()?;
    Ok(match next {
        Some((next, _)) => {
            let next = next.value();
            entries
                .iter()
                .take_while(|(key, _)| key[..] < *next)
                .count()
        }
        None => entries.len(),
    })
}

/// Inserts keys between which the table has none.
fn insert_run(
    table: &mut OpenTable<'_>,
    space: KeySpace,
    entries: &[Entry<'_>],
) -> Result<(), redb::Error> {
    let (first, _) = entries[0];
    let mut cursor = table.lower_bound_mut(std::ops::Bound::Included(&first[..]))?;
    let mut stored = Vec::new();
    for (key, change) in entries {
        // What was deleted again was never there.
        let Some(value) = change else {
            continue;
        };
        stored.resize(value::encoded_len(value), 0);
        value::encode_into(&mut stored, space, key, value);
        cursor.insert_before(&key[..], &stored[..])?;
    }
    Ok(cursor.close()?)
}

/// Applies the writes in order. The tables of all spaces stay open over the batch, because
/// opening one costs as much as a small write.
pub(super) fn write_batch(
    transaction: &redb::WriteTransaction,
    batch: &WriteBatch,
) -> Result<(), redb::Error> {
    let mut tables = table::none();
    for write in batch.writes() {
        let (space, key, change) = match write {
            Write::Put { space, key, value } => (*space, key, Some(value)),
            Write::Delete { space, key } => (*space, key, None),
        };
        let slot = &mut tables[usize::from(space.number())];
        if slot.is_none() {
            *slot = Some(transaction.open_table(table::table_of(space))?);
        }
        let table = slot.as_mut().expect("the table was opened just above");
        write_entry(table, space, key, change)?;
    }
    Ok(())
}

fn write_entry(
    table: &mut OpenTable<'_>,
    space: KeySpace,
    key: &Bytes,
    change: Option<&Bytes>,
) -> Result<(), redb::Error> {
    match change {
        Some(value) => {
            let mut stored = table.insert_reserve(&key[..], value::encoded_len(value))?;
            value::encode_into(stored.as_mut(), space, key, value);
        }
        None => {
            table.remove(&key[..])?;
        }
    }
    Ok(())
}
