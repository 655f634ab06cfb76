//! A PUT with revisions beside one without, measured in turn; also without HTTP, and with the
//! storage alone committing the same batches, which tells where the cost is.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use pinyon_core::commands::Configure;
use pinyon_core::revisions::{CollectionRevisions, RevisionsConfiguration};
use pinyon_core::storage::{Durability, Store};
use serde_json::json;

use super::{CONNECTIONS, DATABASE, ExtensionsPlan, Ratios};
use crate::document::Size;
use crate::engine::{drive_puts_of, on_measured_cores, open_database, open_native, replay};
use crate::http::median;
use crate::load::{Measured, Times, run_load};
use crate::process::{Cores, cpu_time_of_tree};
use crate::recording::RecordingStore;
use crate::table::Table;
use crate::target::Target;
use crate::workload::Requests;

/// Documents of each connection that are written over and over.
const DOCUMENTS: u64 = 1_000;

/// What is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// New documents.
    New,
    /// The same documents again.
    Again,
}

impl Kind {
    fn label(self) -> &'static str {
        match self {
            Kind::New => "new documents",
            Kind::Again => "the same documents again",
        }
    }
}

/// What a database keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Configured {
    /// Nothing was ever configured.
    Nothing,
    /// Revisions of all collections.
    Revisions,
    /// Revisions of another collection, and expiration.
    Elsewhere,
}

/// Measures both kinds of PUTs on each target.
pub(super) async fn run(
    plan: &ExtensionsPlan,
    targets: &[&Target],
    ratios: &mut Ratios,
) -> Result<()> {
    let mut table = Table::new(&[
        "PUT one, 16 connections",
        "of",
        "without revisions/s (CPU µs)",
        "with revisions/s (CPU µs)",
        "takes … times as long",
        "… times the CPU",
    ]);
    table.print_head();
    for kind in [Kind::New, Kind::Again] {
        for target in targets {
            let both = [Configured::Nothing, Configured::Revisions];
            let [without, with] = compare(plan, target, kind, both).await?;
            let ratio = without.rate() / with.rate();
            table.print_row(&[
                target.name.clone(),
                kind.label().to_owned(),
                format!("{:.0} ({:.1})", without.rate(), without.cpu_us()),
                format!("{:.0} ({:.1})", with.rate(), with.cpu_us()),
                format!("{ratio:.2}"),
                format!("{:.2}", with.cpu_us() / without.cpu_us()),
            ]);
            let label = format!("{}: PUT of {} with revisions", target.name, kind.label());
            ratios.add(format!("{label} ÷ without, time"), ratio, "< 1.5");
        }
    }
    Ok(())
}

/// Measures the engine without HTTP and prints each line.
///
/// # Errors
/// The engine or the storage reports one.
pub fn run_engine(measured: Duration, cores: Cores, directory: &Path) -> Result<()> {
    on_measured_cores(cores, || measure_engine(measured, directory))
}

async fn measure_engine(measured: Duration, directory: &Path) -> Result<()> {
    let mut table = Table::new(&[
        "engine without HTTP, 16 callers",
        "revisions",
        "PUTs/s (CPU µs)",
        "storage alone/s (CPU µs)",
    ]);
    table.print_head();
    for kind in [Kind::New, Kind::Again] {
        for configured in [Configured::Nothing, Configured::Revisions] {
            let [engine, storage] =
                measure_in_engine(measured, kind, configured, directory).await?;
            let show = |it: &Measured| format!("{:.0} ({:.1})", it.rate(), it.cpu_us());
            table.print_row(&[
                kind.label().to_owned(),
                format!("{configured:?}"),
                show(&engine),
                show(&storage),
            ]);
        }
    }
    Ok(())
}

async fn measure_in_engine(
    measured: Duration,
    kind: Kind,
    configured: Configured,
    directory: &Path,
) -> Result<[Measured; 2]> {
    let place = tempfile::tempdir_in(directory).context("make a directory")?;
    let recording = RecordingStore::new(open_native(&place.path().join("engine")).await?);
    let (database, merger) = open_database(recording.clone()).await?;
    if configured == Configured::Revisions {
        let everything = RevisionsConfiguration {
            default: Some(CollectionRevisions::default()),
            ..RevisionsConfiguration::default()
        };
        database.configure(Configure::Revisions(everything)).await?;
    }
    let founding = recording.take();
    let documents = match kind {
        Kind::New => u64::MAX,
        Kind::Again => DOCUMENTS,
    };
    let driven = drive_puts_of(&database, CONNECTIONS, documents, Size::Small, measured);
    let (engine, written) = driven.await?;
    database.close().await?;
    merger.await.context("the merger's task")?;
    let alone = open_native(&place.path().join("storage")).await?;
    for batch in founding {
        alone.commit(batch, Durability::Durable).await?;
    }
    let storage = replay(&alone, recording.take(), written, measured * 2).await?;
    alone.close().await?;
    Ok([engine, storage])
}

/// Two configurations in turn, the medians of the rounds.
pub(super) async fn compare(
    plan: &ExtensionsPlan,
    target: &Target,
    kind: Kind,
    configured: [Configured; 2],
) -> Result<[Measured; 2]> {
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..plan.rounds.max(1) {
        for (rounds, configured) in rounds.iter_mut().zip(configured) {
            rounds.push(measure(plan, target, kind, configured).await?);
        }
    }
    let [one, other] = rounds.map(median);
    Ok([one.context("a round")?, other.context("a round")?])
}

/// One measurement in a database of its own.
pub(super) async fn measure(
    plan: &ExtensionsPlan,
    target: &Target,
    kind: Kind,
    configured: Configured,
) -> Result<Measured> {
    target.create_database(DATABASE).await?;
    configure(target, configured).await?;
    let sources = (0..CONNECTIONS).map(|connection| {
        let prefix = format!("orders/{connection}/");
        match kind {
            Kind::New => Requests::put_one(DATABASE, Size::Small, &prefix),
            Kind::Again => Requests::put_again(DATABASE, Size::Small, &prefix, DOCUMENTS),
        }
    });
    let times = Times {
        // Long enough that most of the documents which are put again are there.
        warm_up: plan.measured.min(Duration::from_millis(500)),
        measured: plan.measured,
    };
    let cpu = || cpu_time_of_tree(target.process);
    let measured = run_load(target.address, 201, sources.collect(), times, cpu).await?;
    target.delete_database(DATABASE).await?;
    Ok(measured)
}

async fn configure(target: &Target, configured: Configured) -> Result<()> {
    let revisions = match configured {
        Configured::Nothing => return Ok(()),
        Configured::Revisions => json!({ "Default": { "Disabled": false }, "Collections": {} }),
        Configured::Elsewhere => json!({ "Collections": { "Invoices": { "Disabled": false } } }),
    };
    let path = "admin/revisions/config";
    let revisions = revisions.to_string();
    target.ask("POST", DATABASE, path, &revisions, 200).await?;
    if configured == Configured::Elsewhere {
        let expiration = json!({ "Disabled": false, "DeleteFrequencyInSec": 1 }).to_string();
        let path = "admin/expiration/config";
        target.ask("POST", DATABASE, path, &expiration, 200).await?;
    }
    Ok(())
}
