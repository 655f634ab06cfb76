//! What documents have beside their text: attachments, revisions and expiration, and what they
//! cost those who do not use them.

mod attachments;
mod expiration;
mod revisions;
mod unused;

pub use revisions::run_engine;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::process::Cores;
use crate::table::Table;
use crate::target::Target;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Megabytes a second, both ways.
    Attachments,
    /// A PUT with revisions beside one without.
    Revisions,
    /// Expired documents deleted in a second.
    Expiration,
    /// What is left of all three where nothing is configured.
    Unused,
}

/// How it is measured.
#[derive(Debug, Clone)]
pub struct ExtensionsPlan {
    /// Which parts.
    pub parts: Vec<Part>,
    /// The time of one measurement of PUTs.
    pub measured: Duration,
    /// How often each is measured, in turn with what it is compared with; the median counts.
    pub rounds: usize,
    /// Megabytes sent in one measurement, at least one attachment for each connection.
    pub megabytes: usize,
    /// Documents that expire.
    pub expiring: usize,
    /// An older build of the server, to compare PUTs with.
    pub before: Option<PathBuf>,
}

const DATABASE: &str = "BenchExtensions";
const CONNECTIONS: usize = 16;

/// Runs the plan, prints each line as soon as it is known, and the ratios in the end.
///
/// # Errors
/// Any wrong answer, or a target that cannot be reached.
pub async fn run(
    plan: &ExtensionsPlan,
    cores: Cores,
    ours: &Target,
    peer: Option<&Target>,
    directory: &Path,
) -> Result<()> {
    let targets: Vec<&Target> = [Some(ours), peer].into_iter().flatten().collect();
    for target in &targets {
        cores.move_to_measured(target.process)?;
    }
    let mut ratios = Ratios::default();
    for part in &plan.parts {
        match part {
            Part::Attachments => attachments::run(plan, &targets, directory, &mut ratios).await?,
            Part::Revisions => revisions::run(plan, &targets, &mut ratios).await?,
            Part::Expiration => expiration::run(plan, &targets, &mut ratios).await?,
            Part::Unused => unused::run(plan, cores, ours, directory, &mut ratios).await?,
        }
    }
    ratios.print();
    Ok(())
}

/// The ratios in words, with what is aimed at.
#[derive(Debug, Default)]
struct Ratios {
    lines: Vec<[String; 3]>,
}

impl Ratios {
    fn add(&mut self, label: String, ratio: f64, aim: &str) {
        self.lines
            .push([label, format!("{ratio:.2}"), aim.to_owned()]);
    }

    /// Adds how much more of something ours does than a peer.
    fn add_peer(&mut self, label: &str, figures: &[f64]) {
        if let [ours, peer] = figures {
            self.add(format!("{label} ÷ peer"), ours / peer, "≥ 2");
        }
    }

    fn print(&self) {
        let label = format!("{:<66}", "ratio");
        let mut table = Table::new(&[&label, "measured", "aim"]);
        table.print_head();
        for line in &self.lines {
            table.print_row(line);
        }
    }
}
