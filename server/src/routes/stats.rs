//! `stats`: what a database holds.

use hyper::StatusCode;
use pinyon_core::version::Etag;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::indexes;
use crate::http::{self, Call, Reply, etag_value, not_modified};

/// A number of bytes, as the protocol shows it.
pub fn size(bytes: u64) -> Value {
    const UNITS: [&str; 5] = ["Bytes", "KBytes", "MBytes", "GBytes", "TBytes"];
    let mut unit = 0;
    let mut scale = 1_u64;
    while bytes / scale >= 1024 && unit + 1 < UNITS.len() {
        scale *= 1024;
        unit += 1;
    }
    let hundredths = u128::from(bytes) * 100 / u128::from(scale);
    let text = match (hundredths / 100, hundredths % 100) {
        (whole, 0) => format!("{whole} {}", UNITS[unit]),
        (whole, part) => format!("{whole}.{part:02} {}", UNITS[unit]),
    };
    json!({ "HumaneSize": text, "SizeInBytes": bytes })
}

/// `GET stats`.
pub async fn full(call: &mut Call<'_>) -> Reply {
    answer(call, false).await
}

/// `GET stats/detailed`: with what a cluster counts, too.
pub async fn detailed(call: &mut Call<'_>) -> Reply {
    answer(call, true).await
}

async fn answer(call: &Call<'_>, is_detailed: bool) -> Reply {
    let database = call.open_database().await?;
    let transaction = database.read().await?;
    let change_vector = transaction.change_vector().await?;
    let indexes = indexes::summaries(&database).await?;
    let statistics = transaction.statistics().await?;
    let attachments = transaction.attachment_statistics().await?;
    let (in_conflict, conflicts) = transaction.conflict_counts().await?;
    let collections = transaction.collections().await?;
    let last_document = collections.iter().map(|it| it.last_document_etag).max();
    let on_disk = call.server.databases.byte_count(&database.record).await?;
    let mut body = json!({
        "CountOfIndexes": indexes.len(),
        "CountOfDocuments": statistics.document_count,
        "CountOfRevisionDocuments": statistics.revision_count,
        "CountOfTombstones": statistics.tombstone_count,
        "CountOfDocumentsConflicts": in_conflict,
        "CountOfConflicts": conflicts,
        "CountOfAttachments": attachments.attachment_count,
        "CountOfUniqueAttachments": attachments.content_count,
        "CountOfCounterEntries": 0,
        "CountOfTimeSeriesSegments": 0,
        "Indexes": indexes,
        "DatabaseChangeVector": change_vector,
        "DatabaseId": database.documents.incarnation().id.to_string(),
        "Is64Bit": cfg!(target_pointer_width = "64"),
        "Pager": "pinyon-storage-native",
        "LastDocEtag": last_document.unwrap_or(Etag::ZERO).number(),
        "LastDatabaseEtag": statistics.last_etag.number(),
        "LastIndexingTime": null,
        "TempBuffersSizeOnDisk": size(0),
    });
    if is_detailed {
        body["CountOfIdentities"] = transaction.identities().await?.len().into();
        for name in [
            "CountOfCompareExchange",
            "CountOfCompareExchangeTombstones",
            "CountOfTimeSeriesDeletedRanges",
        ] {
            // There are none of these here.
            body[name] = 0.into();
        }
    }
    let tag = tag_of(&change_vector, &body);
    // These change by themselves, and nobody asks again because of them.
    body["@metadata"] = json!({
        "DateTime": call.server.host.clock.now().to_text(),
        "WebUrl": call.base_url(),
        "NodeTag": call.server.databases.node_tag(),
    });
    body["NumberOfTransactionMergerQueueOperations"] =
        database.documents.queued_operations().into();
    body["NumberOfCommits"] = database.documents.commit_count().into();
    body["SizeOnDisk"] = size(on_disk);
    answer_unless_known(call, &tag, &body)
}

/// The tag of figures: indexes come further, identities grow and tombstones go while the change
/// vector stays.
pub fn tag_of(change_vector: &str, figures: &Value) -> String {
    let hash = xxh3_64(figures.to_string().as_bytes());
    format!("{change_vector}, figures {hash:016x}")
}

/// The figures, or that the client has them already.
pub fn answer_unless_known(call: &Call<'_>, tag: &str, figures: &Value) -> Reply {
    let etag = etag_value(tag)?;
    if call.has_already(tag) {
        return Ok(not_modified(etag));
    }
    let mut response = http::json(StatusCode::OK, figures);
    response.headers_mut().insert(hyper::header::ETAG, etag);
    Ok(response)
}

/// `GET stats/essential`.
pub async fn essential(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let transaction = database.read().await?;
    let indexes = indexes::summaries(&database).await?;
    let statistics = transaction.statistics().await?;
    let attachments = transaction.attachment_statistics().await?;
    let (in_conflict, conflicts) = transaction.conflict_counts().await?;
    Ok(http::json(
        StatusCode::OK,
        &json!({
            "CountOfIndexes": indexes.len(),
            "CountOfDocuments": statistics.document_count,
            "CountOfRevisionDocuments": statistics.revision_count,
            "CountOfDocumentsConflicts": in_conflict,
            "CountOfTombstones": statistics.tombstone_count,
            "CountOfConflicts": conflicts,
            "CountOfAttachments": attachments.attachment_count,
            "CountOfCounterEntries": 0,
            "CountOfTimeSeriesSegments": 0,
            "Indexes": indexes,
        }),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        let text = |bytes| size(bytes)["HumaneSize"].as_str().unwrap().to_owned();
        assert_eq!(text(0), "0 Bytes");
        assert_eq!(text(1023), "1023 Bytes");
        assert_eq!(text(1024), "1 KBytes");
        assert_eq!(text(17_039_360), "16.25 MBytes");
        assert_eq!(
            text(u64::MAX),
            "16777216 TBytes".replace("16777216", "16777215.99")
        );
    }
}
