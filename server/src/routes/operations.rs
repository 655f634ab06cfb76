//! `operations`: long work that clients follow by number.

use hyper::StatusCode;
use serde_json::json;

use crate::http::{self, Call, Reply, empty};

/// `GET operations/next-operation-id`.
pub async fn next_id(call: &mut Call<'_>) -> Reply {
    if !call.database.is_empty() {
        call.open_database().await?;
    }
    Ok(http::json(
        StatusCode::OK,
        &json!({
            "Id": call.server.next_operation_id(),
            "NodeTag": call.server.databases.node_tag(),
        }),
    ))
}

/// `GET operations/state`: nothing runs as an operation yet, so none is known.
pub async fn state(call: &mut Call<'_>) -> Reply {
    call.query.require("id")?;
    Ok(empty(StatusCode::NOT_FOUND))
}
