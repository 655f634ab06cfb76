//! `databases`: the list of databases, and how one is doing.

use hyper::StatusCode;
use pinyon_core::NoticeKind;
use serde_json::{Value, json};

use crate::databases::DatabaseRecord;
use crate::http::{self, Call, Reply, empty};

/// `GET databases`.
pub async fn list(call: &mut Call<'_>) -> Reply {
    let start = call.query.number("start", 0_usize)?;
    let page_size = call.query.number("pageSize", usize::MAX)?;
    let wanted = call.query.get("name")?;
    let records = call.server.databases.records().await;
    let page = records
        .iter()
        .filter(|record| {
            wanted
                .as_deref()
                .is_none_or(|name| record.name.eq_ignore_ascii_case(name))
        })
        .skip(start)
        .take(page_size);
    let mut databases = Vec::new();
    for (place, record) in page.enumerate() {
        databases.push(if call.query.flag("namesOnly") {
            record.name.as_str().into()
        } else {
            describe(call, record, place < COUNTED).await
        });
    }
    Ok(http::json(
        StatusCode::OK,
        &json!({ "Databases": databases }),
    ))
}

/// Of a few databases the documents are counted even if that means to open them.
const COUNTED: usize = 16;

async fn describe(call: &Call<'_>, record: &DatabaseRecord, may_open: bool) -> Value {
    let databases = &call.server.databases;
    let tag = databases.node_tag();
    // One that cannot be opened must not hide the others.
    let documents = databases.document_count(&record.name, may_open).await;
    let bytes = databases.byte_count(record).await;
    let failure = documents.as_ref().err().or(bytes.as_ref().err());
    let load_error = failure.map(ToString::to_string);
    if let Some(reason) = &load_error {
        tracing::warn!(
            database = record.name,
            reason,
            "a listed database cannot be read"
        );
    }
    json!({
        "Name": record.name,
        "Disabled": record.disabled,
        "CreatedAt": record.created_at().to_text(),
        "LoadError": load_error,
        "DocumentsCount": documents.ok().flatten(),
        "IsLoaded": databases.is_open(&record.name),
        "TotalSize": bytes.ok().map(super::stats::size),
        "IndexesCount": 0,
        "IndexingErrors": 0,
        "IndexingStatus": "Running",
        "Alerts": 0,
        "PerformanceHints": 0,
        "LockMode": "Unlock",
        "IsAdmin": true,
        "IsEncrypted": false,
        "RejectClients": false,
        "BackupInfo": null,
        "HasRevisionsConfiguration": false,
        "HasExpirationConfiguration": false,
        "HasRefreshConfiguration": false,
        "HasDataArchivalConfiguration": false,
        "NodesTopology": {
            "Members": [{ "NodeTag": tag, "NodeUrl": call.base_url(), "ResponsibleNode": null }],
            "Promotables": [],
            "Rehabs": [],
            "Status": { tag: { "LastStatus": "Ok", "LastError": null } },
            "PriorityOrder": [],
            "DynamicNodesDistribution": false,
        },
        "ReplicationFactor": 1,
        "DynamicNodesDistribution": false,
        "DeletionInProgress": {},
        "Environment": "None",
    })
}

/// `GET healthcheck`.
pub async fn health_check(call: &mut Call<'_>) -> Reply {
    // Opening and reading is what health means here.
    call.open_database().await?.read().await?.state().await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `GET notices`: what the owner of the database may want to know.
pub async fn notices(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let notices: Vec<Value> = database
        .documents
        .notices()
        .into_iter()
        .filter_map(|notice| match notice.kind {
            NoticeKind::LargeDocument { id, byte_count } => Some(json!({
                "At": notice.at.to_text(),
                "Type": "LargeDocument",
                "Id": id,
                "SizeInBytes": byte_count,
            })),
            _ => None,
        })
        .collect();
    Ok(http::json(StatusCode::OK, &json!({ "Results": notices })))
}
