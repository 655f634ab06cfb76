//! `cargo xtask test`: every check and test of the project, stage by stage.
//!
//! A failing stage does not stop the others. The last line reads `N passed, N failed`, summed
//! over all stages, and the exit code says whether anything failed.

mod browser_stage;
mod client_stages;
mod rust_stages;
mod sample_stage;
mod stage;
mod tally;
mod wasm_stages;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::process;
use crate::workspace::Workspace;

use self::stage::{Report, Stage};
use self::tally::Tally;

/// Which stages to run, and for how long.
#[derive(Args)]
pub struct TestArguments {
    /// Run only these stages (separated by commas)
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Stage>,
    /// Run all stages but these (separated by commas)
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "only")]
    skip: Vec<Stage>,
    /// Stop a program of a stage that runs longer than this
    #[arg(long, value_name = "MINUTES", default_value_t = 25)]
    limit_minutes: u64,
}

/// Runs the chosen stages in their order.
pub fn run(workspace: &Workspace, arguments: &TestArguments) -> Result<ExitCode> {
    process::stop_on_interrupt()?;
    let limit = Duration::from_secs(arguments.limit_minutes * 60);
    let reports: Vec<Report> = Stage::ALL
        .into_iter()
        .filter(|stage| arguments.only.is_empty() || arguments.only.contains(stage))
        .filter(|stage| !arguments.skip.contains(stage))
        .map(|stage| stage.run(workspace, limit))
        .collect();
    println!("\n== summary");
    for report in &reports {
        println!("{report}");
    }
    let total: Tally = reports.iter().map(Report::tally).sum();
    println!("\n{} passed, {} failed", total.passed, total.failed);
    Ok(ExitCode::from(u8::from(total.failed > 0)))
}
