//! `GET streams/docs`: any number of documents from one snapshot, in bounded memory.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::try_unfold;
use pinyon_core::document::StoredDocument;
use pinyon_core::version::Etag;
use pinyon_core::{Error, NewestQuery, PrefixQuery, ReadTransaction, Result};
use pinyon_storage_native::NativeSnapshot;

use super::docs::page::PageQuery;
use crate::databases::OpenDatabase;
use crate::http::{self, Call, Reply};

/// What is read and sent at a time, whichever is reached first.
const CHUNK_DOCUMENTS: usize = 256;
const CHUNK_BYTES: usize = 256 << 10;

/// Where the stream is.
enum Place {
    /// By prefix: what is still to be read.
    Prefix(PrefixQuery),
    /// The newest first: what is still to be read.
    Newest(NewestQuery),
}

struct Streaming {
    /// Keeps the database open while it is read.
    _database: Arc<OpenDatabase>,
    transaction: ReadTransaction<NativeSnapshot>,
    place: Place,
    left: usize,
    is_lines: bool,
    is_first: bool,
    is_done: bool,
}

/// `GET streams/docs`.
pub async fn docs(call: &mut Call<'_>) -> Reply {
    let query = PageQuery::parse(call.query)?;
    let format = call.query.get("format")?;
    let is_lines = format.is_some_and(|format| format.eq_ignore_ascii_case("jsonl"));
    let database = call.open_database().await?;
    let left = query.page_size;
    let place = match query.prefix {
        Some(prefix) => Place::Prefix(prefix),
        None => Place::Newest(NewestQuery {
            start: query.start,
            ..NewestQuery::default()
        }),
    };
    let streaming = Streaming {
        transaction: database.read().await?,
        _database: database,
        place,
        left,
        is_lines,
        is_first: true,
        is_done: false,
    };
    let chunks = try_unfold(streaming, |mut streaming| async move {
        let chunk = streaming.next().await?;
        Ok::<_, Error>(chunk.map(|chunk| (chunk, streaming)))
    });
    let content_type = if is_lines {
        "application/x-ndjson; charset=utf-8"
    } else {
        "application/json; charset=utf-8"
    };
    Ok(http::stream(content_type, Box::pin(chunks)))
}

impl Streaming {
    /// The next piece of text; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.is_done {
            return Ok(None);
        }
        let documents = self.read().await?;
        self.is_done = documents.is_empty();
        self.left -= documents.len();
        let byte_count: usize = documents.iter().map(StoredDocument::byte_count).sum();
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

    async fn read(&mut self) -> Result<Vec<StoredDocument>> {
        let page_size = self.left.min(CHUNK_DOCUMENTS);
        match &mut self.place {
            Place::Prefix(query) => {
                query.page_size = page_size;
                query.max_bytes = CHUNK_BYTES;
                let documents = self.transaction.documents_by_prefix(query).await?;
                if let Some(last) = documents.last() {
                    last.id().clone_into(&mut query.start_after);
                    query.start = 0;
                }
                Ok(documents)
            }
            Place::Newest(query) => {
                query.page_size = page_size;
                query.max_bytes = CHUNK_BYTES;
                let documents = self.transaction.newest(query).await?;
                if let Some(last) = documents.last() {
                    query.before = Some(Etag::new(last.etag().number()));
                    query.start = 0;
                }
                Ok(documents)
            }
        }
    }
}
