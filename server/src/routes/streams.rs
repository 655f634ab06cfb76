//! `GET streams/docs`: any number of documents from one snapshot, in bounded memory.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::try_unfold;
use pinyon_core::document::ServedDocument;
use pinyon_core::{Error, Result};

use super::docs::cursor::Cursor;
use super::docs::page::PageQuery;
use super::stream_format::StreamFormat;
use crate::databases::OpenDatabase;
use crate::http::{self, Call, Reply};

struct Streaming {
    /// Keeps the database open while it is read.
    _database: Arc<OpenDatabase>,
    cursor: Cursor,
    is_lines: bool,
    is_first: bool,
    is_done: bool,
}

/// `GET streams/docs`.
pub async fn docs(call: &mut Call<'_>) -> Reply {
    let query = PageQuery::parse(call.query)?;
    let format = StreamFormat::of(call)?;
    let database = call.open_database().await?;
    let streaming = Streaming {
        cursor: Cursor::new(database.read().await?, query.rest, query.page_size),
        _database: database,
        is_lines: format.is_lines(),
        is_first: true,
        is_done: false,
    };
    let chunks = try_unfold(streaming, |mut streaming| async move {
        let chunk = streaming.next().await?;
        Ok::<_, Error>(chunk.map(|chunk| (chunk, streaming)))
    });
    Ok(http::stream(format.content_type(), Box::pin(chunks)))
}

impl Streaming {
    /// The next piece of text; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.is_done {
            return Ok(None);
        }
        if !self.is_first {
            // A fast reader must not keep the thread to itself.
            tokio::task::yield_now().await;
        }
        let documents = self.cursor.next().await?;
        self.is_done = documents.is_empty();
        let byte_count: usize = documents.iter().map(ServedDocument::byte_count).sum();
        let mut text = Vec::with_capacity(byte_count + 192 * documents.len() + 32);
        if self.is_first && !self.is_lines {
            text.extend_from_slice(b"{\"Results\":[");
        }
        for document in &documents {
            if !self.is_lines && !self.is_first {
                text.push(b',');
            }
            self.is_first = false;
            document.write_json(&mut text);
            if self.is_lines {
                text.push(b'\n');
            }
        }
        if self.is_done && !self.is_lines {
            text.extend_from_slice(b"]}");
        }
        // An empty chunk would end the body.
        Ok((!text.is_empty()).then(|| text.into()))
    }
}
