//! The stages that cargo alone runs.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::process;
use crate::workspace::Workspace;

use super::stage::{check_of, tests_of};
use super::tally::Tally;

/// Kills a real server over and over; a stage of its own because of the time it takes.
const CRASH_PACKAGE: &str = "pinyon-crash";
/// What only builds and tests the project is compiled in the profile that does so fastest, and
/// not once more in the profile of the product.
const TOOLS: [&str; 2] = ["xtask", "wasi-runner"];

/// `cargo fmt --check`.
pub fn check_format(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    let finished = process::run(
        &mut workspace.cargo(["fmt", "--all", "--", "--check"]),
        limit,
    )?;
    Ok(check_of(&finished))
}

/// Clippy over everything, warnings denied.
pub fn lint(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    Ok(check_of(&process::run(
        &mut workspace.cargo(arguments),
        limit,
    )?))
}

/// All tests of the workspace but those with a stage of their own.
pub fn test_workspace(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    let mut command = workspace.cargo(["test", "--workspace", "--tests", "--no-fail-fast"]);
    for excluded in TOOLS.into_iter().chain(
        workspace
            .has_package(CRASH_PACKAGE)
            .then_some(CRASH_PACKAGE),
    ) {
        command.args(["--exclude", excluded]);
    }
    let finished = process::run(&mut command, limit)?;
    Ok(tests_of(&finished, Tally::of_cargo_test(&finished.output)))
}

/// The tests of the project's scripts, in the profile they were built with.
pub fn test_scripts(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    let mut command = workspace.cargo(["test", "-p", "xtask", "--profile", "tool"]);
    let finished = process::run(&mut command, limit)?;
    Ok(tests_of(&finished, Tally::of_cargo_test(&finished.output)))
}

/// The examples in the documentation.
pub fn test_documentation(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    let mut command = workspace.cargo(["test", "--workspace", "--doc", "--no-fail-fast"]);
    command.args(TOOLS.into_iter().flat_map(|tool| ["--exclude", tool]));
    let finished = process::run(&mut command, limit)?;
    Ok(tests_of(&finished, Tally::of_cargo_test(&finished.output)))
}

/// The tests that kill the server, against the binary that the other stages use.
pub fn test_crashes(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    if !workspace.has_package(CRASH_PACKAGE) {
        bail!("the workspace has no package {CRASH_PACKAGE}");
    }
    let binary = build_server(workspace, limit)?;
    let mut command = workspace.cargo(["test", "-p", CRASH_PACKAGE, "--no-fail-fast"]);
    let finished = process::run(command.env("PINYON_BIN", binary), limit)?;
    Ok(tests_of(&finished, Tally::of_cargo_test(&finished.output)))
}

/// Builds the server as the tests use it and returns the path of its program.
pub fn build_server(workspace: &Workspace, limit: Duration) -> Result<std::path::PathBuf> {
    let finished = process::run(
        &mut workspace.cargo(["build", "-p", "pinyon-server"]),
        limit,
    )?;
    if !finished.success {
        bail!("the server did not build: {}", finished.ending);
    }
    Ok(workspace.target("debug/pinyon"))
}
