//! What builds, runs and checks the project: `cargo xtask --help` lists it.

mod bench;
mod browser;
mod fuzz;
mod install;
mod kindergarten;
mod process;
mod run;
mod sample;
mod script_guest;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Builds, runs and checks Pinyon"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a server with a sample database (250 countries, 171,000 cities) and a demonstration: an
    /// application that works offline
    Run(run::RunArguments),
    /// Run all checks and tests, each as a stage of its own
    Test(test::TestArguments),
    /// What the continuous integration runs: the same as `test`
    Ci(test::TestArguments),
    /// Check the house rules that compilers do not: layers, names, sizes, comments
    Tidy,
    /// Measure the release build
    Bench(bench::BenchArguments),
    /// Build the npm package, in bindings-js/dist
    Package(browser::PackageArguments),
    /// Build the script engine's WebAssembly module anew; needs clang
    ScriptGuest,
    /// Feed random input to the parsers
    Fuzz(fuzz::FuzzArguments),
}

#[expect(
    clippy::print_stderr,
    reason = "this is where a script says why it failed"
)]
fn main() -> ExitCode {
    run(Arguments::parse().command).unwrap_or_else(|reason| {
        eprintln!("error: {reason:#}");
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    match command {
        Command::Run(arguments) => run::run(&workspace, &arguments),
        Command::Test(arguments) | Command::Ci(arguments) => test::run(&workspace, &arguments),
        Command::Tidy => tidy::run(&workspace),
        Command::Bench(arguments) => bench::run(&workspace, &arguments),
        Command::Package(arguments) => browser::package(&workspace, &arguments),
        Command::ScriptGuest => script_guest::build(&workspace),
        Command::Fuzz(arguments) => fuzz::run(&workspace, &arguments),
    }
}
