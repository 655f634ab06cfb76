//! `pinyon-bench`: drives any server of this protocol by URL and prints what it does a second,
//! beside peers measured in the same run. No figure is judged here; see README.md.

mod bare_axum;
mod connection;
mod counting;
mod document;
mod engine;
mod extensions;
mod http;
mod import;
mod indexes;
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
use extensions::{ExtensionsPlan, Part};
use http::{Cell, HttpPlan};
use indexes::IndexPlan;
use pinyon_server_process::{ServerProcess, find_binary};
use process::Cores;
use target::Target;
use tempfile::TempDir;
use workload::Workload;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
    /// Attachments, revisions and expiration, and what they cost when unused.
    Extensions(ExtensionsArguments),
    /// Time to index, lag behind a write, and what indexes cost writers.
    Indexes(IndexesArguments),
    /// Queries a second on indexes that are ready, beside a GET by id.
    Queries(IndexesArguments),
    /// The peer that answers fixed bytes; the other commands start it themselves.
    BareAxum,
}

/// Which servers are measured, and for how long.
#[derive(Debug, Clone, Args)]
struct ServerArguments {
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
    /// Where data directories are made; must be a real disk.
    #[arg(long, default_value = "/var/tmp")]
    directory: PathBuf,
    /// Leaves generator and servers to the kernel's choice of cores.
    #[arg(long)]
    no_pin: bool,
}

#[derive(Debug, Clone, Args)]
struct RunArguments {
    #[command(flatten)]
    server: ServerArguments,
    /// Numbers of connections.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    connections: Vec<usize>,
    /// Sizes of documents.
    #[arg(long, value_delimiter = ',', default_value = "small,large")]
    sizes: Vec<Size>,
    /// Workloads; all if none is named.
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<Workload>,
}

#[derive(Debug, Clone, Args)]
struct ExtensionsArguments {
    #[command(flatten)]
    server: ServerArguments,
    /// What is measured.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "attachments,revisions,expiration,unused"
    )]
    parts: Vec<Part>,
    /// Megabytes of attachments in one measurement; at least one attachment for each connection.
    #[arg(long, default_value_t = 300)]
    megabytes: usize,
    /// Documents that expire.
    #[arg(long, default_value_t = 100_000)]
    expiring: usize,
    /// An older pinyon binary whose PUTs are compared with ours.
    #[arg(long)]
    before: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
struct IndexesArguments {
    #[command(flatten)]
    server: ServerArguments,
    /// Documents in the database.
    #[arg(long, default_value_t = 1_000_000)]
    documents: usize,
    /// Different keys that they are grouped by.
    #[arg(long, default_value_t = 10_000)]
    keys: usize,
    /// Leaves SQLite out.
    #[arg(long)]
    no_sqlite: bool,
    /// Numbers of connections that ask queries.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
    connections: Vec<usize>,
    /// Only queries whose label has one of these texts, beside the GETs.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
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

impl ServerArguments {
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
    // Before any thread chooses its cores.
    Cores::new(false);
    machine::print_machine();
    match command {
        Command::BareAxum => Ok(()),
        Command::Run(arguments) => {
            println!("cores: {}", arguments.server.cores().describe());
            let cells = run_http(&arguments)?;
            let engine = run_engine(&arguments, http::merged(&cells))?;
            let inserts = run_postgres(&arguments)?;
            summary::print(&cells, &engine, &inserts);
            Ok(())
        }
        Command::Http(arguments) => {
            println!("cores: {}", arguments.server.cores().describe());
            let cells = run_http(&arguments)?;
            summary::print(&cells, &[], &[]);
            Ok(())
        }
        Command::Engine(arguments) => {
            run_engine(&arguments, Vec::new())?;
            let server = &arguments.server;
            extensions::run_engine(server.measured(), server.cores(), &server.directory)
        }
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
        Command::Extensions(arguments) => {
            println!("cores: {}", arguments.server.cores().describe());
            run_extensions(&arguments)
        }
        Command::Indexes(arguments) => run_indexes(&arguments, false),
        Command::Queries(arguments) => run_indexes(&arguments, true),
    }
}

fn run_indexes(arguments: &IndexesArguments, asks: bool) -> Result<()> {
    let cores = arguments.server.cores();
    println!("cores: {}", cores.describe());
    let plan = IndexPlan {
        documents: arguments.documents.max(1_000),
        keys: arguments.keys.max(1),
        measured: arguments.server.measured(),
        rounds: arguments.server.rounds,
        connections: arguments.connections.clone(),
        only: arguments.only.clone(),
        sqlite_directory: (!arguments.no_sqlite).then(|| arguments.server.directory.clone()),
    };
    let servers = Servers::start(&arguments.server)?;
    cores.enter_generator()?;
    let targets: Vec<&Target> = [Some(&servers.ours), servers.peer.as_ref()]
        .into_iter()
        .flatten()
        .collect();
    let runtime = current_thread()?;
    match asks {
        true => runtime.block_on(indexes::run_queries(&plan, cores, &targets))?,
        false => runtime.block_on(indexes::run_indexes(&plan, cores, &targets))?,
    }
    servers.stop()
}

fn run_engine(
    arguments: &RunArguments,
    server_merged: Vec<engine::Merged>,
) -> Result<Vec<engine::EngineCell>> {
    let plan = engine::EnginePlan {
        callers: arguments.connections.clone(),
        sizes: arguments.sizes.clone(),
        measured: arguments.server.measured(),
        server_cores: arguments.server.cores(),
        server_merged,
    };
    engine::run(&plan, &arguments.server.directory)
}

fn run_postgres(arguments: &RunArguments) -> Result<Vec<postgres::Inserts>> {
    let mut measured = Vec::new();
    println!();
    for connections in arguments.connections.iter().filter(|it| **it > 1) {
        // A new cluster each time, as our databases are new.
        let inserts = postgres::measure_inserts(
            arguments.server.cores(),
            &arguments.server.directory,
            *connections,
            Size::Small,
            arguments.server.measured(),
        )?;
        let Some(inserts) = inserts else {
            println!("PostgreSQL: not installed");
            break;
        };
        println!(
            "PostgreSQL, insert of one row, durable, {}, {connections} connections: {:.0}/s, {:.1} µs CPU",
            Size::Small.label(),
            inserts.rate,
            inserts.cpu_us
        );
        measured.push(inserts);
    }
    Ok(measured)
}

fn run_http(arguments: &RunArguments) -> Result<Vec<Cell>> {
    let cores = arguments.server.cores();
    let plan = HttpPlan {
        workloads: if arguments.workloads.is_empty() {
            Workload::ALL.to_vec()
        } else {
            arguments.workloads.clone()
        },
        connections: arguments.connections.clone(),
        sizes: arguments.sizes.clone(),
        measured: arguments.server.measured(),
        rounds: arguments.server.rounds,
    };
    let servers = Servers::start(&arguments.server)?;
    let bare_process = start_bare_axum(cores)?;
    let bare = Target::new("bare axum", bare_process.url(), Some(bare_process.id()))?;
    cores.enter_generator()?;
    let run = http::run(
        &plan,
        cores,
        &servers.ours,
        servers.peer.as_ref(),
        Some(&bare),
    );
    let cells = current_thread()?.block_on(run)?;
    bare_process.kill()?;
    servers.stop()?;
    Ok(cells)
}

fn run_extensions(arguments: &ExtensionsArguments) -> Result<()> {
    let cores = arguments.server.cores();
    let plan = ExtensionsPlan {
        parts: arguments.parts.clone(),
        measured: arguments.server.measured(),
        rounds: arguments.server.rounds,
        megabytes: arguments.megabytes,
        expiring: arguments.expiring,
        before: arguments.before.clone(),
    };
    let servers = Servers::start(&arguments.server)?;
    cores.enter_generator()?;
    let directory = &arguments.server.directory;
    let (ours, peer) = (&servers.ours, servers.peer.as_ref());
    current_thread()?.block_on(extensions::run(&plan, cores, ours, peer, directory))?;
    servers.stop()
}

/// Our server, started by the bench or found by its URL, and the peer if one is named.
struct Servers {
    ours: Target,
    peer: Option<Target>,
    started: Option<ServerProcess>,
    // Dropped last: the server's data is in it.
    _place: TempDir,
}

impl Servers {
    fn start(arguments: &ServerArguments) -> Result<Self> {
        let place = tempfile::tempdir_in(&arguments.directory).context("make a directory")?;
        let started = match arguments.url {
            Some(_) => None,
            None => Some(start_server(arguments.cores(), place.path())?),
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
        Ok(Self {
            ours,
            peer,
            started,
            _place: place,
        })
    }

    fn stop(self) -> Result<()> {
        match self.started {
            Some(server) => server.stop(),
            None => Ok(()),
        }
    }
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
