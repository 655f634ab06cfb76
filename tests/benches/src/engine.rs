//! The engine without HTTP, over files and over memory, and the storage alone committing the very
//! batches the engine merged; or, to be compared with a server, batches as large as the server's.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pinyon_core::commands::{BatchCommand, ExpectedVersion, PutDocument};
use pinyon_core::document::{IdRequest, parse_document};
use pinyon_core::host::{Host, OsRandom, SystemClock};
use pinyon_core::storage::{
    Durability, Environment, MemoryEnvironment, Store, StoreName, WriteBatch,
};
use pinyon_core::{Database, DatabaseOptions, Limits, PrefixQuery};
use pinyon_storage_native::{NativeEnvironment, NativeOptions};
use tokio::task::JoinHandle;

use crate::document::{Size, order};
use crate::load::Measured;
use crate::process::{Cores, cpu_time};
use crate::recording::RecordingStore;
use crate::table::Table;
use crate::workload::{BATCH, PAGE};

/// What the engine is measured with.
#[derive(Debug, Clone)]
pub struct EnginePlan {
    /// Callers at the same time.
    pub callers: Vec<usize>,
    /// Which sizes.
    pub sizes: Vec<Size>,
    /// The time of one measurement.
    pub measured: Duration,
    /// What a server that is measured beside them has.
    pub server_cores: Cores,
    /// How many documents that server committed at a time, on average.
    pub server_merged: Vec<Merged>,
}

/// Documents in a commit of a server.
#[derive(Debug, Clone, Copy)]
pub struct Merged {
    /// Over so many connections.
    pub connections: usize,
    /// Documents of this size.
    pub size: Size,
    /// On average.
    pub documents_per_commit: f64,
}

/// Durable puts of one size by a number of callers.
#[derive(Debug, Clone)]
pub struct EngineCell {
    /// Callers at the same time.
    pub callers: usize,
    /// Size of the documents.
    pub size: Size,
    /// The engine over files.
    pub native: Measured,
    /// Documents for each second of the storage alone, committing the same batches.
    pub storage_rate: f64,
    /// The same with no more cores than the server has, and batches as large as the server's.
    pub storage_rate_as_server: f64,
}

/// Runs the plan in a directory of its own under `directory` and prints each line. Engine and
/// storage have all cores, for no generator runs beside them; in a second run, to be compared with
/// a server, the storage has no more than that, and commits as many documents at a time.
///
/// # Errors
/// The engine or the storage reports one.
pub fn run(plan: &EnginePlan, directory: &Path) -> Result<Vec<EngineCell>> {
    on_measured_cores(Cores::new(false), || measure_all(plan, directory))
}

/// Runs what `measure` begins on the measured cores.
///
/// # Errors
/// Its own.
pub(crate) fn on_measured_cores<T: Send, F: Future<Output = Result<T>>>(
    cores: Cores,
    measure: impl FnOnce() -> F + Send,
) -> Result<T> {
    // On a thread of its own: its runtime and the storage's threads inherit its cores.
    std::thread::scope(|scope| {
        let measuring = scope.spawn(move || {
            cores.enter_measured()?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            runtime.block_on(measure())
        });
        match measuring.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

async fn measure_all(plan: &EnginePlan, directory: &Path) -> Result<Vec<EngineCell>> {
    let mut table = Table::new(&[
        "engine without HTTP",
        "documents",
        "callers",
        "operations/s",
        "p50 µs",
        "p99 µs",
        "CPU µs/operation",
        "documents/commit",
    ]);
    table.print_head();
    let mut cells = Vec::new();
    for size in &plan.sizes {
        for callers in &plan.callers {
            let cell = measure_puts(plan, *callers, *size, directory, &mut table).await?;
            cells.push(cell);
        }
        measure_reads(plan, *size, directory, &mut table).await?;
    }
    Ok(cells)
}

pub(crate) fn host() -> Host {
    Host {
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
    }
}

pub(crate) fn store_name() -> Result<StoreName> {
    Ok(StoreName::new("documents")?)
}

pub(crate) async fn open_native(directory: &Path) -> Result<impl Store> {
    let environment = NativeEnvironment::open(directory, NativeOptions::default())?;
    Ok(environment.open(&store_name()?).await?)
}

pub(crate) async fn open_database<S: Store>(store: S) -> Result<(Database<S>, JoinHandle<()>)> {
    open_database_with(store, DatabaseOptions::default()).await
}

async fn open_database_with<S: Store>(
    store: S,
    options: DatabaseOptions,
) -> Result<(Database<S>, JoinHandle<()>)> {
    let (database, merger) = Database::open(store, host(), options).await?;
    let merger = merger.with_pause(|| Box::pin(tokio::task::yield_now()));
    Ok((database, tokio::spawn(merger.run())))
}

async fn measure_puts(
    plan: &EnginePlan,
    callers: usize,
    size: Size,
    directory: &Path,
    table: &mut Table,
) -> Result<EngineCell> {
    let place = tempfile::tempdir_in(directory).context("make a directory")?;
    let (database, merger) =
        open_database(open_native(&place.path().join("engine")).await?).await?;
    let (native, _) = drive_puts(&database, callers, size, plan.measured).await?;
    database.close().await?;
    merger.await.context("the merger's task")?;

    // Apart from the run above, which would pay for the copies.
    let path = place.path().join("recorded");
    let recorded = record(&path, callers, size, plan.measured, None).await?;
    let per_commit = recorded.documents_per_commit();
    table.print_row(&row(
        "PUT one, files, durable",
        size,
        callers,
        &native,
        per_commit,
    ));
    // What the server merged; without one, what the engine did.
    let merged = plan.server_merged.iter();
    let merged = merged
        .copied()
        .find(|it| it.connections == callers && it.size == size);
    let as_server = match merged {
        None => recorded.clone(),
        Some(merged) => {
            let at_once = merged.documents_per_commit.round().max(1.0) as usize;
            let path = place.path().join("recorded as the server");
            // With twice as many callers there is always a whole batch to take.
            let callers = callers.max(2 * at_once);
            record(&path, callers, size, plan.measured, Some(at_once)).await?
        }
    };

    let path = place.path().join("storage");
    let storage = commit_alone(&path, recorded, plan.measured).await?;
    let label = "storage alone, the same batches";
    table.print_row(&row(label, size, callers, &storage, per_commit));

    let path = place.path().join("storage as the server");
    let per_commit = as_server.documents_per_commit();
    let (cores, limit) = (plan.server_cores, plan.measured);
    let storage_as_server = tokio::task::spawn_blocking(move || {
        on_measured_cores(cores, || commit_alone(&path, as_server, limit))
    });
    let storage_as_server = storage_as_server.await.context("a thread of the bench")??;
    let label = "storage alone, the server's cores and batches";
    table.print_row(&row(label, size, callers, &storage_as_server, per_commit));

    let memory = MemoryEnvironment::new().open(&store_name()?).await?;
    let recording = RecordingStore::new(memory);
    let (database, merger) = open_database(recording.clone()).await?;
    let (in_memory, written) = drive_puts(&database, callers, size, plan.measured).await?;
    database.close().await?;
    merger.await.context("the merger's task")?;
    let per_commit = written as f64 / recording.take().len().max(1) as f64;
    table.print_row(&row(
        "PUT one, memory",
        size,
        callers,
        &in_memory,
        per_commit,
    ));
    Ok(EngineCell {
        callers,
        size,
        native,
        storage_rate: storage.rate(),
        storage_rate_as_server: storage_as_server.rate(),
    })
}

/// What puts came to.
#[derive(Clone)]
struct Recorded {
    /// The batches that founded the database.
    founding: Vec<WriteBatch>,
    batches: Vec<WriteBatch>,
    /// Documents in them.
    documents: u64,
}

impl Recorded {
    fn documents_per_commit(&self) -> f64 {
        self.documents as f64 / self.batches.len().max(1) as f64
    }
}

/// Records what puts by `callers` come to, with no more than `at_once` in a commit.
async fn record(
    place: &Path,
    callers: usize,
    size: Size,
    measured: Duration,
    at_once: Option<usize>,
) -> Result<Recorded> {
    let recording = RecordingStore::new(open_native(place).await?);
    let mut options = DatabaseOptions::default();
    if let Some(at_once) = at_once {
        options.limits.max_merged_operations = at_once;
    }
    let (database, merger) = open_database_with(recording.clone(), options).await?;
    let founding = recording.take();
    let (_, documents) = drive_puts(&database, callers, size, measured).await?;
    database.close().await?;
    merger.await.context("the merger's task")?;
    Ok(Recorded {
        founding,
        batches: recording.take(),
        documents,
    })
}

/// Commits what was recorded to a new store in `place`.
async fn commit_alone(place: &Path, recorded: Recorded, limit: Duration) -> Result<Measured> {
    let store = open_native(place).await?;
    for batch in recorded.founding {
        store.commit(batch, Durability::Durable).await?;
    }
    let measured = replay(&store, recorded.batches, recorded.documents, limit).await?;
    store.close().await?;
    Ok(measured)
}

/// Commits the batches one after the other, for at most `limit`.
pub(crate) async fn replay<S: Store>(
    store: &S,
    batches: Vec<WriteBatch>,
    documents: u64,
    limit: Duration,
) -> Result<Measured> {
    let count = batches.len();
    let mut latencies_ns = Vec::with_capacity(count);
    let cpu = cpu_time(std::process::id())?;
    let started = Instant::now();
    for batch in batches {
        let began = Instant::now();
        store.commit(batch, Durability::Durable).await?;
        latencies_ns.push(began.elapsed().as_nanos() as u64);
        if started.elapsed() > limit {
            break;
        }
    }
    let elapsed = started.elapsed();
    let cpu = cpu_time(std::process::id())?.saturating_sub(cpu);
    let done = documents * latencies_ns.len() as u64 / count.max(1) as u64;
    latencies_ns.sort_unstable();
    Ok(Measured {
        requests: done,
        elapsed,
        cpu,
        latencies_ns,
    })
}

const WARM_UP: u8 = 0;
const MEASURED: u8 = 1;
const OVER: u8 = 2;

/// Texts that take turns, so that what is put again has changed.
const TEXTS: u64 = 7;

/// Puts of new documents by `callers` tasks, each waiting for its answer; also says how many were
/// made in all.
pub(crate) async fn drive_puts<S: Store>(
    database: &Database<S>,
    callers: usize,
    size: Size,
    measured: Duration,
) -> Result<(Measured, u64)> {
    drive_puts_of(database, callers, u64::MAX, size, measured).await
}

/// As [`drive_puts`], of `documents` for each caller, again and again.
pub(crate) async fn drive_puts_of<S: Store>(
    database: &Database<S>,
    callers: usize,
    documents: u64,
    size: Size,
    measured: Duration,
) -> Result<(Measured, u64)> {
    let phase = Arc::new(AtomicU8::new(WARM_UP));
    let written = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for caller in 0..callers {
        let database = database.clone();
        let phase = Arc::clone(&phase);
        let written = Arc::clone(&written);
        tasks.push(tokio::spawn(async move {
            let first = caller as u64 * TEXTS;
            let texts: Vec<String> = (first..first + TEXTS).map(|n| order(size, n)).collect();
            let limits = Limits::default();
            let mut latencies_ns = Vec::new();
            let mut number: u64 = 0;
            loop {
                if phase.load(Ordering::Relaxed) == OVER {
                    return Ok::<_, pinyon_core::Error>(latencies_ns);
                }
                number += 1;
                let began = Instant::now();
                let text = &texts[(number % TEXTS) as usize];
                let id = format!("orders/{caller}/{:09}", number % documents);
                let put = PutDocument {
                    id: IdRequest::parse(&id, limits.max_id_bytes)?,
                    expected: ExpectedVersion::Any,
                    document: parse_document(text, &limits)?,
                };
                database.write_batch(vec![BatchCommand::Put(put)]).await?;
                written.fetch_add(1, Ordering::Relaxed);
                if phase.load(Ordering::Relaxed) == MEASURED {
                    latencies_ns.push(began.elapsed().as_nanos() as u64);
                }
            }
        }));
    }
    tokio::time::sleep(measured.min(Duration::from_millis(300))).await;
    let cpu = cpu_time(std::process::id())?;
    phase.store(MEASURED, Ordering::Relaxed);
    let started = Instant::now();
    tokio::time::sleep(measured).await;
    phase.store(OVER, Ordering::Relaxed);
    let elapsed = started.elapsed();
    let cpu = cpu_time(std::process::id())?.saturating_sub(cpu);
    let mut latencies_ns = Vec::new();
    for task in tasks {
        latencies_ns.extend(task.await.context("a caller's task")??);
    }
    latencies_ns.sort_unstable();
    let measured = Measured {
        requests: latencies_ns.len() as u64,
        elapsed,
        cpu,
        latencies_ns,
    };
    Ok((measured, written.load(Ordering::Relaxed)))
}

const READ_COUNT: usize = 2_000;

async fn measure_reads(
    plan: &EnginePlan,
    size: Size,
    directory: &Path,
    table: &mut Table,
) -> Result<()> {
    let place = tempfile::tempdir_in(directory).context("make a directory")?;
    let (database, merger) = open_database(open_native(place.path()).await?).await?;
    let limits = Limits::default();
    let ids: Vec<String> = (0..READ_COUNT).map(|n| format!("orders/{n:08}")).collect();
    for (chunk, first) in ids.chunks(BATCH).zip((0..).step_by(BATCH)) {
        let put = |(id, seed): (&String, u64)| -> Result<BatchCommand> {
            Ok(BatchCommand::Put(PutDocument {
                id: IdRequest::parse(id, limits.max_id_bytes)?,
                expected: ExpectedVersion::Any,
                document: parse_document(&order(size, seed), &limits)?,
            }))
        };
        let commands = chunk.iter().zip(first..).map(put).collect::<Result<_>>()?;
        database.write_batch(commands).await?;
    }
    let mut random = fastrand::Rng::with_seed(7);
    let mut json = Vec::new();

    let mut latencies = Repeated::begin(plan.measured)?;
    while latencies.goes_on() {
        json.clear();
        let read = database.read().await?;
        let found = read.document(&ids[random.usize(0..READ_COUNT)]).await?;
        found
            .context("a document that was stored")?
            .write_json(&mut json);
        latencies.note();
    }
    table.print_row(&row("GET one, files", size, 1, &latencies.end()?, 0.0));

    let mut latencies = Repeated::begin(plan.measured)?;
    while latencies.goes_on() {
        json.clear();
        let asked: Vec<&String> = (0..BATCH)
            .map(|_| &ids[random.usize(0..READ_COUNT)])
            .collect();
        for document in database.read().await?.documents(&asked).await? {
            document
                .context("a document that was stored")?
                .write_json(&mut json);
        }
        latencies.note();
    }
    let label = format!("load of {BATCH} ids, files");
    table.print_row(&row(&label, size, 1, &latencies.end()?, 0.0));

    let mut latencies = Repeated::begin(plan.measured)?;
    while latencies.goes_on() {
        json.clear();
        let query = PrefixQuery {
            prefix: format!("orders/{:06}", random.usize(0..READ_COUNT / 100)),
            page_size: PAGE,
            ..PrefixQuery::default()
        };
        let page = database.read().await?.documents_by_prefix(&query).await?;
        ensure!(page.len() == PAGE, "a page of {} documents", page.len());
        page.iter()
            .for_each(|document| document.write_json(&mut json));
        latencies.note();
    }
    let label = format!("prefix page of {PAGE}, files");
    table.print_row(&row(&label, size, 1, &latencies.end()?, 0.0));
    database.close().await?;
    merger.await.context("the merger's task")
}

/// One thing done again and again, timed.
struct Repeated {
    limit: Duration,
    started: Instant,
    began: Instant,
    cpu: Duration,
    latencies_ns: Vec<u64>,
}

impl Repeated {
    fn begin(limit: Duration) -> Result<Self> {
        let now = Instant::now();
        Ok(Self {
            limit,
            started: now,
            began: now,
            cpu: cpu_time(std::process::id())?,
            latencies_ns: Vec::new(),
        })
    }

    fn goes_on(&self) -> bool {
        self.began.duration_since(self.started) < self.limit
    }

    fn note(&mut self) {
        let now = Instant::now();
        let took = now.duration_since(self.began);
        self.latencies_ns.push(took.as_nanos() as u64);
        self.began = now;
    }

    fn end(mut self) -> Result<Measured> {
        self.latencies_ns.sort_unstable();
        Ok(Measured {
            requests: self.latencies_ns.len() as u64,
            elapsed: self.began.duration_since(self.started),
            cpu: cpu_time(std::process::id())?.saturating_sub(self.cpu),
            latencies_ns: self.latencies_ns,
        })
    }
}

fn row(
    label: &str,
    size: Size,
    callers: usize,
    measured: &Measured,
    documents_per_commit: f64,
) -> Vec<String> {
    let per_commit = if documents_per_commit > 0.0 {
        format!("{documents_per_commit:.1}")
    } else {
        "–".to_owned()
    };
    vec![
        label.to_owned(),
        size.label().to_owned(),
        callers.to_string(),
        format!("{:.0}", measured.rate()),
        format!("{:.1}", measured.latency_us(50.0)),
        format!("{:.1}", measured.latency_us(99.0)),
        format!("{:.1}", measured.cpu_us()),
        per_commit,
    ]
}
