//! Opening a store: its root, and its log played into memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::try_join;
use pinyon_core::{Error, Result};

use super::{Engine, SharedJournal, State, empty_overlay, lock};
use crate::checksum::unseal;
use crate::journal::LogRecord;
use crate::log_record;
use crate::options::BrowserOptions;
use crate::page_cache::PageCache;
use crate::page_index::Root;
use crate::tables::{Table, TableKey, Tables};

/// Records of the log read in one transaction: most logs have fewer.
const RECORDS_AT_ONCE: u32 = 1_024;

impl<T: Tables> Engine<T> {
    pub(crate) async fn open(
        tables: T,
        journal: SharedJournal<T::File>,
        settling: Arc<futures_util::lock::Mutex<()>>,
        store: u64,
        name: &str,
        options: BrowserOptions,
    ) -> Result<Self> {
        let in_store = |reason: Error| {
            let message = format!("store '{name}': {}", reason.message());
            Error::new(reason.kind(), message).with_source(reason)
        };
        // What a root cut off from the log went with it: the log is read from its beginning, and
        // both at once.
        let reading = try_join(read_root(&tables, store), read_log(&tables, store, 0));
        let (root, mut log) = reading.await.map_err(in_store)?;
        if !begins_at(&log, store, root.log_from) {
            // Some of it came from a young journal when the root had just cut it off.
            let reading = read_log(&tables, store, root.log_from);
            log = reading.await.map_err(in_store)?;
        }
        let log_from = root.log_from;
        let mut state = State {
            closed: None,
            active: empty_overlay(),
            active_bytes: 0,
            active_commits: 0,
            frozen: None,
            index: Arc::new(root.index),
            log_next: root.log_from,
            next_page: root.next_page,
            replaced: VecDeque::new(),
            doomed: root.doomed,
            has_relaxed: false,
            in_flight: None,
            compaction: None,
            uses: 0,
            awaits_idleness: false,
            retry_at_bytes: 0,
        };
        replay(&tables, store, log, &mut state)
            .await
            .map_err(in_store)?;
        if let Some(journal) = &mut *lock(&journal) {
            journal.cut(store, log_from);
            let records = journal.take_records(store).map_err(in_store)?;
            replay_journal(records, &mut state).map_err(in_store)?;
        }
        Ok(Self {
            tables,
            journal,
            settling,
            store,
            name: name.to_owned(),
            options,
            state: Mutex::new(state),
            cache: Mutex::new(PageCache::new(options.max_cached_bytes)),
        })
    }
}

fn begins_at(log: &[Bytes], store: u64, number: u64) -> bool {
    let key = TableKey::new(store, number);
    let mut first = log.iter().take(1);
    first.all(|it| unseal(Table::Log, key, it.clone()).is_ok())
}

pub(super) async fn read_root<T: Tables>(tables: &T, store: u64) -> Result<Root> {
    let key = TableKey::new(store, 0);
    let stored = tables.get_many(Table::Roots, &[key]).await?.pop().flatten();
    match stored {
        Some(sealed) => Root::decode(unseal(Table::Roots, key, sealed)?),
        None => Ok(Root::default()),
    }
}

async fn read_log<T: Tables>(tables: &T, store: u64, from: u64) -> Result<Vec<Bytes>> {
    let rest = TableKey::from_record(store, from);
    tables.get_range(Table::Log, rest, RECORDS_AT_ONCE).await
}

/// The records of the log have consecutive numbers, so one that is missing is found as damage:
/// the next one does not fit into its place.
async fn replay<T: Tables>(
    tables: &T,
    store: u64,
    mut records: Vec<Bytes>,
    state: &mut State,
) -> Result<()> {
    loop {
        let is_last = records.len() < RECORDS_AT_ONCE as usize;
        for sealed in records {
            let key = TableKey::new(store, state.log_next);
            let record = unseal(Table::Log, key, sealed)?;
            state.put_all(log_record::decode(record)?);
            state.log_next += 1;
        }
        if is_last {
            return Ok(());
        }
        records = read_log(tables, store, state.log_next).await?;
    }
}

/// What the journal has comes after what the log in the tables has.
fn replay_journal(records: Vec<LogRecord>, state: &mut State) -> Result<()> {
    for (number, record) in records {
        if number < state.log_next {
            continue;
        }
        if number > state.log_next {
            let missing = state.log_next;
            return Err(Error::corrupted(format!(
                "record {missing} of the log is not in the journal"
            )));
        }
        state.put_all(log_record::decode(record)?);
        state.log_next += 1;
    }
    Ok(())
}
