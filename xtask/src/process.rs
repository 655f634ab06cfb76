//! Runs other programs: their output goes on to ours line by line and is kept, and none of them
//! outlives its time limit or an interrupt of ours.
//!
//! Each program leads a process group of its own, so that a signal to the group also ends what it
//! started (cargo does not pass signals on to the tests it runs).

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// What an interrupted program exits with, by convention 128 + SIGINT.
const EXIT_INTERRUPTED: i32 = 130;

/// How long a program that is told to stop may take to stop what it started itself.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The groups of the programs that run at present, for the interrupt handler.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// How a program ended, and all it printed.
pub struct Finished {
    /// Whether it exited with 0.
    pub success: bool,
    /// Why not, for a person.
    pub ending: String,
    /// Its standard output and error, as they came.
    pub output: String,
}

/// From now on an interrupt also ends the programs that [`run`] waits for.
pub fn stop_on_interrupt() -> Result<()> {
    ctrlc::set_handler(|| {
        stop_running();
        std::process::exit(EXIT_INTERRUPTED);
    })
    .context("could not install the interrupt handler")
}

/// Tells the programs that [`run`] waits for to end.
pub fn stop_running() {
    for group in running().iter() {
        // The group may have ended by itself just now; either way it is gone.
        let _gone = killpg(*group, Signal::SIGTERM);
    }
}

/// Runs `command` to its end, at most for `limit`, passing on what it prints.
pub fn run(command: &mut Command, limit: Duration) -> Result<Finished> {
    let mut child = spawn(command)?;
    let group = group_of(&child);
    running().push(group);
    let (lines, received) = channel();
    let readers = [
        forward(
            child.stdout.take().expect("spawn() pipes it"),
            lines.clone(),
        ),
        forward(child.stderr.take().expect("spawn() pipes it"), lines),
    ];
    let collected = collect(&received, limit).map_err(|mut output| {
        // It may be about to exit; what counts is that nothing of it is left.
        let _gone = killpg(group, Signal::SIGTERM);
        let (Ok(last_words) | Err(last_words)) = collect(&received, STOP_LIMIT);
        let _gone = killpg(group, Signal::SIGKILL);
        output.push_str(&last_words);
        output
    });
    let status = child.wait().context("could not wait for the program")?;
    running().retain(|it| *it != group);
    for reader in readers {
        reader.join().expect("a reader only copies lines");
    }
    match collected {
        Ok(output) => Ok(Finished {
            success: status.success(),
            ending: status.to_string(),
            output,
        }),
        Err(output) => Ok(Finished {
            success: false,
            ending: format!("stopped after {} s, the time limit", limit.as_secs()),
            output,
        }),
    }
}

/// Runs `command` to its end without a word unless it fails, and returns its standard output.
pub fn read(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| shown.clone())?;
    if !output.status.success() {
        bail!(
            "{shown}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program that must succeed, such as an installer, showing its output.
pub fn run_required(command: &mut Command, limit: Duration) -> Result<()> {
    let shown = format!("{command:?}");
    let finished = run(command, limit).with_context(|| shown.clone())?;
    if !finished.success {
        bail!("{shown}: {}", finished.ending);
    }
    Ok(())
}

/// The process group that `child` leads.
pub fn group_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("process ids are positive i32 numbers"))
}

fn spawn(command: &mut Command) -> Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("could not start {}", command.get_program().display()))
}

fn running() -> MutexGuard<'static, Vec<Pid>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends each line of `stream` to `lines` until it ends.
fn forward(
    stream: impl Read + Send + 'static,
    lines: Sender<String>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream
            .read_until(b'\n', &mut line)
            .is_ok_and(|count| count > 0)
        {
            if lines
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                return;
            }
            line.clear();
        }
    })
}

/// Prints and keeps lines until all senders are gone; `Err` holds those that came in time.
fn collect(lines: &Receiver<String>, limit: Duration) -> Result<String, String> {
    let deadline = Instant::now() + limit;
    let mut output = String::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                print!("{line}");
                output.push_str(&line);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(output),
            Err(RecvTimeoutError::Timeout) => return Err(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn keeps_both_streams_and_the_exit_code() {
        let finished = run(
            &mut shell("echo out; echo err >&2; exit 3"),
            Duration::from_secs(60),
        )
        .unwrap();
        assert!(!finished.success);
        assert!(finished.ending.contains('3'), "{}", finished.ending);
        let mut lines: Vec<_> = finished.output.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["err", "out"]);
    }

    #[test]
    fn the_limit_ends_the_whole_group() {
        // Only the grandchild holds the pipe; were it left alive, run() would not return.
        let finished = run(&mut shell("sleep 1000 & wait"), Duration::from_millis(50)).unwrap();
        assert!(!finished.success);
        assert!(
            finished.ending.contains("time limit"),
            "{}",
            finished.ending
        );
    }
}
