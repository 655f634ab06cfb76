//! `collections`: counts and documents by collection.

use pinyon_core::NewestQuery;
use pinyon_core::schema::collections::CollectionStatistics;
use serde_json::{Map, Value, json};

use super::docs::cursor::Rest;
use super::docs::page::{self, PageQuery};
use super::stats::{answer_unless_known, size, tag_of};
use crate::http::{Call, Reply};

/// `GET collections/stats`.
pub async fn stats(call: &mut Call<'_>) -> Reply {
    summarise(call, |it| it.document_count.into()).await
}

/// `GET collections/stats/detailed`.
pub async fn detailed_stats(call: &mut Call<'_>) -> Reply {
    summarise(call, |it| {
        json!({
            "Name": it.name,
            "CountOfDocuments": it.document_count,
            "Size": size(it.document_bytes),
            "DocumentsSize": size(it.document_bytes),
            "CountOfTombstones": it.tombstone_count,
            // How large these and revisions are is not kept; clients read the members all the same.
            "TombstonesSize": size(0),
            "CountOfRevisions": it.revision_count,
            "RevisionsSize": size(0),
            "CountOfTimeSeriesDeletedRanges": 0,
            "TimeSeriesDeletedRangesSize": size(0),
            "CountOfCounterEntries": 0,
            "CounterEntriesSize": size(0),
            "CountOfTimeSeriesSegments": 0,
            "TimeSeriesSegmentsSize": size(0),
        })
    })
    .await
}

async fn summarise(call: &Call<'_>, show: impl Fn(&CollectionStatistics) -> Value) -> Reply {
    let database = call.open_database().await?;
    let transaction = database.read().await?;
    let all = transaction.collections().await?;
    let documents: u64 = all.iter().map(|it| it.document_count).sum();
    let tombstones: u64 = all.iter().map(|it| it.tombstone_count).sum();
    let revisions: u64 = all.iter().map(|it| it.revision_count).sum();
    let attachments = transaction.attachment_statistics().await?;
    let (in_conflict, conflicts) = transaction.conflict_counts().await?;
    let collections: Map<String, Value> = all
        .iter()
        .filter(|it| it.document_count > 0)
        .map(|it| (it.name.clone(), show(it)))
        .collect();
    let body = json!({
        "CountOfDocuments": documents,
        "CountOfDocumentsConflicts": in_conflict,
        "CountOfConflicts": conflicts,
        "CountOfRevisionDocuments": revisions,
        "CountOfTombstones": tombstones,
        "CountOfTimeSeriesDeletedRanges": 0,
        "CountOfAttachments": attachments.attachment_count,
        "CountOfCounterEntries": 0,
        "CountOfTimeSeriesSegments": 0,
        "Collections": collections,
    });
    let tag = tag_of(&transaction.change_vector().await?, &body);
    answer_unless_known(call, &tag, &body)
}

/// `GET collections/docs`.
pub async fn docs(call: &mut Call<'_>) -> Reply {
    let name = call.query.require("name")?.into_owned();
    let mut query = PageQuery::parse(call.query)?;
    query.rest = Rest::Newest(NewestQuery {
        collection: Some(name),
        start: call.query.number("start", 0)?,
        ..NewestQuery::default()
    });
    page::answer(call, query).await
}
