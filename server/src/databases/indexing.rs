//! Keeping the indexes of an open database up to date: a task for each, woken by writes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pinyon_core::indexes::{Index, Indexes, StepLimits, StepReport};
use pinyon_core::{Error, ErrorKind, Result};
use pinyon_storage_native::{NativeEnvironment, NativeStore};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use super::low_threads::LowThreads;
use super::turns::{Place, Turn, Turns};

/// How long an index rests after a step that failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Who follows so many changes in a step follows writers that do not wait for each other. It then
/// rests, so that the next step has more to do at once and the writers have the processors: the work
/// of a step costs the less for each document the more there are.
const CROWD: usize = 4;
/// How much longer than its step took it rests, for each index of the database.
const REST_SHARE: u32 = 4;
/// The longest rest: how far an index may be behind for this.
const MOST_REST: Duration = Duration::from_millis(100);
/// How often stores of retired indexes are looked at while there are any.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

type NativeIndexes = Indexes<NativeEnvironment>;
type NativeIndex = Index<NativeStore>;

/// Whose turn it is to index. What runs with a low priority takes turns with its like, or those who
/// are waited for would have to wait for it.
#[derive(Clone)]
pub struct IndexingTurns {
    usual: Arc<Turns>,
    low: Arc<Turns>,
    threads: Arc<LowThreads>,
}

impl IndexingTurns {
    /// As many turns of either kind as there are cores.
    pub fn new(niceness: u8) -> Self {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            usual: Turns::new(count),
            low: Turns::new(count),
            threads: LowThreads::new(count, niceness),
        }
    }

    fn places(&self) -> Places {
        Places {
            usual: self.usual.place(),
            low: self.low.place(),
            threads: Arc::clone(&self.threads),
        }
    }
}

/// The places of one index.
struct Places {
    usual: Place,
    low: Place,
    threads: Arc<LowThreads>,
}

impl Places {
    /// Waits for a turn, and says whether it is one of low priority.
    async fn turn(
        &mut self,
        index: &NativeIndex,
        has_crowd: bool,
        mut held: Option<Turn>,
    ) -> (Turn, bool) {
        let priority = index.record().priority;
        if has_crowd && !index.is_awaited() && self.threads.exist() {
            tokio::select! {
                turn = self.low.turn(priority, held.take()) => return (turn, true),
                () = until_awaited(index) => {}
            }
        }
        (self.usual.turn(priority, held).await, false)
    }
}

/// The tasks of a database's indexes.
pub struct Indexing {
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

impl Indexing {
    /// Starts a task for each index there is, and for each that comes.
    pub fn start(database: &str, indexes: &Arc<NativeIndexes>, turns: &IndexingTurns) -> Self {
        let (database, indexes) = (database.to_owned(), Arc::clone(indexes));
        let supervising = supervise(database, indexes, turns.clone());
        Self {
            supervisor: Mutex::new(Some(tokio::spawn(supervising))),
        }
    }

    /// Ends all tasks; a commit under way is completed by its store.
    pub async fn stop(&self) {
        let supervisor = self
            .supervisor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(supervisor) = supervisor {
            supervisor.abort();
            // It answers that it was aborted, which is what was wanted.
            let _ = supervisor.await;
        }
    }
}

impl Drop for Indexing {
    fn drop(&mut self) {
        let supervisor = self.supervisor.get_mut();
        if let Some(supervisor) = supervisor.unwrap_or_else(PoisonError::into_inner) {
            supervisor.abort();
        }
    }
}

async fn supervise(database: String, indexes: Arc<NativeIndexes>, turns: IndexingTurns) {
    // Dropped with this task, and all of its tasks with it.
    let mut tasks = JoinSet::new();
    let mut running: HashMap<String, AbortHandle> = HashMap::new();
    let mut sweeps = tokio::time::interval(SWEEP_EVERY);
    sweeps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let changed = indexes.listen();
        running.retain(|_, task| !task.is_finished());
        for index in indexes.list() {
            // A rebuilt index has another store, and is another index.
            let store = index.record().store.clone();
            running.entry(store).or_insert_with(|| {
                let places = turns.places();
                let follow = follow(database.clone(), Arc::clone(&indexes), index, places);
                tasks.spawn(follow)
            });
        }
        while tasks.try_join_next().is_some() {}
        tokio::select! {
            () = changed => {}
            _ = sweeps.tick(), if indexes.has_retired() => {
                if let Err(error) = indexes.sweep_retired().await {
                    tracing::warn!(database, ?error, "a retired index's store is still there");
                }
            }
        }
    }
}

async fn follow(
    database: String,
    indexes: Arc<NativeIndexes>,
    index: Arc<NativeIndex>,
    mut places: Places,
) {
    let mut held = None;
    // Whether it follows more than single writers.
    let mut has_crowd = false;
    loop {
        // Before looking, so that nothing that comes meanwhile is missed.
        let committed = indexes.database().listen();
        let changed = index.listen_for_changes();
        if index.is_retired() {
            return;
        }
        let (turn, is_low) = places.turn(&index, has_crowd, held.take()).await;
        let began = Instant::now();
        let mut rest = Duration::ZERO;
        let stepped = step(&indexes, &index, is_low.then_some(&*places.threads)).await;
        if let Ok(report) = &stepped {
            has_crowd = report.has_more || report.processed >= CROWD;
        }
        let settled = match stepped {
            Ok(report) if report.has_more => {
                held = Some(turn);
                tokio::task::yield_now().await;
                continue;
            }
            Ok(_) => {
                drop(turn);
                if has_crowd {
                    let count = u32::try_from(indexes.list().len()).unwrap_or(u32::MAX);
                    let share = count.saturating_mul(REST_SHARE);
                    rest = began.elapsed().saturating_mul(share).min(MOST_REST);
                }
                indexes.settle(&index).await
            }
            Err(error) => {
                drop(turn);
                Err(error)
            }
        };
        match settled {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Closed => return,
            Err(error) => {
                report(&database, &index, &error);
                if error.kind() == ErrorKind::Corrupted && rebuild(&indexes, &index).await {
                    return;
                }
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                continue;
            }
        }
        if !rest.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = until_awaited(&index) => continue,
            }
        }
        tokio::select! {
            () = committed => {}
            () = changed => {}
        }
    }
}

/// One step, on threads of low priority if there are such.
async fn step(
    indexes: &Arc<NativeIndexes>,
    index: &Arc<NativeIndex>,
    low: Option<&LowThreads>,
) -> Result<StepReport> {
    let Some(low) = low else {
        return index.step(indexes.database(), StepLimits::default()).await;
    };
    let (indexes, stepping) = (Arc::clone(indexes), Arc::clone(index));
    let work = async move {
        let database = indexes.database();
        stepping.step(database, StepLimits::default()).await
    };
    let index = Arc::clone(index);
    low.run(Box::pin(work), move || index.is_awaited()).await?
}

/// Until somebody waits for the index to come further.
async fn until_awaited(index: &NativeIndex) {
    loop {
        let changed = index.listen_for_changes();
        if index.is_awaited() {
            return;
        }
        changed.await;
    }
}

fn report(database: &str, index: &NativeIndex, error: &Error) {
    let index = index.name();
    tracing::warn!(database, index, ?error, "an index could not go on");
}

/// Lets a damaged index begin anew; whether that worked.
async fn rebuild(indexes: &NativeIndexes, index: &NativeIndex) -> bool {
    let name = index.name();
    match indexes.reset(&name).await {
        Ok(()) => {
            tracing::warn!(index = name, "the index was damaged and is built again");
            true
        }
        Err(error) => {
            tracing::error!(index = name, ?error, "the index cannot be built again");
            false
        }
    }
}
