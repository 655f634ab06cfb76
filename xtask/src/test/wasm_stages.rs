//! The stages that prove the core on WebAssembly.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use cargo_metadata::Message;
use cargo_metadata::camino::Utf8PathBuf;

use crate::workspace::Workspace;
use crate::{install, process};

use super::stage::{check_of, tests_of};
use super::tally::Tally;

const BROWSER_TARGET: &str = "wasm32-unknown-unknown";
const WASI_TARGET: &str = "wasm32-wasip1";

/// Type-checks the core for browsers.
pub fn build_for_browsers(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    install::rust_target(workspace, BROWSER_TARGET)?;
    let arguments = ["check", "-p", "pinyon-core", "--target", BROWSER_TARGET];
    Ok(check_of(&process::run(
        &mut workspace.cargo(arguments),
        limit,
    )?))
}

/// Builds the core's tests for WASI and runs them under wasmtime, as many at once as there are
/// processors: each has one thread only.
pub fn test_as_webassembly(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    install::rust_target(workspace, WASI_TARGET)?;
    let programs = Mutex::new(build_tests(workspace, limit)?);
    let runner = ["build", "--profile", "tool", "-p", "wasi-runner"];
    process::run_required(&mut workspace.cargo(runner), limit)?;
    let next = || {
        let mut left = programs.lock().unwrap_or_else(PoisonError::into_inner);
        left.pop()
    };
    let run_some = || -> Result<Tally> {
        let mut tally = Tally::default();
        while let Some(program) = next() {
            tally += test_program(workspace, program, limit)?;
        }
        Ok(tally)
    };
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(run_some)).collect();
        let tallies = threads
            .into_iter()
            .map(|it| it.join().expect("a failing program is told, not a panic"));
        tallies.sum()
    })
}

fn test_program(workspace: &Workspace, program: PathBuf, limit: Duration) -> Result<Tally> {
    let runner = ["run", "--profile", "tool", "-p", "wasi-runner", "--"];
    let mut command = workspace.cargo(runner);
    // Panics abort on this target: what the test that ends the run prints must be seen as it comes.
    command
        .arg(program)
        .args(["--test-threads=1", "--nocapture"]);
    let finished = process::run(&mut command, limit)?;
    Ok(tests_of(&finished, Tally::of_cargo_test(&finished.output)))
}

/// The paths of the core's test programs: its unit tests and its stories.
fn build_tests(workspace: &Workspace, limit: Duration) -> Result<Vec<PathBuf>> {
    let arguments = [
        "test",
        "-p",
        "pinyon-core",
        // What servers have: the tests ask for it.
        "--features",
        "spatial",
        "--tests",
        "--no-run",
        "--target",
        WASI_TARGET,
    ];
    let built = process::run(&mut workspace.cargo(arguments), limit)?;
    if !built.success {
        bail!(
            "the core's tests do not build for {WASI_TARGET}: {}",
            built.ending
        );
    }
    // Everything is built now, so this only asks where.
    let mut command = workspace.cargo(arguments);
    let messages = process::read(command.args(["--quiet", "--message-format=json"]))?;
    let mut programs = Vec::new();
    for message in Message::parse_stream(messages.as_bytes()) {
        if let Message::CompilerArtifact(artifact) = message?
            && artifact.profile.test
        {
            programs.extend(artifact.executable.map(Utf8PathBuf::into_std_path_buf));
        }
    }
    ensure!(!programs.is_empty(), "cargo named no test program");
    programs.sort_unstable();
    Ok(programs)
}
