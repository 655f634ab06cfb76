//! `pinyon import` of many small documents beside the storage alone committing the same writes,
//! and beside redb used directly.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pinyon_core::commands::{BatchCommand, ExpectedVersion, PutDocument};
use pinyon_core::document::{IdRequest, parse_document};
use pinyon_core::host::{Host, OsRandom, SystemClock};
use pinyon_core::storage::{Durability, Environment, MemoryEnvironment, Store, StoreName};
use pinyon_core::{Database, DatabaseOptions, Limits};
use pinyon_server_process::{ServerProcess, find_binary};
use pinyon_storage_native::{NativeEnvironment, NativeOptions};
use redb::TableDefinition;

use crate::connection::Connection;
use crate::document::{Size, order};
use crate::process::memory;
use crate::recording::RecordingStore;
use crate::target::Target;
use crate::workload::request;

const DATABASE: &str = "Bench";
/// Documents of a commit of the peers.
const COMMIT: usize = 1_000;

/// Imports `documents` documents and prints time, peak memory and ratios.
///
/// # Errors
/// The import fails or does not import them all.
pub async fn run(documents: usize, directory: &Path) -> Result<()> {
    let place = tempfile::tempdir_in(directory).context("make a directory")?;
    let file = place.path().join("orders.jsonl");
    let bytes = write_file(&file, documents)?;
    println!(
        "\nimport of {documents} documents, {:.0} MB of JSON lines",
        bytes as f64 / 1e6
    );
    let data = place.path().join("data");
    let log = place.path().join("server.log");
    // A data directory is a server's; it makes one when it first starts.
    ServerProcess::start(&find_binary()?, &data, &log)?.stop()?;
    let (took, peak) = import(&file, &data)?;
    check_count(
        ServerProcess::start(&find_binary()?, &data, &log)?,
        documents,
    )
    .await?;
    let rate = documents as f64 / took.as_secs_f64();
    println!(
        "pinyon import: {:.1} s, {rate:.0} documents/s, peak resident memory {:.1} MB",
        took.as_secs_f64(),
        peak as f64 / 1e6
    );
    let storage = commit_same_writes(documents, &place.path().join("storage")).await?;
    print_peer("storage alone, the same writes", documents, storage, rate);
    let engine = load_redb(documents, &place.path().join("raw.redb"))?;
    print_peer(
        "redb directly, documents and etags",
        documents,
        engine,
        rate,
    );
    Ok(())
}

fn print_peer(what: &str, documents: usize, took: Duration, rate: f64) {
    let peer = documents as f64 / took.as_secs_f64();
    println!(
        "{what}, {COMMIT} documents/commit: {:.1} s, {peer:.0} documents/s; import ÷ this {:.2}",
        took.as_secs_f64(),
        rate / peer
    );
}

fn id(number: usize) -> String {
    format!("orders/{number:09}")
}

fn write_file(path: &Path, documents: usize) -> Result<u64> {
    let mut file = BufWriter::new(File::create(path).context("create the file")?);
    for number in 0..documents {
        let document = order(Size::Small, number as u64);
        // The id goes where exports have it.
        let line = document.replace(
            r#""@metadata":{"#,
            &format!(r#""@metadata":{{"@id":"{}","#, id(number)),
        );
        writeln!(file, "{line}")?;
    }
    file.into_inner()
        .context("write the file")?
        .metadata()
        .map(|metadata| metadata.len())
        .context("measure the file")
}

/// All documents must be there; a server says so.
async fn check_count(server: ServerProcess, documents: usize) -> Result<()> {
    let target = Target::new("pinyon", server.url(), Some(server.id()))?;
    let mut connection = Connection::open(target.address).await?;
    let path = format!("/databases/{DATABASE}/collections/stats");
    let (status, _, body) = connection
        .exchange_whole(&request("GET", &path, None, ""))
        .await?;
    let counts: serde_json::Value = serde_json::from_slice(&body).context("the counts")?;
    ensure!(
        status == 200 && counts["CountOfDocuments"] == documents,
        "after the import GET {path} answers {status} {counts}"
    );
    server.stop()
}

/// Runs the command on a new data directory; how long it took and its highest memory.
fn import(file: &Path, data: &Path) -> Result<(Duration, u64)> {
    let began = Instant::now();
    let mut child = Command::new(find_binary()?)
        .arg("import")
        .arg("--data-dir")
        .arg(data)
        .args(["--create", "--database", DATABASE])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("run pinyon import")?;
    let mut peak = 0;
    let (_open, ticks) = std::sync::mpsc::channel::<()>();
    loop {
        if let Some(status) = child.try_wait().context("wait for the import")? {
            let took = began.elapsed();
            ensure!(status.success(), "pinyon import ended with {status}");
            return Ok((took, peak));
        }
        // The highest memory is kept by the kernel, so only the last moments can be missed.
        if let Ok(highest) = memory(child.id(), "VmHWM") {
            peak = highest.max(peak);
        }
        let _ = ticks.recv_timeout(Duration::from_millis(10));
    }
}

/// Commits exactly what the engine would write, recorded over memory; only the commits are timed.
async fn commit_same_writes(documents: usize, directory: &Path) -> Result<Duration> {
    let name = StoreName::new("documents")?;
    let environment = NativeEnvironment::open(directory, NativeOptions::default())?;
    let store = environment.open(&name).await?;
    let recording = RecordingStore::new(MemoryEnvironment::new().open(&name).await?);
    let host = Host {
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
    };
    let (database, merger) =
        Database::open(recording.clone(), host, DatabaseOptions::default()).await?;
    let merger = tokio::spawn(merger.run());
    let limits = Limits::default();
    let mut took = Duration::ZERO;
    for first in (0..documents).step_by(COMMIT) {
        let put = |number| -> Result<BatchCommand> {
            Ok(BatchCommand::Put(PutDocument {
                id: IdRequest::parse(&id(number), limits.max_id_bytes)?,
                expected: ExpectedVersion::Any,
                document: parse_document(&order(Size::Small, number as u64), &limits)?,
            }))
        };
        let last = documents.min(first + COMMIT);
        let commands = (first..last).map(put).collect::<Result<_>>()?;
        database.write_batch(commands).await?;
        let batches = recording.take();
        let began = Instant::now();
        for batch in batches {
            store.commit(batch, Durability::Durable).await?;
        }
        took += began.elapsed();
    }
    let began = Instant::now();
    store.close().await?;
    took += began.elapsed();
    database.close().await?;
    merger.await.context("the merger's task")?;
    Ok(took)
}

const DOCUMENTS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("documents");
const ETAGS: TableDefinition<u64, &[u8]> = TableDefinition::new("etags");

/// The engine below the storage, with the least that could be called storing documents: by id,
/// and their ids by etag.
fn load_redb(documents: usize, path: &Path) -> Result<Duration> {
    let redb = redb::Database::create(path).context("create a redb file")?;
    let mut took = Duration::ZERO;
    for first in (0..documents).step_by(COMMIT) {
        let last = documents.min(first + COMMIT);
        let orders: Vec<(String, String)> = (first..last)
            .map(|number| (id(number), order(Size::Small, number as u64)))
            .collect();
        let began = Instant::now();
        let transaction = redb.begin_write()?;
        {
            let mut by_id = transaction.open_table(DOCUMENTS)?;
            let mut by_etag = transaction.open_table(ETAGS)?;
            for (etag, (id, text)) in (first as u64..).zip(&orders) {
                by_id.insert(id.as_bytes(), text.as_bytes())?;
                by_etag.insert(etag, id.as_bytes())?;
            }
        }
        transaction.commit()?;
        took += began.elapsed();
    }
    if documents == 0 {
        bail!("nothing to load");
    }
    Ok(took)
}
