//! Measures what the journal gains: commits and reads of this backend, with and without it, and of
//! bare redb, side by side in one run.
//!
//! `cargo run --release -p pinyon-storage-native --example commit_rate -- [DIRECTORY] [SECONDS]`
//!
//! One insert is what a document write does: four small maps change. The directory must be on the
//! disk to be measured; it is created and left empty.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_executor::block_on;
use pinyon_core::storage::{
    Direction, Durability, Environment, KeyRange, KeySpace, PageLimits, Snapshot, Store, StoreName,
    Write, WriteBatch,
};
use pinyon_storage_native::{NativeEnvironment, NativeOptions, NativeStore};
use redb::TableDefinition;

const DOCUMENTS: KeySpace = KeySpace::new(0);
const DOCUMENT_BYTES: usize = 500;

/// A place that takes batches durably.
trait Target {
    fn commit(&self, batch: WriteBatch) -> Result<(), Box<dyn Error>>;
}

struct BareRedb {
    database: redb::Database,
    quick_repair: bool,
}

impl Target for BareRedb {
    fn commit(&self, batch: WriteBatch) -> Result<(), Box<dyn Error>> {
        const NAMES: [&str; 4] = ["0", "1", "2", "3"];
        let mut transaction = self.database.begin_write()?;
        transaction.set_quick_repair(self.quick_repair);
        {
            let mut tables = Vec::new();
            for name in NAMES {
                let table: TableDefinition<&[u8], &[u8]> = TableDefinition::new(name);
                tables.push(transaction.open_table(table)?);
            }
            for write in batch.writes() {
                if let Write::Put { space, key, value } = write {
                    tables[usize::from(space.number())].insert(&key[..], &value[..])?;
                }
            }
        }
        Ok(transaction.commit()?)
    }
}

impl Target for NativeStore {
    fn commit(&self, batch: WriteBatch) -> Result<(), Box<dyn Error>> {
        Ok(block_on(Store::commit(self, batch, Durability::Durable))?)
    }
}

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn id(number: u64) -> Bytes {
    format!("orders/{number:08}-a").into()
}

/// What writing document `number` changes; `etag` is new with every write.
fn add_document(batch: &mut WriteBatch, number: u64, etag: u64) {
    let id = id(number);
    let mut document = vec![b'x'; DOCUMENT_BYTES];
    document[..8].copy_from_slice(&etag.to_le_bytes());
    let etag = Bytes::copy_from_slice(&etag.to_be_bytes());
    let in_collection = [b"orders/", &etag[..]].concat();
    batch.put(DOCUMENTS, id.clone(), document);
    batch.put(KeySpace::new(1), etag.clone(), id.clone());
    batch.put(KeySpace::new(2), in_collection, id);
    batch.put(KeySpace::new(3), "last etag", etag);
}

/// Processor time of this process so far, of all threads.
fn cpu() -> Duration {
    // Fields 14 and 15 of /proc/self/stat, in hundredths of a second; zero where there is none.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().map(|rest| {
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |at: usize| fields.get(at).and_then(|text| text.parse().ok());
        field(11).unwrap_or(0_u64) + field(12).unwrap_or(0)
    });
    Duration::from_millis(10 * ticks.unwrap_or(0))
}

/// Bytes this process has handed to the kernel so far, from Linux's /proc.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar:"));
    line.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// The most memory this process had so far, from Linux's /proc.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap_or("unknown").trim().to_string()
}

/// Runs `step` for `seconds` and prints how often it did `unit`s, `count` at a time.
fn measure(
    label: &str,
    seconds: f64,
    count: u64,
    unit: &str,
    mut step: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let (start, cpu_start, written_start) = (Instant::now(), cpu(), written());
    let mut steps = 0_u64;
    let mut slowest = Duration::ZERO;
    let mut before = start;
    while start.elapsed().as_secs_f64() < seconds {
        step()?;
        steps += 1;
        let now = Instant::now();
        slowest = slowest.max(now - before);
        before = now;
    }
    let units = (steps * count) as f64;
    let rate = units / start.elapsed().as_secs_f64();
    let cpu_us = (cpu() - cpu_start).as_secs_f64() * 1e6 / units;
    println!(
        "{label:<26} {rate:>11.0} {unit}/s {cpu_us:>8.1} µs CPU {:>8.0} bytes  slowest {:>6.1} ms",
        (written() - written_start) as f64 / units,
        slowest.as_secs_f64() * 1e3
    );
    Ok(rate)
}

fn measure_writes(label: &str, target: &impl Target, seconds: f64) -> Result<u64, Box<dyn Error>> {
    let mut numbers = Numbers(7);
    let mut last = 0;
    for per_commit in [1, 16, 256] {
        let title = format!("{label}: {per_commit} inserts");
        measure(&title, seconds, per_commit, "documents", || {
            let mut batch = WriteBatch::default();
            for _ in 0..per_commit {
                last += 1;
                add_document(&mut batch, last, last);
            }
            target.commit(batch)
        })?;
    }
    let (documents, mut etag) = (last, last);
    measure(
        &format!("{label}: 256 updates"),
        seconds,
        256,
        "documents",
        || {
            let mut batch = WriteBatch::default();
            for _ in 0..256 {
                etag += 1;
                add_document(&mut batch, 1 + numbers.next() % documents, etag);
            }
            target.commit(batch)
        },
    )?;
    Ok(documents)
}

fn measure_reads(store: &NativeStore, documents: u64, seconds: f64) -> Result<(), Box<dyn Error>> {
    let mut numbers = Numbers(11);
    let hot = documents.min(10_000);
    let mut get = |label: &str, among: u64, fresh: bool| {
        measure(label, seconds, 64, "gets", || {
            for _ in 0..64 {
                if fresh {
                    // As if a commit had come in between: nothing of the last snapshot is reused.
                    block_on(Store::commit(
                        store,
                        WriteBatch::default(),
                        Durability::Relaxed,
                    ))?;
                }
                let keys = [id(1 + numbers.next() % among)];
                let snapshot = block_on(store.snapshot())?;
                let found = block_on(snapshot.get_many(DOCUMENTS, &keys))?;
                assert!(found[0].is_some(), "the document was written");
            }
            Ok(())
        })
    };
    get("get, own snapshot, hot", hot, false)?;
    get("get, own snapshot, all", documents, false)?;
    get("get, after an empty commit", hot, true)?;
    let snapshot = block_on(store.snapshot())?;
    let mut range = KeyRange::all();
    let limits = PageLimits {
        entries: 256,
        ..PageLimits::default()
    };
    measure("scan", seconds, 256, "entries", || {
        let page = block_on(snapshot.scan(DOCUMENTS, &range, Direction::Forward, limits))?;
        range = match page.entries.last() {
            Some((last, _)) if page.has_more => KeyRange::all().after(last.clone()),
            _ => KeyRange::all(),
        };
        Ok(())
    })?;
    Ok(())
}

fn measure_native(
    label: &str,
    directory: &Path,
    options: NativeOptions,
    seconds: f64,
    reads: bool,
) -> Result<(), Box<dyn Error>> {
    let environment = NativeEnvironment::open(directory, options)?;
    let name = StoreName::new("measured")?;
    let store = block_on(environment.open(&name))?;
    let documents = measure_writes(label, &store, seconds)?;
    if reads {
        measure_reads(&store, documents, seconds)?;
    }
    let start = Instant::now();
    block_on(store.close())?;
    println!(
        "{label:<26} {documents} documents, closed in {:?}, peak memory {}",
        start.elapsed(),
        peak_memory()
    );
    let start = Instant::now();
    drop(block_on(environment.open(&name))?);
    println!("{label:<26} opened in {:?}\n", start.elapsed());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().unwrap_or("commit-rate".to_string()));
    let seconds = arguments.next().map_or(Ok(3.0), |text| text.parse())?;
    std::fs::create_dir_all(&directory)?;
    for (label, quick_repair) in [("redb", false), ("redb quick", true)] {
        let path = directory.join("bare.redb");
        let database = redb::Builder::new()
            .set_cache_size(NativeOptions::default().cache_bytes)
            .create(&path)?;
        let target = BareRedb {
            database,
            quick_repair,
        };
        measure_writes(label, &target, seconds)?;
        println!();
        drop(target);
        std::fs::remove_file(path)?;
    }
    let direct = NativeOptions {
        direct_bytes: 0,
        ..NativeOptions::default()
    };
    measure_native(
        "no journal",
        &directory.join("direct"),
        direct,
        seconds,
        false,
    )?;
    let options = NativeOptions::default();
    measure_native(
        "journal",
        &directory.join("journal"),
        options,
        seconds,
        true,
    )?;
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}
