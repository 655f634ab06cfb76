//! `configuration/client`: what the server tells clients to do otherwise: nothing.

use hyper::StatusCode;
use serde_json::json;

use crate::http::{self, Call, Reply};

/// `GET configuration/client`.
pub async fn client(call: &mut Call<'_>) -> Reply {
    if !call.database.is_empty() {
        call.open_database().await?;
    }
    Ok(http::json(
        StatusCode::OK,
        &json!({ "Etag": 0, "Configuration": { "Etag": 0, "Disabled": true } }),
    ))
}
