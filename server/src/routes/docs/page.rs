//! Pages of documents: by prefix in id order, or the newest first.

use pinyon_core::document::StoredDocument;
use pinyon_core::{NewestQuery, PrefixQuery, Result};

use super::{json_bytes, push_documents};
use crate::http::{Call, QueryString, Reply, etag_value, json_with_etag, not_modified};

/// What page is asked for.
pub struct PageQuery {
    /// The prefix and its patterns; without one the newest documents are meant.
    pub prefix: Option<PrefixQuery>,
    /// How many documents to skip.
    pub start: usize,
    /// The most documents to return.
    pub page_size: usize,
}

impl PageQuery {
    /// Reads the query string; without `pageSize` everything is asked for.
    ///
    /// # Errors
    /// `InvalidRequest` for a malformed value.
    pub fn parse(query: QueryString<'_>) -> Result<Self> {
        let text = |name| {
            let value = query.get(name)?;
            Ok::<_, pinyon_core::Error>(value.map(std::borrow::Cow::into_owned).unwrap_or_default())
        };
        // Clients ask for "all" with the largest number of their language.
        let start = query.number("start", 0_u64)?;
        let page_size = query.number("pageSize", u64::from(u32::MAX))?;
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let page_size = usize::try_from(page_size).unwrap_or(usize::MAX);
        let prefix = match query.get("startsWith")? {
            None => None,
            Some(prefix) => Some(PrefixQuery {
                prefix: prefix.into_owned(),
                matches: text("matches")?,
                exclude: text("exclude")?,
                start_after: text("startAfter")?,
                start,
                page_size,
                max_bytes: 0,
            }),
        };
        Ok(Self {
            prefix,
            start,
            page_size,
        })
    }
}

/// `GET docs` without ids.
pub async fn get(call: &Call<'_>) -> Reply {
    let query = PageQuery::parse(call.query)?;
    let metadata_only = call.query.flag("metadataOnly");
    let database = call.open_database().await?;
    let transaction = database.read().await?;
    // Whatever is written anywhere may change a page.
    let tag = transaction.change_vector().await?;
    let etag = etag_value(&tag)?;
    if call.if_none_match() == Some(tag.as_str()) {
        return Ok(not_modified(etag));
    }
    let max_bytes = call.server.config.max_response_bytes;
    let documents = match query.prefix {
        Some(mut prefix) => {
            prefix.max_bytes = max_bytes;
            transaction.documents_by_prefix(&prefix).await?
        }
        None => {
            let newest = NewestQuery {
                start: query.start,
                page_size: query.page_size,
                max_bytes,
                ..NewestQuery::default()
            };
            transaction.newest(&newest).await?
        }
    };
    Ok(json_with_etag(
        results(call, &documents, metadata_only)?,
        etag,
    ))
}

/// `{"Results":[…]}`.
///
/// # Errors
/// `LimitExceeded` when it would be too large.
pub fn results(
    call: &Call<'_>,
    documents: &[StoredDocument],
    metadata_only: bool,
) -> Result<Vec<u8>> {
    let byte_count = json_bytes(documents.iter().map(Some));
    call.server.check_response_bytes(byte_count)?;
    let mut json = Vec::with_capacity(byte_count + 32);
    json.extend_from_slice(b"{\"Results\":[");
    push_documents(documents.iter().map(Some), metadata_only, &mut json);
    json.extend_from_slice(b"]}");
    Ok(json)
}
