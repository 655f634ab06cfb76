//! The real `pinyon` binary as a child process: started on a free port, stopped or killed.
//!
//! Invariant: a [`ServerProcess`] that goes out of scope leaves no process behind.

mod binary;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

pub use binary::find_binary;

/// Only a guard against a server that hangs; nothing is judged by it.
const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(120);
const READY_PREFIX: &str = "listening on ";

/// A running server and the data directory it serves.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    lines: Receiver<String>,
    log: PathBuf,
    url: Option<String>,
}

impl ServerProcess {
    /// Spawns the server without waiting for it; its log is appended to `log`.
    ///
    /// # Errors
    /// The binary cannot be run or the log file cannot be opened.
    pub fn spawn(binary: &Path, data_directory: &Path, log: &Path) -> Result<Self> {
        let mut command = Command::new(binary);
        command
            .arg("serve")
            .arg("--data-dir")
            .arg(data_directory)
            .args(["--listen", "127.0.0.1:0"]);
        Self::spawn_command(command, log)
    }

    /// Spawns any program that says `listening on http://…` on its standard output once it does.
    ///
    /// # Errors
    /// The program cannot be run or the log file cannot be opened.
    pub fn spawn_command(mut command: Command, log: &Path) -> Result<Self> {
        let log_file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("open {}", log.display()))?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .with_context(|| format!("run {}", command.get_program().display()))?;
        let stdout = child.stdout.take().context("the child's stdout is piped")?;
        let lines = forward_lines(stdout);
        let log = log.to_path_buf();
        Ok(Self {
            child,
            lines,
            log,
            url: None,
        })
    }

    /// Spawns the server and waits until it listens.
    ///
    /// # Errors
    /// The server cannot be spawned or ends before it listens; the end of its log is quoted.
    pub fn start(binary: &Path, data_directory: &Path, log: &Path) -> Result<Self> {
        let mut server = Self::spawn(binary, data_directory, log)?;
        server.wait_until_listening()?;
        Ok(server)
    }

    /// Waits for the line that says where the server listens.
    ///
    /// # Errors
    /// The server ends, or says nothing for two minutes.
    pub fn wait_until_listening(&mut self) -> Result<()> {
        loop {
            match self.lines.recv_timeout(START_LIMIT) {
                Ok(line) => {
                    if let Some(url) = line.strip_prefix(READY_PREFIX) {
                        self.url = Some(url.trim_end_matches('/').to_owned());
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!(
                        "the server does not listen; end of its log:\n{}",
                        self.log_end()
                    );
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().context("wait for the server")?;
                    bail!(
                        "the server ended before it listened ({status}); end of its log:\n{}",
                        self.log_end()
                    );
                }
            }
        }
    }

    /// Where the server listens, without a slash at the end; empty before it does.
    pub fn url(&self) -> &str {
        self.url.as_deref().unwrap_or_default()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the server ended, if it did on its own.
    ///
    /// # Errors
    /// The operating system refuses to tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("ask for the server's status")
    }

    /// `kill -9`, then waits for the process to be gone.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("kill the server")?;
        self.child.wait().context("wait for the killed server")?;
        Ok(())
    }

    /// SIGTERM, then waits for the graceful end.
    ///
    /// # Errors
    /// The server ends with a status other than 0 or does not end; the end of its log is quoted.
    pub fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).context("send SIGTERM")?;
        // Its standard output closes when it ends.
        loop {
            match self.lines.recv_timeout(STOP_LIMIT) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    bail!(
                        "the server does not stop; end of its log:\n{}",
                        self.log_end()
                    );
                }
            }
        }
        let status = self
            .child
            .wait()
            .context("wait for the server that was told to stop")?;
        if !status.success() {
            bail!("the server stopped with {status}:\n{}", self.log_end());
        }
        Ok(())
    }

    /// The last lines of the server's log.
    pub fn log_end(&self) -> String {
        let text =
            std::fs::read_to_string(&self.log).unwrap_or_else(|error| format!("(no log: {error})"));
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Both fail only if the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads all lines so that the server never blocks on a full pipe.
fn forward_lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Nobody listens once the address is known; reading goes on.
            let _ = sender.send(line);
        }
    });
    receiver
}
