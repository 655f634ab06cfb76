//! `cargo xtask run`: a server on this machine with the sample database and the demonstration in
//! it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use nix::sys::signal::{Signal, killpg};

use crate::sample::{self, SampleDocument, Server, Uploaded};
use crate::workspace::Workspace;
use crate::{kindergarten, process};

/// Opening a large database after a kill takes well below this.
const START_LIMIT: Duration = Duration::from_secs(60);
/// A graceful stop finishes the requests under way and closes the databases.
const STOP_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
/// How much of the log explains a failed start.
const LOG_LINES_SHOWN: usize = 20;

/// Makes the documents of a sample.
type MakeDocuments = fn(&Workspace) -> Result<Vec<SampleDocument>>;

/// Where to run.
#[derive(Args)]
pub struct RunArguments {
    /// Where the server listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the server keeps its databases
    #[arg(long, value_name = "FOLDER", default_value = "data")]
    data_dir: PathBuf,
    /// Stop once the sample is loaded
    #[arg(long)]
    load_only: bool,
    /// Start this program instead of building the server
    #[arg(long, value_name = "PROGRAM")]
    server: Option<PathBuf>,
    /// Serve the demonstration from this folder instead of building it
    #[arg(long, value_name = "FOLDER")]
    pages: Option<PathBuf>,
}

/// Builds and starts the server, loads the sample unless it is there, and waits for Ctrl-C.
pub fn run(workspace: &Workspace, arguments: &RunArguments) -> Result<ExitCode> {
    let program = match &arguments.server {
        Some(program) => program.clone(),
        None => build(workspace)?,
    };
    let pages = match &arguments.pages {
        Some(pages) => Some(pages.clone()),
        // Who only loads data needs no page.
        None if arguments.load_only => None,
        // The first time takes minutes, in which there is something else to look at.
        None if !kindergarten::is_built(workspace) => None,
        None => Some(kindergarten::build(workspace)?),
    };
    // Another server there would answer in place of ours.
    TcpListener::bind(arguments.listen).with_context(|| {
        format!(
            "cannot listen on {}; choose another with --listen",
            arguments.listen
        )
    })?;
    let (interrupt, interrupts) = channel();
    ctrlc::set_handler(move || {
        // If nobody listens any more, the program is ending already.
        let _ending = interrupt.send(());
        process::stop_running();
    })?;
    let place = Place {
        workspace,
        program: &program,
        arguments,
        interrupts: &interrupts,
    };
    let mut status = None;
    let mut pages = pages;
    if pages.is_none() && !arguments.load_only {
        status = Some(place.run_server(None, |running| {
            match build_pages(workspace, &interrupts) {
                Ok(built) => pages = built,
                // What there is can be looked at all the same.
                Err(error) => {
                    println!("the demonstration could not be built: {error:#}");
                    running.wait_for_end(&interrupts)?;
                }
            }
            Ok(())
        })?);
    }
    if pages.is_some() || arguments.load_only {
        let pages = pages.as_deref();
        status = Some(
            place.run_server(pages, |running| match arguments.load_only {
                true => Ok(()),
                false => {
                    println!("  Stop it with                 Ctrl-C\n");
                    running.wait_for_end(&interrupts)
                }
            })?,
        );
    }
    let is_good = status.is_some_and(|it| it.success());
    Ok(ExitCode::from(u8::from(!is_good)))
}

/// The demonstration, built while a server runs without it; `None` if someone asked to stop.
fn build_pages(workspace: &Workspace, interrupts: &Receiver<()>) -> Result<Option<PathBuf>> {
    println!(
        "\nbuilding the demonstration of an offline-first application (some minutes); the server \
         starts again with it"
    );
    let built = kindergarten::build(workspace);
    if interrupts.try_recv().is_ok() {
        return Ok(None);
    }
    built.map(Some)
}

/// What a server is run with.
struct Place<'a> {
    workspace: &'a Workspace,
    program: &'a Path,
    arguments: &'a RunArguments,
    interrupts: &'a Receiver<()>,
}

impl Place<'_> {
    /// Runs a server until the sample is loaded and `then` is over, or someone asks to stop.
    fn run_server(
        &self,
        pages: Option<&Path>,
        then: impl FnOnce(&mut Running) -> Result<()>,
    ) -> Result<ExitStatus> {
        let mut running = Running::start(self.workspace, self.program, self.arguments, pages)?;
        let served = serve(
            self.workspace,
            &mut running,
            self.arguments,
            self.interrupts,
        );
        let mut outcome = served.and_then(|is_loaded| match is_loaded {
            true => {
                show_places(&running, self.arguments, pages.is_some());
                then(&mut running)
            }
            false => Ok(()),
        });
        if outcome.is_err() {
            // If the server died, that is the reason, not that it did not answer.
            outcome = running.require_alive().and(outcome);
        }
        let stopped = running.stop();
        outcome?;
        let status = stopped?;
        println!("the server stopped: {status}");
        Ok(status)
    }
}

/// The release profile without its slow finishing steps: loading 171,000 documents with an
/// unoptimised engine would take longer than compiling an optimised one.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    println!("building the server (the first time takes some minutes)");
    let mut command = workspace.cargo(["build", "--profile", "quick", "-p", "pinyon-server"]);
    if !command.status().context("could not start cargo")?.success() {
        bail!("the server did not build");
    }
    Ok(workspace.target("quick/pinyon"))
}

/// Loads the sample, unless it is there; `false` if someone asked to stop first.
fn serve(
    workspace: &Workspace,
    running: &mut Running,
    arguments: &RunArguments,
    interrupts: &Receiver<()>,
) -> Result<bool> {
    let url = format!("http://{}", arguments.listen);
    let server = Server::new(url.clone());
    if !running.wait_until_ready(&server, interrupts)? {
        return Ok(false);
    }
    let samples: [(&str, MakeDocuments); 2] = [
        (sample::KINDERGARTEN, sample::kindergarten_documents),
        (sample::DATABASE, sample::documents),
    ];
    for (database, documents) in samples {
        if server.has_sample(database)? {
            println!("the database '{database}' is there already");
            continue;
        }
        let documents = documents(workspace)?;
        let is_interrupted = || interrupts.try_recv().is_ok();
        if server.upload(database, &documents, is_interrupted)? == Uploaded::Interrupted {
            return Ok(false);
        }
        server.require_stored(database, &documents)?;
    }
    Ok(true)
}

/// Where to look.
fn show_places(running: &Running, arguments: &RunArguments, has_pages: bool) {
    let url = format!("http://{}", arguments.listen);
    println!("\n  Browse the databases         {url}/");
    if has_pages {
        println!("  The kindergarten, offline    {url}/kindergarten/");
    }
    println!(
        "  A document over HTTP         {url}/databases/{}/docs?id=countries/SWE",
        sample::DATABASE
    );
    println!(
        "  Data folder                  {}",
        running.data_dir.display()
    );
    println!(
        "  Log of the server            {}",
        running.log_path.display()
    );
}

/// The server's process.
struct Running {
    child: Child,
    data_dir: PathBuf,
    log_path: PathBuf,
}

impl Running {
    fn start(
        workspace: &Workspace,
        program: &Path,
        arguments: &RunArguments,
        pages: Option<&Path>,
    ) -> Result<Self> {
        let data_dir = workspace.path(".").join(&arguments.data_dir);
        fs::create_dir_all(&data_dir).with_context(|| data_dir.display().to_string())?;
        let data_dir = data_dir
            .canonicalize()
            .with_context(|| data_dir.display().to_string())?;
        let log_path = workspace.target("pinyon-run.log");
        let log = File::create(&log_path).with_context(|| log_path.display().to_string())?;
        let mut command = workspace.program(program);
        command
            .args([
                "serve",
                "--listen",
                &arguments.listen.to_string(),
                "--data-dir",
            ])
            .arg(&data_dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("could not share the log")?)
            .stderr(log)
            // Ctrl-C reaches only us, so that the server stops in our order, once.
            .process_group(0);
        if let Some(pages) = pages {
            command.arg("--kindergarten-dir").arg(pages);
            // Elsewhere tokens come from whoever knows the users.
            if arguments.listen.ip().is_loopback() {
                command
                    .arg("--sync-keys")
                    .arg(kindergarten::keys(workspace, program, &data_dir)?)
                    .arg("--unsafe-give-tokens-to-kindergarten-pages");
            }
        }
        let child = command.spawn().context("could not start the server")?;
        Ok(Self {
            child,
            data_dir,
            log_path,
        })
    }

    /// Whether the server answers now; `false` if someone asked to stop first.
    fn wait_until_ready(&mut self, server: &Server, interrupts: &Receiver<()>) -> Result<bool> {
        let deadline = Instant::now() + START_LIMIT;
        while !server.is_ready() {
            self.require_alive()?;
            if Instant::now() > deadline {
                bail!(
                    "the server does not answer:\n{}",
                    last_lines(&self.log_path)?
                );
            }
            if interrupts.recv_timeout(POLL) != Err(RecvTimeoutError::Timeout) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns when someone asked to stop; fails if the server ends by itself.
    fn wait_for_end(&mut self, interrupts: &Receiver<()>) -> Result<()> {
        while interrupts.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
            self.require_alive()?;
        }
        Ok(())
    }

    fn require_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!(
                "the server ended ({status}):\n{}",
                last_lines(&self.log_path)?
            ),
            None => Ok(()),
        }
    }

    /// Asks the server to stop and waits until it has.
    fn stop(&mut self) -> Result<ExitStatus> {
        let group = process::group_of(&self.child);
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        killpg(group, Signal::SIGTERM).context("could not stop the server")?;
        let deadline = Instant::now() + STOP_LIMIT;
        let (_never, timer) = channel::<()>();
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            // The sender lives, so this only waits.
            let _waited = timer.recv_timeout(POLL);
        }
        killpg(group, Signal::SIGKILL).context("could not end the server")?;
        self.child.wait()?;
        bail!(
            "the server did not stop within {} s and was killed",
            STOP_LIMIT.as_secs()
        )
    }
}

fn last_lines(log_path: &Path) -> Result<String> {
    let log = fs::read_to_string(log_path).with_context(|| log_path.display().to_string())?;
    let lines: Vec<&str> = log.lines().collect();
    Ok(lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n"))
}
