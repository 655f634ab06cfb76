//! `pinyon export`: a database into a file, from a server or from a data directory.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use flate2::Compression;
use flate2::write::GzEncoder;
use pinyon_core::smuggler::{ExportCounts, ExportFormat, Exporter, Format, Reader};
use pinyon_core::{Error, ErrorKind, Result};
use serde_json::Value;

use super::CommandResult;
use super::data_dir::{self, Access, DataDir};
use super::place::{Chosen, Place};
use super::progress::Progress;
use super::remote::Remote;
use super::standard_error;
use crate::decompression::decompress;
use crate::routes::smuggler::{BUILD_VERSION, Options};

const CHUNK_BYTES: usize = 256 << 10;

const HELP: &str = "\
The file shows one moment of the database, however long the export takes. It appears under its
name once it is complete. A .ravendbdump holds documents, revisions, attachments, configurations,
tombstones, identities and definitions of indexes and can be imported here and into RavenDB; JSON lines hold documents with
their @metadata. Files that end in .gz, and dumps, are compressed by gzip.

Examples:
  pinyon export --url http://127.0.0.1:8080 --database shop shop.ravendbdump
  pinyon export --data-dir ./data --database shop shop.jsonl.gz
  pinyon export --data-dir ./data --database shop --format jsonl - | grep Paris

Exit codes: 0 done; 1 it failed; 2 wrong usage; 3 the data directory is in use; 4 stored data is
corrupted.";

/// The arguments of `pinyon export`.
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// The database
    #[arg(long)]
    database: String,
    /// The form of the file
    #[arg(long, value_enum, default_value = "auto")]
    format: FormatArgument,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// The file; - for standard output, uncompressed
    file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FormatArgument {
    /// JSON lines for a name like x.jsonl, x.ndjson or x.jsonl.gz; else a dump
    Auto,
    /// A .ravendbdump
    Dump,
    /// One document in each line
    Jsonl,
}

impl Args {
    fn export_format(&self) -> ExportFormat {
        let dump = ExportFormat::Dump {
            build_version: BUILD_VERSION,
        };
        match self.format {
            FormatArgument::Dump => dump,
            FormatArgument::Jsonl => ExportFormat::JsonLines,
            FormatArgument::Auto => {
                let name = self.file.to_string_lossy().to_lowercase();
                let name = name.strip_suffix(".gz").unwrap_or(&name);
                if name.ends_with(".jsonl") || name.ends_with(".ndjson") {
                    ExportFormat::JsonLines
                } else {
                    dump
                }
            }
        }
    }
}

/// Exports and says what came of it.
pub fn run(args: Args) -> CommandResult {
    data_dir::runtime()?.block_on(async {
        // Before a file is made.
        let place = args.place.choose()?;
        let format = args.export_format();
        let mut output = Output::create(&args.file, format, args.force)?;
        let counts = match place {
            Chosen::Server(url) => {
                let remote = Remote::new(&url, &args.database)?;
                export_from_server(&remote, format, &mut output).await?
            }
            Chosen::Directory(directory) => {
                let data_dir = DataDir::open(&directory, Access::Read).await?;
                let record = data_dir.find(&args.database)?;
                let open = data_dir.open_database(&record).await?;
                let transaction = open.database.read().await?;
                let total = transaction.statistics().await?.document_count;
                let exporter = Exporter::new(transaction, format);
                let exported = export_from(exporter, total, &mut output).await;
                let closed = open.close().await.and(data_dir.close().await);
                let counts = exported?;
                closed?;
                counts
            }
        };
        output.finish()?;
        tell(&args.file, counts);
        Ok(ExitCode::SUCCESS)
    })
}

async fn export_from<S: pinyon_core::storage::Snapshot>(
    mut exporter: Exporter<S>,
    total: u64,
    output: &mut Output,
) -> Result<ExportCounts> {
    let progress = Progress::of_items("exporting documents", Some(total));
    let mut text = Vec::new();
    while exporter.write_next(&mut text).await? {
        output.write(&text)?;
        text.clear();
        progress.set(exporter.counts().documents);
    }
    Ok(exporter.counts())
}

async fn export_from_server(
    remote: &Remote,
    format: ExportFormat,
    output: &mut Output,
) -> Result<ExportCounts> {
    match format {
        ExportFormat::JsonLines => export_lines(remote, output),
        ExportFormat::Dump { .. } => export_dump(remote, output).await,
    }
}

/// The documents as the server streams them, one in each line.
fn export_lines(remote: &Remote, output: &mut Output) -> Result<ExportCounts> {
    let progress = Progress::of_items("exporting documents", None);
    let mut counts = ExportCounts::default();
    let mut stream = remote.stream_documents()?;
    let mut reader = Reader::new(
        Format::Dump,
        data_dir::limits()?.max_document_bytes.max(1 << 30),
    );
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = stream
            .read(&mut chunk)
            .map_err(|reason| broke_off(&reason))?;
        reader.feed(&chunk[..length]);
        if length == 0 {
            reader.finish();
        }
        while let Some(item) = reader.next_item()? {
            output.write(item.bytes)?;
            output.write(b"\n")?;
            counts.documents += 1;
        }
        progress.set(counts.documents);
        if length == 0 {
            return Ok(counts);
        }
    }
}

/// The dump that the server makes.
async fn export_dump(remote: &Remote, output: &mut Output) -> Result<ExportCounts> {
    let id = remote.next_operation_id().await?;
    let stream = remote.export(id, &Options::everything(false))?;
    if let Err(error) = copy_dump(stream, output) {
        // The server knows better why it sent no more.
        remote.result_of_operation(id).await?;
        return Err(error);
    }
    let result = remote.result_of_operation(id).await?;
    let count = |path: &str| result.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    Ok(ExportCounts {
        documents: count("/Documents/ReadCount"),
        revisions: count("/RevisionDocuments/ReadCount"),
        attachments: count("/Documents/Attachments/ReadCount"),
        tombstones: count("/Tombstones/ReadCount"),
        identities: count("/Identities/ReadCount"),
        indexes: count("/Indexes/ReadCount"),
        ..ExportCounts::default()
    })
}

fn copy_dump(stream: impl Read + Send + 'static, output: &mut Output) -> Result<()> {
    let progress = Progress::of_bytes("exporting", None);
    let mut plain = decompress(stream).map_err(|reason| broke_off(&reason))?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut written = 0;
    loop {
        let length = plain
            .read(&mut chunk)
            .map_err(|reason| broke_off(&reason))?;
        if length == 0 {
            return Ok(());
        }
        output.write(&chunk[..length])?;
        written += length as u64;
        progress.set(written);
    }
}

fn broke_off(reason: &io::Error) -> Error {
    Error::new(
        ErrorKind::TimedOut,
        format!("the server's answer broke off: {reason}"),
    )
}

/// On standard error: standard output may be the export.
fn tell(file: &Path, counts: ExportCounts) {
    standard_error::print(&format!(
        "exported {} documents, {} revisions, {} attachments, {} tombstones, {} identities, {} indexes to {}",
        counts.documents,
        counts.revisions,
        counts.attachments,
        counts.tombstones,
        counts.identities,
        counts.indexes,
        file.display()
    ));
}

/// The file under an unfinished name, or standard output.
struct Output {
    writer: Box<dyn FinishWrite>,
    /// The unfinished file and its final name.
    names: Option<(PathBuf, PathBuf)>,
}

/// A writer with an end.
trait FinishWrite: Write {
    /// Writes everything that is still held back.
    fn finish_write(&mut self) -> io::Result<()>;
}

impl<W: Write> FinishWrite for BufWriter<W> {
    fn finish_write(&mut self) -> io::Result<()> {
        self.flush()
    }
}

impl<W: Write> FinishWrite for GzEncoder<BufWriter<W>> {
    fn finish_write(&mut self) -> io::Result<()> {
        self.try_finish()?;
        self.get_mut().flush()
    }
}

impl Output {
    fn create(path: &Path, format: ExportFormat, force: bool) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self {
                writer: Box::new(BufWriter::new(io::stdout())),
                names: None,
            });
        }
        if path.exists() && !force {
            return Err(Error::invalid(format!(
                "'{}' exists; give --force to replace it",
                path.display()
            )));
        }
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        let file = File::create(&unfinished).map_err(|reason| cannot_write(path, &reason))?;
        let file = BufWriter::with_capacity(256 << 10, file);
        let is_gzip = path.extension().is_some_and(|it| it == "gz");
        let writer: Box<dyn FinishWrite> = if is_gzip || format != ExportFormat::JsonLines {
            Box::new(GzEncoder::new(file, Compression::fast()))
        } else {
            Box::new(file)
        };
        Ok(Self {
            writer,
            names: Some((unfinished, path.to_owned())),
        })
    }

    fn path(&self) -> &Path {
        let names = self.names.as_ref();
        names.map_or(Path::new("standard output"), |(_, path)| path)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.writer.write_all(bytes);
        written.map_err(|reason| cannot_write(self.path(), &reason))
    }

    /// Writes what is left, makes it durable, and gives the file its name.
    fn finish(mut self) -> Result<()> {
        let finished = self.writer.finish_write();
        finished.map_err(|reason| cannot_write(self.path(), &reason))?;
        if let Some((unfinished, path)) = &self.names {
            let failed = |reason| cannot_write(path, &reason);
            let file = File::open(unfinished).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            std::fs::rename(unfinished, path).map_err(failed)?;
            self.names = None;
        }
        Ok(())
    }
}

impl Drop for Output {
    /// An export that failed leaves no file behind.
    fn drop(&mut self) {
        if let Some((unfinished, _)) = &self.names {
            // The failure that led here is what the user is told.
            let _ = std::fs::remove_file(unfinished);
        }
    }
}

fn cannot_write(path: &Path, reason: &io::Error) -> Error {
    let kind = match reason.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, format!("cannot write {}: {reason}", path.display()))
}
