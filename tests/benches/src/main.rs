//! `pinyon-bench`: drives any server of this protocol by URL and prints what it does a second,
//! beside peers measured in the same run. No figure is judged here; see README.md.

mod bare_axum;
mod connection;
mod document;
mod engine;
mod http;
mod import;
mod load;
mod machine;
mod postgres;
mod process;
mod recording;
mod start;
mod summary;
mod table;
mod target;
mod workload;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use document::Size;
use http::{Cell, HttpPlan};
use pinyon_server_process::{ServerProcess, find_binary};
use process::Cores;
use target::Target;
use workload::Workload;

/// Measures a server of this protocol beside its peers.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// All but start and import: HTTP, engine, storage, PostgreSQL, and the ratios.
    Run(RunArguments),
    /// HTTP only.
    Http(RunArguments),
    /// The engine without HTTP and the storage alone.
    Engine(RunArguments),
    /// PostgreSQL's insert of one row.
    Postgres(RunArguments),
    /// From the server's start to its first answer, and its idle memory.
    Start(StartArguments),
    /// Time and memory of `pinyon import`.
    Import(ImportArguments),
    /// The peer that answers fixed bytes; the other commands start it themselves.
    BareAxum,
}

#[derive(Debug, Clone, Args)]
struct RunArguments {
    /// A server that runs already; without it the bench starts the pinyon binary (PINYON_BIN, or
    /// beside this program) on a new data directory.
    #[arg(long)]
    url: Option<String>,
    /// The process behind --url, if it cannot be found by its port.
    #[arg(long)]
    pid: Option<u32>,
    /// Another server of this protocol to measure in turn with ours.
    #[arg(long)]
    peer: Option<String>,
    /// The process behind --peer, if it cannot be found by its port.
    #[arg(long)]
    peer_pid: Option<u32>,
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Measurements of each line in turn with its peers; the median counts.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Numbers of connections.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    connections: Vec<usize>,
    /// Sizes of documents.
    #[arg(long, value_delimiter = ',', default_value = "small,large")]
    sizes: Vec<Size>,
    /// Workloads; all if none is named.
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<Workload>,
    /// Where data directories are made; must be a real disk.
    #[arg(long, default_value = "/var/tmp")]
    directory: PathBuf,
    /// Leaves generator and servers to the kernel's choice of cores.
    #[arg(long)]
    no_pin: bool,
}

#[derive(Debug, Clone, Args)]
struct StartArguments {
    /// Documents in the database.
    #[arg(long, default_value_t = 1_000_000)]
    documents: usize,
    /// Starts after a clean stop, and as many after kill -9.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where data directories are made; must be a real disk.
    #[arg(long, default_value = "/var/tmp")]
    directory: PathBuf,
    /// Leaves generator and servers to the kernel's choice of cores.
    #[arg(long)]
    no_pin: bool,
}

#[derive(Debug, Clone, Args)]
struct ImportArguments {
    /// Documents in the file.
    #[arg(long, default_value_t = 1_000_000)]
    documents: usize,
    /// Where data directories are made; must be a real disk.
    #[arg(long, default_value = "/var/tmp")]
    directory: PathBuf,
}

impl RunArguments {
    fn measured(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    fn cores(&self) -> Cores {
        Cores::new(!self.no_pin)
    }
}

fn main() -> Result<()> {
    let command = Arguments::parse().command;
    if let Command::BareAxum = command {
        return bare_axum::serve();
    }
    machine::print_machine();
    match command {
        Command::BareAxum => Ok(()),
        Command::Run(arguments) => {
            println!("cores: {}", arguments.cores().describe());
            let cells = run_http(&arguments)?;
            let engine = run_engine(&arguments)?;
            let inserts = run_postgres(&arguments)?;
            summary::print(&cells, &engine, inserts);
            Ok(())
        }
        Command::Http(arguments) => {
            println!("cores: {}", arguments.cores().describe());
            let cells = run_http(&arguments)?;
            summary::print(&cells, &[], None);
            Ok(())
        }
        Command::Engine(arguments) => run_engine(&arguments).map(drop),
        Command::Start(arguments) => {
            let plan = start::StartPlan {
                documents: arguments.documents,
                rounds: arguments.rounds,
            };
            let cores = Cores::new(!arguments.no_pin);
            println!("cores: {}", cores.describe());
            current_thread()?.block_on(start::run(&plan, cores, &arguments.directory))
        }
        Command::Import(arguments) => {
            current_thread()?.block_on(import::run(arguments.documents, &arguments.directory))
        }
        Command::Postgres(arguments) => run_postgres(&arguments).map(drop),
    }
}

fn run_engine(arguments: &RunArguments) -> Result<Vec<engine::EngineCell>> {
    let plan = engine::EnginePlan {
        callers: arguments.connections.clone(),
        sizes: arguments.sizes.clone(),
        measured: arguments.measured(),
    };
    engine::run(&plan, arguments.cores(), &arguments.directory)
}

fn run_postgres(arguments: &RunArguments) -> Result<Option<postgres::Inserts>> {
    let inserts = postgres::measure_inserts(
        arguments.cores(),
        &arguments.directory,
        16,
        Size::Small,
        arguments.measured(),
    )?;
    match inserts {
        Some(inserts) => println!(
            "\nPostgreSQL, insert of one row, durable, {}, 16 connections: {:.0}/s, {:.1} µs CPU",
            Size::Small.label(),
            inserts.rate,
            inserts.cpu_us
        ),
        None => println!("\nPostgreSQL: not installed"),
    }
    Ok(inserts)
}

fn run_http(arguments: &RunArguments) -> Result<Vec<Cell>> {
    let cores = arguments.cores();
    let plan = HttpPlan {
        workloads: if arguments.workloads.is_empty() {
            Workload::ALL.to_vec()
        } else {
            arguments.workloads.clone()
        },
        connections: arguments.connections.clone(),
        sizes: arguments.sizes.clone(),
        measured: arguments.measured(),
        rounds: arguments.rounds,
    };
    let place = tempfile::tempdir_in(&arguments.directory).context("make a directory")?;
    let started = match arguments.url {
        Some(_) => None,
        None => Some(start_server(cores, place.path())?),
    };
    let url = match (&arguments.url, &started) {
        (Some(url), _) => url.clone(),
        (None, Some(server)) => server.url().to_owned(),
        (None, None) => String::new(),
    };
    let process = arguments.pid.or(started.as_ref().map(ServerProcess::id));
    let ours = Target::new("pinyon", &url, process)?;
    let peer = match &arguments.peer {
        Some(url) => Some(Target::new("peer", url, arguments.peer_pid)?),
        None => None,
    };
    let bare_process = start_bare_axum(cores)?;
    let bare = Target::new("bare axum", bare_process.url(), Some(bare_process.id()))?;
    cores.enter_generator()?;
    let cells =
        current_thread()?.block_on(http::run(&plan, cores, &ours, peer.as_ref(), Some(&bare)))?;
    bare_process.kill()?;
    if let Some(server) = started {
        server.stop()?;
    }
    Ok(cells)
}

fn current_thread() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("make a runtime")
}

fn start_server(cores: Cores, directory: &Path) -> Result<ServerProcess> {
    let binary = find_binary()?;
    println!("server: {}", binary.display());
    cores.enter_measured()?;
    let server = ServerProcess::start(
        &binary,
        &directory.join("data"),
        &directory.join("server.log"),
    );
    cores.enter_generator()?;
    server
}

fn start_bare_axum(cores: Cores) -> Result<ServerProcess> {
    cores.enter_measured()?;
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.arg("bare-axum");
    let bare = ServerProcess::spawn_command(command, Path::new("/dev/null"));
    cores.enter_generator()?;
    let mut bare = bare?;
    bare.wait_until_listening()?;
    Ok(bare)
}
