//! `cargo xtask bench`: the programs of `tests/benches`, in release builds.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::workspace::Workspace;

const BENCH_PACKAGE: &str = "pinyon-benches";

/// What to pass on.
#[derive(Args)]
pub struct BenchArguments {
    /// Arguments of the bench program; `-- --help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds the release server, then runs the bench program with its path in `PINYON_BIN`.
pub fn run(workspace: &Workspace, arguments: &BenchArguments) -> Result<ExitCode> {
    if !workspace.has_package(BENCH_PACKAGE) {
        bail!("the workspace has no package {BENCH_PACKAGE} yet");
    }
    let mut build = workspace.cargo(["build", "--release", "-p", "pinyon-server"]);
    if !build.status().context("could not start cargo")?.success() {
        bail!("the server did not build");
    }
    let mut bench = workspace.cargo(["run", "--release", "-p", BENCH_PACKAGE, "--"]);
    bench
        .args(&arguments.arguments)
        .env("PINYON_BIN", workspace.target("release/pinyon"));
    // In the foreground, with our terminal: it draws its own progress and gets Ctrl-C itself.
    let status = bench.status().context("could not start cargo")?;
    Ok(ExitCode::from(u8::from(!status.success())))
}
