//! The stages that prove the core on WebAssembly.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use cargo_metadata::Message;
use cargo_metadata::camino::Utf8PathBuf;

use crate::browser::as_one_piece;
use crate::workspace::Workspace;
use crate::{install, process};

use super::rust_stages::build_server;
use super::stage::{check_of, tests_of};
use super::tally::Tally;

const BROWSER_TARGET: &str = "wasm32-unknown-unknown";
const WASI_TARGET: &str = "wasm32-wasip1";

/// Compiles the core for browsers, as the modules for tests are: they need the same dependencies.
pub fn build_for_browsers(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    install::rust_target(workspace, BROWSER_TARGET)?;
    let mut build = workspace.cargo(["build", "-p", "pinyon-core", "--target", BROWSER_TARGET]);
    as_one_piece(&mut build);
    Ok(check_of(&process::run(&mut build, limit)?))
}

/// Builds the core's tests for WASI and runs them under wasmtime, as many at once as there are
/// processors: each has one thread only.
pub fn test_as_webassembly(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    install::rust_target(workspace, WASI_TARGET)?;
    let programs = Mutex::new(build_tests(workspace, limit)?);
    // The runner is built with the product: the server has most of its dependencies too.
    build_server(workspace, limit)?;
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
    let mut command = workspace.program(workspace.target("debug/wasi-runner"));
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
