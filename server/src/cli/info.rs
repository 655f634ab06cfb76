//! `pinyon info`: what a data directory holds.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use pinyon_core::Result;
use serde::Serialize;

use super::CommandResult;
use super::data_dir::{self, Access, DataDir};
use super::place::Stored;
use super::standard_output;
use crate::databases::DatabaseRecord;

const HELP: &str = "\
Examples:
  pinyon info --data-dir ./data
  pinyon info --data-dir ./data --database shop --json

Exit codes: 0 done; 1 it failed; 2 wrong usage; 3 the data directory is in use; 4 stored data is
corrupted.";

/// The arguments of `pinyon info`.
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    #[command(flatten)]
    stored: Stored,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is told of a data directory.
#[derive(Serialize)]
struct Info {
    data_dir: PathBuf,
    databases: Vec<DatabaseInfo>,
}

#[derive(Serialize)]
struct DatabaseInfo {
    name: String,
    store: String,
    disabled: bool,
    /// Why it cannot be read; the counts are 0 then.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    created_at: String,
    disk_bytes: u64,
    documents: u64,
    tombstones: u64,
    identities: usize,
    last_etag: u64,
    change_vector: String,
    collections: Vec<CollectionInfo>,
}

#[derive(Serialize)]
struct CollectionInfo {
    name: String,
    documents: u64,
    tombstones: u64,
    document_bytes: u64,
}

/// Prints what the directory holds.
pub fn run(args: Args) -> CommandResult {
    data_dir::runtime()?.block_on(async {
        let data_dir = DataDir::open(&args.stored.data_dir, Access::Read).await?;
        let mut databases = Vec::new();
        let mut code = ExitCode::SUCCESS;
        for record in data_dir.chosen(args.stored.database.as_deref())? {
            let mut info = DatabaseInfo::of_record(&record);
            // One that cannot be read must not hide the others.
            if let Err(error) = fill(&mut info, &data_dir, &record).await {
                let its_code = super::report(&error);
                if code == ExitCode::SUCCESS {
                    code = its_code;
                }
                info.error = Some(error.to_string());
            }
            databases.push(info);
        }
        data_dir.close().await?;
        let info = Info {
            data_dir: args.stored.data_dir,
            databases,
        };
        standard_output::print(&describe_all(&info, args.json))?;
        Ok(code)
    })
}

impl DatabaseInfo {
    /// What the catalog tells.
    fn of_record(record: &DatabaseRecord) -> Self {
        Self {
            created_at: record.created_at().to_text(),
            name: record.name.clone(),
            store: record.store.clone(),
            disabled: record.disabled,
            error: None,
            disk_bytes: 0,
            documents: 0,
            tombstones: 0,
            identities: 0,
            last_etag: 0,
            change_vector: String::new(),
            collections: Vec::new(),
        }
    }
}

/// Adds what the store tells.
async fn fill(info: &mut DatabaseInfo, data_dir: &DataDir, record: &DatabaseRecord) -> Result<()> {
    info.disk_bytes = data_dir.environment.byte_count(&record.store_name()?)?;
    // One that an older version made and nobody used has none, and must not get one from this.
    if !data_dir.has_store(record).await? {
        return Ok(());
    }
    let open = data_dir.open_database(record).await?;
    let transaction = open.database.read().await?;
    let statistics = transaction.statistics().await?;
    info.documents = statistics.document_count;
    info.tombstones = statistics.tombstone_count;
    info.last_etag = statistics.last_etag.number();
    info.change_vector = transaction.change_vector().await?;
    info.identities = transaction.identities().await?.len();
    for collection in transaction.collections().await? {
        info.collections.push(CollectionInfo {
            name: collection.name,
            documents: collection.document_count,
            tombstones: collection.tombstone_count,
            document_bytes: collection.document_bytes,
        });
    }
    drop(transaction);
    open.close().await
}

/// What is told of it.
fn describe_all(info: &Info, as_json: bool) -> String {
    if as_json {
        return serde_json::to_string_pretty(info).expect("the keys are texts") + "\n";
    }
    let count = info.databases.len();
    let plural = if count == 1 { "" } else { "s" };
    let directory = info.data_dir.display();
    let mut text = format!("{directory}: {count} database{plural}\n");
    for database in &info.databases {
        push_database(database, &mut text).expect("a String takes any text");
    }
    text
}

fn push_database(database: &DatabaseInfo, text: &mut String) -> std::fmt::Result {
    let disabled = if database.disabled { " (disabled)" } else { "" };
    writeln!(text, "\n{}{disabled}", database.name)?;
    writeln!(text, "  created        {}", database.created_at)?;
    writeln!(text, "  store          {}", database.store)?;
    writeln!(text, "  on disk        {} bytes", database.disk_bytes)?;
    if let Some(error) = &database.error {
        return writeln!(text, "  cannot be read {error}");
    }
    writeln!(text, "  documents      {}", database.documents)?;
    writeln!(text, "  tombstones     {}", database.tombstones)?;
    writeln!(text, "  identities     {}", database.identities)?;
    writeln!(text, "  change vector  {}", database.change_vector)?;
    for collection in &database.collections {
        writeln!(
            text,
            "  {:<30} {:>12} documents {:>15} bytes",
            collection.name, collection.documents, collection.document_bytes
        )?;
    }
    Ok(())
}
