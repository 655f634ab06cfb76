//! `operations`: long work that clients follow by number.

use hyper::StatusCode;
use pinyon_core::Result;
use serde_json::json;

use crate::http::{self, Call, Reply, empty};
use crate::http_error;

/// `GET operations/next-operation-id`.
pub async fn next_id(call: &mut Call<'_>) -> Reply {
    scope(call)?;
    Ok(http::json(
        StatusCode::OK,
        &json!({
            "Id": call.server.operations.next_id(),
            "NodeTag": call.server.databases.node_tag(),
        }),
    ))
}

/// `GET operations/state?id=`.
pub async fn state(call: &mut Call<'_>) -> Reply {
    let id = id(call)?;
    let state = call.server.operations.state(&scope(call)?, id);
    Ok(match state {
        Some(state) => http::json(StatusCode::OK, &state),
        None => empty(StatusCode::NOT_FOUND),
    })
}

/// `POST operations/kill?id=`.
pub async fn kill(call: &mut Call<'_>) -> Reply {
    let id = id(call)?;
    let is_known = call.server.operations.cancel(&scope(call)?, id);
    Ok(empty(match is_known {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::NOT_FOUND,
    }))
}

/// What a client is told that starts an operation.
pub fn started(call: &Call<'_>, id: u64) -> Reply {
    Ok(http::json(
        StatusCode::OK,
        &json!({
            "OperationId": id,
            "OperationNodeTag": call.server.databases.node_tag(),
        }),
    ))
}

fn id(call: &Call<'_>) -> Result<u64> {
    let text = call.query.require("id")?;
    http::parse_number("id", &text)
}

/// Whose operations are meant: those of a database's store, or of the server itself.
fn scope(call: &Call<'_>) -> Result<String> {
    if call.database.is_empty() {
        return Ok(String::new());
    }
    let name = call.database_name()?;
    let record = call.server.databases.record(&name);
    let record = record.ok_or_else(|| http_error::database_does_not_exist(&name))?;
    Ok(record.store)
}
