//! `POST smuggler/import`: a form of the options and a dump, taken in as it comes.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::stream;
use hyper::StatusCode;
use pinyon_core::attachments::AttachmentUpload;
use pinyon_core::commands::{BatchCommand, Configure};
use pinyon_core::document::DocumentId;
use pinyon_core::indexes::PortableIndex;
use pinyon_core::smuggler::{
    DatabaseTarget, ExistingDocument, Format, ImportOptions, ImportReport, ImportTarget,
};
use pinyon_core::storage::Durability;
use pinyon_core::{Error, ErrorKind, Result};
use pinyon_storage_native::NativeStore;
use tokio::sync::{mpsc, oneshot};

use super::options::Options;
use super::result;
use crate::databases::{Databases, OpenDatabase};
use crate::decompression::{CHUNKS_AHEAD, decompress, send_chunks};
use crate::http::{self, Call, Reply, as_text};
use crate::multipart::{self, Multipart, Part};
use crate::operations::{Ended, Progress};

const OPTIONS_PART: &str = "importOptions";
const MOST_OPTIONS_BYTES: usize = 1 << 20;

/// `POST smuggler/import?operationId=`.
pub async fn import(call: &mut Call<'_>) -> Reply {
    let boundary = multipart::boundary(call.headers)?
        .ok_or_else(|| Error::invalid("an import is a form of importOptions and a file"))?;
    let database = call.open_database().await?;
    let id = call.query.number("operationId", 0_u64)?;
    let pieces = call.body.take_pieces(call.server, call.headers)?;
    let mut parts = Multipart::new(pieces, &boundary);
    let options = read_options(&mut parts).await?;
    let file = parts.next().await?;
    let file = file.ok_or_else(|| Error::invalid("the form has no file"))?;
    let (end, ended) = oneshot::channel();
    let scope = database.record.store.clone();
    let (progress, _) = call.server.operations.attend(&scope, id, ended)?;
    let selection = options.selection(call.server.host.clock.now());
    let skips = options.skip_corrupted_data.unwrap_or_default();
    let target = Target {
        databases: &call.server.databases,
        documents: DatabaseTarget {
            database: database.documents.clone(),
            durability: Durability::Durable,
        },
        database: Arc::clone(&database),
    };
    let mut report = ImportReport::default();
    let with = |format| ImportOptions {
        selection: selection.clone(),
        skip_errors: skips,
        ..with_limits(ImportOptions::new(format), &database)
    };
    let done = take_in(&target, file, with, &progress, &mut report).await;
    let told = result::imported(&report);
    let (outcome, reply) = match database.use_store(done) {
        Ok(()) => (
            Ok(Ended::Completed(told.clone())),
            Ok(http::json(StatusCode::OK, &told)),
        ),
        Err(error) if progress.is_canceled() => (Ok(Ended::Canceled(told)), Err(error)),
        Err(error) => (Err(Error::new(error.kind(), error.to_string())), Err(error)),
    };
    // The operation is gone only when the server ends.
    let _ = end.send(outcome);
    reply
}

fn with_limits(mut options: ImportOptions, database: &OpenDatabase) -> ImportOptions {
    options.rules.limits = database.documents.limits().clone();
    options
}

async fn read_options(parts: &mut Multipart) -> Result<Options> {
    let part = parts.next().await?;
    let mut part = part
        .filter(|part| part.name() == OPTIONS_PART)
        .ok_or_else(|| Error::invalid("the first part of an import must be 'importOptions'"))?;
    let mut text = BytesMut::new();
    while let Some(chunk) = part.next().await? {
        text.extend_from_slice(&chunk);
        if text.len() > MOST_OPTIONS_BYTES {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("the importOptions are longer than {MOST_OPTIONS_BYTES} bytes"),
            ));
        }
    }
    Options::parse(as_text(&text.freeze())?)
}

/// Imports a file while it comes: one future takes it from the network, a thread decompresses it,
/// another future stores what is in it.
async fn take_in(
    target: &Target<'_>,
    file: Part,
    options: impl Fn(Format) -> ImportOptions,
    progress: &Progress,
    report: &mut ImportReport,
) -> Result<()> {
    let (sent, received) = mpsc::channel(CHUNKS_AHEAD);
    let (plain, mut chunks) = mpsc::channel(CHUNKS_AHEAD);
    tokio::task::spawn_blocking(move || {
        let input = Received {
            chunks: received,
            current: Bytes::new(),
        };
        let passed = decompress(input).and_then(|mut input| send_chunks(&mut *input, &plain));
        if let Err(reason) = passed {
            let reason = Error::invalid(format!("the file does not decompress: {reason}"));
            // Nobody listens any more when the import has failed already.
            let _ = plain.blocking_send(Err(reason));
        }
    });
    let stored = async {
        let first = chunks.recv().await.transpose()?.unwrap_or_default();
        let beginning = &first[..first.len().min(Format::DETECTION_BYTES)];
        let options = options(Format::detect(beginning));
        let rest = stream::unfold((Some(first), chunks), |(first, mut chunks)| async {
            let chunk = match first {
                _ if progress.is_canceled() => Err(Error::new(
                    ErrorKind::Closed,
                    "the import was cancelled; what was stored before stays",
                )),
                Some(first) => Ok(first),
                None => chunks.recv().await?,
            };
            Some((chunk, (None, chunks)))
        });
        let tell = |report: &ImportReport| progress.report(result::imported(report));
        pinyon_core::smuggler::import(target, rest, &options, report, tell).await
    };
    let (passed, stored) = tokio::join!(pass_on(file, sent), stored);
    // What broke the body off says more than that something is missing in it.
    passed.and(stored)
}

/// Passes a part on; what nobody wants any more is read and forgotten, so that the sender gets to
/// read the answer.
async fn pass_on(mut file: Part, sent: mpsc::Sender<Bytes>) -> Result<()> {
    while let Some(chunk) = file.next().await? {
        // The other side says why it ended.
        let _ = sent.send(chunk).await;
    }
    Ok(())
}

/// What comes from the network, as a thread reads it.
struct Received {
    chunks: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Read for Received {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// A database of this server, whose record and sweeps follow its configurations.
struct Target<'a> {
    databases: &'a Databases,
    database: Arc<OpenDatabase>,
    documents: DatabaseTarget<NativeStore>,
}

impl ImportTarget for Target<'_> {
    type Upload = AttachmentUpload<NativeStore>;

    fn begin_upload(&self) -> Result<Self::Upload> {
        self.documents.begin_upload()
    }

    async fn configure(&self, configure: Configure) -> Result<()> {
        let scripts = &*self.database.scripts;
        let now = self.database.documents.now();
        let mut resolves = false;
        match &configure {
            Configure::Conflicts(conflicts) => {
                conflicts.check(scripts, now).await?;
                resolves = !conflicts.resolve_by_collection.is_empty();
            }
            Configure::Validation(validation) => validation.check(scripts, now).await?,
            _ => {}
        }
        let changed = self.databases.configure(&self.database, configure);
        changed.await?;
        if resolves {
            self.database.start_resolving();
        }
        Ok(())
    }

    async fn define_index(&self, index: PortableIndex) -> Result<()> {
        self.database.indexes.put_portable(index).await
    }

    async fn write(&self, commands: Arc<[BatchCommand]>) -> Result<()> {
        self.documents.write(commands).await
    }

    async fn existing(&self, ids: &[DocumentId]) -> Result<Vec<Option<ExistingDocument>>> {
        self.documents.existing(ids).await
    }

    async fn raise_identity(&self, name: &str, value: i64) -> Result<()> {
        self.documents.raise_identity(name, value).await
    }
}
