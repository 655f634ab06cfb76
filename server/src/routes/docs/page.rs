//! Pages of documents: by prefix in id order, or the newest first.

use std::borrow::Cow;

use hyper::header::HeaderValue;
use pinyon_core::{Error, NewestQuery, PrefixQuery, ReadTransaction, Result};
use pinyon_storage_native::NativeSnapshot;

use super::cursor::{Cursor, Rest};
use super::share_documents;
use crate::http::{Call, JsonPieces, QueryString, Reply, etag_value, json_with_etag, not_modified};

/// What page is asked for.
pub struct PageQuery {
    /// Which documents, the first `start` left out.
    pub rest: Rest,
    /// The most documents to return.
    pub page_size: usize,
}

impl PageQuery {
    /// Reads the query string; without `pageSize` everything is asked for, without `startsWith`
    /// the newest come first.
    ///
    /// # Errors
    /// `InvalidRequest` for a malformed value.
    pub fn parse(query: QueryString<'_>) -> Result<Self> {
        let text = |name| {
            let value = query.get(name)?;
            Ok::<_, Error>(value.map(Cow::into_owned).unwrap_or_default())
        };
        // Clients ask for "all" with the largest number of their language.
        let start = query.number("start", 0_u64)?;
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let page_size = query.number("pageSize", u64::MAX)?;
        let page_size = usize::try_from(page_size).unwrap_or(usize::MAX);
        let rest = match query.get("startsWith")? {
            Some(prefix) => Rest::Prefix(PrefixQuery {
                prefix: prefix.into_owned(),
                matches: text("matches")?,
                exclude: text("exclude")?,
                start_after: text("startAfter")?,
                start,
                ..PrefixQuery::default()
            }),
            None => Rest::Newest(NewestQuery {
                start,
                ..NewestQuery::default()
            }),
        };
        Ok(Self { rest, page_size })
    }
}

/// `GET docs` without ids.
pub async fn get(call: &Call<'_>) -> Reply {
    answer(call, PageQuery::parse(call.query)?).await
}

/// Answers a page: `{"Results":[…]}`.
///
/// # Errors
/// `LimitExceeded` when it would be too large; whatever the store reports.
pub async fn answer(call: &Call<'_>, query: PageQuery) -> Reply {
    let metadata_only = call.query.flag("metadataOnly");
    let database = call.open_database().await?;
    let transaction = database.read().await?;
    // Whatever is written anywhere may change a page.
    let tag = transaction.change_vector().await?;
    let etag = etag_value(&tag)?;
    if call.has_already(&tag) {
        return Ok(not_modified(etag));
    }
    write(call, transaction, query, metadata_only, etag).await
}

async fn write(
    call: &Call<'_>,
    transaction: ReadTransaction<NativeSnapshot>,
    query: PageQuery,
    metadata_only: bool,
    etag: HeaderValue,
) -> Reply {
    let mut cursor = Cursor::new(transaction, query.rest, query.page_size);
    let mut json = JsonPieces::with_capacity(0);
    json.text().extend_from_slice(b"{\"Results\":[");
    let empty_bytes = json.len();
    loop {
        let documents = cursor.next().await?;
        if documents.is_empty() {
            break;
        }
        if json.len() > empty_bytes {
            json.text().push(b',');
            // The other requests of this thread have waited for a page by now.
            tokio::task::yield_now().await;
        }
        let text_bytes = super::text_bytes(documents.iter().map(Some));
        json.text().reserve(text_bytes + 2);
        share_documents(documents.iter().map(Some), metadata_only, &mut json);
        call.server.check_response_bytes(json.len())?;
    }
    json.text().extend_from_slice(b"]}");
    Ok(json_with_etag(json, etag))
}
