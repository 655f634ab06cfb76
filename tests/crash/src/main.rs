//! The long runs: `pinyon-crash kill --crashes 1000` and `pinyon-crash power-cut --crashes 100`.

use std::time::Instant;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};
use pinyon_crash::disk::{Fault, why_no_power_cut};
use pinyon_crash::run::{Plan, Tally, run};
use pinyon_crash::settings;

/// Crashes the real server under concurrent writers and checks what it kept.
#[derive(Debug, Parser)]
struct Arguments {
    /// What happens to the server.
    fault: FaultName,
    /// How many crashes.
    #[arg(long, default_value_t = 1000)]
    crashes: u64,
    /// Crashes of one data directory before a fresh one is taken.
    #[arg(long, default_value_t = 20)]
    crashes_of_directory: u64,
    /// Connections that write at the same time.
    #[arg(long, default_value_t = 8)]
    writers: usize,
    /// Decides all choices; PINYON_SEED or a new one if not given.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FaultName {
    /// kill -9.
    Kill,
    /// The file system loses all that was not synced.
    PowerCut,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let fault = match arguments.fault {
        FaultName::Kill => Fault::Kill,
        FaultName::PowerCut => Fault::PowerCut,
    };
    if fault == Fault::PowerCut
        && let Some(reason) = why_no_power_cut()
    {
        bail!("power cannot be cut here: {reason}");
    }
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => settings::seed()?,
    };
    let plan = Plan {
        binary: pinyon_server_process::find_binary()?,
        fault,
        crashes: arguments.crashes,
        crashes_of_directory: arguments.crashes_of_directory,
        writers: arguments.writers,
        seed,
    };
    println!("seed {seed}, server {}", plan.binary.display());
    let started = Instant::now();
    let mut shown = 0;
    let tally = run(&plan, |tally: &Tally| {
        if tally.crashes >= shown + 50 {
            shown = tally.crashes;
            println!("{:>6.0} s  {tally}", started.elapsed().as_secs_f64());
        }
    })?;
    println!(
        "seed {seed}: {tally}; nothing lost, nothing by half, in {:.0} s",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}
