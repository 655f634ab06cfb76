//! `admin/databases`: making, showing, switching and deleting databases.

use hyper::StatusCode;
use pinyon_core::commands::Configure;
use pinyon_core::conflicts::ConflictsConfiguration;
use pinyon_core::expiration::{ExpirationConfiguration, RefreshConfiguration};
use pinyon_core::revisions::{RevisionBinConfiguration, RevisionsConfiguration};
use pinyon_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::databases::DatabaseRecord;
use crate::http::{self, Call, JsonObject, Reply, as_text, empty};
use crate::http_error;

/// `PUT admin/databases?name=`.
pub async fn create(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let text = as_text(&body)?;
    let client_record: Map<String, Value> = if text.trim().is_empty() {
        Map::new()
    } else {
        serde_json::from_str(text)
            .map_err(|reason| Error::invalid(format!("the database record: {reason}")))?
    };
    check_record(call, &client_record)?;
    let given = call.query.get("name")?.filter(|name| !name.is_empty());
    let name = match (&given, client_record.get("DatabaseName")) {
        (Some(name), Some(Value::String(other))) if !is_same_name(name, other) => {
            return Err(Error::invalid(format!(
                "the query string names the database '{name}', the record '{other}'"
            )));
        }
        (Some(name), _) => name.to_string(),
        (None, Some(Value::String(name))) => name.clone(),
        _ => return Err(Error::invalid("the query string lacks 'name'")),
    };
    let request_id = call.query.get("raft-request-id")?;
    let databases = &call.server.databases;
    let configurations = configurations(&client_record)?;
    let record = databases
        .create(&name, client_record, request_id.as_deref())
        .await?;
    if !configurations.is_empty() {
        let database = databases.get(&record.name).await?;
        for configure in configurations {
            databases.configure(&database, configure).await?;
        }
    }
    Ok(http::json(
        StatusCode::CREATED,
        &json!({
            "RaftCommandIndex": record.index,
            "Name": record.name,
            "Topology": topology(call, &record),
            "NodesAddedTo": [call.base_url()],
            "ShardsDefined": false,
        }),
    ))
}

fn is_same_name(one: &str, other: &str) -> bool {
    other.is_empty() || one.to_lowercase() == other.to_lowercase()
}

/// What a record may tell that is beyond this server.
const UNSUPPORTED: [&str; 16] = [
    "Sharding",
    "Indexes",
    "AutoIndexes",
    "Sorters",
    "Analyzers",
    "ExternalReplications",
    "SinkPullReplications",
    "HubPullReplications",
    "RavenEtls",
    "SqlEtls",
    "OlapEtls",
    "ElasticSearchEtls",
    "QueueEtls",
    "PeriodicBackups",
    "TimeSeries",
    "DataArchival",
];

/// Whether a member of a record asks for nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        // A configuration that is there but all of whose members are not.
        Value::Object(members) => members.values().all(Value::is_null),
        _ => false,
    }
}

/// Refuses what would not be done, rather than forget it.
fn check_record(call: &Call<'_>, record: &Map<String, Value>) -> Result<()> {
    if record.get("Encrypted") == Some(&Value::Bool(true)) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "encrypted databases are not implemented yet",
        ));
    }
    let meant = |name: &&&str| record.get(**name).is_some_and(|value| !is_empty(value));
    if let Some(name) = UNSUPPORTED.iter().find(meant) {
        let what = match *name {
            "Indexes" => "; define indexes when the database is there",
            _ => "",
        };
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("the record's '{name}' are not supported{what}"),
        ));
    }
    if call.query.number("replicationFactor", 1_u32)? > 1 {
        return Err(Error::invalid(
            "a replication factor above 1 needs more nodes; there is one",
        ));
    }
    Ok(())
}

/// What a record tells to do with the documents.
fn configurations(record: &Map<String, Value>) -> Result<Vec<Configure>> {
    let text = |member| {
        let value = record.get(member).filter(|value| !value.is_null());
        value.map(ToString::to_string)
    };
    let mut configurations = Vec::new();
    if let Some(text) = text("Revisions") {
        configurations.push(Configure::Revisions(RevisionsConfiguration::parse(&text)?));
    }
    if let Some(text) = text("RevisionsBin") {
        let bin = RevisionBinConfiguration::parse(&text)?;
        configurations.push(Configure::RevisionBin(bin));
    }
    if let Some(text) = text("Expiration") {
        let expiration = ExpirationConfiguration::parse(&text)?;
        configurations.push(Configure::Expiration(expiration));
    }
    if let Some(text) = text("Refresh") {
        configurations.push(Configure::Refresh(RefreshConfiguration::parse(&text)?));
    }
    if let Some(text) = text("ConflictSolverConfig") {
        let conflicts = ConflictsConfiguration::parse(&text)?;
        configurations.push(Configure::Conflicts(conflicts));
    }
    Ok(configurations)
}

fn topology(call: &Call<'_>, record: &DatabaseRecord) -> Value {
    json!({
        "Members": [call.server.databases.node_tag()],
        "Promotables": [],
        "Rehabs": [],
        "Stamp": { "Index": record.index, "Term": 1, "LeadersTicks": -2 },
        "NodesModifiedAt": record.created_at().to_text(),
        "PromotablesStatus": {},
        "DemotionReasons": {},
        "DynamicNodesDistribution": false,
        "ReplicationFactor": 1,
        "DatabaseTopologyIdBase64": record.topology_id,
        "ClusterTransactionIdBase64": record.cluster_transaction_id,
        "PriorityOrder": [],
    })
}

/// `GET admin/databases?name=`.
pub async fn get(call: &mut Call<'_>) -> Reply {
    let name = call.query.require("name")?;
    let Some(record) = call.server.databases.record(&name) else {
        return Ok(empty(StatusCode::NOT_FOUND));
    };
    Ok(show(call, &record))
}

/// `GET databases/{db}/admin/record`.
pub async fn record(call: &mut Call<'_>) -> Reply {
    let name = call.database_name()?;
    let record = call.server.databases.record(&name);
    let record = record.ok_or_else(|| http_error::database_does_not_exist(&name))?;
    Ok(show(call, &record))
}

fn show(call: &Call<'_>, record: &DatabaseRecord) -> hyper::Response<http::Body> {
    let mut shown = record.client_record.clone();
    shown.insert("DatabaseName".to_owned(), record.name.as_str().into());
    shown.insert("Disabled".to_owned(), record.disabled.into());
    shown.insert("Etag".to_owned(), record.index.into());
    shown.insert("Topology".to_owned(), topology(call, record));
    http::json(StatusCode::OK, &shown)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Deletion {
    database_names: Vec<String>,
    #[serde(default)]
    hard_delete: bool,
}

/// `DELETE admin/databases`.
pub async fn delete(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let JsonObject(deletion): JsonObject<Deletion> = serde_json::from_str(as_text(&body)?)
        .map_err(|reason| Error::invalid(format!("what to delete: {reason}")))?;
    let request_id = call.query.get("raft-request-id")?;
    let mut index = 0;
    // Those first that are not there: unless an earlier try of this request deleted them, nothing
    // is deleted.
    let databases = &call.server.databases;
    let is_there = |name: &&String| databases.record(name).is_some();
    let (there, gone): (Vec<_>, Vec<_>) = deletion.database_names.iter().partition(is_there);
    for name in gone.into_iter().chain(there) {
        // One request may delete several; each is remembered on its own.
        let request_id = request_id.as_ref().map(|id| format!("{id}/{name}"));
        let deleted = databases.delete(name, deletion.hard_delete, request_id.as_deref());
        index = index.max(deleted.await?);
    }
    Ok(http::json(
        StatusCode::OK,
        &json!({ "RaftCommandIndex": index, "PendingDeletes": [] }),
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Names {
    database_names: Vec<String>,
}

/// `POST admin/databases/enable` and `…/disable`.
pub async fn set_disabled(call: &mut Call<'_>, disabled: bool) -> Reply {
    let names = match call.query.get("name")? {
        Some(name) => vec![name.into_owned()],
        None => {
            let body = call.read_body().await?;
            let JsonObject(names): JsonObject<Names> = serde_json::from_str(as_text(&body)?)
                .map_err(|reason| Error::invalid(format!("the databases' names: {reason}")))?;
            names.database_names
        }
    };
    let mut statuses = Vec::with_capacity(names.len());
    for name in &names {
        let result = call.server.databases.set_disabled(name, disabled).await;
        statuses.push(match result {
            Ok(()) => json!({
                "Name": name,
                "Success": true,
                "Disabled": disabled,
                "Reason": format!("The database '{name}' is {}", if disabled { "disabled" } else { "enabled" }),
            }),
            Err(error) => json!({
                "Name": name,
                "Success": false,
                "Disabled": !disabled,
                "Reason": error.message(),
            }),
        });
    }
    Ok(http::json(StatusCode::OK, &json!({ "Status": statuses })))
}
