//! How long the server takes from its start to its first answer, with many documents, after a
//! clean stop and after `kill -9`; and the memory it holds when idle.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pinyon_server_process::{ServerProcess, find_binary};

use crate::connection::Connection;
use crate::document::Size;
use crate::load::{Times, percentile, run_load};
use crate::process::{Cores, memory};
use crate::target::Target;
use crate::workload::{Requests, put_commands, request};

/// What is measured.
#[derive(Debug, Clone)]
pub struct StartPlan {
    /// Documents in the database.
    pub documents: usize,
    /// Starts of each kind.
    pub rounds: usize,
}

const DATABASE: &str = "Bench";
const FIRST_ID: &str = "orders/000000000";
/// Documents of a batch while the database is filled.
const FILL_BATCH: usize = 1_000;

/// Runs the plan in a directory of its own under `directory` and prints the figures.
///
/// # Errors
/// The server fails to start, answer or stop.
pub async fn run(plan: &StartPlan, cores: Cores, directory: &Path) -> Result<()> {
    let place = tempfile::tempdir_in(directory).context("make a directory")?;
    let data = place.path().join("data");
    let (mut server, took) = start(cores, &data, None).await?;
    println!("\nstart to first answer, no data: {}", ms(took));
    let target = Target::new("pinyon", server.url(), Some(server.id()))?;
    target.create_database(DATABASE).await?;
    let put = request(
        "PUT",
        &format!("/databases/{DATABASE}/docs?id=one"),
        None,
        "{}",
    );
    put_one(&target, &put).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!(
        "resident memory, one database, idle for 3 s: {}",
        mb(memory(server.id(), "VmRSS")?)
    );

    let began = Instant::now();
    fill(&target, plan.documents).await?;
    println!(
        "{} documents of {} stored over HTTP in batches of {FILL_BATCH}: {:.1} s, resident then {}",
        plan.documents,
        Size::Small.label(),
        began.elapsed().as_secs_f64(),
        mb(memory(server.id(), "VmRSS")?)
    );

    let mut clean = Vec::new();
    for _ in 0..plan.rounds {
        server.stop()?;
        let (started, took) = start(cores, &data, Some(DATABASE)).await?;
        clean.push(took);
        server = started;
    }
    print_times("start to first document after a clean stop", clean);

    let mut killed = Vec::new();
    for round in 0..plan.rounds {
        let target = Target::new("pinyon", server.url(), Some(server.id()))?;
        let prefix = |connection: usize| format!("killed/{round}/{connection}/");
        let sources = (0..16)
            .map(|connection| Requests::put_one(DATABASE, Size::Small, &prefix(connection)))
            .collect();
        let times = Times {
            warm_up: Duration::ZERO,
            measured: Duration::from_secs(1),
        };
        run_load(target.address, 201, sources, times, || Ok(Duration::ZERO)).await?;
        server.kill()?;
        let (started, took) = start(cores, &data, Some(DATABASE)).await?;
        killed.push(took);
        server = started;
    }
    print_times(
        "start to first document after a second of writes and kill -9",
        killed,
    );
    println!(
        "resident memory after such a start, idle: {}",
        mb(memory(server.id(), "VmRSS")?)
    );
    server.stop()
}

/// From spawning the server to the first whole answer: a document of `database`, or the build
/// version where there is no database yet.
async fn start(
    cores: Cores,
    data: &Path,
    database: Option<&str>,
) -> Result<(ServerProcess, Duration)> {
    let binary = find_binary()?;
    let log = data.with_extension("log");
    cores.enter_measured()?;
    let began = Instant::now();
    let server = ServerProcess::start(&binary, data, &log);
    cores.enter_generator()?;
    let server = server?;
    let path = match database {
        Some(database) => format!("/databases/{database}/docs?id={FIRST_ID}"),
        None => "/build/version".to_owned(),
    };
    let target = Target::new("pinyon", server.url(), Some(server.id()))?;
    let mut connection = Connection::open(target.address).await?;
    let answer = connection
        .exchange(&request("GET", &path, None, ""))
        .await?;
    let took = began.elapsed();
    ensure!(
        answer.status == 200,
        "GET {path} answered {}",
        answer.status
    );
    Ok((server, took))
}

async fn put_one(target: &Target, put: &[u8]) -> Result<()> {
    let mut connection = Connection::open(target.address).await?;
    let answer = connection.exchange(put).await?;
    ensure!(answer.status == 201, "a PUT was answered {}", answer.status);
    Ok(())
}

async fn fill(target: &Target, count: usize) -> Result<()> {
    let mut connection = Connection::open(target.address).await?;
    let path = format!("/databases/{DATABASE}/bulk_docs");
    for first in (0..count).step_by(FILL_BATCH) {
        let ids: Vec<String> = (first..count.min(first + FILL_BATCH))
            .map(|number| format!("orders/{number:09}"))
            .collect();
        let body = put_commands(&ids, Size::Small, first as u64);
        let answer = connection
            .exchange(&request("POST", &path, None, &body))
            .await?;
        ensure!(answer.status == 201, "bulk_docs answered {}", answer.status);
    }
    Ok(())
}

fn print_times(what: &str, times: Vec<Duration>) {
    let mut sorted: Vec<u64> = times.iter().map(|time| time.as_nanos() as u64).collect();
    sorted.sort_unstable();
    let at = |percent| ms(Duration::from_nanos(percentile(&sorted, percent)));
    println!(
        "{what}: median {}, least {}, most {} of {}",
        at(50.0),
        at(0.0),
        at(100.0),
        sorted.len()
    );
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
