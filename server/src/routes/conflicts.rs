//! `replication/conflicts`: documents of which several versions live, and how that is resolved.

use hyper::StatusCode;
use pinyon_core::commands::Configure;
use pinyon_core::conflicts::{Conflict, ConflictsConfiguration};
use serde_json::{Value, json};

use crate::databases::OpenDatabase;
use crate::http::{self, Call, Reply, as_text};

/// How many conflicts are listed when nobody says.
const PAGE: usize = 25;
const LARGEST_PAGE: usize = 1024;

/// `GET replication/conflicts[?docId=]`.
pub async fn get(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    match call.query.get("docId")? {
        Some(id) => of_document(&database, &id).await,
        None => list(call, &database).await,
    }
}

async fn of_document(database: &OpenDatabase, id: &str) -> Reply {
    let read = database.read().await?;
    let Some(conflict) = read.conflict(id).await? else {
        return Ok(http::json(
            StatusCode::OK,
            &json!({ "Id": id, "LargestEtag": 0, "TotalResults": 0, "Results": [] }),
        ));
    };
    let mut results = Vec::with_capacity(conflict.set.live.len());
    for live in &conflict.set.live {
        let version = &live.value;
        let document: Value = match version.is_deletion {
            true => Value::Null,
            false => document_of(&version.body, &version.metadata)?,
        };
        results.push(json!({
            "LastModified": version.last_modified.to_text(),
            "ChangeVector": read.version_name(live.dot)?,
            "Doc": document,
        }));
    }
    Ok(http::json(
        StatusCode::OK,
        &json!({
            "Id": conflict.id,
            "LargestEtag": conflict.etag.number(),
            "ChangeVector": conflict.change_vector,
            "TotalResults": results.len(),
            "Results": results,
        }),
    ))
}

/// A version as clients read documents: body, then its metadata.
fn document_of(body: &str, metadata: &str) -> pinyon_core::Result<Value> {
    let broken = |reason: serde_json::Error| {
        pinyon_core::Error::corrupted("a version in conflict is no JSON").with_source(reason)
    };
    let mut document: Value = serde_json::from_str(body).map_err(broken)?;
    document["@metadata"] = serde_json::from_str(&format!("{{{metadata}}}")).map_err(broken)?;
    Ok(document)
}

async fn list(call: &Call<'_>, database: &OpenDatabase) -> Reply {
    let start_after = call.query.get("startAfter")?.unwrap_or_default();
    let size = call.query.number("pageSize", PAGE)?.min(LARGEST_PAGE);
    let found = database.read().await?.conflicts(&start_after, size).await?;
    let results: Vec<Value> = found.iter().map(summary).collect();
    Ok(http::json(
        StatusCode::OK,
        &json!({ "TotalResults": results.len(), "Results": results }),
    ))
}

fn summary(conflict: &Conflict) -> Value {
    let times = conflict.set.live.iter().map(|it| it.value.last_modified);
    json!({
        "Id": conflict.id,
        "LastModified": times.max().map(|it| it.to_text()),
        "ChangeVector": conflict.change_vector,
        "ConflictsPerDocument": conflict.set.live.len(),
    })
}

/// `POST admin/replication/conflicts/solver`.
pub async fn configure(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let configuration = ConflictsConfiguration::parse(as_text(&body)?)?;
    let database = call.open_database().await?;
    let now = call.server.host.clock.now();
    configuration.check(&*database.scripts, now).await?;
    let has_scripts = !configuration.resolve_by_collection.is_empty();
    let reply = super::expiration::configure(call, Configure::Conflicts(configuration)).await?;
    if has_scripts {
        database.start_resolving();
    }
    Ok(reply)
}
