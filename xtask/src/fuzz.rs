//! `cargo xtask fuzz`: coverage-guided random input for the targets of `tests/fuzz`.
//!
//! cargo-fuzz builds them with libFuzzer's instrumentation, which the stable compiler has once
//! RUSTC_BOOTSTRAP lets cargo-fuzz ask for it; address sanitizing is left out because the
//! project's code is free of `unsafe`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::workspace::Workspace;
use crate::{install, process};

const CARGO_FUZZ_VERSION: &str = "0.13.2";
/// What building may take on top of the time asked for.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// What to fuzz, and how long.
#[derive(Args)]
pub struct FuzzArguments {
    /// The targets; all of them if none is named
    targets: Vec<String>,
    /// How long to fuzz each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Afterwards add to the committed corpus what reached new code
    #[arg(long)]
    keep: bool,
}

/// Fuzzes each target in turn; a finding fails the command and is kept under `tests/fuzz`.
pub fn run(workspace: &Workspace, arguments: &FuzzArguments) -> Result<ExitCode> {
    process::stop_on_interrupt()?;
    install::require_program("c++", &["--version"], "apt-get install g++")?;
    let cargo_fuzz = install::cargo_tool(workspace, "cargo-fuzz", CARGO_FUZZ_VERSION)?;
    let known = targets(&workspace.path("tests/fuzz/corpus"))?;
    if let Some(unknown) = arguments.targets.iter().find(|name| !known.contains(name)) {
        bail!("no target '{unknown}'; there are: {}", known.join(", "));
    }
    let chosen = if arguments.targets.is_empty() {
        &known
    } else {
        &arguments.targets
    };
    let mut failed = 0;
    for target in chosen {
        println!("\n== fuzz {target}, {} s", arguments.seconds);
        failed += u64::from(!fuzz(workspace, &cargo_fuzz, target, arguments)?);
    }
    println!("\n{} passed, {failed} failed", chosen.len() as u64 - failed);
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// The targets are those with a corpus folder; a test of theirs keeps the two lists equal.
fn targets(corpus: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(corpus).with_context(|| corpus.display().to_string())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// How many files are in a folder, which may not be there.
fn file_count(folder: &Path) -> Result<usize> {
    if !folder.exists() {
        return Ok(0);
    }
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    Ok(entries.count())
}

/// Whether nothing was found.
fn fuzz(
    workspace: &Workspace,
    cargo_fuzz: &Path,
    target: &str,
    arguments: &FuzzArguments,
) -> Result<bool> {
    let committed = workspace.path("tests/fuzz/corpus").join(target);
    let generated = workspace.target("fuzz-corpus").join(target);
    fs::create_dir_all(&generated).with_context(|| generated.display().to_string())?;
    let limit = BUILD_LIMIT + Duration::from_secs(arguments.seconds);
    let cargo_fuzz_run = || {
        let mut command = workspace.program(cargo_fuzz);
        command
            .args(["run", "--sanitizer", "none", "--fuzz-dir"])
            .arg(workspace.path("tests/fuzz"));
        command.arg("--target-dir").arg(workspace.target("fuzz"));
        command.env("RUSTC_BOOTSTRAP", "1").arg(target);
        command
    };
    let mut command = cargo_fuzz_run();
    // New inputs go to the first folder; the committed ones are only read.
    command.arg(&generated).arg(&committed).arg("--");
    command
        .arg(format!("-max_total_time={}", arguments.seconds))
        .arg("-print_final_stats=1");
    let artifacts = workspace.path("tests/fuzz/artifacts").join(target);
    let kept_before = file_count(&artifacts)?;
    let found_nothing = process::run(&mut command, limit)?.success;
    if !found_nothing && file_count(&artifacts)? == kept_before {
        bail!("the target '{target}' did not run to its end, and kept no input");
    }
    if !found_nothing {
        println!(
            "the input is in tests/fuzz/artifacts/{target}; move it to tests/fuzz/corpus/{target}, \
             under a name that says what it is, and `cargo test -p pinyon-fuzz-targets` replays it"
        );
    }
    if found_nothing && arguments.keep {
        let mut merge = cargo_fuzz_run();
        merge
            .arg(&committed)
            .arg(&generated)
            .args(["--", "-merge=1"]);
        process::run_required(&mut merge, limit)?;
    }
    Ok(found_nothing)
}
