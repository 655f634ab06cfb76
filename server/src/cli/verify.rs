//! `pinyon verify`: reads everything a data directory holds and names what is wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use pinyon_core::storage::{Environment as _, Store as _, StoreName};
use pinyon_core::verify::verify;
use pinyon_core::{Error, ErrorKind, Result};
use pinyon_storage_native::NativeEnvironment;
use serde::Serialize;

use super::CommandResult;
use super::data_dir::{self, Access, DataDir};
use super::place::Stored;
use super::progress::Progress;
use super::standard_output;
use crate::databases::DatabaseRecord;

const HELP: &str = "\
Every checksum of the files is compared first, then every document, count, etag and cross-reference
of each database. What is wrong is printed, one line each; nothing is repaired and no file changes,
so a read-only copy can be verified too.

Examples:
  pinyon verify --data-dir ./data
  pinyon verify --data-dir ./data --database shop --json

Exit codes: 0 all is well; 1 it failed; 2 wrong usage; 3 the data directory is in use; 4 problems
were found.";

/// The arguments of `pinyon verify`.
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    #[command(flatten)]
    stored: Stored,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize, Default)]
struct Verified {
    sound: bool,
    problem_count: u64,
    stores: Vec<StoreReport>,
}

/// What was found in one store.
#[derive(Serialize, Default)]
struct StoreReport {
    store: String,
    /// None for the catalog, and for a store that no readable record names.
    database: Option<String>,
    entries: u64,
    bytes: u64,
    documents: u64,
    tombstones: u64,
    revisions: u64,
    attachments: u64,
    contents: u64,
    loose_contents: u64,
    collections: u64,
    identities: u64,
    problem_count: u64,
    /// The first of them.
    problems: Vec<FoundProblem>,
}

#[derive(Serialize)]
struct FoundProblem {
    /// The table the problem is in; none when the files themselves are damaged.
    table: Option<&'static str>,
    key: Option<String>,
    what: String,
}

impl StoreReport {
    fn named(store: &str) -> Self {
        Self {
            store: store.to_owned(),
            ..Self::default()
        }
    }

    fn add(&mut self, what: String) {
        self.problem_count += 1;
        self.problems.push(FoundProblem {
            table: None,
            key: None,
            what,
        });
    }
}

/// Verifies and prints what was found.
pub fn run(args: Args) -> CommandResult {
    data_dir::runtime()?.block_on(async {
        let environment = data_dir::open_environment(&args.stored.data_dir, Access::Read)?;
        let mut stores = Vec::new();
        if !environment.problems().is_empty() {
            let mut report = StoreReport::named("stores");
            environment
                .problems()
                .iter()
                .cloned()
                .for_each(|what| report.add(what));
            stores.push(report);
        }
        if environment.list().await?.is_empty() && stores.is_empty() {
            // The first start made the directory and ended before it had a store.
            standard_output::print(&describe_empty(&args))?;
            return Ok(ExitCode::SUCCESS);
        }
        // The catalog's files come first: it is needed to know which store is which database's.
        for name in environment.list().await? {
            if !name.as_str().starts_with("database-") {
                stores.push(check_files(&environment, &name, None)?);
            }
        }
        drop(environment);
        let records = match records_by_store(&args).await {
            Ok(records) => records,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(error),
            Err(error) => {
                let mut report = StoreReport::named("catalog");
                report.add(format!("it cannot be read: {error}"));
                stores.push(report);
                BTreeMap::new()
            }
        };
        let environment = data_dir::open_environment(&args.stored.data_dir, Access::Read)?;
        let present = environment.list().await?;
        for record in records.values() {
            if let Err(error) = record.check_store(&present) {
                let mut report = StoreReport::named(&record.store);
                report.database = Some(record.name.clone());
                report.add(error.message().to_owned());
                stores.push(report);
            }
        }
        for store in present {
            let database = records.get(store.as_str()).map(|it| it.name.clone());
            let is_wanted = match &args.stored.database {
                Some(_) => database.is_some(),
                None => store.as_str().starts_with("database-"),
            };
            if is_wanted {
                stores.push(check_database(&environment, &store, database).await?);
            }
        }
        let problem_count = stores.iter().map(|it| it.problem_count).sum();
        let verified = Verified {
            sound: problem_count == 0,
            problem_count,
            stores,
        };
        standard_output::print(&describe(&verified, args.json))?;
        Ok(ExitCode::from(if verified.sound { 0 } else { 4 }))
    })
}

/// The databases that are to be checked, by their stores.
async fn records_by_store(args: &Args) -> Result<BTreeMap<String, DatabaseRecord>> {
    let data_dir = DataDir::open(&args.stored.data_dir, Access::Read).await?;
    let records = data_dir.chosen(args.stored.database.as_deref());
    data_dir.close().await?;
    let by_store = records?.into_iter().map(|it| (it.store.clone(), it));
    Ok(by_store.collect())
}

/// Compares the checksums of one store's files.
fn check_files(
    environment: &NativeEnvironment,
    store: &StoreName,
    database: Option<String>,
) -> Result<StoreReport> {
    let shown = database.as_deref().unwrap_or(store.as_str());
    let progress = Progress::of_items(&format!("checksums of {shown}"), None);
    let found = environment.verify(store, &mut |at| progress.set_of(at.done, at.total))?;
    let mut report = StoreReport {
        store: store.as_str().to_owned(),
        entries: found.entries,
        bytes: found.bytes,
        database,
        ..StoreReport::default()
    };
    for problem in found.problems {
        report.add(problem);
    }
    report.problem_count = found.problem_count;
    Ok(report)
}

/// Checks one database: the files, then what is in them.
async fn check_database(
    environment: &NativeEnvironment,
    store: &StoreName,
    database: Option<String>,
) -> Result<StoreReport> {
    let shown = database
        .clone()
        .unwrap_or_else(|| store.as_str().to_owned());
    let mut report = check_files(environment, store, database)?;
    if report.entries == 0 && report.problem_count == 0 {
        // It was being made when the server ended: nothing was acknowledged in it yet.
        return Ok(report);
    }
    let opened = match environment.open(store).await {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::Corrupted => {
            if report.problem_count == 0 {
                report.add(error.message().to_owned());
            }
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    let progress = Progress::of_items(&format!("entries of {shown}"), Some(report.entries));
    let snapshot = opened.snapshot().await?;
    let found = verify(&snapshot, |at| progress.set(at.entries)).await;
    drop(snapshot);
    report.documents = found.documents;
    report.tombstones = found.tombstones;
    report.revisions = found.revisions;
    report.attachments = found.attachments;
    report.contents = found.contents;
    report.loose_contents = found.loose_contents;
    report.collections = found.collections;
    report.identities = found.identities;
    report.problem_count += found.problem_count;
    for problem in found.problems {
        report.problems.push(FoundProblem {
            table: Some(problem.table),
            key: Some(problem.key),
            what: problem.what,
        });
    }
    close_damaged(opened.close().await, report.problem_count > 0)?;
    Ok(report)
}

/// A store that was found damaged may not close in peace; the report says why.
fn close_damaged(closed: Result<()>, is_damaged: bool) -> Result<()> {
    match closed {
        Err(error) if !is_damaged => Err(Error::new(
            error.kind(),
            format!("closing after the check: {error}"),
        )),
        _ => Ok(()),
    }
}

/// What is told of a directory without any store.
fn describe_empty(args: &Args) -> String {
    let verified = Verified {
        sound: true,
        ..Verified::default()
    };
    match args.json {
        true => describe(&verified, true),
        false => format!(
            "{}: nothing was stored here yet\n",
            args.stored.data_dir.display()
        ),
    }
}

/// What is told of it.
fn describe(verified: &Verified, as_json: bool) -> String {
    if as_json {
        return serde_json::to_string_pretty(verified).expect("the keys are texts") + "\n";
    }
    let mut text = String::new();
    for store in &verified.stores {
        push_store(store, &mut text).expect("a String takes any text");
    }
    text
}

fn push_store(store: &StoreReport, text: &mut String) -> std::fmt::Result {
    let name = store.database.as_deref().unwrap_or(&store.store);
    for problem in &store.problems {
        match (&problem.table, &problem.key) {
            (Some(table), Some(key)) => {
                writeln!(text, "{name}: {table} '{key}': {}", problem.what)?;
            }
            _ => writeln!(text, "{name}: {}", problem.what)?,
        }
    }
    let untold = store.problem_count - store.problems.len() as u64;
    if untold > 0 {
        writeln!(text, "{name}: {untold} more problems")?;
    }
    writeln!(
        text,
        "{name}: {} documents, {} revisions, {} attachments, {} tombstones, {} collections, {} \
         entries, {} bytes: {}",
        store.documents,
        store.revisions,
        store.attachments,
        store.tombstones,
        store.collections,
        store.entries,
        store.bytes,
        match store.problem_count {
            0 => "sound".to_owned(),
            count => format!("{count} problems"),
        }
    )
}
