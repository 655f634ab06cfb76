//! `revisions`: earlier versions of documents, and what is kept of them.

use std::ops::Deref;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use pinyon_core::commands::Configure;
use pinyon_core::document::StoredDocument;
use pinyon_core::host::Timestamp;
use pinyon_core::revisions::{RevisionBinConfiguration, RevisionPage, RevisionsConfiguration};
use pinyon_core::version::Etag;
use pinyon_core::{Error, ErrorKind, ReadTransaction, Result};
use pinyon_storage_native::NativeSnapshot;
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::Xxh3;

use super::docs::{json_bytes, push_documents};
use crate::http::{self, Call, Reply, as_text, empty, etag_value, json_with_etag, not_modified};
use crate::http_error;

/// Revisions by change vector; what is no change vector has none.
///
/// # Errors
/// Whatever the store reports.
pub async fn by_vector<I: AsRef<str>>(
    transaction: &ReadTransaction<NativeSnapshot>,
    change_vectors: &[I],
) -> Result<Vec<Option<StoredDocument>>> {
    match transaction.revisions_by_vector(change_vectors).await {
        Err(error) if error.kind() == ErrorKind::InvalidRequest => {}
        result => return result,
    }
    let mut revisions = Vec::with_capacity(change_vectors.len());
    for change_vector in change_vectors {
        revisions.push(
            match transaction.revisions_by_vector(&[change_vector]).await {
                Ok(mut found) => found.pop().flatten(),
                Err(error) if error.kind() == ErrorKind::InvalidRequest => None,
                Err(error) => return Err(error),
            },
        );
    }
    Ok(revisions)
}

/// `GET revisions`, by `id` or by `changeVector`.
pub async fn get(call: &mut Call<'_>) -> Reply {
    let (mut change_vectors, mut before) = (Vec::new(), None);
    for (name, value) in call.query.pairs() {
        if name.eq_ignore_ascii_case("changeVector") {
            change_vectors.push(unescape_vector(name, value)?);
        } else if name.eq_ignore_ascii_case("before") {
            before = Some(Timestamp::parse(&http::unescape(name, value)?)?);
        } else if let Some(date) = name.strip_prefix("before") {
            // The Python client forgets the equals sign.
            before = Some(Timestamp::parse(&http::unescape("before", date)?)?);
        }
    }
    let database = call.open_database().await?;
    let transaction = database.read().await?;
    if !change_vectors.is_empty() {
        let found = by_vector(&transaction, &change_vectors).await?;
        if let [None] = found.as_slice() {
            return Ok(empty(StatusCode::NOT_FOUND));
        }
        let found: Vec<Option<&StoredDocument>> = found.iter().map(Option::as_ref).collect();
        return show(call, &found, None);
    }
    let id = call.query.require("id")?;
    if let Some(before) = before {
        let found = transaction.revision_before(&id, before).await?;
        let found: Vec<Option<&StoredDocument>> = found.iter().map(Some).collect();
        return show(call, &found, Some(found.len() as u64));
    }
    let (start, size) = page(call)?;
    let page = RevisionPage {
        start,
        size,
        max_bytes: call.server.config.max_response_bytes,
        metadata_only: call.query.flag("metadataOnly"),
    };
    let found = transaction.revision_page(&id, &page).await?;
    let total = transaction.revision_count(&id).await?;
    let found: Vec<Option<&StoredDocument>> = found.iter().map(Some).collect();
    show(call, &found, Some(total))
}

/// A change vector out of a query. Its ids are base64, and not all clients escape the plus sign,
/// which is a space only between two entries.
fn unescape_vector(name: &str, value: &str) -> Result<String> {
    let value = value.replace(",+", ",%20").replace('+', "%2B");
    Ok(http::unescape(name, &value)?.into_owned())
}

/// Revisions are as large as documents; without a number not all of them are meant.
fn page(call: &Call<'_>) -> Result<(usize, usize)> {
    const DEFAULT: u64 = 25;
    const MOST: u64 = 4096;
    let start = call.query.number("start", 0_u64)?;
    let size = call.query.number("pageSize", DEFAULT)?.min(MOST);
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    Ok((start, usize::try_from(size).unwrap_or(usize::MAX)))
}

fn show(call: &Call<'_>, found: &[Option<&StoredDocument>], total: Option<u64>) -> Reply {
    let metadata_only = call.query.flag("metadataOnly");
    let mut hash = Xxh3::new();
    hash.update(&[u8::from(metadata_only)]);
    hash.update(&total.unwrap_or(0).to_le_bytes());
    for revision in found {
        let vector = revision.map_or("", |it| it.change_vector());
        hash.update(&(vector.len() as u64).to_le_bytes());
        hash.update(vector.as_bytes());
    }
    let tag = format!("Hash-{}", STANDARD.encode(hash.digest128().to_be_bytes()));
    let etag = etag_value(&tag)?;
    if call.has_already(&tag) {
        return Ok(not_modified(etag));
    }
    let served = || found.iter().map(|it| it.map(Deref::deref));
    let byte_count = match metadata_only {
        // Of each, what stands around its own metadata.
        true => {
            let shown = found.iter().flatten();
            let own = shown.map(|it| it.stored_metadata().len() + it.attachments().len());
            own.sum::<usize>() + json_bytes(found.iter().map(|_| None)) + 512 * found.len()
        }
        false => json_bytes(served()),
    };
    call.server.check_response_bytes(byte_count)?;
    let mut json = Vec::with_capacity(byte_count + 64);
    json.extend_from_slice(b"{\"Results\":[");
    push_documents(served(), metadata_only, &mut json);
    json.push(b']');
    if let Some(total) = total {
        json.extend_from_slice(format!(",\"TotalResults\":{total}").as_bytes());
    }
    json.push(b'}');
    Ok(json_with_etag(json, etag))
}

/// `GET revisions/count?id=`.
pub async fn count(call: &mut Call<'_>) -> Reply {
    let id = call.query.require("id")?;
    let database = call.open_database().await?;
    let count = database.read().await?.revision_count(&id).await?;
    let body = json!({ "RevisionsCount": count });
    Ok(http::json(StatusCode::OK, &body))
}

/// `GET revisions/bin`: deleted documents that have revisions, the newest first.
pub async fn bin(call: &mut Call<'_>) -> Reply {
    let (start, size) = page(call)?;
    let before = call.query.number("etag", 0_u64)?;
    // A client that asks for "all" names the largest number there is.
    let before = if before == i64::MAX as u64 { 0 } else { before };
    let database = call.open_database().await?;
    let transaction = database.read().await?;
    let found = transaction.revision_bin(Etag::new(before), start, size);
    let found = found.await?;
    let found: Vec<Option<&StoredDocument>> = found.iter().map(Some).collect();
    show(call, &found, None)
}

/// `GET revisions/bin-cleaner/config`.
pub async fn bin_configuration(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let configuration = database.read().await?.revision_bin_configuration().await?;
    Ok(match configuration {
        Some(configuration) => http::json(StatusCode::OK, &configuration),
        None => empty(StatusCode::NOT_FOUND),
    })
}

/// `POST admin/revisions/bin-cleaner/config`.
pub async fn configure_bin(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let configuration = RevisionBinConfiguration::parse(as_text(&body)?)?;
    super::expiration::configure(call, Configure::RevisionBin(configuration)).await
}

/// `GET revisions/config`.
pub async fn configuration(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let configuration = database.read().await?.revisions_configuration().await?;
    Ok(match configuration {
        Some(configuration) => http::json(StatusCode::OK, &configuration),
        None => empty(StatusCode::NOT_FOUND),
    })
}

/// `POST admin/revisions/config`.
pub async fn configure(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let configuration = RevisionsConfiguration::parse(as_text(&body)?)?;
    super::expiration::configure(call, Configure::Revisions(configuration)).await
}

const CONFLICTS: &str = "RevisionsForConflicts";

/// `GET revisions/conflicts/config`.
pub async fn conflicts_configuration(call: &mut Call<'_>) -> Reply {
    let name = call.database_name()?;
    let record = call.server.databases.record(&name);
    let record = record.ok_or_else(|| http_error::database_does_not_exist(&name))?;
    Ok(match record.client_record.get(CONFLICTS) {
        None | Some(Value::Null) => empty(StatusCode::NOT_FOUND),
        Some(configuration) => http::json(StatusCode::OK, configuration),
    })
}

/// `POST admin/revisions/conflicts/config`: kept for when there are conflicts.
pub async fn configure_conflicts(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let configuration: Option<Map<String, Value>> = serde_json::from_str(as_text(&body)?)
        .map_err(|reason| Error::invalid(format!("the configuration does not fit: {reason}")))?;
    let value = configuration.map_or(Value::Null, Value::Object);
    let name = call.database_name()?.into_owned();
    let databases = &call.server.databases;
    let index = databases.set_member(&name, CONFLICTS, value).await?;
    Ok(http::json(
        StatusCode::OK,
        &json!({ "RaftCommandIndex": index }),
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn plus_signs_of_vectors_are_kept() {
        for sent in [
            "A%3A1-a%2Bb%2C%20B%3A2-c%2B",
            "A:1-a+b, B:2-c+",
            "A:1-a+b,+B:2-c+",
        ] {
            let vector = unescape_vector("changeVector", sent).unwrap();
            assert_eq!(vector, "A:1-a+b, B:2-c+", "{sent}");
        }
    }
}
