//! A run: crash after crash on one data directory, then on a fresh one, until the count is full.

mod end_of_directory;
mod tally;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fastrand::Rng;
use pinyon_server_process::ServerProcess;
use serde_json::json;

use crate::check::{Scope, check_database};
use crate::client::Client;
use crate::content::{Times, with_metadata};
use crate::disk::{Disk, Fault};
use crate::history::History;
use crate::server;
use crate::writer::{COUNTER, Shared, write_until_crash};

pub use tally::Tally;

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

/// How old a content that nothing refers to must be to be swept, in seconds: uploads take less,
/// unless the machine is very busy, and some are swept while the server is under load.
const RETENTION_S: u64 = 3;

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
        let client = Client::new(server.url());
        let checked = check_database(&client, &mut histories, &shared, Scope::Touched(random))
            .with_context(|| format!("end of the server's log:\n{}", server.log_end()))?;
        tally.increments += shared.increments.load(Ordering::SeqCst) - counter;
        counter = checked.counter;
        tally.add(&checked, &mut histories, &shared);
        progress(tally);
    }
    server.stop()?;
    end_of_directory::check(plan, disk, &mut histories, counter, tally)
}

fn start(plan: &Plan, disk: &Disk) -> Result<ServerProcess> {
    server::start(&plan.binary, disk, RETENTION_S)
}

fn create_database(client: &Client) -> Result<()> {
    client.create_database()?;
    client.configure()?;
    let counter = with_metadata(json!({ "Value": 0 }), COUNTER, Times::default());
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
    let server = server::spawn(&plan.binary, disk, RETENTION_S)?;
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
pub(crate) fn wait(duration: Duration) {
    let (_sender, receiver) = channel::<()>();
    let _ = receiver.recv_timeout(duration);
}

#[cfg(test)]
mod tests;
