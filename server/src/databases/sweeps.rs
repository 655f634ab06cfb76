//! Sweeps: expired documents, documents to refresh, the revision bin, contents that nothing refers
//! to.
//!
//! Invariants: a database sweeps by the configuration it has at that moment, in steps that other
//! writes come between, and never twice at once; one that is closed is opened when something in it
//! is due, which its record and its slot know.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pinyon_core::commands::Configure;
use pinyon_core::expiration::{DEFAULT_FREQUENCY_S, ExpirationConfiguration, RefreshConfiguration};
use pinyon_core::host::Timestamp;
use pinyon_core::revisions::{RevisionBinConfiguration, SweepRevisionBin};
use pinyon_core::{ErrorKind, Result};
use tokio::task::{Id, JoinHandle, JoinSet};
use tokio::time::Instant;

use super::{Databases, OpenDatabase, Slot};
use crate::server::Server;

const TICK: Duration = Duration::from_millis(500);
/// Documents deleted or refreshed in one step, so that writers wait for little.
const DOCUMENTS_PER_STEP: u64 = 256;
/// Entries of the bin looked at in one step; a document's revisions go together.
const BIN_ENTRIES_PER_STEP: usize = 16;
/// Pieces removed in one step; their bytes come along.
const PIECES_PER_STEP: usize = 64;
/// Databases that sweep, or are opened to, at once.
const MOST_AT_ONCE: usize = 4;

/// When an open database sweeps next.
pub struct SweepPlan(Mutex<Turns>);

struct Turns {
    expiration: Option<Instant>,
    refresh: Option<Instant>,
    bin: Option<Instant>,
    loose: Instant,
    /// Counts changes of the configuration: what a sweep learned before is of no use after.
    generation: u64,
}

impl Default for SweepPlan {
    /// Everything is looked at once after the database is opened.
    fn default() -> Self {
        let now = Instant::now();
        Self(Mutex::new(Turns {
            expiration: Some(now),
            refresh: Some(now),
            bin: Some(now),
            loose: now,
            generation: 0,
        }))
    }
}

impl SweepPlan {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self, now: Instant) -> bool {
        let turns = self.turns();
        let is_due = |turn: Option<Instant>| turn.is_some_and(|at| at <= now);
        is_due(turns.expiration) || is_due(turns.refresh) || is_due(turns.bin) || turns.loose <= now
    }

    /// The configuration changed: all are looked at again.
    fn reset(&self) {
        let now = Instant::now();
        let mut turns = self.turns();
        turns.generation += 1;
        (turns.expiration, turns.refresh, turns.bin) = (Some(now), Some(now), Some(now));
    }
}

/// Starts the sweeps; they end when the handle is aborted.
pub fn start(server: &Arc<Server>) -> JoinHandle<()> {
    tokio::spawn(run(Arc::clone(server)))
}

async fn run(server: Arc<Server>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut running = JoinSet::new();
    // Which store each of them sweeps.
    let mut busy: HashMap<Id, String> = HashMap::new();
    let mut first = 0;
    loop {
        ticks.tick().await;
        while let Some(done) = running.try_join_next_with_id() {
            let id = match done {
                Ok((id, ())) => id,
                Err(reason) => {
                    tracing::error!(%reason, "a sweep broke off");
                    reason.id()
                }
            };
            busy.remove(&id);
        }
        let mut slots = server.databases.all_slots();
        // Not always the same ones first: those that have much to do would keep out the others.
        first = (first + 1) % slots.len().max(1);
        slots.rotate_left(first);
        for slot in slots {
            if running.len() >= MOST_AT_ONCE {
                break;
            }
            let Some(store) = slot.wants_sweep(server.host.clock.now()) else {
                continue;
            };
            if busy.values().any(|it| *it == store) {
                continue;
            }
            let server = Arc::clone(&server);
            let sweeping = running.spawn(async move { sweep_slot(&server, &slot).await });
            busy.insert(sweeping.id(), store);
        }
    }
}

impl Slot {
    /// The store's name if something is to be done there now.
    fn wants_sweep(&self, now: Timestamp) -> Option<String> {
        let is_wanted = match self.current() {
            Some(database) => database.sweeps.is_due(Instant::now()),
            None => self.wake_at().is_some_and(|at| at <= now),
        };
        if !is_wanted {
            return None;
        }
        let record = self.record.read().unwrap_or_else(PoisonError::into_inner);
        (!record.disabled).then(|| record.store.clone())
    }
}

async fn sweep_slot(server: &Server, slot: &Arc<Slot>) {
    let name = slot.record().name;
    let result = async {
        let database = match slot.current() {
            Some(database) => database,
            None => server.databases.open_slot(slot, &name).await?,
        };
        sweep(server, slot, &database).await
    };
    let Err(error) = result.await else { return };
    // Try again, but not at once: a database that cannot be opened may stay so.
    let pause = Duration::from_secs(30);
    let retry_at = server.host.clock.now().plus_ms(30_000);
    if slot.wake_at().is_some() {
        slot.set_wake_at(Some(retry_at));
    }
    if let Some(database) = slot.current() {
        let mut turns = database.sweeps.turns();
        let later = Instant::now() + pause;
        turns.expiration = turns.expiration.map(|at| at.max(later));
        turns.refresh = turns.refresh.map(|at| at.max(later));
        turns.bin = turns.bin.map(|at| at.max(later));
        turns.loose = turns.loose.max(later);
    }
    match error.kind() {
        // Deleted, disabled or closed meanwhile.
        ErrorKind::NotFound | ErrorKind::Closed | ErrorKind::Unavailable => {
            tracing::debug!(database = name, ?error, "a sweep was not possible");
        }
        _ => tracing::warn!(database = name, ?error, "a sweep failed"),
    }
}

/// Does what is due in an open database.
async fn sweep(server: &Server, slot: &Slot, database: &OpenDatabase) -> Result<()> {
    let now = Instant::now();
    let (generation, mut expiration_at, mut refresh_at, mut bin_at, loose_at) = {
        let turns = database.sweeps.turns();
        let generation = turns.generation;
        let (expiration, refresh) = (turns.expiration, turns.refresh);
        (generation, expiration, refresh, turns.bin, turns.loose)
    };
    let is_due = |turn: Option<Instant>| turn.is_some_and(|at| at <= now);
    let is_loose_due = loose_at <= now;
    if is_loose_due {
        sweep_loose(server, database).await?;
        let every = frequency(Some(server.config.loose_content_sweep_interval_s.max(1)));
        database.sweeps.turns().loose = now + every;
    }
    if is_due(expiration_at) || is_due(refresh_at) || is_due(bin_at) || is_loose_due {
        let configured = Configured::read(database).await?;
        // What is loose still is given back in time, though nobody opens the database again.
        let is_any = configured.is_any() || database.read().await?.has_loose_contents().await?;
        server.databases.note_sweeps(slot, is_any).await?;
        if is_due(expiration_at) {
            expiration_at = None;
            if let Some(it) = configured.expiration {
                sweep_documents(database, Kind::Expired, it.max_items_to_process).await?;
                expiration_at = Some(now + frequency(it.delete_frequency_in_sec));
            }
        }
        if is_due(refresh_at) {
            refresh_at = None;
            if let Some(it) = configured.refresh {
                sweep_documents(database, Kind::Refreshes, it.max_items_to_process).await?;
                refresh_at = Some(now + frequency(it.refresh_frequency_in_sec));
            }
        }
        if is_due(bin_at) {
            bin_at = None;
            if let Some(it) = configured.bin {
                sweep_bin(server, database, &it).await?;
                bin_at = Some(now + frequency(Some(it.cleaner_frequency_in_sec)));
            }
        }
        let mut turns = database.sweeps.turns();
        if turns.generation == generation {
            (turns.expiration, turns.refresh, turns.bin) = (expiration_at, refresh_at, bin_at);
        }
    }
    Ok(())
}

/// What a database is configured to sweep.
struct Configured {
    expiration: Option<ExpirationConfiguration>,
    refresh: Option<RefreshConfiguration>,
    bin: Option<RevisionBinConfiguration>,
}

impl Configured {
    async fn read(database: &OpenDatabase) -> Result<Self> {
        let transaction = database.read().await?;
        let expiration = transaction.expiration_configuration().await?;
        let refresh = transaction.refresh_configuration().await?;
        let bin = transaction.revision_bin_configuration().await?;
        Ok(Self {
            expiration: expiration.filter(|it| !it.disabled),
            refresh: refresh.filter(|it| !it.disabled),
            bin: bin.filter(|it| !it.disabled),
        })
    }

    fn is_any(&self) -> bool {
        self.expiration.is_some() || self.refresh.is_some() || self.bin.is_some()
    }
}

async fn sweep_bin(
    server: &Server,
    database: &OpenDatabase,
    configuration: &RevisionBinConfiguration,
) -> Result<()> {
    let Some(older_than) = configuration.horizon(server.host.clock.now()) else {
        return Ok(());
    };
    let mut step = SweepRevisionBin {
        older_than,
        after: Bytes::new(),
        limit: BIN_ENTRIES_PER_STEP,
    };
    let (mut documents, mut revisions) = (0, 0);
    loop {
        let done = database.documents.sweep_revision_bin_step(step.clone());
        let done = database.use_store(done.await)?;
        documents += done.documents;
        revisions += done.removed;
        match done.next {
            Some(next) => step.after = next,
            None => break,
        }
    }
    if documents > 0 {
        let database = &database.record.name;
        tracing::info!(database, documents, revisions, "emptied the revision bin");
    }
    Ok(())
}

fn frequency(seconds: Option<u64>) -> Duration {
    /// A longer sleep is as good, and does not overflow the clock.
    const LONGEST_S: u64 = 10 * 365 * 86_400;
    Duration::from_secs(seconds.unwrap_or(DEFAULT_FREQUENCY_S).min(LONGEST_S))
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Expired,
    Refreshes,
}

async fn sweep_documents(database: &OpenDatabase, kind: Kind, most: Option<u64>) -> Result<()> {
    let mut left = most.unwrap_or(u64::MAX);
    let mut total = 0;
    while left > 0 {
        let limit = usize::try_from(left.min(DOCUMENTS_PER_STEP)).unwrap_or(1);
        let documents = &database.documents;
        let swept = match kind {
            Kind::Expired => documents.sweep_expired_step(limit).await,
            Kind::Refreshes => documents.sweep_refreshes_step(limit).await,
        };
        let swept = database.use_store(swept)?;
        if swept == 0 {
            break;
        }
        total += swept;
        left = left.saturating_sub(swept as u64);
    }
    if total > 0 {
        tracing::info!(
            database = database.record.name,
            count = total,
            ?kind,
            "swept"
        );
    }
    Ok(())
}

async fn sweep_loose(server: &Server, database: &OpenDatabase) -> Result<()> {
    let retention_s = i64::try_from(server.config.loose_content_retention_s).unwrap_or(i64::MAX);
    let retention_ms = retention_s.saturating_mul(1000);
    let older_than = server
        .host
        .clock
        .now()
        .plus_ms(retention_ms.saturating_neg());
    let mut total = 0;
    loop {
        let swept = database
            .documents
            .sweep_loose_contents_step(older_than, PIECES_PER_STEP)
            .await;
        let swept = database.use_store(swept)?;
        if swept == 0 {
            break;
        }
        total += swept;
    }
    if total > 0 {
        tracing::info!(
            database = database.record.name,
            count = total,
            "gave back loose contents"
        );
    }
    Ok(())
}

/// When a database that closes must be opened again for something that is due in it.
pub(super) async fn next_wake(
    database: &OpenDatabase,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let configured = Configured::read(database).await?;
    let transaction = database.read().await?;
    let mut next = Vec::new();
    if configured.expiration.is_some() {
        next.extend(transaction.next_expiration().await?);
    }
    if configured.refresh.is_some() {
        next.extend(transaction.next_refresh().await?);
    }
    if let Some(bin) = configured.bin {
        let oldest = transaction.oldest_in_revision_bin().await?;
        next.extend(oldest.and_then(|deleted_at| bin.due_at(deleted_at)));
    }
    if transaction.has_loose_contents().await? {
        let left = database.sweeps.turns().loose;
        let left = left.saturating_duration_since(Instant::now());
        let left_ms = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        next.push(now.plus_ms(left_ms));
    }
    Ok(next.into_iter().min())
}

impl Databases {
    /// Replaces a configuration of a database. Answers the index of the change.
    ///
    /// The database goes by what is stored in it; the record repeats that for those who read
    /// records, and says beforehand that there may be something to sweep. After a crash in between,
    /// a look at the database corrects that.
    ///
    /// # Errors
    /// Whatever the storage reports.
    pub async fn configure(&self, database: &OpenDatabase, configure: Configure) -> Result<u64> {
        let (member, value, sweeps) = match &configure {
            Configure::Revisions(it) => ("Revisions", serde_json::to_value(it), false),
            Configure::RevisionBin(it) => ("RevisionsBin", serde_json::to_value(it), !it.disabled),
            Configure::Conflicts(it) => ("ConflictSolverConfig", serde_json::to_value(it), false),
            Configure::Validation(it) => ("Validation", serde_json::to_value(it), false),
            Configure::Expiration(it) => ("Expiration", serde_json::to_value(it), !it.disabled),
            Configure::Refresh(it) => ("Refresh", serde_json::to_value(it), !it.disabled),
        };
        let value = value.expect("configurations are plain data");
        if let (true, Some(slot)) = (sweeps, self.slot(&database.record.name)) {
            self.note_sweeps(&slot, true).await?;
        }
        database.use_store(database.documents.configure(configure).await)?;
        database.sweeps.reset();
        self.set_member(&database.record.name, member, value).await
    }

    /// Notes in a database's record whether it must be opened for its sweeps after a restart.
    async fn note_sweeps(&self, slot: &Slot, sweeps: bool) -> Result<()> {
        let record = slot.record();
        if record.sweeps == sweeps {
            return Ok(());
        }
        let mut catalog = self.catalog.lock().await;
        catalog.set_sweeps(&record.name, sweeps).await?;
        if let Some(record) = catalog.find(&record.name) {
            slot.set_record(record.clone());
        }
        Ok(())
    }
}
