//! The command line: one file per subcommand, each with its `Args` and its `run`.
//!
//! Exit codes: 0 done; 1 it failed, and standard error says why; 2 the command line or the
//! configuration is wrong, or something is beyond a limit; 3 the data directory is in use by another process; 4 stored data is
//! corrupted; 5 an import is done, but items were left out because of errors.

mod compact;
mod data_dir;
mod edge_token;
mod export;
mod import;
mod info;
mod input;
mod place;
mod progress;
mod remote;
mod serve;
mod standard_error;
pub(crate) mod standard_output;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use pinyon_core::{Error, ErrorKind, Result};

/// A document database for the edge.
#[derive(Parser)]
#[command(name = "pinyon", version, about, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  pinyon serve --data-dir ./data --listen 127.0.0.1:8080
  PINYON_DATA_DIR=./data pinyon serve
  pinyon import --url http://127.0.0.1:8080 --database shop --create shop.ravendbdump
  pinyon export --data-dir ./data --database shop shop.ravendbdump
  pinyon verify --data-dir ./data

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 data directory in use,
4 stored data is corrupted, 5 imported, but items were left out because of errors.";

#[derive(Subcommand)]
enum Command {
    /// Serve the databases of a data directory over HTTP.
    Serve(Box<serve::Args>),
    /// Import documents from a file, on a running server or into a data directory.
    Import(import::Args),
    /// Export a database to a file, from a running server or from a data directory.
    Export(export::Args),
    /// Check everything in a data directory and name what is wrong.
    Verify(verify::Args),
    /// Give back the disk space that deleted and replaced data left behind.
    Compact(compact::Args),
    /// Make a token with which an edge may sync, for development.
    EdgeToken(edge_token::Args),
    /// Show what a data directory holds.
    Info(info::Args),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::run(*args),
        Command::Import(args) => import::run(args),
        Command::Export(args) => export::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Compact(args) => compact::run(args),
        Command::EdgeToken(args) => edge_token::run(args),
        Command::Info(args) => info::run(args),
    };
    result.unwrap_or_else(|error| report(&error))
}

/// Says on standard error why the command failed; the exit code for it.
fn report(error: &Error) -> ExitCode {
    standard_error::print(&format!("pinyon: {error}"));
    ExitCode::from(match error.kind() {
        ErrorKind::InvalidRequest | ErrorKind::LimitExceeded | ErrorKind::Unsupported => 2,
        ErrorKind::Unavailable if data_dir::is_in_use(error) => 3,
        ErrorKind::Corrupted => 4,
        _ => 1,
    })
}

/// What every subcommand's `run` answers.
type CommandResult = Result<ExitCode>;
