//! `POST smuggler/export`: a dump of one moment, compressed and sent as it is made.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream::try_unfold;
use hyper::header::{CONTENT_DISPOSITION, HeaderValue};
use pinyon_core::smuggler::{ExportFormat, Exporter};
use pinyon_core::{Error, ErrorKind, Result};
use pinyon_storage_native::NativeSnapshot;
use tokio::sync::oneshot;

use super::options::Options;
use super::{BUILD_VERSION, result};
use crate::databases::OpenDatabase;
use crate::http::{self, Call, Reply, as_text};
use crate::operations::{Ended, Progress};

/// An export on its way to a client.
struct Sending {
    /// Keeps the database open while it is read.
    database: Arc<OpenDatabase>,
    exporter: Exporter<NativeSnapshot>,
    /// `None` when the last bytes were taken from it.
    compressed: Option<GzEncoder<Vec<u8>>>,
    progress: Progress,
    end: Option<oneshot::Sender<Result<Ended>>>,
}

/// `POST smuggler/export?operationId=`.
pub async fn export(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let options = Options::parse(as_text(&body)?)?;
    let database = call.open_database().await?;
    let id = call.query.number("operationId", 0_u64)?;
    let format = ExportFormat::Dump {
        build_version: BUILD_VERSION,
    };
    let selection = options.selection(call.server.host.clock.now());
    let exporter = Exporter::new(database.read().await?, format).selecting(selection);
    let (end, ended) = oneshot::channel();
    let scope = database.record.store.clone();
    let (progress, _) = call.server.operations.attend(&scope, id, ended)?;
    let sending = Sending {
        database,
        exporter,
        compressed: Some(GzEncoder::new(Vec::new(), Compression::fast())),
        progress,
        end: Some(end),
    };
    let pieces = try_unfold(sending, |mut sending| async move {
        let piece = sending.next().await;
        // Nobody takes a dump that broke off for a whole one: the connection breaks too.
        let piece = piece.map_err(|error| sending.fail(error))?;
        Ok::<_, Error>(piece.map(|piece| (piece, sending)))
    });
    let mut response = http::stream("application/octet-stream", Box::pin(pieces));
    let disposition = HeaderValue::from_static("attachment; filename=\"export.ravendbdump\"");
    response
        .headers_mut()
        .insert(CONTENT_DISPOSITION, disposition);
    Ok(response)
}

impl Sending {
    /// The next compressed bytes; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let mut text = Vec::new();
        loop {
            if self.progress.is_canceled() {
                self.finish(Ended::Canceled(result::exported(self.exporter.counts())));
                return Err(Error::new(ErrorKind::Closed, "the export was cancelled"));
            }
            let Some(encoder) = self.compressed.take() else {
                return Ok(None);
            };
            text.clear();
            let written = self.exporter.write_next(&mut text).await;
            let has_more = self.database.use_store(written)?;
            let counts = self.exporter.counts();
            let (encoder, bytes) = compress(encoder, std::mem::take(&mut text), !has_more).await?;
            self.compressed = encoder;
            let told = result::exported(counts);
            if has_more {
                self.progress.report(told);
            } else {
                self.finish(Ended::Completed(told));
            }
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }

    fn finish(&mut self, ended: Ended) {
        if let Some(end) = self.end.take() {
            // The operation is gone only when the server ends.
            let _ = end.send(Ok(ended));
        }
    }

    fn fail(&mut self, error: Error) -> Error {
        if let Some(end) = self.end.take() {
            let _ = end.send(Err(Error::new(error.kind(), error.to_string())));
        }
        error
    }
}

/// Compresses on a thread that may be busy; after the last text there is no encoder any more.
async fn compress(
    mut encoder: GzEncoder<Vec<u8>>,
    text: Vec<u8>,
    is_last: bool,
) -> Result<(Option<GzEncoder<Vec<u8>>>, Bytes)> {
    let compressing = tokio::task::spawn_blocking(move || {
        encoder.write_all(&text)?;
        if is_last {
            return Ok((None, encoder.finish()?));
        }
        let bytes = std::mem::take(encoder.get_mut());
        Ok::<_, std::io::Error>((Some(encoder), bytes))
    });
    let broke_off = |reason: String| {
        Error::new(
            ErrorKind::Internal,
            format!("compression broke off: {reason}"),
        )
    };
    let compressed = compressing
        .await
        .map_err(|reason| broke_off(reason.to_string()))?;
    let (encoder, bytes) = compressed.map_err(|reason| broke_off(reason.to_string()))?;
    Ok((encoder, bytes.into()))
}
