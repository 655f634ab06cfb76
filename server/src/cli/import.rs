//! `pinyon import`: documents from a file into a database, on a server or in a data directory.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pinyon_core::document::CollectionName;
use pinyon_core::smuggler::{
    DatabaseTarget, Format, ImportOptions, ImportReport, ImportTarget, import,
};
use pinyon_core::storage::Durability;
use pinyon_core::{Error, ErrorKind, Result};
use serde_json::Value;

use super::CommandResult;
use super::data_dir::{self, Access, DataDir};
use super::input::Input;
use super::place::{Chosen, Place};
use super::progress::Progress;
use super::remote::Remote;
use super::{standard_error, standard_output};
use crate::routes::smuggler::Options;

/// Between two looks at how much of a file is sent.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

const HELP: &str = "\
The input is a .ravendbdump (of RavenDB 4 or later, or of `pinyon export`), a JSON array of
documents, JSON documents one after another, or JSON lines; plain or compressed by gzip or
Zstandard. Imported documents replace those that have their ids, and get new change vectors; those
of a dump keep the time at which they were last modified. A dump's revisions, attachments, indexes
and configurations (revisions, their bin, expiration, refresh) come along. What the input holds
beyond that is counted and reported.

A document's id is its @metadata.@id. In JSON without that, --id-property names the property that
holds it; otherwise the database makes ids from --id-prefix, or from the collection's name.

Examples:
  pinyon import --url http://127.0.0.1:8080 --database shop --create shop.ravendbdump
  pinyon import --data-dir ./data --database geo --collection Cities cities.json
  pinyon import --url http://127.0.0.1:8080 --database geo --collection Countries \\
      --id-property cca3 --id-prefix countries/ countries.json
  zcat users.jsonl.gz | pinyon import --data-dir ./data --database shop -

Exit codes: 0 everything was imported; 1 it failed; 2 wrong usage or a bad item; 3 the data
directory is in use; 5 done, but items were left out because of errors (--skip-errors).";

/// The arguments of `pinyon import`.
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// The database
    #[arg(long)]
    database: String,
    /// Create the database if it does not exist
    #[arg(long)]
    create: bool,
    /// The form of the input
    #[arg(long, value_enum, default_value = "auto")]
    format: FormatArgument,
    /// The collection of documents that name none
    #[arg(long)]
    collection: Option<String>,
    /// The property that holds the id of documents without @metadata.@id
    #[arg(long)]
    id_property: Option<String>,
    /// What goes before that property's value; or, ending in / or |, the ids the database makes
    #[arg(long)]
    id_prefix: Option<String>,
    /// Leave out items that cannot be imported and report them; else the first one ends the import
    #[arg(long)]
    skip_errors: bool,
    /// Documents in one transaction
    #[arg(long, default_value = "2048")]
    batch_documents: NonZeroUsize,
    /// Transactions under way at a time
    #[arg(long, default_value = "4")]
    batches_in_flight: NonZeroUsize,
    /// The file; - for standard input
    file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FormatArgument {
    /// By the first bytes
    Auto,
    /// One document in each line
    Jsonl,
    /// An array of documents, or documents one after another
    Json,
    /// A .ravendbdump
    Dump,
}

impl Args {
    fn options(&self, input: &Input) -> Result<ImportOptions> {
        let format = match self.format {
            FormatArgument::Auto => input.detect_format(),
            FormatArgument::Jsonl => Format::JsonLines,
            FormatArgument::Json => Format::Json,
            FormatArgument::Dump => Format::Dump,
        };
        let mut options = ImportOptions {
            batch_commands: self.batch_documents.get(),
            batches_in_flight: self.batches_in_flight.get(),
            skip_errors: self.skip_errors,
            ..ImportOptions::new(format)
        };
        let rules = &mut options.rules;
        rules.limits = data_dir::limits()?;
        rules.collection = match &self.collection {
            Some(name) => Some(CollectionName::new(name.as_str())?),
            None => None,
        };
        rules.id_property.clone_from(&self.id_property);
        rules.id_prefix.clone_from(&self.id_prefix);
        Ok(options)
    }

    /// Names the option that helps where there is no such database, or directory of databases.
    fn with_advice(&self, error: Error) -> Error {
        if self.create || error.kind() != ErrorKind::NotFound {
            return error;
        }
        let message = format!("{}; --create makes it", error.message());
        Error::new(ErrorKind::NotFound, message)
    }
}

/// Imports and says what came of it.
pub fn run(args: Args) -> CommandResult {
    data_dir::runtime()?.block_on(async {
        let place = args.place.choose()?;
        // The input first: a wrong file name must not create a database.
        let input = Input::open(&args.file).await?;
        let options = args.options(&input)?;
        match place {
            Chosen::Server(url) => {
                let imported = import_to_server(&args, &url, input, &options).await;
                imported.map_err(|error| args.with_advice(error))
            }
            Chosen::Directory(directory) => {
                import_to_directory(&args, &directory, input, &options).await
            }
        }
    })
}

async fn import_to_server(
    args: &Args,
    url: &str,
    input: Input,
    options: &ImportOptions,
) -> CommandResult {
    let remote = Remote::new(url, &args.database)?;
    if args.create {
        remote.create().await?;
    }
    if options.format == Format::Dump {
        return send_dump(&remote, input, args.skip_errors).await;
    }
    let name = input.name.clone();
    let (report, result) = import_into(&remote, input, options).await;
    tell_all(&name, &report, result)
}

async fn import_to_directory(
    args: &Args,
    directory: &Path,
    input: Input,
    options: &ImportOptions,
) -> CommandResult {
    let access = match args.create {
        true => Access::Create,
        false => Access::Write,
    };
    let data_dir = DataDir::open(directory, access).await;
    let mut data_dir = data_dir.map_err(|error| args.with_advice(error))?;
    if args.create && data_dir.catalog.find(&args.database).is_none() {
        let record = serde_json::Map::new();
        data_dir
            .catalog
            .create(&args.database, record, None)
            .await?;
    }
    let record = data_dir.find(&args.database);
    let record = record.map_err(|error| args.with_advice(error))?;
    let open = data_dir.open_database(&record).await?;
    let target = DatabaseTarget {
        database: open.database.clone(),
        // One sync at the end: an import that breaks off can be repeated.
        durability: Durability::Relaxed,
    };
    let name = input.name.clone();
    let (report, result) = import_into(&target, input, options).await;
    let closed = open.close().await.and(data_dir.close().await);
    tell_all(&name, &report, result.and(closed))
}

fn tell_all(name: &str, report: &ImportReport, result: Result<()>) -> CommandResult {
    let told = tell(name, report, result.is_ok());
    result.and(told)?;
    Ok(exit_code(report))
}

fn exit_code(report: &ImportReport) -> ExitCode {
    ExitCode::from(if report.bad_item_count > 0 { 5 } else { 0 })
}

/// The server imports a dump itself, with all that is in it.
async fn send_dump(remote: &Remote, input: Input, skip_errors: bool) -> CommandResult {
    let progress = Progress::of_bytes("importing", input.total_bytes);
    let name = input.name.clone();
    let bytes_read = std::sync::Arc::clone(&input.bytes_read);
    let id = remote.next_operation_id().await?;
    let (dump, failure) = input.into_reader();
    let options = Options::everything(skip_errors);
    let sending = remote.import(id, &options, dump);
    let mut sending = std::pin::pin!(sending);
    let sent = loop {
        let pause = tokio::time::sleep(PROGRESS_INTERVAL);
        tokio::select! {
            sent = &mut sending => break sent,
            () = pause => progress.set(bytes_read.load(Ordering::Relaxed)),
        }
    };
    drop(progress);
    let result = match sent {
        Ok(result) => result,
        Err(error) => {
            // What broke the file off, or else what the server thinks of it, says more.
            if let Some(reason) = failure.take() {
                return Err(reason);
            }
            if error.kind() == ErrorKind::TimedOut {
                remote.result_of_operation(id).await?;
            }
            return Err(error);
        }
    };
    let count = |path: &str| result.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let report = ImportReport {
        documents: count("/Documents/ReadCount"),
        revisions: count("/RevisionDocuments/ReadCount"),
        attachments: count("/Documents/Attachments/ReadCount"),
        configurations: count("/DatabaseRecord/ReadCount"),
        deleted: count("/Tombstones/ReadCount"),
        identities: count("/Identities/ReadCount"),
        indexes: count("/Indexes/ReadCount"),
        kept_hilo: count("/Documents/SkippedCount"),
        bad_item_count: count("/Documents/ErroredCount"),
        ..ImportReport::default()
    };
    let messages = result.get("Messages").and_then(Value::as_array);
    for message in messages.into_iter().flatten().filter_map(Value::as_str) {
        standard_error::print(message);
    }
    tell_counts(&name, &report, true)?;
    Ok(exit_code(&report))
}

async fn import_into(
    target: &impl ImportTarget,
    input: Input,
    options: &ImportOptions,
) -> (ImportReport, Result<()>) {
    let progress = Progress::of_bytes("importing", input.total_bytes);
    let bytes_read = std::sync::Arc::clone(&input.bytes_read);
    let on_progress = |report: &ImportReport| {
        progress.set(bytes_read.load(Ordering::Relaxed));
        progress.say(format!("{} documents", report.documents));
    };
    let mut report = ImportReport::default();
    let chunks = input.into_chunks();
    let result = import(target, chunks, options, &mut report, on_progress).await;
    (report, result)
}

/// What came of an import: the counts on standard output, what went wrong on standard error.
fn tell(name: &str, report: &ImportReport, is_complete: bool) -> Result<()> {
    for bad in &report.bad_items {
        standard_error::print(&format!("left out: {}: {}", bad.place, bad.message));
    }
    let untold = report.bad_item_count - report.bad_items.len() as u64;
    if untold > 0 {
        standard_error::print(&format!("left out: {untold} more items with errors"));
    }
    for line in report.left_out() {
        standard_error::print(&format!("not imported: {line}"));
    }
    tell_counts(name, report, is_complete)
}

fn tell_counts(name: &str, report: &ImportReport, is_complete: bool) -> Result<()> {
    let state = if is_complete {
        "imported"
    } else {
        "broke off after"
    };
    let mut parts = vec![format!("{} documents", report.documents)];
    for (count, what) in [
        (report.revisions, "revisions"),
        (report.attachments, "attachments"),
        (report.configurations, "configurations"),
        (report.deleted, "deletions"),
        (report.identities, "identities"),
        (report.indexes, "indexes"),
        (report.kept_hilo, "HiLo ranges kept as they were"),
        (report.bad_item_count, "items left out"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    standard_output::print(&format!("{state} {} from {name}\n", parts.join(", ")))
}
