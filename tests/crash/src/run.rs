//! A run: crash after crash on one data directory, then on a fresh one, until the count is full.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fastrand::Rng;
use pinyon_server_process::ServerProcess;
use serde_json::json;

use crate::check::check_database;
use crate::client::Client;
use crate::content::with_collection;
use crate::disk::{Disk, Fault};
use crate::history::History;
use crate::writer::{COUNTER, Shared, write_until_crash};

/// What a run does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server.
    pub binary: PathBuf,
    /// What happens to it.
    pub fault: Fault,
    /// How many times.
    pub crashes: u64,
    /// Crashes of one data directory before a fresh one is taken.
    pub crashes_of_directory: u64,
    /// Connections that write.
    pub writers: usize,
    /// Decides all choices; only the threads' timing is not in its hand.
    pub seed: u64,
}

/// What a run has seen, all of it checked.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// All crashes.
    pub crashes: u64,
    /// Those of them that struck while the server started.
    pub crashes_at_start: u64,
    /// Graceful stops under load, besides the crashes.
    pub stops: u64,
    /// Data directories.
    pub directories: u64,
    /// Acknowledged operations of the writers.
    pub acknowledged: u64,
    /// Acknowledged increments of the shared counter.
    pub increments: u64,
    /// Open operations that turned out to have been done.
    pub open_done: u64,
    /// Documents read back and compared in full.
    pub documents_compared: u64,
}

/// Runs the plan, telling `progress` the tally after every check.
///
/// # Errors
/// A check failed; the message names what is wrong and where the data directory was kept.
pub fn run(plan: &Plan, mut progress: impl FnMut(&Tally)) -> Result<Tally> {
    let mut random = Rng::with_seed(plan.seed);
    let mut tally = Tally::default();
    while tally.crashes < plan.crashes {
        let mut disk = Disk::new(plan.fault)?;
        tally.directories += 1;
        let outcome = crash_directory(plan, &mut disk, &mut random, &mut tally, &mut progress);
        if let Err(error) = outcome {
            return Err(error.context(format!(
                "seed {}, directory {}, crash {}; kept in {}",
                plan.seed,
                tally.directories,
                tally.crashes,
                disk.keep().display()
            )));
        }
    }
    Ok(tally)
}

fn crash_directory(
    plan: &Plan,
    disk: &mut Disk,
    random: &mut Rng,
    tally: &mut Tally,
    progress: &mut impl FnMut(&Tally),
) -> Result<()> {
    let last = plan
        .crashes
        .min(tally.crashes + plan.crashes_of_directory.max(1));
    let mut histories: Vec<History> = (0..plan.writers).map(History::new).collect();
    let mut counter = 0;
    let mut server = start(plan, disk)?;
    create_database(&Client::new(server.url()))?;
    while tally.crashes < last {
        let shared = Shared::counting_from(counter);
        // A graceful stop now and then: it must keep what kill -9 keeps.
        let end = if random.u32(0..10) == 0 {
            tally.stops += 1;
            End::Stop
        } else {
            tally.crashes += 1;
            End::Crash
        };
        write_until_end(disk, server, &mut histories, &shared, random, end)?;
        // Recovery is where bugs hide: strike it too.
        while tally.crashes < last && random.u32(0..4) == 0 {
            crash_start(plan, disk, random)?;
            tally.crashes += 1;
            tally.crashes_at_start += 1;
        }
        server = start(plan, disk)?;
        let found = check_database(&Client::new(server.url()), &mut histories, &shared)
            .with_context(|| format!("end of the server's log:\n{}", server.log_end()))?;
        tally.increments += shared.increments.load(Ordering::SeqCst) - counter;
        counter = found.counter;
        for history in &mut histories {
            tally.acknowledged += std::mem::take(&mut history.acknowledged);
        }
        tally.open_done += found.open_done;
        tally.documents_compared += found.documents;
        progress(tally);
    }
    server.stop()?;
    verify(plan, disk)
}

/// Reads everything that is stored, with all that must agree: `pinyon verify` finds nothing.
fn verify(plan: &Plan, disk: &Disk) -> Result<()> {
    let output = Command::new(&plan.binary)
        .arg("verify")
        .arg("--data-dir")
        .arg(disk.data_directory())
        .output()
        .context("start pinyon verify")?;
    if !output.status.success() {
        bail!(
            "pinyon verify ended with {}:\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

fn start(plan: &Plan, disk: &Disk) -> Result<ServerProcess> {
    ServerProcess::start(&plan.binary, &disk.data_directory(), &disk.log())
}

fn create_database(client: &Client) -> Result<()> {
    client.create_database()?;
    client.keep_revisions()?;
    let counter = with_collection(json!({ "Value": 0 }), COUNTER);
    let created = client.put(COUNTER, &counter, None)?;
    if created.status != 201 {
        bail!(
            "the counter was answered {}: {}",
            created.status,
            created.body
        );
    }
    Ok(())
}

/// Kills the server somewhere between its first instruction and its first answers.
fn crash_start(plan: &Plan, disk: &mut Disk, random: &mut Rng) -> Result<()> {
    let server = ServerProcess::spawn(&plan.binary, &disk.data_directory(), &disk.log())?;
    wait(Duration::from_micros(random.u64(500..60_000)));
    disk.cut_power()?;
    disk.go_down(server)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Crash,
    Stop,
}

/// Lets all writers write for a random moment, then brings the server down under them.
fn write_until_end(
    disk: &mut Disk,
    server: ServerProcess,
    histories: &mut [History],
    shared: &Shared,
    random: &mut Rng,
    end: End,
) -> Result<()> {
    let moment = Duration::from_micros(random.u64(10_000..300_000));
    let url = server.url().to_owned();
    std::thread::scope(|scope| {
        let (failures, failed) = channel();
        let mut writers = Vec::new();
        for history in histories {
            let mut random = random.fork();
            let failures = failures.clone();
            let client = Client::new(&url);
            writers.push(scope.spawn(move || {
                let outcome = write_until_crash(&client, history, &mut random, shared);
                if let Err(error) = outcome {
                    // The receiver outlives all writers.
                    let _ = failures.send(error);
                }
            }));
        }
        drop(failures);
        let early = failed.recv_timeout(moment);
        shared.crashed.store(true, Ordering::SeqCst);
        let down = bring_down(disk, server, random, end);
        for writer in writers {
            if writer.join().is_err() {
                bail!("a writer panicked");
            }
        }
        match early {
            Ok(error) => return Err(error),
            Err(RecvTimeoutError::Disconnected) => bail!("all writers ended early"),
            Err(RecvTimeoutError::Timeout) => {}
        }
        down?;
        match failed.try_recv() {
            Ok(error) => Err(error),
            Err(_) => Ok(()),
        }
    })
}

fn bring_down(
    disk: &mut Disk,
    mut server: ServerProcess,
    random: &mut Rng,
    end: End,
) -> Result<()> {
    if let Some(status) = server.ended()? {
        bail!(
            "the server ended by itself ({status}):\n{}",
            server.log_end()
        );
    }
    if end == End::Stop {
        return server.stop();
    }
    disk.cut_power()?;
    if disk.fault() == Fault::PowerCut {
        // What the server says in its last moments, without a disk, is checked too.
        wait(Duration::from_micros(random.u64(0..20_000)));
    }
    disk.go_down(server)
}

/// Waits on a channel nobody sends to: the workspace bans sleeping, and this is the one place
/// where letting time pass is the point.
fn wait(duration: Duration) {
    let (_sender, receiver) = channel::<()>();
    let _ = receiver.recv_timeout(duration);
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} crashes ({} while starting) and {} stops of {} data directories, {} acknowledged \
             operations and {} increments, {} operations done and not acknowledged, {} documents \
             compared",
            self.crashes,
            self.crashes_at_start,
            self.stops,
            self.directories,
            self.acknowledged,
            self.increments,
            self.open_done,
            self.documents_compared
        )
    }
}

#[cfg(test)]
mod tests;
