//! `pinyon compact`: gives back the disk space that deleted and replaced data left behind.

use std::process::ExitCode;

use super::CommandResult;
use super::data_dir::{self, Access, DataDir};
use super::place::Stored;
use super::progress::Progress;
use super::standard_output;

const HELP: &str = "\
A database is copied without its free space and the copy takes its place, so there must be room
for it. When the command breaks off, the database is as it was.

Examples:
  pinyon compact --data-dir ./data
  pinyon compact --data-dir ./data --database shop

Exit codes: 0 done; 1 it failed; 2 wrong usage; 3 the data directory is in use; 4 stored data is
corrupted.";

/// The arguments of `pinyon compact`.
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    #[command(flatten)]
    stored: Stored,
}

/// Compacts one database or all of them.
pub fn run(args: Args) -> CommandResult {
    data_dir::runtime()?.block_on(async {
        let data_dir = DataDir::open(&args.stored.data_dir, Access::Write).await?;
        for record in data_dir.chosen(args.stored.database.as_deref())? {
            if !data_dir.has_store(&record).await? {
                standard_output::print(&format!("{}: nothing to compact\n", record.name))?;
                continue;
            }
            let progress = Progress::of_items(&format!("compacting {}", record.name), None);
            let store = record.store_name()?;
            let report = data_dir
                .environment
                .compact(&store, &mut |at| progress.set_of(at.done, at.total))?;
            drop(progress);
            standard_output::print(&format!(
                "{}: {} bytes before, {} now\n",
                record.name, report.before_bytes, report.after_bytes
            ))?;
        }
        data_dir.close().await?;
        Ok(ExitCode::SUCCESS)
    })
}
