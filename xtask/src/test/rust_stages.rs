//! The stages that cargo alone runs.
//!
//! cargo compiles a dependency anew for each set of features that a command's packages ask of it.
//! Therefore all stages select the same packages, [`PRODUCT`], and choose among their targets.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::process;
use crate::workspace::Workspace;

use super::stage::{check_of, tests_of};
use super::tally::Tally;

/// Everything but what only builds and tests the project: that is compiled in the profile that
/// does so fastest, and not once more in the profile of the product.
const PRODUCT: [&str; 5] = [
    "--workspace",
    "--exclude",
    "xtask",
    "--exclude",
    "wasm-glue",
];
/// Kills a real server over and over; a stage of its own because of the time it takes.
const CRASH_PACKAGE: &str = "pinyon-crash";

/// `cargo fmt --check`.
pub fn check_format(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    let mut command = workspace.cargo(["fmt", "--all", "--", "--check"]);
    Ok(check_of(&process::run(&mut command, limit)?))
}

/// Clippy over everything, warnings denied. Nothing of this runs, so the profile is the one whose
/// macros and build scripts are there already.
pub fn lint(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    let mut command = workspace.cargo(["clippy", "--workspace", "--all-targets"]);
    command.args(["--profile", "tool", "--", "-D", "warnings"]);
    // Nothing is linked, so an empty archive does for the server's allocator, which takes minutes.
    let allocator = workspace.target("tool/libjemalloc.a");
    fs::write(&allocator, "!<arch>\n").with_context(|| allocator.display().to_string())?;
    command.env("JEMALLOC_OVERRIDE", allocator);
    Ok(check_of(&process::run(&mut command, limit)?))
}

/// The tests of the project's scripts, in the profile they were built with.
pub fn test_scripts(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    let mut command = workspace.cargo(["test", "-p", "xtask", "--profile", "tool"]);
    run_tests(&mut command, limit)
}

/// All tests of the product but those with a stage of their own.
pub fn test_workspace(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    build_server(workspace, limit)?;
    let mut command = cargo_test(workspace);
    command.args(["--lib", "--bins"]);
    for name in test_targets(workspace, |package| package != CRASH_PACKAGE) {
        command.args(["--test", &name]);
    }
    run_tests(&mut command, limit)
}

/// The examples in the documentation.
pub fn test_documentation(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    run_tests(cargo_test(workspace).arg("--doc"), limit)
}

/// The tests that kill the server.
pub fn test_crashes(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    let names = test_targets(workspace, |package| package == CRASH_PACKAGE);
    ensure!(!names.is_empty(), "{CRASH_PACKAGE} has no tests");
    let server = build_server(workspace, limit)?;
    let mut command = cargo_test(workspace);
    for name in names {
        command.args(["--test", &name]);
    }
    run_tests(command.env("PINYON_BIN", server), limit)
}

/// Builds the server, with all tests of the product, and returns the path of its program.
pub fn build_server(workspace: &Workspace, limit: Duration) -> Result<PathBuf> {
    let mut command = workspace.cargo(["build", "--bins", "--tests"]);
    let finished = process::run(command.args(PRODUCT), limit)?;
    if !finished.success {
        bail!(
            "the server and its tests did not build: {}",
            finished.ending
        );
    }
    Ok(workspace.target("debug/pinyon"))
}

fn cargo_test(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo(["test", "--no-fail-fast"]);
    command.args(PRODUCT);
    command
}

fn run_tests(command: &mut Command, limit: Duration) -> Result<Tally> {
    let finished = process::run(command, limit)?;
    Ok(tests_of(&finished, Tally::of_cargo_test(&finished.output)))
}

/// The names of the integration tests of those packages that `is_wanted` names.
fn test_targets(workspace: &Workspace, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let packages = workspace.metadata().packages.iter();
    packages
        .filter(|package| is_wanted(package.name.as_str()))
        .flat_map(|package| &package.targets)
        .filter(|target| target.is_test())
        .map(|target| target.name.clone())
        .collect()
}
