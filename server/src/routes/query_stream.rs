//! `streams/queries`: any number of results, sent as they are read.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::try_unfold;
use hyper::{Method, StatusCode};
use pinyon_core::query::{PreparedQuery, Ready, Rows};
use pinyon_core::{Error, Result};
use pinyon_storage_native::NativeEnvironment;

use super::queries::{self, SentQuery};
use super::stream_format::StreamFormat;
use crate::databases::OpenDatabase;
use crate::http::{self, Call, Reply, empty};

/// Results read and sent at a time.
const CHUNK_RESULTS: usize = 256;

struct Streaming {
    /// Keeps the database open while it is read.
    _database: Arc<OpenDatabase>,
    ready: Ready<NativeEnvironment>,
    query: PreparedQuery,
    rows: Rows,
    is_lines: bool,
    /// Whether what comes before the results is written.
    has_head: bool,
    /// Whether no result is written yet.
    is_first: bool,
    is_done: bool,
}

/// `GET` and `POST streams/queries`. All of the answer comes from one state of the index and of
/// the documents.
pub async fn stream(call: &mut Call<'_>, method: &Method) -> Reply {
    let mut sent = SentQuery::read(call, method).await?;
    let query = sent.prepare()?;
    query.check_rows("a stream")?;
    queries::check_asks(&query)?;
    let database = call.open_database().await?;
    let format = StreamFormat::of(call)?;
    if !query.includes.is_empty() || !query.included_revisions.is_empty() {
        return Err(Error::invalid("a streamed query cannot include documents"));
    }
    let Some(ready) = queries::ready(&database, &query, sent.wait()?).await? else {
        return Ok(empty(StatusCode::NOT_FOUND));
    };
    let mut streaming = Streaming {
        _database: database,
        rows: ready.rows(&query).await?,
        ready,
        query,
        is_lines: format.is_lines(),
        has_head: false,
        is_first: true,
        is_done: false,
    };
    // What fails at once is answered as an error; later it can only end the transfer.
    let mut first = streaming.next().await?;
    let chunks = try_unfold(streaming, move |mut streaming| {
        let first = first.take();
        async move {
            let chunk = match first {
                Some(first) => Some(first),
                None => streaming.next().await?,
            };
            Ok::<_, Error>(chunk.map(|chunk| (chunk, streaming)))
        }
    });
    Ok(http::stream(format.content_type(), Box::pin(chunks)))
}

impl Streaming {
    /// The next piece of text; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.is_done {
            return Ok(None);
        }
        let text = self.read_chunk().await?;
        // An empty chunk would end the body.
        Ok((!text.is_empty()).then_some(text))
    }

    async fn read_chunk(&mut self) -> Result<Bytes> {
        let mut text = Vec::new();
        if !std::mem::replace(&mut self.has_head, true) {
            let total = self.ready.count(&self.query).await?;
            let facts = self.facts(total);
            let head = if self.is_lines {
                format!("{{\"Stats\":{{{facts}}}}}\n")
            } else {
                format!("{{{facts},\"Results\":[")
            };
            text.extend_from_slice(head.as_bytes());
        }
        let reading = self
            .ready
            .next_rows(&self.query, &mut self.rows, CHUNK_RESULTS);
        let results = reading.await?;
        self.is_done = results.is_none();
        for result in results.iter().flatten() {
            if !self.is_lines && !self.is_first {
                text.push(b',');
            }
            self.is_first = false;
            if self.is_lines {
                text.extend_from_slice(b"{\"Item\":");
            }
            result.write_json(&mut text);
            if self.is_lines {
                text.extend_from_slice(b"}\n");
            }
        }
        if self.is_done && !self.is_lines {
            text.extend_from_slice(b"]}");
        }
        Ok(text.into())
    }

    /// What is known of the results before the first: members without braces.
    fn facts(&self, total: u64) -> String {
        let at = self.ready.indexed_at().map_or_else(
            || "0001-01-01T00:00:00.0000000Z".to_owned(),
            |it| it.to_text(),
        );
        format!(
            "\"ResultEtag\":{},\"IsStale\":{},\"IndexName\":{},\"TotalResults\":{total},\
             \"IndexTimestamp\":\"{at}\"",
            self.ready.etag(),
            self.ready.is_stale(),
            serde_json::json!(self.ready.plan().index_name(&self.query)),
        )
    }
}
